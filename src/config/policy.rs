//! `[policy]`: which policy decides.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values;

/// The policy has its own file, which can be reloaded while we run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// Overlays the built-in default.
    #[serde(deserialize_with = "values::optional_path")]
    pub file: Option<PathBuf>,
}
