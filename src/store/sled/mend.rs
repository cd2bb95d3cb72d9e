//! A store whose engine was refused by a full or read-only disk is opened anew once the disk takes something: what the engine had in
//! memory and nobody was told of is forgotten with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{House, Shared};
use crate::store::StoreError;

/// How often it is tried.
const PAUSE: Duration = Duration::from_secs(2);

/// Makes an open house of what is on the disk.
type Opener = Box<dyn Fn() -> Result<House, StoreError> + Send + Sync>;

/// How to open anew, and when that was tried.
pub(super) struct Mending {
    opener: Opener,
    tried: Mutex<Option<Instant>>,
    /// How often it was done: a moment that is being read does not outlive it.
    count: AtomicU64,
}

impl Mending {
    pub(super) fn new(opener: Opener) -> Self {
        Self { opener, tried: Mutex::default(), count: AtomicU64::new(0) }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// Opens the store anew, if the disk had refused it and has room now. Costs next to nothing where it is whole. Blocking.
    pub(super) fn mend(&self) {
        let needs_mending = {
            let house = self.house.read().unwrap_or_else(PoisonError::into_inner);
            house.as_ref().is_none_or(|house| house.shelves.is_refused() && house.shelves.has_headroom())
        };
        if !needs_mending {
            return;
        }
        // One at a time, and not in a hurry.
        let Ok(mut tried) = self.mending.tried.try_lock() else { return };
        if tried.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        *tried = Some(Instant::now());
        // Waits for everybody who reads in the old one.
        let mut house = self.house.write().unwrap_or_else(PoisonError::into_inner);
        drop(house.take());
        self.mending.count.fetch_add(1, Ordering::SeqCst);
        match (self.mending.opener)() {
            Ok(opened) => {
                *house = Some(opened);
                tracing::warn!("the store was opened anew, because the disk takes something again");
                metrics::counter!("lazaret_store_opened_anew_total").increment(1);
            }
            Err(error) => tracing::error!(%error, "the store cannot be opened anew yet"),
        }
    }
}
