//! What it means that one name could be mistaken for another.

use serde::{Deserialize, Serialize};

/// A known name that another name could be mistaken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The known name.
    pub target: String,
    /// Its place in the list, from 1; internal names have 1.
    pub rank: u32,
    /// Whether it is an internal name.
    pub internal: bool,
    /// How they differ.
    pub kind: Confusion,
    /// From 0, nothing in common, to 1, the same: `1 - edits / length`.
    pub similarity: f64,
}

/// How two names that could be confused differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confusion {
    /// The same without separators.
    Compact,
    /// Two characters side by side are swapped.
    Transposition,
    /// One character is inserted, left out or replaced.
    Edit,
}

impl Confusion {
    /// The word used in sentences and evidence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Transposition => "transposition",
            Self::Edit => "edit",
        }
    }

    /// How the two differ, if they are different and so little.
    pub(super) fn between(name: &str, target: &str) -> Option<Self> {
        if name == target {
            return None;
        }
        if without_separators(name).eq(without_separators(target)) {
            return Some(Self::Compact);
        }
        // A transposition is one edit by this distance and two by Levenshtein's.
        match (strsim::osa_distance(name, target), strsim::levenshtein(name, target)) {
            (1, 1) => Some(Self::Edit),
            (1, _) => Some(Self::Transposition),
            _ => None,
        }
    }
}

/// The characters of a normalised name that are not separators.
pub(super) fn without_separators(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| *byte != b'-')
}
