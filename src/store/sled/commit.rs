//! The one door for writing: a whole change with its events and all index entries, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::ledger::{self, HEAD};
use super::shelves::{Abort, Draft, Shelf, abort};
use super::{SledStore, keys, uploads};
use crate::domain::audit::Head;
use crate::domain::{Event, EventDraft, StandingRule, Upload};
use crate::store::{Change, Changes, StoreError, Token, record};

/// A change whose rows are already bytes, so that the transaction, which all writers wait for, is short.
struct Prepared {
    rows: Vec<(Shelf, Vec<u8>, Vec<u8>)>,
    uploads: Vec<(Upload, Vec<u8>)>,
    tokens: Vec<(Token, Vec<u8>)>,
    lifted: Vec<String>,
    events: Vec<EventDraft>,
}

impl Prepared {
    fn new(change: Change) -> Result<Self, StoreError> {
        let mut rows = Vec::new();
        if let Some(listing) = &change.listing {
            rows.push((Shelf::Listings, keys::project(&listing.project), record::encode(&**listing)?));
        }
        if let Some((project, read)) = &change.read {
            rows.push((Shelf::Reads, keys::project(project), record::encode(read)?));
        }
        for rule in &change.rules {
            rows.push((Shelf::Rules, StandingRule::key(rule).into_bytes(), record::encode(rule)?));
        }
        for (subject, bytes) in &change.snapshots {
            rows.push((Shelf::Snapshots, subject.as_bytes().to_vec(), record::pack(bytes)?));
        }
        let mut uploads = Vec::with_capacity(change.uploads.len());
        for mut upload in change.uploads {
            upload.revision = upload.revision.saturating_add(1);
            let row = record::encode(&upload)?;
            uploads.push((upload, row));
        }
        let mut tokens = Vec::with_capacity(change.tokens.len());
        for token in change.tokens {
            let row = record::encode(&token)?;
            tokens.push((token, row));
        }
        Ok(Self { rows, uploads, tokens, lifted: change.lifted, events: change.events })
    }

    fn write(&self, draft: &Draft<'_>) -> Result<Vec<Event>, Abort> {
        let mut counts = BTreeMap::new();
        for (upload, row) in &self.uploads {
            write_upload(draft, upload, row, &mut counts)?;
        }
        draft.count_all(&counts)?;
        for key in &self.lifted {
            draft.remove(Shelf::Rules, key.as_bytes())?;
        }
        for (shelf, key, row) in &self.rows {
            draft.write(*shelf, key, row)?;
        }
        for (token, row) in &self.tokens {
            put_token(draft, token, row)?;
        }
        self.seal(draft)
    }

    /// Gives the events their places at the end of the chain.
    fn seal(&self, draft: &Draft<'_>) -> Result<Vec<Event>, Abort> {
        if self.events.is_empty() {
            return Ok(Vec::new());
        }
        let mut head = draft.read(Shelf::Facts, HEAD)?.unwrap_or(Head::EMPTY);
        let mut sealed = Vec::with_capacity(self.events.len());
        for event in &self.events {
            let (event, next) = head.seal(event.clone());
            head = next;
            put_event(draft, &event)?;
            sealed.push(event);
        }
        Ok(sealed)
    }
}

/// Writes an event in its place, which is the end of the ledger then.
pub(super) fn put_event(draft: &Draft<'_>, event: &Event) -> Result<(), Abort> {
    let row = record::encode(event).map_err(abort)?;
    draft.write(Shelf::Ledger, &ledger::key(event.sequence), &row)?;
    if let Some(id) = &event.draft.upload {
        draft.set(Shelf::LedgerByUpload, &ledger::key_of(id, event.sequence), &[])?;
    }
    let head = Head { sequence: event.sequence, hash: event.hash };
    draft.write(Shelf::Facts, HEAD, &record::encode(&head).map_err(abort)?)
}

/// Writes an upload if nobody else did since it was read, and moves its index entries along.
fn write_upload(
    draft: &Draft<'_>,
    upload: &Upload,
    row: &[u8],
    counts: &mut BTreeMap<Vec<u8>, i64>,
) -> Result<(), Abort> {
    let stored: Option<Upload> = draft.read(Shelf::Uploads, upload.id.as_str().as_bytes())?;
    if stored.as_ref().map_or(0, |stored| stored.revision) != upload.revision.saturating_sub(1) {
        let name = format!("{} ({})", upload.display_version(), upload.filename);
        return Err(abort(StoreError::Conflict(name)));
    }
    put_upload_over(draft, stored.as_ref(), upload, row, counts)
}

/// Writes an upload as it is, whatever was there, and moves its index entries along.
pub(super) fn put_upload(
    draft: &Draft<'_>,
    upload: &Upload,
    row: &[u8],
    counts: &mut BTreeMap<Vec<u8>, i64>,
) -> Result<(), Abort> {
    let stored: Option<Upload> = draft.read(Shelf::Uploads, upload.id.as_str().as_bytes())?;
    put_upload_over(draft, stored.as_ref(), upload, row, counts)
}

fn put_upload_over(
    draft: &Draft<'_>,
    stored: Option<&Upload>,
    upload: &Upload,
    row: &[u8],
    counts: &mut BTreeMap<Vec<u8>, i64>,
) -> Result<(), Abort> {
    let key = upload.id.as_str().as_bytes();
    let before = stored.map_or_else(BTreeSet::new, uploads::index_entries);
    let after = uploads::index_entries(upload);
    for (shelf, key) in before.difference(&after) {
        draft.unset(*shelf, key)?;
    }
    for (shelf, key) in after.difference(&before) {
        draft.set(*shelf, key, &[])?;
    }
    if let Some(stored) = stored {
        *counts.entry(uploads::count_key(stored.state)).or_default() -= 1;
    }
    *counts.entry(uploads::count_key(upload.state)).or_default() += 1;
    draft.write(Shelf::Uploads, key, row)
}

/// Writes a token; the hash of one with the same name is forgotten.
pub(super) fn put_token(draft: &Draft<'_>, token: &Token, row: &[u8]) -> Result<(), Abort> {
    let name = token.name.as_bytes();
    let stored: Option<Token> = draft.read(Shelf::Tokens, name)?;
    if let Some(stored) = stored.filter(|stored| stored.digest != token.digest) {
        draft.unset(Shelf::TokensByDigest, stored.digest.as_bytes())?;
    }
    draft.set(Shelf::TokensByDigest, token.digest.as_bytes(), name)?;
    draft.write(Shelf::Tokens, name, row)
}

#[async_trait]
impl Changes for SledStore {
    async fn commit(&self, change: Change) -> Result<Vec<Event>, StoreError> {
        self.writing_durably(move || Prepared::new(change), Prepared::write).await
    }

    async fn note(&self, change: Change) -> Result<Vec<Event>, StoreError> {
        let (events, _) = self.writing_flushed(move || Prepared::new(change), Prepared::write).await?;
        Ok(events)
    }

    async fn check_room(&self) -> Result<(), StoreError> {
        self.reading(super::shelves::Shelves::check_room).await
    }
}
