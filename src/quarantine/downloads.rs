//! Who fetched what: noted beside the answer, never in its way, and written down every few seconds. When something turns bad,
//! this says whom it reached.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use time::macros::format_description;
use tokio::sync::mpsc;

use super::{Quarantine, QuarantineError};
use crate::domain::{EventDraft, EventKind, FileName, Sha256, Timestamp, Upload};
use crate::store::{Download, Job};

/// The kind of job that forgets what is too old.
pub const FORGET: &str = "forget-downloads";
/// How often.
const FORGET_EVERY: time::Duration = time::Duration::DAY;
/// So many rows are looked at in one go.
const AT_ONCE: usize = 1_000;

/// So many downloads wait to be written down; more than that are counted as lost rather than waited for.
const WAITING: usize = 8_192;
/// So many are kept in memory while the store takes nothing.
const UNWRITTEN: usize = 100_000;
/// So many fetchers are named in an event; the download log has the others.
const NAMED: usize = 50;

/// Who fetches: by name where the door knows one, else by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fetcher {
    /// A token's name, or that of a certificate.
    Named(Arc<str>),
    /// Anybody at this address.
    Address(IpAddr),
}

impl fmt::Display for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Somebody who has a file that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The file.
    pub filename: FileName,
    /// Who fetched it, when, and how often.
    pub download: Download,
}

/// Downloads that are not written down yet.
#[derive(Debug)]
pub(super) struct Notes {
    sender: mpsc::Sender<(Sha256, Fetcher)>,
    receiver: Mutex<mpsc::Receiver<(Sha256, Fetcher)>>,
    /// What the store did not take: it is tried again with what comes later.
    unwritten: Mutex<Vec<Download>>,
}

impl Default for Notes {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(receiver), unwritten: Mutex::default() }
    }
}

/// `2026-11-22`.
fn day(time: Timestamp) -> String {
    time.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

impl Quarantine {
    /// Notes that these bytes began to go to somebody.
    pub fn note_download(&self, sha256: Sha256, fetcher: Fetcher) {
        if self.downloads.sender.try_send((sha256, fetcher)).is_err() {
            // Who fetched it is lost; that somebody did is not.
            self.cellar.inventory.note_used(&sha256, self.timekeeper.wall());
            metrics::counter!("lazaret_downloads_not_noted_total").increment(1);
        }
    }

    /// Writes down what was noted since the last time.
    pub async fn write_downloads(&self) -> Result<(), QuarantineError> {
        let day = day(self.timekeeper.wall());
        let mut counts: HashMap<(Sha256, Fetcher), u64> = HashMap::new();
        if let Ok(mut receiver) = self.downloads.receiver.lock() {
            while let Ok(noted) = receiver.try_recv() {
                *counts.entry(noted).or_default() += 1;
            }
        }
        let mut downloads =
            self.downloads.unwritten.lock().map(|mut left| std::mem::take(&mut *left)).unwrap_or_default();
        if counts.is_empty() && downloads.is_empty() {
            return Ok(());
        }
        let now = self.timekeeper.wall();
        for (sha256, _) in counts.keys() {
            self.cellar.inventory.note_used(sha256, now);
        }
        let download = |((sha256, fetcher), count): ((Sha256, Fetcher), u64)| Download {
            sha256,
            actor: fetcher.to_string(),
            day: day.clone(),
            count,
        };
        downloads.extend(counts.into_iter().map(download));
        let written = self.store.add(downloads.clone()).await;
        if written.is_err() {
            let lost = downloads.len().saturating_sub(UNWRITTEN);
            metrics::counter!("lazaret_downloads_not_noted_total").increment(lost as u64);
            downloads.truncate(UNWRITTEN);
            if let Ok(mut left) = self.downloads.unwritten.lock() {
                left.extend(downloads);
            }
        }
        Ok(written?)
    }

    /// Forgets who downloaded what longer ago than the log is kept; says when to come back.
    pub async fn forget_downloads(&self) -> Result<Timestamp, QuarantineError> {
        let now = self.timekeeper.wall();
        let before = day(now - time::Duration::days(self.settings.download_days.into()));
        let mut after = None;
        loop {
            after = self.store.forget_downloads(&before, after, AT_ONCE).await?;
            if after.is_none() {
                return Ok(now + FORGET_EVERY);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Leaves the errand of forgetting, now.
    pub async fn leave_forgetting(&self) -> Result<(), QuarantineError> {
        let (kind, run_at) = (FORGET.to_owned(), self.timekeeper.wall());
        Ok(self.store.enqueue(Job { key: kind.clone(), kind, subject: String::new(), run_at, attempts: 0 }).await?)
    }

    /// Who got these bytes, the latest first; with those who are getting them now.
    pub async fn downloads_of(&self, digest: &Sha256) -> Result<Vec<Download>, QuarantineError> {
        // What the disk does not take is not lost, and no reason to answer nothing.
        let _ = self.write_downloads().await;
        let mut downloads = self.store.of_digest(digest).await?;
        downloads.sort_by(|one, two| two.day.cmp(&one.day).then_with(|| one.actor.cmp(&two.actor)));
        Ok(downloads)
    }

    /// Whom these files reached; all of it is written down by now.
    pub(super) async fn reached_by(&self, uploads: &[Upload]) -> Result<Vec<Reached>, QuarantineError> {
        let mut reached = Vec::new();
        for upload in uploads {
            let Some(sha256) = upload.sha256 else { continue };
            let downloads = self.store.of_digest(&sha256).await?;
            reached
                .extend(downloads.into_iter().map(|download| Reached { filename: upload.filename.clone(), download }));
        }
        Ok(reached)
    }

    /// Adds to the events of files that were let in and are taken back whom they reached (rule 10).
    pub(super) async fn add_blast_radius(
        &self,
        events: &mut [EventDraft],
        uploads: &[Upload],
    ) -> Result<(), QuarantineError> {
        let taken_back = |event: &&mut EventDraft| matches!(event.kind, EventKind::Suspended | EventKind::Recalled);
        for event in events.iter_mut().filter(taken_back) {
            let upload = uploads.iter().find(|upload| Some(&upload.id) == event.upload.as_ref());
            let Some(sha256) = upload.and_then(|upload| upload.sha256) else { continue };
            self.write_downloads().await?;
            let reached = self.store.of_digest(&sha256).await?;
            let named: Vec<&Download> = reached.iter().take(NAMED).collect();
            if !event.details.is_object() {
                event.details = serde_json::json!({});
            }
            event.details["downloads"] = serde_json::json!(reached.iter().map(|download| download.count).sum::<u64>());
            event.details["reached"] = serde_json::json!(named);
        }
        Ok(())
    }
}
