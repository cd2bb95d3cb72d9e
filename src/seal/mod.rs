//! The house's own hand: one Ed25519 key, and what is signed with it: heads of the ledger, and ends of exports.
//!
//! The key lies beside the store, so a signature shows nothing to whoever has written to that disk. What it shows, it shows to those
//! who keep a signed head elsewhere: that this house wrote it, and that the ledger went through it.

mod heads;
mod key;
mod locked;
mod signed_head;

use std::path::PathBuf;

pub use heads::Heads;
pub use key::{PublicKey, Signature, SigningKey};
pub use locked::{LockedKey, Passphrase};
pub use signed_head::SignedHead;

/// What cannot be signed, or whose signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file of the key, or of heads, cannot be used.
    #[error("{} cannot be used: {problem}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// The text is no key, signature or signed head.
    #[error("this is no {0}")]
    Malformed(&'static str),
    /// Somebody else wrote this, or changed it.
    #[error("the signature does not hold: this was changed, or was not written by whoever has the key {0}")]
    Forged(PublicKey),
    /// The passphrase is another one, or what it protects was changed.
    #[error("the passphrase does not open the key: write the one that the export was made with")]
    Closed,
    /// There is no protection in it.
    #[error("a passphrase has at least {} characters", locked::SHORTEST_PASSPHRASE)]
    TooShort,
}

impl SealError {
    fn file(path: &std::path::Path, problem: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// The key, and where heads signed with it are written down.
#[derive(Debug)]
pub struct Seal {
    /// Signs.
    pub key: SigningKey,
    /// What was signed.
    pub heads: Heads,
}

impl Seal {
    /// The key's file in a data folder.
    pub const KEY_FILE: &str = "ledger.key";
    /// The heads' file in a data folder.
    pub const HEADS_FILE: &str = "heads.jsonl";

    /// Reads the key of this data folder, or makes it. Blocking: called at start.
    pub fn open(data_dir: &std::path::Path) -> Result<Self, SealError> {
        Ok(Self {
            key: SigningKey::open(&data_dir.join(Self::KEY_FILE))?,
            heads: Heads::at(data_dir.join(Self::HEADS_FILE)),
        })
    }
}
