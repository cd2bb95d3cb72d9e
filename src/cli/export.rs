//! `export`: everything that must survive, out of a running proxy into one file.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use http_body_util::BodyExt as _;
use serde_json::json;

use super::api_client::ApiClient;
use super::import::PassphraseFrom;
use super::shell::Shell;
use super::text;
use super::{CliError, Format, Printing};
use crate::transfer::check;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file to be written; it replaces one of this name once it is whole.
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseFrom,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let passphrase = arguments.passphrase.read(shell)?;
    let with_key = passphrase.is_some();
    let client = ApiClient::find(shell, config)?.patient();
    let target = shell.directory.join(&arguments.file);
    let mut beside = target.clone().into_os_string();
    beside.push(".partial");
    let beside = PathBuf::from(beside);
    let written = write(&client, &beside, &json!({ "passphrase": passphrase })).await.and_then(|()| {
        let problem = |error: std::io::Error| CliError::File { path: beside.clone(), problem: error.to_string() };
        let file = std::fs::File::open(&beside).map_err(problem)?;
        let checked = check(std::io::BufReader::with_capacity(256 << 10, file))?;
        std::fs::rename(&beside, &target).map_err(problem)?;
        Ok(checked)
    });
    // Half a file is worth nothing.
    let checked = written.inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
    let name = text::line(&arguments.file.display().to_string());
    match arguments.printing.format {
        Format::Json => shell.print_json(&json!({
            "file": name,
            "sha256": checked.sha256,
            "head": checked.head.to_string(),
            "facts": checked.facts,
            "blobs": checked.blobs,
            "signer": checked.signer,
            "key": with_key,
        }))?,
        Format::Text => shell.print(&format!(
            "{name}: {}, {} in the manifest; the head is {}; signed by {}",
            text::count(checked.facts, "fact"),
            text::count(checked.blobs, "cached file"),
            checked.head,
            checked.signer,
        ))?,
    }
    if !with_key && arguments.printing.format == Format::Text {
        shell.note(
            "the signing key is not in it: give --passphrase-file or LAZARET_PASSPHRASE to take it along, encrypted",
        );
    }
    Ok(())
}

async fn write(client: &ApiClient, path: &Path, body: &serde_json::Value) -> Result<(), CliError> {
    let problem = |error: std::io::Error| CliError::File { path: path.to_owned(), problem: error.to_string() };
    drop(std::fs::remove_file(path));
    // It has the hashes of tokens in it, and all that is known of the house.
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(problem)?;
    let mut lines = client.stream(&["export"], body).await?;
    while let Some(frame) = lines.frame().await {
        let frame = frame.map_err(|error| client.broke_off(&error))?;
        if let Some(bytes) = frame.data_ref() {
            file.write_all(bytes).map_err(problem)?;
        }
    }
    file.sync_all().map_err(problem)
}
