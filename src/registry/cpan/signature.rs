//! Whether PAUSE signed a CHECKSUMS. Only a signature that contradicts its text is [`Bad`](SignatureVerdict::Bad): one by a
//! key that we do not have says nothing.

#[cfg(feature = "cpan-signatures")]
mod keyring;
#[cfg(not(feature = "cpan-signatures"))]
#[path = "signature/no_keyring.rs"]
mod keyring;

#[cfg(test)]
#[cfg(feature = "cpan-signatures")]
mod tests;

use super::Checksums;

pub use keyring::Keyring;

/// What a signature is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// There is none.
    Unsigned,
    /// The text is as a key of the keyring signed it.
    Good {
        /// The fingerprint of that key, in hexadecimal.
        key: String,
    },
    /// Nothing can be said.
    CannotVerify {
        /// Why not, for people.
        why: String,
    },
    /// The text is not what was signed.
    Bad {
        /// Why, for people.
        why: String,
    },
}

/// Verifies the signature of a CHECKSUMS.
pub fn verify(checksums: &Checksums, keyring: &Keyring) -> SignatureVerdict {
    checksums.signed.as_ref().map_or(SignatureVerdict::Unsigned, |signed| keyring.verify(signed))
}
