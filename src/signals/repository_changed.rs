//! `repository-changed`: the release says that its source is elsewhere than the release before it said.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct RepositoryChanged;

static META: SignalMeta = SignalMeta {
    id: "repository-changed",
    question: "Is the source elsewhere than the release before said?",
    family: Family::Identity,
    about: About::File,
};

impl Signal for RepositoryChanged {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = &dossier.pypi else { return Vec::new() };
        let (Some(now), Some(before)) = (&pypi.says, &pypi.said) else { return Vec::new() };
        let evidence = json!({
            "before": { "version": before.version, "repository": before.repository },
            "now": { "version": now.version, "repository": now.repository },
        });
        let (weight, summary) = match (&before.repository, &now.repository) {
            (Some(old), Some(new)) if owner(old) != owner(new) => {
                let summary = format!("Its source is at {new} now, and was at {old}.");
                ((Severity::High, Confidence::Medium, 50), summary)
            }
            // The same people have renamed it.
            (Some(old), Some(new)) if old != new => {
                ((Severity::Info, Confidence::High, 3), format!("Its source is at {new} now, and was at {old}."))
            }
            (Some(old), None) => (
                (Severity::Low, Confidence::Medium, 8),
                format!("It does not say any more that its source is at {old}."),
            ),
            _ => return Vec::new(),
        };
        vec![finding(&META, weight, summary, evidence)]
    }
}

/// Host and account of `host/account/name`.
fn owner(repository: &str) -> &str {
    repository.rsplit_once('/').map_or(repository, |(owner, _)| owner)
}

#[cfg(test)]
mod tests {
    use super::super::ReleaseSays;
    use super::super::sample::pypi;
    use super::*;

    #[test]
    fn another_account_weighs_and_another_name_does_not() {
        let points = |before: Option<&str>, now: Option<&str>| {
            let says = |text: Option<&str>| {
                Some(ReleaseSays { repository: text.map(ToOwned::to_owned), ..ReleaseSays::default() })
            };
            let mut dossier = pypi();
            let facts = dossier.pypi.as_mut().unwrap();
            (facts.said, facts.says) = (says(before), says(now));
            RepositoryChanged.examine(&dossier).first().map(|finding| finding.points)
        };
        let ours = Some("github.com/ada/greet");
        assert_eq!(points(ours, ours), None);
        assert_eq!(points(ours, Some("github.com/eve/greet")), Some(50));
        assert_eq!(points(ours, Some("gitlab.com/ada/greet")), Some(50));
        assert_eq!(points(ours, Some("github.com/ada/greeting")), Some(3));
        assert_eq!(points(ours, None), Some(8));
        assert_eq!(points(None, ours), None);
    }
}
