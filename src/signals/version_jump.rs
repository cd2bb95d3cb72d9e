//! `version-jump`: a version far above the one before it, as made to win every comparison.

use serde_json::json;

use super::{About, Dossier, History, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct VersionJump;

static META: SignalMeta = SignalMeta {
    id: "version-jump",
    question: "Is the version far above the one before it?",
    family: Family::Behaviour,
    about: About::File,
};

/// So many major versions are skipped by nobody who counts.
const FAR: u64 = 10;
/// Four digits and more are years and dates.
const CALENDAR: u64 = 1_990;

fn major(version: &str) -> Option<u64> {
    version.trim_start_matches('v').split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

impl Signal for VersionJump {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        if let Some(history) = dossier.history.as_ref() {
            return of_python(history);
        }
        let Some(before) = dossier.teapot.as_ref().and_then(|facts| facts.before.as_ref()) else { return Vec::new() };
        let jump = major(&before.version).zip(major(dossier.version.as_str()));
        match jump {
            Some((old, new)) if new >= old + FAR && new < CALENDAR => {
                let summary = format!("The version jumps from {} to {}.", before.version, dossier.version);
                let evidence = json!({ "before": before.version, "version": dossier.version });
                vec![finding(&META, (Severity::Medium, Confidence::Medium, 30), summary, evidence)]
            }
            _ => Vec::new(),
        }
    }
}

/// On PyPI the jump is from the highest version before.
fn of_python(history: &History) -> Vec<Finding> {
    let Some(before) = history.jump() else { return Vec::new() };
    let (severity, points) = if history.habits.jumps == 0 { (Severity::Medium, 36) } else { (Severity::Low, 8) };
    let summary = format!("The version jumps from {before} to {}.", history.this.version);
    let evidence = json!({ "before": before, "version": history.this.version });
    vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Line, dossier_of};
    use super::*;

    #[test]
    fn on_pypi_it_jumps_from_the_highest_before() {
        let points = |versions: &[&str]| {
            let hours = (1..=versions.len()).rev().map(|place| i64::try_from(place).unwrap() * 1_000);
            let lines: Vec<Line<'_>> =
                versions.iter().zip(hours).map(|(version, hours)| Line { version, hours, bytes: 1 }).collect();
            VersionJump.examine(&dossier_of(&lines)).first().map(|finding| finding.points)
        };
        assert_eq!(points(&["1.4.0", "1.4.1", "6.6.6"]), None);
        assert_eq!(points(&["1.4.0", "44.44.44"]), Some(36));
        assert_eq!(points(&["1.4.0", "20.0", "20.1", "60.0"]), Some(8));
        assert_eq!(points(&["0.9", "2026.1"]), None);
        assert_eq!(points(&["44.0"]), None, "the first one is another question");
    }

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!([major("1.2"), major("v99"), major("2026.1"), major("beta")], [Some(1), Some(99), Some(2026), None]);
    }
}
