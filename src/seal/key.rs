//! An Ed25519 key: made once, kept in a file that only its owner reads.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use super::SealError;

/// What the file of a key begins with.
const KIND: &str = "ed25519";
/// Longer than any key's file.
const LONGEST_FILE: u64 = 1_024;

/// The private half. It is never printed.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

impl SigningKey {
    /// A new one.
    pub fn generate() -> Result<Self, SealError> {
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// The one with this seed.
    pub(super) fn from_seed(seed: [u8; 32]) -> Result<Self, SealError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SealError::Malformed("key"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| SealError::Malformed("key"))?;
        Ok(Self { seed, pair, public: PublicKey(public) })
    }

    #[cfg(test)]
    pub(crate) fn from_bytes_for_tests() -> Self {
        Self::from_seed([7; 32]).unwrap()
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Reads the key in this file; makes it where there is none. Blocking.
    pub fn open(path: &Path) -> Result<Self, SealError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let key = Self::generate()?;
        key.write(path)?;
        Ok(key)
    }

    /// The key in this file, if there is such a file. Blocking.
    pub fn read(path: &Path) -> Result<Option<Self>, SealError> {
        use std::io::Read as _;

        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SealError::file(path, error)),
        };
        let mut text = String::new();
        file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| SealError::file(path, error))?;
        let seed = text.trim().strip_prefix(KIND).and_then(|hex| HEXLOWER.decode(hex.trim().as_bytes()).ok());
        let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let problem = "it holds no key; put it back from a backup. Without it a new key is made, and whoever keeps heads sees two";
        Self::from_seed(seed.ok_or_else(|| SealError::file(path, problem))?).map(Some)
    }

    /// Writes the key, whole or not at all, for its owner only. Blocking.
    pub fn write(&self, path: &Path) -> Result<(), SealError> {
        let beside = path.with_extension("new");
        let write = || {
            // One that is left over may be readable by others.
            drop(std::fs::remove_file(&beside));
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            writeln!(file, "{KIND} {}", HEXLOWER.encode(&self.seed))?;
            file.sync_all()?;
            std::fs::rename(&beside, path)?;
            path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
        };
        write().map_err(|error| SealError::file(path, error))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, SealError> {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().map(Signature).map_err(|_| SealError::Malformed("signature"))
    }
}

/// The public half of a key, written in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Whether the holder of this key signed exactly this.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SealError> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, &signature.0).map_err(|_| SealError::Forged(*self))
    }
}

/// A signature, written in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

macro_rules! in_hex {
    ($kind:ident, $word:literal) => {
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $kind {
            type Err = SealError;

            fn from_str(text: &str) -> Result<Self, SealError> {
                let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or(SealError::Malformed($word))
            }
        }

        impl TryFrom<String> for $kind {
            type Error = SealError;

            fn try_from(text: String) -> Result<Self, SealError> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(value: $kind) -> Self {
                value.to_string()
            }
        }
    };
}

in_hex!(PublicKey, "public key");
in_hex!(Signature, "signature");

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        let key = SigningKey::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::open(&path).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&HEXLOWER.encode(key.seed())));
        std::fs::write(&path, "ed25519 abcd\n").unwrap();
        let refused = SigningKey::open(&path).unwrap_err().to_string();
        assert!(refused.contains("put it back from a backup"), "{refused}");
    }

    #[test]
    fn a_signature_is_of_these_bytes_and_of_this_key() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let signature = key.sign(b"one").unwrap();
        assert!(key.public().verify(b"one", &signature).is_ok());
        assert!(key.public().verify(b"two", &signature).is_err());
        assert!(other.public().verify(b"one", &signature).is_err());
        assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
        assert!("abc".parse::<PublicKey>().is_err());
    }
}
