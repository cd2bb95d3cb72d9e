//! `install-script`: what a Perl distribution does by itself, while it is installed or as soon as it is loaded.
//!
//! `Makefile.PL` and `Build.PL` run as the installing user before any test, and no client has a switch against it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::archive::{RunsAt, ScriptFact, ScriptFactKind};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct InstallScript;

static META: SignalMeta = SignalMeta {
    id: "install-script",
    question: "Does the distribution do unusual things while it is installed or loaded?",
    family: Family::Content,
    about: About::File,
};

/// Facts told in the evidence.
const MOST_TOLD: usize = 10;

/// What one thing weighs. Asking a compiler or `pkg-config` starts programs, so that alone is little.
const fn points(kind: ScriptFactKind, at: RunsAt) -> u8 {
    let at_installation = match kind {
        ScriptFactKind::EvalDecoded => 80,
        ScriptFactKind::ReadsSecrets => 60,
        ScriptFactKind::Network => 55,
        ScriptFactKind::WritesHome => 45,
        ScriptFactKind::Obfuscated => 40,
        ScriptFactKind::Exec => 15,
        ScriptFactKind::EvalString => 8,
    };
    match at {
        RunsAt::InstallTime => at_installation,
        RunsAt::LoadTime => at_installation / 2,
    }
}

impl Signal for InstallScript {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let facts = dossier.archive.as_ref().and_then(|walk| walk.perl.as_ref());
        let Some(perl) = facts.filter(|perl| !perl.script_facts.is_empty()) else { return Vec::new() };
        let mut facts: Vec<&ScriptFact> = perl.script_facts.iter().collect();
        facts.sort_by_key(|fact| std::cmp::Reverse(points(fact.kind, fact.at)));
        let Some(first) = facts.first() else { return Vec::new() };
        // Each kind counts once, where it weighs most: a hundred commands are not worse than one.
        let mut heaviest: BTreeMap<ScriptFactKind, u8> = BTreeMap::new();
        for fact in &facts {
            let weight = heaviest.entry(fact.kind).or_default();
            *weight = (*weight).max(points(fact.kind, fact.at));
        }
        let points = together(heaviest.into_values());
        let severity = match points {
            50.. => Severity::High,
            20.. => Severity::Medium,
            _ => Severity::Low,
        };
        let when = match first.at {
            RunsAt::InstallTime => "while it is installed",
            RunsAt::LoadTime => "as soon as it is loaded",
        };
        let summary = format!("The distribution {} {when} ({}:{}).", first.kind.words(), first.file, first.line);
        facts.truncate(MOST_TOLD);
        let evidence = json!({ "facts": facts, "all": perl.script_facts.len(), "unexamined": perl.unexamined });
        vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
    }
}

/// Independent suspicions add up as the score of a verdict does.
fn together(points: impl Iterator<Item = u8>) -> u8 {
    let innocent = points.fold(10_000_u32, |innocent, points| innocent * (100 - u32::from(points.min(100))) / 100);
    u8::try_from((10_000 - innocent) / 100).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cpan, dossier};
    use super::*;
    use crate::archive::{PerlFacts, Walk};

    fn seen(facts: &[(ScriptFactKind, RunsAt)]) -> Option<(Severity, u8, String)> {
        let script_facts = facts.iter().map(|(kind, at)| ScriptFact {
            file: "Makefile.PL".into(),
            line: 3,
            at: *at,
            kind: *kind,
            excerpt: "an example".into(),
        });
        let perl = PerlFacts { script_facts: script_facts.collect(), ..PerlFacts::default() };
        let mut dossier = dossier(cpan());
        dossier.archive = Some(Walk { perl: Some(perl), ..Walk::default() });
        let found = InstallScript.examine(&dossier);
        found.first().map(|finding| (finding.severity, finding.points, finding.summary.clone()))
    }

    #[test]
    fn the_table_of_things_done() {
        use RunsAt::{InstallTime, LoadTime};
        use ScriptFactKind::{EvalDecoded, EvalString, Exec, Network, Obfuscated, ReadsSecrets, WritesHome};
        for (facts, severity, points) in [
            (&[(EvalDecoded, InstallTime)][..], Severity::High, 80),
            (&[(ReadsSecrets, InstallTime)], Severity::High, 60),
            (&[(Network, InstallTime)], Severity::High, 55),
            (&[(WritesHome, InstallTime)], Severity::Medium, 45),
            (&[(Obfuscated, InstallTime)], Severity::Medium, 40),
            (&[(Exec, InstallTime)], Severity::Low, 15),
            (&[(EvalString, InstallTime)], Severity::Low, 8),
            (&[(EvalDecoded, LoadTime)], Severity::Medium, 40),
            (&[(Exec, LoadTime)], Severity::Low, 7),
            (&[(Exec, InstallTime), (Exec, InstallTime), (Exec, LoadTime)], Severity::Low, 15),
            (&[(Network, InstallTime), (ReadsSecrets, InstallTime)], Severity::High, 82),
            (&[(EvalString, InstallTime), (Exec, InstallTime)], Severity::Medium, 21),
        ] {
            let (seen_severity, seen_points, _) = seen(facts).unwrap();
            assert_eq!((seen_severity, seen_points), (severity, points), "{facts:?}");
        }
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn the_sentence_names_the_heaviest_and_where_it_is() {
        let (_, _, summary) =
            seen(&[(ScriptFactKind::Exec, RunsAt::InstallTime), (ScriptFactKind::Network, RunsAt::InstallTime)])
                .unwrap();
        assert_eq!(summary, "The distribution talks to the network while it is installed (Makefile.PL:3).");
    }
}
