//! Uploads: one row each, found by project, digest, file name, state and hold's end.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::shelves::{Shelf, Shelves, count};
use super::{SledStore, keys, upload};
use crate::domain::{FileName, Project, Sha256, State, Timestamp, Upload, UploadId};
use crate::store::{StoreError, UploadQuery, Uploads, record};

/// Everything by which this row is found. When the row changes, so do the entries.
pub(super) fn index_entries(upload: &Upload) -> BTreeSet<(Shelf, Vec<u8>)> {
    let id = &upload.id;
    let ecosystem = upload.project.ecosystem;
    let mut entries = BTreeSet::from([
        (Shelf::UploadsByProject, keys::with_id(keys::of_project(&upload.project), id)),
        (Shelf::UploadsByFilename, keys::with_id(keys::of_filename(&upload.filename), id)),
        (Shelf::UploadsByState, keys::with_id(keys::by_state(None, ecosystem), id)),
        (Shelf::UploadsByState, keys::with_id(keys::by_state(Some(upload.state), ecosystem), id)),
    ]);
    if let Some(digest) = &upload.sha256 {
        entries.insert((Shelf::UploadsByDigest, keys::with_id(digest.as_bytes().to_vec(), id)));
    }
    if let (State::Held, Some(until)) = (upload.state, upload.hold_until) {
        entries.insert((Shelf::UploadsDue, keys::at(until, id.as_str())));
    }
    entries
}

/// Where the rows in a state are counted.
pub(super) fn count_key(state: State) -> Vec<u8> {
    [b"uploads ".as_slice(), &[keys::state_byte(state)]].concat()
}

/// The rows that these index entries name, as long as `still` holds: a row may have changed since its entry was read.
fn rows<'shelves>(
    shelves: &'shelves Shelves,
    entries: impl Iterator<Item = Result<sled::IVec, StoreError>> + 'shelves,
    still: impl Fn(&Upload) -> bool + 'shelves,
) -> impl Iterator<Item = Result<Upload, StoreError>> + 'shelves {
    entries.filter_map(move |entry| {
        let row = entry.and_then(|entry| match keys::trailing_id(&entry) {
            Some(id) => upload(shelves, &id),
            None => Err(record::unreadable(&entry.escape_ascii().to_string(), record::Damage::Short)),
        });
        row.map(|row| row.filter(&still)).transpose()
    })
}

/// Several ordered ranges of index entries as one, ordered by the ids at their ends.
fn merged<I: Iterator<Item = Result<sled::IVec, StoreError>>>(
    ranges: Vec<I>,
) -> impl Iterator<Item = Result<sled::IVec, StoreError>> {
    let mut ranges: Vec<_> = ranges.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let mut first: Option<(usize, Option<UploadId>)> = None;
        for (place, range) in ranges.iter_mut().enumerate() {
            // An error counts as the smallest id: it is reported at once.
            let Some(id) = range.peek().map(|entry| entry.as_ref().ok().and_then(|entry| keys::trailing_id(entry)))
            else {
                continue;
            };
            if first.as_ref().is_none_or(|(_, smallest)| id < *smallest) {
                first = Some((place, id));
            }
        }
        first.and_then(|(place, _)| ranges.get_mut(place)?.next())
    })
}

fn list(shelves: &Shelves, query: &UploadQuery) -> Result<Vec<Upload>, StoreError> {
    let wanted = |upload: &Upload| {
        query.state.is_none_or(|state| state == upload.state)
            && query.ecosystem.is_none_or(|ecosystem| ecosystem == upload.project.ecosystem)
            && query.project.as_ref().is_none_or(|project| *project == upload.project)
    };
    let range = |shelf, prefix: Vec<u8>| {
        let after = query.cursor.as_ref().map(|id| keys::with_id(prefix.clone(), id));
        shelves.keys_after(shelf, prefix, after)
    };
    let ranges = if let Some(project) = &query.project {
        vec![range(Shelf::UploadsByProject, keys::of_project(project))]
    } else if query.state.is_none() && query.ecosystem.is_none() {
        vec![range(Shelf::Uploads, Vec::new())]
    } else {
        let ecosystems = query.ecosystem.as_ref().map_or(&keys::ECOSYSTEMS[..], std::slice::from_ref);
        let prefixes = ecosystems.iter().map(|ecosystem| keys::by_state(query.state, *ecosystem));
        prefixes.map(|prefix| range(Shelf::UploadsByState, prefix)).collect()
    };
    rows(shelves, merged(ranges), wanted).take(query.limit).collect()
}

#[async_trait]
impl Uploads for SledStore {
    async fn get(&self, id: &UploadId) -> Result<Option<Upload>, StoreError> {
        let id = id.clone();
        self.reading(move |shelves| upload(shelves, &id)).await
    }

    async fn of(&self, project: &Project) -> Result<Vec<Upload>, StoreError> {
        let prefix = keys::of_project(project);
        self.reading(move |shelves| rows(shelves, shelves.keys(Shelf::UploadsByProject, prefix), |_| true).collect())
            .await
    }

    async fn with_digest(&self, digest: &Sha256) -> Result<Vec<Upload>, StoreError> {
        let digest = *digest;
        self.reading(move |shelves| {
            let entries = shelves.keys(Shelf::UploadsByDigest, digest.as_bytes().to_vec());
            rows(shelves, entries, |upload| upload.sha256 == Some(digest)).collect()
        })
        .await
    }

    async fn named(&self, filename: &FileName) -> Result<Vec<Upload>, StoreError> {
        let prefix = keys::of_filename(filename);
        let filename = filename.clone();
        let wanted = move |upload: &Upload| upload.filename == filename || upload.filename.base() == filename.as_str();
        self.reading(move |shelves| rows(shelves, shelves.keys(Shelf::UploadsByFilename, prefix), wanted).collect())
            .await
    }

    async fn list(&self, query: &UploadQuery) -> Result<Vec<Upload>, StoreError> {
        let query = query.clone();
        self.reading(move |shelves| list(shelves, &query)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Upload>, StoreError> {
        self.reading(move |shelves| {
            let still = |upload: &Upload| {
                upload.state == State::Held && upload.hold_until.is_some_and(|hold_until| hold_until <= now)
            };
            rows(shelves, shelves.keys_before(Shelf::UploadsDue, keys::past(now)), still).take(limit).collect()
        })
        .await
    }

    async fn counts(&self) -> Result<[u64; 4], StoreError> {
        self.reading(|shelves| {
            let mut counts = [0; 4];
            for (counted, state) in counts.iter_mut().zip(State::ALL) {
                *counted = count(shelves.value(Shelf::Counts, &count_key(state))?.as_deref());
            }
            Ok(counts)
        })
        .await
    }
}
