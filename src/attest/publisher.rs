//! Who an index says published a file.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Longest fact about a publisher that is kept, in bytes. An e-mail address has at most 254; of a path nobody needs more.
const LONGEST_FACT: usize = 300;

/// A Trusted Publisher: the service and what on it uploads. Two releases of a project that have equal ones come from the
/// same place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Publisher {
    /// The service as the index writes it: `GitHub`, `GitLab`, `Google`, `CircleCI`, `ActiveState`, ...
    pub kind: Box<str>,
    /// `OWNER/NAME` on GitHub, with groups before it on GitLab; for `CircleCI` where its sources are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Box<str>>,
    /// The workflow that uploads: a file name on GitHub, a path on GitLab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Box<str>>,
    /// The deployment environment that the workflow must run in. The index's word only, even where the rest is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Box<str>>,
    /// The service account that uploads, by its e-mail address (Google).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Box<str>>,
    /// The project's id (`CircleCI`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Box<str>>,
    /// The id of the pipeline's definition (`CircleCI`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Box<str>>,
    /// The branch or tag it must run on, where the project demands one (`CircleCI`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Box<str>>,
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        let facts = [
            ("account", &self.account),
            ("project", &self.project),
            ("pipeline", &self.pipeline),
            ("repository", &self.repository),
            ("workflow", &self.workflow),
            ("environment", &self.environment),
            ("reference", &self.reference),
        ];
        let given = facts.iter().filter_map(|(name, fact)| fact.as_ref().map(|fact| (name, fact)));
        for (number, (name, fact)) in given.enumerate() {
            write!(f, "{} {name} {fact}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The object in an index's answer. Only its kind must be there: what else there is depends on the kind, and a kind that we
/// do not know may give any fact any type.
#[derive(Deserialize)]
pub(super) struct PublisherObject<'a> {
    #[serde(borrow)]
    kind: &'a RawValue,
    #[serde(borrow, default)]
    repository: Option<&'a RawValue>,
    #[serde(borrow, default)]
    vcs_origin: Option<&'a RawValue>,
    #[serde(borrow, default)]
    workflow: Option<&'a RawValue>,
    #[serde(borrow, default)]
    workflow_filepath: Option<&'a RawValue>,
    #[serde(borrow, default)]
    environment: Option<&'a RawValue>,
    #[serde(borrow, default)]
    email: Option<&'a RawValue>,
    #[serde(borrow, default)]
    project_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pipeline_definition_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    vcs_ref: Option<&'a RawValue>,
}

impl PublisherObject<'_> {
    /// The publisher; `None` if its kind is not a plain text.
    pub(super) fn read(&self) -> Option<Publisher> {
        let fact = |raw: Option<&RawValue>| raw.and_then(fact);
        Some(Publisher {
            kind: fact(Some(self.kind))?,
            repository: fact(self.repository).or_else(|| fact(self.vcs_origin)),
            workflow: fact(self.workflow).or_else(|| fact(self.workflow_filepath)),
            environment: fact(self.environment),
            account: fact(self.email),
            project: fact(self.project_id),
            pipeline: fact(self.pipeline_definition_id),
            reference: fact(self.vcs_ref),
        })
    }
}

/// A text that fits into a line; `None` for anything else.
fn fact(raw: &RawValue) -> Option<Box<str>> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    let plain = !text.is_empty() && text.len() <= LONGEST_FACT && !text.chars().any(char::is_control);
    plain.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Publisher> {
        serde_json::from_str::<PublisherObject<'_>>(json).unwrap().read()
    }

    #[test]
    fn a_publisher_is_a_short_sentence() {
        for (json, sentence) in [
            (
                r#"{"kind":"GitHub","repository":"o/r","workflow":"release.yml","environment":"prod","claims":{"a":1}}"#,
                "GitHub repository o/r, workflow release.yml, environment prod",
            ),
            (
                r#"{"kind":"GitHub","repository":"o/r","workflow":"release.yml","environment":null}"#,
                "GitHub repository o/r, workflow release.yml",
            ),
            (
                r#"{"kind":"GitLab","repository":"g/s/r","workflow_filepath":".gitlab-ci.yml","environment":""}"#,
                "GitLab repository g/s/r, workflow .gitlab-ci.yml",
            ),
            (r#"{"kind":"Google","email":"a@example.test"}"#, "Google account a@example.test"),
            (
                r#"{"kind":"CircleCI","project_id":"1","pipeline_definition_id":"2","vcs_origin":"h/o/r","vcs_ref":"main"}"#,
                "CircleCI project 1, pipeline 2, repository h/o/r, reference main",
            ),
            (r#"{"kind":"Sourcehut","repository":{"owner":"o"},"workflow":[1]}"#, "Sourcehut"),
        ] {
            assert_eq!(read(json).unwrap().to_string(), sentence, "{json}");
        }
    }

    #[test]
    fn what_would_break_a_line_is_no_fact() {
        assert_eq!(read(r#"{"kind":"Git\nHub"}"#), None);
        assert_eq!(read(r#"{"kind":""}"#), None);
        assert_eq!(read(r#"{"kind":5}"#), None);
        assert_eq!(read(r#"{"kind":"GitHub","repository":"o/r\u0007"}"#).unwrap().repository, None);
        let long = format!(r#"{{"kind":"GitHub","workflow":"{}"}}"#, "w".repeat(LONGEST_FACT + 1));
        assert_eq!(read(&long).unwrap().workflow, None);
    }

    #[test]
    fn a_publisher_is_stored_and_read_again() {
        let publisher = read(r#"{"kind":"GitHub","repository":"o/r","workflow":"release.yml"}"#).unwrap();
        let stored = serde_json::to_string(&publisher).unwrap();
        assert_eq!(stored, r#"{"kind":"GitHub","repository":"o/r","workflow":"release.yml"}"#);
        assert_eq!(serde_json::from_str::<Publisher>(&stored).unwrap(), publisher);
    }
}
