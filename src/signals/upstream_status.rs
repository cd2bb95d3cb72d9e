//! `upstream-status`: what the index itself says of the project, [PEP 792](https://peps.python.org/pep-0792/).

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct UpstreamStatus;

static META: SignalMeta = SignalMeta {
    id: "upstream-status",
    question: "Has the index quarantined, archived or deprecated the project?",
    family: Family::Record,
    about: About::Project,
};

impl Signal for UpstreamStatus {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let status = &dossier.project.status;
        let weight = match &*status.status {
            "" | "active" => return Vec::new(),
            "quarantined" => (Severity::High, Confidence::High, 90),
            _ => (Severity::Info, Confidence::High, 0),
        };
        let summary = format!("The index marks the project as {}.", status.status);
        vec![finding(&META, weight, summary, json!({ "status": status.status, "reason": status.reason }))]
    }
}
