//! `[pypi]`: where Python packages come from.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Baseline, Password, values};

/// The public index and the private ones before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pypi {
    /// The public index's Simple API; without it [`super::discover`] asks this machine's pip.
    #[serde(deserialize_with = "values::optional_base_url")]
    pub upstream: Option<Url>,
    /// Signs in to the upstream.
    pub username: String,
    /// Signs in to the upstream.
    #[serde(deserialize_with = "values::optional_password")]
    pub password: Option<Password>,
    /// A certificate that we show to the upstream, PEM.
    #[serde(deserialize_with = "values::optional_path")]
    pub client_certificate: Option<std::path::PathBuf>,
    /// Its key, PEM; without it, in the same file.
    #[serde(deserialize_with = "values::optional_path")]
    pub client_key: Option<std::path::PathBuf>,
    /// More hosts that files may come from.
    pub file_hosts: Vec<String>,
    /// What the first complete read of an index without dates means.
    pub baseline: Baseline,
    /// How long a page is served before the upstream is asked again.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub refresh: Duration,
    /// How often pages in use are read again without being asked for.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub reread: Duration,
    /// Sigstore's trusted root, to verify attestations with; without it the one that is built in.
    #[serde(deserialize_with = "values::optional_path")]
    pub trusted_root: Option<std::path::PathBuf>,
    /// Asked before the public index, in this order.
    pub private: Vec<PrivateIndex>,
}

impl Default for Pypi {
    fn default() -> Self {
        Self {
            upstream: None,
            username: String::new(),
            password: None,
            client_certificate: None,
            client_key: None,
            file_hosts: Vec::new(),
            baseline: Baseline::Hold,
            refresh: Duration::from_mins(1),
            reread: Duration::from_hours(1),
            trusted_root: None,
            private: Vec::new(),
        }
    }
}

/// `[[pypi.private]]`: a name found here is never taken from anywhere else.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateIndex {
    /// What messages and the store call it.
    pub name: String,
    /// Its Simple API.
    #[serde(deserialize_with = "values::base_url")]
    pub index: Url,
    /// Only these names; empty: all. For a vendor's index that also lists public names.
    #[serde(default)]
    pub names: Vec<String>,
    /// How long its new files are held.
    #[serde(default, serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub hold: Duration,
    /// Signs in to it.
    #[serde(default)]
    pub username: String,
    /// Signs in to it.
    #[serde(default, deserialize_with = "values::optional_password")]
    pub password: Option<Password>,
    /// A certificate that we show to it, PEM.
    #[serde(default, deserialize_with = "values::optional_path")]
    pub client_certificate: Option<std::path::PathBuf>,
    /// Its key, PEM; without it, in the same file.
    #[serde(default, deserialize_with = "values::optional_path")]
    pub client_key: Option<std::path::PathBuf>,
    /// Names whose files may be overwritten: development builds.
    #[serde(default)]
    pub volatile: Vec<String>,
}
