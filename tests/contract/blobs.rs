//! What every cellar must do.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use lazaret::blob::{BlobError, Blobs, ObjectBlobs, Staged, StagingArea, Swept};
use lazaret::domain::Sha256;

/// One cellar with its staging area; the folder lives as long as this.
struct Cellar {
    blobs: Arc<dyn Blobs>,
    staging: StagingArea,
    _folder: tempfile::TempDir,
}

fn cellar(open: impl FnOnce(&std::path::Path) -> ObjectBlobs) -> Cellar {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Arc::new(open(&folder.path().join("deep/bl öbs%41#1")));
    let staging = StagingArea::open(&folder.path().join("staging")).unwrap();
    Cellar { blobs, staging, _folder: folder }
}

impl Cellar {
    async fn stage(&self, bytes: &[u8]) -> Staged {
        let mut stage = self.staging.begin().await.unwrap();
        for piece in bytes.chunks(1 << 20) {
            stage.append(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        stage.finish().unwrap()
    }

    async fn read(&self, digest: &Sha256, range: std::ops::Range<u64>) -> Vec<u8> {
        let pieces: Vec<Bytes> = self.blobs.read(digest, range).await.unwrap().try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= 256 << 10));
        pieces.concat()
    }
}

/// Bytes without a pattern that a wrong offset would hide.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

async fn what_is_stored_is_read_back_whole_and_in_parts(cellar: Cellar) {
    let bytes = noise(700_001);
    let staged = cellar.stage(&bytes).await;
    let digest = staged.sha256;
    cellar.blobs.store(&staged).await.unwrap();
    drop(staged);
    assert_eq!(cellar.blobs.size(&digest).await.unwrap(), Some(700_001));
    assert!(cellar.read(&digest, 0..u64::MAX).await == bytes);
    for range in [
        0..1,
        0..262_144,
        262_143..262_145,
        700_000..700_001,
        700_000..900_000,
        5..5,
        700_001..700_001,
        800_000..u64::MAX,
    ] {
        let within = |offset: u64| usize::try_from(offset).unwrap().min(bytes.len());
        let expected = &bytes[within(range.start)..within(range.end)];
        assert!(cellar.read(&digest, range.clone()).await == expected, "{range:?}");
    }
}

async fn a_large_file_is_stored_whole(cellar: Cellar) {
    let bytes = noise(20_000_003);
    let staged = cellar.stage(&bytes).await;
    cellar.blobs.store(&staged).await.unwrap();
    assert!(cellar.read(&Sha256::of(&bytes), 0..u64::MAX).await == bytes);
}

async fn storing_twice_at_once_is_storing_once(cellar: Cellar) {
    let bytes = noise(9_000_000);
    let (one, two) = (cellar.stage(&bytes).await, cellar.stage(&bytes).await);
    let (first, second) = tokio::join!(cellar.blobs.store(&one), cellar.blobs.store(&two));
    first.unwrap();
    second.unwrap();
    cellar.blobs.store(&one).await.unwrap();
    assert!(cellar.read(&one.sha256, 0..u64::MAX).await == bytes);
    let (first, second) = tokio::join!(
        cellar.blobs.store_bytes(Bytes::from_static(b"METADATA")),
        cellar.blobs.store_bytes(Bytes::from_static(b"METADATA")),
    );
    assert_eq!(first.unwrap(), second.unwrap());
}

async fn nothing_is_said_to_be_missing(cellar: Cellar) {
    let digest = Sha256::of(b"never stored");
    assert_eq!(cellar.blobs.size(&digest).await.unwrap(), None);
    assert!(matches!(cellar.blobs.read(&digest, 0..10).await, Err(BlobError::Missing(missing)) if missing == digest));
    assert!(matches!(cellar.blobs.read(&digest, 0..0).await, Err(BlobError::Missing(_))));
    cellar.blobs.remove(&digest).await.unwrap();
}

async fn removed_bytes_are_gone_and_can_come_back(cellar: Cellar) {
    let digest = cellar.blobs.store_bytes(Bytes::from_static(b"Name: six\n")).await.unwrap();
    assert_eq!(digest, Sha256::of(b"Name: six\n"));
    assert_eq!(cellar.read(&digest, 6..9).await, b"six");
    cellar.blobs.remove(&digest).await.unwrap();
    assert_eq!(cellar.blobs.size(&digest).await.unwrap(), None);
    cellar.blobs.store_bytes(Bytes::from_static(b"Name: six\n")).await.unwrap();
    assert_eq!(cellar.blobs.size(&digest).await.unwrap(), Some(10));
}

async fn an_empty_file_is_a_file(cellar: Cellar) {
    let staged = cellar.stage(b"").await;
    cellar.blobs.store(&staged).await.unwrap();
    assert_eq!(cellar.blobs.size(&staged.sha256).await.unwrap(), Some(0));
    assert_eq!(cellar.read(&staged.sha256, 0..u64::MAX).await, b"");
}

async fn a_local_path_holds_the_bytes(cellar: Cellar) {
    let digest = cellar.blobs.store_bytes(Bytes::from_static(b"Name: six\n")).await.unwrap();
    if let Some(path) = cellar.blobs.local_path(&digest) {
        assert_eq!(std::fs::read(path).unwrap(), b"Name: six\n");
    }
}

async fn everything_stored_is_listed(cellar: Cellar) {
    let empty: Vec<_> = cellar.blobs.list().try_collect().await.unwrap();
    assert!(empty.is_empty());
    let staged = cellar.stage(&noise(9_000_000)).await;
    cellar.blobs.store(&staged).await.unwrap();
    let small = cellar.blobs.store_bytes(Bytes::from_static(b"Name: six\n")).await.unwrap();
    let gone = cellar.blobs.store_bytes(Bytes::from_static(b"Name: seven\n")).await.unwrap();
    cellar.blobs.remove(&gone).await.unwrap();
    let mut listed: Vec<_> = cellar.blobs.list().try_collect().await.unwrap();
    listed.sort_by_key(|kept| kept.size);
    let expected = [(small, 10), (staged.sha256, 9_000_000)];
    assert_eq!(listed.iter().map(|kept| (kept.digest, kept.size)).collect::<Vec<_>>(), expected);
    assert!(listed.iter().all(|kept| kept.stored.year() > 2020), "{listed:?}");
}

async fn what_is_stored_is_never_swept(cellar: Cellar) {
    let digest = cellar.blobs.store_bytes(Bytes::from_static(b"Name: six\n")).await.unwrap();
    let end_of_time = time::macros::datetime!(9000-01-01 0:00 UTC);
    assert_eq!(cellar.blobs.sweep(end_of_time, false).await.unwrap(), Swept::default());
    assert_eq!(cellar.blobs.size(&digest).await.unwrap(), Some(10));
}

/// Runs the whole suite against one implementation.
macro_rules! contract {
    ($name:ident, $open:expr, $($case:ident),* $(,)?) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(cellar($open)).await;
                }
            )*
        }
    };
    ($name:ident, $open:expr) => {
        contract!(
            $name,
            $open,
            what_is_stored_is_read_back_whole_and_in_parts,
            a_large_file_is_stored_whole,
            storing_twice_at_once_is_storing_once,
            nothing_is_said_to_be_missing,
            removed_bytes_are_gone_and_can_come_back,
            an_empty_file_is_a_file,
            a_local_path_holds_the_bytes,
            everything_stored_is_listed,
            what_is_stored_is_never_swept,
        );
    };
}

contract!(on_disk, |folder| ObjectBlobs::on_disk(folder).unwrap());
contract!(in_memory, |_| ObjectBlobs::in_memory());
// The way of S3 and of a staging folder on another file system: uploaded in parts, no link.
contract!(on_a_store_that_takes_uploads, |folder| {
    std::fs::create_dir_all(folder).unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(folder).unwrap();
    ObjectBlobs::new(Arc::new(store.with_fsync(true)))
});
