//! The folder in which stages grow, on a local disk.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Swept;
use super::disk::{BlobError, off_reactor};
use super::stage::{Living, Stage};
use crate::disk::{Disk, Headroom, SystemDisk};

const ENDING: &str = "stage";

/// Left free for facts, which are more important than files: four times of what the store leaves to its engine.
const RESERVE: u64 = 64 << 20;

/// Makes stages. Put it on the file system of the blob folder: storing is a hard link then, not a copy.
#[derive(Debug)]
pub struct StagingArea {
    folder: PathBuf,
    next: AtomicU64,
    living: Arc<Living>,
    headroom: Arc<Headroom>,
    /// Held as long as this process lives, so that no other one clears the folder.
    _lock: File,
}

impl StagingArea {
    /// Opens the folder for this process alone and clears what a crash left behind. Blocking: called at start.
    pub fn open(folder: &Path) -> Result<Self, BlobError> {
        Self::open_on(folder, Arc::new(SystemDisk))
    }

    /// Likewise, on this disk: nothing is fetched where that has little room, so that what is decided can still be written down.
    pub fn open_on(folder: &Path, disk: Arc<dyn Disk>) -> Result<Self, BlobError> {
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
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(0),
            living: Arc::default(),
            headroom: Arc::new(Headroom::new(folder, RESERVE, disk)),
            _lock: lock,
        })
    }

    /// Begins a file of which nothing is known yet.
    pub async fn begin(&self) -> Result<Stage, BlobError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number}.{ENDING}"));
        let (living, headroom) = (self.living.clone(), self.headroom.clone());
        off_reactor(move || Stage::create(path, living, headroom)).await
    }

    /// Removes stages that nobody holds any more and that could not be removed when their last holder went, or only counts them.
    pub async fn sweep(&self, dry_run: bool) -> Result<Swept, BlobError> {
        let (folder, living) = (self.folder.clone(), self.living.clone());
        off_reactor(move || {
            sweep(&folder, &living, dry_run)
                .map_err(|source| BlobError::disk(format!("sweeping the staging folder {}", folder.display()), source))
        })
        .await
    }
}

fn sweep(folder: &Path, living: &Living, dry_run: bool) -> std::io::Result<Swept> {
    let mut swept = Swept::default();
    for found in std::fs::read_dir(folder)? {
        let path = found?.path();
        if path.extension().is_none_or(|ending| ending != ENDING) || living.has(&path) {
            continue;
        }
        // It may have gone by itself since the folder was read.
        let Ok(meta) = path.metadata() else { continue };
        if !dry_run {
            std::fs::remove_file(&path)?;
        }
        swept.files += 1;
        swept.bytes += meta.len();
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn what_nobody_holds_is_swept_and_what_somebody_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(folder.path()).unwrap();
        let mut stage = area.begin().await.unwrap();
        stage.append(Bytes::from_static(b"wheel")).await.unwrap();
        std::fs::write(folder.path().join("77.stage"), "left over").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        assert_eq!(area.sweep(true).await.unwrap(), Swept { files: 1, bytes: 9 });
        assert_eq!(area.sweep(false).await.unwrap(), Swept { files: 1, bytes: 9 });
        assert_eq!(area.sweep(false).await.unwrap(), Swept::default());
        let staged = stage.finish().unwrap();
        drop(stage);
        assert!(staged.path.exists() && folder.path().join("notes.txt").exists());
    }
}
