//! What is kept between runs: the upstream's index, and the counter by which clients tell a new one from theirs.

use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::whole_file::write_whole;
use crate::domain::{Sha256, Timestamp};

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
        tokio::fs::create_dir_all(folder).await?;
        write_whole(&folder.join("state.json"), &serde_json::to_vec(self).unwrap_or_default()).await
    }
}

/// The upstream's index, as it was sent.
pub(super) async fn index(folder: &Path) -> Option<Bytes> {
    tokio::fs::read(folder.join("index.zlib")).await.ok().map(Bytes::from)
}

/// Keeps the upstream's index, as it was sent.
pub(super) async fn keep_index(folder: &Path, packed: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    write_whole(&folder.join("index.zlib"), packed).await
}
