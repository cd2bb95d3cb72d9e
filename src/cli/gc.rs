//! `gc`: throws away what nothing refers to.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::shell::Shell;
use super::text;
use super::{CliError, Format, Printing};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only say what would be thrown away.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let body = json!({ "dry_run": arguments.dry_run });
    let answer = ApiClient::find(shell, config)?.patient().post(&["gc"], &body).await?;
    match arguments.printing.format {
        Format::Json => shell.print_json(&answer),
        Format::Text => shell.print(&outcome(&answer)),
    }
}

fn outcome(answer: &Json) -> String {
    let number = |key: &str| answer.get(key).and_then(Json::as_u64).unwrap_or_default();
    let is_dry = answer.get("dry_run").and_then(Json::as_bool) == Some(true);
    let line = |count: &str, what: &str, bytes: &str| {
        format!("{}, {}", text::count(number(count), what), text::size(number(bytes)))
    };
    format!(
        "{}:\n  cached bytes that no upload refers to: {}\n  evidence that nothing refers to: {}\n  left behind by \
         fetches that did not come to an end: {}\n",
        if is_dry { "would be thrown away" } else { "thrown away" },
        line("blobs", "file", "blob_bytes"),
        line("dossiers", "dossier", "dossier_bytes"),
        line("stages", "file", "stage_bytes"),
    )
}
