//! `check-config`: the configuration in force, and where each value comes from.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::shell::Shell;
use super::text::Table;
use super::{CliError, Format, Printing};
use crate::config::discover;
use crate::domain::{Ecosystem, Mode, Timestamp};
use crate::policy::Policy;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let mut loaded = shell.load(config)?;
    if loaded.config.pypi.upstream.is_none() {
        let search_path = shell.variables.get(OsStr::new("PATH")).cloned();
        let found = discover::pypi(&loaded.config.listen, search_path.as_deref()).await;
        // The proxy runs on without it, so this is a warning.
        if let Err(error) = found.and_then(|found| loaded.adopt(found)) {
            shell.note(&format!("warning: {error}"));
        }
    }
    let policy = match &loaded.config.policy.file {
        Some(file) => {
            let path = shell.directory.join(file);
            Policy::load(&path).map_err(|error| CliError::Refused(format!("policy.file: {error}")))?
        }
        None => Policy::built_in(),
    };
    let modes = modes(&policy, shell.now());
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    if arguments.printing.format == Format::Json {
        let settings: Vec<Json> = loaded
            .settings()
            .into_iter()
            .map(|setting| json!({"key": setting.key, "value": setting.value, "source": setting.source.to_string()}))
            .collect();
        return shell.print_json(&json!({"file": file, "settings": settings, "modes": modes}));
    }
    let mut table = Table::default();
    for setting in loaded.settings() {
        let value = if setting.value.is_null() { "(not set)".to_owned() } else { setting.value.to_string() };
        table.row([setting.key, format!("= {value}"), format!("# {}", setting.source)]);
    }
    let modes: Vec<String> = modes.iter().map(|(ecosystem, mode)| format!("# {ecosystem}: {mode}\n")).collect();
    let head = file.map_or_else(|| "no file, defaults".to_owned(), |file| super::text::line(&file));
    shell.print(&format!("# {head}\n{}\n{}", table.render(0), modes.concat().trim_end()))
}

/// The mode of each ecosystem by the policy, and until when.
fn modes(policy: &Policy, now: Timestamp) -> BTreeMap<&'static str, String> {
    let ends = policy.modes.next_change(now);
    let words = |ecosystem: Ecosystem| match (policy.mode_at(ecosystem, now), ends) {
        (Mode::Observe, Some(ends)) => format!("observe until {}, then enforce", super::text::moment(ends)),
        (mode, _) => mode.to_string(),
    };
    Ecosystem::ALL.into_iter().map(|ecosystem| (ecosystem.as_str(), words(ecosystem))).collect()
}
