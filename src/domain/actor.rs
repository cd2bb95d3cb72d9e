//! Who does something here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a token may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads the queue, the uploads and the ledger.
    Viewer,
    /// Approves, rejects and recalls.
    Reviewer,
    /// Also blocks names, creates tokens and undoes final decisions.
    Admin,
}

impl Role {
    /// The word used in configuration and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reviewer => "reviewer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word does not name a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}: use viewer, reviewer or admin")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "reviewer" => Ok(Self::Reviewer),
            "admin" => Ok(Self::Admin),
            other => Err(UnknownRole(other.chars().take(40).collect())),
        }
    }
}

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Actor {
    /// lazaret itself, by the named job or rule.
    House {
        /// Which one.
        name: String,
    },
    /// A person or program with a token.
    Token {
        /// The token's name.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// A package client.
    Client {
        /// Its address.
        address: String,
    },
}

impl Actor {
    /// lazaret itself, by the named job or rule.
    pub fn house(name: &str) -> Self {
        Self::House { name: name.to_owned() }
    }

    /// What this actor may do; the house decides by its own rules, never as an administrator.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Token { role, .. } => Some(*role),
            Self::House { .. } | Self::Client { .. } => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::House { name } => write!(f, "lazaret ({name})"),
            Self::Token { name, role } => write!(f, "{name} ({role})"),
            Self::Client { address } => write!(f, "client {address}"),
        }
    }
}
