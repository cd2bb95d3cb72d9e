//! `check`: says of each entry of a lock or requirements file whether this proxy would serve it now; for CI.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::check_report::{Judged, Report, Verdict};
use super::shell::Shell;
use super::{CliError, lock_file, text};
use crate::domain::Ecosystem;
use crate::lockfile::{Entry, Place, Source};

/// So many entries are asked about at once; the API takes 500, but pages that nobody has asked for yet take their time.
const ENTRIES_AT_ONCE: usize = 50;
/// So many files of them; the API takes 10,000, which is what one entry may have.
const FILES_AT_ONCE: usize = 2_000;

/// How the verdicts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html): what is not served, for code scanning.
    Sarif,
    /// `JUnit` XML: a test for each entry.
    Junit,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A requirements file, uv.lock, poetry.lock, pylock.toml or cpanfile.snapshot.
    file: PathBuf,
    /// text, json, sarif or junit.
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    format: Format,
    /// Refuse what cannot be checked too: from elsewhere than an index, without a version, or not understood.
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let lock = lock_file::read(shell, &arguments.file)?;
    let mut judged: Vec<Option<Judged>> = lock.entries.iter().map(unasked).collect();
    let asked: Vec<(usize, &Entry)> =
        lock.entries.iter().enumerate().filter(|(place, _)| matches!(judged.get(*place), Some(None))).collect();
    if !asked.is_empty() {
        let api = ApiClient::find(shell, config)?;
        for part in parts(&asked) {
            let entries: Vec<Json> = part.iter().map(|(_, entry)| lock_file::wanted(entry)).collect();
            let answer = api.post(&["check"], &json!({ "entries": entries })).await?;
            let answers = answer.get("answers").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            for ((place, entry), answer) in part.iter().zip(answers) {
                if let Some(slot) = judged.get_mut(*place) {
                    *slot = Some(of_answer(entry, answer));
                }
            }
        }
    }
    let unanswered = |entry: &Entry| Judged::new(entry, Verdict::Refused, "the proxy gave no answer for it");
    let entries =
        judged.into_iter().zip(&lock.entries).map(|(judged, entry)| judged.unwrap_or_else(|| unanswered(entry)));
    let report = Report::new(&arguments.file, lock.kind, entries.collect(), lock.remarks, arguments.strict);
    match arguments.format {
        Format::Text => shell.print(&report.text())?,
        Format::Json => shell.print_json(&report.json())?,
        Format::Sarif => shell.print_json(&report.sarif())?,
        Format::Junit => shell.print(&report.junit())?,
    }
    for entry in report.unchecked() {
        shell.note(&format!("{}:{}: {} is not checked: {}", report.file(), entry.line, entry.what, entry.reason));
    }
    match report.complaint() {
        Some(complaint) => Err(CliError::Refused(complaint)),
        None => Ok(()),
    }
}

/// The verdict on what the proxy need not be asked about.
fn unasked(entry: &Entry) -> Option<Judged> {
    match &entry.source {
        // uv writes the project itself into its lock file: nothing is installed from anywhere.
        Source::Elsewhere { place: Place::Folder, address } if address == "." => {
            Some(Judged::new(entry, Verdict::Itself, "the project itself"))
        }
        Source::Elsewhere { place, address } => {
            let reason = format!("it comes from {}, not from an index: {}", place.as_str(), text::line(address));
            Some(Judged::new(entry, Verdict::NotChecked, &reason))
        }
        Source::Index { .. } => None,
    }
}

/// Questions that the API takes at once.
fn parts<'a, 'b>(asked: &'a [(usize, &'b Entry)]) -> impl Iterator<Item = &'a [(usize, &'b Entry)]> {
    let mut rest = asked;
    std::iter::from_fn(move || {
        let mut files = 0;
        let fits = |(_, entry): &&(usize, &Entry)| {
            files += entry.files.len();
            files <= FILES_AT_ONCE
        };
        let number = rest.iter().take(ENTRIES_AT_ONCE).take_while(fits).count().max(1);
        let (part, after) = rest.split_at_checked(number)?;
        rest = after;
        Some(part)
    })
}

fn of_answer(entry: &Entry, answer: &Json) -> Judged {
    let part = |key: &str| answer.get(key).and_then(Json::as_str).map(text::line);
    match part("verdict").as_deref() {
        Some("serve") => Judged::new(entry, Verdict::Served, ""),
        Some("unpinned") => {
            let pinned = if entry.project.ecosystem == Ecosystem::Cpan { "NAME@VERSION" } else { "NAME==VERSION" };
            let reason = format!("it leaves a choice, so nobody knows what will be installed: write {pinned}");
            Judged::new(entry, Verdict::NotChecked, &reason)
        }
        _ => Judged {
            until: part("hold_until"),
            id: part("upload_id"),
            ..Judged::new(entry, Verdict::Refused, &part("reason").unwrap_or_default())
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile;

    #[test]
    fn a_question_is_no_larger_than_the_api_takes() {
        let hashes = |number: usize| format!(" --hash=sha256:{}", "0".repeat(64)).repeat(number);
        let lines: Vec<String> =
            [1, 1_500, 600, 3_000, 1].iter().map(|number| format!("a==1{}", hashes(*number))).collect();
        let many: Vec<String> = (0..120).map(|number| format!("b{number}==1")).collect();
        let sizes = |text: &str| {
            let lock = lockfile::read("requirements.txt", text.as_bytes(), None).unwrap();
            let asked: Vec<(usize, &Entry)> = lock.entries.iter().enumerate().collect();
            parts(&asked).map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&lines.join("\n")), [2, 1, 1, 1]);
        assert_eq!(sizes(&many.join("\n")), [50, 50, 20]);
        assert!(sizes("").is_empty());
    }
}
