//! `why`: what is served of a project now, what is not, why and until when.

use std::path::Path;

use serde_json::Value as Json;

use super::api_client::ApiClient;
use super::block::{Target, target};
use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Format, Printing};

/// Versions are listed newest first, and the older ones are rarely asked about.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// pypi:NAME, pypi:NAME==VERSION, cpan:NAME or cpan:NAME@VERSION.
    #[arg(value_parser = target)]
    target: Target,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let query = [("target", arguments.target.as_str())];
    let answer = ApiClient::find(shell, config)?.get(&["why"], &query).await?;
    if arguments.printing.format == Format::Json {
        return shell.print_json(&answer);
    }
    shell.print(&page(&answer, arguments.target.is_version()))
}

/// Of one version it is said that it is served, or not; how many others there are was not asked.
fn page(answer: &Json, about_one: bool) -> String {
    let string = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(text::line).unwrap_or_default();
    let list = |key: &str| answer.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let origin = Some(string(answer, "origin")).filter(|origin| !origin.is_empty());
    let origin = origin.map_or_else(String::new, |origin| format!(" from {origin}"));
    let (served, held) = (list("served"), list("held"));
    let mut parts = vec![format!("{}{origin}\n", string(answer, "project"))];
    if !about_one || !served.is_empty() {
        parts.push(format!("\nserved: {}\n", text::count(served.len() as u64, "version")));
    }
    let mut table = Table::default();
    for version in served.iter().take(SHOWN) {
        table.row([string(version, "version"), files(version)]);
    }
    parts.push(table.render(2));
    if served.len() > SHOWN {
        parts.push(format!("  and {} more\n", served.len() - SHOWN));
    }

    if !about_one || !held.is_empty() {
        parts.push(format!("\nnot served: {}\n", text::count(held.len() as u64, "version")));
    }
    let mut table = Table::default();
    for version in held {
        let until = version.get("hold_until").and_then(Json::as_str);
        let until = until.map_or_else(String::new, |until| format!(" until {}", text::end(until)));
        let state = string(version, "state") + &until;
        let (reason, id) = (string(version, "reason"), string(version, "id"));
        table.row([string(version, "version"), files(version), state, reason, id]);
    }
    parts.push(table.render(2));
    parts.extend(
        list("notes").iter().map(|note| format!("\nnote: {}\n", text::line(note.as_str().unwrap_or_default()))),
    );
    parts.concat()
}

/// The API may count the files or name them.
fn files(version: &Json) -> String {
    let number = match version.get("files") {
        Some(Json::Array(files)) => files.len() as u64,
        Some(number) => number.as_u64().unwrap_or_default(),
        None => return String::new(),
    };
    text::count(number, "file")
}
