//! What the policy says about an upload, and what led to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Finding, Score, Sha256, Timestamp};

/// What to do with an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Let it in.
    Release,
    /// Let time pass first.
    Hold,
    /// A person decides.
    Review,
    /// Do not let it in.
    Reject,
}

impl Outcome {
    /// The word used in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Hold => "hold",
            Self::Review => "review",
            Self::Reject => "reject",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A decision that can be computed again from the same facts and the same policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What to do.
    pub outcome: Outcome,
    /// For [`Outcome::Hold`]: until when.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub until: Option<Timestamp>,
    /// Made of the findings.
    pub score: Score,
    /// One sentence: what decided.
    pub reason: String,
    /// What the signals saw, heaviest first.
    pub findings: Vec<Finding>,
    /// Which policy decided.
    pub policy: Sha256,
}
