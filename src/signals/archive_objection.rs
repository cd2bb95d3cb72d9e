//! `archive`: the file is not the plain archive that it should be.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct ArchiveObjection;

static META: SignalMeta = SignalMeta {
    id: "archive",
    question: "Is the file a plain, honest archive?",
    family: Family::Content,
    about: About::File,
};

impl Signal for ArchiveObjection {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(walk) = &dossier.archive else { return Vec::new() };
        let objections = walk.objections.iter();
        objections
            .map(|objection| {
                let weight = if objection.is_fatal() {
                    (Severity::High, Confidence::High, 85)
                } else {
                    (Severity::Low, Confidence::Medium, 5)
                };
                finding(&META, weight, objection.to_string(), json!({ "objection": objection }))
            })
            .collect()
    }
}
