//! Rows as bytes: a version, a codec, then JSON, so that a newer lazaret's rows are refused instead of misread.

use std::io::Read as _;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// The version of all rows written now. Raise it when an older lazaret would misread a row.
pub const VERSION: u8 = 1;

/// The payload as it is.
pub const PLAIN: u8 = 0;
/// The payload compressed with zstd: large rows such as listings and dossiers.
pub const ZSTD: u8 = 1;
/// The row is kept in pieces elsewhere; what follows says where. An engine that needs this resolves it before [`unpack`].
pub const PIECES: u8 = 2;

/// There was no row: only where rows are put aside while an earlier moment of the store is read.
pub const ABSENT: u8 = 3;

/// Longest payload written or read, unpacked.
pub const LONGEST_PAYLOAD: usize = 64 << 20;

/// The quickest level: a large page is packed while its first client waits, and the better ones save a tenth of it.
const LEVEL: i32 = 1;

/// Shorter payloads are not worth compressing.
const WORTH_COMPRESSING: usize = 1024;

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Not even a version and a codec.
    #[error("the row is cut off")]
    Short,
    /// Not a codec of this row version.
    #[error("the row has the unknown codec {0}")]
    UnknownCodec(u8),
    /// A hostile or damaged row would unpack to more than [`LONGEST_PAYLOAD`].
    #[error("the row unpacks to more than {LONGEST_PAYLOAD} bytes")]
    TooLong,
    /// Bytes kept under their digest have another one.
    #[error("the bytes do not have the digest they are kept under")]
    WrongDigest,
    /// A part of a large row is missing.
    #[error("a piece of the row is missing")]
    MissingPiece,
}

/// A value as a row.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value).map_err(|error| StoreError::Engine(Box::new(error)))?;
    pack(&json)
}

/// The value in a row; `key` is named if it cannot be read.
pub fn decode<T: DeserializeOwned>(key: &str, row: &[u8]) -> Result<T, StoreError> {
    let json = unpack(key, row)?;
    serde_json::from_slice(&json).map_err(|error| unreadable(key, error))
}

/// Bytes as a row, compressed where that helps.
pub fn pack(payload: &[u8]) -> Result<Vec<u8>, StoreError> {
    if payload.len() > LONGEST_PAYLOAD {
        return Err(StoreError::Refused(format!(
            "a row of {} bytes is too long for the store, which takes up to {LONGEST_PAYLOAD}",
            payload.len()
        )));
    }
    if payload.len() >= WORTH_COMPRESSING {
        let packed = zstd::stream::encode_all(payload, LEVEL).map_err(|error| StoreError::Engine(Box::new(error)))?;
        if packed.len() < payload.len() {
            return Ok(row(ZSTD, &packed));
        }
    }
    Ok(row(PLAIN, payload))
}

/// The bytes in a row.
pub fn unpack(key: &str, row: &[u8]) -> Result<Vec<u8>, StoreError> {
    let (codec, payload) = open(key, row)?;
    match codec {
        PLAIN => Ok(payload.to_vec()),
        ZSTD => {
            let decoder = zstd::stream::read::Decoder::new(payload).map_err(|error| unreadable(key, error))?;
            let mut bytes = Vec::new();
            let limit = u64::try_from(LONGEST_PAYLOAD).unwrap_or(u64::MAX).saturating_add(1);
            decoder.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(key, error))?;
            if bytes.len() > LONGEST_PAYLOAD { Err(unreadable(key, Damage::TooLong)) } else { Ok(bytes) }
        }
        other => Err(unreadable(key, Damage::UnknownCodec(other))),
    }
}

/// The codec and what follows it, if the row's version is one we know.
pub fn open<'row>(key: &str, row: &'row [u8]) -> Result<(u8, &'row [u8]), StoreError> {
    match row {
        [version, ..] if *version > VERSION => Err(StoreError::TooNew { found: *version, known: VERSION }),
        [_, codec, payload @ ..] => Ok((*codec, payload)),
        _ => Err(unreadable(key, Damage::Short)),
    }
}

/// A row with this codec.
pub fn row(codec: u8, payload: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(payload.len() + 2);
    row.extend([VERSION, codec]);
    row.extend_from_slice(payload);
    row
}

/// The error for a row that cannot be read.
pub fn unreadable(key: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unreadable { key: key.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_rows_are_compressed_and_small_ones_are_not() {
        let small = encode(&"six").unwrap();
        assert_eq!(small, [&[VERSION, PLAIN][..], b"\"six\""].concat());
        let long = "requests ".repeat(10_000);
        let large = encode(&long).unwrap();
        assert_eq!(large[1], ZSTD);
        assert!(large.len() < 1000);
        assert_eq!(decode::<String>("key", &large).unwrap(), long);
    }

    #[test]
    fn a_newer_rows_version_is_told() {
        let mut row = encode(&1).unwrap();
        row[0] = VERSION + 1;
        assert!(matches!(decode::<u32>("key", &row), Err(StoreError::TooNew { found: 2, known: 1 })));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = zstd::stream::encode_all(std::io::repeat(0).take(LONGEST_PAYLOAD as u64 + 1), 0).unwrap();
        assert!(matches!(unpack("key", &row(ZSTD, &bomb)), Err(StoreError::Unreadable { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_bytes_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode::<serde_json::Value>("key", &bytes);
            prop_assert_eq!(unpack("key", &pack(&bytes).unwrap()).unwrap(), bytes);
        }
    }
}
