//! `internal-name`, `private-namesake` and `huge-first-version`: a public project that could be taken for one of ours.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct DependencyConfusion;

static META: SignalMeta = SignalMeta {
    id: "internal-name",
    question: "Does a public project carry a name of ours, or a version made to win?",
    family: Family::Confusion,
    about: About::Project,
};

static NAMESAKE: SignalMeta = SignalMeta {
    id: "private-namesake",
    question: "Does a private index show the same name?",
    family: Family::Confusion,
    about: About::Project,
};

static HUGE: SignalMeta = SignalMeta {
    id: "huge-first-version",
    question: "Does a young project start with a version made to win every comparison?",
    family: Family::Confusion,
    about: About::Project,
};

/// Majors from here on are rare: 48.6 % of names tagged dependency confusion have one, against 0.12 % of all names.
const HUGE_MAJOR: u64 = 50;
/// A project with more versions than this grew into its number.
const FEW_VERSIONS: usize = 5;

impl Signal for DependencyConfusion {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let project = &dossier.project;
        if !project.origin.is_public() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        if project.internal {
            let summary =
                format!("{} is an internal name; a public project of that name is never let in.", project.project.name);
            findings.push(finding(
                &META,
                (Severity::Critical, Confidence::High, 100),
                summary,
                json!({ "project": project.project }),
            ));
        }
        if let Some(index) = &project.private_namesake {
            let summary = format!("The private index {index} has a project of the same name.");
            findings.push(finding(
                &NAMESAKE,
                (Severity::Critical, Confidence::High, 100),
                summary,
                json!({ "index": index }),
            ));
        }
        let lowest = project.version_span.as_ref().and_then(|(lowest, _)| lowest.pep440());
        if let Some(major) = lowest.and_then(|version| version.release().first().copied())
            && major >= HUGE_MAJOR
            && !is_calendar(major)
            && project.versions <= FEW_VERSIONS
            && project.rank.is_none()
        {
            let summary = format!(
                "A project with {} version(s) starts at {major}, as made to win every comparison.",
                project.versions
            );
            let evidence = json!({ "major": major, "versions": project.versions });
            findings.push(finding(&HUGE, (Severity::High, Confidence::Medium, 75), summary, evidence));
        }
        findings
    }
}

/// Calendar versions: 2026.1, 26.1 is below the limit anyway; 20261122 is a date.
const fn is_calendar(major: u64) -> bool {
    matches!(major, 1990..=2100 | 199_001..=210_012 | 19_900_101..=21_001_231)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_versions_are_not_huge() {
        assert!(is_calendar(2026) && is_calendar(20_261_122) && is_calendar(202_611));
        assert!(!is_calendar(99) && !is_calendar(9999));
    }
}
