//! Into the store as a whole: facts as they were, with index entries and counts made anew.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::commit::{put_event, put_token, put_upload};
use super::instance::{self, INSTANCE};
use super::shelves::{Abort, Draft, Shelf, abort};
use super::{SledStore, keys};
use crate::domain::{Sha256, StandingRule};
use crate::store::portable::{Fact, Frozen, Portable};
use crate::store::{StoreError, record};

/// Where it is noted that an import has not come to its end.
pub(super) const IMPORTING: &[u8] = b"importing";

fn put(draft: &Draft<'_>, fact: &Fact, counts: &mut BTreeMap<Vec<u8>, i64>) -> Result<(), Abort> {
    let write = |shelf, key: &[u8], row: Result<Vec<u8>, StoreError>| draft.write(shelf, key, &row.map_err(abort)?);
    match fact {
        Fact::HighestTime(at) => instance::put_highest(draft, *at),
        Fact::Token(token) => put_token(draft, token, &record::encode(token).map_err(abort)?),
        Fact::Rule(rule) => write(Shelf::Rules, StandingRule::key(rule).as_bytes(), record::encode(rule)),
        Fact::PrivateName { project, index } => {
            write(Shelf::PrivateNames, &keys::project(project), record::encode(index))
        }
        Fact::Project(known) => write(Shelf::Listings, &keys::project(&known.project), record::encode(known)),
        Fact::Read { project, read } => write(Shelf::Reads, &keys::project(project), record::encode(read)),
        Fact::Upload(upload) => put_upload(draft, upload, &record::encode(upload).map_err(abort)?, counts),
        Fact::Dossier(bytes) => write(Shelf::Dossiers, Sha256::of(&bytes.0).as_bytes(), record::pack(&bytes.0)),
        Fact::Snapshot { subject, bytes } => write(Shelf::Snapshots, subject.as_bytes(), record::pack(&bytes.0)),
        Fact::Download(download) => {
            let key = keys::download(&download.sha256, &download.day, &download.actor);
            write(Shelf::Downloads, &key, record::encode(download))
        }
        Fact::Event(event) => put_event(draft, event),
    }
}

#[async_trait]
impl Portable for SledStore {
    async fn freeze(&self) -> Result<Box<dyn Frozen>, StoreError> {
        self.frozen().await
    }

    async fn is_empty(&self) -> Result<bool, StoreError> {
        self.reading(|shelves| {
            if shelves.value(Shelf::Facts, IMPORTING)?.is_some() {
                return Ok(true);
            }
            let has_any = |shelf| shelves.keys(shelf, Vec::new()).next().is_some();
            Ok(![Shelf::Ledger, Shelf::Uploads, Shelf::Listings, Shelf::Tokens, Shelf::Rules].into_iter().any(has_any))
        })
        .await
    }

    async fn begin_import(&self, instance: &str) -> Result<(), StoreError> {
        // First, and for good: whatever happens from here on, this is no store any more until all is there.
        self.writing_durably(|| Ok(()), |(), draft| draft.set(Shelf::Facts, IMPORTING, &[])).await?;
        self.reading(|shelves| shelves.forget_all_but(&[IMPORTING, instance::ROWS])).await?;
        let row = record::encode(&instance)?;
        self.writing_durably(|| Ok(()), move |(), draft| draft.write(Shelf::Facts, INSTANCE, &row)).await
    }

    async fn import(&self, facts: Vec<Fact>) -> Result<(), StoreError> {
        self.writing(move |draft| {
            let mut counts = BTreeMap::new();
            facts.iter().try_for_each(|fact| put(draft, fact, &mut counts))?;
            draft.count_all(&counts)
        })
        .await
    }

    async fn finish_import(&self) -> Result<(), StoreError> {
        self.writing_durably(|| Ok(()), |(), draft| draft.unset(Shelf::Facts, IMPORTING)).await
    }
}
