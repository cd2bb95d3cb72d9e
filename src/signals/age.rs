//! `age`: how long the file has been public. The hold itself is the policy's; this only says from when it counts and why.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct Age;

static META: SignalMeta = SignalMeta {
    id: "age",
    question: "From when does this file's age count?",
    family: Family::Record,
    about: About::File,
};

impl Signal for Age {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let counted_from = dossier.clock_start.format(&Rfc3339).unwrap_or_default();
        let (why, confidence) = match dossier.published {
            None => {
                ("the index gives no usable upload time, so its age counts from our first sight", Confidence::Medium)
            }
            Some(published) if published == dossier.clock_start => ("its age counts from its upload", Confidence::High),
            Some(_) => {
                ("its age counts from when it, or the last file that belongs with it, appeared", Confidence::High)
            }
        };
        let evidence = json!({
            "clock_start": counted_from,
            "published": dossier.published.and_then(|time| time.format(&Rfc3339).ok()),
            "first_seen": dossier.first_seen.format(&Rfc3339).unwrap_or_default(),
        });
        vec![finding(&META, (Severity::Info, confidence, 0), format!("New upload: {why} ({counted_from})."), evidence)]
    }
}
