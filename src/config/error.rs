//! What can be wrong with a configuration, in sentences that say what to write instead.

use std::fmt;
use std::path::PathBuf;

use super::Source;

/// Why there is no configuration to run on.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file is not there.
    #[error("{}: there is no such file; correct the path after --config, or leave --config out to run on the defaults", .0.display())]
    Missing(PathBuf),
    /// The file is there but cannot be read.
    #[error("{}: the file cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody writes so much by hand.
    #[error("{}: the file is larger than {limit} bytes; is it really a lazaret configuration?", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large it may be.
        limit: u64,
    },
    /// Values that cannot be used, one a line.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, `pypi.private[0].index`; empty where the file is not TOML at all.
    pub key: String,
    /// Where it was written.
    pub source: Source,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File { path, line } => write!(f, "{}:{line}: ", path.display())?,
            Source::Environment { name } => write!(f, "{name}: ")?,
            Source::Default | Source::Discovered { .. } => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self::Mistakes(vec![mistake])
    }
}
