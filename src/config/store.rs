//! `[store]`: where facts and bytes are kept.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::values;

/// One folder for everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The folder, relative to the working directory.
    pub data_dir: PathBuf,
    /// How many bytes of cached files are kept; what has vanished upstream is never evicted.
    #[serde(deserialize_with = "values::size")]
    pub max_bytes: ByteSize,
    /// For how many days the report of what was refused, or would have been, is kept.
    pub report_days: u16,
    /// For how many days it is kept who downloaded what; whom a file reached earlier, a recall does not say.
    pub download_days: u16,
    /// What was fetched or downloaded within this time is not evicted.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub keep_downloaded: Duration,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("lazaret-data"),
            max_bytes: ByteSize::gib(50),
            report_days: 92,
            download_days: 366,
            keep_downloaded: Duration::from_hours(24 * 7),
        }
    }
}
