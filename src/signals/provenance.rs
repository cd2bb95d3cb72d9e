//! `provenance`: how it is proved who built the release, and whether that is proved as before.
//! [PEP 740](https://peps.python.org/pep-0740/): losing the proof is strong (ultralytics 8.3.45), having it proves little.

use serde_json::json;

use super::pypi_facts::Source;
use super::{About, Dossier, History, Release, Signal, SignalMeta, finding, unavailable};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct Provenance;

static META: SignalMeta = SignalMeta {
    id: "provenance",
    question: "Is it proved as before who built the release?",
    family: Family::Identity,
    about: About::File,
};

/// So many releases in a row with an attestation are a promise.
const PROMISE: usize = 3;

impl Signal for Provenance {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let mut findings: Vec<Finding> = lost(dossier).into_iter().collect();
        let Some(pypi) = &dossier.pypi else { return findings };
        findings.extend(pypi.failure(Source::Provenance).map(|failed| unavailable(&META, &failed.why)));
        let Some(now) = &pypi.attestation else { return findings };
        if let Some(why) = &now.unproved {
            let summary = format!("Its attestation does not prove who built it: {why}.");
            let was_proved = pypi.attestation_before.as_ref().is_some_and(|before| before.unproved.is_none());
            let weight = if now.contradicted {
                (Severity::High, Confidence::High, 75)
            } else if was_proved {
                // By whom nobody knows: as good as none, where there was one.
                (Severity::Medium, Confidence::Medium, 45)
            } else {
                // A kind of publisher, or a trusted root, that this lazaret does not know yet.
                (Severity::Low, Confidence::Low, 5)
            };
            findings.push(finding(&META, weight, summary, json!({ "attestation": now })));
        }
        if let Some(before) = pypi.attestation_before.as_ref().filter(|before| before.unproved.is_none())
            && now.unproved.is_none()
            && (before.publisher.kind != now.publisher.kind || before.publisher.repository != now.publisher.repository)
        {
            let place = |publisher: &super::PublisherFacts| {
                let repository = publisher.repository.as_deref().unwrap_or("a repository that is not told");
                format!("{} of {}", repository, publisher.kind)
            };
            let (old, new) = (place(&before.publisher), place(&now.publisher));
            let summary = format!("It was built by {new}, and {} by {old}.", before.version);
            let weight = (Severity::Medium, Confidence::High, 45);
            findings.push(finding(&META, weight, summary, json!({ "before": before, "now": now })));
        }
        findings
    }
}

/// The releases before it had attestations, and it has none; or the others of its release have one, and this file was put
/// beside them by somebody else.
fn lost(dossier: &Dossier) -> Option<Finding> {
    let history = dossier.history.as_ref()?;
    if history.this.attested {
        return beside(dossier, history);
    }
    let attested: Vec<&Release> = history.accepted().take_while(|release| release.attested).collect();
    if attested.len() >= PROMISE {
        let summary = format!("It has no attestation, and the {} releases before it have one.", attested.len());
        let evidence = json!({ "before": attested, "this": history.this });
        return Some(finding(&META, (Severity::High, Confidence::High, 75), summary, evidence));
    }
    let last = attested.first()?;
    let summary = format!("It has no attestation, and {} has one.", last.version);
    let evidence = json!({ "before": attested, "this": history.this });
    Some(finding(&META, (Severity::Low, Confidence::Medium, 10), summary, evidence))
}

/// A file without an attestation among those that have one, where that is not usual.
fn beside(dossier: &Dossier, history: &History) -> Option<Finding> {
    let whole = || history.accepted().take_while(|release| release.attested && !release.partly_attested);
    if dossier.attested || !history.this.partly_attested || whole().next().is_none() {
        return None;
    }
    let weight = if whole().count() >= PROMISE {
        (Severity::High, Confidence::High, 75)
    } else {
        (Severity::Low, Confidence::Medium, 10)
    };
    let summary = "It has no attestation, and the other files of its release have one.".to_owned();
    Some(finding(&META, weight, summary, json!({ "before": whole().collect::<Vec<_>>(), "this": history.this })))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Line, aged, dossier_of, pypi};
    use super::super::{Attestation, FailedReading, PublisherFacts};
    use super::*;
    use crate::domain::Version;

    fn with_attested(before: usize, now: bool) -> Option<(Severity, u8)> {
        let mut all = aged(6);
        all.push(Line { version: "2.0", hours: 1, bytes: 1 });
        let mut dossier = dossier_of(&all);
        let history = dossier.history.as_mut().unwrap();
        history.this.attested = now;
        history.before.iter_mut().take(before).for_each(|release| release.attested = true);
        Provenance.examine(&dossier).first().map(|finding| (finding.severity, finding.points))
    }

    #[test]
    fn what_was_always_attested_and_is_not_needs_a_person() {
        assert_eq!(with_attested(0, false), None, "never offered holds nothing");
        assert_eq!(with_attested(1, false), Some((Severity::Low, 10)));
        assert_eq!(with_attested(3, false), Some((Severity::High, 75)));
        assert_eq!(with_attested(3, true), None);
    }

    #[test]
    fn a_file_put_beside_attested_ones_needs_a_person() {
        let mut all = aged(6);
        all.push(Line { version: "2.0", hours: 1, bytes: 1 });
        let mut dossier = dossier_of(&all);
        let history = dossier.history.as_mut().unwrap();
        (history.this.attested, history.this.partly_attested) = (true, true);
        let points = |dossier: &Dossier| Provenance.examine(dossier).first().map(|finding| finding.points);
        assert_eq!(points(&dossier), None, "nobody promised anything");
        dossier.history.as_mut().unwrap().before.iter_mut().for_each(|release| release.attested = true);
        assert_eq!(points(&dossier), Some(75));
        dossier.attested = true;
        assert_eq!(points(&dossier), None, "the others of the release are what they were");
        dossier.attested = false;
        dossier.history.as_mut().unwrap().before.iter_mut().for_each(|release| release.partly_attested = true);
        assert_eq!(points(&dossier), None, "as always");
    }

    fn attestation(repository: &str, wrong: Option<&str>) -> Attestation {
        let publisher = PublisherFacts {
            kind: "GitHub".into(),
            repository: Some(repository.into()),
            workflow: Some("release.yml".into()),
        };
        let version = Version::pypi("1.0").unwrap();
        let contradicted = wrong.is_some();
        Attestation { version, publisher, unproved: wrong.map(ToOwned::to_owned), contradicted }
    }

    #[test]
    fn another_repository_weighs_and_a_proof_that_is_none_too() {
        let points = |before: Option<Attestation>, now: Attestation| {
            let mut dossier = pypi();
            let facts = dossier.pypi.as_mut().unwrap();
            (facts.attestation_before, facts.attestation) = (before, Some(now));
            Provenance.examine(&dossier).first().map(|finding| finding.points)
        };
        assert_eq!(points(Some(attestation("ada/greet", None)), attestation("ada/greet", None)), None);
        assert_eq!(points(Some(attestation("ada/greet", None)), attestation("eve/greet", None)), Some(45));
        let unknown = || Attestation { contradicted: false, ..attestation("ada/greet", Some("another root")) };
        assert_eq!(points(Some(attestation("ada/greet", None)), unknown()), Some(45), "it was proved before");
        assert_eq!(points(None, unknown()), Some(5));
        assert_eq!(points(None, attestation("ada/greet", Some("wrong digest"))), Some(75));
        assert_eq!(points(Some(attestation("ada/greet", Some("old root"))), attestation("eve/greet", None)), None);
    }

    #[test]
    fn what_was_offered_and_could_not_be_read_is_said() {
        let mut dossier = pypi();
        let why = "the index answered 503".to_owned();
        dossier.pypi.as_mut().unwrap().failed = vec![FailedReading { source: Source::Provenance, why }];
        assert_eq!(Provenance.examine(&dossier)[0].evidence["unavailable"], true);
    }
}
