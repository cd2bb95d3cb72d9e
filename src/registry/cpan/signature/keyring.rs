//! The keys whose signatures count, and the check itself by rPGP.
//!
//! The message is taken apart by us: the text that is verified is, byte for byte, the one that the entries were read from.

use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{Fingerprint, KeyDetails, KeyId, VerifyingKey};

use super::SignatureVerdict;
use crate::registry::cpan::{CatalogError, SignedText};

/// Most files of keys, and most keys in one.
const MOST_KEYS: usize = 64;

/// Largest file of keys.
const LARGEST_KEY: usize = 1024 * 1024;

/// Most signatures of one text that are looked at.
const MOST_SIGNATURES: usize = 8;

/// The keys whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads public keys in ASCII armour, as `gpg --armor --export` and PAUSE give them.
    pub fn read(armoured: &[Vec<u8>]) -> Result<Self, CatalogError> {
        if armoured.len() > MOST_KEYS {
            return Err(CatalogError::TooLarge { what: "files of keys", limit: MOST_KEYS });
        }
        let mut keys = Vec::new();
        for (at, bytes) in armoured.iter().enumerate() {
            let broken = |why: String| CatalogError::Key { place: at + 1, why };
            if bytes.len() > LARGEST_KEY {
                return Err(CatalogError::TooLarge { what: "a file of keys in bytes", limit: LARGEST_KEY });
            }
            let (read, _) = SignedPublicKey::from_armor_many(&bytes[..]).map_err(|error| broken(error.to_string()))?;
            let before = keys.len();
            for key in read.take(MOST_KEYS) {
                keys.push(key.map_err(|error| broken(error.to_string()))?);
            }
            if keys.len() == before {
                return Err(broken("there is no key in it".into()));
            }
        }
        Ok(Self { keys })
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies a clear-signed text. One contradiction makes it bad, else one good signature makes it good.
    pub fn verify(&self, signed: &SignedText) -> SignatureVerdict {
        let signatures = match read_signatures(&signed.armour) {
            Ok(signatures) => signatures,
            Err(why) => return cannot_verify(format!("the signature cannot be read: {why}")),
        };
        let text = signed.canonical();
        let mut verdicts: Vec<_> = signatures.iter().map(|signature| self.judge(signature, &text)).collect();
        let rank = |verdict: &SignatureVerdict| match verdict {
            SignatureVerdict::Bad { .. } => 0,
            SignatureVerdict::Good { .. } => 1,
            SignatureVerdict::CannotVerify { .. } | SignatureVerdict::Unsigned => 2,
        };
        verdicts.sort_by_key(rank);
        verdicts.into_iter().next().unwrap_or_else(|| cannot_verify("there is no signature in the armour".into()))
    }

    fn judge(&self, signature: &Signature, text: &[u8]) -> SignatureVerdict {
        if signature.typ() != Some(SignatureType::Text) {
            return cannot_verify("the signature is not one of a text".into());
        }
        match signature.hash_alg() {
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512 | HashAlgorithm::Sha224) => {}
            Some(weak) => {
                return cannot_verify(format!("the signature uses {weak}, which can be forged or is unknown"));
            }
            None => return cannot_verify("the signature is of an unknown version".into()),
        }
        let names_its_key = !signature.issuer_key_id().is_empty() || !signature.issuer_fingerprint().is_empty();
        let mut failure = None;
        for key in &self.keys {
            let primary = &key.primary_key;
            let subkeys = key.public_subkeys.iter().filter(|subkey| {
                is_issuer(signature, &subkey.key)
                    && subkey.signatures.iter().any(|binding| binding.key_flags().sign())
                    && subkey.verify_bindings(primary).is_ok()
            });
            let by_primary = is_issuer(signature, primary).then(|| signature.verify(primary, text).is_ok());
            let by_subkeys = subkeys.map(|subkey| signature.verify(&subkey.key, text).is_ok());
            for is_good in by_primary.into_iter().chain(by_subkeys) {
                if is_good {
                    return was_valid(key, signature).map_or_else(cannot_verify, |()| SignatureVerdict::Good {
                        key: primary.fingerprint().to_string(),
                    });
                }
                failure = Some(primary.fingerprint());
            }
        }
        match failure {
            Some(key) if names_its_key => SignatureVerdict::Bad {
                why: format!("the text is not the one that key {key} signed: somebody changed one of them on the way"),
            },
            _ => cannot_verify(format!(
                "the signature is by {}, which is not in the keyring: add that key if it is PAUSE's",
                issuer_of(signature)
            )),
        }
    }
}

fn cannot_verify(why: String) -> SignatureVerdict {
    SignatureVerdict::CannotVerify { why }
}

fn read_signatures(armour: &str) -> pgp::errors::Result<Vec<Signature>> {
    let (signatures, _) = DetachedSignature::from_string_many(armour)?;
    signatures.take(MOST_SIGNATURES).map(|signature| signature.map(|signature| signature.signature)).collect()
}

/// Whether the signature may be by this key; one that names none may be by any.
fn is_issuer(signature: &Signature, key: &impl VerifyingKey) -> bool {
    let (ids, fingerprints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    (ids.is_empty() && fingerprints.is_empty())
        || ids.contains(&&key.legacy_key_id())
        || fingerprints.contains(&&key.fingerprint())
}

fn issuer_of(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|found: &&Fingerprint| found.to_string());
    let id = || signature.issuer_key_id().first().map(|found: &&KeyId| found.to_string());
    fingerprint.or_else(id).map_or_else(|| "a key that it does not name".into(), |key| format!("key {key}"))
}

/// Whether the key could sign when the signature was made: CHECKSUMS of folders at rest are older than today's key.
fn was_valid(key: &SignedPublicKey, signature: &Signature) -> Result<(), String> {
    let primary = &key.primary_key;
    if !key.details.revocation_signatures.is_empty() {
        return Err(format!("key {} was revoked", primary.fingerprint()));
    }
    let Some(signed_at) = signature.created() else { return Err("the signature has no date".into()) };
    let of_users = key.details.users.iter().flat_map(|user| &user.signatures);
    let own = of_users.chain(&key.details.direct_signatures).filter(|signature| is_issuer(signature, primary));
    let newest = own.max_by_key(|signature| signature.created().map(pgp::types::Timestamp::as_secs));
    let lifetime = newest.and_then(Signature::key_expiration_time).map_or(0, pgp::types::Duration::as_secs);
    let born = primary.created_at().as_secs();
    let is_over = lifetime > 0 && signed_at.as_secs() > born.saturating_add(lifetime);
    if signed_at.as_secs() < born || is_over {
        return Err(format!("key {} was not valid when the signature was made", primary.fingerprint()));
    }
    Ok(())
}
