//! Facts that must survive: narrow traits for reading, and one door for writing, so that a change is a whole or nothing.
//!
//! Everything a decision touches (rows, listing, rules, ledger) is one [`Change`], committed in one transaction and flushed
//! before [`Changes::commit`] returns. `tests/contract/` holds every implementation to the same suite.

pub mod portable;
pub mod record;
pub mod sled;
pub mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use portable::{Fact, Frozen, Portable};

use crate::domain::audit::Head;
use crate::domain::{
    Ecosystem, Event, EventDraft, FileName, KnownProject, Mode, PageRead, Project, Role, Sha256, StandingRule, State,
    Timestamp, Upload, UploadId,
};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the row since it was read: read again and decide again.
    #[error("{0} was changed by someone else in the meantime")]
    Conflict(String),
    /// A row cannot be read.
    #[error("the store's row {key} cannot be read; `lazaret export` from a replica or a backup, then `lazaret import`")]
    Unreadable {
        /// Which row.
        key: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer lazaret wrote this store.
    #[error("the store has rows of version {found}, this lazaret reads up to {known}: start the newer one")]
    TooNew {
        /// In the row.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// The store is in use or damaged.
    #[error("{0}")]
    Refused(String),
    /// The disk is full.
    #[error(
        "the disk is full: nothing can be decided or written down until there is room. Free some, or move store.data_dir; what is \
         cached is served meanwhile, and it goes on by itself"
    )]
    NoRoom(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk is mounted read-only.
    #[error(
        "the disk refuses writing: nothing can be decided or written down. Check that it is not mounted read-only, as Linux does after \
         an error, and who owns store.data_dir; what is cached is served meanwhile, and it goes on by itself"
    )]
    ReadOnly(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The storage engine failed.
    #[error("the store failed: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// The failure of a disk, by what it means; `None`: another failure.
    pub(crate) fn of_disk(error: &std::io::Error) -> Option<Self> {
        use std::io::ErrorKind;

        // A copy with the same words: the original is the engine's.
        let source = || std::io::Error::new(error.kind(), error.to_string()).into();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Self::NoRoom(source())),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Some(Self::ReadOnly(source())),
            _ => None,
        }
    }

    /// Whether nothing is wrong but that the disk takes nothing: it goes on by itself once it does.
    pub fn is_disk_refusing(&self) -> bool {
        matches!(self, Self::NoRoom(_) | Self::ReadOnly(_))
    }
}

/// One whole change: all of it happens, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The packed row of a project, if it changed.
    pub listing: Option<Arc<KnownProject>>,
    /// The last complete read of a page.
    pub read: Option<(Project, PageRead)>,
    /// Rows to write, compare-and-set: `revision` must be the stored one (0: there is none yet). Stored with `revision + 1`.
    pub uploads: Vec<Upload>,
    /// Standing rules to write; one with the same [`StandingRule::key`] is replaced.
    pub rules: Vec<StandingRule>,
    /// Keys of standing rules to remove.
    pub lifted: Vec<String>,
    /// Tokens to write, by name.
    pub tokens: Vec<Token>,
    /// Snapshots to keep, by subject, each in the place of the one before.
    pub snapshots: Vec<(String, Vec<u8>)>,
    /// What the ledger says of it, in this order.
    pub events: Vec<EventDraft>,
}

/// The one door for writing.
#[async_trait]
pub trait Changes: Send + Sync + fmt::Debug {
    /// Makes the change durable and returns the events in their places. [`StoreError::Conflict`]: nothing was written.
    async fn commit(&self, change: Change) -> Result<Vec<Event>, StoreError>;
    /// Writes a change that would be found out again if it were lost, and lets nobody wait for the disk: as whole as
    /// [`commit`](Self::commit), durable with the next flush, which is under way.
    async fn note(&self, change: Change) -> Result<Vec<Event>, StoreError>;
    /// Whether a change would be taken, as far as the disk says.
    async fn check_room(&self) -> Result<(), StoreError>;
}

/// Pages and what is known of them.
#[async_trait]
pub trait Listings: Send + Sync + fmt::Debug {
    /// The packed row.
    async fn project(&self, project: &Project) -> Result<Option<KnownProject>, StoreError>;
    /// The last complete read.
    async fn page_read(&self, project: &Project) -> Result<Option<PageRead>, StoreError>;
    /// Notes a read that changed nothing; need not be flushed at once.
    async fn touch(&self, project: &Project, read: PageRead) -> Result<(), StoreError>;
    /// Known projects in order of their names, after the given one.
    async fn projects(
        &self,
        ecosystem: Ecosystem,
        after: Option<&Project>,
        limit: usize,
    ) -> Result<Vec<Project>, StoreError>;
}

/// Which uploads to list.
#[derive(Debug, Clone, Default)]
pub struct UploadQuery {
    /// Only in this state.
    pub state: Option<State>,
    /// Only of this ecosystem.
    pub ecosystem: Option<Ecosystem>,
    /// Only of this project.
    pub project: Option<Project>,
    /// At most so many.
    pub limit: usize,
    /// Where the last answer ended.
    pub cursor: Option<UploadId>,
}

/// One file each.
#[async_trait]
pub trait Uploads: Send + Sync + fmt::Debug {
    /// The row with this id.
    async fn get(&self, id: &UploadId) -> Result<Option<Upload>, StoreError>;
    /// All rows of a project.
    async fn of(&self, project: &Project) -> Result<Vec<Upload>, StoreError>;
    /// All rows whose bytes have this digest.
    async fn with_digest(&self, digest: &Sha256) -> Result<Vec<Upload>, StoreError>;
    /// All rows of files with this name; a name without folders means it in any folder.
    async fn named(&self, filename: &FileName) -> Result<Vec<Upload>, StoreError>;
    /// A page of rows in order of their ids.
    async fn list(&self, query: &UploadQuery) -> Result<Vec<Upload>, StoreError>;
    /// Held rows whose `hold_until` is not after `now`, earliest first.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Upload>, StoreError>;
    /// How many rows are in each state, in the order of [`State::ALL`].
    async fn counts(&self) -> Result<[u64; 4], StoreError>;
}

/// The hash-chained audit ledger; written by [`Changes::commit`] only.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// The end of the chain.
    async fn head(&self) -> Result<Head, StoreError>;
    /// Events after this number, in order.
    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError>;
    /// Events about one upload, in order.
    async fn events_of(&self, upload: &UploadId) -> Result<Vec<Event>, StoreError>;
}

/// Content-addressed evidence.
#[async_trait]
pub trait Dossiers: Send + Sync + fmt::Debug {
    /// Keeps these bytes under their digest.
    async fn keep(&self, bytes: Vec<u8>) -> Result<Sha256, StoreError>;
    /// The bytes with this digest.
    async fn fetch(&self, digest: &Sha256) -> Result<Option<Vec<u8>>, StoreError>;
    /// Digests of what is kept, in their order, after the given one.
    async fn digests(&self, after: Option<&Sha256>, limit: usize) -> Result<Vec<Sha256>, StoreError>;
    /// Forgets these bytes, as garbage: nothing refers to them. Says how many bytes they took.
    async fn forget(&self, digests: Vec<Sha256>) -> Result<u64, StoreError>;
    /// How many bytes these take.
    async fn weight(&self, digests: Vec<Sha256>) -> Result<u64, StoreError>;
}

/// What was learned of something over time and cannot be asked again: who owned a project last month, which projects an account
/// has. One row a subject, replaced as a whole; its form is the business of whoever writes it.
#[async_trait]
pub trait Snapshots: Send + Sync + fmt::Debug {
    /// The bytes kept of this subject.
    async fn snapshot(&self, subject: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps these bytes in the place of those before; durable within half a second.
    async fn keep_snapshot(&self, subject: &str, bytes: Vec<u8>) -> Result<(), StoreError>;
}

/// Standing rules.
#[async_trait]
pub trait Rules: Send + Sync + fmt::Debug {
    /// Those of one project.
    async fn rules_of(&self, project: &Project) -> Result<Vec<StandingRule>, StoreError>;
    /// All of them.
    async fn rules(&self) -> Result<Vec<StandingRule>, StoreError>;
}

/// A token as it is kept: only its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Unique name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token: it has 256 random bits, so a slow hash would add nothing.
    pub digest: Sha256,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: Timestamp,
    /// When it ends.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub revoked: Option<Timestamp>,
    /// The mode in which its client is served, whatever is in force for everybody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// Tokens; written by [`Changes::commit`] only.
#[async_trait]
pub trait Tokens: Send + Sync + fmt::Debug {
    /// The token with this hash.
    async fn token(&self, digest: &Sha256) -> Result<Option<Token>, StoreError>;
    /// All of them, in order of their names.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;
}

/// Work that must be done some time, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Unique: the kind and what it is about. A job that is enqueued twice is one job.
    pub key: String,
    /// Which file in `jobs/` does it.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Not before.
    #[serde(with = "time::serde::rfc3339")]
    pub run_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
}

/// A queue with leases: a job whose worker died is leased again when the lease ends.
#[async_trait]
pub trait Jobs: Send + Sync + fmt::Debug {
    /// Adds jobs, or moves a waiting one with the same key to the earlier of both times; all of them or none.
    async fn enqueue_all(&self, jobs: Vec<Job>) -> Result<(), StoreError>;
    /// The same with one job.
    async fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        self.enqueue_all(vec![job]).await
    }
    /// Takes up to `limit` jobs that may run, for `lease` long.
    async fn lease(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Job>, StoreError>;
    /// The job is done.
    async fn finish(&self, key: &str) -> Result<(), StoreError>;
    /// The job failed: try again at `run_at`.
    async fn retry(&self, key: &str, run_at: Timestamp) -> Result<(), StoreError>;
    /// How many wait.
    async fn waiting(&self) -> Result<u64, StoreError>;
}

/// Facts about this installation.
#[async_trait]
pub trait Instance: Send + Sync + fmt::Debug {
    /// Identifies the store; made when it is founded.
    async fn id(&self) -> Result<String, StoreError>;
    /// The highest wall time ever seen (rule 11).
    async fn highest_time(&self) -> Result<Option<Timestamp>, StoreError>;
    /// Raises it; a lower value changes nothing.
    async fn raise_time(&self, now: Timestamp) -> Result<(), StoreError>;
    /// The private index that once showed this name (rule 15).
    async fn private_owner(&self, project: &Project) -> Result<Option<String>, StoreError>;
    /// Notes that a private index shows this name; flushed before it returns.
    async fn note_private(&self, project: &Project, index: &str) -> Result<(), StoreError>;
    /// Forgets it: an admin's decision.
    async fn forget_private(&self, project: &Project) -> Result<(), StoreError>;
}

/// Who fetched what on which day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Download {
    /// Which bytes.
    pub sha256: Sha256,
    /// A token's name or an address.
    pub actor: String,
    /// `2026-11-22`.
    pub day: String,
    /// How often.
    pub count: u64,
}

/// The download log, aggregated by bytes, actor and day.
#[async_trait]
pub trait Downloads: Send + Sync + fmt::Debug {
    /// Adds counts.
    async fn add(&self, downloads: Vec<Download>) -> Result<(), StoreError>;
    /// The last day on which these bytes went to somebody: `2026-11-22`.
    async fn last_download(&self, digest: &Sha256) -> Result<Option<String>, StoreError>;
    /// Who fetched these bytes.
    async fn of_digest(&self, digest: &Sha256) -> Result<Vec<Download>, StoreError>;
    /// Forgets what went out before this day (`2026-11-22`), among the next `limit` rows after `after`; says after which to go on,
    /// `None` at the end.
    async fn forget_downloads(
        &self,
        before: &str,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, StoreError>;
}

/// The whole store, as the house hands it around.
pub trait Store:
    Changes + Listings + Uploads + Ledger + Dossiers + Snapshots + Rules + Tokens + Jobs + Instance + Downloads + Portable
{
}

impl<T> Store for T where
    T: Changes
        + Listings
        + Uploads
        + Ledger
        + Dossiers
        + Snapshots
        + Rules
        + Tokens
        + Jobs
        + Instance
        + Downloads
        + Portable
{
}
