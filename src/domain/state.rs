//! The two facts about an upload, its state and the examination of its bytes, and the moves a state may make.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Actor, Role, Sha256, Timestamp};

/// Where an upload is. Bytes leave only if it is released *and* examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In quarantine.
    Held,
    /// Let in.
    Released,
    /// Never let in.
    Rejected,
    /// Was let in, and is not served any more.
    Recalled,
}

/// A move that the house does not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalMove {
    /// No rule leads from the one state to the other.
    #[error("an upload cannot go from {from} to {to}")]
    NoSuchMove {
        /// The present state.
        from: State,
        /// The wanted one.
        to: State,
    },
    /// Only an administrator may undo a final decision.
    #[error("only an admin may take an upload from {from} back to {to}")]
    AdminOnly {
        /// The present state.
        from: State,
        /// The wanted one.
        to: State,
    },
}

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Held, Self::Released, Self::Rejected, Self::Recalled];

    /// The word used in answers and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Rejected => "rejected",
            Self::Recalled => "recalled",
        }
    }

    /// Whether `actor` may take an upload from this state to `to`.
    pub fn may_move(self, to: Self, actor: &Actor) -> Result<(), IllegalMove> {
        match (self, to) {
            (Self::Held, Self::Released | Self::Rejected)
            | (Self::Released, Self::Held | Self::Recalled | Self::Rejected) => Ok(()),
            (Self::Rejected | Self::Recalled, Self::Held) if actor.role() == Some(Role::Admin) => Ok(()),
            (from @ (Self::Rejected | Self::Recalled), Self::Held) => Err(IllegalMove::AdminOnly { from, to }),
            (from, to) => Err(IllegalMove::NoSuchMove { from, to }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word does not name a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state {0:?}: use held, released, rejected or recalled")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.chars().take(40).collect()))
    }
}

/// What is known of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Examination {
    /// Nobody looked yet.
    #[default]
    None,
    /// Digest verified and archive read without objection.
    Passed {
        /// Of the bytes that were read.
        sha256: Sha256,
        /// Version of the examination's rules.
        rules: u32,
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: Timestamp,
    },
    /// The bytes are not what they should be.
    Failed {
        /// In one sentence.
        why: String,
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: Timestamp,
    },
}

impl Examination {
    /// The word used in answers.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Passed { .. } => "passed",
            Self::Failed { .. } => "failed",
        }
    }

    /// The digest of the bytes that passed.
    pub fn passed(&self) -> Option<Sha256> {
        if let Self::Passed { sha256, .. } = self { Some(*sha256) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_drawn_moves_exist() {
        let house = Actor::house("test");
        let admin = Actor::Token { name: "ada".into(), role: Role::Admin };
        let reviewer = Actor::Token { name: "rob".into(), role: Role::Reviewer };
        let legal = |actor: &Actor| -> Vec<String> {
            let moves = State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to)));
            moves
                .filter(|(from, to)| from.may_move(*to, actor).is_ok())
                .map(|(from, to)| format!("{from}>{to}"))
                .collect()
        };
        let everyone = ["held>released", "held>rejected", "released>held", "released>rejected", "released>recalled"];
        assert_eq!(legal(&house), everyone);
        assert_eq!(legal(&reviewer), everyone);
        assert_eq!(legal(&admin), [&everyone[..], &["rejected>held", "recalled>held"]].concat());
    }
}
