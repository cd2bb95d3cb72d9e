//! The cellar's housekeeping: what it holds, what leaves it when it is full, and what nothing refers to any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Quarantine, QuarantineError};
use crate::blob::Inventory;
use crate::domain::{Sha256, Timestamp};

mod evict;
mod garbage;
mod walk;

pub use evict::Eviction;
pub use garbage::{COLLECT_GARBAGE, Garbage};

/// How much the cellar may hold.
#[derive(Debug, Clone, Copy)]
pub struct CellarSettings {
    /// Bytes of fetched files, and what was read out of them.
    pub max_bytes: u64,
    /// What was fetched or downloaded within this time is not thrown away.
    pub keep_downloaded: Duration,
}

/// What the quarantine knows of its cellar.
#[derive(Debug)]
pub(super) struct Cellar {
    pub(super) inventory: Arc<Inventory>,
    settings: CellarSettings,
    /// Nothing more could leave: until when nothing is tried, and how much was held then.
    rest: Mutex<Option<(Timestamp, u64)>>,
    /// One at a time throws things away.
    turn: tokio::sync::Mutex<()>,
    /// Evidence that was kept just now, and whose row may not be written yet.
    fresh_dossiers: moka::sync::Cache<Sha256, ()>,
    /// Evidence is not thrown away while some is kept.
    dossiers: tokio::sync::RwLock<()>,
}

impl Cellar {
    pub(super) fn new(inventory: Arc<Inventory>, settings: CellarSettings) -> Self {
        Self {
            inventory,
            settings,
            rest: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            fresh_dossiers: moka::sync::Cache::builder()
                .max_capacity(garbage::FRESH_DOSSIERS)
                .time_to_live(garbage::DOSSIER_GRACE)
                .build(),
            dossiers: tokio::sync::RwLock::default(),
        }
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, u64)>> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quarantine {
    /// Keeps evidence; the row that names it is written after this.
    pub(super) async fn keep_dossier(&self, bytes: Vec<u8>) -> Result<Sha256, QuarantineError> {
        let _kept = self.cellar.dossiers.read().await;
        self.cellar.fresh_dossiers.insert(Sha256::of(&bytes), ());
        Ok(self.store.keep(bytes).await?)
    }
}

/// As a gauge wants it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^52 bytes")]
const fn as_gauge(value: u64) -> f64 {
    value as f64
}
