//! `digest-changed`: one file name, other bytes than at first. PyPI never allows it, so somebody else did.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct DigestChanged;

static META: SignalMeta = SignalMeta {
    id: "digest-changed",
    question: "Does the upstream promise other bytes than when it first showed this file?",
    family: Family::Record,
    about: About::File,
};

impl Signal for DigestChanged {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(changed) = &dossier.changed else { return Vec::new() };
        let summary =
            "The index promises other bytes for this file name than it first did; one name has one digest, for ever.";
        let evidence = json!({
            "pinned": changed.pinned.as_ref().map(ToString::to_string),
            "pinned_size": changed.pinned_size,
            "pinned_at": changed.pinned_at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default(),
            "offered": dossier.promise.as_ref().map(ToString::to_string),
            "offered_size": dossier.size,
        });
        vec![finding(&META, (Severity::Critical, Confidence::High, 100), summary.to_owned(), evidence)]
    }
}
