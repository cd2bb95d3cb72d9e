//! `[advisories]`: where known malware and vulnerabilities are read.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::values;

/// Records in OSV's format.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdvisorySettings {
    /// Where they are; nothing is known without.
    #[serde(deserialize_with = "values::optional_advisory_source")]
    pub source: Option<AdvisorySource>,
    /// How often they are read again.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub refresh: Duration,
}

impl Default for AdvisorySettings {
    fn default() -> Self {
        Self { source: None, refresh: Duration::from_hours(1) }
    }
}

/// Where advisories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisorySource {
    /// A folder of records, a zip, a `.json` or a `.jsonl`, relative to the working directory.
    Path(PathBuf),
    /// A zip, a `.json` or a `.jsonl` on the web.
    Url(Url),
}

impl fmt::Display for AdvisorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl Serialize for AdvisorySource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
