//! `author-set`: the people who claim to have written an instance are not those of the version before it.
//!
//! Authors on teapot are self-declared, so the same name proves nothing; another one is worth a look.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct AuthorSet;

static META: SignalMeta = SignalMeta {
    id: "author-set",
    question: "Does a Tcl package name other authors than the version before it?",
    family: Family::Identity,
    about: About::File,
};

impl Signal for AuthorSet {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(before) = dossier.teapot.as_ref().and_then(|facts| facts.before.as_ref()) else { return Vec::new() };
        let Some(facts) = &dossier.teapot else { return Vec::new() };
        if facts.authors == before.authors {
            return Vec::new();
        }
        let (points, summary) = match (&before.authors, &facts.authors) {
            (Some(_), None) => (20, format!("{} named its authors, this version names none.", before.version)),
            (None, Some(_)) => (10, format!("{} named no author, this version does.", before.version)),
            (Some(old), Some(new)) if old.iter().any(|author| new.contains(author)) => {
                (10, format!("The authors are not all the same as those of {}.", before.version))
            }
            _ => (45, format!("None of the authors of {} is among those of this version.", before.version)),
        };
        let severity = if points >= 45 { Severity::Medium } else { Severity::Low };
        let evidence = json!({ "before": before, "authors": facts.authors });
        vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
    }
}
