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

    async fn digests(&self, after: Option<&Sha256>, limit: usize) -> Result<Vec<Sha256>, StoreError> {
        let after = after.map(|digest| digest.as_bytes().to_vec());
        self.reading(move |shelves| {
            let keys = shelves.keys_after(Shelf::Dossiers, Vec::new(), after).take(limit);
            keys.map(|key| {
                let key = key?;
                let digest = <[u8; 32]>::try_from(&key[..]);
                digest.map(Sha256::from_bytes).map_err(|error| record::unreadable("dossiers", error))
            })
            .collect()
        })
        .await
    }

    /// What is lost of this in a power cut is forgotten once more.
    async fn forget(&self, digests: Vec<Sha256>) -> Result<u64, StoreError> {
        self.reading(move |shelves| {
            let mut bytes = 0;
            for digest in &digests {
                bytes += shelves.weight(Shelf::Dossiers, digest.as_bytes())?;
                shelves.transact(|draft| draft.remove(Shelf::Dossiers, digest.as_bytes()))?;
            }
            Ok(bytes)
        })
        .await
    }

    async fn weight(&self, digests: Vec<Sha256>) -> Result<u64, StoreError> {
        self.reading(move |shelves| {
            digests.iter().map(|digest| shelves.weight(Shelf::Dossiers, digest.as_bytes())).sum()
        })
        .await
    }
}
