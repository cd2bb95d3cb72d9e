//! Stands in for Sigstore in a build without the feature `attestations`.

use std::path::Path;

use super::{AttestError, Attestation, Doubt, Publisher};
use crate::domain::Sha256;

/// Nobody is trusted.
#[derive(Debug)]
pub struct TrustRoot;

/// Nobody.
pub(super) enum Identity {}

impl TrustRoot {
    /// Never: nobody is trusted.
    pub fn until(&self) -> Option<crate::domain::Timestamp> {
        None
    }

    /// Trusts nobody.
    pub fn embedded() -> Result<Self, AttestError> {
        Ok(Self)
    }

    /// Reads nothing and trusts nobody.
    pub fn load(_path: &Path) -> Result<Self, AttestError> {
        Ok(Self)
    }

    /// Of nothing.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(b"")
    }

    #[expect(clippy::unused_self, reason = "stands in for one that uses it")]
    pub(super) fn check(&self, _attestation: &Attestation, _sha256: Sha256, who: &Identity) -> Result<(), Doubt> {
        match *who {}
    }
}

impl Identity {
    /// Says that it cannot.
    pub(super) fn of(_publisher: &Publisher) -> Result<Self, Doubt> {
        Err(Doubt::NotBuilt)
    }
}
