//! Files that are there whole or not at all, written off the reactor.

use std::path::Path;

use crate::durable;

/// Puts these bytes in the place of the file's, on disk when this returns: nobody reads half of it, and a crash leaves the old
/// ones or these.
pub(super) async fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (file, bytes) = (file.to_owned(), bytes.to_vec());
    tokio::task::spawn_blocking(move || durable::write_whole(&file, &bytes)).await.map_err(std::io::Error::other)?
}
