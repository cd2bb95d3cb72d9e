//! A full cellar: the least recently used bytes leave, if they can be had again.

use std::sync::Arc;

use super::super::refresh::Freshness;
use super::super::{Quarantine, QuarantineError};
use super::as_gauge;
use crate::domain::{Sha256, Timestamp, Upload};

/// An index that was read this recently says what it still has. Before that it is asked.
const TOLD_LATELY: time::Duration = time::Duration::days(1);
/// So many pieces are looked at in one go.
const LOOKED_AT: usize = 500;
/// Where nothing may leave, it is tried again after this, or when there is more.
const REST: time::Duration = time::Duration::minutes(10);

/// What left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Eviction {
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many bytes too many are left, because they may not leave.
    pub over: u64,
}

impl Quarantine {
    /// Throws away what was used longest ago until the cellar holds no more than it may. What may not leave: what is in use, what
    /// was fetched or downloaded lately, what its index does not have any more or does not answer for, and what is no file.
    /// Costs next to nothing while there is room.
    pub async fn keep_within_cap(self: &Arc<Self>) -> Result<Eviction, QuarantineError> {
        let inventory = &self.cellar.inventory;
        let (max, now) = (self.cellar.settings.max_bytes, self.timekeeper.wall());
        let held = inventory.bytes();
        metrics::gauge!("lazaret_blob_bytes").set(as_gauge(held));
        if held <= max || !inventory.is_complete() {
            metrics::gauge!("lazaret_blob_bytes_over_cap").set(as_gauge(held.saturating_sub(max)));
            self.cellar.rest().take();
            return Ok(Eviction::default());
        }
        if self.cellar.rest().is_some_and(|(until, then)| now < until && held <= then) {
            return Ok(Eviction { over: held - max, ..Eviction::default() });
        }
        let _turn = self.cellar.turn.lock().await;
        let eviction = self.evict(max, now).await?;
        metrics::gauge!("lazaret_blob_bytes").set(as_gauge(inventory.bytes()));
        metrics::gauge!("lazaret_blob_bytes_over_cap").set(as_gauge(eviction.over));
        if eviction.files > 0 {
            tracing::info!(files = eviction.files, bytes = eviction.bytes, "the cellar was full: the least used left");
        }
        Ok(eviction)
    }

    async fn evict(self: &Arc<Self>, max: u64, now: Timestamp) -> Result<Eviction, QuarantineError> {
        let inventory = &self.cellar.inventory;
        let keep = time::Duration::try_from(self.cellar.settings.keep_downloaded).unwrap_or(time::Duration::MAX);
        // What was used longest ago, and nothing that was used since.
        let until = now.checked_sub(keep).unwrap_or(time::PrimitiveDateTime::MIN.assume_utc());
        let mut eviction = Eviction::default();
        let (mut place, mut spared, mut is_end) = (None, Vec::new(), false);
        for _ in 0..LOOKED_AT {
            if inventory.bytes() <= max {
                break;
            }
            let Some((next, size)) = inventory.next_unused(place, until) else {
                is_end = true;
                break;
            };
            place = Some(next);
            let digest = next.1;
            if !self.may_be_had_again(&digest, now).await? {
                spared.push(digest);
                continue;
            }
            // It may have been asked for while its index was.
            let Some(_claim) = inventory.claim(digest, until) else { continue };
            self.blobs.remove(&digest).await?;
            metrics::counter!("lazaret_blobs_evicted_total").increment(1);
            metrics::counter!("lazaret_blob_bytes_evicted_total").increment(size);
            eviction.files += 1;
            eviction.bytes += size;
        }
        // What had to stay goes to the end of the line, as if it were used now: it is not looked at again and again.
        for digest in &spared {
            inventory.note_used(digest, now);
        }
        eviction.over = inventory.bytes().saturating_sub(max);
        if is_end && eviction.over > 0 {
            let held = inventory.bytes();
            tracing::warn!(
                over = eviction.over,
                held,
                max,
                "the cellar holds more than store.max_bytes, and nothing more may leave: what is left was downloaded within \
                 store.keep_downloaded, has vanished upstream, or its index does not answer. Raise store.max_bytes or \
                 shorten store.keep_downloaded"
            );
            *self.cellar.rest() = Some((now + REST, held));
        }
        Ok(eviction)
    }

    /// Whether these bytes are files, and all their indexes have them still. Who does not answer is taken for one that has not.
    async fn may_be_had_again(self: &Arc<Self>, digest: &Sha256, now: Timestamp) -> Result<bool, QuarantineError> {
        let uploads = self.store.with_digest(digest).await?;
        for upload in &uploads {
            if !self.is_upstream(upload, digest, now).await {
                return Ok(false);
            }
        }
        // What belongs to no file is METADATA, which is a fact, or garbage, which is somebody else's business.
        Ok(!uploads.is_empty())
    }

    async fn is_upstream(self: &Arc<Self>, upload: &Upload, digest: &Sha256, now: Timestamp) -> bool {
        let Ok(view) = self.view_of_the_house(&upload.project, Freshness::Since(now - TOLD_LATELY)).await else {
            return false;
        };
        let is_of_now = view.stale.is_none() && view.read_at.is_some_and(|read| read >= now - TOLD_LATELY);
        let is_from_there = view.known.as_ref().is_some_and(|known| known.origin == upload.origin);
        let entry = view.file(&upload.filename);
        is_of_now
            && is_from_there
            && entry.is_some_and(|entry| {
                entry.file.vanished.is_none() && entry.file.disputed.is_none() && entry.sha256() == Some(*digest)
            })
    }
}
