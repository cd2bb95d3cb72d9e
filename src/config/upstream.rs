//! `[upstream]`: how upstreams are reached.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values;

/// What all upstreams share; proxies are taken from the environment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSettings {
    /// PEM certificates that are trusted beside the system's own.
    #[serde(deserialize_with = "values::optional_path")]
    pub ca_file: Option<PathBuf>,
}
