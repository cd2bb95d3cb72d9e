//! Logs on stderr, as text or as JSON lines; stdout belongs to what commands print.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors: one JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `info`, or by room: `info,lazaret::upstream=debug`.
    pub filter: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a filter.
    #[error(
        "LAZARET_LOG: {text:?} is not a filter; write a level like \"info\", or one by room like \"info,lazaret::upstream=debug\""
    )]
    Filter {
        /// What was written.
        text: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Not a format.
    #[error("LAZARET_LOG_FORMAT: {0:?} is not a format; write text or json")]
    Format(String),
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

impl LogSettings {
    /// Reads `LAZARET_LOG` and `LAZARET_LOG_FORMAT` by asking for a variable's value.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, LogError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let filter = set("LAZARET_LOG").unwrap_or_else(|| Self::default().filter);
        let format = match set("LAZARET_LOG_FORMAT").as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => return Err(LogError::Format(other.to_owned())),
        };
        Ok(Self { filter, format })
    }

    /// Reads them from this process's environment.
    #[expect(clippy::disallowed_methods, reason = "this is the door through which log settings come in")]
    pub fn from_environment() -> Result<Self, LogError> {
        Self::read(|name| std::env::var(name).ok())
    }
}

/// Starts logging. Where logging was started before, as in tests, that stays.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&settings.filter)
        .map_err(|source| LogError::Filter { text: settings.filter.clone(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Text => registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str, format: &str) -> Result<LogSettings, LogError> {
        LogSettings::read(|name| match name {
            "LAZARET_LOG" => Some(filter.to_owned()),
            "LAZARET_LOG_FORMAT" => Some(format.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn logging_can_be_started_twice() {
        let quiet = LogSettings { filter: "warn".to_owned(), format: LogFormat::Json };
        init(&quiet).unwrap();
        init(&quiet).unwrap();
    }

    #[test]
    fn unset_and_empty_variables_mean_info_as_text() {
        assert_eq!(LogSettings::read(|_| None).unwrap(), LogSettings::default());
        assert_eq!(read("", " ").unwrap(), LogSettings::default());
        let json = LogSettings { filter: "debug".to_owned(), format: LogFormat::Json };
        assert_eq!(read("debug", "json").unwrap(), json);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        insta::assert_snapshot!(read("info", "xml").unwrap_err(), @"LAZARET_LOG_FORMAT: \"xml\" is not a format; write text or json");
        let wrong = read("lazaret=loud", "").unwrap();
        insta::assert_snapshot!(init(&wrong).unwrap_err(), @r#"LAZARET_LOG: "lazaret=loud" is not a filter; write a level like "info", or one by room like "info,lazaret::upstream=debug""#);
    }
}
