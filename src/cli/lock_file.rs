//! Reads lock files for the commands, and tells what was not understood in them.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::shell::Shell;
use super::{CliError, text};
use crate::domain::Version;
use crate::lockfile::{self, Entry, LARGEST_FILE, LockFile, LockedFile};

/// Reads and understands a file; what was not understood is noted on stderr.
pub(super) fn read(shell: &mut Shell<'_>, file: &Path) -> Result<LockFile, CliError> {
    let bytes = bytes(&shell.directory.join(file))?;
    understood(shell, file, &bytes)
}

/// Understands a file that was read.
pub(super) fn understood(shell: &mut Shell<'_>, file: &Path, bytes: &[u8]) -> Result<LockFile, CliError> {
    let name = text::line(&file.display().to_string());
    let lock = lockfile::read(&name, bytes, None).map_err(|error| CliError::Refused(error.to_string()))?;
    for remark in &lock.remarks {
        shell.note(&format!("{name}:{}: {}", remark.line, text::line(&remark.text)));
    }
    Ok(lock)
}

/// The bytes of a file that may be a lock file by its size.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let problem = |problem: String| CliError::File { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| problem(error.to_string()))?;
    let limit = LARGEST_FILE as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| problem(error.to_string()))?;
    Ok(bytes)
}

/// An entry as the API takes it.
pub(super) fn wanted(entry: &Entry) -> Json {
    let file = |file: &LockedFile| {
        let hash = file.digest.as_ref().map(ToString::to_string);
        (file.filename.is_some() || hash.is_some()).then(|| json!({ "filename": file.filename, "hash": hash }))
    };
    let files: Vec<Json> = entry.files.iter().filter_map(file).collect();
    json!({
        "project": entry.project.to_string(),
        "version": entry.version.as_ref().map(Version::as_str),
        "files": files,
    })
}
