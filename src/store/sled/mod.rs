//! The store of a single house: [sled](https://docs.rs/sled/0.34.7) in one folder, nothing to install.
//!
//! One transaction over all trees writes a change; a group commit makes it durable before anyone is told.

mod commit;
mod dossiers;
mod downloads;
mod flusher;
mod frozen;
mod import;
mod instance;
mod jobs;
mod keys;
mod ledger;
mod listings;
mod mend;
mod open;
mod rules;
mod shelf;
mod shelves;
mod snapshots;
mod tokens;
mod uploads;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use self::flusher::{Flusher, Pending};
pub use self::open::RESERVE;
use self::shelves::{Draft, Shelf, Shelves};
use crate::domain::{Upload, UploadId};
use crate::store::StoreError;

/// The whole store over sled. Cheap to clone; it closes with the last clone.
#[derive(Clone)]
pub struct SledStore {
    shared: Arc<Shared>,
}

/// What all clones share: the house that is open, which is exchanged for a new one where the disk has refused the engine.
struct Shared {
    house: RwLock<Option<House>>,
    path: PathBuf,
    mending: mend::Mending,
}

/// An open database. The flusher goes first: it waits for its thread, which has the database open.
struct House {
    flusher: Flusher,
    shelves: Shelves,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SledStore({})", self.shared.path.display())
    }
}

impl Shared {
    /// Works in the house that is open. Blocking.
    fn with<T>(&self, work: impl FnOnce(&House) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.mend();
        let house = self.house.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || StoreError::NoRoom("the store could not be opened again yet".into());
        work(house.as_ref().ok_or_else(closed)?)
    }
}

impl SledStore {
    /// Reads, outside the reactor: sled may wait for the disk.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelves) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || shared.with(|house| work(&house.shelves)));
        task.await.map_err(|error| StoreError::Engine(Box::new(error)))?
    }

    /// Writes in one transaction that becomes durable within half a second, for what may be lost and done again.
    async fn writing<T: Send + 'static>(
        &self,
        work: impl Fn(&Draft<'_>) -> Result<T, shelves::Abort> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reading(move |shelves| shelves.transact(work)).await
    }

    /// Writes in one transaction and returns when it would survive a power cut.
    async fn writing_durably<P: Send + 'static, T: Send + 'static>(
        &self,
        prepare: impl FnOnce() -> Result<P, StoreError> + Send + 'static,
        work: impl Fn(&P, &Draft<'_>) -> Result<T, shelves::Abort> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (written, pending) = self.writing_flushed(prepare, work).await?;
        pending.done().await?;
        Ok(written)
    }

    /// Writes in one transaction and says when it would survive a power cut. The flush is asked for together with the
    /// write, so a caller who goes away leaves nothing half done.
    async fn writing_flushed<P: Send + 'static, T: Send + 'static>(
        &self,
        prepare: impl FnOnce() -> Result<P, StoreError> + Send + 'static,
        work: impl Fn(&P, &Draft<'_>) -> Result<T, shelves::Abort> + Send + 'static,
    ) -> Result<(T, Pending), StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || {
            let prepared = prepare()?;
            shared.with(|house| {
                let written = house.shelves.transact(|draft| work(&prepared, draft))?;
                Ok((written, house.flusher.request()))
            })
        });
        task.await.map_err(|error| StoreError::Engine(Box::new(error)))?
    }
}

/// The upload with this id.
fn upload(shelves: &Shelves, id: &UploadId) -> Result<Option<Upload>, StoreError> {
    shelves.read(Shelf::Uploads, id.as_str().as_bytes())
}
