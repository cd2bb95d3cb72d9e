//! `report`: what was refused each day, and what would have been while the policy only observes.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value as Json;

use super::api_client::ApiClient;
use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Format, Printing};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many days, today included.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let days = arguments.days.to_string();
    let answer = ApiClient::find(shell, config)?.get(&["report"], &[("days", &days)]).await?;
    if arguments.printing.format == Format::Json {
        return shell.print_json(&answer);
    }
    let items: Vec<&Json> = answer.get("items").and_then(Json::as_array).into_iter().flatten().collect();
    let span = if arguments.days == 1 { "today".to_owned() } else { format!("in the last {} days", arguments.days) };
    if items.is_empty() {
        return shell.print(&format!("nothing was refused {span}, or would have been"));
    }
    let mut table = Table::with_headings(["day", "requests", "by", "package", "file", "what", "why"]);
    for item in &items {
        let part = |key: &str| item.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| item.get(key).and_then(Json::as_u64).unwrap_or_default();
        let more = if item.get("more_actors").and_then(Json::as_bool) == Some(true) { "+" } else { "" };
        let version = item.get("version").and_then(Json::as_str).map(|version| format!("=={version}"));
        let package = format!("{}:{}{}", part("ecosystem"), part("project"), version.unwrap_or_default());
        let what = if is_refused(item) { "refused" } else { "served, would be refused" };
        table.row([
            part("day"),
            number("count").to_string(),
            format!("{}{more}", number("actors")),
            package,
            part("filename").rsplit('/').next().unwrap_or_default().to_owned(),
            what.to_owned(),
            part("reason"),
        ]);
    }
    let sums = [(false, "served, and would be refused if the policy enforced"), (true, "refused")];
    let sums = sums.into_iter().filter_map(|(refused, what)| Some(format!("{what}: {}\n", sum(&items, refused)?)));
    let lines: String = std::iter::once(table.render(0)).chain(sums).collect();
    shell.print(&lines)?;
    if let Some(more) = answer.get("left_out").and_then(Json::as_u64).filter(|more| *more > 0) {
        shell.note(&format!("{} more are not listed", text::count(more, "request")));
    }
    Ok(())
}

/// `3 requests for 2 files` of those that were refused, or were not; `None` for none.
fn sum(items: &[&Json], refused: bool) -> Option<String> {
    let of_kind = || items.iter().filter(|item| is_refused(item) == refused);
    let requests: u64 = of_kind().filter_map(|item| item.get("count")?.as_u64()).sum();
    let name = |item: &&&Json| {
        let id = item.get("upload_id").filter(|id| !id.is_null());
        id.or_else(|| item.get("project")).map(ToString::to_string)
    };
    let files: HashSet<_> = of_kind().map(|item| name(&item)).collect();
    let files = text::count(files.len() as u64, "file");
    (requests > 0).then(|| format!("{} for {files}", text::count(requests, "request")))
}

fn is_refused(item: &Json) -> bool {
    item.get("kind").and_then(Json::as_str) == Some("refused")
}
