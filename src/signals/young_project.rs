//! `young-project`: a project that was made a few days ago. By itself that is how every project begins; beside a name that
//! resembles another one it is how squats begin.

use serde_json::json;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct YoungProject;

static META: SignalMeta = SignalMeta {
    id: "young-project",
    question: "Was the project made only a few days ago?",
    family: Family::Behaviour,
    about: About::Project,
};

/// Most malicious projects are found and removed within this time.
const YOUNG: Duration = Duration::days(30);
/// A project that was released so often has somebody who works on it.
const FEW: usize = 5;

impl Signal for YoungProject {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let project = &dossier.project;
        let Some(oldest) = project.oldest_upload.filter(|_| project.origin.is_public()) else { return Vec::new() };
        let age = project.first_read - oldest;
        if age >= YOUNG || age < Duration::ZERO || project.versions > FEW || project.rank.is_some() {
            return Vec::new();
        }
        let versions = project.versions;
        let days = match age.whole_days() {
            0 => "less than a day".to_owned(),
            1 => "a day".to_owned(),
            days => format!("{days} days"),
        };
        let releases = if versions == 1 { "one release".to_owned() } else { format!("{versions} releases") };
        let summary = format!("The project has {releases} and was {days} old when it was first seen here.");
        let points = if versions == 1 && age <= Duration::days(7) { 5 } else { 3 };
        let evidence = json!({
            "versions": versions,
            "oldest_upload": oldest.format(&Rfc3339).unwrap_or_default(),
            "first_read": project.first_read.format(&Rfc3339).unwrap_or_default(),
        });
        vec![finding(&META, (Severity::Info, Confidence::High, points), summary, evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Line, dossier_of};
    use super::*;

    fn points(oldest_in_days: i64, versions: usize) -> Option<u8> {
        let mut dossier = dossier_of(&[Line { version: "1.0", hours: 1, bytes: 1 }]);
        dossier.project.oldest_upload = Some(dossier.project.first_read - Duration::days(oldest_in_days));
        dossier.project.versions = versions;
        YoungProject.examine(&dossier).first().map(|finding| finding.points)
    }

    #[test]
    fn youth_weighs_little_and_passes() {
        assert_eq!(points(1, 1), Some(5));
        assert_eq!(points(20, 1), Some(3));
        assert_eq!(points(1, 4), Some(3));
        assert_eq!(points(1, 6), None);
        assert_eq!(points(31, 1), None);
        assert_eq!(points(-3, 1), None, "dated after it was seen: the clock's trouble, not the project's");
    }
}
