//! Whether verdicts are enforced.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether verdicts are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What is not released is not served.
    #[default]
    Enforce,
    /// Decide and record, refuse only the hard rules.
    Observe,
}

impl Mode {
    /// Both, in the order of their places in a table.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::Observe];

    /// The word used in configuration and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word does not name a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}: use enforce or observe")]
pub struct UnknownMode(pub String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "enforce" => Ok(Self::Enforce),
            "observe" => Ok(Self::Observe),
            other => Err(UnknownMode(other.chars().take(40).collect())),
        }
    }
}
