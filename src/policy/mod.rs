//! The policy: what is done about findings. Loaded from a file, compiled once, and then pure functions.

mod approve;
mod compile;
mod decide;
mod explain;
mod file;
mod freezes;
mod modes;
mod moment;
mod overrides;
mod own;
mod signal_ids;
mod weighing;

pub use approve::{LONGEST_WAIVER, Refusal, may_approve};
pub use compile::{HeldFiles, Holds, Missing, Namespaces, Policy, Review, SecurityFixes, SignalSettings, Thresholds};
pub use decide::{Case, SecurityFix, decide};
pub use file::PolicyError;
pub use freezes::Freezes;
pub use modes::Modes;
pub use overrides::{OVERRIDE, Override};
pub use own::{OWN, Own, Proof};
pub use signal_ids::SIGNALS;
pub use weighing::Weighing;

pub use crate::domain::Mode;

/// Signals that break a hard rule: never waived, never switched off, never approved, and refused in observe mode too.
pub const HARD: [&str; 5] = ["digest-changed", "malware", "internal-name", "private-namesake", "integrity"];

/// Whether a signal's findings break a hard rule.
pub fn is_hard(signal: &str) -> bool {
    HARD.contains(&signal)
}
