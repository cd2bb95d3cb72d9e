//! A file that grows while others read it, up to a limit that its writer moves.
//!
//! Readers see only what was written *and* allowed: a wheel can be streamed with its last bytes withheld until the whole was
//! verified and examined (rule 1). Whoever drops the stage without opening it leaves the rest withheld for good.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::Digest as _;
use tokio::sync::watch;

use super::disk::{BlobError, CHUNK, off_reactor, read_at};
use crate::disk::Headroom;
use crate::domain::Sha256;

/// The stages that somebody holds.
#[derive(Debug, Default)]
pub(super) struct Living(Mutex<HashSet<PathBuf>>);

impl Living {
    fn add(&self, path: PathBuf) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }

    fn end(&self, path: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }
}

/// A file that is removed with its last holder.
#[derive(Debug)]
struct StageFile {
    file: File,
    path: PathBuf,
    living: Arc<Living>,
}

impl Drop for StageFile {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let living = self.living.clone();
        // Removing a large file takes a while on some file systems. A file that cannot be removed is swept later.
        let remove = move || {
            drop(std::fs::remove_file(&path));
            living.end(&path);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// How the writing stands.
#[derive(Debug, Clone)]
enum State {
    Growing,
    Complete,
    Failed(Arc<str>),
}

/// What readers watch.
#[derive(Debug, Clone)]
struct Progress {
    written: u64,
    limit: u64,
    state: State,
}

/// What a finished stage is made of; the file stays as long as a clone of this does.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Where it is, for examination.
    pub path: PathBuf,
    /// Of the whole file.
    pub sha256: Sha256,
    /// In bytes.
    pub size: u64,
    file: Arc<StageFile>,
}

impl Staged {
    /// The open file, for positioned reads.
    pub(super) fn file(&self) -> &File {
        &self.file.file
    }
}

/// What the blocking side of a writer owns.
#[derive(Debug)]
struct Pen {
    file: Arc<StageFile>,
    hasher: Mutex<sha2::Sha256>,
    progress: watch::Sender<Progress>,
    headroom: Arc<Headroom>,
}

impl Pen {
    fn write(&self, bytes: &[u8]) -> Result<(), BlobError> {
        let offset = self.progress.borrow().written;
        let written = self.headroom.check().and_then(|()| self.file.file.write_all_at(bytes, offset));
        written.map_err(|source| BlobError::disk(format!("writing the stage {}", self.file.path.display()), source))?;
        self.hasher.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        self.progress.send_modify(|progress| progress.written = offset + bytes.len() as u64);
        Ok(())
    }

    fn fail(&self, reason: Arc<str>) {
        self.progress.send_modify(|progress| {
            if !matches!(progress.state, State::Failed(_)) {
                progress.state = State::Failed(reason);
            }
        });
    }
}

/// The writer's side. At first nothing may be read.
#[derive(Debug)]
pub struct Stage {
    pen: Arc<Pen>,
    /// An append was given up in the middle: what it wrote, and when, nobody knows.
    unsure: bool,
}

impl Stage {
    /// Makes the file. Blocking.
    pub(super) fn create(path: PathBuf, living: Arc<Living>, headroom: Arc<Headroom>) -> Result<Self, BlobError> {
        headroom.check().map_err(|source| BlobError::disk("beginning a fetch", source))?;
        living.add(path.clone());
        let opened = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(|source| BlobError::disk(format!("making the stage {}", path.display()), source))?;
        let progress = watch::Sender::new(Progress { written: 0, limit: 0, state: State::Growing });
        let file = Arc::new(StageFile { file, path, living });
        Ok(Self { pen: Arc::new(Pen { file, hasher: Mutex::default(), progress, headroom }), unsure: false })
    }

    /// Writes at the end. A failure fails the stage for its readers too.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.check_growing()?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.unsure = true;
        let pen = self.pen.clone();
        let result = off_reactor(move || pen.write(&bytes)).await;
        self.unsure = false;
        if let Err(error) = &result {
            self.fail(error.to_string());
        }
        result
    }

    /// How many bytes were written.
    pub fn written(&self) -> u64 {
        self.pen.progress.borrow().written
    }

    /// Lets readers see the bytes before this offset, as far as they are written. Never takes back what was allowed.
    pub fn allow(&self, upto: u64) {
        self.pen.progress.send_if_modified(|progress| {
            let raised = upto > progress.limit;
            progress.limit = progress.limit.max(upto);
            raised
        });
    }

    /// Lets readers see everything.
    pub fn open(&self) {
        self.allow(u64::MAX);
    }

    /// Tells all readers, at once, that there will be no good end.
    pub fn fail(&self, reason: impl Into<Arc<str>>) {
        self.pen.fail(reason.into());
    }

    /// Ends the writing. What is withheld stays so until [`Stage::open`]; [`Stage::fail`] still cuts the readers off.
    pub fn finish(&mut self) -> Result<Staged, BlobError> {
        self.check_growing()?;
        let hasher = self.pen.hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sha256 = Sha256::from_bytes(hasher.finalize().into());
        self.pen.progress.send_modify(|progress| progress.state = State::Complete);
        let file = self.pen.file.clone();
        Ok(Staged { path: file.path.clone(), sha256, size: self.written(), file })
    }

    /// A reader from the beginning; any number of them.
    pub fn reader(&self) -> StageReader {
        StageReader { file: self.pen.file.clone(), progress: self.pen.progress.subscribe() }
    }

    fn check_growing(&mut self) -> Result<(), BlobError> {
        if self.unsure {
            self.fail("a write was given up in the middle");
        }
        match &self.pen.progress.borrow().state {
            State::Growing => Ok(()),
            State::Complete => Err(BlobError::Closed("it is finished".into())),
            State::Failed(reason) => Err(BlobError::Closed(reason.to_string())),
        }
    }
}

/// What a reader got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageRead {
    /// At least one byte.
    Data(Bytes),
    /// The file is complete and everything was read.
    End,
    /// There will be no more, and what was read is worth nothing.
    Failed(Arc<str>),
}

/// A reader's side.
#[derive(Debug, Clone)]
pub struct StageReader {
    file: Arc<StageFile>,
    progress: watch::Receiver<Progress>,
}

/// What a reader can do now.
enum Step {
    Read(usize),
    End,
    Failed(Arc<str>),
    Wait,
}

impl StageReader {
    /// Waits until there are bytes at `offset` that may be seen, and reads up to `max_len` of them (at most 256 KiB).
    pub async fn read_at(&self, offset: u64, max_len: usize) -> StageRead {
        match self.wait(offset, max_len).await {
            Step::Read(length) => self.read(offset, length).await,
            Step::End => StageRead::End,
            Step::Failed(reason) => StageRead::Failed(reason),
            Step::Wait => StageRead::Failed("the fetch was given up before the file was let out".into()),
        }
    }

    /// [`Step::Wait`] only if the writer is gone.
    async fn wait(&self, offset: u64, max_len: usize) -> Step {
        let at_once = step(&self.progress.borrow(), offset, max_len);
        if !matches!(at_once, Step::Wait) {
            return at_once;
        }
        let mut progress = self.progress.clone();
        let ready = progress.wait_for(|progress| !matches!(step(progress, offset, max_len), Step::Wait)).await;
        ready.map_or(Step::Wait, |progress| step(&progress, offset, max_len))
    }

    async fn read(&self, offset: u64, length: usize) -> StageRead {
        let file = self.file.clone();
        let read = off_reactor(move || {
            read_at(&file.file, offset, length)
                .map_err(|source| BlobError::disk(format!("reading the stage {}", file.path.display()), source))
        });
        match read.await {
            Ok(bytes) if bytes.len() == length => StageRead::Data(bytes),
            Ok(_) => StageRead::Failed("the stage was cut short on disk".into()),
            Err(error) => StageRead::Failed(error.to_string().into()),
        }
    }
}

fn step(progress: &Progress, offset: u64, max_len: usize) -> Step {
    if let State::Failed(reason) = &progress.state {
        return Step::Failed(reason.clone());
    }
    let seen = progress.written.min(progress.limit);
    match seen.checked_sub(offset) {
        None | Some(0) if matches!(progress.state, State::Complete) && seen == progress.written => Step::End,
        None | Some(0) => Step::Wait,
        Some(available) => Step::Read(usize::try_from(available).unwrap_or(CHUNK).min(CHUNK).min(max_len.max(1))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::super::StagingArea;
    use super::*;

    async fn begin(folder: &tempfile::TempDir) -> (StagingArea, Stage) {
        let area = StagingArea::open(folder.path()).unwrap();
        let stage = area.begin().await.unwrap();
        (area, stage)
    }

    async fn read_all(reader: StageReader) -> Result<Vec<u8>, Arc<str>> {
        let mut bytes = Vec::new();
        loop {
            match reader.read_at(bytes.len() as u64, 10_000).await {
                StageRead::Data(more) => bytes.extend_from_slice(&more),
                StageRead::End => return Ok(bytes),
                StageRead::Failed(reason) => return Err(reason),
            }
        }
    }

    async fn is_waiting(reader: &StageReader, offset: u64) -> bool {
        tokio::time::timeout(Duration::from_millis(50), reader.read_at(offset, 100)).await.is_err()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sixty_four_readers_of_a_growing_file_see_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        stage.open();
        let readers: Vec<_> = (0..64).map(|_| tokio::spawn(read_all(stage.reader()))).collect();
        let mut expected = Vec::new();
        for round in 0..40_u8 {
            let piece = vec![round; 1000 + usize::from(round) * 997];
            expected.extend_from_slice(&piece);
            stage.append(piece.into()).await.unwrap();
        }
        let staged = stage.finish().unwrap();
        assert_eq!(staged.size, expected.len() as u64);
        assert_eq!(staged.sha256, Sha256::of(&expected));
        for reader in readers {
            assert!(reader.await.unwrap().unwrap() == expected);
        }
    }

    #[tokio::test]
    async fn the_tail_is_withheld_until_the_stage_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        let reader = stage.reader();
        stage.append(Bytes::from_static(b"wheel")).await.unwrap();
        assert!(is_waiting(&reader, 0).await, "nothing is allowed at first");
        stage.allow(3);
        assert_eq!(reader.read_at(0, 100).await, StageRead::Data(Bytes::from_static(b"whe")));
        assert!(is_waiting(&reader, 3).await);
        stage.allow(1);
        assert_eq!(reader.read_at(1, 100).await, StageRead::Data(Bytes::from_static(b"he")), "never taken back");
        let _staged = stage.finish().unwrap();
        assert!(is_waiting(&reader, 3).await, "finished is not verified");

        let follower = tokio::spawn(read_all(reader.clone()));
        stage.open();
        assert_eq!(follower.await.unwrap().unwrap(), b"wheel");
        assert_eq!(reader.read_at(3, 100).await, StageRead::Data(Bytes::from_static(b"el")));
        assert_eq!(reader.read_at(5, 100).await, StageRead::End);
        assert!(matches!(stage.append(Bytes::from_static(b"!")).await, Err(BlobError::Closed(_))));
    }

    #[tokio::test]
    async fn a_failure_reaches_readers_that_wait_and_readers_that_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        let waiting: Vec<_> = (0..64).map(|_| tokio::spawn(read_all(stage.reader()))).collect();
        stage.append(Bytes::from_static(b"half a fi")).await.unwrap();
        stage.open();
        stage.fail("the digest is another one");
        stage.fail("a second reason changes nothing");
        for reader in waiting {
            assert_eq!(&*reader.await.unwrap().unwrap_err(), "the digest is another one");
        }
        assert_eq!(&*read_all(stage.reader()).await.unwrap_err(), "the digest is another one");
        assert!(matches!(stage.finish(), Err(BlobError::Closed(_))));
    }

    #[tokio::test]
    async fn an_abandoned_stage_leaves_no_reader_waiting_and_no_tail_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        stage.append(Bytes::from_static(b"wheel")).await.unwrap();
        stage.allow(2);
        let (reader, _staged) = (stage.reader(), stage.finish().unwrap());
        let follower = tokio::spawn(read_all(reader.clone()));
        drop(stage);
        assert!(follower.await.unwrap().is_err());
        assert!(matches!(reader.read_at(2, 100).await, StageRead::Failed(_)));
    }

    #[tokio::test]
    async fn after_a_write_given_up_in_the_middle_nothing_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        stage.open();
        assert!(stage.append(vec![0; 16 << 20].into()).now_or_never().is_none());
        assert!(matches!(stage.append(Bytes::from_static(b"more")).await, Err(BlobError::Closed(_))));
        assert!(matches!(stage.finish(), Err(BlobError::Closed(_))));
        assert!(read_all(stage.reader()).await.is_err());
    }

    #[tokio::test]
    async fn an_opened_and_finished_stage_outlives_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        stage.append(Bytes::from_static(b"wheel")).await.unwrap();
        stage.open();
        stage.finish().unwrap();
        let reader = stage.reader();
        drop(stage);
        assert_eq!(read_all(reader).await.unwrap(), b"wheel");
    }

    #[tokio::test]
    async fn the_file_goes_with_its_last_holder() {
        let folder = tempfile::tempdir().unwrap();
        let (_area, mut stage) = begin(&folder).await;
        stage.append(Bytes::from_static(b"wheel")).await.unwrap();
        let (reader, staged) = (stage.reader(), stage.finish().unwrap());
        drop((stage, staged.clone()));
        assert!(staged.path.exists());
        let path = staged.path.clone();
        drop(staged);
        assert!(path.exists(), "a reader still holds it");
        drop(reader);
        for _ in 0..100 {
            if !path.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the stage's file is still there");
    }

    #[tokio::test]
    async fn a_start_clears_what_a_crash_left_and_a_second_process_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("7.stage"), "left over").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        let area = StagingArea::open(folder.path()).unwrap();
        assert!(!folder.path().join("7.stage").exists());
        assert!(folder.path().join("notes.txt").exists());
        assert!(matches!(StagingArea::open(folder.path()), Err(BlobError::InUse(_))));
        drop(area);
        StagingArea::open(folder.path()).unwrap();
    }
}
