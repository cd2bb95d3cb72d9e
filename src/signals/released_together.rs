//! `released-together`: other projects of the same owner are released on the same day, which is not usual. Whoever has one
//! stolen account uses it for all it opens (Hades, Miasma).

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct ReleasedTogether;

static META: SignalMeta = SignalMeta {
    id: "released-together",
    question: "Are several projects of the same owner released on one day, where that is not usual?",
    family: Family::Behaviour,
    about: About::File,
};

/// Two projects on one day are a morning's work; more are a habit or an alarm.
const MANY: usize = 3;

impl Signal for ReleasedTogether {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = &dossier.pypi else { return Vec::new() };
        let Some(first) = pypi.together.first().filter(|_| pypi.together.len() >= MANY) else { return Vec::new() };
        let weight = if pypi.usually_together {
            (Severity::Info, Confidence::Medium, 0)
        } else {
            (Severity::Medium, Confidence::Medium, 36)
        };
        let count = pypi.together.len();
        let summary = format!("{count} other projects of {} were released within a day of it.", first.owner);
        let evidence = json!({ "together": pypi.together, "usual": pypi.usually_together });
        vec![finding(&META, weight, summary, evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Companion;
    use super::super::sample::pypi;
    use super::*;
    use crate::domain::ProjectName;

    #[test]
    fn many_projects_on_one_day_weigh_unless_they_always_come_together() {
        let points = |count: usize, usually: bool| {
            let mut dossier = pypi();
            let published = dossier.published.unwrap();
            let facts = dossier.pypi.as_mut().unwrap();
            let name = |number: usize| ProjectName::pypi(&format!("harbour-{number}")).unwrap();
            facts.together =
                (0..count).map(|number| Companion { project: name(number), owner: "eve".into(), published }).collect();
            facts.usually_together = usually;
            ReleasedTogether.examine(&dossier).first().map(|finding| finding.points)
        };
        assert_eq!(points(2, false), None);
        assert_eq!(points(3, false), Some(36));
        assert_eq!(points(30, true), Some(0));
    }
}
