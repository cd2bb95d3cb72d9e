//! Many bytes of which a small file says what they are: kept under their digest, so that the two never disagree.
//!
//! The bytes are written first, and count when the small file names them; until then the last pair is whole.

use std::path::{Path, PathBuf};

use super::whole_file::write_whole;
use crate::domain::Sha256;

/// Where such bytes are.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptBytes {
    /// `index`, for `index-<digest>.zlib`, and for the `index.zlib` of earlier versions.
    pub(super) stem: &'static str,
    /// `zlib`.
    pub(super) ending: &'static str,
}

impl KeptBytes {
    /// The file that the small one names; earlier versions had one name for all.
    pub(super) fn path(self, folder: &Path, digest: Option<Sha256>) -> PathBuf {
        let Self { stem, ending } = self;
        folder.join(digest.map_or_else(|| format!("{stem}.{ending}"), |digest| format!("{stem}-{digest}.{ending}")))
    }

    /// Writes the bytes; on disk when this returns. Their digest is for the small file.
    pub(super) async fn write(self, folder: &Path, bytes: &[u8]) -> std::io::Result<Sha256> {
        let digest = Sha256::of(bytes);
        write_whole(&self.path(folder, Some(digest)), bytes).await?;
        Ok(digest)
    }

    /// Whether a file has such a name: another stem may begin like this one.
    fn is_one(self, name: &str) -> bool {
        let rest = name.strip_prefix(self.stem).and_then(|rest| rest.strip_suffix(self.ending)?.strip_suffix('.'));
        let is_digest = |text: &str| text.parse::<Sha256>().is_ok();
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_digest))
    }

    /// Removes what the small file does not name any more. What cannot be removed is in nobody's way.
    pub(super) async fn tidy(self, folder: &Path, digest: Sha256) {
        let kept = self.path(folder, Some(digest));
        let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if self.is_one(name) && entry.path() != kept {
                drop(tokio::fs::remove_file(entry.path()).await);
            }
        }
    }
}
