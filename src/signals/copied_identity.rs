//! `copied-identity`: a project whose name resembles another one says of itself what that one says: its summary, its
//! repository. A fork says what it is; an imitation says what it is not.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct CopiedIdentity;

static META: SignalMeta = SignalMeta {
    id: "copied-identity",
    question: "Does a look-alike claim the summary or the repository of the project it resembles?",
    family: Family::Name,
    about: About::File,
};

/// A shorter summary is the same by chance.
const LONG_ENOUGH: usize = 16;

impl Signal for CopiedIdentity {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = dossier.pypi.as_ref().filter(|_| dossier.project.origin.is_public()) else {
            return Vec::new();
        };
        let (Some(says), Some(resembled)) = (&pypi.says, &pypi.resembled) else { return Vec::new() };
        // The well-known one of the two is the one that is copied.
        if dossier.project.rank.is_some() {
            return Vec::new();
        }
        let plain = |text: &str| -> String {
            text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let same_summary = match (&says.summary, &resembled.summary) {
            (Some(one), Some(two)) => plain(one) == plain(two) && plain(one).chars().count() >= LONG_ENOUGH,
            _ => false,
        };
        let same_repository = says.repository.is_some() && says.repository == resembled.repository;
        let (points, what) = match (same_repository, same_summary) {
            (true, true) => (65, "the repository and the summary"),
            (true, false) => (45, "the repository"),
            (false, true) => (45, "the summary"),
            (false, false) => return Vec::new(),
        };
        let severity = if points >= 60 { Severity::High } else { Severity::Medium };
        let summary = format!("It claims {what} of {}, whose name it resembles.", resembled.project);
        let evidence = json!({ "this": says, "resembled": resembled });
        vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::pypi;
    use super::super::{ReleaseSays, Resembled};
    use super::*;

    fn points(summary: &str, repository: &str) -> Option<u8> {
        let mut dossier = pypi();
        let facts = dossier.pypi.as_mut().unwrap();
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        facts.says =
            Some(ReleaseSays { summary: text(summary), repository: text(repository), ..ReleaseSays::default() });
        facts.resembled = Some(Resembled {
            project: "requests"
                .parse::<String>()
                .ok()
                .and_then(|name| crate::domain::ProjectName::pypi(&name).ok())
                .unwrap(),
            summary: text("Python HTTP for Humans."),
            repository: text("github.com/psf/requests"),
        });
        CopiedIdentity.examine(&dossier).first().map(|finding| finding.points)
    }

    #[test]
    fn what_is_claimed_of_another_weighs() {
        assert_eq!(points("Python HTTP for Humans", "github.com/psf/requests"), Some(65));
        assert_eq!(points("python http - for humans!", ""), Some(45));
        assert_eq!(points("Something else", "github.com/psf/requests"), Some(45));
        assert_eq!(points("Something else", "github.com/me/other"), None);
        assert_eq!(points("", ""), None);
    }
}
