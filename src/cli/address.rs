//! Where the running proxy is: in the files that `serve` writes into its data folder.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::CliError;

/// `<data_dir>/addresses.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Addresses {
    pub(super) packages: Option<Url>,
    pub(super) teapot: Option<Url>,
    pub(super) admin: Option<Url>,
}

/// Both files have a line each.
const LARGEST: u64 = 64 * 1024;

/// Reads the addresses; `None` if no proxy ever ran on this data folder.
pub(super) fn read_addresses(data_dir: &Path) -> Result<Option<Addresses>, CliError> {
    let path = addresses_file(data_dir);
    let Some(text) = read(&path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| CliError::File {
        path,
        problem: format!("this does not name lazaret's addresses ({error}); start `lazaret serve` again"),
    })
}

/// Its path.
pub(super) fn addresses_file(data_dir: &Path) -> PathBuf {
    data_dir.join("addresses.json")
}

/// Reads the token that `serve` made on its first start.
pub(super) fn read_admin_token(data_dir: &Path) -> Result<String, CliError> {
    let path = data_dir.join("admin.token");
    match read(&path)?.as_deref().map(str::trim) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err(CliError::File {
            path,
            problem: "there is no token in it; set LAZARET_TOKEN to one of an admin or reviewer".to_owned(),
        }),
    }
}

/// A short file of the data folder, if it is there and readable.
pub(super) fn small_text(path: &Path) -> Option<String> {
    read(path).ok().flatten()
}

fn read(path: &Path) -> Result<Option<String>, CliError> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::File {
            path: path.to_path_buf(),
            problem: format!("{error}; run this as the user that runs lazaret, or set LAZARET_URL and LAZARET_TOKEN"),
        }),
    }
}
