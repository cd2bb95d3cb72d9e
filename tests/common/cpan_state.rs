//! What the fake mirror holds: files, index rows, permissions, people, and what changed lately.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use lazaret::domain::Timestamp;

use super::fake_cpan::FindLs;
use super::pause_key::PauseKey;

/// A row of 02packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) path: String,
}

impl Row {
    pub(super) fn new(package: &str, version: &str, path: &str) -> Self {
        Self { package: package.to_owned(), version: version.to_owned(), path: path.to_owned() }
    }
}

/// A file below `authors/id`.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    /// What CHECKSUMS promises.
    pub(super) promised: Bytes,
    /// What is sent.
    pub(super) served: Bytes,
    pub(super) modified: Timestamp,
}

/// One line of a RECENT file.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    /// Below `authors`: `id/G/GR/GREETER/...`.
    pub(super) path: String,
    /// `new` or `delete`.
    pub(super) kind: &'static str,
}

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quirk {
    WrongLineCount,
    TruncatedIndex,
    CodeInChecksums,
    NoRecent,
}

/// Everything on the mirror.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) private: bool,
    pub(super) files: BTreeMap<String, StoredFile>,
    pub(super) rows: Vec<Row>,
    /// Every row that ever was, oldest first.
    pub(super) history: Vec<Row>,
    pub(super) permissions: BTreeMap<(String, String), &'static str>,
    pub(super) people: BTreeMap<String, String>,
    pub(super) changes: Vec<Change>,
    /// When anything changed last.
    pub(super) changed: Timestamp,
    pub(super) quirks: BTreeSet<Quirk>,
    pub(super) dirtymark: u32,
    pub(super) find_ls: Option<FindLs>,
    pub(super) key: Option<PauseKey>,
}

impl Mirror {
    /// An empty mirror.
    pub(super) fn new(private: bool, now: Timestamp) -> Self {
        Self {
            private,
            files: BTreeMap::new(),
            rows: Vec::new(),
            history: Vec::new(),
            permissions: BTreeMap::new(),
            people: BTreeMap::new(),
            changes: Vec::new(),
            changed: now,
            quirks: BTreeSet::new(),
            dirtymark: 0,
            find_ls: None,
            key: None,
        }
    }

    /// From now on, or no longer.
    pub(super) fn set(&mut self, quirk: Quirk, on: bool) {
        if on {
            self.quirks.insert(quirk);
        } else {
            self.quirks.remove(&quirk);
        }
    }

    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// A new or changed file; the CHECKSUMS beside it is written anew.
    pub(super) fn store(&mut self, path: &str, bytes: Bytes, at: Timestamp) {
        self.files.insert(path.to_owned(), StoredFile { promised: bytes.clone(), served: bytes, modified: at });
        self.note(path, at, "new");
    }

    /// A release goes, and what was taken out of it.
    pub(super) fn delete(&mut self, path: &str, at: Timestamp) {
        assert!(self.files.contains_key(path), "the fake mirror has no {path}");
        let stem = path.strip_suffix(".tar.gz").unwrap_or(path);
        for gone in [path.to_owned(), format!("{stem}.meta"), format!("{stem}.readme")] {
            if self.files.remove(&gone).is_some() {
                self.note(&gone, at, "delete");
            }
        }
        self.rows.retain(|row| row.path != path);
    }

    fn note(&mut self, path: &str, at: Timestamp, kind: &'static str) {
        let (folder, _) = path.rsplit_once('/').expect("a folder");
        for (path, kind) in [(format!("id/{path}"), kind), (format!("id/{folder}/CHECKSUMS"), "new")] {
            // A later change is the only one that counts.
            self.changes.retain(|change| change.path != path || change.at > at);
            if !self.changes.iter().any(|change| change.path == path) {
                self.changes.push(Change { at, path, kind });
            }
        }
        self.changes.sort_by_key(|change| std::cmp::Reverse(change.at));
    }

    /// Puts a row in its place: PAUSE sorts by the line in lower case.
    pub(super) fn put_row(&mut self, row: Row) {
        self.rows.retain(|other| other.package != row.package);
        self.history.push(row.clone());
        self.rows.push(row);
        self.rows.sort_by_key(|row| row.package.to_lowercase());
    }

    /// Whether this person may upload this package; an unknown one becomes theirs.
    pub(super) fn claim(&mut self, pause_id: &str, package: &str) -> bool {
        let known = self.permissions.keys().any(|(of, _)| of == package);
        if !known {
            self.permissions.insert((package.to_owned(), pause_id.to_owned()), "f");
        }
        self.permissions.contains_key(&(package.to_owned(), pause_id.to_owned()))
    }
}
