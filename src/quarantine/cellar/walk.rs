//! The walk through the cellar at the start: what is there, and when it was last of use.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use time::macros::format_description;

use super::super::{Quarantine, QuarantineError};
use crate::domain::{Sha256, Timestamp};

impl Quarantine {
    /// Takes stock of what the cellar holds, once. Until that is done nothing is thrown away, or it would be the wrong thing.
    pub async fn walk_cellar(self: &Arc<Self>) -> Result<(), QuarantineError> {
        let inventory = &self.cellar.inventory;
        if inventory.is_complete() {
            return Ok(());
        }
        let now = self.timekeeper.wall();
        let mut found = self.blobs.list();
        while let Some(kept) = found.try_next().await? {
            // A disk whose clock was ahead must not keep things for ever.
            let used = self.last_download(&kept.digest, now).await?.unwrap_or(kept.stored).max(kept.stored).min(now);
            inventory.note_kept(kept.digest, kept.size, used);
        }
        inventory.complete();
        metrics::gauge!("lazaret_blob_bytes").set(super::as_gauge(inventory.bytes()));
        Ok(())
    }

    /// The end of the day on which these bytes last went to somebody.
    async fn last_download(&self, digest: &Sha256, now: Timestamp) -> Result<Option<Timestamp>, QuarantineError> {
        let Some(day) = self.store.last_download(digest).await? else { return Ok(None) };
        let day = time::Date::parse(&day, format_description!("[year]-[month]-[day]")).ok();
        Ok(day.and_then(time::Date::next_day).map(|next| next.midnight().assume_utc().min(now)))
    }
}
