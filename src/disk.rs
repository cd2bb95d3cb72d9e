//! The disk under the house: how much room it has, asked before anything is written. What is refused in time breaks nothing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a file system stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that may still be written.
    pub available: u64,
    /// Mounted read-only, as Linux does after an error.
    pub is_read_only: bool,
}

/// Whom to ask; tests answer themselves.
pub trait Disk: Send + Sync + fmt::Debug {
    /// How the file system of this path stands.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn space(&self, path: &Path) -> io::Result<Space> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Space {
            available: found.f_bavail.saturating_mul(found.f_frsize),
            is_read_only: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }
}

/// Room that one writer leaves to others who must go on when it stops.
#[derive(Debug)]
pub struct Headroom {
    path: PathBuf,
    reserve: u64,
    disk: Arc<dyn Disk>,
    is_short: AtomicBool,
}

impl Headroom {
    /// What is left free on the file system of this path.
    pub fn new(path: &Path, reserve: u64, disk: Arc<dyn Disk>) -> Self {
        Self { path: path.to_owned(), reserve, disk, is_short: AtomicBool::new(false) }
    }

    /// Refuses, with the error that writing would end in, where there is no room. One system call.
    pub fn check(&self) -> io::Result<()> {
        let space = self.disk.space(&self.path)?;
        let refusal = if space.is_read_only {
            Some(io::ErrorKind::ReadOnlyFilesystem)
        } else if space.available < self.reserve {
            Some(io::ErrorKind::StorageFull)
        } else {
            None
        };
        let was_short = self.is_short.swap(refusal.is_some(), Ordering::Relaxed);
        match (refusal, was_short) {
            (Some(kind), false) => tracing::error!(
                path = %self.path.display(), available = space.available, reserve = self.reserve,
                "nothing more is written here until there is room: {}", io::Error::from(kind)
            ),
            (None, true) => tracing::info!(path = %self.path.display(), "there is room again"),
            _ => {}
        }
        refusal.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug)]
    struct Told(Mutex<Space>);

    impl Disk for Told {
        fn space(&self, _: &Path) -> io::Result<Space> {
            Ok(*self.0.lock().unwrap())
        }
    }

    #[test]
    fn writing_is_refused_before_it_fails_and_goes_on_by_itself() {
        let disk = Arc::new(Told(Mutex::new(Space { available: 100, is_read_only: false })));
        let headroom = Headroom::new(Path::new("/"), 100, disk.clone());
        headroom.check().unwrap();
        disk.0.lock().unwrap().available = 99;
        assert_eq!(headroom.check().unwrap_err().kind(), io::ErrorKind::StorageFull);
        *disk.0.lock().unwrap() = Space { available: 1_000, is_read_only: true };
        assert_eq!(headroom.check().unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
        disk.0.lock().unwrap().is_read_only = false;
        headroom.check().unwrap();
    }

    #[test]
    fn the_machines_disk_has_some_room() {
        let space = SystemDisk.space(&std::env::temp_dir()).unwrap();
        assert!(space.available > 0 && !space.is_read_only);
        assert!(SystemDisk.space(Path::new("/nowhere/at/all")).is_err());
    }
}
