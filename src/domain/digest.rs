//! Digests: our own SHA-256, which names bytes, and what an upstream promises, which may be something else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// The SHA-256 of some bytes: the name under which they are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is written as 64 hexadecimal digits")]
pub struct InvalidSha256;

impl Sha256 {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// A digest computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| InvalidSha256)?;
        bytes.try_into().map(Self).map_err(|_| InvalidSha256)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An algorithm with which an upstream promises what a file contains, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestAlgorithm {
    /// SHA-512 (npm).
    Sha512,
    /// SHA-384.
    Sha384,
    /// SHA-256 (PyPI, CPAN).
    Sha256,
    /// BLAKE2b-256 (PyPI's second digest).
    #[serde(rename = "blake2b_256")]
    Blake2b256,
    /// SHA-1: a label, no protection.
    Sha1,
    /// MD5: a label, no protection.
    Md5,
}

impl DigestAlgorithm {
    /// The name used in Simple API pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha512 => "sha512",
            Self::Sha384 => "sha384",
            Self::Sha256 => "sha256",
            Self::Blake2b256 => "blake2b_256",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
        }
    }

    /// Digits of a digest written in hexadecimal.
    const fn hex_length(self) -> usize {
        match self {
            Self::Sha512 => 128,
            Self::Sha384 => 96,
            Self::Sha256 | Self::Blake2b256 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
        }
    }

    /// Reads the name used in Simple API pages; `None` for one we do not know.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha512, Self::Sha384, Self::Sha256, Self::Blake2b256, Self::Sha1, Self::Md5]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }
}

/// What an upstream promises about a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest {
    /// With which algorithm.
    pub algorithm: DigestAlgorithm,
    /// Lower-case hexadecimal.
    pub hex: Box<str>,
}

impl Digest {
    /// A promise, if the text has the algorithm's number of hexadecimal digits.
    pub fn new(algorithm: DigestAlgorithm, hex: &str) -> Option<Self> {
        let well_formed = hex.len() == algorithm.hex_length() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self { algorithm, hex: hex.to_ascii_lowercase().into() })
    }

    /// The SHA-256, where that is what was promised.
    pub fn sha256(&self) -> Option<Sha256> {
        if self.algorithm == DigestAlgorithm::Sha256 { self.hex.parse().ok() } else { None }
    }
}

impl From<Sha256> for Digest {
    fn from(digest: Sha256) -> Self {
        Self { algorithm: DigestAlgorithm::Sha256, hex: digest.to_string().into() }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_reads_what_it_writes() {
        let digest = Sha256::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
        assert!("ba78".parse::<Sha256>().is_err());
        assert!("zz".repeat(32).parse::<Sha256>().is_err());
    }

    #[test]
    fn a_promise_must_have_its_algorithms_length() {
        assert!(Digest::new(DigestAlgorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e").is_some());
        assert!(Digest::new(DigestAlgorithm::Sha256, "d41d8cd98f00b204e9800998ecf8427e").is_none());
        assert_eq!(DigestAlgorithm::from_name("SHA256"), Some(DigestAlgorithm::Sha256));
        assert_eq!(DigestAlgorithm::from_name("crc32"), None);
    }
}
