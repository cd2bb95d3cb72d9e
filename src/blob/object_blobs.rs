//! Blobs in any object store: a local disk, memory for tests, S3.
//!
//! What is relied on, read in `object_store` 0.14.2's `local.rs`:
//! * `with_fsync(true)` (the default is false): `put` and multipart `complete` write to a file beside the target, flush it,
//!   link or rename it into place, flush the folder and any folder made for it, and return every failure of these.
//! * `copy` with [`CopyMode::Create`] is a hard link plus the same flushes of folders, but not of the file: it trusts that
//!   the source is durable, so that is flushed here first.
//! * `AlreadyExists` tells that the name exists, not that it is durable: the other writer may still be flushing. Hence
//!   [`Disk::make_durable`].
//! * Files that a crash leaves behind (`<name>#1`) are never read or listed and do not stand in the way of the next try.
//! * Its own streams come in pieces of 8 KiB, a thread hop each; so a local file is read here.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, WriteMultipart,
};
use sha2::Digest as _;

use super::disk::{BlobError, CHUNK, io_kind, off_reactor, read_at};
use super::open_files::OpenFiles;
use super::{BlobStream, Blobs, Kept, Staged, Swept};
use crate::domain::{Sha256, Timestamp};
use crate::durable::make_folder;

/// Up to this size an upload is one request. S3 takes parts from 5 MiB.
const PART: usize = 8 << 20;

/// Parts of one upload under way at once.
const PARTS_AT_ONCE: usize = 4;

/// The folder of everything that is named by its SHA-256.
const FOLDER: &str = "sha256";

/// Blobs over an object store, under keys `sha256/ab/cd/<hex>`.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    disk: Option<Disk>,
}

/// What is known besides where the store is a local disk.
#[derive(Debug, Clone)]
struct Disk {
    folder: PathBuf,
    /// The same disk from its root, to link a stage that is not under `folder`.
    root: Arc<LocalFileSystem>,
    open: OpenFiles,
}

impl ObjectBlobs {
    /// Over a store that was built elsewhere, such as S3.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, disk: None }
    }

    /// In memory, for tests: gone with the process.
    pub fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()))
    }

    /// In a folder, which is made if need be. Every write is flushed to the disk. Blocking: called at start.
    pub fn on_disk(folder: &Path) -> Result<Self, BlobError> {
        let doing = || format!("opening the blob folder {}", folder.display());
        make_folder(folder).map_err(|source| BlobError::disk(doing(), source))?;
        let folder = folder.canonicalize().map_err(|source| BlobError::disk(doing(), source))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|source| BlobError::store(doing(), source))?;
        let root = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ok(Self { store: Arc::new(store.with_fsync(true)), disk: Some(Disk { folder, root, open: OpenFiles::new() }) })
    }

    /// The size of what is stored, asked of the store itself.
    async fn size_at_rest(&self, digest: &Sha256) -> Result<Option<u64>, BlobError> {
        match self.store.head(&key(digest)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::store(doing("looking for", digest), error)),
        }
    }

    /// The size of what is stored, made durable where another writer may still be about it.
    async fn stored_size(&self, digest: &Sha256) -> Result<Option<u64>, BlobError> {
        let size = self.size_at_rest(digest).await?;
        if let (Some(_), Some(disk)) = (size, &self.disk) {
            disk.make_durable(*digest).await?;
        }
        Ok(size)
    }
}

fn key(digest: &Sha256) -> Key {
    Key::from(name(digest))
}

fn name(digest: &Sha256) -> String {
    let hex = digest.to_string();
    format!("{FOLDER}/{}/{}/{hex}", &hex[..2], &hex[2..4])
}

/// Files that a crash left beside their targets (`<name>#1`). Blocking.
fn sweep(folder: &Path, before: Timestamp, dry_run: bool) -> std::io::Result<Swept> {
    let mut swept = Swept::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_left_behind) {
                let Ok(meta) = entry.metadata() else { continue };
                if Timestamp::from(meta.modified()?) >= before {
                    continue;
                }
                if !dry_run {
                    std::fs::remove_file(entry.path())?;
                }
                swept.files += 1;
                swept.bytes += meta.len();
            }
        }
    }
    Ok(swept)
}

/// The digest of something, a `#` and a number.
fn is_left_behind(name: &str) -> bool {
    name.split_once('#').is_some_and(|(digest, number)| {
        digest.parse::<Sha256>().is_ok() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn doing(what: &str, digest: &Sha256) -> String {
    format!("{what} sha256:{digest}")
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn size(&self, digest: &Sha256) -> Result<Option<u64>, BlobError> {
        if let Some(open) = self.disk.as_ref().and_then(|disk| disk.open.get(digest)) {
            return Ok(Some(open.size));
        }
        self.size_at_rest(digest).await
    }

    async fn read(&self, digest: &Sha256, range: Range<u64>) -> Result<BlobStream, BlobError> {
        if let Some(disk) = &self.disk {
            return read_file(disk, *digest, range).await;
        }
        let size = self.size(digest).await?.ok_or(BlobError::Missing(*digest))?;
        let range = range.start..range.end.min(size);
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&key(digest), options).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => BlobError::Missing(*digest),
            error => BlobError::store(doing("reading", digest), error),
        })?;
        let digest = *digest;
        let pieces = found.into_stream().map_err(move |error| BlobError::store(doing("reading", &digest), error));
        Ok(pieces.map_ok(|bytes| stream::iter(in_chunks(bytes).map(Ok))).try_flatten().boxed())
    }

    async fn store(&self, staged: &Staged) -> Result<(), BlobError> {
        let digest = staged.sha256;
        match self.stored_size(&digest).await? {
            Some(size) if size == staged.size => return Ok(()),
            Some(_) => return Err(BlobError::Altered(digest)),
            None => {}
        }
        if let Some(disk) = &self.disk
            && disk.link(staged).await?
        {
            return Ok(());
        }
        let (store, staged) = (self.store.clone(), staged.clone());
        let runtime = tokio::runtime::Handle::current();
        off_reactor(move || upload(&runtime, store.as_ref(), &staged)).await?;
        // Someone else may have been first.
        self.stored_size(&digest).await.map(drop)
    }

    async fn store_bytes(&self, bytes: Bytes) -> Result<Sha256, BlobError> {
        let digest = Sha256::of(&bytes);
        match put(self.store.as_ref(), &digest, bytes).await? {
            Put::Written => {}
            Put::Existed => drop(self.stored_size(&digest).await?),
        }
        Ok(digest)
    }

    async fn remove(&self, digest: &Sha256) -> Result<(), BlobError> {
        let removed = self.store.delete(&key(digest)).await;
        if let Some(disk) = &self.disk {
            disk.open.forget(digest);
        }
        match removed {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::store(doing("removing", digest), error)),
        }
    }

    fn list(&self) -> BoxStream<'static, Result<Kept, BlobError>> {
        let all = self.store.list(Some(&Key::from(FOLDER)));
        let kept =
            all.map_err(|error| BlobError::store("listing what is stored", error)).try_filter_map(|meta| async move {
                // What has another name is not ours.
                let digest = meta.location.filename().and_then(|name| name.parse::<Sha256>().ok());
                let stored = Timestamp::from_unix_timestamp(meta.last_modified.timestamp());
                let stored = stored.unwrap_or(Timestamp::UNIX_EPOCH);
                Ok(digest.map(|digest| Kept { digest, size: meta.size, stored }))
            });
        kept.boxed()
    }

    async fn sweep(&self, before: Timestamp, dry_run: bool) -> Result<Swept, BlobError> {
        let Some(disk) = &self.disk else { return Ok(Swept::default()) };
        let folder = disk.folder.join(FOLDER);
        let doing = "looking for what was left behind";
        off_reactor(move || sweep(&folder, before, dry_run).map_err(|source| BlobError::disk(doing, source))).await
    }

    fn local_path(&self, digest: &Sha256) -> Option<PathBuf> {
        self.disk.as_ref().map(|disk| disk.path(digest))
    }
}

impl Disk {
    fn path(&self, digest: &Sha256) -> PathBuf {
        self.folder.join(name(digest))
    }

    /// Gives the staged file its final name as well: nothing is copied. `false`: it is on another file system, or the file
    /// system has no links.
    async fn link(&self, staged: &Staged) -> Result<bool, BlobError> {
        let digest = staged.sha256;
        let (Ok(from), Ok(to)) = (Key::from_absolute_path(&staged.path), Key::from_absolute_path(self.path(&digest)))
        else {
            return Ok(false);
        };
        let held = staged.clone();
        off_reactor(move || {
            held.file().sync_all().map_err(|source| BlobError::disk(doing("flushing", &held.sha256), source))
        })
        .await?;
        match self.root.copy_opts(&from, &to, CopyOptions::new().with_mode(CopyMode::Create)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => self.make_durable(digest).await.map(|()| true),
            Err(error) => match io_kind(&error) {
                ErrorKind::CrossesDevices
                | ErrorKind::Unsupported
                | ErrorKind::PermissionDenied
                | ErrorKind::TooManyLinks => Ok(false),
                _ => Err(BlobError::store(doing("storing", &digest), error)),
            },
        }
    }

    /// Flushes a file that is there, and the folder that names it.
    async fn make_durable(&self, digest: Sha256) -> Result<(), BlobError> {
        let path = self.path(&digest);
        off_reactor(move || {
            let flush = || {
                File::open(&path)?.sync_all()?;
                path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
            };
            flush().map_err(|source| BlobError::disk(doing("flushing", &digest), source))
        })
        .await
    }
}

enum Put {
    Written,
    Existed,
}

async fn put(store: &dyn ObjectStore, digest: &Sha256, bytes: Bytes) -> Result<Put, BlobError> {
    match store.put_opts(&key(digest), bytes.into(), PutOptions::from(PutMode::Create)).await {
        Ok(_) => Ok(Put::Written),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Existed),
        Err(error) => Err(BlobError::store(doing("storing", digest), error)),
    }
}

/// Copies a staged file into the store, hashing again what is read: a disk that lies is found before the blob has its name.
/// Blocking; the store's own work is waited for on `runtime`. A large file replaces one that appeared meanwhile, which has
/// the same bytes.
fn upload(runtime: &tokio::runtime::Handle, store: &dyn ObjectStore, staged: &Staged) -> Result<(), BlobError> {
    let digest = staged.sha256;
    let failed = |error| BlobError::store(doing("storing", &digest), error);
    let part = |offset| {
        read_at(staged.file(), offset, PART)
            .map_err(|source| BlobError::disk(doing("reading the stage of", &digest), source))
    };
    if staged.size <= PART as u64 {
        let bytes = part(0)?;
        if Sha256::of(&bytes) != digest {
            return Err(BlobError::Altered(digest));
        }
        return runtime.block_on(put(store, &digest, bytes)).map(drop);
    }
    let upload = runtime.block_on(store.put_multipart(&key(&digest))).map_err(failed)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
    let mut hasher = sha2::Sha256::new();
    let mut offset = 0;
    let sent = loop {
        let bytes = match part(offset) {
            Ok(bytes) if bytes.is_empty() => break Ok(()),
            Ok(bytes) => bytes,
            Err(error) => break Err(error),
        };
        hasher.update(&bytes);
        offset += bytes.len() as u64;
        let sending = runtime.block_on(async {
            upload.wait_for_capacity(PARTS_AT_ONCE).await?;
            upload.put(bytes);
            Ok(())
        });
        if let Err(error) = sending {
            break Err(failed(error));
        }
    };
    let sent = sent.and_then(|()| {
        let same = Sha256::from_bytes(hasher.finalize().into()) == digest;
        if same { Ok(()) } else { Err(BlobError::Altered(digest)) }
    });
    match sent {
        Ok(()) => runtime.block_on(upload.finish()).map(drop).map_err(failed),
        Err(error) => {
            // What cannot be given back now is the store's to expire; the first failure is the one to tell.
            drop(runtime.block_on(upload.abort()));
            Err(error)
        }
    }
}

/// Cuts bytes into pieces, without copying.
fn in_chunks(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(CHUNK))))
}

async fn read_file(disk: &Disk, digest: Sha256, range: Range<u64>) -> Result<BlobStream, BlobError> {
    let failed = move |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => BlobError::Missing(digest),
        _ => BlobError::disk(doing("reading", &digest), source),
    };
    let open = disk.open.open(&digest, disk.path(&digest), failed).await?;
    let end = range.end.min(open.size);
    let files = disk.open.clone();
    let pieces = stream::try_unfold((open, range.start), move |(open, offset)| {
        let files = files.clone();
        async move {
            let length = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
            if length == 0 {
                return Ok(None);
            }
            let bytes = open.read(offset, length, failed).await?;
            if bytes.is_empty() {
                files.forget(&digest);
                return Err(BlobError::Altered(digest));
            }
            let next = offset + bytes.len() as u64;
            Ok(Some((bytes, (open, next))))
        }
    });
    Ok(pieces.boxed())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use super::super::StagingArea;
    use super::*;

    async fn stage(area: &StagingArea, bytes: &'static [u8]) -> Staged {
        let mut stage = area.begin().await.unwrap();
        stage.append(Bytes::from_static(bytes)).await.unwrap();
        stage.finish().unwrap()
    }

    #[tokio::test]
    async fn on_one_disk_storing_gives_the_file_a_second_name_and_copies_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&folder.path().join("staging")).unwrap();
        let blobs = ObjectBlobs::on_disk(&folder.path().join("bl öbs%41#1")).unwrap();
        let staged = stage(&area, b"wheel").await;
        blobs.store(&staged).await.unwrap();
        let stored = blobs.local_path(&staged.sha256).unwrap();
        assert_eq!(stored.metadata().unwrap().ino(), staged.path.metadata().unwrap().ino());
        assert!(stored.ends_with(name(&staged.sha256)));
    }

    #[tokio::test]
    async fn a_stage_that_changed_on_disk_is_not_uploaded() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(folder.path()).unwrap();
        let blobs = ObjectBlobs::in_memory();
        let staged = stage(&area, b"wheel").await;
        staged.file().write_all_at(b"WHEEL", 0).unwrap();
        assert!(matches!(blobs.store(&staged).await, Err(BlobError::Altered(_))));
        assert_eq!(blobs.size(&staged.sha256).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_blob_that_was_cut_short_is_an_error_and_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&folder.path().join("staging")).unwrap();
        let blobs = ObjectBlobs::on_disk(&folder.path().join("bl öbs%41#1")).unwrap();
        let digest = blobs.store_bytes(Bytes::from_static(b"wheel")).await.unwrap();
        let file = File::options().write(true).open(blobs.local_path(&digest).unwrap()).unwrap();
        file.set_len(2).unwrap();
        let staged = stage(&area, b"wheel").await;
        assert!(matches!(blobs.store(&staged).await, Err(BlobError::Altered(_))));
        blobs.remove(&digest).await.unwrap();
        blobs.store(&staged).await.unwrap();
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(5));
    }

    #[tokio::test]
    async fn what_a_crash_left_beside_its_target_is_swept_once_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = ObjectBlobs::on_disk(folder.path()).unwrap();
        let digest = blobs.store_bytes(Bytes::from_static(b"wheel")).await.unwrap();
        let stored = blobs.local_path(&digest).unwrap();
        let left = stored.with_file_name(format!("{digest}#1"));
        std::fs::write(&left, "whe").unwrap();
        std::fs::write(stored.with_file_name("notes#1"), "not ours").unwrap();
        let now = Timestamp::from(std::fs::metadata(&left).unwrap().modified().unwrap());
        let hour = time::Duration::hours(1);
        assert_eq!(blobs.sweep(now - hour, false).await.unwrap(), Swept::default(), "somebody may be writing it");
        let old = Swept { files: 1, bytes: 3 };
        assert_eq!(blobs.sweep(now + hour, true).await.unwrap(), old);
        assert_eq!(blobs.sweep(now + hour, false).await.unwrap(), old);
        assert!(!left.exists() && stored.exists() && stored.with_file_name("notes#1").exists());
    }
}
