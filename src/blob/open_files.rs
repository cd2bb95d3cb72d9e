//! Files that are read again and again stay open, and what the system has in memory is read without a change of threads.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::disk::{BlobError, CHUNK, off_reactor, read_at};
use crate::domain::Sha256;

/// So many stay open.
const MOST: u64 = 256;
/// A file that was deleted or replaced by hand is noticed after so long, and its space becomes free.
const OPEN_FOR: Duration = Duration::from_mins(1);
/// How much is read at a time from memory: it fits into the processor's cache, so the copy to the socket is a quick one.
const PIECE: usize = 64 << 10;

/// The blobs that were read last.
#[derive(Debug, Clone)]
pub(super) struct OpenFiles {
    recent: moka::sync::Cache<Sha256, Arc<OpenFile>>,
}

/// A blob on the local disk, open.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    pub(super) size: u64,
}

impl OpenFiles {
    pub(super) fn new() -> Self {
        Self { recent: moka::sync::Cache::builder().max_capacity(MOST).time_to_live(OPEN_FOR).build() }
    }

    /// The blob, if it is open.
    pub(super) fn get(&self, digest: &Sha256) -> Option<Arc<OpenFile>> {
        self.recent.get(digest)
    }

    /// The blob, opened at this path unless it is open already.
    pub(super) async fn open(
        &self,
        digest: &Sha256,
        path: PathBuf,
        failed: impl Fn(std::io::Error) -> BlobError + Send + 'static,
    ) -> Result<Arc<OpenFile>, BlobError> {
        if let Some(open) = self.get(digest) {
            return Ok(open);
        }
        let open = off_reactor(move || {
            let open = || {
                let file = File::open(path)?;
                let size = file.metadata()?.len();
                Ok(OpenFile { file, size })
            };
            open().map(Arc::new).map_err(failed)
        });
        let open = open.await?;
        self.recent.insert(*digest, open.clone());
        Ok(open)
    }

    /// Opens the blob anew next time.
    pub(super) fn forget(&self, digest: &Sha256) {
        self.recent.invalidate(digest);
    }
}

impl OpenFile {
    /// Up to `length` bytes from this offset: a piece that needs no waiting, else a larger one, off the reactor. Nothing only
    /// where the file ends.
    pub(super) async fn read(
        self: &Arc<Self>,
        offset: u64,
        length: usize,
        failed: impl Fn(std::io::Error) -> BlobError + Send + 'static,
    ) -> Result<Bytes, BlobError> {
        if let Some(bytes) = self.read_without_waiting(offset, length.min(PIECE)) {
            return Ok(bytes);
        }
        let open = self.clone();
        off_reactor(move || read_at(&open.file, offset, length.min(CHUNK)).map_err(failed)).await
    }

    /// The whole piece, if all of it is in the system's memory.
    #[cfg(target_os = "linux")]
    fn read_without_waiting(&self, offset: u64, length: usize) -> Option<Bytes> {
        use rustix::io::{ReadWriteFlags, preadv2};

        let mut buffer = vec![0; length];
        let into = &mut [std::io::IoSliceMut::new(&mut buffer)];
        // A file system that does not know the question answers with an error, and is read the other way.
        let read = preadv2(&self.file, into, offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == length).then(|| buffer.into())
    }

    /// Only Linux can be asked.
    #[cfg(not(target_os = "linux"))]
    fn read_without_waiting(&self, _offset: u64, _length: usize) -> Option<Bytes> {
        None
    }
}
