//! `load-time`: what a Tcl package does as soon as it is loaded, and whether it is what the index says it is.

use std::collections::BTreeMap;

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::archive::LoadTimeKind;
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct LoadTime;

static META: SignalMeta = SignalMeta {
    id: "load-time",
    question: "Does a Tcl package do unusual things as soon as it is loaded, or contradict its index?",
    family: Family::Content,
    about: About::File,
};

/// Facts told in the evidence.
const MOST_TOLD: usize = 10;

const fn points(kind: LoadTimeKind) -> u8 {
    match kind {
        LoadTimeKind::EvalDecoded => 75,
        LoadTimeKind::Socket => 45,
        LoadTimeKind::Exec => 20,
    }
}

impl Signal for LoadTime {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(tcl) = dossier.archive.as_ref().and_then(|walk| walk.tcl.as_ref()) else { return Vec::new() };
        let mut findings = Vec::new();
        if let Some(why) = &tcl.contradiction {
            let evidence = json!({ "contradiction": why });
            let summary = format!("The file is not what the index says: {why}.");
            findings.push(finding(&META, (Severity::High, Confidence::High, 75), summary, evidence));
        }
        let mut facts: Vec<_> = tcl.load_time.iter().collect();
        facts.sort_by_key(|fact| std::cmp::Reverse(points(fact.kind)));
        if let Some(first) = facts.first() {
            let kinds: BTreeMap<LoadTimeKind, u8> = facts.iter().map(|fact| (fact.kind, points(fact.kind))).collect();
            let innocent = kinds.values().fold(1.0, |innocent, points| innocent * (1.0 - f64::from(*points) / 100.0));
            let together = ((1.0 - innocent) * 100.0).round().clamp(0.0, 100.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
            let weight = together as u8;
            let severity = match weight {
                50.. => Severity::High,
                30.. => Severity::Medium,
                _ => Severity::Low,
            };
            let place = first.file.as_deref().map_or_else(|| "line ".to_owned(), |file| format!("{file}:"));
            let summary =
                format!("The package {} as soon as it is loaded ({place}{}).", first.kind.words(), first.line);
            let told: Vec<_> = facts.iter().take(MOST_TOLD).collect();
            let evidence = json!({ "facts": told, "all": tcl.load_time.len(), "remarks": tcl.remarks });
            findings.push(finding(&META, (severity, Confidence::Medium, weight), summary, evidence));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cpan, dossier};
    use super::*;
    use crate::archive::{LoadTimeFact, TclFacts, Walk};

    #[test]
    fn each_kind_counts_once() {
        let fact = |kind| LoadTimeFact { file: None, line: 7, kind, excerpt: "exec id".into() };
        let seen = |kinds: &[LoadTimeKind]| {
            let tcl = TclFacts { load_time: kinds.iter().copied().map(fact).collect(), ..TclFacts::default() };
            let mut dossier = dossier(cpan());
            dossier.archive = Some(Walk { tcl: Some(tcl), ..Walk::default() });
            LoadTime.examine(&dossier).first().map(|finding| (finding.points, finding.summary.clone()))
        };
        assert_eq!(seen(&[]), None);
        let (points, summary) = seen(&[LoadTimeKind::Exec, LoadTimeKind::Exec]).unwrap();
        assert_eq!((points, &*summary), (20, "The package starts a program as soon as it is loaded (line 7)."));
        assert_eq!(seen(&[LoadTimeKind::Exec, LoadTimeKind::EvalDecoded]).unwrap().0, 80);
    }
}
