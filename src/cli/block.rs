//! `block`, `unblock`: names and versions that are rejected before they are ever seen.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::decide::reason;
use super::shell::Shell;
use super::{CliError, Format, Printing};
use crate::domain::{Ecosystem, Project, Version};

/// A project, or one version of it.
#[derive(Debug, Clone)]
pub(super) struct Target(String);

impl Target {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one version.
    pub(super) fn is_version(&self) -> bool {
        self.0.contains("==") || self.0.contains('@')
    }
}

/// Reads `pypi:NAME`, `pypi:NAME==VERSION` or `cpan:NAME@VERSION`, likewise of other ecosystems, and normalises both parts.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let separator = if text.starts_with("cpan:") && !text.contains("==") { "@" } else { "==" };
    let parts = text.split_once(separator);
    let project: Project = parts.map_or(text, |(project, _)| project).parse().map_err(|error| format!("{error}"))?;
    let Some((_, version)) = parts else { return Ok(Target(project.to_string())) };
    let version = Version::parse(project.ecosystem, version.trim()).map_err(|error| error.to_string())?;
    let separator = if project.ecosystem == Ecosystem::Cpan { "@" } else { "==" };
    Ok(Target(format!("{project}{separator}{version}")))
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// pypi:NAME or pypi:NAME==VERSION; cpan:NAME@VERSION; teapot:NAME==VERSION.
    #[arg(value_parser = target)]
    target: Target,
    /// Why; it is kept in the ledger.
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    printing: Printing,
}

impl Arguments {
    fn body(&self) -> Json {
        json!({"target": self.target.as_str(), "reason": self.reason})
    }

    fn print(&self, shell: &mut Shell<'_>, answer: &Json, done: &str) -> Result<(), CliError> {
        match self.printing.format {
            Format::Json => shell.print_json(answer),
            Format::Text => shell.print(&format!("{} {done}", self.target.as_str())),
        }
    }
}

pub(super) async fn block(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let answer = ApiClient::find(shell, config)?.post(&["blocks"], &arguments.body()).await?;
    arguments.print(shell, &answer, "is blocked")
}

pub(super) async fn unblock(
    shell: &mut Shell<'_>,
    config: Option<&Path>,
    arguments: &Arguments,
) -> Result<(), CliError> {
    let answer = ApiClient::find(shell, config)?.delete(&["blocks"], Some(&arguments.body())).await?;
    arguments.print(shell, &answer, "is not blocked any more")
}
