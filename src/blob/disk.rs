//! Disk work off the reactor, and its failures by name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::domain::Sha256;

/// Most bytes read or written at once: big enough for speed, small enough that a slow client holds little memory.
pub(super) const CHUNK: usize = 256 << 10;

/// Why the cellar could not do it.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nothing is stored under this digest.
    #[error("no bytes are stored under sha256:{0}; they must be fetched again")]
    Missing(Sha256),
    /// The disk is full, or the quota is used up.
    #[error("no space is left on the disk while {doing}: free some, or move the blob folder")]
    NoSpace {
        /// What was tried.
        doing: String,
        /// The system's answer.
        #[source]
        source: BoxError,
    },
    /// The disk is mounted read-only, as Linux does after an error, or the folder is not ours.
    #[error("the disk refuses writing while {doing}: check that it is not mounted read-only and who owns the folder")]
    ReadOnly {
        /// What was tried.
        doing: String,
        /// The system's answer.
        #[source]
        source: BoxError,
    },
    /// Another failure of the disk, a failed flush included.
    #[error("the disk failed while {doing}: check its health and the system's log")]
    Disk {
        /// What was tried.
        doing: String,
        /// The system's answer.
        #[source]
        source: BoxError,
    },
    /// The object store failed.
    #[error("the object store failed while {doing}: check that it is reachable and the credentials are right")]
    Store {
        /// What was tried.
        doing: String,
        /// Its answer.
        #[source]
        source: BoxError,
    },
    /// The bytes are not the ones their digest names.
    #[error(
        "the bytes of sha256:{0} changed on disk or are cut short: remove them, so that they are fetched again, and check the disk"
    )]
    Altered(Sha256),
    /// Another lazaret uses the staging folder.
    #[error("another process uses the staging folder {}: give each its own", .0.display())]
    InUse(PathBuf),
    /// The stage was failed, finished or abandoned before.
    #[error("the stage takes no more bytes: {0}")]
    Closed(String),
    /// The program is going down.
    #[error("the program is stopping")]
    Stopping,
}

/// A cause.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl BlobError {
    /// Names a failure of the local disk.
    pub(super) fn disk(doing: impl Into<String>, source: io::Error) -> Self {
        Self::by_kind(source.kind(), doing.into(), source.into())
            .unwrap_or_else(|(doing, source)| Self::Disk { doing, source })
    }

    /// Names a failure of an object store, which on a local disk hides an [`io::Error`] somewhere inside.
    pub(super) fn store(doing: impl Into<String>, source: object_store::Error) -> Self {
        Self::by_kind(io_kind(&source), doing.into(), source.into())
            .unwrap_or_else(|(doing, source)| Self::Store { doing, source })
    }

    fn by_kind(kind: io::ErrorKind, doing: String, source: BoxError) -> Result<Self, (String, BoxError)> {
        match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Ok(Self::NoSpace { doing, source }),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Ok(Self::ReadOnly { doing, source }),
            _ => Err((doing, source)),
        }
    }
}

/// What the system said, where an object store's failure has that inside.
pub(super) fn io_kind(error: &object_store::Error) -> io::ErrorKind {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind();
        }
        cause = error.source();
    }
    io::ErrorKind::Other
}

/// Runs blocking work on a thread of its own. Once begun, it goes on even if the caller stops waiting.
pub(super) async fn off_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BlobError::Stopping)?
}

/// Reads up to `length` bytes at an offset; fewer only at the end of the file.
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_through_the_object_stores_wrapping() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let wrapped = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(full()) };
        assert!(matches!(BlobError::store("storing", wrapped), BlobError::NoSpace { .. }));
        let error = BlobError::disk("writing the stage", full());
        assert!(error.to_string().contains("no space is left on the disk while writing the stage"));
        assert!(matches!(BlobError::disk("x", io::ErrorKind::ReadOnlyFilesystem.into()), BlobError::ReadOnly { .. }));
        assert!(matches!(BlobError::disk("x", io::Error::other("EIO")), BlobError::Disk { .. }));
    }
}
