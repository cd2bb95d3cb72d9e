//! `[teapot]`: where teapot packages come from.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Baseline, values};

/// The public repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Teapot {
    /// Its root; polled only when configured or first asked for.
    #[serde(deserialize_with = "values::optional_base_url")]
    pub upstream: Option<Url>,
    /// How often its index is read.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub poll: Duration,
    /// What the first complete read means: a teapot index has no dates.
    pub baseline: Baseline,
}

impl Default for Teapot {
    fn default() -> Self {
        Self {
            upstream: Url::parse("http://teapot.activestate.com/").ok(),
            poll: Duration::from_mins(2),
            baseline: Baseline::Trust,
        }
    }
}
