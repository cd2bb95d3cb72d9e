//! `security-fix`: the release mends an advisory about a version that is in use here. That is a reason to let it in sooner, and
//! so one that an attacker would like to make up: it counts only if several sources know the advisory and the same people
//! publish as before.

use std::collections::BTreeSet;

use serde_json::json;

use super::{About, Dossier, FixFact, PypiFacts, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Ecosystem, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct SecurityFix;

static META: SignalMeta = SignalMeta {
    id: "security-fix",
    question: "Does the release mend an advisory about a version in use here?",
    family: Family::Record,
    about: About::File,
};

/// Independent databases that must know the advisory.
const SOURCES: usize = 2;
/// What is said of identity with fewer points is no change of hands.
const CHANGE_OF_HANDS: u8 = 5;

/// What it fixes, and whether that may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// As the beginning of a sentence.
    pub summary: String,
    /// Whether two sources know the advisory and the same people publish it.
    pub is_trustworthy: bool,
}

/// The fix that a release is, given what the signals saw in it.
pub fn of(dossier: &Dossier, findings: &[Finding]) -> Option<Fix> {
    let best = best(dossier)?;
    let summary = format!("fixes {} of {}, which is in use here", best.advisory.id, best.in_use);
    let is_trustworthy = names_it(dossier, best) && sources(best).len() >= SOURCES && same_hands(dossier, findings);
    Some(Fix { summary, is_trustworthy })
}

/// The advisory that names a version that mends it, and of those the one that most sources know.
fn best(dossier: &Dossier) -> Option<&FixFact> {
    let fixes = dossier.advisories.fixes.iter().filter(|fix| !fix.advisory.malware);
    fixes.max_by_key(|fix| (names_it(dossier, fix), sources(fix).len()))
}

/// Whether the advisory says that this release, or one below it, is the fix; one that only lists what is affected knows nothing
/// of what comes after.
fn names_it(dossier: &Dossier, fix: &FixFact) -> bool {
    let ecosystem = dossier.project.project.ecosystem;
    fix.advisory.fixed.as_ref().is_some_and(|fixed| fixed.compare(&dossier.version, ecosystem).is_le())
}

fn sources(fix: &FixFact) -> BTreeSet<&str> {
    fix.advisory.sources.iter().map(String::as_str).collect()
}

/// Whether it is known who made this release and the one before, and nothing says that they are others.
fn same_hands(dossier: &Dossier, findings: &[Finding]) -> bool {
    let known = match dossier.project.project.ecosystem {
        Ecosystem::Pypi => dossier.pypi.as_ref().is_some_and(|pypi| pypi.failed.is_empty() && says_the_same(pypi)),
        Ecosystem::Cpan => dossier.cpan.as_ref().is_some_and(|cpan| {
            cpan.permission.is_some() && cpan.earlier.iter().any(|earlier| earlier.pause_id == cpan.pause_id)
        }),
        Ecosystem::Teapot => false,
    };
    let changed = |finding: &Finding| finding.family == Family::Identity && finding.points >= CHANGE_OF_HANDS;
    known && !findings.iter().any(changed)
}

/// Whether both releases name somebody in common: two that name nobody prove nothing.
fn says_the_same(pypi: &PypiFacts) -> bool {
    let common = |one: &[String], two: &[String]| one.iter().any(|name| two.contains(name));
    pypi.says
        .as_ref()
        .zip(pypi.said.as_ref())
        .is_some_and(|(says, said)| common(&says.addresses, &said.addresses) || common(&says.people, &said.people))
}

impl Signal for SecurityFix {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(best) = best(dossier) else { return Vec::new() };
        let summary = format!("It fixes {} of {}, which is in use here.", best.advisory.id, best.in_use);
        let evidence = json!({ "fixes": dossier.advisories.fixes, "sources": sources(best) });
        vec![finding(&META, (Severity::Info, Confidence::High, 0), summary, evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{advisory, pypi};
    use super::super::{AdvisoryFact, ReleaseSays};
    use super::*;
    use crate::domain::Version;

    #[test]
    fn a_fix_is_believed_only_with_two_sources_and_the_same_hands() {
        let mut dossier = pypi();
        assert_eq!(of(&dossier, &[]), None);
        let version = dossier.version.clone();
        let fix = |sources: &[&str]| FixFact {
            advisory: AdvisoryFact {
                sources: sources.iter().map(ToString::to_string).collect(),
                fixed: Some(version.clone()),
                ..advisory("GHSA-1")
            },
            in_use: Version::pypi("1.0").unwrap(),
        };
        dossier.advisories.fixes = vec![fix(&["GHSA"]), fix(&["GHSA", "PYSEC"])];
        let trusted = |dossier: &Dossier, findings: &[Finding]| of(dossier, findings).unwrap().is_trustworthy;
        assert!(!trusted(&dossier, &[]), "nobody knows who made it");
        let facts = dossier.pypi.as_mut().unwrap();
        (facts.says, facts.said) = (Some(ReleaseSays::default()), Some(ReleaseSays::default()));
        assert!(!trusted(&dossier, &[]), "nobody says to have made it");
        let facts = dossier.pypi.as_mut().unwrap();
        let ada = || Some(ReleaseSays { people: vec!["ada".into()], ..ReleaseSays::default() });
        (facts.says, facts.said) = (ada(), ada());
        assert!(trusted(&dossier, &[]));
        assert_eq!(of(&dossier, &[]).unwrap().summary, "fixes GHSA-1 of 1.0, which is in use here");
        let other_hands = finding(
            &SignalMeta { family: Family::Identity, ..META },
            (Severity::Medium, Confidence::High, 36),
            "somebody else".into(),
            json!({}),
        );
        assert!(!trusted(&dossier, &[other_hands]));
        let mut unnamed = dossier.clone();
        unnamed.advisories.fixes.iter_mut().for_each(|fix| fix.advisory.fixed = None);
        assert!(!trusted(&unnamed, &[]), "nobody says that this is the fix");
        dossier.advisories.fixes.truncate(1);
        assert!(!trusted(&dossier, &[]), "one source");
        assert_eq!(SecurityFix.examine(&dossier)[0].points, 0);
    }
}
