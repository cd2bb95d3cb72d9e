//! `[tls]`: certificates of the packages and admin listeners.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values;

/// PEM files; without a certificate we speak plain HTTP.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate and the ones that lead to its root.
    #[serde(deserialize_with = "values::optional_path")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key.
    #[serde(deserialize_with = "values::optional_path")]
    pub key: Option<PathBuf>,
    /// Client certificates must be signed by one of these.
    #[serde(deserialize_with = "values::optional_path")]
    pub client_ca: Option<PathBuf>,
}
