//! What was learned over time: one row a subject.

use async_trait::async_trait;

use super::SledStore;
use super::shelves::Shelf;
use crate::store::{Snapshots, StoreError, record};

#[async_trait]
impl Snapshots for SledStore {
    async fn snapshot(&self, subject: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = subject.as_bytes().to_vec();
        self.reading(move |shelves| shelves.payload(Shelf::Snapshots, &key)).await
    }

    async fn keep_snapshot(&self, subject: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let key = subject.as_bytes().to_vec();
        let row = record::pack(&bytes)?;
        self.writing(move |draft| draft.write(Shelf::Snapshots, &key, &row)).await
    }
}
