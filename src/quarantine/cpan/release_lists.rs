//! When releases appeared and went, by the mirror's own lists: RECENT where it has them, else `indices/find-ls.gz`.

use std::collections::HashMap;

use super::super::{Quarantine, QuarantineError};
use super::Mirror;
use super::mirror::LARGEST_INDEX;
use crate::domain::Timestamp;
use crate::registry::cpan::find_ls::FindLs;
use crate::registry::cpan::packages::gunzip;
use crate::registry::cpan::recent::{Recent, RecentKind};
use crate::upstream::PageAnswer;

/// A list of a month has some hundred kilobytes.
const LARGEST_LIST: u64 = 64 << 20;
/// The lists, from the shortest window to the longest that is worth asking for.
const WINDOWS: [(&str, time::Duration); 6] = [
    ("1h", time::Duration::hours(1)),
    ("6h", time::Duration::hours(6)),
    ("1d", time::Duration::days(1)),
    ("1W", time::Duration::days(7)),
    ("1M", time::Duration::days(30)),
    ("1Q", time::Duration::days(91)),
];

/// What a mirror's lists say of its releases.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// When each was published, by its path.
    pub(super) published: HashMap<Box<str>, Timestamp>,
    /// Releases that are gone, the later word counting.
    pub(super) deleted: Vec<Box<str>>,
    /// Everything that was published since then is listed.
    pub(super) covers_since: Option<Timestamp>,
}

impl Quarantine {
    /// Everything that was announced since this moment.
    pub(super) async fn announced_since(&self, mirror: &Mirror, since: Timestamp) -> Announced {
        let now = self.timekeeper.wall();
        let mut announced = Announced::default();
        let mut last: HashMap<Box<str>, (Timestamp, RecentKind)> = HashMap::new();
        for (window, span) in WINDOWS {
            let Some(recent) = self.recent(mirror, window).await else { continue };
            for entry in &recent.entries {
                let Some(path) = entry.path.strip_prefix("id/") else { continue };
                if last.get(path).is_none_or(|(epoch, _)| *epoch < entry.epoch) {
                    last.insert(path.into(), (entry.epoch, entry.kind));
                }
            }
            announced.covers_since = announced.covers_since.into_iter().chain([now - span]).min();
            if now - span <= since {
                break;
            }
        }
        for (path, (epoch, kind)) in last {
            match kind {
                RecentKind::New => {
                    announced.published.insert(path, epoch.min(now));
                }
                RecentKind::Delete => announced.deleted.push(path),
            }
        }
        announced
    }

    async fn recent(&self, mirror: &Mirror, window: &str) -> Option<Recent> {
        for suffix in ["json", "yaml"] {
            let path = format!("authors/RECENT-{window}.{suffix}");
            match self.ask_mirror(&mirror.index, &path, None, LARGEST_LIST).await {
                Ok(PageAnswer::Fresh(page)) => match Recent::read(&page.body) {
                    Ok(recent) => return Some(recent),
                    Err(error) => tracing::warn!(path, %error, "a mirror's list of changes cannot be read"),
                },
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(path, %error, "no list of changes");
                    return None;
                }
            }
        }
        None
    }

    /// The dates of all files, by the mirror's own listing.
    pub(super) async fn file_dates(&self, mirror: &Mirror) -> Result<Option<FindLs>, QuarantineError> {
        let answer = self.ask_mirror(&mirror.index, "indices/find-ls.gz", None, LARGEST_LIST).await;
        let Ok(PageAnswer::Fresh(page)) = answer else { return Ok(None) };
        let now = self.timekeeper.wall();
        let read = tokio::task::spawn_blocking(move || {
            let most = usize::try_from(LARGEST_INDEX).unwrap_or(usize::MAX);
            let text =
                if page.body.starts_with(&[0x1f, 0x8b]) { gunzip(&page.body, most)? } else { page.body.to_vec() };
            FindLs::read(text.into(), now)
        });
        match read.await {
            Ok(Ok(listing)) => Ok(Some(listing)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the mirror's listing of files cannot be read");
                Ok(None)
            }
            Err(panic) => Err(QuarantineError::Fetch(panic.to_string())),
        }
    }
}
