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
}

/// Reads `pypi:NAME` or `pypi:NAME==VERSION` and normalises both parts.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let (project, version) = text.split_once("==").map_or((text, None), |(project, version)| (project, Some(version)));
    let project: Project = project.parse().map_err(|error| format!("{error}"))?;
    let Some(version) = version else { return Ok(Target(project.to_string())) };
    if project.ecosystem != Ecosystem::Pypi {
        return Err("a version is written as pypi:NAME==VERSION".to_owned());
    }
    let version = Version::pypi(version).map_err(|error| error.to_string())?;
    Ok(Target(format!("{project}=={version}")))
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// pypi:NAME or pypi:NAME==VERSION.
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
