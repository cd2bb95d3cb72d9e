//! What a command sees of the world: where it prints, its environment, its directory and the time.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CliError;
use crate::config::{self, Loaded};
use crate::domain::{Clock, SystemClock, Timestamp};

/// Tests make their own.
pub(super) struct Shell<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
    pub(super) variables: BTreeMap<OsString, OsString>,
    /// Empty: the working directory.
    pub(super) directory: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
}

impl<'a> Shell<'a> {
    #[expect(clippy::disallowed_methods, reason = "this is the door through which a command's environment comes in")]
    pub(super) fn of_process(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        let variables = std::env::vars_os().collect();
        Self { out, err, variables, directory: PathBuf::new(), clock: Arc::new(SystemClock::new()) }
    }

    /// An environment variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(std::ffi::OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The configuration, as `serve` would read it here.
    pub(super) fn load(&self, path: Option<&Path>) -> Result<Loaded, CliError> {
        Ok(config::load_with(path, &self.directory, self.variables.clone())?)
    }

    /// Prints a text that ends with a line end or is given one.
    pub(super) fn print(&mut self, text: &str) -> Result<(), CliError> {
        self.out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        self.out.flush()?;
        Ok(())
    }

    /// Prints data for programs.
    pub(super) fn print_json(&mut self, json: &serde_json::Value) -> Result<(), CliError> {
        self.print(&format!("{json:#}"))
    }

    /// Tells the person something that is no result.
    pub(super) fn note(&mut self, text: &str) {
        // If nobody listens on stderr there is nobody to tell.
        let _ = writeln!(self.err, "{text}");
    }

    /// Says why it was not done, with the causes below.
    pub(super) fn complain(&mut self, error: &CliError) {
        if error.exit_code() == 0 {
            return;
        }
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let below = error.to_string();
            if !text.contains(&below) {
                text = format!("{text}: {below}");
            }
            cause = error.source();
        }
        let text = if matches!(error, CliError::Usage(_)) { text } else { super::text::lines(&text) };
        self.note(text.trim_end());
    }
}
