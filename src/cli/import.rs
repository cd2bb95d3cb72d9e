//! `import`: an export becomes the store of a data folder that no proxy uses.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::shell::Shell;
use super::text;
use super::{CliError, Doors, Format, Printing};
use crate::seal::Passphrase;

/// Longer than any passphrase.
const LONGEST_PASSPHRASE: u64 = 4_096;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What `lazaret export` wrote.
    file: PathBuf,
    /// Forget what the store holds now.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    passphrase: PassphraseFrom,
    #[command(flatten)]
    printing: Printing,
}

/// Where a passphrase comes from; never from the command line itself, which others can read.
#[derive(Debug, clap::Args)]
pub(super) struct PassphraseFrom {
    /// A file with the passphrase of the signing key; without it the variable `LAZARET_PASSPHRASE`.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseFrom {
    pub(super) fn read(&self, shell: &Shell<'_>) -> Result<Option<String>, CliError> {
        let Some(path) = &self.passphrase_file else {
            return Ok(shell.variable("LAZARET_PASSPHRASE").map(str::to_owned));
        };
        let path = shell.directory.join(path);
        let problem = |error: std::io::Error| CliError::File { path: path.clone(), problem: error.to_string() };
        let mut text = String::new();
        let file = std::fs::File::open(&path).map_err(problem)?;
        file.take(LONGEST_PASSPHRASE).read_to_string(&mut text).map_err(problem)?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// What [`Doors::import`] is asked to do.
#[derive(Debug)]
pub struct Import {
    /// The export.
    pub file: PathBuf,
    /// Whether what the store holds may be forgotten.
    pub replace: bool,
    /// What opens the signing key.
    pub passphrase: Option<Passphrase>,
}

pub(super) async fn run(
    shell: &mut Shell<'_>,
    config: Option<&Path>,
    arguments: &Arguments,
    doors: &dyn Doors,
) -> Result<(), CliError> {
    let passphrase = arguments.passphrase.read(shell)?.map(|text| Passphrase::new(&text)).transpose()?;
    let data_dir = shell.directory.join(shell.load(config)?.config.store.data_dir);
    let asked = Import { file: shell.directory.join(&arguments.file), replace: arguments.replace, passphrase };
    let answer = doors.import(&data_dir, asked).await.map_err(|error| CliError::Refused(error.to_string()))?;
    match arguments.printing.format {
        Format::Json => shell.print_json(&answer),
        Format::Text => shell.print(&outcome(&answer)),
    }
}

fn outcome(answer: &Json) -> String {
    let part = |key: &str| answer.get(key).and_then(Json::as_str).map(text::line).unwrap_or_default();
    let number = |key: &str| answer.get(key).and_then(Json::as_u64).unwrap_or_default();
    let key = match part("key").as_str() {
        "restored" => "the signing key is restored",
        "no-passphrase" => "the signing key stays in the export: import with its passphrase to restore it",
        _ => "the export has no signing key; a new one is made at the start",
    };
    format!(
        "imported {} of {}; the ledger is whole, its head was {}\nsigned by {}: compare that with the key that you noted\n{} of {} are not \
         in this cellar, and are fetched again when somebody asks for them\n{key}\n",
        text::count(number("facts"), "fact"),
        text::time(&part("made")),
        part("head"),
        part("signer"),
        number("blobs_missing"),
        text::count(number("blobs"), "cached file"),
    )
}
