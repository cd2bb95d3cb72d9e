//! What advisories say of a release: that it is malware, that it is vulnerable, that it mends what is in use.

use serde::{Deserialize, Serialize};

use crate::domain::Version;

/// What advisories say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AdvisoryFacts {
    /// Whether there is anything that they could be read from.
    pub feed: Feed,
    /// Those that the release is affected by.
    pub affecting: Vec<AdvisoryFact>,
    /// Those that it fixes of a version that is in use here.
    pub fixes: Vec<FixFact>,
}

/// Where advisories come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// None is configured.
    #[default]
    NotOffered,
    /// One is configured and could never be read, and why.
    Unavailable(String),
    /// It was read.
    Read,
}

/// One advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoryFact {
    /// `GHSA-...`, `PYSEC-...`, `MAL-...`, `CPANSA-...`.
    pub id: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Whether it says that the release is malware.
    pub malware: bool,
    /// In one line.
    pub summary: String,
    /// As its database words it.
    pub severity: Option<String>,
    /// The lowest version above this one that mends it.
    pub fixed: Option<Version>,
    /// The independent databases that say so.
    pub sources: Vec<String>,
}

/// An advisory about a version in use that this release is not affected by any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixFact {
    /// Which one.
    pub advisory: AdvisoryFact,
    /// The version in use.
    pub in_use: Version,
}
