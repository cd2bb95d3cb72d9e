//! `doctor`: what a house needs, looked at one by one, each with what to do next; and whether the way to it changes its answers.

mod premises;
mod upstreams;
mod way;

use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value as Json, json};
use url::Url;

use super::shell::Shell;
use super::text::{self, Table};
use super::{CliError, Format, Printing};
use crate::config::discover;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Look at the way to the packages listener through this address (a load balancer's), and at nothing else.
    #[arg(long, value_name = "URL", value_parser = way::address)]
    via: Option<Url>,
    #[command(flatten)]
    printing: Printing,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Line {
    level: Level,
    check: String,
    what: String,
    next: String,
}

/// All that was looked at.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    fn ok(&mut self, check: impl Into<String>, what: impl Into<String>) {
        self.add(Level::Ok, check, what, "");
    }

    fn warn(&mut self, check: impl Into<String>, what: impl Into<String>, next: &str) {
        self.add(Level::Warn, check, what, next);
    }

    fn fail(&mut self, check: impl Into<String>, what: impl Into<String>, next: &str) {
        self.add(Level::Fail, check, what, next);
    }

    fn add(&mut self, level: Level, check: impl Into<String>, what: impl Into<String>, next: &str) {
        self.0.push(Line { level, check: check.into(), what: what.into(), next: next.to_owned() });
    }
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let lines = match &arguments.via {
        Some(url) => {
            // Only its certificates count here: the way is looked at from anywhere.
            let ca_file = shell.load(config).ok().and_then(|loaded| loaded.config.upstream.ca_file);
            way::look(url, ca_file.as_deref()).await?
        }
        None => look(shell, config).await,
    };
    print(shell, &lines, arguments.printing)
}

async fn look(shell: &Shell<'_>, config: Option<&Path>) -> Lines {
    let mut lines = Lines::default();
    let mut loaded = match shell.load(config) {
        Ok(loaded) => loaded,
        Err(error) => {
            lines.fail("configuration", error.to_string(), "correct the file; lazaret check-config shows the rest");
            return lines;
        }
    };
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    lines.ok("configuration", file.unwrap_or_else(|| "no file, defaults".to_owned()));
    if loaded.config.pypi.upstream.is_none() {
        let search_path = shell.variables.get(OsStr::new("PATH")).cloned();
        let found = discover::pypi(&loaded.config.listen, search_path.as_deref()).await;
        match found.and_then(|found| {
            let from = found.from.clone();
            loaded.adopt(found).map(|()| from)
        }) {
            Ok(from) => lines.ok("tools", format!("the public Python index is known from {from}")),
            Err(error) => lines.fail("tools", error.to_string(), "set pypi.upstream, or run lazaret init"),
        }
    } else {
        lines.ok("tools", "none is needed: pypi.upstream is set");
    }
    let config = &loaded.config;
    premises::policy(&mut lines, shell, config, shell.now());
    premises::certificates(&mut lines, config, shell.now());
    premises::trust(&mut lines, config, shell.now());
    premises::named_files(&mut lines, shell, config);
    premises::disk(&mut lines, shell, config);
    let running = premises::store(&mut lines, shell, config).await;
    let dates = upstreams::look(&mut lines, config, shell.now()).await;
    premises::clock(&mut lines, shell, config, &dates, running.as_ref());
    lines
}

fn print(shell: &mut Shell<'_>, lines: &Lines, printing: Printing) -> Result<(), CliError> {
    let failed = lines.0.iter().filter(|line| line.level == Level::Fail).count();
    if printing.format == Format::Json {
        let checks: Vec<Json> = lines
            .0
            .iter()
            .map(|line| {
                let next = (!line.next.is_empty()).then_some(&line.next);
                json!({"check": line.check, "level": line.level.as_str(), "what": line.what, "next": next})
            })
            .collect();
        shell.print_json(&json!({"ok": failed == 0, "checks": checks}))?;
    } else {
        let mut table = Table::default();
        for line in &lines.0 {
            let next = if line.next.is_empty() { String::new() } else { format!("; {}", line.next) };
            table.row([line.level.as_str().to_owned(), line.check.clone(), format!("{}{next}", line.what)]);
        }
        shell.print(&table.render(0))?;
    }
    if failed == 0 {
        return Ok(());
    }
    let all = text::count(lines.0.len() as u64, "check");
    Err(CliError::Refused(format!("{failed} of {all} failed")))
}
