//! `policy try`: what another policy would have made of everything that is stored here.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Format, Printing};
use crate::policy::Policy;

/// Longest policy that is sent.
const LONGEST: u64 = 60 << 10;
/// So many changes are printed; the others are counted.
const SHOWN: usize = 50;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Judge what is stored under another policy and print what would change. Changes nothing.
    Try(Try),
}

#[derive(Debug, clap::Args)]
pub(super) struct Try {
    /// The policy: a TOML file over the built-in policy.
    file: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, command: &Command) -> Result<(), CliError> {
    let Command::Try(arguments) = command;
    let path = shell.directory.join(&arguments.file);
    let text = read(&path)?;
    let name = path.display().to_string();
    // Mistakes are told here, with file and line, before anything is asked.
    Policy::parse(&text, &name).map_err(|error| CliError::Refused(error.to_string()))?;
    let body = json!({ "policy": text, "name": name });
    let answer = ApiClient::find(shell, config)?.post(&["policy", "try"], &body).await?;
    match arguments.printing.format {
        Format::Json => shell.print_json(&answer),
        Format::Text => shell.print(&page(&answer)),
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    let problem = |problem: String| CliError::File { path: path.to_owned(), problem };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| problem(error.to_string()))?;
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| problem(error.to_string()))?;
    if text.len() as u64 > LONGEST {
        return Err(problem(format!("it has more than {LONGEST} bytes: is it the right file?")));
    }
    Ok(text)
}

fn page(answer: &Json) -> String {
    let number = |key: &str| answer.get(key).and_then(Json::as_u64).unwrap_or_default();
    let list = |key: &str| answer.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let string = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(text::line).unwrap_or_default();
    let mut parts = vec![format!(
        "judged {} under both policies; {} without stored facts and {} decided by people stay as they are\n",
        text::count(number("judged"), "upload"),
        number("without_facts"),
        number("decided_by_people")
    )];
    let (counts, changes) = (list("counts"), list("changes"));
    if counts.is_empty() {
        parts.push("\nnothing would change\n".to_owned());
        return parts.concat();
    }
    parts.push("\nwould change\n".to_owned());
    let mut table = Table::default();
    for count in counts {
        let uploads = count.get("uploads").and_then(Json::as_u64).unwrap_or_default();
        table.row([format!("{} -> {}", string(count, "from"), string(count, "to")), text::count(uploads, "upload")]);
    }
    parts.push(table.render(2));
    parts.push(String::from("\n"));
    for change in changes.iter().take(SHOWN) {
        let verdict = |key: &str| {
            let verdict = change.get(key).unwrap_or(&Json::Null);
            let until = verdict.get("until").and_then(Json::as_str);
            let until = until.map_or_else(String::new, |until| format!(" until {}", text::end(until)));
            let score = verdict.get("score").and_then(Json::as_f64).unwrap_or_default();
            format!("{}{until} (score {score:.2})", string(verdict, "outcome"))
        };
        parts.push(format!(
            "  {}  {}\n    {} -> {}\n",
            string(change, "filename"),
            string(change, "id"),
            verdict("from"),
            verdict("to")
        ));
        let reasons = change.get("reasons").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        parts.extend(reasons.iter().filter_map(Json::as_str).map(|reason| format!("    {}\n", text::line(reason))));
    }
    if changes.len() > SHOWN {
        parts.push(format!("  and {} more; --format json has them\n", changes.len() - SHOWN));
    }
    parts.concat()
}
