//! Sigstore's keys and authorities: the ones that are shipped with this program, or those of a file.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use sigstore_types::bundle::CertificateContent;
use sigstore_types::{
    Bundle, DerCertificate, DsseEnvelope, DsseSignature, KeyId, MediaType, PayloadBytes, Sha256Hash, SignatureBytes,
    SignatureContent, TransparencyLogEntry, VerificationMaterial, VerificationMaterialContent,
};
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::{CertificateError, Error, TransparencyLogError, Verifier};

use super::Identity;
use crate::attest::{AttestError, Attestation, Doubt};
use crate::domain::{Sha256, Timestamp};

/// Largest file read, in bytes; Sigstore's has seven thousand.
const LARGEST_ROOT: usize = 1024 * 1024;

/// The type of what is signed ([DSSE](https://github.com/secure-systems-lab/dsse)); PEP 740 leaves it out.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Who may issue certificates, and whose logs are believed. Immutable, cheap to share in an `Arc`.
pub struct TrustRoot {
    verifier: Verifier,
    digest: Sha256,
    until: Option<Timestamp>,
}

impl TrustRoot {
    /// Sigstore's public instance, as it was when the crate `sigstore-trust-root` was published. An index uses no other.
    pub fn embedded() -> Result<Self, AttestError> {
        Self::read("the shipped root", SIGSTORE_PRODUCTION_TRUSTED_ROOT)
    }

    /// A `trusted_root.json`, in place of the shipped one: when Sigstore has new keys, or for an instance of one's own.
    pub fn load(path: &Path) -> Result<Self, AttestError> {
        let unreadable = |source| AttestError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(LARGEST_ROOT as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() > LARGEST_ROOT {
            return Err(AttestError::TooLarge { what: "the trusted root", limit: LARGEST_ROOT });
        }
        Self::read(&path.display().to_string(), &text)
    }

    fn read(name: &str, json: &str) -> Result<Self, AttestError> {
        let wrong = |why: String| AttestError::NotATrustRoot { name: name.to_owned(), why };
        let root = TrustedRoot::from_json(json).map_err(|error| wrong(Doubt::short(error)))?;
        // One without them would be taken, and would refuse everything.
        for (missing, what) in [
            (root.certificate_authorities.is_empty(), "certificate authority"),
            (root.tlogs.is_empty(), "transparency log"),
            (root.ctlogs.is_empty(), "certificate transparency log"),
        ] {
            if missing {
                return Err(wrong(format!("it has no {what}")));
            }
        }
        let verifier = Verifier::new(&root).map_err(|error| wrong(Doubt::short(error)))?;
        Ok(Self { verifier, digest: Sha256::of(json.as_bytes()), until: end_of(json) })
    }

    /// When the last of its keys or authorities of some kind ended; `None` while each kind has one that goes on.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// SHA-256 of its JSON: evidence says with it who was trusted.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Whether the attestation was signed by `identity`, over its statement, and logged while the certificate was valid.
    pub(in crate::attest) fn check(
        &self,
        attestation: &Attestation,
        sha256: Sha256,
        identity: &Identity,
    ) -> Result<(), Doubt> {
        let bundle = bundle(attestation)?;
        let digest = Sha256Hash::new(*sha256.as_bytes());
        let result = self.verifier.verify(digest, &bundle, &identity.policy()).map_err(doubt)?;
        let untrusted = || Doubt::Untrusted { why: "something was not verified".to_owned() };
        if !(result.certificate_verified() && result.sct_verified() && result.tlog_verified()) {
            return Err(untrusted());
        }
        identity.names(result.certificate().ok_or_else(untrusted)?)
    }
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoot({})", self.digest)
    }
}

/// The earliest of the ends after which nothing of one kind counts any more. Old keys end; a root as a whole ends with its last.
fn end_of(json: &str) -> Option<Timestamp> {
    let root: serde_json::Value = serde_json::from_str(json).ok()?;
    let ends = |entry: &serde_json::Value| {
        let period = entry.get("validFor").or_else(|| entry.get("publicKey")?.get("validFor"));
        let end = period.and_then(|period| period.get("end")?.as_str()).unwrap_or_default();
        Timestamp::parse(end, &time::format_description::well_known::Rfc3339).ok()
    };
    let of_kind = |kind: &str| {
        let all: Option<Vec<Timestamp>> = root.get(kind)?.as_array()?.iter().map(ends).collect();
        all?.into_iter().max()
    };
    ["certificateAuthorities", "tlogs", "ctlogs"].into_iter().filter_map(of_kind).min()
}

/// The same facts in Sigstore's own order: a bundle of version 0.3, which demands a proof of inclusion for each entry.
fn bundle(attestation: &Attestation) -> Result<Bundle, Doubt> {
    let malformed =
        |error: serde_json::Error| Doubt::Malformed { why: Doubt::short(format_args!("a log entry: {error}")) };
    let entries: Result<Vec<TransparencyLogEntry>, _> =
        attestation.log_entries.iter().map(|entry| serde_json::from_str(entry.get())).collect();
    let certificate = CertificateContent::new(DerCertificate::from_bytes(&attestation.certificate));
    let material = VerificationMaterial::new(VerificationMaterialContent::Certificate(certificate))
        .with_tlog_entries(entries.map_err(malformed)?);
    let signature = DsseSignature::new(SignatureBytes::from_bytes(&attestation.signature), KeyId::default());
    let envelope = DsseEnvelope::new(PAYLOAD_TYPE, PayloadBytes::from_bytes(&attestation.statement), signature);
    Ok(Bundle::new(MediaType::Bundle0_3, material, SignatureContent::DsseEnvelope(envelope)))
}

/// What the verifier found, in our words where it matters who is at fault.
fn doubt(error: Error) -> Doubt {
    let why = Doubt::short(&error);
    match error {
        Error::IdentityMismatch { expected, actual } => Doubt::OtherSigner {
            expected: expected.to_string(),
            found: actual.map_or_else(|| "nothing".to_owned(), Doubt::short),
        },
        Error::IssuerMismatch { expected, actual } => {
            Doubt::OtherSigner { expected, found: actual.map_or_else(|| "nothing".to_owned(), Doubt::short) }
        }
        Error::Certificate(CertificateError::Malformed(_)) => Doubt::Malformed { why },
        Error::Certificate(_)
        | Error::Timestamp(_)
        | Error::TransparencyLog(
            TransparencyLogError::UnknownLog { .. }
            | TransparencyLogError::Checkpoint(_)
            | TransparencyLogError::InclusionPromise(_),
        ) => Doubt::Untrusted { why },
        Error::SignatureInvalid(_) | Error::ArtifactMismatch(_) | Error::TransparencyLog(_) => {
            Doubt::BadSignature { why }
        }
        _ => Doubt::Malformed { why },
    }
}
