//! `baseline`: what lock files, bills of materials or `pip freeze --all` say to be in use is let in at once, as one decision.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::decide::reason;
use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Format, Printing, lock_file};
use crate::lockfile::{Entry, Kind, Source, sbom};

/// The longest reason that is made up here, in characters.
const LONGEST_REASON: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Lock files, requirements files, what `pip freeze --all` prints, or bills of materials (`CycloneDX` and SPDX in JSON).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Why; it is kept in the ledger. Without it the files' names are.
    #[arg(long, value_parser = reason)]
    reason: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    // Several lock files of one house name the same files.
    let mut entries = BTreeSet::new();
    for file in &arguments.files {
        let bytes = lock_file::bytes(&shell.directory.join(file))?;
        if sbom::is_json(&bytes) {
            entries.extend(of_bill(shell, file, &bytes)?);
        } else {
            entries.extend(of_lock(shell, file, &bytes)?);
        }
    }
    let entries: Vec<Json> = entries.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let body =
        json!({ "reason": arguments.reason.clone().unwrap_or_else(|| made_up(&arguments.files)), "entries": entries });
    let answer = ApiClient::find(shell, config)?.post(&["baseline"], &body).await?;
    match arguments.printing.format {
        Format::Json => shell.print_json(&answer)?,
        Format::Text => shell.print(&outcome(&answer))?,
    }
    match left(&answer).len() {
        0 => Ok(()),
        number => Err(CliError::Refused(format!("{} not released", text::count(number as u64, "file")))),
    }
}

fn made_up(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| text::line(&file.display().to_string())).collect();
    format!("baseline of {}", names.join(", ")).chars().take(LONGEST_REASON).collect()
}

/// What a lock file names; as text, because that has an order.
fn of_lock(shell: &mut Shell<'_>, file: &Path, bytes: &[u8]) -> Result<Vec<String>, CliError> {
    let name = text::line(&file.display().to_string());
    let lock = lock_file::understood(shell, file, bytes)?;
    let mut wanted = Vec::new();
    for entry in &lock.entries {
        match skipped(entry, lock.kind) {
            Some(why) => {
                shell.note(&text::line(&format!("{name}:{}: {} is left out: {why}", entry.line, entry.project)));
            }
            None => wanted.push(lock_file::wanted(entry).to_string()),
        }
    }
    Ok(wanted)
}

/// Why nothing can be let in for an entry.
fn skipped(entry: &Entry, kind: Kind) -> Option<String> {
    match &entry.source {
        Source::Elsewhere { place, .. } => Some(format!("it comes from {}", place.as_str())),
        // What pip freezes has a version and no hashes; a lock file without hashes vouches for nothing.
        Source::Index { .. } if entry.files.is_empty() && (kind != Kind::Requirements || entry.version.is_none()) => {
            Some("it names no file and no exact version".to_owned())
        }
        Source::Index { .. } => None,
    }
}

fn of_bill(shell: &mut Shell<'_>, file: &Path, bytes: &[u8]) -> Result<Vec<String>, CliError> {
    let name = text::line(&file.display().to_string());
    let bill = sbom::read(&name, bytes).map_err(|error| CliError::Refused(error.to_string()))?;
    for remark in &bill.remarks {
        shell.note(&format!("{name}: {}", text::line(remark)));
    }
    let wanted = |component: &sbom::Component| {
        let hashes = component.sha256s.iter().map(|digest| json!({ "hash": format!("sha256:{digest}") }));
        json!({
            "project": component.project.to_string(),
            "version": component.version.as_ref().map(crate::domain::Version::as_str),
            "files": hashes.collect::<Vec<_>>(),
        })
        .to_string()
    };
    Ok(bill.components.iter().map(wanted).collect())
}

/// What was not let in although it is not served: that it is served already is no reason to complain.
fn left(answer: &Json) -> Vec<&Json> {
    let all = answer.get("not_released").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|item| item.get("why").and_then(Json::as_str) != Some("already-released")).collect()
}

fn outcome(answer: &Json) -> String {
    let list = |key: &str| answer.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let part = |item: &Json, key: &str| item.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (released, left) = (list("released"), left(answer));
    let mut out = format!("{} released\n", text::count(released.len() as u64, "file"));
    let mut table = Table::default();
    for upload in released {
        let package = format!("{}:{}=={}", part(upload, "ecosystem"), part(upload, "project"), part(upload, "version"));
        table.row([package, part(upload, "filename"), part(upload, "id")]);
    }
    out.push_str(&table.render(2));
    let already = list("not_released").len() - left.len();
    if already > 0 {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{} served already", text::count(already as u64, "file"));
    }
    if !left.is_empty() {
        out.push_str("not released:\n");
        let mut table = Table::default();
        for item in left {
            table.row([
                part(item, "package"),
                part(item, "file"),
                part(item, "why"),
                part(item, "reason"),
                part(item, "upload_id"),
            ]);
        }
        out.push_str(&table.render(2));
    }
    out
}
