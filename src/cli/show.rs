//! `show`: one upload, so that a reviewer can decide in half a minute.

use std::path::Path;

use serde_json::Value as Json;

use super::api_client::ApiClient;
use super::decide::{UploadName, upload_name};
use super::shell::Shell;
use super::text::{self, Table};
use super::upload::{Download, Finding, Sibling, Upload};
use super::{CliError, Format, Printing};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An upload's id, pypi:NAME==VERSION, cpan:NAME@VERSION, or a file name.
    #[arg(value_parser = upload_name)]
    id: UploadName,
    /// Also the evidence behind each finding.
    #[arg(long)]
    evidence: bool,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let answer = ApiClient::find(shell, config)?.get(&["uploads", arguments.id.as_str()], &[]).await?;
    if arguments.printing.format == Format::Json {
        return shell.print_json(&answer);
    }
    // A version of several files is answered as a list.
    let uploads = match Upload::list(&answer, "items") {
        files if files.is_empty() => vec![Upload::read(&answer)],
        files => files,
    };
    let pages: Vec<String> = uploads.into_iter().map(|upload| page(upload, arguments.evidence)).collect();
    shell.print(&pages.join("\n"))
}

fn page(mut upload: Upload, evidence: bool) -> String {
    let time = |time: &Option<String>| time.as_deref().map_or_else(|| "unknown".to_owned(), text::time);
    let mut facts = Table::default();
    facts.row(["state".to_owned(), upload.standing()]);
    if let Some(decision) = &upload.decision {
        let decided = format!("{} by {}: {}", text::time(&decision.at), decision.by, decision.reason);
        facts.row(["decided".to_owned(), decided]);
    }
    let verdict = upload.verdict.clone().unwrap_or_else(|| "none".to_owned());
    let reason = upload.reason.clone().map_or_else(String::new, |reason| format!(": {reason}"));
    facts.row(["verdict".to_owned(), format!("{verdict}{reason}")]);
    facts.row(["score".to_owned(), format!("{} of 1", upload.score())]);
    facts.row([
        "published".to_owned(),
        format!("{}, first seen here {}", time(&upload.published), time(&upload.first_seen)),
    ]);
    if let Some(instance) = &upload.instance {
        facts.row(["instance".to_owned(), instance.clone()]);
    }
    facts.row(["file".to_owned(), format!("{}, {}", upload.file_name(), upload.size())]);
    let digest = upload.sha256.clone().unwrap_or_else(|| "unknown".to_owned());
    facts.row(["sha256".to_owned(), format!("{digest}, examination: {}", upload.examination())]);
    facts.row(["id".to_owned(), upload.id.clone()]);
    let mut parts = vec![format!("{}\n{}", upload.title(), facts.render(2))];

    upload.findings.sort_by_key(|finding| std::cmp::Reverse(finding.points));
    let heading = if upload.findings.is_empty() { "\nno findings\n" } else { "\nfindings, heaviest first\n" };
    parts.push(heading.to_owned());
    parts.extend(upload.findings.iter().map(|finding| paragraph(finding, evidence)));
    parts.extend(fetched(&upload.downloads));
    parts.extend(others(&upload.siblings));
    if upload.state == "held" {
        let id = text::line(&upload.id);
        parts.push(format!(
            "\ndecide with\n  lazaret approve {id} --reason \"...\"\n  lazaret reject {id} --reason \"...\"\n"
        ));
    }
    parts.concat()
}

/// Whom the file reached, the latest first.
fn fetched(downloads: &[Download]) -> Option<String> {
    let mut table = Table::default();
    for Download { actor, day, count } in downloads.iter().take(MOST_DOWNLOADS) {
        table.row([day.clone(), actor.clone(), text::count(*count, "time")]);
    }
    let more = downloads.len().saturating_sub(MOST_DOWNLOADS);
    let more = if more > 0 { format!("  and {more} more: --format json\n") } else { String::new() };
    (!downloads.is_empty()).then(|| format!("\nfetched by\n{}{more}", table.render(2)))
}

/// The other files of its version; whoever asked for the version may mean one of them.
fn others(siblings: &[Sibling]) -> Option<String> {
    let mut table = Table::default();
    for Sibling { id, filename, state } in siblings {
        table.row([filename.clone(), state.clone(), format!("lazaret show {id}")]);
    }
    (!siblings.is_empty()).then(|| format!("\nother files of this version\n{}", table.render(2)))
}

/// So many downloads are printed.
const MOST_DOWNLOADS: usize = 20;

/// What findings call the two sides of a comparison.
const SIDES: [&str; 2] = ["before", "now"];
/// So many characters of each are shown.
const LONGEST_SIDE: usize = 160;

/// Data in one short line.
fn brief(told: &Json) -> String {
    let line = told.to_string();
    if line.chars().count() <= LONGEST_SIDE {
        return line;
    }
    line.chars().take(LONGEST_SIDE).chain("...".chars()).collect()
}

fn paragraph(finding: &Finding, evidence: bool) -> String {
    let Finding { signal, family, severity, confidence, points, summary, .. } = finding;
    let family = if family.is_empty() { String::new() } else { format!("{family}; ") };
    let mut lines = vec![
        format!("  {points:>3}  {signal}  ({family}{severity} severity, {confidence} confidence)"),
        format!("       {summary}"),
    ];
    if evidence && !matches!(finding.evidence, Json::Null) {
        lines.extend(format!("{:#}", finding.evidence).lines().map(|fact| format!("       {fact}")));
    } else {
        // What is compared stands side by side without being asked for: that is what a reviewer decides by.
        for side in SIDES {
            let told =
                finding.evidence.get(side).filter(|_| SIDES.iter().all(|side| finding.evidence.get(side).is_some()));
            lines.extend(told.map(|told| format!("       {side:>6}: {}", brief(told))));
        }
    }
    lines.iter().map(|line| text::line(line) + "\n").collect()
}
