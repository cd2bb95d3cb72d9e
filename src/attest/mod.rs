//! Who published a file, as signed: reads and verifies the provenance that an index gives beside it
//! ([PEP 740](https://peps.python.org/pep-0740/)). Never asks the network.

mod bounded;
mod distribution;
mod error;
mod provenance;
mod publisher;
mod statement;
mod verify;

#[cfg(feature = "attestations")]
mod sigstore;
#[cfg(not(feature = "attestations"))]
#[path = "no_sigstore.rs"]
mod sigstore;

pub use self::error::AttestError;
pub use self::provenance::{Attestation, AttestationBundle, LARGEST_PROVENANCE, Provenance};
pub use self::publisher::Publisher;
pub use self::sigstore::TrustRoot;
pub use self::statement::Predicate;
pub use self::verify::{Doubt, Verdict, verify};

#[cfg(test)]
mod tests;
