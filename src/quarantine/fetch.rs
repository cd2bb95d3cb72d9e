//! Bytes on their way in: one fetch for everybody who waits, hashed while it streams, examined before its tail is let go.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, watch};
use url::Url;

use super::view::View;
use super::{Asker, Quarantine, QuarantineError, toll};
use crate::archive::{self, Limits, Walk};
use crate::blob::{InUse, Stage, StageReader, Staged};
use crate::domain::{
    CoreMetadata, DigestAlgorithm, Ecosystem, FileKind, FileName, KnownFile, ListedFile, Pin, Project, Sha256, Upload,
    UploadId,
};
use crate::registry::pypi::core_metadata;
use crate::upstream::FileRequest;

/// Version of the examination's rules: bytes that passed older ones are examined again some time.
pub const RULES: u32 = 1;
/// What is withheld of a wheel until it is verified. The zip directory is at the end: without it a wheel is no wheel.
pub(super) const TAIL: u64 = 64 << 10;
/// How long clients wait for an examination after the last byte (rule 2).
pub const EXAMINATION_BUDGET: Duration = Duration::from_secs(10);
/// How long whoever asks of a file waits for it to be put away.
const PUT_AWAY_WAIT: Duration = Duration::from_secs(5);
/// How long an examination may take at all.
const EXAMINATION_LIMIT: Duration = Duration::from_mins(10);
/// A withheld wheel drips one byte this often, which keeps both pips waiting (measured).
const DRIP: Duration = Duration::from_secs(5);
/// No file on PyPI is larger by default than 100 MB; projects may ask for more, up to 10 GB.
const LARGEST_FILE: u64 = 12 << 30;

/// So many files come in at once; more wait for their turn.
const ABREAST: usize = 32;

type Flights = Arc<Mutex<HashMap<UploadId, Arc<Running>>>>;

/// The fetches that are under way.
#[derive(Debug)]
pub struct Fetches {
    running: Flights,
    places: Arc<Semaphore>,
    /// The wrong bytes that were told of last.
    pub(super) alarmed: moka::sync::Cache<UploadId, Sha256>,
}

impl Fetches {
    pub(super) fn new() -> Self {
        Self {
            running: Flights::default(),
            places: Arc::new(Semaphore::new(ABREAST)),
            alarmed: moka::sync::Cache::new(10_000),
        }
    }
}

/// Clears a fetch when its work is over, however it ended: nobody may wait for one that panicked.
#[derive(Debug)]
struct Landing {
    id: UploadId,
    running: Flights,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let removed = lock(&self.running).remove(&self.id);
        // Outside the lock: the last holder of a stage removes its file.
        drop(removed);
    }
}

fn lock(running: &Flights) -> MutexGuard<'_, HashMap<UploadId, Arc<Running>>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a fetch is.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Bytes arrive.
    Fetching,
    /// All bytes are here and are being examined.
    Examining,
    /// Over the budget: clients were sent away, the examination goes on.
    OverBudget,
    /// Verified and examined, and let go from where they are while they are put away.
    Cleared {
        /// How many.
        size: u64,
    },
    /// Verified, examined, in the cellar.
    Passed(Arc<Upload>),
    /// Not to be served.
    Failed(QuarantineError),
}

/// One fetch, shared by everybody who waits for it.
#[derive(Debug)]
pub struct Running {
    /// Reads the bytes as far as they may be seen.
    pub reader: StageReader,
    /// Where it is.
    pub progress: watch::Receiver<Progress>,
    /// Once it is known which bytes these are: they are not thrown away before everybody who waits has them.
    in_use: OnceLock<InUse>,
}

impl Running {
    /// Waits until the bytes are put away or refused; `None` when the budget is over or the time is up.
    pub async fn settled(&self, limit: Duration) -> Option<Result<Arc<Upload>, QuarantineError>> {
        let mut progress = self.progress.clone();
        let is_over =
            |progress: &Progress| matches!(progress, Progress::Passed(_) | Progress::Failed(_) | Progress::OverBudget);
        let Ok(Ok(progress)) = tokio::time::timeout(limit, progress.wait_for(is_over)).await else { return None };
        match &*progress {
            Progress::Passed(upload) => Some(Ok(upload.clone())),
            Progress::Failed(error) => Some(Err(error.clone())),
            Progress::Fetching | Progress::Examining | Progress::Cleared { .. } | Progress::OverBudget => None,
        }
    }

    /// Waits until the bytes may be read from where they came in, and says how many there are; `None` if that did not happen or is
    /// over.
    pub async fn cleared(&self, limit: Duration) -> Option<u64> {
        let mut progress = self.progress.clone();
        let wait = progress.wait_for(|progress| !matches!(progress, Progress::Fetching | Progress::Examining));
        let Ok(Ok(progress)) = tokio::time::timeout(limit, wait).await else { return None };
        match &*progress {
            Progress::Cleared { size } => Some(*size),
            _ => None,
        }
    }
}

impl Quarantine {
    /// The fetch of this file: the one under way, or a new one.
    pub async fn fetch(
        self: &Arc<Self>,
        view: &Arc<View>,
        filename: &FileName,
    ) -> Result<Arc<Running>, QuarantineError> {
        let entry = view.file(filename).ok_or_else(|| QuarantineError::NotFound(filename.to_string()))?;
        let id = UploadId::of(&view.project, filename, entry.file.file.promise.as_ref());
        if let Some(fetch) = lock(&self.fetches.running).get(&id) {
            return Ok(fetch.clone());
        }
        toll::pay()?;
        let stage = self.staging.begin().await?;
        let (tell, progress) = watch::channel(Progress::Fetching);
        let fetch = Arc::new(Running { reader: stage.reader(), progress, in_use: OnceLock::new() });
        let landing = {
            let mut running = lock(&self.fetches.running);
            // Somebody may have been faster while the stage was made.
            if let Some(fetch) = running.get(&id) {
                return Ok(fetch.clone());
            }
            running.insert(id.clone(), fetch.clone());
            Landing { id, running: self.fetches.running.clone() }
        };

        metrics::counter!("lazaret_file_fetches_total").increment(1);
        let (house, view, file, running) = (self.clone(), view.clone(), entry.file.clone(), fetch.clone());
        // A task of its own: a client that hangs up does not end a fetch that others wait for.
        tokio::spawn(async move {
            let outcome = {
                let _place = house.fetches.places.clone().acquire_owned().await;
                house.bring_in(&view, &file, stage, (&running, &tell)).await
            };
            drop(landing);
            tell.send_replace(match outcome {
                Ok(upload) => Progress::Passed(Arc::new(upload)),
                Err(error) => {
                    tracing::warn!(project = %view.project, file = %file.file.filename, %error, "fetch failed");
                    Progress::Failed(error)
                }
            });
        });
        Ok(fetch)
    }

    /// Waits until what clients were given from where it came in is put away and written down, a few seconds at most: whoever asks of
    /// it then learns of it.
    pub async fn put_away(&self) {
        let is_cleared = |fetch: &&Arc<Running>| matches!(*fetch.progress.borrow(), Progress::Cleared { .. });
        let cleared: Vec<Arc<Running>> = lock(&self.fetches.running).values().filter(is_cleared).cloned().collect();
        let settled = futures_util::future::join_all(cleared.iter().map(|fetch| fetch.settled(PUT_AWAY_WAIT)));
        drop(settled.await);
    }

    async fn bring_in(
        self: &Arc<Self>,
        view: &View,
        file: &KnownFile,
        mut stage: Stage,
        (running, tell): (&Running, &watch::Sender<Progress>),
    ) -> Result<Upload, QuarantineError> {
        if let Err(error) = self.stream_in(view, file, &mut stage).await {
            stage.fail(error.to_string());
            return Err(error);
        }
        tell.send_replace(Progress::Examining);
        let staged = stage.finish()?;
        // Nobody else sets it, so there is nothing to lose.
        let _ = running.in_use.set(self.cellar.inventory.hold(staged.sha256).await);
        if let Err(why) = self.is_as_promised(view, file, &staged).await? {
            stage.fail(why.as_str());
            self.promise_broken(view, file, &staged, &why).await?;
            return Err(QuarantineError::Fetch(why));
        }
        let walk = self.examine(&view.project, file, &staged, &mut stage, tell).await?;
        let clear = || {
            stage.open();
            tell.send_replace(Progress::Cleared { size: staged.size });
        };
        let outcome = self.settle(view, file, &staged, walk, clear).await;
        let is_cleared = matches!(*tell.borrow(), Progress::Cleared { .. });
        match &outcome {
            // A decision may have come while the bytes did: the tail is let go only for what somebody may have now. Whether this
            // is whoever waits for it, his own leave says.
            Ok(upload) if !self.may_leave(upload, Asker::OBSERVER) => stage.fail("it is not released any more"),
            Ok(_) => stage.open(),
            // Good bytes that could not be put away (a full disk) reach those who wait for them all the same.
            Err(error) if is_cleared && !matches!(error, QuarantineError::Forbidden(_)) => {}
            Err(error) => stage.fail(error.to_string()),
        }
        outcome
    }

    async fn stream_in(&self, view: &View, file: &KnownFile, stage: &mut Stage) -> Result<(), QuarantineError> {
        let origin = view.known.as_ref().map(|known| &known.origin);
        let index = origin.and_then(|origin| self.index_of(&view.project, origin)).ok_or_else(|| {
            QuarantineError::Fetch("the index that listed this file is not configured any more".into())
        })?;
        let listed = &file.file;
        let url = Url::parse(&listed.url)
            .map_err(|error| QuarantineError::Fetch(format!("{} has no usable address: {error}", listed.filename)))?;
        let mut hosts = index.allowed_hosts();
        if hosts.check(&url).is_err() {
            self.learn_file_host(index).await;
            hosts = index.allowed_hosts();
        }
        let failed = |error: crate::upstream::UpstreamError| QuarantineError::Fetch(error.to_string());
        let request = FileRequest {
            url: &url,
            accept: "*/*",
            range: None,
            max_bytes: listed.size.unwrap_or(LARGEST_FILE).min(LARGEST_FILE),
            hosts: &hosts,
            credentials: index.credentials.as_ref(),
            close: index.closes,
        };
        let mut answer = self.upstream.file(request).await.map_err(failed)?;
        let total = listed.size.or(answer.length);
        let mut written = 0;
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(failed)?;
            written += chunk.len() as u64;
            stage.append(chunk).await?;
            if listed.kind == FileKind::Wheel
                && let Some(total) = total
            {
                stage.allow(written.min(total.saturating_sub(TAIL)));
            }
        }
        Ok(())
    }

    /// Whether the bytes are the promised ones, and the ones that we have seen under this name before (rule 18).
    async fn is_as_promised(
        &self,
        view: &View,
        file: &KnownFile,
        staged: &Staged,
    ) -> Result<Result<(), String>, QuarantineError> {
        let id = UploadId::of(&view.project, &file.file.filename, file.file.promise.as_ref());
        let origin = view.known.as_ref().map(|known| &known.origin);
        let row = self.store.get(&id).await?.filter(|upload| Some(&upload.origin) == origin);
        if let Some(seen) = row.and_then(|upload| upload.examination.passed())
            && seen != staged.sha256
        {
            return Ok(Err(format!("the bytes of {} are not the ones that it had before", file.file.filename)));
        }
        if let Some(why) = self.checksums_object(view, file, staged).await {
            return Ok(Err(why));
        }
        if view.project.ecosystem == Ecosystem::Teapot
            && let Some(promise) = file.file.promise.clone().filter(|promise| promise.algorithm == DigestAlgorithm::Md5)
        {
            // An index that knows no better digest names its bytes by this one; ours pins what was seen first.
            let path = staged.path.clone();
            let hashed = tokio::task::spawn_blocking(move || super::teapot::contents::md5_of(&path)).await;
            let found = hashed.map_err(|panic| QuarantineError::Fetch(panic.to_string()))?;
            let found = found.map_err(|error| QuarantineError::Fetch(error.to_string()))?;
            if *promise.hex != *found {
                return Ok(Err(format!("{} does not have the MD5 that the index lists", file.file.filename)));
            }
        }
        let (listed, staged) = (file.file.clone(), staged.clone());
        let checked = tokio::task::spawn_blocking(move || keeps_promise(&listed, &staged));
        let checked = checked.await.map_err(|failure| QuarantineError::Fetch(failure.to_string()))?;
        checked.map_err(|error| QuarantineError::Fetch(format!("{} cannot be read back: {error}", file.file.filename)))
    }

    /// Reads the archive under limits. After the budget clients are sent away, and the examination goes on.
    async fn examine(
        &self,
        project: &Project,
        file: &KnownFile,
        staged: &Staged,
        stage: &mut Stage,
        tell: &watch::Sender<Progress>,
    ) -> Result<Walk, QuarantineError> {
        let path = staged.path.clone();
        let (filename, kind, ecosystem) = (file.file.filename.clone(), file.file.kind, project.ecosystem);
        let stock =
            self.teapot.as_ref().filter(|_| ecosystem == Ecosystem::Teapot).and_then(|side| side.stock.load_full());
        let instance = stock.and_then(|stock| super::teapot::contents::instance_of(&stock, &filename));
        let limit = tokio::time::Instant::now() + EXAMINATION_LIMIT;
        let mut work = tokio::task::spawn_blocking(move || {
            let out_of_time = || tokio::time::Instant::now() > limit;
            if ecosystem == Ecosystem::Teapot {
                return super::teapot::contents::examine(&path, instance.as_ref(), out_of_time);
            }
            let bytes = std::fs::File::open(path).map_err(archive::ArchiveError::Read)?;
            archive::walk(bytes, &filename, kind, ecosystem, &Limits::default(), out_of_time)
        });
        let budget = tokio::time::sleep(EXAMINATION_BUDGET);
        tokio::pin!(budget);
        let mut drip = tokio::time::interval_at(tokio::time::Instant::now() + DRIP, DRIP);
        let mut over = false;
        let mut shown = staged.size.saturating_sub(TAIL);
        let walked = loop {
            tokio::select! {
                walked = &mut work => break walked,
                () = &mut budget, if !over => {
                    over = true;
                    stage.fail("being examined, try again later");
                    tell.send_replace(Progress::OverBudget);
                }
                _ = drip.tick(), if !over && kind == FileKind::Wheel => {
                    shown += 1;
                    stage.allow(shown);
                }
            }
        };
        let failed = |why: String| QuarantineError::Fetch(format!("{} cannot be examined: {why}", file.file.filename));
        match walked {
            Ok(Ok(walk)) => Ok(walk),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(panic) => Err(failed(panic.to_string())),
        }
    }

    /// The `.metadata` that the upstream offers, checked against its digest if it gives one.
    pub(super) async fn offered_metadata(
        &self,
        view: &View,
        file: &KnownFile,
    ) -> Result<Option<Vec<u8>>, QuarantineError> {
        let Some(index) = view.known.as_ref().and_then(|known| self.index_of(&known.project, &known.origin)) else {
            return Ok(None);
        };
        let Ok(url) = Url::parse(&format!("{}.metadata", file.file.url)) else { return Ok(None) };
        let mut hosts = index.allowed_hosts();
        if hosts.check(&url).is_err() {
            self.learn_file_host(index).await;
            hosts = index.allowed_hosts();
        }
        let request = FileRequest {
            url: &url,
            accept: "*/*",
            range: None,
            max_bytes: 10 << 20,
            hosts: &hosts,
            credentials: index.credentials.as_ref(),
            close: index.closes,
        };
        toll::pay()?;
        let mut answer = match self.upstream.file(request).await {
            Ok(answer) => answer,
            Err(error) if error.is_clean_miss() => return Ok(None),
            Err(error) => return Err(QuarantineError::Fetch(error.to_string())),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| QuarantineError::Fetch(error.to_string()))?);
        }
        match file.file.core_metadata {
            CoreMetadata::Digest(digest) if digest != Sha256::of(&bytes) => Err(QuarantineError::Fetch(format!(
                "the .metadata of {} is not the one that the index promises",
                file.file.filename
            ))),
            _ => Ok(Some(bytes)),
        }
    }
}

/// The exact pins that a METADATA file states.
pub(super) fn pins_in(metadata: &[u8]) -> Vec<Pin> {
    core_metadata::read(metadata).map(|read| pins_of(&read)).unwrap_or_default()
}

/// The exact pins among these `Requires-Dist` lines.
pub(super) fn pins_of_lines(requires_dist: Vec<String>) -> Vec<Pin> {
    pins_of(&core_metadata::Metadata { requires_dist, ..core_metadata::Metadata::default() })
}

fn pins_of(metadata: &core_metadata::Metadata) -> Vec<Pin> {
    core_metadata::exact_pins(metadata)
        .into_iter()
        .map(|pin| Pin { project: Project::pypi(pin.project), version: pin.version })
        .collect()
}

/// Whether the bytes are the promised ones. MD5 and SHA-1 are labels, not promises: they are not checked; nor is BLAKE2,
/// which no index promises without SHA-256.
fn keeps_promise(listed: &ListedFile, staged: &Staged) -> std::io::Result<Result<(), String>> {
    if listed.size.is_some_and(|size| size != staged.size) {
        return Ok(Err(format!("{} has {} bytes, the index promised {:?}", listed.filename, staged.size, listed.size)));
    }
    let Some(promise) = &listed.promise else { return Ok(Ok(())) };
    let found = match promise.algorithm {
        DigestAlgorithm::Sha256 => staged.sha256.to_string(),
        DigestAlgorithm::Sha384 => hex_digest::<sha2::Sha384>(staged)?,
        DigestAlgorithm::Sha512 => hex_digest::<sha2::Sha512>(staged)?,
        DigestAlgorithm::Blake2b256 | DigestAlgorithm::Sha1 | DigestAlgorithm::Md5 => return Ok(Ok(())),
    };
    let kept = found == *promise.hex;
    Ok(if kept {
        Ok(())
    } else {
        Err(format!("the bytes of {} are not the ones that the index promised", listed.filename))
    })
}

/// Another digest than our own, of a file that is here already.
fn hex_digest<D: sha2::Digest>(staged: &Staged) -> std::io::Result<String> {
    let mut file = std::fs::File::open(&staged.path)?;
    let mut hasher = D::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(data_encoding::HEXLOWER.encode(&hasher.finalize())),
            length => hasher.update(&piece[..length]),
        }
    }
}
