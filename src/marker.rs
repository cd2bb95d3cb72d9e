//! The instance marker (rule 20): a file beside the store that says how far its ledger had come. A store that is emptier than
//! its marker has forgotten decisions, rejected files among them, and must not start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::durable;
use crate::store::{Change, Store, StoreError};

/// How often the marker follows the ledger.
const PAUSE: Duration = Duration::from_secs(2);

/// Why a store must not start.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// Another store, or an empty one.
    #[error(
        "{marker} says that this data folder belongs to the store {expected}, which had {events} events; the store here is \
         {found} with {now}. Rejected files would be served again. Put the right store back, or `lazaret import` a backup; \
         only if everything was meant to be forgotten, remove {marker}"
    )]
    Forgotten {
        /// The marker's file.
        marker: String,
        /// The store it was written for.
        expected: String,
        /// Its events then.
        events: u64,
        /// The store that is here.
        found: String,
        /// Its events now.
        now: u64,
    },
    /// None at all.
    #[error(
        "{marker} says that this data folder has a store with {events} events, but {store} is not there; none was made in its place. \
         Put it back, or `lazaret import` a backup; only if everything was meant to be forgotten, remove {marker}"
    )]
    Gone {
        /// The marker's file.
        marker: String,
        /// Its events then.
        events: u64,
        /// Where the store should be.
        store: String,
    },
    /// The marker cannot be read.
    #[error("{0} cannot be read as an instance marker: {1}; put it back from a backup")]
    Unreadable(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    instance: String,
    events: u64,
}

/// The marker of one data folder.
#[derive(Debug, Clone)]
pub struct Marker {
    path: PathBuf,
}

impl Marker {
    /// The marker of this data folder.
    pub fn at(data_dir: &Path) -> Self {
        Self { path: data_dir.join("instance.json") }
    }

    /// Refuses a place without a store where there was one, before an empty one is made there.
    pub fn check_place(&self, store: &Path) -> Result<(), MarkerError> {
        match self.read()? {
            Some(Mark { events, .. }) if events > 0 && !store.exists() => {
                Err(MarkerError::Gone { marker: self.name(), events, store: store.display().to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a store that knows less than the marker.
    pub async fn check(&self, store: &dyn Store) -> Result<(), MarkerError> {
        let Some(mark) = self.read()? else { return Ok(()) };
        let (found, now) = (store.id().await?, store.head().await?.sequence);
        if mark.events > 0 && (mark.instance != found || now < mark.events) {
            let Mark { instance: expected, events } = mark;
            return Err(MarkerError::Forgotten { marker: self.name(), expected, events, found, now });
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self) -> Result<Option<Mark>, MarkerError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(MarkerError::Unreadable(self.name(), error.into())),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| MarkerError::Unreadable(self.name(), error.into()))
    }

    /// Follows the ledger until the house closes.
    pub async fn keep(&self, store: Arc<dyn Store>, mut closing: watch::Receiver<bool>) {
        let mut written = 0;
        loop {
            if let Ok(head) = store.head().await
                && head.sequence != written
            {
                self.write(&*store).await;
                written = head.sequence;
            }
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Writes how far the ledger is. A failure is told, and mended by the next writing.
    pub async fn write(&self, store: &dyn Store) {
        if let Err(error) = self.try_write(store).await {
            tracing::warn!(%error, "the instance marker cannot be written");
        }
    }

    async fn try_write(&self, store: &dyn Store) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mark = Mark { instance: store.id().await?, events: store.head().await?.sequence };
        // The end of the ledger may not be on the disk yet; a marker that is ahead of its store would keep it closed. An
        // empty change waits for everything before it.
        store.commit(Change::default()).await?;
        let (path, bytes) = (self.path.clone(), serde_json::to_vec_pretty(&mark)?);
        Ok(tokio::task::spawn_blocking(move || durable::write_whole(&path, &bytes)).await??)
    }
}
