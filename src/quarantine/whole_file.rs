//! Files that are there whole or not at all.

use std::path::Path;

use tokio::io::AsyncWriteExt as _;

/// Writes beside the file and puts it in its place: nobody reads half of it, and a crash leaves the old one.
pub(super) async fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    let mut out = tokio::fs::File::create(&beside).await?;
    out.write_all(bytes).await?;
    out.sync_all().await?;
    tokio::fs::rename(&beside, file).await
}
