//! `burst`: several versions within hours, or several branches within a day. Who has stolen an account has little time, and
//! wants to reach everybody: three versions in 35 minutes (durabletask), three branches at once (ua-parser-js).

use serde_json::json;

use super::{About, Dossier, History, Release, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct Burst;

static META: SignalMeta = SignalMeta {
    id: "burst",
    question: "Do several versions come within hours, where that is not usual?",
    family: Family::Behaviour,
    about: About::File,
};

/// A project with fewer releases is still finding its feet: its first days are full of corrections.
const SETTLED: usize = 10;
/// So many bursts before make one more usual.
const USUAL: usize = 2;

impl Signal for Burst {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(history) = dossier.history.as_ref().filter(|history| history.earlier >= SETTLED) else {
            return Vec::new();
        };
        let (near, branches) = (history.burst(), history.other_branches());
        let (points, summary) = match (near.len(), branches.len()) {
            (_, 2..) if history.habits.branches == 0 => (
                36,
                format!("{} is one of {} branches released within a day.", history.this.version, branches.len() + 1),
            ),
            (2.., _) if history.habits.bursts < USUAL => {
                (36, format!("{} is one of {} versions released within hours.", history.this.version, near.len() + 1))
            }
            (1, _) if history.habits.bursts == 0 => {
                (12, format!("{} came within two hours of {}.", history.this.version, names(&near)))
            }
            _ => return Vec::new(),
        };
        let severity = if points >= 30 { Severity::Medium } else { Severity::Low };
        vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence(history, &near, &branches))]
    }
}

fn names(releases: &[&Release]) -> String {
    releases.iter().map(|release| release.version.to_string()).collect::<Vec<_>>().join(", ")
}

fn evidence(history: &History, near: &[&Release], branches: &[&Release]) -> serde_json::Value {
    json!({ "this": history.this, "within_two_hours": near, "other_branches_within_a_day": branches, "habits": history.habits })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Line, aged, dossier_of};
    use super::*;

    /// Points for the last of these, after a dozen ordinary releases.
    fn points(lines: &[(&str, i64)]) -> Option<u8> {
        let mut all = aged(12);
        all.extend(lines.iter().map(|(version, hours)| Line { version, hours: *hours, bytes: 1 }));
        let dossier = dossier_of(&all);
        Burst.examine(&dossier).first().map(|finding| finding.points)
    }

    #[test]
    fn the_table_of_bursts() {
        assert_eq!(points(&[("2.0", 1)]), None);
        assert_eq!(points(&[("2.0", 30), ("2.1", 1)]), None);
        assert_eq!(points(&[("2.0", 2), ("2.0.1", 1)]), Some(12));
        assert_eq!(points(&[("2.0.1", 3), ("2.0.2", 2), ("2.0.3", 1)]), Some(36));
        assert_eq!(points(&[("0.7.29", 9), ("0.8.1", 5), ("1.0.1", 1)]), Some(36), "three branches");
        let usual =
            [("0.8.1", 900), ("2.0", 899), ("0.8.2", 800), ("2.0.1", 799), ("0.9.1", 3), ("2.1", 2), ("3.0", 1)];
        assert_eq!(points(&usual), None, "as it always did");
    }

    #[test]
    fn a_new_project_may_correct_itself() {
        let lines = [("1.0", 3), ("1.1", 2), ("1.2", 1)].map(|(version, hours)| Line { version, hours, bytes: 1 });
        assert_eq!(Burst.examine(&dossier_of(&lines)), []);
    }
}
