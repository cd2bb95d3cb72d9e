//! The dossier: every fact that a verdict is made from, collected once, stored under its digest, readable for ever.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AdvisoryFacts, CpanFacts, History, PypiFacts, TeapotFacts, Timeline};
use crate::archive::Walk;
use crate::corpus::Neighbour;
use crate::domain::{
    Digest, FileKind, FileName, HiddenFile, Origin, Project, ProjectStatus, Sha256, Timestamp, Version,
};

/// Facts about the project that an upload belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectFacts {
    /// Which one.
    pub project: Project,
    /// The index it comes from.
    pub origin: Origin,
    /// When we first read its page.
    #[serde(with = "time::serde::rfc3339")]
    pub first_read: Timestamp,
    /// How many versions the page lists.
    pub versions: usize,
    /// The earliest upload that the page lists.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub oldest_upload: Option<Timestamp>,
    /// The lowest and the highest version on the page.
    pub version_span: Option<(Version, Version)>,
    /// The index's own word.
    pub status: ProjectStatus,
    /// Place in the list of most used names, 1 is the first.
    pub rank: Option<u32>,
    /// Well-known or internal names that look alike.
    pub neighbours: Vec<Neighbour>,
    /// Whether the policy names it as internal.
    pub internal: bool,
    /// Some of the files that the page lists and we do not (rule 16).
    #[serde(default)]
    pub hidden: Vec<HiddenFile>,
    /// The private index that shows the same name.
    pub private_namesake: Option<String>,
    /// The well-known names that a person let it in in spite of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedName>,
    /// All of its releases; a dossier keeps of it what surrounds its own release.
    #[serde(skip)]
    pub timeline: Arc<Timeline>,
}

/// A person let a release in that looks, by its name, like a well-known project: for this project the question is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedName {
    /// The well-known name.
    pub target: String,
    /// Who.
    pub by: String,
    /// Which release.
    pub version: Version,
}

/// A known file for which the upstream now promises something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// What it promised first.
    pub pinned: Option<Digest>,
    /// How many bytes it promised first.
    pub pinned_size: Option<u64>,
    /// When we saw that first.
    #[serde(with = "time::serde::rfc3339")]
    pub pinned_at: Timestamp,
}

/// Every fact about one upload. Who reads the same dossier under the same policy reaches the same verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    /// The project.
    pub project: ProjectFacts,
    /// The version its name says.
    pub version: Version,
    /// Its name.
    pub filename: FileName,
    /// Wheel, source or something old.
    pub kind: FileKind,
    /// What the upstream promises.
    pub promise: Option<Digest>,
    /// Bytes.
    pub size: Option<u64>,
    /// When the upstream says it was uploaded.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub published: Option<Timestamp>,
    /// When we first saw it.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen: Timestamp,
    /// From when its age counts.
    #[serde(with = "time::serde::rfc3339")]
    pub clock_start: Timestamp,
    /// Whether the upstream offers attestations for it.
    #[serde(default)]
    pub attested: bool,
    /// Whether the upstream has yanked it.
    pub yanked: bool,
    /// Since when the upstream does not list it any more.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub vanished: Option<Timestamp>,
    /// If the upstream promises other bytes than at first.
    pub changed: Option<ChangedFile>,
    /// What reading the bytes showed, once they were read.
    pub archive: Option<Walk>,
    /// The release among the others of its project, where the page gives it a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What PyPI's own records say, for a release on a Python index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pypi: Option<PypiFacts>,
    /// What advisories say of it.
    #[serde(default)]
    pub advisories: AdvisoryFacts,
    /// What CPAN's own records say, for a release on CPAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpan: Option<CpanFacts>,
    /// What a teapot index says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teapot: Option<TeapotFacts>,
    /// Digest of the list of names that neighbours were looked for in.
    pub corpus: Sha256,
}
