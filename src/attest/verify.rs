//! Whether an index's word about a publisher holds: every attestation is about this file, and signed by this publisher.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::sigstore::{Identity, TrustRoot};
use super::{Predicate, Provenance, Publisher, statement};
use crate::domain::{FileName, Sha256};

/// Longest foreign text in a reason, in characters.
const LONGEST_QUOTE: usize = 200;

/// What a file's provenance is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// It says the truth.
    Verified {
        /// Who published the file. Their [`environment`](Publisher::environment) is the index's word.
        publisher: Publisher,
        /// What they signed about it, each once.
        predicates: Vec<Predicate>,
    },
    /// It is worth no more than none.
    Unverified {
        /// Who published the file, says the index.
        publisher: Publisher,
        /// Why that is not believed.
        why: Doubt,
    },
}

/// Why a publisher is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "doubt")]
pub enum Doubt {
    /// No verifier.
    #[error("this lazaret was built without the feature attestations")]
    NotBuilt,
    /// We do not know what a certificate of such a publisher says.
    #[error("publishers of the kind {kind:?} cannot be verified by this lazaret: use a newer one")]
    UnknownKind {
        /// Which kind.
        kind: String,
    },
    /// The index does not say enough to tell whether a certificate is this publisher's.
    #[error("the index gives no usable {missing} of the publisher")]
    Incomplete {
        /// What is missing.
        missing: String,
    },
    /// Only one can have uploaded the file.
    #[error("the provenance also names another publisher: {other}")]
    SeveralPublishers {
        /// The other one.
        other: String,
    },
    /// Something that must be read cannot.
    #[error("an attestation cannot be read: {why}")]
    Malformed {
        /// What, and why.
        why: String,
    },
    /// A statement is about exactly one file.
    #[error("a statement has {number} subjects instead of one")]
    Subjects {
        /// How many.
        number: usize,
    },
    /// The statement is about a file of another name.
    #[error("a statement is about another file: {named:?}")]
    OtherFile {
        /// Which one.
        named: String,
    },
    /// The statement is about other bytes.
    #[error("a statement is about other bytes, with SHA-256 {named:?}")]
    OtherDigest {
        /// Their digest.
        named: String,
    },
    /// The statement says something that we do not know.
    #[error("a statement is of the unknown type {predicate:?}: use a newer lazaret")]
    UnknownPredicate {
        /// Its type.
        predicate: String,
    },
    /// The certificate or the log entry comes from nobody this trusted root knows: forged, or newer than the root.
    #[error("the trusted root does not vouch for the signer: {why}; if Sigstore has new keys, give a newer root")]
    Untrusted {
        /// What is not known or does not fit.
        why: String,
    },
    /// The certificate is somebody else's.
    #[error("it was signed by another: expected {expected:?}, the certificate has {found:?}")]
    OtherSigner {
        /// What the publisher's certificate would have.
        expected: String,
        /// What it has instead.
        found: String,
    },
    /// The signature or the log entry does not fit the statement.
    #[error("the signature does not hold: {why}")]
    BadSignature {
        /// What does not fit.
        why: String,
    },
}

impl Doubt {
    /// Whether the provenance is wrong, not merely beyond what this build and its trusted root can tell.
    pub fn is_contradiction(&self) -> bool {
        let beyond = matches!(
            self,
            Self::NotBuilt | Self::UnknownKind { .. } | Self::UnknownPredicate { .. } | Self::Untrusted { .. }
        );
        !beyond
    }

    /// Foreign text, as far as a sentence can bear it.
    pub(super) fn short(text: impl fmt::Display) -> String {
        text.to_string().chars().filter(|letter| !letter.is_control()).take(LONGEST_QUOTE).collect()
    }
}

/// Verifies all that an index gives beside a file of this name and digest. Nothing is asked of the network.
///
/// One attestation that does not hold is enough to believe none: an index gives what it has verified itself.
pub fn verify(provenance: &Provenance, filename: &FileName, sha256: Sha256, root: &TrustRoot) -> Verdict {
    let publisher = provenance.publisher().clone();
    match signed(provenance, filename, sha256, root) {
        Ok(predicates) => Verdict::Verified { publisher, predicates: predicates.into_iter().collect() },
        Err(why) => Verdict::Unverified { publisher, why },
    }
}

fn signed(
    provenance: &Provenance,
    filename: &FileName,
    sha256: Sha256,
    root: &TrustRoot,
) -> Result<BTreeSet<Predicate>, Doubt> {
    let publisher = provenance.publisher();
    let identity = Identity::of(publisher)?;
    let mut predicates = BTreeSet::new();
    for bundle in provenance.bundles() {
        if bundle.publisher != *publisher {
            return Err(Doubt::SeveralPublishers { other: Doubt::short(&bundle.publisher) });
        }
        for attestation in &bundle.attestations {
            // The statement first: it is cheap, and what it is about says more than that a signature is not over it.
            predicates.insert(statement::predicate(&attestation.statement, filename, sha256)?);
            root.check(attestation, sha256, &identity)?;
        }
    }
    Ok(predicates)
}
