//! The file gate: *the* boundary. Lock files and direct URLs never read our index, so GET, HEAD, Range and `.metadata` all
//! pass here (rules 1 to 7).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::fetch::{Progress, Running, TAIL};
use super::leave::Leave;
use super::refresh::Freshness;
use super::view::{Entry, View};
use super::{Asker, Quarantine, QuarantineError, Refusal};
use crate::domain::{CoreMetadata, FileKind, FileName, Project, ProjectName, Sha256, State, moment};

/// How long a Range or a whole archive waits for its verification (rule 3); pip gives up after 15 s without a byte, and comes
/// back after a 503.
const VERIFICATION_WAIT: Duration = Duration::from_secs(12);
/// An unknown file makes the page be read again, unless that happened this recently.
const JUST_READ: time::Duration = time::Duration::seconds(5);

/// What a client wants of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Its size and headers.
    Head,
    /// All of it.
    Whole,
    /// A part of it.
    Part,
}

/// What the gate answers.
#[derive(Debug)]
pub enum FileAnswer {
    /// May not leave.
    Refused(Refusal),
    /// What HEAD wants to know; the bytes are perhaps not fetched yet.
    Known {
        /// Their name.
        sha256: Sha256,
        /// How many, if the index or our own count says so.
        size: Option<u64>,
    },
    /// Verified bytes in the cellar.
    Ready {
        /// Their name.
        sha256: Sha256,
        /// How many.
        size: u64,
        /// Until further notice.
        leave: Leave,
    },
    /// A wheel on its way in: streamed, its tail withheld until it is verified. Or anything that was verified just now and is being put
    /// away.
    Streaming {
        /// The promised digest.
        sha256: Sha256,
        /// The promised size.
        size: u64,
        /// The fetch.
        fetch: Arc<Running>,
        /// Until further notice.
        leave: Leave,
    },
    /// Not verified in time: ask again.
    NotYet {
        /// After so long.
        retry_after: Duration,
    },
}

impl Quarantine {
    /// Passes a request for a file's bytes through the gate.
    pub async fn file(
        self: &Arc<Self>,
        name: &ProjectName,
        sha256: Sha256,
        filename: &FileName,
        want: Want,
        asker: Asker,
    ) -> Result<FileAnswer, QuarantineError> {
        let (view, opened) = self.pass(name, sha256, filename, asker).await?;
        if let Err(refusal) = opened {
            metrics::counter!("lazaret_refusals_total").increment(1);
            return Ok(FileAnswer::Refused(refusal));
        }
        let entry = view.file(filename).ok_or_else(|| QuarantineError::NotFound(filename.to_string()))?;
        // Rule 3: HEAD never fetches.
        if want == Want::Head {
            let size = entry.row.and_then(|upload| upload.size).or(entry.file.file.size);
            return Ok(FileAnswer::Known { sha256, size });
        }
        self.note_leaving(entry.row, asker).await?;
        let leave = Leave::given(self, &view, filename, asker).await;
        if entry.row.is_some_and(|upload| upload.examination.passed() == Some(sha256))
            && let Some(size) = self.blobs.size(&sha256).await?
        {
            return Ok(FileAnswer::Ready { sha256, size, leave });
        }
        let kind = entry.file.file.kind;
        let promised = entry.file.file.size;
        let _waits = self.precedence.client();
        let fetch = self.fetch(&view, filename).await?;
        if let Progress::OverBudget = &*fetch.progress.borrow() {
            return Ok(FileAnswer::Refused(self.being_examined(&entry, &view)));
        }
        // Rule 1: only a full GET of a wheel may start before the bytes are verified. One that would be withheld whole gains
        // nothing by starting, and would lose the chance to say in words what went wrong.
        if want == Want::Whole
            && kind == FileKind::Wheel
            && let Some(size) = promised.filter(|size| *size > TAIL)
        {
            return Ok(FileAnswer::Streaming { sha256, size, fetch, leave });
        }
        let began = tokio::time::Instant::now();
        if want == Want::Whole
            && let Some(size) = fetch.cleared(VERIFICATION_WAIT).await
        {
            return Ok(FileAnswer::Streaming { sha256, size, fetch, leave });
        }
        match fetch.settled(VERIFICATION_WAIT.saturating_sub(began.elapsed())).await {
            Some(Ok(upload)) if self.may_leave(&upload, asker) => {
                Ok(FileAnswer::Ready { sha256, size: upload.size.unwrap_or_default(), leave })
            }
            // It was refused while it came, by a person or by its examination.
            Some(Ok(_) | Err(QuarantineError::Forbidden(_))) => {
                let (_, opened) = self.pass(name, sha256, filename, asker).await?;
                let refusal = opened.err().unwrap_or_else(|| self.being_examined(&entry, &view));
                Ok(FileAnswer::Refused(refusal))
            }
            Some(Err(error)) => Err(error),
            None if matches!(&*fetch.progress.borrow(), Progress::OverBudget) => {
                Ok(FileAnswer::Refused(self.being_examined(&entry, &view)))
            }
            None => Ok(FileAnswer::NotYet { retry_after: Duration::from_secs(5) }),
        }
    }

    /// Passes a request for a file's `.metadata` through the same gate.
    pub async fn metadata(
        self: &Arc<Self>,
        name: &ProjectName,
        sha256: Sha256,
        filename: &FileName,
        asker: Asker,
    ) -> Result<Result<Bytes, Refusal>, QuarantineError> {
        let (view, opened) = self.pass(name, sha256, filename, asker).await?;
        if let Err(refusal) = opened {
            metrics::counter!("lazaret_refusals_total").increment(1);
            return Ok(Err(refusal));
        }
        let entry = view.file(filename).ok_or_else(|| QuarantineError::NotFound(filename.to_string()))?;
        if let Some(own) = entry.row.and_then(|upload| upload.metadata) {
            return Ok(Ok(self.blobs.whole(&own).await?));
        }
        if entry.file.file.core_metadata == CoreMetadata::No {
            return Err(QuarantineError::NotFound(format!("{filename}.metadata")));
        }
        let offered = self.offered_metadata(&view, entry.file).await;
        if let Ok(Some(bytes)) = offered {
            return Ok(Ok(bytes.into()));
        }
        // Rule 4: what was advertised is served. What the index does not give, or not as it promised, is in the wheel.
        let fetch = self.fetch(&view, filename).await?;
        match fetch.settled(VERIFICATION_WAIT).await {
            Some(Ok(upload)) if self.may_leave(&upload, asker) => match &upload.metadata {
                Some(own) => Ok(Ok(self.blobs.whole(own).await?)),
                None => Err(QuarantineError::NotFound(format!("{filename}.metadata"))),
            },
            Some(Ok(_) | Err(QuarantineError::Forbidden(_))) => {
                let (_, opened) = self.pass(name, sha256, filename, asker).await?;
                Ok(Err(opened.err().unwrap_or_else(|| self.being_examined(&entry, &view))))
            }
            Some(Err(error)) => Err(error),
            None => Err(QuarantineError::Fetch(format!("{filename} was not examined in time, try again"))),
        }
    }

    /// Passes a request for a file's attestations (PEP 740) through the same gate; they are the upstream's, unchanged.
    pub async fn provenance(
        self: &Arc<Self>,
        name: &ProjectName,
        sha256: Sha256,
        filename: &FileName,
        asker: Asker,
    ) -> Result<Result<Bytes, Refusal>, QuarantineError> {
        let (view, opened) = self.pass(name, sha256, filename, asker).await?;
        if let Err(refusal) = opened {
            return Ok(Err(refusal));
        }
        let missing = || QuarantineError::NotFound(format!("{filename}.provenance"));
        let entry = view.file(filename).ok_or_else(missing)?;
        match self.fetch_provenance(&view, entry.file).await? {
            Some(bytes) => Ok(Ok(bytes)),
            None => Err(missing()),
        }
    }

    /// The view of a project, read again if something that is asked for is not in it: it may be new.
    pub(super) async fn view_with_all(
        self: &Arc<Self>,
        project: &Project,
        has_all: impl Fn(&View) -> bool,
    ) -> Result<Arc<View>, QuarantineError> {
        let view = self.view(project, Freshness::Usual).await?;
        let now = self.timekeeper.now();
        let is_old = view.read_at.is_none_or(|read| now - read > JUST_READ || read > now);
        if view.known.is_some() && is_old && !has_all(&view) {
            return self.view(project, Freshness::Since(now)).await;
        }
        Ok(view)
    }

    /// Finds the file, reading the project's index first if it was never seen, and says whether it may leave.
    async fn pass(
        self: &Arc<Self>,
        name: &ProjectName,
        sha256: Sha256,
        filename: &FileName,
        asker: Asker,
    ) -> Result<(Arc<View>, Result<(), Refusal>), QuarantineError> {
        let project = Project::pypi(name.clone());
        let is_listed = |view: &View| view.file(filename).is_some_and(|entry| entry.sha256() == Some(sha256));
        let view = self.view_with_all(&project, is_listed).await?;
        if view.known.is_none() {
            return Ok((view, Err(internal_name(&project))));
        }
        let Some(entry) = view.file(filename).filter(|entry| entry.sha256() == Some(sha256)) else {
            // Other bytes under this name may be known: rejected, recalled, or of another index.
            let opened = match self
                .store
                .named(filename)
                .await?
                .into_iter()
                .find(|upload| upload.project == project && upload.sha256 == Some(sha256))
            {
                Some(upload) if upload.state != State::Released => {
                    Err(super::explain::refusal(&upload, upload.display_version()))
                }
                _ => return Err(QuarantineError::NotFound(filename.to_string())),
            };
            return Ok((view, opened));
        };
        let opened = match entry.under(view.mode_for(asker)).refusal(&project) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        };
        Ok((view, opened))
    }

    fn being_examined(&self, entry: &Entry<'_>, view: &View) -> Refusal {
        let again = self.timekeeper.now() + time::Duration::minutes(1);
        Refusal {
            id: entry.row.map(|upload| upload.id.clone()),
            what: format!("{} {}", view.project.name, entry.file.file.version),
            state: State::Held,
            why: format!("is being examined, try again at {}", moment(again)),
            until: Some(again),
            reasons: Vec::new(),
        }
    }

    /// The cellar, for serving what the gate opened.
    pub fn blobs(&self) -> &Arc<dyn crate::blob::Blobs> {
        &self.blobs
    }
}

/// The name is ours and no private index shows it: nothing of that name leaves.
pub(super) fn internal_name(project: &Project) -> Refusal {
    Refusal {
        id: None,
        what: project.name.to_string(),
        state: State::Rejected,
        why: "is an internal name here and is never taken from a public index".to_owned(),
        until: None,
        reasons: Vec::new(),
    }
}
