//! What PyPI knows of a release beyond its page: what it says of itself, whose it is, how that is proved, what it asks for.
//! Everything that is compared stands beside what it is compared with.

use serde::{Deserialize, Serialize};

use crate::domain::{ProjectName, Timestamp, Version};

/// What the records of PyPI say of one release and of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PypiFacts {
    /// What this release says of itself; `None`: not read.
    pub says: Option<ReleaseSays>,
    /// What the newest release before it says whose metadata is known.
    pub said: Option<ReleaseSays>,
    /// The last change of the project's owners and maintainers that was seen.
    pub owners: Option<OwnerChange>,
    /// What the index offers as proof of who built this release.
    pub attestation: Option<Attestation>,
    /// Of a package of our own: how it is proved who built this very file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Attestation>,
    /// Likewise of the newest release before it that has one.
    pub attestation_before: Option<Attestation>,
    /// Projects that it requires and the release before it did not.
    pub new_requirements: Vec<NewRequirement>,
    /// Other projects of the same owners with a release within a day of this one.
    pub together: Vec<Companion>,
    /// Whether releases of these projects came on one day before.
    pub usually_together: bool,
    /// The project whose name this one's resembles, and what it says of itself.
    pub resembled: Option<Resembled>,
    /// Hooks that run by themselves in the release before; `None`: nobody looked into it.
    pub hooks_before: Option<Vec<String>>,
    /// What could not be read, and should have been.
    pub failed: Vec<FailedReading>,
}

/// What a release says of itself in its core metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseSays {
    /// Which release.
    pub version: Option<Version>,
    /// Its one line.
    pub summary: Option<String>,
    /// Names of authors and maintainers, lower case, sorted.
    pub people: Vec<String>,
    /// Their addresses, lower case, sorted.
    pub addresses: Vec<String>,
    /// Where its source is: `host/owner/name`, lower case.
    pub repository: Option<String>,
    /// What it requires, by normalised name, sorted.
    pub requires: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Of what.
    pub project: ProjectName,
    /// As it is written, for people.
    pub written: String,
    /// From an address of its own instead of from an index.
    pub direct: bool,
    /// Whether any bound is set on its version.
    pub bounded: bool,
}

/// An account and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// `Owner` or `Maintainer`.
    pub role: String,
    /// Its name.
    pub user: String,
}

/// Two snapshots of a project's accounts that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerChange {
    /// The accounts before.
    pub before: Vec<Account>,
    /// The accounts after.
    pub now: Vec<Account>,
    /// When they were last seen as before.
    #[serde(with = "time::serde::rfc3339")]
    pub seen_before: Timestamp,
    /// When the change was seen.
    #[serde(with = "time::serde::rfc3339")]
    pub seen: Timestamp,
}

/// What came of the attestations of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Which release.
    pub version: Version,
    /// Who published it, as the index says.
    pub publisher: PublisherFacts,
    /// Why the attestation does not prove it; `None`: it does.
    pub unproved: Option<String>,
    /// Whether it is wrong, and not merely beyond what this lazaret can tell.
    #[serde(default)]
    pub contradicted: bool,
}

/// A trusted publisher.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PublisherFacts {
    /// `GitHub`, `GitLab`, `Google`, and what else the index knows.
    pub kind: String,
    /// Where the workflow is.
    pub repository: Option<String>,
    /// Which workflow.
    pub workflow: Option<String>,
}

/// A project that is required for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRequirement {
    /// Which one, and how.
    pub requirement: Requirement,
    /// When its first file was uploaded; `None`: nobody knows.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub first_upload: Option<Timestamp>,
    /// Whether no index that may be asked has it.
    pub missing: bool,
    /// Whether nobody has looked, because the release requires too many others for the first time.
    #[serde(default)]
    pub unread: bool,
    /// Accounts that both projects have and that the requiring project had not for long.
    pub newcomers_in_common: Vec<String>,
}

/// A project of the same owner with a release on the same day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Companion {
    /// Which one.
    pub project: ProjectName,
    /// The account that both have.
    pub owner: String,
    /// When its release was published.
    #[serde(with = "time::serde::rfc3339")]
    pub published: Timestamp,
}

/// What a project says of itself whose name is resembled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resembled {
    /// Which one.
    pub project: ProjectName,
    /// Its one line.
    pub summary: Option<String>,
    /// Where its source is.
    pub repository: Option<String>,
}

/// Something that is read of each release, or of its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The JSON API: accounts, vulnerabilities.
    Document,
    /// Core metadata.
    Metadata,
    /// Attestations.
    Provenance,
}

/// What could not be read although it is there, or was (rule 19).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedReading {
    /// Of what.
    pub source: Source,
    /// In one sentence.
    pub why: String,
}

impl PypiFacts {
    /// Why this source could not be read, if that is so.
    pub fn failure(&self, source: Source) -> Option<&FailedReading> {
        self.failed.iter().find(|failed| failed.source == source)
    }
}

impl ReleaseSays {
    /// The domains of its people's addresses, sorted.
    pub fn domains(&self) -> Vec<&str> {
        let mut domains: Vec<&str> =
            self.addresses.iter().filter_map(|address| address.rsplit_once('@')).map(|(_, domain)| domain).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }
}
