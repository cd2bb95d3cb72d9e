//! The folder in which stages grow, on a local disk.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{BlobError, off_reactor};
use super::stage::Stage;

const ENDING: &str = "stage";

/// Makes stages. Put it on the file system of the blob folder: storing is a hard link then, not a copy.
#[derive(Debug)]
pub struct StagingArea {
    folder: PathBuf,
    next: AtomicU64,
    /// Held as long as this process lives, so that no other one clears the folder.
    _lock: File,
}

impl StagingArea {
    /// Opens the folder for this process alone and clears what a crash left behind. Blocking: called at start.
    pub fn open(folder: &Path) -> Result<Self, BlobError> {
        let failed = |source| BlobError::disk(format!("opening the staging folder {}", folder.display()), source);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => BlobError::InUse(folder.to_owned()),
            TryLockError::Error(source) => failed(source),
        })?;
        for found in std::fs::read_dir(folder).map_err(failed)? {
            let path = found.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        Ok(Self { folder: folder.to_owned(), next: AtomicU64::new(0), _lock: lock })
    }

    /// Begins a file of which nothing is known yet.
    pub async fn begin(&self) -> Result<Stage, BlobError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number}.{ENDING}"));
        off_reactor(move || Stage::create(path)).await
    }
}
