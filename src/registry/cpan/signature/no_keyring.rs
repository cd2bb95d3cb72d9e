//! Stands in for the keyring in a build without the feature `cpan-signatures`.

use super::SignatureVerdict;
use crate::registry::cpan::{CatalogError, SignedText};

/// No keys.
#[derive(Debug, Clone, Default)]
pub struct Keyring;

impl Keyring {
    /// Takes any keys and uses none.
    pub fn read(_armoured: &[Vec<u8>]) -> Result<Self, CatalogError> {
        Ok(Self)
    }

    /// How many keys: none.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there is no key: there is none.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Says that it cannot.
    pub fn verify(&self, _signed: &SignedText) -> SignatureVerdict {
        SignatureVerdict::CannotVerify { why: "this lazaret was built without the feature cpan-signatures".into() }
    }
}
