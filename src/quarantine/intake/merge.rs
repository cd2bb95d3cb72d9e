//! A page laid beside what is known: what is new, what is gone, what came back, what is promised otherwise.

use std::collections::{HashMap, HashSet};

use crate::domain::{FileName, KnownFile, KnownProject, ListedFile, Listing, Standing, Timestamp};

/// What merging a page into what is known showed.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) added: Vec<usize>,
    pub(super) vanished: Vec<usize>,
    /// Listed again after an absence.
    pub(super) returned: Vec<usize>,
    /// To be judged again: returned, or yanked or not otherwise than before.
    pub(super) revived: HashSet<usize>,
    pub(super) other_promises: Vec<ListedFile>,
}

/// What a reading knows of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) now: Timestamp,
    pub(super) first_sight: Timestamp,
    pub(super) absent_until: Option<Timestamp>,
    /// Whether a page was read: what is judged again from memory says nothing about what the index promises now.
    pub(super) is_page: bool,
}

pub(super) fn merge(known: &mut KnownProject, listing: Listing, moments: Moments, volatile: bool) -> Merged {
    let now = moments.now;
    let mut merged = Merged::default();
    let mut places: HashMap<FileName, usize> = HashMap::with_capacity(known.files.len());
    for (index, file) in known.files.iter().enumerate() {
        places.insert(file.file.filename.clone(), index);
    }
    let mut seen = vec![false; known.files.len()];
    for listed in listing.files {
        let Some(&index) = places.get(&listed.filename) else {
            merged.added.push(known.files.len());
            known.files.push(KnownFile {
                clock_start: clock_start(&listed, moments),
                first_seen: now,
                standing: Standing::Tracked,
                vanished: None,
                disputed: None,
                file: listed,
            });
            continue;
        };
        seen[index] = true;
        let file = &mut known.files[index];
        if file.vanished.take().is_some() {
            merged.returned.push(index);
            merged.revived.insert(index);
        }
        if is_same_promise(&file.file, &listed) {
            if moments.is_page {
                file.disputed = None;
            }
            if file.file.yanked != listed.yanked {
                merged.revived.insert(index);
            }
            // What pins the bytes stays as it was first seen, none too: it is part of the row's id, and a row that lost its
            // file (rejected, recalled) would not speak any more. The rest is the index's to correct.
            let (promise, size) = (file.file.promise.take(), file.file.size);
            file.file = ListedFile { promise, size: size.or(listed.size), ..listed };
        } else if volatile {
            merged.added.push(index);
            *file = KnownFile {
                clock_start: clock_start(&listed, moments),
                first_seen: now,
                standing: Standing::Tracked,
                vanished: None,
                disputed: None,
                file: listed,
            };
        } else {
            file.disputed.get_or_insert(now);
            merged.other_promises.push(listed);
        }
    }
    for (index, seen) in seen.into_iter().enumerate() {
        if !seen && known.files[index].vanished.is_none() {
            known.files[index].vanished = Some(now);
            merged.vanished.push(index);
        }
    }
    known.hidden = listing.hidden;
    known.status = listing.status;
    merged
}

/// Rule 11: the later of the upload time and the last complete read without the file; without a usable date, first sight.
fn clock_start(listed: &ListedFile, moments: Moments) -> Timestamp {
    let Moments { now, first_sight, absent_until, .. } = moments;
    match listed.uploaded_at() {
        Some(uploaded) if uploaded <= now => absent_until.map_or(uploaded, |read| uploaded.max(read.min(now))),
        _ => first_sight,
    }
}

/// Rule 18. Two algorithms cannot be compared; the bytes will be checked against what was pinned.
fn is_same_promise(pinned: &ListedFile, listed: &ListedFile) -> bool {
    let same_digest = match (&pinned.promise, &listed.promise) {
        (Some(one), Some(two)) if one.algorithm == two.algorithm => one == two,
        _ => true,
    };
    let same_size = match (pinned.size, listed.size) {
        (Some(one), Some(two)) => one == two,
        _ => true,
    };
    same_digest && same_size
}
