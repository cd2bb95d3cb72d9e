//! Standing rules: what people decided about a name before or beyond single uploads.

use serde::{Deserialize, Serialize};

use super::{Actor, Project, Timestamp, Version};

/// A decision that applies to whatever appears under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingRule {
    /// Whose name.
    pub project: Project,
    /// What is decided.
    pub kind: RuleKind,
    /// By whom.
    pub by: Actor,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Timestamp,
}

/// The two kinds of standing rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RuleKind {
    /// The named signals do not count for this project until the waiver expires; never integrity, malware or internal names.
    Waiver {
        /// Ids of signals.
        signals: Vec<String>,
        /// Mandatory.
        #[serde(with = "time::serde::rfc3339")]
        expires: Timestamp,
    },
    /// Rejected before it is ever seen.
    Block {
        /// Only this version; without it every version.
        version: Option<Version>,
    },
}

impl StandingRule {
    /// One rule of a kind a project (and version): a second one replaces the first.
    pub fn key(&self) -> String {
        match &self.kind {
            RuleKind::Waiver { .. } => format!("{}\u{0}waiver", self.project),
            RuleKind::Block { version: None } => format!("{}\u{0}block", self.project),
            RuleKind::Block { version: Some(version) } => format!("{}\u{0}block\u{0}{version}", self.project),
        }
    }
}
