//! The cellar: bytes under the name of their SHA-256, and the stage on which they grow before they are known.
//!
//! A file from upstream grows on a [`Stage`], where many readers may follow it up to a limit; once it is complete and
//! verified, [`Blobs::store`] keeps it for good.

mod counted;
mod disk;
mod inventory;
mod name_list;
mod object_blobs;
mod open_files;
mod stage;
mod staging;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

pub use self::counted::CountedBlobs;
pub use self::disk::BlobError;
pub use self::inventory::{Claim, InUse, Inventory};
pub use self::name_list::{Batch, NameList, NameListWriter};
pub use self::object_blobs::ObjectBlobs;
pub use self::stage::{Stage, StageRead, StageReader, Staged};
pub use self::staging::StagingArea;
use crate::domain::{Sha256, Timestamp};

/// METADATA has at most 10 MB (see `archive`).
const LARGEST_SMALL_THING: u64 = 16 << 20;

/// Bytes on their way out, in pieces of at most 256 KiB.
pub type BlobStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// Something that is in the cellar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub digest: Sha256,
    /// How many bytes.
    pub size: u64,
    /// When it was stored, as the disk has it.
    pub stored: Timestamp,
}

/// What was left behind by whoever did not come to an end, and was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many files.
    pub files: u64,
    /// How many bytes in them.
    pub bytes: u64,
}

/// Bytes at rest. What is stored under a digest never changes; `tests/contract/` holds every implementation to that.
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// How many bytes are stored under this digest; `None`: nothing is.
    async fn size(&self, digest: &Sha256) -> Result<Option<u64>, BlobError>;
    /// The part of `range` that exists; `0..u64::MAX` is the whole. [`BlobError::Missing`] where nothing is stored.
    async fn read(&self, digest: &Sha256, range: Range<u64>) -> Result<BlobStream, BlobError>;
    /// Keeps a staged file; durable when this returns. Storing what is there already is no error and changes nothing.
    async fn store(&self, staged: &Staged) -> Result<(), BlobError>;
    /// Keeps something small; durable when this returns.
    async fn store_bytes(&self, bytes: Bytes) -> Result<Sha256, BlobError>;
    /// Forgets the bytes; no error where there are none. A power loss may bring them back: what is served is decided
    /// elsewhere.
    async fn remove(&self, digest: &Sha256) -> Result<(), BlobError>;
    /// Everything that is stored, in any order. What comes or goes meanwhile may be missing.
    fn list(&self) -> BoxStream<'static, Result<Kept, BlobError>>;
    /// Removes what writers who never came to an end left behind before this moment, or only counts it. Where nothing can be left
    /// behind, nothing is found.
    async fn sweep(&self, before: Timestamp, dry_run: bool) -> Result<Swept, BlobError>;
    /// All of something small.
    async fn whole(&self, digest: &Sha256) -> Result<Bytes, BlobError> {
        let mut pieces = self.read(digest, 0..LARGEST_SMALL_THING).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes.into())
    }
    /// Where the bytes are, if they are kept as a plain file of this machine, for examination and fast reading. Does not
    /// look whether they exist.
    fn local_path(&self, digest: &Sha256) -> Option<PathBuf>;
}
