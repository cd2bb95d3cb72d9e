//! The kinds of lines.

use serde::{Deserialize, Serialize};

use super::TransferError;
use crate::domain::{Sha256, Timestamp};
use crate::seal::{LockedKey, PublicKey, SealError, Signature, SigningKey};
use crate::store::Fact;

/// The version of the format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// The first.
    Export(Header),
    /// The signing key, encrypted.
    Key(LockedKey),
    /// Something that must survive.
    Fact(Fact),
    /// Something that the cellar held.
    Blob(Blob),
    /// The last.
    End(End),
}

impl Line {
    /// Adds it to `out`, as it stands in an export.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), TransferError> {
        serde_json::to_writer(&mut *out, self).map_err(TransferError::Write)?;
        out.push(b'\n');
        Ok(())
    }
}

/// What the export is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its version. More may stand beside these fields in a later one.
    pub format: u32,
    /// The newest version of the facts' rows.
    pub rows: u8,
    /// Which store.
    pub instance: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made: Timestamp,
    /// Where the ledger ended then, as NUMBER:HASH.
    pub head: String,
    /// The version of lazaret that wrote it.
    pub by: String,
}

/// A file of the cellar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Its name and checksum.
    pub sha256: Sha256,
    /// In bytes.
    pub size: u64,
}

/// What makes the export whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many lines are before it.
    pub lines: u64,
    /// Of all bytes before it.
    pub sha256: Sha256,
    /// Whose signature it is.
    pub key: PublicKey,
    /// Of both.
    pub signature: Signature,
}

impl End {
    /// Signs an end.
    pub fn new(lines: u64, sha256: Sha256, key: &SigningKey) -> Result<Self, SealError> {
        let signature = key.sign(message(lines, sha256).as_bytes())?;
        Ok(Self { lines, sha256, key: key.public(), signature })
    }

    /// Whether whoever has the key signed it.
    pub fn verify(&self) -> Result<(), SealError> {
        self.key.verify(message(self.lines, self.sha256).as_bytes(), &self.signature)
    }
}

fn message(lines: u64, sha256: Sha256) -> String {
    format!("lazaret export 1\n{lines}\n{sha256}\n")
}
