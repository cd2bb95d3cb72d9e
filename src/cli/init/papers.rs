//! Files that are written once, for their owner's eyes, and never over another.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::super::CliError;

/// A file to be.
pub(super) struct Paper {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Whether it holds a password.
    pub(super) secret: bool,
}

/// Writes all of them or none. One that is there already refuses all: whoever wrote it meant it.
pub(super) fn write_all(papers: &[Paper]) -> Result<(), CliError> {
    if let Some(there) = papers.iter().find(|paper| paper.path.symlink_metadata().is_ok()) {
        let what = if there.secret { "a password's file" } else { "a file" };
        return Err(CliError::File {
            path: there.path.clone(),
            problem: format!(
                "{what} of this name is there already, and nothing was written; move it away, or name another \
                 configuration with --config"
            ),
        });
    }
    for (place, paper) in papers.iter().enumerate() {
        if let Err(error) = write(paper) {
            for written in papers.iter().take(place) {
                let _ = std::fs::remove_file(&written.path);
            }
            return Err(CliError::File { path: paper.path.clone(), problem: format!("it cannot be written: {error}") });
        }
    }
    Ok(())
}

fn write(paper: &Paper) -> std::io::Result<()> {
    // Neither an existing file nor a link to one is written through.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&paper.path)?;
    let written = file.write_all(paper.text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&paper.path);
    }
    written
}
