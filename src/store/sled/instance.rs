//! Facts about this installation: its id, the highest time it saw, and which names belong to private indexes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shelves::{Abort, Draft, Shelf, abort};
use super::{SledStore, keys};
use crate::domain::{Project, Timestamp};
use crate::store::{Instance, StoreError, record};

/// Where the id is kept.
pub(super) const INSTANCE: &[u8] = b"instance";

/// Where the highest time is kept.
const HIGHEST_TIME: &[u8] = b"highest-time";

/// Where the version of the newest rows is kept: one byte, which is no row.
pub(super) const ROWS: &[u8] = b"rows";

/// The highest time ever seen.
pub(super) fn highest(draft: &Draft<'_>) -> Result<Option<Timestamp>, Abort> {
    Ok(draft.read::<Seen>(Shelf::Facts, HIGHEST_TIME)?.map(|seen| seen.at))
}

/// Writes the highest time ever seen.
pub(super) fn put_highest(draft: &Draft<'_>, at: Timestamp) -> Result<(), Abort> {
    draft.write(Shelf::Facts, HIGHEST_TIME, &record::encode(&Seen { at }).map_err(abort)?)
}

/// A time as a row.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    #[serde(with = "time::serde::rfc3339")]
    at: Timestamp,
}

#[async_trait]
impl Instance for SledStore {
    async fn id(&self) -> Result<String, StoreError> {
        self.reading(|shelves| {
            let missing = || StoreError::Refused("the store has lost its id: restore it with `lazaret import`".into());
            shelves.read(Shelf::Facts, INSTANCE)?.ok_or_else(missing)
        })
        .await
    }

    async fn highest_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reading(|shelves| Ok(shelves.read::<Seen>(Shelf::Facts, HIGHEST_TIME)?.map(|seen| seen.at))).await
    }

    async fn raise_time(&self, now: Timestamp) -> Result<(), StoreError> {
        let row = record::encode(&Seen { at: now })?;
        self.writing(move |draft| match draft.read::<Seen>(Shelf::Facts, HIGHEST_TIME)? {
            Some(seen) if seen.at >= now => Ok(()),
            _ => draft.write(Shelf::Facts, HIGHEST_TIME, &row),
        })
        .await
    }

    async fn private_owner(&self, project: &Project) -> Result<Option<String>, StoreError> {
        let key = keys::project(project);
        self.reading(move |shelves| shelves.read(Shelf::PrivateNames, &key)).await
    }

    async fn note_private(&self, project: &Project, index: &str) -> Result<(), StoreError> {
        let key = keys::project(project);
        let row = record::encode(&index)?;
        self.writing_durably(|| Ok(()), move |(), draft| draft.write(Shelf::PrivateNames, &key, &row)).await
    }

    async fn forget_private(&self, project: &Project) -> Result<(), StoreError> {
        let key = keys::project(project);
        self.writing_durably(|| Ok(()), move |(), draft| draft.remove(Shelf::PrivateNames, &key)).await
    }
}
