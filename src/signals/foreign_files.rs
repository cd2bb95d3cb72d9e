//! `foreign-files`: the page lists files that are not the project's, or have no version (rule 16). They are hidden; that they
//! are there is worth knowing.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct ForeignFiles;

static META: SignalMeta = SignalMeta {
    id: "foreign-files",
    question: "Does the page list files that are not this project's?",
    family: Family::Record,
    about: About::Project,
};

impl Signal for ForeignFiles {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let hidden = &dossier.project.hidden;
        if hidden.is_empty() {
            return Vec::new();
        }
        // Pages older than the rules for file names have many: no points.
        let weight = (Severity::Info, Confidence::High, 0);
        let summary = "The page lists files whose names are not this project's or have no version; they are hidden.";
        vec![finding(&META, weight, summary.to_owned(), json!({ "files": hidden }))]
    }
}
