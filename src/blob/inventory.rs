//! What is in the cellar: how much of it, when each piece was last of use, and whether somebody uses it right now.
//!
//! It is kept in memory, learned by one walk through the cellar at the start and by every change since: what is to be thrown away
//! is found without looking at what stays.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::{Sha256, Timestamp};

/// The books of a cellar.
#[derive(Debug, Default)]
pub struct Inventory {
    books: Mutex<Books>,
    /// Something that was about to leave has left, or stays.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Books {
    kept: HashMap<Sha256, Piece>,
    /// The same pieces, least recently used first.
    by_use: BTreeSet<(Timestamp, Sha256)>,
    bytes: u64,
    in_use: HashMap<Sha256, usize>,
    leaving: HashSet<Sha256>,
    is_complete: bool,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    size: u64,
    used: Timestamp,
}

impl Books {
    fn put(&mut self, digest: Sha256, size: u64, used: Timestamp) {
        let used = match self.take(&digest) {
            Some(known) => known.used.max(used),
            None => used,
        };
        self.bytes = self.bytes.saturating_add(size);
        self.by_use.insert((used, digest));
        self.kept.insert(digest, Piece { size, used });
    }

    fn take(&mut self, digest: &Sha256) -> Option<Piece> {
        let piece = self.kept.remove(digest)?;
        self.by_use.remove(&(piece.used, *digest));
        self.bytes = self.bytes.saturating_sub(piece.size);
        Some(piece)
    }

    fn is_busy(&self, digest: &Sha256) -> bool {
        self.in_use.contains_key(digest) || self.leaving.contains(digest)
    }
}

impl Inventory {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These bytes are in the cellar, and were of use then.
    pub fn note_kept(&self, digest: Sha256, size: u64, used: Timestamp) {
        self.books().put(digest, size, used);
    }

    /// They were of use then. What is not in the cellar is not put there by that.
    pub fn note_used(&self, digest: &Sha256, at: Timestamp) {
        let mut books = self.books();
        if let Some(piece) = books.kept.get(digest).copied() {
            books.put(*digest, piece.size, at);
        }
    }

    /// They are not there any more.
    pub fn note_gone(&self, digest: &Sha256) {
        self.books().take(digest);
    }

    /// The walk through the cellar is over: from now on what is not in the books is not in the cellar.
    pub fn complete(&self) {
        self.books().is_complete = true;
    }

    /// Whether all that is in the cellar is in the books.
    pub fn is_complete(&self) -> bool {
        self.books().is_complete
    }

    /// Whether these bytes are there, if the books know.
    pub fn holds(&self, digest: &Sha256) -> Option<bool> {
        let books = self.books();
        if books.kept.contains_key(digest) { Some(true) } else { books.is_complete.then_some(false) }
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> u64 {
        self.books().bytes
    }

    /// The first of the pieces behind `after`, least recently used first, that were last of use at `until` or before and that
    /// nobody uses now.
    pub fn next_unused(
        &self,
        after: Option<(Timestamp, Sha256)>,
        until: Timestamp,
    ) -> Option<((Timestamp, Sha256), u64)> {
        let books = self.books();
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        books
            .by_use
            .range((start, std::ops::Bound::Unbounded))
            .take_while(|(used, _)| *used <= until)
            .find(|(_, digest)| !books.is_busy(digest))
            .map(|place| (*place, books.kept.get(&place.1).map_or(0, |piece| piece.size)))
    }

    /// Keeps these bytes, there or not, from being thrown away until the answer is dropped. Waits where they are just being
    /// thrown away: they are gone then.
    pub async fn hold(self: &Arc<Self>, digest: Sha256) -> InUse {
        loop {
            let settled = self.settled.notified();
            {
                let mut books = self.books();
                if !books.leaving.contains(&digest) {
                    *books.in_use.entry(digest).or_default() += 1;
                    return InUse { inventory: self.clone(), digest };
                }
            }
            settled.await;
        }
    }

    /// Claims bytes in order to throw them away: `None` if somebody uses them, or did so after `until`.
    pub fn claim(self: &Arc<Self>, digest: Sha256, until: Timestamp) -> Option<Claim> {
        let mut books = self.books();
        let is_fresh = books.kept.get(&digest).is_some_and(|piece| piece.used > until);
        if is_fresh || books.is_busy(&digest) {
            return None;
        }
        books.leaving.insert(digest);
        Some(Claim { inventory: self.clone(), digest })
    }
}

/// Somebody uses these bytes.
#[derive(Debug)]
pub struct InUse {
    inventory: Arc<Inventory>,
    digest: Sha256,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut books = self.inventory.books();
        if let Some(users) = books.in_use.get_mut(&self.digest) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                books.in_use.remove(&self.digest);
            }
        }
    }
}

/// Somebody is about to throw these bytes away; whoever wants them waits until this is dropped.
#[derive(Debug)]
pub struct Claim {
    inventory: Arc<Inventory>,
    digest: Sha256,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inventory.books().leaving.remove(&self.digest);
        self.inventory.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use time::macros::datetime;

    use super::*;

    const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn at(hour: i64) -> Timestamp {
        NOON + time::Duration::hours(hour)
    }

    fn digest(name: &str) -> Sha256 {
        Sha256::of(name.as_bytes())
    }

    #[test]
    fn what_was_used_longest_ago_comes_first() {
        let inventory = Arc::new(Inventory::default());
        for (name, hour) in [("one", 1), ("two", 2), ("three", 3)] {
            inventory.note_kept(digest(name), 10, at(hour));
        }
        inventory.note_kept(digest("one"), 10, at(0));
        assert_eq!(inventory.bytes(), 30, "what is stored twice is there once");
        inventory.note_used(&digest("one"), at(4));
        inventory.note_used(&digest("nowhere"), at(4));
        let mut order = Vec::new();
        let mut place = None;
        while let Some((next, size)) = inventory.next_unused(place, at(4)) {
            assert_eq!(size, 10);
            order.push(next.1);
            place = Some(next);
        }
        assert_eq!(order, [digest("two"), digest("three"), digest("one")]);
        assert_eq!(inventory.next_unused(None, at(1)), None);
        inventory.note_gone(&digest("two"));
        assert_eq!((inventory.bytes(), inventory.holds(&digest("two"))), (20, None));
        inventory.complete();
        assert_eq!(inventory.holds(&digest("two")), Some(false));
        assert_eq!(inventory.holds(&digest("one")), Some(true));
    }

    #[tokio::test]
    async fn what_is_in_use_is_not_claimed_and_what_is_claimed_is_waited_for() {
        let inventory = Arc::new(Inventory::default());
        inventory.note_kept(digest("one"), 10, at(1));
        let (first, second) = (inventory.hold(digest("one")).await, inventory.hold(digest("one")).await);
        drop(first);
        assert!(inventory.claim(digest("one"), at(9)).is_none(), "one still uses it");
        assert_eq!(inventory.next_unused(None, at(9)), None);
        drop(second);
        assert!(inventory.claim(digest("one"), at(0)).is_none(), "it was of use since");
        let claim = inventory.claim(digest("one"), at(9)).expect("nobody uses it");
        assert!(inventory.claim(digest("one"), at(9)).is_none(), "somebody throws it away already");
        let mut waiting = Box::pin(inventory.hold(digest("one")));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(claim);
        drop(waiting.await);
        assert!(inventory.books().in_use.is_empty() && inventory.books().leaving.is_empty());
    }
}
