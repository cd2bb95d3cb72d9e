//! `replaced-instance`: a teapot repository has put other bytes in the place of an instance that was there already.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct ReplacedInstance;

static META: SignalMeta = SignalMeta {
    id: "replaced-instance",
    question: "Did the repository replace the bytes of an instance that it had?",
    family: Family::Record,
    about: About::File,
};

impl Signal for ReplacedInstance {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(old) = dossier.teapot.as_ref().and_then(|facts| facts.replaced.as_ref()) else { return Vec::new() };
        let summary = "The repository replaced the bytes of this instance; its version did not change.".to_owned();
        let evidence = json!({ "old_signature": old, "promise": dossier.promise.as_ref().map(ToString::to_string) });
        vec![finding(&META, (Severity::High, Confidence::Medium, 55), summary, evidence)]
    }
}
