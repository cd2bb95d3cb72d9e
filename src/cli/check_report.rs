//! What `check` found, for people and for three kinds of programs. Nothing that a lock file or an index wrote can leave its place
//! in any of them.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::text::{self, Table};
use crate::domain::Ecosystem;
use crate::lockfile::{Entry, Kind, Remark};

/// Characters that a path may have in an address as they are: the unreserved ones of
/// [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3), and what separates folders.
const PLAIN_IN_PATHS: &[u8] = b"-._~/";

/// The verdict on an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It would be served.
    Served,
    /// It would not.
    Refused,
    /// The proxy has no say in it.
    NotChecked,
    /// The project that the lock file belongs to.
    Itself,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused => "refused",
            Self::NotChecked => "not checked",
            Self::Itself => "itself",
        }
    }
}

/// An entry and what became of it. All texts are on one line.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) line: usize,
    /// `pypi:six==1.16.0`.
    pub(super) what: String,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    /// RFC 3339.
    pub(super) until: Option<String>,
    pub(super) id: Option<String>,
}

impl Judged {
    pub(super) fn new(entry: &Entry, verdict: Verdict, reason: &str) -> Self {
        let separator = if entry.project.ecosystem == Ecosystem::Cpan { "@" } else { "==" };
        let version = match (&entry.version, &entry.specifier) {
            (Some(version), _) => format!("{separator}{version}"),
            (None, specifier) => specifier.clone().unwrap_or_default(),
        };
        let what = text::line(&format!("{}{version}", entry.project));
        Self { line: entry.line, what, verdict, reason: text::line(reason), until: None, id: None }
    }
}

/// All of a file.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    kind: Kind,
    entries: Vec<Judged>,
    remarks: Vec<Remark>,
    strict: bool,
}

impl Report {
    pub(super) fn new(file: &Path, kind: Kind, entries: Vec<Judged>, remarks: Vec<Remark>, strict: bool) -> Self {
        let remarks = remarks.into_iter().map(|remark| Remark { text: text::line(&remark.text), ..remark });
        Self { file: text::line(&file.display().to_string()), kind, entries, remarks: remarks.collect(), strict }
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.entries.iter().filter(|entry| entry.verdict == verdict).count()
    }

    /// What nobody can vouch for.
    pub(super) fn unchecked(&self) -> impl Iterator<Item = &Judged> {
        self.entries.iter().filter(|entry| entry.verdict == Verdict::NotChecked)
    }

    /// Whether this entry makes the check fail.
    fn fails(&self, entry: &Judged) -> bool {
        entry.verdict == Verdict::Refused || (self.strict && entry.verdict == Verdict::NotChecked)
    }

    /// Why the check fails, if it does.
    pub(super) fn complaint(&self) -> Option<String> {
        let refused = self.count(Verdict::Refused);
        let mut parts = Vec::new();
        if refused > 0 {
            parts.push(format!("{refused} of {} would be refused", text::count(self.entries.len() as u64, "package")));
        }
        if self.strict {
            let unchecked = self.count(Verdict::NotChecked);
            parts.extend((unchecked > 0).then(|| format!("{unchecked} cannot be checked (--strict)")));
            let unread = text::count(self.remarks.len() as u64, "remark");
            parts.extend((!self.remarks.is_empty()).then(|| format!("{unread} on what was read (--strict)")));
        }
        (!parts.is_empty()).then(|| format!("{}: {}", self.file, parts.join(", ")))
    }

    fn summary(&self) -> String {
        let mut parts = vec![
            format!("{} served", self.count(Verdict::Served)),
            format!("{} refused", self.count(Verdict::Refused)),
        ];
        let unchecked = self.count(Verdict::NotChecked);
        parts.extend((unchecked > 0).then(|| format!("{unchecked} not checked")));
        format!("{}: {}: {}\n", self.file, text::count(self.entries.len() as u64, "package"), parts.join(", "))
    }

    /// For people: a line each.
    pub(super) fn text(&self) -> String {
        let mut table = Table::with_headings(["line", "package", "verdict", "released", "why", "id"]);
        for entry in &self.entries {
            table.row([
                entry.line.to_string(),
                entry.what.clone(),
                entry.verdict.as_str().to_owned(),
                entry.until.as_deref().map(text::end).unwrap_or_default(),
                entry.reason.clone(),
                entry.id.clone().unwrap_or_default(),
            ]);
        }
        let table = if self.entries.is_empty() { String::new() } else { table.render(0) };
        format!("{table}{}", self.summary())
    }

    /// For programs.
    pub(super) fn json(&self) -> Json {
        let entry = |entry: &Judged| {
            json!({
                "line": entry.line,
                "package": entry.what,
                "verdict": entry.verdict.as_str(),
                "reason": (!entry.reason.is_empty()).then_some(&entry.reason),
                "hold_until": entry.until,
                "upload_id": entry.id,
            })
        };
        let remark = |remark: &Remark| json!({ "line": remark.line, "text": remark.text });
        json!({
            "file": self.file,
            "kind": self.kind.as_str(),
            "ok": self.complaint().is_none(),
            "served": self.count(Verdict::Served),
            "refused": self.count(Verdict::Refused),
            "not_checked": self.count(Verdict::NotChecked),
            "entries": self.entries.iter().map(entry).collect::<Vec<_>>(),
            "remarks": self.remarks.iter().map(remark).collect::<Vec<_>>(),
        })
    }

    /// [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). What is served is no result: code
    /// scanning makes an alert of each.
    pub(super) fn sarif(&self) -> Json {
        let uri = address(&self.file);
        let result = |rule: &str, index: usize, fails: bool, line: usize, what: &str, message: &str| {
            json!({
                "ruleId": rule,
                "ruleIndex": index,
                "level": if fails { "error" } else { "note" },
                "message": { "text": sarif_text(message) },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri },
                    "region": { "startLine": line.max(1) },
                } }],
                "partialFingerprints": { "lazaretPackage/v1": what },
            })
        };
        let mut results = Vec::new();
        for entry in &self.entries {
            let (rule, index) = match entry.verdict {
                Verdict::Refused => ("refused", 0),
                Verdict::NotChecked => ("not-checked", 1),
                Verdict::Served | Verdict::Itself => continue,
            };
            let message = sentence(entry);
            results.push(result(rule, index, self.fails(entry), entry.line, &entry.what, &message));
        }
        for remark in &self.remarks {
            results.push(result("not-understood", 2, self.strict, remark.line, &remark.text, &remark.text));
        }
        let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
        json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "lazaret",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": [
                        rule("refused", "The package registry proxy would not serve this package now."),
                        rule("not-checked", "The package does not come from an index, or its version is open."),
                        rule("not-understood", "A part of the file was not read."),
                    ],
                } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        })
    }

    /// `JUnit`'s XML, as [Jenkins' schema](https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd)
    /// has it: a test for each entry, which fails if it is refused and is skipped if it is not checked.
    pub(super) fn junit(&self) -> String {
        let failures = self.entries.iter().filter(|entry| self.fails(entry)).count();
        let skipped = self.count(Verdict::NotChecked) + self.count(Verdict::Itself);
        let skipped = if self.strict { self.count(Verdict::Itself) } else { skipped };
        let (file, tests) = (xml(&self.file), self.entries.len());
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{tests}\" failures=\"{failures}\" \
             skipped=\"{skipped}\">\n  <testsuite name=\"lazaret check {file}\" tests=\"{tests}\" failures=\"{failures}\" \
             errors=\"0\" skipped=\"{skipped}\">\n"
        );
        for entry in &self.entries {
            let head = format!(
                "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\"",
                xml(&entry.what),
                entry.line
            );
            let message = xml(&sentence(entry));
            // Writing to a String does not fail.
            let _ = match entry.verdict {
                _ if self.fails(entry) => {
                    writeln!(
                        out,
                        "{head}>\n      <failure message=\"{message}\" type=\"{}\"/>\n    </testcase>",
                        entry.verdict.as_str()
                    )
                }
                Verdict::NotChecked | Verdict::Itself => {
                    writeln!(out, "{head}>\n      <skipped message=\"{message}\"/>\n    </testcase>")
                }
                Verdict::Served | Verdict::Refused => writeln!(out, "{head}/>"),
            };
        }
        out.push_str("  </testsuite>\n</testsuites>\n");
        out
    }
}

/// An entry in one sentence.
fn sentence(entry: &Judged) -> String {
    let until = entry.until.as_deref().filter(|_| !entry.reason.contains(" until "));
    let until = until.map(|until| format!(", until {}", text::end(until))).unwrap_or_default();
    let show = entry.id.as_deref().map(|id| format!("; see `lazaret show {id}`")).unwrap_or_default();
    let verdict = match entry.verdict {
        Verdict::Refused => "would be refused",
        Verdict::NotChecked => "is not checked",
        Verdict::Served => "would be served",
        Verdict::Itself => "is not installed from an index",
    };
    format!("{} {verdict}: {}{until}{show}", entry.what, entry.reason)
}

/// A path as the address that SARIF wants: relative ones stay relative.
fn address(path: &str) -> String {
    let path = path.replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let mut address = String::with_capacity(path.len() + 8);
    if path.starts_with('/') {
        address.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || PLAIN_IN_PATHS.contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

/// In SARIF `[text](address)` is a link and `{0}` is filled in; neither shall come from outside.
fn sarif_text(text: &str) -> String {
    let plain = |letter: char| match letter {
        '[' | '{' => '(',
        ']' | '}' => ')',
        other => other,
    };
    text.chars().map(plain).collect()
}

/// A text for an attribute; what [XML 1.0](https://www.w3.org/TR/xml/#charsets) cannot say is not said.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            other if other.is_control() => out.push('?'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(line: usize, what: &str, verdict: Verdict, reason: &str) -> Judged {
        Judged { line, what: what.into(), verdict, reason: reason.into(), until: None, id: None }
    }

    fn report(strict: bool) -> Report {
        let held = Judged {
            until: Some("2026-11-25T12:00:00Z".into()),
            id: Some("abcdefghijklmnopqrstuvwxyz".into()),
            ..judged(3, "pypi:quaymaster==2.0", Verdict::Refused, "held until 2026-11-25 12:00 UTC")
        };
        let evil = "other <bytes> & [a](http://x) {0} \"than\" 'promised'";
        let entries = vec![
            judged(1, "pypi:quaylamp==1.0", Verdict::Served, ""),
            held,
            judged(4, "pypi:evil==1.0", Verdict::Refused, evil),
            judged(5, "pypi:ours", Verdict::NotChecked, "it comes from a repository, not from an index: git+https://x"),
        ];
        let remarks = vec![Remark { line: 9, text: "not understood and not checked: {x}".into() }];
        Report::new(Path::new("./locks/my requirements.txt"), Kind::Requirements, entries, remarks, strict)
    }

    #[test]
    fn the_text_is_a_table() {
        insta::assert_snapshot!(report(false).text());
        assert_eq!(report(false).complaint().unwrap(), "./locks/my requirements.txt: 2 of 4 packages would be refused");
        assert_eq!(
            report(true).complaint().unwrap(),
            "./locks/my requirements.txt: 2 of 4 packages would be refused, 1 cannot be checked (--strict), 1 remark on \
             what was read (--strict)"
        );
    }

    #[test]
    fn the_others_are_for_programs() {
        insta::assert_json_snapshot!("json", report(false).json());
        insta::assert_json_snapshot!("sarif", report(false).sarif());
        insta::assert_snapshot!("junit", report(false).junit());
    }

    #[test]
    fn strictness_makes_errors_of_notes() {
        let levels = |strict| {
            let sarif = report(strict).sarif();
            let results = sarif["runs"][0]["results"].as_array().unwrap().clone();
            results.iter().map(|result| result["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(levels(false), ["error", "error", "note", "note"]);
        assert_eq!(levels(true), ["error", "error", "error", "error"]);
        assert!(report(true).junit().contains("failures=\"3\" skipped=\"0\""), "{}", report(true).junit());
    }

    #[test]
    fn a_path_is_an_address() {
        for (path, uri) in [
            ("requirements.txt", "requirements.txt"),
            ("./a/b c.txt", "a/b%20c.txt"),
            (r"a\b.txt", "a/b.txt"),
            ("/srv/a#b.txt", "file:///srv/a%23b.txt"),
        ] {
            assert_eq!(address(path), uri);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_leaves_its_place(what in any::<String>(), reason in any::<String>()) {
            let entry = Judged { line: 1, what: text::line(&what), ..judged(1, "", Verdict::Refused, &text::line(&reason)) };
            let report = Report::new(Path::new("a.txt"), Kind::Uv, vec![entry], Vec::new(), false);
            prop_assert_eq!(report.text().lines().count(), 3);
            let junit = report.junit();
            prop_assert_eq!(junit.lines().count(), 8);
            prop_assert_eq!(junit.matches('<').count(), 8);
            prop_assert_eq!(junit.matches('"').count() % 2, 0);
            let message = report.sarif()["runs"][0]["results"][0]["message"]["text"].as_str().unwrap_or_default().to_owned();
            let has_markup = message.contains(['[', ']', '{', '}', '\n']);
            prop_assert!(!has_markup, "{}", message);
        }
    }
}
