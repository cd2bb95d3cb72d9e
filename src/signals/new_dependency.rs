//! `new-dependency`: the release asks for a project that the one before it did not ask for. Made for the purpose, it is young
//! and often by the same new hand (event-stream).

use serde_json::json;
use time::Duration;

use super::{About, Dossier, NewRequirement, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity, Timestamp};

/// See the module.
#[derive(Debug)]
pub struct NewDependency;

static META: SignalMeta = SignalMeta {
    id: "new-dependency",
    question: "Does the release require a project that those before did not, and how old is that?",
    family: Family::Behaviour,
    about: About::File,
};

/// A project that is younger was perhaps made for this.
const YOUNG: Duration = Duration::days(30);

impl Signal for NewDependency {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = &dossier.pypi else { return Vec::new() };
        let when = dossier.published.unwrap_or(dossier.first_seen);
        let heaviest = pypi.new_requirements.iter().max_by_key(|new| weight(new, when).2);
        let Some(new) = heaviest else { return Vec::new() };
        let name = &new.requirement.project;
        let summary = match (&*new.newcomers_in_common, age(new, when)) {
            ([newcomer, ..], _) => format!("It requires {name} for the first time, which {newcomer} has made too."),
            (_, Some(age)) if age < YOUNG => {
                format!(
                    "It requires {name} for the first time, a project that is {} days old.",
                    age.whole_days().max(0)
                )
            }
            _ if new.missing => format!("It requires {name} for the first time, which no index has."),
            _ if new.unread => {
                let all = pypi.new_requirements.len();
                format!("It requires {all} projects for the first time, too many to look at: {name} is one of them.")
            }
            _ => format!("It requires {name} for the first time."),
        };
        let evidence =
            json!({ "new": pypi.new_requirements, "compared_with": pypi.said.as_ref().map(|said| &said.version) });
        vec![finding(&META, weight(new, when), summary, evidence)]
    }
}

fn age(new: &NewRequirement, when: Timestamp) -> Option<Duration> {
    new.first_upload.map(|first| when - first)
}

fn weight(new: &NewRequirement, when: Timestamp) -> (Severity, Confidence, u8) {
    if !new.newcomers_in_common.is_empty() {
        return (Severity::High, Confidence::Medium, 60);
    }
    match age(new, when) {
        Some(age) if age < YOUNG => (Severity::Medium, Confidence::Medium, 36),
        // Somebody else may make it.
        None if new.missing || new.unread => (Severity::Medium, Confidence::Medium, 30),
        _ => (Severity::Info, Confidence::High, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{pypi, requirement};
    use super::*;

    #[test]
    fn a_young_dependency_weighs_and_one_by_the_same_new_hand_more() {
        let points = |days: Option<i64>, missing: bool, newcomers: &[&str]| {
            let mut dossier = pypi();
            let first_upload = days.map(|days| dossier.first_seen - Duration::days(days));
            let newcomers_in_common = newcomers.iter().map(ToString::to_string).collect();
            let new = NewRequirement {
                requirement: requirement("flatmap"),
                first_upload,
                missing,
                unread: false,
                newcomers_in_common,
            };
            dossier.pypi.as_mut().unwrap().new_requirements = vec![new];
            NewDependency.examine(&dossier)[0].points
        };
        assert_eq!(points(Some(900), false, &[]), 2);
        assert_eq!(points(None, false, &[]), 2);
        assert_eq!(points(Some(3), false, &[]), 36);
        assert_eq!(points(None, true, &[]), 30);
        assert_eq!(points(Some(900), false, &["right9"]), 60);
        assert_eq!(NewDependency.examine(&pypi()), []);
    }

    #[test]
    fn too_many_to_look_at_weigh_as_much_as_one_that_nobody_has() {
        let mut dossier = pypi();
        let new = |unread| NewRequirement {
            requirement: requirement("flatmap"),
            first_upload: None,
            missing: false,
            unread,
            newcomers_in_common: Vec::new(),
        };
        dossier.pypi.as_mut().unwrap().new_requirements = vec![new(false), new(true)];
        let told = NewDependency.examine(&dossier).remove(0);
        assert_eq!((told.points, told.severity), (30, Severity::Medium));
        assert!(told.summary.starts_with("It requires 2 projects for the first time"), "{}", told.summary);
    }
}
