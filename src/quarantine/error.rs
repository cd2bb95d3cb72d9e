//! What can go wrong in the quarantine, in words for the one who asked.

use std::sync::Arc;
use std::time::Duration;

use crate::blob::BlobError;
use crate::domain::{IllegalMove, Project, State, Timestamp, UploadId};
use crate::registry::ReadError;
use crate::store::StoreError;
use crate::upstream::UpstreamError;

/// After this an upstream that did not answer may be well again.
const USUAL_WAIT: Duration = Duration::from_secs(30);
/// No client is sent away for longer, whatever an upstream asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Why an answer is not a page, a file or a decision. Cheap to clone: many clients may wait for one failed attempt.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QuarantineError {
    /// No index has it.
    #[error("{0} is on no index that lazaret asks")]
    NotFound(String),
    /// Nothing here has this name.
    #[error("there is no {0}")]
    NoSuch(String),
    /// An index did not answer, and nothing is known from before.
    #[error("{index} did not answer for {project}: {source}")]
    Unanswered {
        /// Which index.
        index: String,
        /// Whose page.
        project: Project,
        /// Why.
        #[source]
        source: UpstreamError,
    },
    /// No public index is configured or was discovered.
    #[error(
        "no public index is known: set pypi.upstream in lazaret.toml, or install pip so that its setting can be read"
    )]
    NoIndex,
    /// The upstream's answer makes no sense.
    #[error("the upstream's answer for {project} cannot be read: {source}")]
    Unreadable {
        /// Whose page.
        project: Project,
        /// Why.
        #[source]
        source: Arc<ReadError>,
    },
    /// The bytes could not be fetched or verified.
    #[error("{0}")]
    Fetch(String),
    /// This client made us ask too often.
    #[error("you made lazaret ask its upstreams too often in a minute; try again in {} s", in_seconds(*.wait))]
    AskedTooMuch {
        /// Until the next question is free.
        wait: Duration,
    },
    /// Somebody else decided first.
    #[error("{id} is {state} now; {}", hint(*state))]
    Conflict {
        /// Which upload.
        id: UploadId,
        /// What it is now.
        state: State,
    },
    /// The policy or the rules of the house forbid it.
    #[error("{0}")]
    Forbidden(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The store failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// Something could not be signed.
    #[error(transparent)]
    Seal(Arc<crate::seal::SealError>),
    /// The cellar failed.
    #[error(transparent)]
    Blob(Arc<BlobError>),
}

/// Whole seconds, at least one: a client that comes back too early would be sent away again.
pub fn in_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX)
}

/// What can be done with an upload in this state.
const fn hint(state: State) -> &'static str {
    match state {
        State::Held => "it was not let in: approve or reject it",
        State::Released => "it was let in already: recall takes it back",
        State::Rejected | State::Recalled => "an admin can reopen it",
    }
}

impl QuarantineError {
    /// Whether nothing is wrong but that the disk takes nothing now.
    pub fn is_disk_refusing(&self) -> bool {
        match self {
            Self::Store(error) => error.is_disk_refusing(),
            Self::Blob(error) => matches!(**error, BlobError::NoSpace { .. } | BlobError::ReadOnly { .. }),
            _ => false,
        }
    }

    /// Whether the disk is full, and not only read-only.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Store(error) => matches!(**error, StoreError::NoRoom(_)),
            Self::Blob(error) => matches!(**error, BlobError::NoSpace { .. }),
            _ => false,
        }
    }

    /// How long a client should wait before it asks again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unanswered { source, .. } => {
                let wait = source.retry_after().unwrap_or(USUAL_WAIT);
                Some(Duration::from_secs(in_seconds(wait.min(LONGEST_WAIT))))
            }
            Self::Fetch(_) | Self::Unreadable { .. } => Some(USUAL_WAIT),
            error if error.is_disk_refusing() => Some(Duration::from_mins(1)),
            Self::AskedTooMuch { wait } => Some(Duration::from_secs(in_seconds(*wait))),
            _ => None,
        }
    }
}

impl From<StoreError> for QuarantineError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<BlobError> for QuarantineError {
    fn from(error: BlobError) -> Self {
        Self::Blob(Arc::new(error))
    }
}

impl From<IllegalMove> for QuarantineError {
    fn from(error: IllegalMove) -> Self {
        Self::Forbidden(error.to_string())
    }
}

/// A refusal in the words of promise 8: what, why, until when, and where to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The upload, where there is a row for it.
    pub id: Option<UploadId>,
    /// `boto3 1.44.5`.
    pub what: String,
    /// Its state.
    pub state: State,
    /// One plain sentence.
    pub why: String,
    /// Until when, where time will end it.
    pub until: Option<Timestamp>,
    /// The sentences of the findings.
    pub reasons: Vec<String>,
}
