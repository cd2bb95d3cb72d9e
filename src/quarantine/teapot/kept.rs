//! What is kept between runs: the upstream's index, and the counter by which clients tell a new one from theirs.

use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::kept_bytes::KeptBytes;
use super::super::whole_file::write_whole;
use crate::domain::{Sha256, Timestamp};

/// The upstream's index, as it was sent.
const INDEX: KeptBytes = KeptBytes { stem: "index", ending: "zlib" };

/// The state beside the index.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// When the first index was taken in.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) baseline: Option<Timestamp>,
    /// When the index was read last.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) read: Option<Timestamp>,
    /// What the upstream's status said of it, as a list.
    pub(super) status: Option<String>,
    /// Which bytes that index has. What was met is compared with this one after a restart, so it is never another one than the
    /// status speaks of: without an index to compare with, whatever the next one lists would be trusted as the first.
    #[serde(default)]
    pub(super) index: Option<Sha256>,
    /// Our own IMTIME: it only rises.
    #[serde(default)]
    pub(super) imtime: i64,
    /// Identifies what was shown under it.
    pub(super) shown: Option<Sha256>,
}

impl Kept {
    pub(super) async fn read(folder: &Path) -> Self {
        let read = tokio::fs::read(folder.join("state.json")).await;
        read.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub(super) async fn write(&self, folder: &Path) -> std::io::Result<()> {
        write_whole(&folder.join("state.json"), &serde_json::to_vec(self).unwrap_or_default()).await
    }
}

impl Kept {
    /// The upstream's index that the status speaks of.
    pub(super) async fn read_index(&self, folder: &Path) -> Option<Bytes> {
        tokio::fs::read(INDEX.path(folder, self.index)).await.ok().map(Bytes::from)
    }

    /// Keeps the upstream's index and what is said of it, in the place of the last ones.
    pub(super) async fn write_with_index(&self, folder: &Path, packed: &[u8]) -> std::io::Result<()> {
        let digest = INDEX.write(folder, packed).await?;
        Self { index: Some(digest), ..self.clone() }.write(folder).await?;
        INDEX.tidy(folder, digest).await;
        Ok(())
    }
}
