//! Findings: what a signal saw, how bad it would be, how sure it is, in one sentence and as data.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Family;

/// How bad it would be if the finding is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Unusual.
    Low,
    /// Suspicious.
    Medium,
    /// A person must look.
    High,
    /// Must not be let in.
    Critical,
}

/// How sure the signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Often wrong.
    Low,
    /// Right more often than not.
    Medium,
    /// Practically certain.
    High,
}

/// What one signal saw in one upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The signal's id, as in `src/signals/` and the policy file.
    pub signal: Cow<'static, str>,
    /// Which kind of witness it is.
    #[serde(default)]
    pub family: Family,
    /// How bad it would be.
    pub severity: Severity,
    /// How sure the signal is.
    pub confidence: Confidence,
    /// Weight in the score, 0 to 100: the chance in percent that this alone makes the upload one to refuse.
    pub points: u8,
    /// One sentence for a person.
    pub summary: String,
    /// The facts behind the sentence.
    pub evidence: serde_json::Value,
}

/// In a finding's evidence, `true`: its signal could not run, and the policy says what that means (rule 19).
pub const UNAVAILABLE: &str = "unavailable";

/// Beside [`UNAVAILABLE`], `true`: there is nothing that it could have been read from. Not told where the policy decides
/// without the signal.
pub const NOT_OFFERED: &str = "not_offered";

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}
