//! `break-glass`: two admins let everything out that is not known to be bad, for a few hours.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::shell::Shell;
use super::text::{self, Table};
use super::upload::Upload;
use super::{CliError, Format, Printing};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Ask for the glass to be broken; another admin must confirm within half an hour.
    Open {
        /// Why; kept in the ledger.
        #[arg(long)]
        reason: String,
        /// For how long, from the second yes on: 2h; four hours at most.
        #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
        lasting: String,
        #[command(flatten)]
        printing: Printing,
    },
    /// Agree with whoever asked: from now on what is held is served, unless it is known to be bad.
    Confirm {
        #[command(flatten)]
        printing: Printing,
    },
    /// Put the glass back before its time, or say no to whoever asked; lists what left.
    Close {
        /// Why; kept in the ledger.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Say where the glass is, and list what left since it was broken last.
    Status {
        #[command(flatten)]
        printing: Printing,
    },
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, command: &Command) -> Result<(), CliError> {
    let client = ApiClient::find(shell, config)?;
    let (answer, printing) = match command {
        Command::Open { reason, lasting, printing } => {
            let body = json!({"reason": reason, "for": lasting});
            (client.post(&["break-glass", "open"], &body).await?, printing)
        }
        Command::Confirm { printing } => (client.post(&["break-glass", "confirm"], &json!({})).await?, printing),
        Command::Close { reason, printing } => {
            let body = reason.as_ref().map_or_else(|| json!({}), |reason| json!({"reason": reason}));
            (client.post(&["break-glass", "close"], &body).await?, printing)
        }
        Command::Status { printing } => (client.get(&["break-glass"], &[]).await?, printing),
    };
    match printing.format {
        Format::Json => shell.print_json(&answer),
        Format::Text => shell.print(&page(&answer)),
    }
}

fn page(answer: &Json) -> String {
    let part = |key: &str| answer.get(key).and_then(Json::as_str).map(text::line).unwrap_or_default();
    let until = text::time(&part("until"));
    let (asked_by, reason) = (part("asked_by"), part("reason"));
    let mut page = match part("state").as_str() {
        "open" => format!(
            "the glass is broken until {until}: {reason}\nasked by {asked_by}, confirmed by {}",
            part("confirmed_by")
        ),
        "asked" => format!(
            "{asked_by} asks to break the glass: {reason}\nanother admin confirms until {until}: lazaret break-glass confirm"
        ),
        _ => "the glass is whole".to_owned(),
    };
    let passed = Upload::list(answer, "passed");
    if !passed.is_empty() {
        let mut table = Table::with_headings(["id", "score", "package", "file", "state", "why"]);
        for upload in passed {
            let (title, file, standing, score) = (upload.title(), upload.file(), upload.standing(), upload.score());
            table.row([upload.id, score, title, file, standing, upload.reason.unwrap_or_default()]);
        }
        page.push_str("\nthrough the broken glass went, to be reviewed:\n");
        page.push_str(&table.render(0));
    }
    page
}
