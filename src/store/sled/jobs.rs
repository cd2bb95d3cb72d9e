//! The job queue: a lease only moves a job to the lease's end, so a job whose worker died comes back by itself.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shelves::{Abort, Draft, Shelf, abort, count};
use super::{SledStore, keys};
use crate::domain::Timestamp;
use crate::store::{Job, Jobs, StoreError, record};

/// Where the jobs are counted.
const COUNT: &[u8] = b"jobs";

/// A job and what the queue knows of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Queued {
    job: Job,
    /// While somebody works on it: until when.
    #[serde(default, with = "time::serde::rfc3339::option")]
    leased_until: Option<Timestamp>,
    /// It was enqueued once more while somebody worked on it, who may not have seen why: it runs again then.
    #[serde(default, with = "time::serde::rfc3339::option")]
    again: Option<Timestamp>,
}

impl Queued {
    /// Its place in the queue.
    fn place(&self) -> Vec<u8> {
        keys::at(self.leased_until.unwrap_or(self.job.run_at), &self.job.key)
    }

    /// It waits again.
    fn waiting_from(mut self, run_at: Timestamp) -> Self {
        self.job.run_at = run_at;
        self.leased_until = None;
        self.again = None;
        self
    }
}

fn read(draft: &Draft<'_>, key: &str) -> Result<Option<Queued>, Abort> {
    draft.read(Shelf::Jobs, key.as_bytes())
}

/// Replaces a job, or adds or removes one.
fn replace(draft: &Draft<'_>, before: Option<&Queued>, after: Option<&Queued>) -> Result<(), Abort> {
    if let Some(before) = before {
        draft.unset(Shelf::JobQueue, &before.place())?;
    }
    match (before, after) {
        (_, Some(after)) => {
            draft.set(Shelf::JobQueue, &after.place(), &[])?;
            draft.write(Shelf::Jobs, after.job.key.as_bytes(), &record::encode(after).map_err(abort)?)?;
        }
        (Some(before), None) => draft.remove(Shelf::Jobs, before.job.key.as_bytes())?,
        (None, None) => {}
    }
    draft.count(COUNT, i64::from(after.is_some()) - i64::from(before.is_some()))
}

fn enqueue(draft: &Draft<'_>, job: &Job) -> Result<(), Abort> {
    let Some(known) = read(draft, &job.key)? else {
        let new = Queued { job: job.clone(), leased_until: None, again: None };
        return replace(draft, None, Some(&new));
    };
    let mut moved = known.clone();
    if known.leased_until.is_some() {
        moved.again = Some(known.again.map_or(job.run_at, |again| again.min(job.run_at)));
    } else {
        moved.job.run_at = known.job.run_at.min(job.run_at);
    }
    replace(draft, Some(&known), Some(&moved))
}

/// Leases a job if it may still run: another worker may have been faster.
fn lease(draft: &Draft<'_>, key: &str, now: Timestamp, until: Timestamp) -> Result<Option<Job>, Abort> {
    let Some(known) = read(draft, key)?.filter(|known| known.leased_until.unwrap_or(known.job.run_at) <= now) else {
        return Ok(None);
    };
    let mut leased = known.clone();
    leased.job.attempts = known.job.attempts.saturating_add(1);
    leased.leased_until = Some(until);
    replace(draft, Some(&known), Some(&leased))?;
    Ok(Some(leased.job))
}

fn finish(draft: &Draft<'_>, key: &str) -> Result<(), Abort> {
    let Some(known) = read(draft, key)? else { return Ok(()) };
    let again = known.again.map(|run_at| {
        let mut fresh = known.clone().waiting_from(run_at);
        fresh.job.attempts = 0;
        fresh
    });
    replace(draft, Some(&known), again.as_ref())
}

fn retry(draft: &Draft<'_>, key: &str, run_at: Timestamp) -> Result<(), Abort> {
    let Some(known) = read(draft, key)? else { return Ok(()) };
    let run_at = known.again.map_or(run_at, |again| again.min(run_at));
    let waiting = known.clone().waiting_from(run_at);
    replace(draft, Some(&known), Some(&waiting))
}

/// The end of a lease; one that would end after the end of time does not end.
fn end_of(now: Timestamp, lease: Duration) -> Timestamp {
    let lease = time::Duration::try_from(lease).unwrap_or(time::Duration::MAX);
    now.checked_add(lease).unwrap_or_else(|| time::PrimitiveDateTime::MAX.assume_utc())
}

#[async_trait]
impl Jobs for SledStore {
    async fn enqueue_all(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        // Nobody waits for the disk: whatever leaves a job leaves it again at the next occasion.
        self.writing(move |draft| jobs.iter().try_for_each(|job| enqueue(draft, job))).await
    }

    async fn lease(&self, now: Timestamp, lease_for: Duration, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.reading(move |shelves| {
            let until = end_of(now, lease_for);
            let mut jobs = Vec::new();
            // The places are read ahead: a leased job moves on, perhaps to a place that is still before `now`.
            let places: Result<Vec<_>, _> = shelves.keys_before(Shelf::JobQueue, keys::past(now)).take(limit).collect();
            for place in places? {
                let Some(key) = keys::what(&place) else { continue };
                jobs.extend(shelves.transact(|draft| lease(draft, key, now, until))?);
            }
            Ok(jobs)
        })
        .await
    }

    async fn finish(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.writing(move |draft| finish(draft, &key)).await
    }

    async fn retry(&self, key: &str, run_at: Timestamp) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.writing(move |draft| retry(draft, &key, run_at)).await
    }

    /// Those that are being worked on wait too, until they are finished.
    async fn waiting(&self) -> Result<u64, StoreError> {
        self.reading(|shelves| Ok(count(shelves.value(Shelf::Counts, COUNT)?.as_deref()))).await
    }
}
