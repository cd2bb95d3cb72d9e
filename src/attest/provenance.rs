//! A provenance object ([PEP 740](https://peps.python.org/pep-0740/#provenance-objects)): who published a file, and what
//! they signed. Read, not believed.

use std::borrow::Cow;
use std::fmt;

use data_encoding::BASE64_MIME;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;

use super::bounded::Bounded;
use super::publisher::PublisherObject;
use super::{AttestError, Publisher};

/// Largest answer read, in bytes; an attestation has about ten thousand.
pub const LARGEST_PROVENANCE: usize = 4 * 1024 * 1024;

/// Most publishers of a file; an index has one.
const MOST_BUNDLES: usize = 20;

/// Most attestations of a publisher; there are two predicates.
const MOST_ATTESTATIONS: usize = 20;

/// Most entries of transparency logs for one attestation; today there is one.
const MOST_LOG_ENTRIES: usize = 8;

/// What an index gives beside a file. It has at least one publisher and for each at least one attestation.
#[derive(Debug, Clone)]
pub struct Provenance {
    first: AttestationBundle,
    more: Vec<AttestationBundle>,
}

/// What one publisher signed.
#[derive(Debug, Clone)]
pub struct AttestationBundle {
    /// Who it is, says the index.
    pub publisher: Publisher,
    /// At least one.
    pub attestations: Vec<Attestation>,
}

/// A signed statement about a file, with all that is needed to verify it.
#[derive(Clone)]
#[cfg_attr(not(feature = "attestations"), expect(dead_code, reason = "nothing is verified"))]
pub struct Attestation {
    /// An X.509 certificate in DER, valid for some minutes.
    pub(super) certificate: Vec<u8>,
    /// Entries of transparency logs, in JSON.
    pub(super) log_entries: Vec<Box<RawValue>>,
    /// An in-toto statement, in JSON, as signed.
    pub(super) statement: Vec<u8>,
    /// By the certificate's key.
    pub(super) signature: Vec<u8>,
}

impl Provenance {
    /// Reads `application/vnd.pypi.integrity.v1+json`.
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        if bytes.len() > LARGEST_PROVENANCE {
            return Err(AttestError::TooLarge { what: "the provenance", limit: LARGEST_PROVENANCE });
        }
        // A later version may have another shape: its number is what people need to hear.
        serde_json::from_slice::<Versioned>(bytes)?.check("the provenance")?;
        let document: Document<'_> = serde_json::from_slice(bytes)?;
        let mut bundles = document.attestation_bundles.0.into_iter().map(BundleObject::into_bundle);
        let first = bundles.next().ok_or(AttestError::Empty("publisher"))??;
        Ok(Self { first, more: bundles.collect::<Result<_, _>>()? })
    }

    /// Who published the file, says the index; where it names several, the first.
    pub fn publisher(&self) -> &Publisher {
        &self.first.publisher
    }

    /// What each publisher signed.
    pub fn bundles(&self) -> impl Iterator<Item = &AttestationBundle> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl fmt::Debug for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attestation({:?})", String::from_utf8_lossy(&self.statement))
    }
}

#[derive(serde::Deserialize)]
struct Versioned {
    version: u64,
}

impl Versioned {
    fn check(&self, what: &'static str) -> Result<(), AttestError> {
        if self.version == 1 { Ok(()) } else { Err(AttestError::Version { what, version: self.version }) }
    }
}

#[derive(serde::Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    attestation_bundles: Bounded<BundleObject<'a>, MOST_BUNDLES>,
}

#[derive(serde::Deserialize)]
struct BundleObject<'a> {
    #[serde(borrow)]
    publisher: PublisherObject<'a>,
    attestations: Bounded<AttestationObject, MOST_ATTESTATIONS>,
}

#[derive(serde::Deserialize)]
struct AttestationObject {
    version: u64,
    verification_material: Material,
    envelope: Envelope,
}

#[derive(serde::Deserialize)]
struct Material {
    certificate: Base64,
    transparency_entries: Bounded<Box<RawValue>, MOST_LOG_ENTRIES>,
}

#[derive(serde::Deserialize)]
struct Envelope {
    statement: Base64,
    signature: Base64,
}

/// Bytes in base64, perhaps broken into lines.
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        BASE64_MIME.decode(text.as_bytes()).map(Self).map_err(|error| D::Error::custom(format_args!("base64: {error}")))
    }
}

impl BundleObject<'_> {
    fn into_bundle(self) -> Result<AttestationBundle, AttestError> {
        let no_kind = || serde_json::Error::custom("the kind of a publisher is not a plain text");
        let publisher = self.publisher.read().ok_or_else(no_kind)?;
        let attestations = self.attestations.0.into_iter().map(AttestationObject::into_attestation);
        let attestations = attestations.collect::<Result<Vec<_>, _>>()?;
        if attestations.is_empty() {
            return Err(AttestError::Empty("attestation"));
        }
        Ok(AttestationBundle { publisher, attestations })
    }
}

impl AttestationObject {
    fn into_attestation(self) -> Result<Attestation, AttestError> {
        Versioned { version: self.version }.check("an attestation")?;
        if self.verification_material.transparency_entries.0.is_empty() {
            return Err(AttestError::Empty("entry of a transparency log"));
        }
        Ok(Attestation {
            certificate: self.verification_material.certificate.0,
            log_entries: self.verification_material.transparency_entries.0,
            statement: self.envelope.statement.0,
            signature: self.envelope.signature.0,
        })
    }
}
