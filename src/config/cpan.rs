//! `[cpan]`: where Perl distributions come from.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Password, values};

/// The public mirror and the private ones before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cpan {
    /// A mirror's root; polled only when configured or first asked for.
    #[serde(deserialize_with = "values::optional_base_url")]
    pub upstream: Option<Url>,
    /// How often its index is read.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "values::duration")]
    pub poll: Duration,
    /// Whether clients may use us as an HTTP proxy.
    pub forward_proxy: bool,
    /// Files with armoured PGP keys whose signatures of CHECKSUMS count.
    pub keys: Vec<PathBuf>,
    /// Asked before the public mirror, in this order.
    pub private: Vec<DarkPan>,
}

impl Default for Cpan {
    fn default() -> Self {
        Self {
            upstream: Url::parse("https://www.cpan.org/").ok(),
            poll: Duration::from_mins(2),
            forward_proxy: false,
            keys: Vec::new(),
            private: Vec::new(),
        }
    }
}

/// `[[cpan.private]]`: a DarkPAN.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DarkPan {
    /// What messages and the store call it.
    pub name: String,
    /// Its root.
    #[serde(deserialize_with = "values::base_url")]
    pub index: Url,
    /// Only modules of these families, `Acme::Corp::*`; empty: all.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Signs in to it.
    #[serde(default)]
    pub username: String,
    /// Signs in to it.
    #[serde(default, deserialize_with = "values::optional_password")]
    pub password: Option<Password>,
    /// A certificate that we show to it, PEM.
    #[serde(default, deserialize_with = "values::optional_path")]
    pub client_certificate: Option<PathBuf>,
    /// Its key, PEM; without it, in the same file.
    #[serde(default, deserialize_with = "values::optional_path")]
    pub client_key: Option<PathBuf>,
}
