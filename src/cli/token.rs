//! `token`: makes, lists and revokes access tokens.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::decide::{Expiry, UploadName, upload_name};
use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Format, Printing};
use crate::domain::{Mode, Role};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, this once.
    Create {
        /// Whose it is, for the ledger.
        name: String,
        /// viewer, reviewer or admin.
        #[arg(long)]
        role: Role,
        /// When it ends: 30d, or a time.
        #[arg(long)]
        expires: Option<Expiry>,
        /// enforce or observe: how its client is served, whatever the policy's mode is.
        #[arg(long)]
        mode: Option<Mode>,
        #[command(flatten)]
        printing: Printing,
    },
    /// List all tokens, without their secrets.
    List {
        #[command(flatten)]
        printing: Printing,
    },
    /// End a token now.
    Revoke {
        /// Its name.
        #[arg(value_parser = upload_name)]
        name: UploadName,
        #[command(flatten)]
        printing: Printing,
    },
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, command: &Command) -> Result<(), CliError> {
    let client = ApiClient::find(shell, config)?;
    match command {
        Command::Create { name, role, expires, mode, printing } => {
            let mut body = json!({"name": name, "role": role});
            if let Some(expires) = expires {
                body["expires"] = json!(expires.rfc3339(shell.now())?);
            }
            if let Some(mode) = mode {
                body["mode"] = json!(mode);
            }
            let answer = client.post(&["tokens"], &body).await?;
            match (printing.format, answer.get("token").and_then(Json::as_str)) {
                (Format::Text, Some(token)) => {
                    shell.note(&format!("the token of {} ({role}); it is not shown again:", text::line(name)));
                    shell.print(&text::line(token))
                }
                _ => shell.print_json(&answer),
            }
        }
        Command::List { printing } => {
            let answer = client.get(&["tokens"], &[]).await?;
            match printing.format {
                Format::Json => shell.print_json(&answer),
                Format::Text => shell.print(&table(&answer)),
            }
        }
        Command::Revoke { name, printing } => {
            let answer = client.delete(&["tokens", name.as_str()], None).await?;
            match printing.format {
                Format::Json => shell.print_json(&answer),
                Format::Text => shell.print(&format!("{} is revoked", name.as_str())),
            }
        }
    }
}

fn table(answer: &Json) -> String {
    let tokens = answer.get("items").unwrap_or(answer).as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::with_headings(["name", "role", "mode", "created", "ends"]);
    for token in tokens {
        let part = |key: &str| token.get(key).and_then(Json::as_str);
        let time = |key: &str| part(key).map(text::time);
        let ends = time("revoked").map(|at| format!("revoked {at}")).or_else(|| time("expires"));
        table.row([
            part("name").unwrap_or_default().to_owned(),
            part("role").unwrap_or_default().to_owned(),
            part("mode").unwrap_or("as all").to_owned(),
            time("created").unwrap_or_default(),
            ends.unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table.render(0)
}
