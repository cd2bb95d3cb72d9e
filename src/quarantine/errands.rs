//! Errands: work that a reading leaves for later, kept in the store so that it survives a restart.

use std::collections::HashSet;
use std::sync::Arc;

use super::view::View;
use super::{Quarantine, QuarantineError, family};
use crate::domain::{Ecosystem, FileName, KnownFile, Project, State, Timestamp, Version};
use crate::store::{Job, Jobs};

/// The kind of job that reads a page in use again.
pub const REREAD: &str = "reread-page";
/// The kind of job that reads what a held version requires.
pub const REQUIREMENTS: &str = "read-requirements";
/// The kind of job that fetches a file whose index promised no SHA-256, so that it can be listed.
pub const HASH: &str = "hash-file";
/// The kind of job that fetches a file ahead of any request.
pub const FETCH: &str = "fetch-file";
/// A page that nobody asked for in this time is not read again.
const IN_USE: time::Duration = time::Duration::days(7);
/// So many held versions of a project are looked at ahead of time; the others when their time comes.
const AHEAD: usize = 5;
/// So many files without a SHA-256 are fetched after one reading of a page; the next reading goes on with the others.
const HASHED_AT_ONCE: usize = 100;
/// So many of them while a client waits for the page, and so long.
const HASHED_WHILE_WAITING: usize = 4;
const HASH_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// How long such a fetch may take.
const HASH_LIMIT: std::time::Duration = std::time::Duration::from_mins(4);

impl Quarantine {
    /// Leaves the errands of a page that was just read.
    pub(super) async fn remember_errands(&self, view: &View) -> Result<(), QuarantineError> {
        if view.project.ecosystem != Ecosystem::Pypi {
            // An index of everything is polled, and what its releases require is no reason to hold them.
            return Ok(());
        }
        let now = self.timekeeper.wall();
        let project = view.project.to_string();
        let job = |kind: &str, subject: String, run_at: Timestamp| Job {
            key: format!("{kind} {subject}"),
            kind: kind.to_owned(),
            subject,
            run_at,
            attempts: 0,
        };
        let mut jobs = vec![job(REREAD, project.clone(), now + self.settings.reread)];
        let mut versions: Vec<&Version> = Vec::new();
        let mut seen = HashSet::new();
        for entry in view.files() {
            let unread = |upload: &&crate::domain::Upload| {
                upload.state == State::Held && upload.hold_until.is_some() && upload.pins.is_none()
            };
            let version = &entry.file.file.version;
            // Nobody asks for the families of old versions.
            let is_young = self.timekeeper.now() - entry.file.clock_start <= family::YOUNG;
            if is_young && entry.row.as_ref().is_some_and(unread) && seen.insert(version) {
                versions.push(version);
            }
        }
        jobs.extend(self.collecting(view, now).await?);
        let requirements = |version: &Version| job(REQUIREMENTS, format!("{project}=={version}"), now);
        jobs.extend(versions.into_iter().rev().take(AHEAD).map(requirements));
        let young = family::young_versions(view, now);
        let unseen = young.iter().filter(|version| !self.family_was_seen(&view.project, version));
        jobs.extend(unseen.map(requirements));
        // Addresses here name bytes: what nobody has hashed has none, and is not listed. The newest come first.
        let nameless: Vec<&FileName> = nameless(view).collect();
        let newest = nameless.into_iter().rev().take(HASHED_AT_ONCE);
        jobs.extend(newest.map(|filename| job(HASH, format!("{project} {filename}"), now)));
        // At once: the client that asked for the page waits for it.
        Ok(self.store.enqueue_all(jobs).await?)
    }

    /// Fetches the newest of the files that have no SHA-256 while a client waits a few seconds for their page, so that an index
    /// without digests serves at once; the others are left to a job. Says whether any were fetched.
    pub(super) async fn hash_newest(self: &Arc<Self>, view: &Arc<View>) -> bool {
        if view.project.ecosystem != Ecosystem::Pypi {
            return false;
        }
        let nameless: Vec<&FileName> = nameless(view).collect();
        let newest = nameless.into_iter().rev().take(HASHED_WHILE_WAITING);
        let fetches = newest.map(|filename| async move {
            match self.fetch(view, filename).await {
                Ok(fetch) => fetch.settled(HASH_WAIT).await.is_some_and(|outcome| outcome.is_ok()),
                Err(_) => false,
            }
        });
        futures_util::future::join_all(fetches).await.contains(&true)
    }

    /// Reads a page again if it is still in use; says whether it is.
    pub async fn reread(self: &Arc<Self>, project: &Project) -> Result<bool, QuarantineError> {
        if !self.is_used(project).await? {
            return Ok(false);
        }
        self.view(project, super::refresh::Freshness::Since(self.timekeeper.now())).await?;
        Ok(true)
    }

    /// Whether somebody here asked for it lately.
    pub(super) async fn is_used(&self, project: &Project) -> Result<bool, QuarantineError> {
        let read = self.store.page_read(project).await?;
        let used = read.and_then(|read| read.used).max(self.used.get(project));
        Ok(used.is_some_and(|used| self.timekeeper.wall() - used <= IN_USE))
    }

    /// Reads what a held version requires, so that its family is known before its time comes (rule 9).
    pub async fn read_requirements(
        self: &Arc<Self>,
        project: &Project,
        version: &Version,
    ) -> Result<(), QuarantineError> {
        let view = self.view_unasked(project).await?;
        let pins = self.pins_of(&view, version).await?;
        self.hold_with_family(&view, version, &pins).await
    }

    /// Fetches a file whose index promised no SHA-256; from then on it has a name, and is listed.
    pub async fn hash_file(self: &Arc<Self>, project: &Project, filename: &FileName) -> Result<(), QuarantineError> {
        let view = self.view_unasked(project).await?;
        let entry = view.file(filename).filter(|entry| entry.is_open() && entry.sha256().is_none());
        let Some(entry) = entry else { return Ok(()) };
        self.spend_ahead(entry.file)?;
        match self.fetch(&view, filename).await?.settled(HASH_LIMIT).await {
            Some(outcome) => outcome.map(|_| ()),
            None => Err(QuarantineError::Fetch(format!("{filename} was not examined in time"))),
        }
    }

    /// Leaves the errand of fetching a file of a project that is used here before anybody asks for it (rule 5).
    pub(super) async fn leave_fetch(
        &self,
        project: &Project,
        filename: &FileName,
        now: Timestamp,
    ) -> Result<(), QuarantineError> {
        let subject = format!("{project} {filename}");
        let job = Job { key: format!("{FETCH} {subject}"), kind: FETCH.to_owned(), subject, run_at: now, attempts: 0 };
        Ok(self.store.enqueue(job).await?)
    }

    /// Fetches, verifies and examines a file that nobody waits for; held or not, its bytes speak when its time comes.
    pub async fn fetch_file(self: &Arc<Self>, project: &Project, filename: &FileName) -> Result<(), QuarantineError> {
        let view = self.view_unasked(project).await?;
        let wanted = |state| matches!(state, State::Held | State::Released);
        let entry = view.file(filename).filter(|entry| wanted(entry.state()) && !entry.is_kept());
        let Some(entry) = entry else { return Ok(()) };
        self.spend_ahead(entry.file)?;
        match self.fetch(&view, filename).await?.settled(HASH_LIMIT).await {
            Some(outcome) => outcome.map(|_| ()),
            None => Err(QuarantineError::Fetch(format!("{filename} was not examined in time"))),
        }
    }

    /// Takes a file that no client waits for out of the hourly budget (rule 5).
    pub(super) fn spend_ahead(&self, file: &KnownFile) -> Result<(), QuarantineError> {
        if self.ahead.spend(file.file.size, self.timekeeper.wall()) {
            return Ok(());
        }
        let filename = &file.file.filename;
        Err(QuarantineError::Fetch(format!(
            "{filename} is not fetched ahead: this hour's budget is spent; it is tried again"
        )))
    }

    /// How long pages in use rest between two readings.
    pub fn reread_pause(&self) -> std::time::Duration {
        self.settings.reread
    }

    /// The queue of errands.
    pub fn jobs(&self) -> &dyn Jobs {
        &*self.store
    }

    /// Projects with a held file whose time has come.
    pub async fn due_projects(&self, limit: usize) -> Result<Vec<Project>, QuarantineError> {
        let mut projects: Vec<Project> =
            self.store.due(self.timekeeper.now(), limit).await?.into_iter().map(|upload| upload.project).collect();
        projects.sort();
        projects.dedup();
        Ok(projects)
    }

    /// Keeps the highest time ever seen (rule 11).
    pub async fn keep_time(&self) -> Result<(), QuarantineError> {
        if let Some(now) = self.timekeeper.highest_to_keep() {
            self.store.raise_time(now).await?;
        }
        Ok(())
    }
}

/// Open files that have no address yet, because nobody has hashed them.
fn nameless(view: &View) -> impl Iterator<Item = &FileName> {
    view.files().filter(|entry| entry.is_open() && entry.sha256().is_none()).map(|entry| &entry.file.file.filename)
}
