//! `audit`: reads the ledger, and verifies that nothing in it was changed, removed or swapped.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::noted_head::Noted;
use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Doors, Format, Printing};
use crate::domain::Actor;
use crate::domain::audit::Head;
use crate::store::verify::{Verification, goes_through, verify};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List events.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Where the last list ended.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Verify the hash chain.
    Verify {
        /// Read the data folder instead of asking the proxy, which must not be running.
        #[arg(long)]
        offline: bool,
        /// What was kept elsewhere: NUMBER:HASH, a signed head, or a file of them such as heads.jsonl. The ledger must still go
        /// through each.
        #[arg(long, value_name = "HEAD")]
        from: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Print the end of the ledger, signed, on one line: keep it where this machine cannot reach.
    Head {
        #[command(flatten)]
        printing: Printing,
    },
}

pub(super) async fn run(
    shell: &mut Shell<'_>,
    config: Option<&Path>,
    command: &Command,
    doors: &dyn Doors,
) -> Result<(), CliError> {
    match command {
        Command::List { limit, cursor, printing } => {
            let limit = limit.to_string();
            let mut query = vec![("limit", limit.as_str())];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let answer = ApiClient::find(shell, config)?.get(&["audit"], &query).await?;
            if printing.format == Format::Json {
                return shell.print_json(&answer);
            }
            shell.print(&table(&answer))?;
            if let Some(next) = answer.get("next").filter(|next| !next.is_null()) {
                let next = next.as_str().map_or_else(|| next.to_string(), str::to_owned);
                shell.note(&format!("there are more: --cursor {}", text::line(&next)));
            }
            Ok(())
        }
        Command::Head { printing } => {
            let answer = ApiClient::find(shell, config)?.get(&["audit", "head"], &[]).await?;
            match printing.format {
                Format::Json => shell.print_json(&answer),
                Format::Text => shell.print(&text::line(&answer.to_string())),
            }
        }
        Command::Verify { offline, from, printing } => {
            let noted = from.as_deref().map(|from| Noted::read(shell, from)).transpose()?;
            let from = noted.as_ref().and_then(Noted::last);
            let earlier: Vec<Head> = noted.iter().flat_map(Noted::earlier).collect();
            let answer = if *offline {
                let data_dir = shell.directory.join(shell.load(config)?.config.store.data_dir);
                let ledger = doors.open_ledger(&data_dir).await?;
                for head in earlier {
                    if !goes_through(ledger.as_ref(), head).await? {
                        return report(shell, &json!({"ok": false, "first_bad": head.sequence}), *printing);
                    }
                }
                match verify(ledger.as_ref(), from).await? {
                    Verification::Whole(head) => json!({"ok": true, "events": head.sequence, "head": head.to_string()}),
                    Verification::Broken { first_bad } => json!({"ok": false, "first_bad": first_bad}),
                }
            } else {
                let client = ApiClient::find(shell, config)?.patient();
                for head in earlier {
                    if !is_in_ledger(&client, head).await? {
                        return report(shell, &json!({"ok": false, "first_bad": head.sequence}), *printing);
                    }
                }
                let from = from.map(|head| head.to_string());
                let query: Vec<_> = from.as_deref().map(|from| ("from", from)).into_iter().collect();
                let answer = client.get(&["audit", "verify"], &query).await?;
                let compared = answer.get("from").and_then(Json::as_str) == from.as_deref();
                if !compared && answer.get("ok").and_then(Json::as_bool) == Some(true) {
                    let problem = "this proxy does not compare with a noted head; stop it and add --offline";
                    return Err(CliError::Refused(problem.to_owned()));
                }
                answer
            };
            report(shell, &answer, *printing)
        }
    }
}

/// Whether the proxy's ledger goes through a head.
async fn is_in_ledger(client: &ApiClient, head: Head) -> Result<bool, CliError> {
    let before = head.sequence.saturating_sub(1).to_string();
    let page = client.get(&["audit"], &[("cursor", before.as_str()), ("limit", "1")]).await?;
    let event = page.get("items").and_then(|items| items.get(0));
    let hash = event.and_then(|event| event.get("hash")).and_then(Json::as_str);
    Ok(hash == Some(head.hash.to_string().as_str()))
}

fn report(shell: &mut Shell<'_>, answer: &Json, printing: Printing) -> Result<(), CliError> {
    let whole = answer.get("ok").and_then(Json::as_bool) == Some(true);
    let number = |key: &str| answer.get(key).and_then(Json::as_u64);
    if printing.format == Format::Json {
        shell.print_json(answer)?;
    } else if whole {
        let events = text::count(number("events").unwrap_or_default(), "event");
        let head = answer.get("head").and_then(Json::as_str);
        let head = head.map_or_else(String::new, |head| format!("; the head is {}", text::line(head)));
        shell.print(&format!("the ledger is whole: {events}{head}"))?;
    }
    if whole {
        return Ok(());
    }
    let place = number("first_bad").map_or_else(String::new, |number| format!(" at event {number}"));
    Err(CliError::Broken(format!(
        "the ledger is broken{place}: something was changed or removed there; keep a copy of the data folder, and compare \
         with a backup before you decide anything"
    )))
}

fn table(answer: &Json) -> String {
    let mut table = Table::with_headings(["no", "when", "what", "who", "about"]);
    for event in answer.get("items").and_then(Json::as_array).into_iter().flatten() {
        let part = |key: &str| event.get(key).and_then(Json::as_str).unwrap_or_default();
        let actor = event.get("actor").unwrap_or(&Json::Null);
        let who = match serde_json::from_value::<Actor>(actor.clone()) {
            Ok(actor) => actor.to_string(),
            Err(_) => actor.as_str().unwrap_or_default().to_owned(),
        };
        let number = event.get("sequence").and_then(Json::as_u64).unwrap_or_default().to_string();
        table.row([number, text::time(part("at")), part("kind").to_owned(), who, part("summary").to_owned()]);
    }
    table.render(0)
}
