//! One mirror: its address, its last index, its documents.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::indexes::Index;
use super::super::whole_file::write_whole;
use super::documents::Documents;
use super::snapshot::Snapshot;
use crate::domain::{Origin, Timestamp};
use crate::registry::cpan::packages::{PackageIndex, gunzip, gzip};
use crate::upstream::Validators;

/// An index has about 26 MB; one of this size is none.
pub(super) const LARGEST_INDEX: u64 = 160 << 20;
/// Its packed form.
pub(super) const LARGEST_PACKED_INDEX: u64 = 64 << 20;

/// A mirror and what was read of it.
#[derive(Debug)]
pub struct Mirror {
    /// Its address and its rules; [`Index::names`] are the families of packages that it owns.
    pub index: Index,
    /// Its index as it was read last.
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// Files beside its releases.
    pub(super) documents: Documents,
    folder: PathBuf,
}

/// What is kept beside the index between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// When its first index was taken in.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) baseline: Option<Timestamp>,
    /// When its index was read last.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) read: Option<Timestamp>,
    pub(super) etag: Option<Box<str>>,
    pub(super) last_modified: Option<Box<str>>,
}

impl Kept {
    pub(super) fn validators(&self) -> Validators {
        Validators { etag: self.etag.clone(), last_modified: self.last_modified.clone() }
    }

    pub(super) fn with_validators(mut self, validators: &Validators) -> Self {
        self.etag.clone_from(&validators.etag);
        self.last_modified.clone_from(&validators.last_modified);
        self
    }
}

impl Mirror {
    pub(super) fn new(index: Index, folder: &Path) -> Self {
        let name = match &index.origin {
            Origin::Public => "public".to_owned(),
            // A configured name may hold anything; a folder's may not.
            Origin::Private(name) => format!("private-{}", crate::domain::Sha256::of(name.as_bytes())),
        };
        let folder = folder.join(name);
        Self { index, snapshot: ArcSwapOption::empty(), documents: Documents::at(folder.join("documents")), folder }
    }

    /// Whether a package may come from nowhere else: it is of a family that this private mirror owns, or in its index.
    pub(super) fn owns_package(&self, package: &str) -> bool {
        if self.index.origin.is_public() {
            return false;
        }
        if !self.index.names.is_empty() {
            return self.index.names.iter().any(|pattern| pattern.matches_package(package));
        }
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.index.find(package).is_some())
    }

    /// Whether its index has a release in this folder of an author.
    pub(super) fn has_folder(&self, folder: &str) -> bool {
        let in_folder = |path: &str| path.rsplit_once('/').is_some_and(|(of, _)| of == folder);
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.paths().any(in_folder))
    }

    pub(super) async fn kept(&self) -> Kept {
        let read = tokio::fs::read(self.folder.join("state.json")).await;
        read.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub(super) async fn keep(&self, kept: &Kept) -> std::io::Result<()> {
        write_whole(&self.folder.join("state.json"), &serde_json::to_vec(kept).unwrap_or_default()).await
    }

    /// The index that was kept by an earlier run.
    pub(super) async fn kept_index(&self) -> Option<PackageIndex> {
        let packed = tokio::fs::read(self.folder.join("02packages.details.txt.gz")).await.ok()?;
        let read = tokio::task::spawn_blocking(move || {
            let text = gunzip(&packed, usize::try_from(LARGEST_INDEX).unwrap_or(usize::MAX)).ok()?;
            PackageIndex::read(text.into()).ok()
        });
        read.await.ok().flatten()
    }

    /// Keeps an index as the mirror sent it.
    pub(super) async fn keep_index(&self, bytes: Bytes) -> std::io::Result<()> {
        let packed = if bytes.starts_with(&[0x1f, 0x8b]) {
            bytes
        } else {
            let packing = tokio::task::spawn_blocking(move || Bytes::from(gzip(&bytes)));
            packing.await.map_err(std::io::Error::other)?
        };
        write_whole(&self.folder.join("02packages.details.txt.gz"), &packed).await
    }

    pub(super) fn show(&self, snapshot: Snapshot) {
        self.snapshot.store(Some(Arc::new(snapshot)));
    }
}
