//! Collects what a walk meets of a Perl distribution: which files are read, and what of them is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{PerlFacts, RunsAt, ScriptFact, ScriptFactKind, ShippedPackage};
use super::{bundled, packages, scripts, tokens};
use crate::archive::names;

/// Bytes read of one Perl file.
pub(in crate::archive) const LONGEST_EXAMINED: u64 = 1 << 20;
/// Bytes of Perl read of one archive; the largest distributions have a third of that.
const MOST_EXAMINED: usize = 64 << 20;
/// Packages kept.
const MOST_PACKAGES: usize = 2_000;
/// Hidden packages kept.
const MOST_HIDDEN: usize = 200;
/// Facts kept.
const MOST_FACTS: usize = 50;
/// Facts collected of one kind, before the heaviest are chosen.
const PER_KIND: usize = 25;
/// Facts collected of scripts that may turn out to run.
const MOST_PERHAPS: usize = 500;
/// Paths that scripts load code from.
const MOST_LOADED: usize = 200;
/// Top folders told apart.
const MOST_TOPS: usize = 100;
/// Longest excerpt, in characters.
const EXCERPT: usize = 120;

/// What a file is in a Perl distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::archive) enum Place {
    /// Runs when the distribution is configured or built.
    Install,
    /// A module that is installed.
    Shipped,
    /// Runs after the build, with most clients. A test may start programs and talk to itself.
    Test,
    /// Runs if one of the others loads it.
    Perhaps,
}

/// What a file is, by its path. The top folder does not count.
pub(in crate::archive) fn place_of(parts: &[&[u8]]) -> Option<Place> {
    let below = below_top(parts);
    let name = below.last()?;
    let ends = |ending: &[u8]| name.len() > ending.len() && name.ends_with(ending);
    let configures = is_configure_script(name);
    match below {
        [_] if configures => Some(Place::Install),
        [b"inc", .., _] if ends(b".pm") || ends(b".pl") || ends(b".PL") => Some(Place::Install),
        // `make` runs every *.PL at the top and in lib.
        [_] | [b"lib", ..] if ends(b".PL") => Some(Place::Install),
        [_] | [b"lib", ..] if ends(b".pm") => Some(Place::Shipped),
        [b"t", .., _] if ends(b".t") => Some(Place::Test),
        [b"test.pl"] => Some(Place::Test),
        [b"t" | b"xt" | b"examples" | b"eg", _, ..] if !configures => None,
        _ if configures || ends(b".pl") || ends(b".PL") || ends(b".pm") => Some(Place::Perhaps),
        _ => None,
    }
}

/// Case does not matter on every system.
fn is_configure_script(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"makefile.pl") || name.eq_ignore_ascii_case(b"build.pl")
}

fn below_top<'p, 'a>(parts: &'p [&'a [u8]]) -> &'p [&'a [u8]] {
    match parts {
        [_, rest @ ..] if !rest.is_empty() => rest,
        whole => whole,
    }
}

/// The walk so far.
#[derive(Debug, Default)]
pub(in crate::archive) struct PerlSurvey {
    facts: PerlFacts,
    perhaps: BTreeMap<String, Vec<ScriptFact>>,
    perhaps_count: usize,
    loaded: BTreeSet<String>,
    configured: BTreeSet<String>,
    packages: BTreeSet<ShippedPackage>,
    tops: BTreeSet<Vec<u8>>,
    examined: usize,
}

impl PerlSurvey {
    /// Notes a file by its path alone. `target`: it is a link.
    pub(in crate::archive) fn meet(&mut self, parts: &[&[u8]], target: Option<&[u8]>) {
        let Some(top) = parts.first() else { return };
        // Archives made on macOS have a shadow of each file, and of the top folder.
        if !top.starts_with(b"._") && self.tops.len() < MOST_TOPS {
            self.tops.insert(top.to_vec());
        }
        let below = below_top(parts);
        let Some(name) = below.last() else { return };
        self.facts.xs |= name.ends_with(b".xs");
        self.facts.inc |= below.len() > 1 && below.first() == Some(&&b"inc"[..]);
        if let Some(target) = target.filter(|_| place_of(parts) == Some(Place::Install)) {
            let file = shown(below);
            let excerpt = excerpt(&format!("is a link to {}", names::shown(target)), "");
            let at = RunsAt::InstallTime;
            self.keep([ScriptFact { file, line: 1, at, kind: ScriptFactKind::Obfuscated, excerpt }]);
        }
    }

    /// Notes that there is metadata.
    pub(in crate::archive) fn has_metadata(&mut self, json: bool) {
        if json {
            self.facts.meta_json = true;
        } else {
            self.facts.meta_yml = true;
        }
    }

    /// Reads a file. `whole`: these are all of its bytes.
    pub(in crate::archive) fn examine(&mut self, path: &str, place: Place, bytes: &[u8], whole: bool) {
        let file = path.split_once('/').map_or(path, |(_, rest)| rest).to_owned();
        self.examined = self.examined.saturating_add(bytes.len());
        if !whole || self.examined > MOST_EXAMINED {
            self.facts.unexamined = self.facts.unexamined.saturating_add(1);
        }
        if self.examined > MOST_EXAMINED {
            return;
        }
        let source = String::from_utf8_lossy(bytes);
        let found = tokens::tokens(&source);
        if place == Place::Shipped {
            self.declare(&found, &file);
        }
        let at = match place {
            Place::Shipped | Place::Test => RunsAt::LoadTime,
            Place::Install | Place::Perhaps => RunsAt::InstallTime,
        };
        let script = scripts::read(&source, &found, at);
        self.facts.source_filter |= script.source_filter && place != Place::Perhaps;
        let lines: Vec<&str> = source.split('\n').collect();
        let mut facts: Vec<_> = script
            .seen
            .iter()
            .map(|seen| {
                let text = usize::try_from(seen.line).ok().and_then(|line| lines.get(line.checked_sub(1)?));
                let excerpt = excerpt(text.copied().unwrap_or_default(), seen.word);
                ScriptFact { file: file.clone(), line: seen.line, at, kind: seen.kind, excerpt }
            })
            .filter(|fact| !bundled::is_known(fact))
            .collect();
        if !whole && at == RunsAt::InstallTime {
            let excerpt = "is too long for anybody to read".to_owned();
            facts.push(ScriptFact { file: file.clone(), line: 1, at, kind: ScriptFactKind::Obfuscated, excerpt });
        }
        if is_configure_script(file.rsplit('/').next().unwrap_or_default().as_bytes()) {
            self.configured.insert(file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned());
        }
        match place {
            Place::Install => {
                let room = MOST_LOADED.saturating_sub(self.loaded.len());
                self.loaded.extend(script.loads.iter().take(room).map(|path| plain_path(path).to_owned()));
                self.keep(facts);
            }
            Place::Shipped => self.keep(facts),
            Place::Test => self.keep(facts.into_iter().filter(|fact| is_strange_in_tests(fact.kind))),
            Place::Perhaps => {
                self.perhaps_count += facts.len().max(1);
                if self.perhaps_count <= MOST_PERHAPS {
                    self.perhaps.entry(file).or_default().extend(facts);
                } else {
                    self.facts.unexamined = self.facts.unexamined.saturating_add(1);
                }
            }
        }
    }

    fn declare(&mut self, found: &[tokens::Token<'_>], file: &str) {
        for declared in packages::declared(found) {
            let hidden = declared.hidden;
            let package = ShippedPackage {
                package: declared.package,
                version: declared.version,
                file: file.chars().take(EXCERPT).collect(),
            };
            if hidden && self.facts.hidden.len() < MOST_HIDDEN {
                self.facts.hidden.push(package);
            } else if !hidden && self.packages.len() < MOST_PACKAGES {
                self.packages.insert(package);
            } else {
                self.facts.left_out = self.facts.left_out.saturating_add(1);
            }
        }
    }

    fn keep(&mut self, facts: impl IntoIterator<Item = ScriptFact>) {
        for fact in facts {
            let kept = &mut self.facts.script_facts;
            let same = kept.iter().filter(|kept| (kept.kind, kept.at) == (fact.kind, fact.at)).count();
            if same < PER_KIND {
                kept.push(fact);
            }
        }
    }

    /// Whether a file is loaded from a path that a script names, or is the script of a folder that is built too.
    fn runs(&self, file: &str) -> bool {
        let is_loaded = self
            .loaded
            .iter()
            .any(|path| path == file || file.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')));
        let Some((folder, name)) = file.rsplit_once('/') else { return is_loaded };
        // MakeMaker enters each folder that has a Makefile.PL.
        let mut above = std::iter::successors(Some(folder), |folder| folder.rsplit_once('/').map(|(above, _)| above));
        is_loaded || (is_configure_script(name.as_bytes()) && above.all(|folder| self.configured.contains(folder)))
    }

    pub(in crate::archive) fn finish(mut self) -> PerlFacts {
        for (file, facts) in std::mem::take(&mut self.perhaps) {
            if self.runs(&file) {
                self.keep(facts);
            }
        }
        let mut facts = self.facts;
        facts.packages = self.packages.into_iter().collect();
        facts.tops = u32::try_from(self.tops.len()).unwrap_or(u32::MAX);
        let order = |fact: &ScriptFact| (fact.at, fact.kind, fact.file.clone(), fact.line);
        facts.script_facts.sort_by_cached_key(order);
        facts.script_facts.truncate(MOST_FACTS);
        facts
    }
}

const fn is_strange_in_tests(kind: ScriptFactKind) -> bool {
    matches!(kind, ScriptFactKind::EvalDecoded | ScriptFactKind::ReadsSecrets | ScriptFactKind::WritesHome)
}

fn plain_path(path: &str) -> &str {
    path.trim_start_matches("./").trim_end_matches('/')
}

fn shown(parts: &[&[u8]]) -> String {
    names::shown(&parts.join(&b'/'))
}

/// A line fit for display; of a long one, the part around this word.
fn excerpt(line: &str, word: &str) -> String {
    let line = line.trim();
    let word = word.lines().next().unwrap_or_default();
    let from = if line.len() > EXCERPT { line.find(word).unwrap_or_default() } else { 0 };
    let mut from = from.saturating_sub(EXCERPT / 4);
    while !line.is_char_boundary(from) {
        from -= 1;
    }
    let rest: String = line.get(from..).unwrap_or_default().chars().take(EXCERPT).collect();
    names::shown(rest.as_bytes())
}
