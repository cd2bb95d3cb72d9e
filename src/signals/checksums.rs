//! `checksums` and `integrity`: what the signed list in the release's folder on CPAN says of the bytes.
//!
//! What contradicts the list breaks a hard rule, so it is found as `integrity`. That nothing could be compared is worth
//! knowing only, since most mirrors serve lists that are newer or older than their files now and then.

use serde_json::json;

use super::{About, ChecksumsVerdict, Dossier, Signal, SignalMeta, SignatureState, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct Checksums;

static META: SignalMeta = SignalMeta {
    id: "checksums",
    question: "Does CPAN's own CHECKSUMS file vouch for these bytes?",
    family: Family::Record,
    about: About::File,
};

static INTEGRITY: SignalMeta = SignalMeta {
    id: "integrity",
    question: "Does CPAN's own CHECKSUMS file contradict these bytes?",
    family: Family::Record,
    about: About::File,
};

impl Signal for Checksums {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(cpan) = &dossier.cpan else { return Vec::new() };
        let broken = (&INTEGRITY, (Severity::Critical, Confidence::High, 100));
        let known = (&META, (Severity::Info, Confidence::High, 0));
        let ((meta, weight), summary) = match &cpan.checksums {
            ChecksumsVerdict::Differs { why } => (broken, format!("CHECKSUMS contradicts the bytes: {why}.")),
            ChecksumsVerdict::PromisesOthers { why } => {
                let weight = (Severity::Medium, Confidence::High, 20);
                ((&META, weight), format!("CHECKSUMS promises other bytes than at first sight: {why}."))
            }
            ChecksumsVerdict::Agrees { signature } => match signature {
                SignatureState::Bad { why } => (broken, format!("The signature of CHECKSUMS is forged: {why}.")),
                SignatureState::Good { key } => (known, format!("CHECKSUMS vouches for the bytes, signed by {key}.")),
                SignatureState::Unsigned => (known, "CHECKSUMS vouches for the bytes, without a signature.".to_owned()),
                SignatureState::CannotVerify { why } => {
                    (known, format!("CHECKSUMS vouches for the bytes, its signature cannot be verified: {why}."))
                }
            },
            ChecksumsVerdict::NotRead { why } => (known, format!("CHECKSUMS could not be read: {why}.")),
            ChecksumsVerdict::NotListed => {
                let weight = (Severity::Low, Confidence::Medium, 5);
                ((&META, weight), "CHECKSUMS does not list the file.".to_owned())
            }
        };
        vec![finding(meta, weight, summary, json!({ "checksums": cpan.checksums }))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cpan, dossier};
    use super::*;
    use crate::signals::CpanFacts;

    #[test]
    fn the_table_of_lists_and_signatures() {
        let why = || "an example".to_owned();
        let agrees = |signature| ChecksumsVerdict::Agrees { signature };
        for (checksums, expected) in [
            (ChecksumsVerdict::Differs { why: why() }, ("integrity", Severity::Critical, 100)),
            (agrees(SignatureState::Bad { why: why() }), ("integrity", Severity::Critical, 100)),
            (agrees(SignatureState::Good { key: why() }), ("checksums", Severity::Info, 0)),
            (agrees(SignatureState::CannotVerify { why: why() }), ("checksums", Severity::Info, 0)),
            (agrees(SignatureState::Unsigned), ("checksums", Severity::Info, 0)),
            (ChecksumsVerdict::PromisesOthers { why: why() }, ("checksums", Severity::Medium, 20)),
            (ChecksumsVerdict::NotRead { why: why() }, ("checksums", Severity::Info, 0)),
            (ChecksumsVerdict::NotListed, ("checksums", Severity::Low, 5)),
        ] {
            let facts = CpanFacts { checksums: checksums.clone(), ..cpan() };
            let findings = Checksums.examine(&dossier(facts));
            let seen = &findings[0];
            assert_eq!((&*seen.signal, seen.severity, seen.points), expected, "{checksums:?}");
        }
    }
}
