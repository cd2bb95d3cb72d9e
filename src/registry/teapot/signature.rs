//! The name under which the index knows a file's bytes: their MD5 and their size, in 32 digits.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32HEX_NOPAD, HEXLOWER};
use md5::Digest as _;
use serde::{Deserialize, Serialize};

use super::TeapotError;

/// MD5 and size of some bytes. It proves which upload was meant, not that nobody forged it: our own SHA-256 does that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    md5: [u8; 16],
    size: u32,
}

/// The text is not 32 digits of `0-9a-v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature is written as 32 digits of 0-9a-v")]
pub struct InvalidSignature;

impl Signature {
    /// The signature of these bytes; `None` for 4 GiB and more, which it cannot count.
    pub fn of(payload: &[u8]) -> Option<Self> {
        Some(Self { md5: md5_of(payload), size: payload.len().try_into().ok()? })
    }

    /// A signature from what was computed elsewhere.
    pub const fn new(md5: [u8; 16], size: u32) -> Self {
        Self { md5, size }
    }

    /// Size in bytes.
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// The MD5 in lower-case hexadecimal digits.
    pub fn md5_hex(&self) -> String {
        HEXLOWER.encode(&self.md5)
    }

    /// Compares with bytes that claim to be these.
    pub fn check(&self, payload: &[u8]) -> Result<(), TeapotError> {
        match Self::of(payload) {
            Some(found) if found == *self => Ok(()),
            Some(found) => Err(TeapotError::Signature { listed: *self, found }),
            None => Err(TeapotError::TooLarge { what: "a file, in bytes,", limit: u32::MAX as usize }),
        }
    }
}

/// The MD5 of some bytes.
pub(super) fn md5_of(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// The MD5 of some bytes in hexadecimal digits.
pub(super) fn md5_hex_of(bytes: &[u8]) -> String {
    HEXLOWER.encode(&md5_of(bytes))
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.md5.to_vec();
        bytes.extend(self.size.to_be_bytes());
        f.write_str(&BASE32HEX_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for Signature {
    type Err = InvalidSignature;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidSignature);
        }
        let bytes = BASE32HEX_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| InvalidSignature)?;
        let (md5, size) = bytes.split_first_chunk::<16>().ok_or(InvalidSignature)?;
        Ok(Self { md5: *md5, size: u32::from_be_bytes(size.try_into().map_err(|_| InvalidSignature)?) })
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_signature_is_md5_and_size() {
        let signature: Signature = "bt0v0pkvrmi99v0h4qd25rnemk0000tv".parse().unwrap();
        assert_eq!(signature.md5_hex(), "5f41f0669fdda494fc11269a22eeeeb5");
        assert_eq!(signature.size(), 959);
        assert_eq!(signature.to_string(), "bt0v0pkvrmi99v0h4qd25rnemk0000tv");
    }

    #[test]
    fn bytes_are_checked_against_it() {
        let signature = Signature::of(b"abc").unwrap();
        assert!(signature.check(b"abc").is_ok());
        let error = signature.check(b"abd").unwrap_err().to_string();
        assert!(error.contains("the index lists") && error.contains("do not use it"), "{error}");
    }

    #[test]
    fn other_texts_are_no_signatures() {
        for text in [
            "",
            "bt0v",
            "BT0V0PKVRMI99V0H4QD25RNEMK0000TV",
            "wt0v0pkvrmi99v0h4qd25rnemk0000tv",
            &"0".repeat(33),
            "é".repeat(16).as_str(),
        ] {
            assert!(text.parse::<Signature>().is_err(), "{text}");
        }
    }
}
