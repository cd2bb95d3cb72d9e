//! `withdrawn`: the upstream yanked or removed the file. Most malicious releases are found and removed within the hold.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity, Timestamp};

/// See the module.
#[derive(Debug)]
pub struct Withdrawn;

static META: SignalMeta = SignalMeta {
    id: "withdrawn",
    question: "Did the upstream yank or remove the file?",
    family: Family::Record,
    about: About::File,
};

/// So old at first sight, a file that is yanked is history: exact pins still need it (PEP 592).
const OLD: time::Duration = time::Duration::days(30);

/// Whether a file was old already when it was first seen here.
pub fn was_old(first_seen: Timestamp, clock_start: Timestamp) -> bool {
    first_seen - clock_start > OLD
}

impl Signal for Withdrawn {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(since) = dossier.vanished {
            let since = since.format(&Rfc3339).unwrap_or_default();
            let weight = (Severity::High, Confidence::High, 80);
            let summary = "The upstream does not list this file any more.".to_owned();
            findings.push(finding(&META, weight, summary, json!({ "vanished": since })));
        }
        if dossier.yanked {
            let long_ago = was_old(dossier.first_seen, dossier.clock_start);
            let weight =
                if long_ago { (Severity::Info, Confidence::High, 0) } else { (Severity::High, Confidence::Medium, 40) };
            let summary = "The upstream has yanked this file.".to_owned();
            findings.push(finding(&META, weight, summary, json!({ "yanked": true })));
        }
        findings
    }
}
