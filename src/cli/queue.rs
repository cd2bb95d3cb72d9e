//! `queue`: what waits.

use std::path::Path;

use super::api_client::ApiClient;
use super::shell::Shell;
use super::text::{self, Table};
use super::upload::Upload;
use super::{CliError, Format, Printing};
use crate::domain::{Ecosystem, State};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// held, released, rejected or recalled.
    #[arg(long, default_value = "held")]
    state: State,
    /// Only pypi, cpan or teapot.
    #[arg(long)]
    ecosystem: Option<Ecosystem>,
    /// Only this project.
    #[arg(long)]
    project: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Where the last list ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let limit = arguments.limit.to_string();
    let mut query = vec![("state", arguments.state.as_str()), ("limit", &limit)];
    query.extend(arguments.ecosystem.map(|ecosystem| ("ecosystem", ecosystem.as_str())));
    query.extend(arguments.project.as_deref().map(|project| ("project", project)));
    query.extend(arguments.cursor.as_deref().map(|cursor| ("cursor", cursor)));
    let answer = ApiClient::find(shell, config)?.get(&["uploads"], &query).await?;
    if arguments.printing.format == Format::Json {
        return shell.print_json(&answer);
    }
    let uploads = Upload::list(&answer, "items");
    if uploads.is_empty() {
        return shell.print(&format!("nothing is {}", arguments.state));
    }
    let mut table = Table::with_headings(["id", "score", "package", "file", "state", "why"]);
    for upload in uploads {
        let (title, file, standing, score) = (upload.title(), upload.file(), upload.standing(), upload.score());
        let why = upload.why();
        table.row([upload.id, score, title, file, standing, why]);
    }
    shell.print(&table.render(0))?;
    if let Some(next) = answer.get("next").and_then(serde_json::Value::as_str) {
        shell.note(&format!("there are more: --cursor {}", text::line(next)));
    }
    Ok(())
}
