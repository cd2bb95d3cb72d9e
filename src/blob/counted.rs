//! A cellar whose books are kept: everything that is stored or removed is in the [`Inventory`] before anybody else can ask.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::inventory::Inventory;
use super::{BlobError, BlobStream, Blobs, Kept, Staged, Swept};
use crate::domain::{Clock, Sha256, Timestamp};

/// Any cellar, and its books.
#[derive(Debug)]
pub struct CountedBlobs {
    blobs: Arc<dyn Blobs>,
    inventory: Arc<Inventory>,
    clock: Arc<dyn Clock>,
}

impl CountedBlobs {
    /// Keeps the books of this cellar from now on.
    pub fn new(blobs: Arc<dyn Blobs>, inventory: Arc<Inventory>, clock: Arc<dyn Clock>) -> Self {
        Self { blobs, inventory, clock }
    }
}

#[async_trait]
impl Blobs for CountedBlobs {
    async fn size(&self, digest: &Sha256) -> Result<Option<u64>, BlobError> {
        self.blobs.size(digest).await
    }

    async fn read(&self, digest: &Sha256, range: Range<u64>) -> Result<BlobStream, BlobError> {
        self.blobs.read(digest, range).await
    }

    async fn store(&self, staged: &Staged) -> Result<(), BlobError> {
        // Held, so that bytes which are being thrown away are not taken for stored already.
        let _held = self.inventory.hold(staged.sha256).await;
        self.blobs.store(staged).await?;
        self.inventory.note_kept(staged.sha256, staged.size, self.clock.now());
        Ok(())
    }

    async fn store_bytes(&self, bytes: Bytes) -> Result<Sha256, BlobError> {
        let size = bytes.len() as u64;
        let _held = self.inventory.hold(Sha256::of(&bytes)).await;
        let digest = self.blobs.store_bytes(bytes).await?;
        self.inventory.note_kept(digest, size, self.clock.now());
        Ok(digest)
    }

    async fn remove(&self, digest: &Sha256) -> Result<(), BlobError> {
        self.blobs.remove(digest).await?;
        self.inventory.note_gone(digest);
        Ok(())
    }

    fn list(&self) -> BoxStream<'static, Result<Kept, BlobError>> {
        self.blobs.list()
    }

    async fn sweep(&self, before: Timestamp, dry_run: bool) -> Result<Swept, BlobError> {
        self.blobs.sweep(before, dry_run).await
    }

    fn local_path(&self, digest: &Sha256) -> Option<PathBuf> {
        self.blobs.local_path(digest)
    }
}
