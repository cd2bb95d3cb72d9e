//! `remedy`: turns a lock or requirements file into the constraint lines that leave vulnerable versions for fixed, released ones.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::shell::Shell;
use super::{CliError, Format, Printing, lock_file, text};
use crate::domain::{Ecosystem, Severity, Version};
use crate::lockfile::Entry;
use crate::lockfile::remedy::{Answer, Told, remedy};

/// So many pins are asked about at once: the API takes no larger question.
const AT_ONCE: usize = 250;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A requirements file, uv.lock, poetry.lock, pylock.toml or cpanfile.snapshot.
    file: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let lock = lock_file::read(shell, &arguments.file)?;
    let api = ApiClient::find(shell, config)?;
    let mut answers: Vec<Answer> = vec![Answer::default(); lock.entries.len()];
    let pinned: Vec<(usize, &Entry, &Version)> = lock
        .entries
        .iter()
        .enumerate()
        .filter_map(|(place, entry)| Some((place, entry, entry.version.as_ref()?)))
        .collect();
    for pins in pinned.chunks(AT_ONCE) {
        let asked: Vec<Json> = pins
            .iter()
            .map(|(_, entry, version)| json!({ "project": entry.project.to_string(), "version": version.as_str() }))
            .collect();
        let answer = api.post(&["remedies"], &json!({ "pins": asked })).await?;
        if answer.get("feed").and_then(Json::as_str) == Some("not-offered")
            && answers.iter().all(|it| it.advisories.is_empty())
        {
            shell.note("no list of advisories is configured (advisories.source): only what PyPI itself says is known");
        }
        let items = answer.get("answers").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for ((place, entry, _), item) in pins.iter().zip(items) {
            if let Some(slot) = answers.get_mut(*place) {
                *slot = answer_of(item, entry.project.ecosystem);
            }
        }
    }
    let found = remedy(lock.kind, lock.entries.iter().zip(&answers));
    let totals = found.totals;
    match arguments.printing.format {
        Format::Text => shell.print(&found.text)?,
        Format::Json => shell.print_json(&json!({
            "text": found.text,
            "entries": totals.entries,
            "vulnerable": totals.vulnerable,
            "moved": totals.moved,
            "waiting": totals.waiting,
            "by_hand": totals.by_hand,
            "advisories": totals.advisories,
        }))?,
    }
    if totals.vulnerable > totals.moved {
        let left = totals.vulnerable - totals.moved;
        return Err(CliError::Refused(format!(
            "{} not moved: the comments say why",
            text::count(left as u64, "vulnerable pin")
        )));
    }
    Ok(())
}

fn answer_of(item: &Json, ecosystem: Ecosystem) -> Answer {
    let list = |key: &str| item.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let told = |advisory: &Json| {
        let string = |key: &str| advisory.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let severity = advisory.get("severity").cloned().unwrap_or_default();
        let severity = serde_json::from_value::<Severity>(severity).unwrap_or(Severity::Medium);
        Told { id: string("id"), summary: string("summary"), severity }
    };
    let versions = list("fixed").iter().filter_map(Json::as_str).filter_map(|raw| Version::parse(ecosystem, raw).ok());
    Answer { advisories: list("advisories").iter().map(told).collect(), remedies: versions.collect() }
}
