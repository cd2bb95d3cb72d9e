//! The download log: one small row for who fetched which bytes on which day.

use async_trait::async_trait;

use super::shelves::{Shelf, abort};
use super::{SledStore, keys};
use crate::domain::Sha256;
use crate::store::{Download, Downloads, StoreError, record};

#[async_trait]
impl Downloads for SledStore {
    async fn add(&self, downloads: Vec<Download>) -> Result<(), StoreError> {
        self.writing(move |draft| {
            for download in &downloads {
                let key = keys::download(&download.sha256, &download.day, &download.actor);
                let mut sum = download.clone();
                if let Some(known) = draft.read::<Download>(Shelf::Downloads, &key)? {
                    sum.count = sum.count.saturating_add(known.count);
                }
                draft.write(Shelf::Downloads, &key, &record::encode(&sum).map_err(abort)?)?;
            }
            Ok(())
        })
        .await
    }

    async fn last_download(&self, digest: &Sha256) -> Result<Option<String>, StoreError> {
        let prefix = digest.as_bytes().to_vec();
        self.reading(move |shelves| match shelves.last_key(Shelf::Downloads, &prefix)? {
            Some(key) => Ok(shelves.read::<Download>(Shelf::Downloads, &key)?.map(|download| download.day)),
            None => Ok(None),
        })
        .await
    }

    async fn of_digest(&self, digest: &Sha256) -> Result<Vec<Download>, StoreError> {
        let prefix = digest.as_bytes().to_vec();
        self.reading(move |shelves| shelves.read_all(Shelf::Downloads, prefix)).await
    }

    async fn forget_downloads(
        &self,
        before: &str,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let before = before.to_owned();
        let (old, last) = self
            .reading(move |shelves| {
                let keys = shelves.keys_after(Shelf::Downloads, Vec::new(), after).take(limit);
                let keys: Vec<sled::IVec> = keys.collect::<Result<_, _>>()?;
                let last = (keys.len() == limit).then(|| keys.last().map(|key| key.to_vec())).flatten();
                let is_old = |key: &sled::IVec| keys::day_of_download(key).is_some_and(|day| day < before.as_bytes());
                Ok((keys.into_iter().filter(is_old).collect::<Vec<_>>(), last))
            })
            .await?;
        if !old.is_empty() {
            self.writing(move |draft| old.iter().try_for_each(|key| draft.remove(Shelf::Downloads, key))).await?;
        }
        Ok(last)
    }
}
