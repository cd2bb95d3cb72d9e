//! `neighbours-withdrawn`: releases just before this one were taken back. A second try right after a removal (num2words), or
//! an honest correction: yanks are common, removals are not.

use serde_json::json;
use time::Duration;

use super::{About, Dossier, Release, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct NeighboursWithdrawn;

static META: SignalMeta = SignalMeta {
    id: "neighbours-withdrawn",
    question: "Were releases just before or after this one yanked or removed?",
    family: Family::Behaviour,
    about: About::File,
};

/// What was released within this time of it is a neighbour.
const NEAR: Duration = Duration::days(14);

impl Signal for NeighboursWithdrawn {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(history) = &dossier.history else { return Vec::new() };
        let near = |release: &&Release| (release.published - history.this.published).abs() <= NEAR;
        let neighbours = history.before.iter().chain(&history.after).filter(near);
        let withdrawn: Vec<&Release> = neighbours.filter(|release| release.withdrawn).collect();
        let Some(first) = withdrawn.iter().find(|release| release.vanished).or(withdrawn.first()) else {
            return Vec::new();
        };
        let (weight, what) = if first.vanished {
            ((Severity::Medium, Confidence::Medium, 36), "removed from the index")
        } else {
            ((Severity::Info, Confidence::Low, 4), "yanked")
        };
        let summary = format!("{}, released shortly before or after it, was {what}.", first.version);
        vec![finding(&META, weight, summary, json!({ "withdrawn": withdrawn, "this": history.this }))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Line, aged, dossier_of};
    use super::*;

    #[test]
    fn a_removal_weighs_more_than_a_yank() {
        let mut all = aged(4);
        all.extend([Line { version: "2.0", hours: 40, bytes: 1 }, Line { version: "2.1", hours: 1, bytes: 1 }]);
        let mut dossier = dossier_of(&all);
        let mut points = |change: fn(&mut Release)| {
            if let Some(history) = &mut dossier.history {
                change(&mut history.before[0]);
            }
            NeighboursWithdrawn.examine(&dossier).first().map(|finding| (finding.points, finding.summary.clone()))
        };
        assert_eq!(points(|_| ()), None);
        assert_eq!(points(|release| release.withdrawn = true).map(|(points, _)| points), Some(4));
        let removed = points(|release| release.vanished = true);
        let summary = "2.0, released shortly before or after it, was removed from the index.".to_owned();
        assert_eq!(removed, Some((36, summary)));
    }
}
