//! An export: everything that must survive of a house, as lines of JSON that anybody can read and verify.
//!
//! The format, version 1. Each line is one JSON object with one key, UTF-8, ended by a line feed:
//!
//! 1. `{"export":{"format":1,"rows":1,"instance":ID,"made":TIME,"head":"NUMBER:HASH","by":VERSION}}`, once, first.
//! 2. `{"key":{...}}`, at most once: the house's signing key, encrypted under a passphrase (AES-256-GCM, PBKDF2 with HMAC-SHA256).
//! 3. `{"fact":{KIND:{...}}}`, one a fact, in any order but events, which come in the order of the ledger: see
//!    [`Fact`](crate::store::Fact).
//! 4. `{"blob":{"sha256":HEX,"size":BYTES}}`, one for each file that the cellar held: the manifest. Its digest is its checksum. The bytes are
//!    not in the export; copy the folder `blobs`, or let them be fetched again.
//! 5. `{"end":{"lines":N,"sha256":HEX,"key":HEX,"signature":HEX}}`, once, last: how many lines are before it, the SHA-256 of all bytes before
//!    it, and an Ed25519 signature of `lazaret export 1`, N and the digest, each with a line feed. Nothing is behind it, and it is written in
//!    this one way, since no digest covers it.
//!
//! A lazaret reads its own format and older ones, and refuses newer ones. What does not end with the right end line is half a file.

mod line;
mod reader;
mod writer;

pub use line::{Blob, End, FORMAT, Header, Line};
pub use reader::{Checked, Reader, check};
pub use writer::Writer;

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It cannot be read.
    #[error("the export cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It cannot be written as a line.
    #[error("this cannot be written into an export: {0}")]
    Write(#[source] serde_json::Error),
    /// It is something else.
    #[error("this is no export of lazaret: its first line does not say so")]
    NoExport,
    /// A newer lazaret wrote it.
    #[error(
        "the export has the format {format} with rows of version {rows}; this lazaret reads up to {FORMAT} and {known}: use the newer one"
    )]
    TooNew {
        /// Its format.
        format: u32,
        /// Its rows.
        rows: u8,
        /// The rows that we know.
        known: u8,
    },
    /// It stops before its end.
    #[error("this is half an export: it stops after line {0}, without its end; export again")]
    Half(u64),
    /// Something in it is wrong.
    #[error("line {line} of the export: {problem}")]
    Line {
        /// Which line.
        line: u64,
        /// What.
        problem: String,
    },
    /// It was changed, or damaged on its way.
    #[error("the export was changed or damaged: {0}; export again, or take another copy")]
    Changed(&'static str),
}
