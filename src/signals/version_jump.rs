//! `version-jump`: a version far above the one before it, as made to win every comparison.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct VersionJump;

static META: SignalMeta =
    SignalMeta { id: "version-jump", question: "Is the version far above the one before it?", about: About::File };

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!([major("1.2"), major("v99"), major("2026.1"), major("beta")], [Some(1), Some(99), Some(2026), None]);
    }
}
