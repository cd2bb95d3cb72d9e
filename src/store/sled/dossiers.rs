//! Evidence under its own digest: written once, never changed, checked when it is read.

use async_trait::async_trait;

use super::SledStore;
use super::shelves::Shelf;
use crate::domain::Sha256;
use crate::store::record::{self, Damage};
use crate::store::{Dossiers, StoreError};

#[async_trait]
impl Dossiers for SledStore {
    /// The commit of the upload that names the dossier makes both durable.
    async fn keep(&self, bytes: Vec<u8>) -> Result<Sha256, StoreError> {
        self.reading(move |shelves| {
            let digest = Sha256::of(&bytes);
            if shelves.value(Shelf::Dossiers, digest.as_bytes())?.is_none() {
                let row = record::pack(&bytes)?;
                shelves.transact(|draft| draft.write(Shelf::Dossiers, digest.as_bytes(), &row))?;
            }
            Ok(digest)
        })
        .await
    }

    async fn fetch(&self, digest: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let digest = *digest;
        self.reading(move |shelves| match shelves.payload(Shelf::Dossiers, digest.as_bytes())? {
            Some(bytes) if Sha256::of(&bytes) != digest => {
                Err(record::unreadable(&format!("dossiers/{digest}"), Damage::WrongDigest))
            }
            bytes => Ok(bytes),
        })
        .await
    }
}
