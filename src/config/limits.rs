//! `[limits]`: what one client may ask for.

use serde::{Deserialize, Serialize};

/// Per client address and per token. Hot answers are not limited: they cost nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests in a minute that make us ask an upstream.
    pub cold_misses_per_minute: u32,
    /// Wrong tokens in a minute.
    pub failed_sign_ins_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // `uv sync` of a large lock file on a cold cache asks for two thousand files and pages at once.
        Self { cold_misses_per_minute: 6_000, failed_sign_ins_per_minute: 10 }
    }
}
