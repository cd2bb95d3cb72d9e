//! The ledger: events by number, and by upload. Only [`commit`](super::commit) writes it.

use async_trait::async_trait;

use super::SledStore;
use super::shelves::Shelf;
use crate::domain::audit::Head;
use crate::domain::{Event, UploadId};
use crate::store::{Ledger, StoreError};

/// Where the end of the chain is kept.
pub(super) const HEAD: &[u8] = b"head";

/// The key of an event.
pub(super) fn key(sequence: u64) -> [u8; 8] {
    sequence.to_be_bytes()
}

/// The key that says that an event is about an upload.
pub(super) fn key_of(upload: &UploadId, sequence: u64) -> Vec<u8> {
    [upload.as_str().as_bytes(), &key(sequence)].concat()
}

#[async_trait]
impl Ledger for SledStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.reading(|shelves| Ok(shelves.read(Shelf::Facts, HEAD)?.unwrap_or(Head::EMPTY))).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.reading(move |shelves| {
            let mut events = Vec::new();
            for place in shelves.keys_after(Shelf::Ledger, Vec::new(), Some(key(after).to_vec())).take(limit) {
                events.extend(shelves.read(Shelf::Ledger, &place?)?);
            }
            Ok(events)
        })
        .await
    }

    async fn events_of(&self, upload: &UploadId) -> Result<Vec<Event>, StoreError> {
        let prefix = upload.as_str().as_bytes().to_vec();
        self.reading(move |shelves| {
            let mut events = Vec::new();
            for entry in shelves.keys(Shelf::LedgerByUpload, prefix) {
                let entry = entry?;
                let Some(sequence) = entry.last_chunk::<8>() else { continue };
                events.extend(shelves.read(Shelf::Ledger, sequence)?);
            }
            Ok(events)
        })
        .await
    }
}
