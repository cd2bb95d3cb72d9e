//! From what is known of the pins to lines that move the vulnerable ones: the lowest version above the pinned one that is
//! released here and that no advisory affects.
//!
//! Pure, and the same for the same answers in any order. Advisories are foreign text and may not become an instruction:
//! whatever is not printable ASCII is a `?` in a comment, and what is no comment is made of checked names and versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::requirement::is_plain_marker;
use super::{Entry, Kind, Source};
use crate::domain::{Ecosystem, Project, Severity, Version, perl_version};

/// Longest comment line, in characters, after which it is cut.
const LONGEST_COMMENT: usize = 300;

/// Advisories of one pin that are told each on a line of its own.
const MOST_TOLD: usize = 20;

/// What an advisory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `GHSA-...`, `CVE-...`, `CPANSA-...`.
    pub id: String,
    /// What it is about, as its publisher says.
    pub summary: String,
    /// How bad it is.
    pub severity: Severity,
}

/// What is known of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The advisories that affect the pinned version; none: all is well.
    pub advisories: Vec<Told>,
    /// The versions of the project that are released here and that no advisory affects, in ascending order.
    pub remedies: Vec<Version>,
}

/// Lines that move vulnerable pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// A constraints file for pip and uv, or lines for a cpanfile. Printable ASCII.
    pub text: String,
    /// What it does in numbers.
    pub totals: Totals,
}

/// How many entries there were of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Entries that were asked about.
    pub entries: usize,
    /// Those with an advisory: the sum of the three below.
    pub vulnerable: usize,
    /// Vulnerable ones that a line moves.
    pub moved: usize,
    /// Vulnerable ones for which nothing better is released here yet.
    pub waiting: usize,
    /// Vulnerable ones that no line can move: not pinned exactly, not from an index, or without a name that can be written.
    pub by_hand: usize,
    /// Different advisories.
    pub advisories: usize,
}

/// What becomes of a vulnerable entry.
enum Fate {
    Moved(Version),
    Waiting(String),
    ByHand(String),
}

/// The comments of a line, and the lines that are no comment with the version that each asks for.
#[derive(Default)]
struct OfProject<'a> {
    comments: BTreeSet<(String, Vec<String>)>,
    lines: BTreeMap<Option<&'a str>, (Version, String)>,
}

/// Makes the lines. A project that is pinned to several versions under conditions gets a line under each condition.
pub fn remedy<'a>(kind: Kind, answers: impl IntoIterator<Item = (&'a Entry, &'a Answer)>) -> Remedy {
    let answers: Vec<(&Entry, &Answer)> = answers.into_iter().collect();
    let mut versions: BTreeMap<&Project, BTreeSet<Option<&Version>>> = BTreeMap::new();
    for (entry, _) in &answers {
        versions.entry(&entry.project).or_default().insert(entry.version.as_ref());
    }
    let mut totals = Totals { entries: answers.len(), ..Totals::default() };
    let mut advisories = BTreeSet::new();
    let mut projects: BTreeMap<&Project, OfProject<'_>> = BTreeMap::new();
    for (entry, answer) in &answers {
        if answer.advisories.is_empty() {
            continue;
        }
        totals.vulnerable += 1;
        advisories.extend(answer.advisories.iter().map(|told| told.id.as_str()));
        let of = projects.entry(&entry.project).or_default();
        let fate = fate_of(entry, answer);
        let outcome = match fate {
            Fate::Moved(version) => {
                totals.moved += 1;
                let outcome = format!("go to {version}");
                let forked = versions.get(&entry.project).is_some_and(|versions| versions.len() > 1);
                let marker = entry.marker.as_deref().filter(|marker| forked && is_plain_marker(marker));
                let line = line_of(entry, &version, marker);
                let ecosystem = entry.project.ecosystem;
                let known = of.lines.get(&marker);
                if known.is_none_or(|(known, _)| known.compare(&version, ecosystem).is_lt()) {
                    of.lines.insert(marker, (version, line));
                }
                outcome
            }
            Fate::Waiting(why) => {
                totals.waiting += 1;
                format!("not moved: {why}")
            }
            Fate::ByHand(why) => {
                totals.by_hand += 1;
                format!("to be moved by hand: {why}")
            }
        };
        of.comments.insert(comments_of(entry, answer, &outcome));
    }
    totals.advisories = advisories.len();
    Remedy { text: written(kind, &projects, totals), totals }
}

fn fate_of(entry: &Entry, answer: &Answer) -> Fate {
    if let Source::Elsewhere { place, .. } = &entry.source {
        return Fate::ByHand(format!("it comes from {}, which no constraint reaches", place.as_str()));
    }
    let Some(pinned) = &entry.version else {
        return Fate::ByHand("it is not pinned to one version".to_owned());
    };
    let ecosystem = entry.project.ecosystem;
    if ecosystem == Ecosystem::Cpan && module_of(entry).is_none() {
        return Fate::ByHand("its name is none that a cpanfile can ask for".to_owned());
    }
    let above = || answer.remedies.iter().filter(|version| is_above(version, pinned, ecosystem));
    let lowest =
        |some: &mut dyn Iterator<Item = &Version>| some.min_by(|one, two| one.compare(two, ecosystem)).cloned();
    let takes_previews = is_preview(pinned, ecosystem);
    let fit = |version: &&Version| {
        (takes_previews || !is_preview(version, ecosystem)) && can_be_asked_for(version, ecosystem)
    };
    if let Some(version) = lowest(&mut above().filter(fit)) {
        return Fate::Moved(version);
    }
    if let Some(version) = lowest(&mut above()) {
        return Fate::Waiting(format!("only {version} is fixed and released here, a version for developers"));
    }
    let below = answer.remedies.iter().filter(|version| is_above(pinned, version, ecosystem));
    let newest_below = below.max_by(|one, two| one.compare(two, ecosystem));
    Fate::Waiting(match newest_below {
        Some(version) => format!(
            "nothing later is fixed and released here yet; the newest earlier version without advisories is {version}"
        ),
        None => "nothing that is fixed is released here yet".to_owned(),
    })
}

/// Whether a version names a later release: `1.0.0` is not later than `1.0`, nor `1.10` on CPAN than `1.1`.
fn is_above(version: &Version, pinned: &Version, ecosystem: Ecosystem) -> bool {
    let is_same = match ecosystem {
        Ecosystem::Cpan => perl_version::is_same_value(version.as_str(), pinned.as_str()),
        Ecosystem::Pypi | Ecosystem::Teapot => version.is_same_release(pinned),
    };
    !is_same && version.compare(pinned, ecosystem).is_gt()
}

/// Whether installers leave a version out unless it is asked for.
fn is_preview(version: &Version, ecosystem: Ecosystem) -> bool {
    match ecosystem {
        Ecosystem::Pypi => version.pep440().is_none_or(pep440_rs::Version::any_prerelease),
        Ecosystem::Cpan => version.as_str().contains(['_', '-']),
        Ecosystem::Teapot => version.as_str().contains(['a', 'b']),
    }
}

/// Whether `>= VERSION` can be written.
fn can_be_asked_for(version: &Version, ecosystem: Ecosystem) -> bool {
    match ecosystem {
        Ecosystem::Pypi => version.pep440().is_some(),
        // What version.pm reads: https://perldoc.perl.org/version
        Ecosystem::Cpan | Ecosystem::Teapot => {
            let digits = version.as_str().strip_prefix('v').unwrap_or(version.as_str());
            digits.starts_with(|first: char| first.is_ascii_digit())
                && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'))
        }
    }
}

/// The module that gets an entry's distribution.
fn module_of(entry: &Entry) -> Option<String> {
    let module = entry.package.clone().unwrap_or_else(|| entry.project.name.as_str().replace('-', "::"));
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_module = !module.starts_with(|first: char| first.is_ascii_digit()) && module.split("::").all(is_word);
    is_module.then_some(module)
}

fn line_of(entry: &Entry, version: &Version, marker: Option<&str>) -> String {
    match entry.project.ecosystem {
        Ecosystem::Cpan => {
            format!("requires '{}', '>= {version}';", module_of(entry).unwrap_or_default())
        }
        Ecosystem::Pypi | Ecosystem::Teapot => {
            // PEP 440: only == may name a local version.
            let is_local = version.pep440().is_some_and(pep440_rs::Version::is_local);
            let operator = if is_local { "==" } else { ">=" };
            let condition = marker.map(|marker| format!(" ; {}", marker.trim())).unwrap_or_default();
            format!("{}{operator}{version}{condition}", entry.project.name)
        }
    }
}

/// A headline, by which they are sorted, and a line for each advisory.
fn comments_of(entry: &Entry, answer: &Answer, outcome: &str) -> (String, Vec<String>) {
    let version = entry.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let told: BTreeSet<(std::cmp::Reverse<Severity>, &str, &str)> = answer
        .advisories
        .iter()
        .map(|told| (std::cmp::Reverse(told.severity), told.id.as_str(), told.summary.as_str()))
        .collect();
    let more = told.len().saturating_sub(MOST_TOLD);
    let lines = told
        .iter()
        .take(MOST_TOLD)
        .map(|(severity, id, summary)| comment(&format!("  {} ({}): {}", cut(id, 60), severity.0, summary)));
    let lines = lines.chain((more > 0).then(|| comment(&format!("  and {more} more"))));
    (comment(&format!("{}{version}: {outcome}", entry.project.name)), lines.collect())
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// One comment line, whatever the text: printable ASCII without `\`, with which pip continues a line.
fn comment(text: &str) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let plain = |letter: char| match letter {
        ' '..='~' if letter != '\\' => letter,
        _ if letter.is_whitespace() => ' ',
        _ => '?',
    };
    let words: String = text.chars().take(4 * LONGEST_COMMENT).map(plain).collect();
    let mut line = format!("# {}{}", " ".repeat(indent), words.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.len() > LONGEST_COMMENT {
        line.truncate(LONGEST_COMMENT);
        line.push_str("...");
    }
    line.trim_end().to_owned()
}

fn written(kind: Kind, projects: &BTreeMap<&Project, OfProject<'_>>, totals: Totals) -> String {
    // Two lines of ours come first: in those pip looks for an encoding (PEP 263), and an advisory's text must not name one.
    let mut text = match kind {
        Kind::CpanfileSnapshot => {
            "# lazaret: what moves vulnerable pins to released versions without known advisories.\n\
            # Add these lines to the cpanfile, then let carton update the snapshot.\n"
        }
        _ => {
            "# lazaret: what moves vulnerable pins to released versions without known advisories.\n\
            # Give this file when pins are made again: pip install -c FILE, uv pip compile -c FILE.\n"
        }
    }
    .to_owned();
    for of in projects.values() {
        text.push('\n');
        for (headline, told) in &of.comments {
            for line in std::iter::once(headline).chain(told) {
                text.push_str(line);
                text.push('\n');
            }
        }
        for (_, line) in of.lines.values() {
            text.push_str(line);
            text.push('\n');
        }
    }
    let Totals { entries, vulnerable, moved, waiting, by_hand, advisories } = totals;
    let _ = write!(
        text,
        "\n# Entries: {entries}, vulnerable: {vulnerable}; moved: {moved}, without a fix: {waiting}, by hand: {by_hand}. Advisories: {advisories}.\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::requirement::Requirement;
    use super::super::{Place, read};
    use super::*;
    use crate::domain::ProjectName;

    fn entries(text: &str) -> Vec<Entry> {
        read("requirements.txt", text.as_bytes(), None).unwrap().entries
    }

    fn told(id: &str, summary: &str) -> Told {
        Told { id: id.into(), summary: summary.into(), severity: Severity::High }
    }

    fn answer(ids: &[&str], remedies: &[&str]) -> Answer {
        Answer {
            advisories: ids.iter().map(|id| told(id, "something bad")).collect(),
            remedies: remedies.iter().map(|raw| Version::pypi(raw).unwrap()).collect(),
        }
    }

    /// The lines that are no comment.
    fn lines(remedy: &Remedy) -> Vec<&str> {
        remedy.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    #[test]
    fn a_vulnerable_pin_moves_to_the_lowest_fixed_version() {
        let entries = entries(
            "zlib-ng==1.0\njinja2==3.1.3 ; python_version > '3'\nsix==1.16.0\nloose>=2\nmine @ git+https://code.example.test/mine\n",
        );
        let answers = [
            answer(&["CVE-2026-0002"], &["0.8", "0.9"]),
            answer(&["GHSA-aaaa", "CVE-2026-0001"], &["2.0", "3.1.5rc1", "3.2", "3.1.4"]),
            answer(&[], &[]),
            answer(&["CVE-2026-0003"], &["9"]),
            answer(&["CVE-2026-0003"], &["9"]),
        ];
        let made = remedy(Kind::Requirements, entries.iter().zip(&answers));
        insta::assert_snapshot!(made.text, @r"
        # lazaret: what moves vulnerable pins to released versions without known advisories.
        # Give this file when pins are made again: pip install -c FILE, uv pip compile -c FILE.

        # jinja2 3.1.3: go to 3.1.4
        #   CVE-2026-0001 (high): something bad
        #   GHSA-aaaa (high): something bad
        jinja2>=3.1.4

        # loose: to be moved by hand: it is not pinned to one version
        #   CVE-2026-0003 (high): something bad

        # mine: to be moved by hand: it comes from a repository, which no constraint reaches
        #   CVE-2026-0003 (high): something bad

        # zlib-ng 1.0: not moved: nothing later is fixed and released here yet; the newest earlier version without advisories is 0.9
        #   CVE-2026-0002 (high): something bad

        # Entries: 5, vulnerable: 4; moved: 1, without a fix: 1, by hand: 2. Advisories: 4.
        ");
        let totals = Totals { entries: 5, vulnerable: 4, moved: 1, waiting: 1, by_hand: 2, advisories: 4 };
        assert_eq!(made.totals, totals);
        let backwards = remedy(Kind::Requirements, entries.iter().zip(&answers).rev());
        assert_eq!(backwards, made, "the order of answers makes no difference");
        let twice = remedy(Kind::Requirements, entries.iter().zip(&answers).chain(entries.iter().zip(&answers)));
        assert_eq!(lines(&twice), lines(&made), "nor does saying it twice");
    }

    #[test]
    fn versions_are_chosen_as_installers_choose() {
        let shapes: [(&str, &[&str], &[&str]); 9] = [
            ("a==1.9", &["1.10", "2.0"], &["a>=1.10"]),
            ("a==1.0", &["1.1rc1", "1.2"], &["a>=1.2"]),
            ("a==1.1a1", &["1.1rc1", "1.2"], &["a>=1.1rc1"]),
            ("a==1.0", &["1.1rc1"], &[]),
            ("a==1.0", &["1.0", "1.0.0", "0.9"], &[]),
            ("a==1.0+cpu", &["1.0+cpu.1", "1.1+cpu"], &["a==1.0+cpu.1"]),
            ("a==1!1.0", &["2.0", "1!1.0.post1"], &["a>=1!1.0.post1"]),
            ("a===1.0", &["1.1"], &["a>=1.1"]),
            ("a>=1.0", &["1.1"], &[]),
        ];
        for (pin, remedies, wanted) in shapes {
            let entries = entries(pin);
            let made = remedy(Kind::Requirements, entries.iter().zip([&answer(&["CVE-1"], remedies)]));
            assert_eq!(lines(&made), wanted, "{pin} {remedies:?}");
        }
    }

    #[test]
    fn forks_move_apart_under_their_conditions() {
        let old = "python_full_version < '3.9'";
        let entries = entries(&format!("a==1.0 ; {old}\na==2.0 ; python_full_version >= '3.9'\n"));
        let affected = answer(&["CVE-1"], &["1.1", "2.1"]);
        let both = remedy(Kind::Uv, entries.iter().map(|entry| (entry, &affected)));
        assert_eq!(lines(&both), [&*format!("a>=1.1 ; {old}"), "a>=2.1 ; python_full_version >= '3.9'"]);
        let well = Answer::default();
        let one = remedy(Kind::Uv, entries.iter().zip([&affected, &well]));
        assert_eq!(lines(&one), [format!("a>=1.1 ; {old}")]);
        let mut hostile = entries.clone();
        hostile[0].marker = Some("a == 'b'\n--index-url https://evil.example.test/".to_owned());
        let made = remedy(Kind::Uv, hostile.iter().zip([&affected, &well]));
        assert_eq!(lines(&made), ["a>=1.1"]);
        hostile[0].marker = None;
        hostile[1].marker = None;
        let made = remedy(Kind::Uv, hostile.iter().map(|entry| (entry, &affected)));
        assert_eq!(lines(&made), ["a>=2.1"], "without conditions the higher one holds for both");
    }

    #[test]
    fn advisories_cannot_become_lines() {
        let entries = entries("a==1.0");
        let evil = [
            "x\n--index-url https://evil.example.test/",
            "x\r\nevil==6.6",
            "x\u{2028}evil==6.6",
            "-*- coding: utf-7 -*-",
            "x \\",
            "\u{202e}evil\u{1b}[2J",
            "${HOME}",
        ];
        for text in evil {
            let mut affected = answer(&[], &["1.1"]);
            affected.advisories.push(told(text, text));
            let made = remedy(Kind::Requirements, entries.iter().zip([&affected]));
            assert_eq!(lines(&made), ["a>=1.1"], "{text:?}");
            assert!(made.text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~') && byte != b'\\'), "{text:?}");
            assert!(!made.text.lines().take(2).any(|line| line.contains("coding")), "{text:?}");
        }
        let long =
            Answer { advisories: vec![told(&"i".repeat(9_999), &"s".repeat(9_999)); 2], ..answer(&[], &["1.1"]) };
        assert!(remedy(Kind::Requirements, entries.iter().zip([&long])).text.len() < 2_000);
        let many: Vec<String> = (0..500).map(|number| format!("CVE-{number}")).collect();
        let many = answer(&many.iter().map(String::as_str).collect::<Vec<_>>(), &["1.1"]);
        assert!(remedy(Kind::Requirements, entries.iter().zip([&many])).text.contains("\n#   and 480 more\n"));
    }

    fn distribution(name: &str, version: &str, package: Option<&str>) -> Entry {
        let name = ProjectName::parse(Ecosystem::Cpan, name).unwrap();
        Entry {
            project: Project { ecosystem: Ecosystem::Cpan, name },
            version: Version::parse(Ecosystem::Cpan, version).ok(),
            specifier: None,
            files: Vec::new(),
            source: Source::Index { address: None },
            line: 1,
            marker: None,
            package: package.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn a_snapshot_gets_lines_for_its_cpanfile() {
        let shapes: [(Entry, &[&str], Option<&str>); 9] = [
            (distribution("Try-Tiny", "0.30", None), &["0.29", "0.32"], Some("requires 'Try::Tiny', '>= 0.32';")),
            (distribution("libwww-perl", "6.1", Some("LWP")), &["6.2"], Some("requires 'LWP', '>= 6.2';")),
            (distribution("Acme-24", "v0.1.2", None), &["v0.1.10"], Some("requires 'Acme::24', '>= v0.1.10';")),
            (distribution("A", "1.02", None), &["1.02_03", "1.03-TRIAL", "1.03"], Some("requires 'A', '>= 1.03';")),
            (distribution("A", "1.1", None), &["1.10", "v1.100.0"], None),
            (distribution("A", "1.0", None), &["1.1'; system 'x"], None),
            (distribution("A', '0'; system 'x", "1.0", None), &["1.1"], None),
            (distribution("A", "1.0", Some("B'")), &["1.1"], None),
            (distribution("24-A", "1.0", None), &["1.1"], None),
        ];
        for (entry, remedies, wanted) in shapes {
            let remedies = remedies.iter().map(|raw| Version::parse(Ecosystem::Cpan, raw).unwrap()).collect();
            let affected = Answer { advisories: vec![told("CPANSA-1", "bad")], remedies };
            let made = remedy(Kind::CpanfileSnapshot, [(&entry, &affected)]);
            assert_eq!(lines(&made), wanted.into_iter().collect::<Vec<_>>(), "{entry:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_line_is_a_constraint_or_a_comment(summary in any::<String>(), id in any::<String>(),
            marker in proptest::option::of("(a == 'b'|.{0,12}|\\PC{0,8})"), pins in proptest::collection::vec("[0-3]\\.[0-3]", 1..5),
            fixes in proptest::collection::vec("[0-4]\\.[0-4](rc1|\\+x|\\.post1)?", 0..6)) {
            let mut entries = entries(&pins.iter().map(|pin| format!("a=={pin}")).collect::<Vec<_>>().join("\n"));
            for entry in &mut entries {
                entry.marker.clone_from(&marker);
            }
            let mut affected = answer(&[], &fixes.iter().map(String::as_str).collect::<Vec<_>>());
            affected.advisories.push(told(&id, &summary));
            let made = remedy(Kind::Requirements, entries.iter().map(|entry| (entry, &affected)));
            let made_lines = lines(&made);
            for line in &made_lines {
                let requirement = Requirement::parse(line).unwrap();
                prop_assert_eq!(requirement.name().as_str(), "a");
                prop_assert!(requirement.specifier().is_some());
            }
            prop_assert_eq!(made_lines.iter().collect::<BTreeSet<_>>().len(), made_lines.len());
            prop_assert_eq!(made.totals.moved + made.totals.waiting + made.totals.by_hand, made.totals.vulnerable);
            prop_assert!(made.text.bytes().all(|byte| byte == b'\n' || matches!(byte, b' '..=b'~')));
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_told_and_not_moved() {
        let mut entry = distribution("A", "1.0", None);
        entry.source = Source::Elsewhere { place: Place::Folder, address: "../a".into() };
        let affected = Answer { advisories: vec![told("CPANSA-1", "bad")], remedies: Vec::new() };
        let made = remedy(Kind::CpanfileSnapshot, [(&entry, &affected)]);
        assert_eq!((made.totals.by_hand, lines(&made).len()), (1, 0));
        assert!(made.text.contains("# A 1.0: to be moved by hand: it comes from a folder on the machine"));
    }
}
