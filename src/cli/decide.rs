//! `approve`, `reject`, `recall`: a person's decisions.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value as Json, json};
use time::format_description::well_known::Rfc3339;

use super::api_client::ApiClient;
use super::shell::Shell;
use super::text::{self, Table};
use super::upload::Upload;
use super::{CliError, Format, Printing};
use crate::domain::{Scope, Timestamp};

/// What a person calls an upload; the proxy finds it.
#[derive(Debug, Clone)]
pub(super) struct UploadName(String);

impl UploadName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses what would not stay one part of a path.
pub(super) fn upload_name(text: &str) -> Result<UploadName, String> {
    let plain = !text.trim().is_empty() && !matches!(text, "." | "..") && !text.chars().any(char::is_control);
    if plain {
        Ok(UploadName(text.to_owned()))
    } else {
        Err("name an upload by its id, as pypi:NAME==VERSION or cpan:NAME@VERSION, or by its file name".to_owned())
    }
}

/// A reason is read by others, months later.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("say why, for the ledger".to_owned()) } else { Ok(text.to_owned()) }
}

/// When something ends: after a time, or at a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expiry {
    After(Duration),
    At(Timestamp),
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = Timestamp::parse(text, &Rfc3339) {
            return Ok(Self::At(time));
        }
        match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(Self::After(duration)),
            _ => Err("write a duration like 30d, or a time like 2026-12-31T00:00:00Z".to_owned()),
        }
    }
}

impl Expiry {
    /// As the API wants it.
    pub(super) fn rfc3339(self, now: Timestamp) -> Result<String, CliError> {
        let end = match self {
            Self::At(time) => Some(time),
            Self::After(duration) => time::Duration::try_from(duration).ok().and_then(|time| now.checked_add(time)),
        };
        match end {
            Some(end) if end > now => Ok(text::rfc3339(end)),
            Some(_) => Err(CliError::Usage("--expires: this is in the past".to_owned())),
            None => Err(CliError::Usage("--expires: nothing lasts that long".to_owned())),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    #[command(flatten)]
    decision: Refuse,
    /// When a waiver for a project ends: 30d, or a time.
    #[arg(long)]
    expires: Option<Expiry>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Refuse {
    /// An upload's id, pypi:NAME==VERSION, cpan:NAME@VERSION, or a file name.
    #[arg(value_parser = upload_name)]
    id: UploadName,
    /// Why; it is kept in the ledger.
    #[arg(long, value_parser = reason)]
    reason: String,
    /// file, version or project; without it the file, or the version where ID names one.
    #[arg(long)]
    scope: Option<Scope>,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn approve(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Approve) -> Result<(), CliError> {
    let expires = arguments.expires.map(|expires| expires.rfc3339(shell.now())).transpose()?;
    if arguments.decision.scope == Some(Scope::Project) && expires.is_none() {
        return Err(CliError::Usage("--scope project is a waiver, which must end: add --expires 30d".to_owned()));
    }
    decide(shell, config, "approve", &arguments.decision, expires).await
}

pub(super) async fn refuse(
    shell: &mut Shell<'_>,
    config: Option<&Path>,
    verb: &str,
    arguments: &Refuse,
) -> Result<(), CliError> {
    decide(shell, config, verb, arguments, None).await
}

async fn decide(
    shell: &mut Shell<'_>,
    config: Option<&Path>,
    verb: &str,
    arguments: &Refuse,
    expires: Option<String>,
) -> Result<(), CliError> {
    let mut body = json!({"reason": arguments.reason});
    if let Some(scope) = arguments.scope {
        body["scope"] = json!(scope);
    }
    if let Some(expires) = expires {
        body["expires"] = json!(expires);
    }
    let answer = ApiClient::find(shell, config)?.post(&["uploads", arguments.id.as_str(), verb], &body).await?;
    if arguments.printing.format == Format::Json {
        return shell.print_json(&answer);
    }
    shell.print(&outcome(&answer))
}

fn outcome(answer: &Json) -> String {
    let changed = Upload::list(answer, "changed");
    let mut text = match changed.len() {
        0 => "nothing had to be changed\n".to_owned(),
        number => format!("{} changed\n", text::count(number as u64, "file")),
    };
    let mut table = Table::default();
    for upload in &changed {
        table.row([upload.standing(), upload.title(), upload.file(), upload.id.clone()]);
    }
    text.push_str(&table.render(2));

    let reached = answer.get("reached").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if !reached.is_empty() {
        // Before anybody looks for it in a log: these machines have it.
        text.push_str("\nfetched before by:\n");
        let mut table = Table::default();
        for one in reached {
            let part = |key: &str| one.get(key).and_then(Json::as_str).map(text::line).unwrap_or_default();
            let count = one.get("count").and_then(Json::as_u64).unwrap_or_default();
            table.row([part("actor"), part("day"), format!("{count} times"), part("filename")]);
        }
        text.push_str(&table.render(2));
    }

    let also_held = answer.get("also_held").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if !also_held.is_empty() {
        // Rule 9: pip would pick the released parent and die on its held child.
        text.push_str("\nstill held, and needed by what was released:\n");
        let mut table = Table::default();
        for held in also_held {
            let part = |key: &str| held.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            table.row([part("id"), format!("{}=={}", part("project"), part("version")), part("why")]);
        }
        text.push_str(&table.render(2));
        text.push_str("approve them too with `lazaret approve ID --reason ...`\n");
    }
    text
}
