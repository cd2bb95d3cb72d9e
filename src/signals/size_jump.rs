//! `size-jump`: a release that has several times the bytes of those before it. Eleven megabytes of obfuscated JavaScript do
//! not hide (lightning).

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct SizeJump;

static META: SignalMeta = SignalMeta {
    id: "size-jump",
    question: "Has the release several times the bytes of those before it?",
    family: Family::Behaviour,
    about: About::File,
};

impl Signal for SizeJump {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(history) = &dossier.history else { return Vec::new() };
        let Some((times, before)) = history.growth() else { return Vec::new() };
        // One that grew before, by a library that it carries, will again.
        let (severity, points) = if history.habits.growths == 0 && history.earlier >= 3 {
            (Severity::Medium, 36)
        } else {
            (Severity::Low, 8)
        };
        let summary = format!("It has {times} times the bytes of {} and those before.", before.version);
        let evidence = json!({ "this": history.this, "before": history.before.iter().take(3).collect::<Vec<_>>() });
        vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Line, aged, dossier_of};
    use super::*;

    fn points(lines: &[(&str, i64, u64)]) -> Option<u8> {
        let mut all = aged(4);
        all.extend(lines.iter().map(|(version, hours, bytes)| Line { version, hours: *hours, bytes: *bytes }));
        SizeJump.examine(&dossier_of(&all)).first().map(|finding| finding.points)
    }

    #[test]
    fn megabytes_that_come_out_of_nowhere_weigh() {
        assert_eq!(points(&[("2.0", 90, 1 << 20), ("2.1", 1, 11 << 20)]), Some(36));
        assert_eq!(points(&[("2.0", 90, 3 << 20), ("2.1", 1, 11 << 20)]), None, "not five times");
        assert_eq!(points(&[("2.0", 90, 1_000), ("2.1", 1, 9_000)]), None, "a few kilobytes");
        let again = [("2.0", 990, 1 << 20), ("2.1", 900, 6 << 20), ("2.2", 800, 1 << 20), ("2.3", 700, 1 << 20)];
        let again = [&again[..], &[("2.4", 600, 1 << 20), ("2.5", 1, 6 << 20)]].concat();
        assert_eq!(points(&again), Some(8));
    }
}
