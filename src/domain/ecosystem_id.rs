//! Which family of packages something belongs to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A family of packages with its own index, its own names and its own clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// Python: pip, uv, poetry.
    Pypi,
    /// Perl: cpanm, cpan, cpm, carton.
    Cpan,
    /// Tcl: teacup.
    Teapot,
}

impl Ecosystem {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Pypi, Self::Cpan, Self::Teapot];

    /// The word used in configuration, URLs and identifiers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pypi => "pypi",
            Self::Cpan => "cpan",
            Self::Teapot => "teapot",
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word does not name an ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown ecosystem {0:?}: use pypi, cpan or teapot")]
pub struct UnknownEcosystem(pub String);

impl FromStr for Ecosystem {
    type Err = UnknownEcosystem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pypi" => Ok(Self::Pypi),
            "cpan" => Ok(Self::Cpan),
            "teapot" => Ok(Self::Teapot),
            other => Err(UnknownEcosystem(other.chars().take(40).collect())),
        }
    }
}
