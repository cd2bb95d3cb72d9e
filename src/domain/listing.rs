//! A project's page as facts: what an index says of it, and what this house knows of it over time.

use serde::{Deserialize, Serialize};

use super::{Digest, FileKind, FileName, Finding, Project, Sha256, Timestamp, Version};

/// Which index something comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The public index.
    Public,
    /// The private index with this configured name.
    Private(Box<str>),
}

impl Origin {
    /// Whether age and name rules apply.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Public)
    }
}

/// [PEP 592](https://peps.python.org/pep-0592/): withdrawn, but kept for exact pins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Yanked {
    /// Not withdrawn.
    #[default]
    No,
    /// Withdrawn without a word.
    Yes,
    /// Withdrawn, and why.
    Because(Box<str>),
}

/// [PEP 714](https://peps.python.org/pep-0714/): whether the index offers `<file>.metadata`, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoreMetadata {
    /// Not offered.
    #[default]
    No,
    /// Offered, without a digest we can check.
    Yes,
    /// Offered, and this is the digest of the metadata (not of the wheel).
    Digest(Sha256),
}

/// [PEP 792](https://peps.python.org/pep-0792/) project status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// `active`, `archived`, `deprecated` or `quarantined`; empty if the index says nothing.
    pub status: Box<str>,
    /// The index's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

impl ProjectStatus {
    /// Whether the index itself has put the project into quarantine.
    pub fn is_quarantined(&self) -> bool {
        &*self.status == "quarantined"
    }
}

/// A package inside a release, as an index of packages has it: a row of CPAN's `02packages`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Provided {
    /// `Foo::Bar`.
    pub package: Box<str>,
    /// Its own version, `undef` if it has none.
    pub version: Box<str>,
}

/// One file as a page lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its name.
    pub filename: FileName,
    /// The version its name says.
    pub version: Version,
    /// Wheel, source archive or something old.
    pub kind: FileKind,
    /// Where the upstream has it, absolute.
    pub url: Box<str>,
    /// The strongest digest that the upstream promises.
    pub promise: Option<Digest>,
    /// Bytes.
    pub size: Option<u64>,
    /// Upload time exactly as the upstream wrote it: passed through unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<Box<str>>,
    /// `Requires-Python`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<Box<str>>,
    /// Withdrawn?
    #[serde(default)]
    pub yanked: Yanked,
    /// Is `.metadata` offered?
    #[serde(default)]
    pub core_metadata: CoreMetadata,
    /// Whether a detached signature is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpg_signature: Option<bool>,
    /// [PEP 740](https://peps.python.org/pep-0740/): where its attestations are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Box<str>>,
    /// CPAN: the packages that the index gave this release, when it last gave it any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<Provided>,
}

impl ListedFile {
    /// A source archive of an index that says of it only where it is.
    pub fn at(filename: FileName, version: Version, url: &str) -> Self {
        Self {
            filename,
            version,
            kind: FileKind::Source,
            url: url.into(),
            promise: None,
            size: None,
            uploaded: None,
            requires_python: None,
            yanked: Yanked::No,
            core_metadata: CoreMetadata::No,
            gpg_signature: None,
            provenance: None,
            provides: Vec::new(),
        }
    }

    /// When it was uploaded, if the upstream's words can be read as a time.
    pub fn uploaded_at(&self) -> Option<Timestamp> {
        let text = self.uploaded.as_deref()?;
        Timestamp::parse(text, &time::format_description::well_known::Rfc3339).ok()
    }

    /// The promised SHA-256, where that is what was promised.
    pub fn promised_sha256(&self) -> Option<Sha256> {
        self.promise.as_ref().and_then(Digest::sha256)
    }
}

/// A file that the page lists and we do not, and why (rule 16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenFile {
    /// The name as the upstream wrote it, cut to 255 characters.
    pub name: Box<str>,
    /// In one sentence.
    pub why: Box<str>,
}

/// A project's page as one upstream shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listing {
    /// The files, in the page's order.
    pub files: Vec<ListedFile>,
    /// What could not be listed.
    pub hidden: Vec<HiddenFile>,
    /// The index's own word on the project.
    pub status: ProjectStatus,
    /// [PEP 708](https://peps.python.org/pep-0708/): read as a fact, never served on (rule 17).
    pub tracks: Vec<Box<str>>,
    /// Likewise.
    pub alternate_locations: Vec<Box<str>>,
    /// `_last-serial`, as text.
    pub serial: Option<Box<str>>,
}

/// How a known file came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Older than the hold when it was first seen: released by age alone. A row appears once it is requested or decided.
    Baseline,
    /// Has an [`Upload`](super::Upload) row, which says its state. A missing row means held.
    Tracked,
}

/// One file and its history here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
    /// As the page first listed it, with what may change (yank, metadata, provenance) kept current.
    pub file: ListedFile,
    /// When we first saw it.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen: Timestamp,
    /// From when its age counts: the later of its upload time and the last complete read of the page without it (rule 11).
    #[serde(with = "time::serde::rfc3339")]
    pub clock_start: Timestamp,
    /// Baseline or tracked.
    pub standing: Standing,
    /// Since when the upstream does not list it any more.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub vanished: Option<Timestamp>,
    /// Since when the upstream promises other bytes under this name (rule 18): time does not release it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub disputed: Option<Timestamp>,
}

impl KnownFile {
    /// Whether it was let in because its index is trusted for what it listed at the first read, and for nothing else: of its age
    /// nothing is known (rule 12).
    pub fn is_trusted_from_the_first(&self, first_read: Timestamp) -> bool {
        self.standing == Standing::Baseline && self.first_seen == first_read && self.file.uploaded_at().is_none()
    }
}

/// All that is known of a project: the one packed row that intake writes when something changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownProject {
    /// Which one.
    pub project: Project,
    /// The index that owns the name here.
    pub origin: Origin,
    /// Everything ever listed, in the page's order; what vanished keeps its place.
    pub files: Vec<KnownFile>,
    /// What the page lists and we do not.
    pub hidden: Vec<HiddenFile>,
    /// The index's own word.
    pub status: ProjectStatus,
    /// When the page was first read.
    #[serde(with = "time::serde::rfc3339")]
    pub first_read: Timestamp,
    /// What the signals saw in the project itself (its name, its namesakes), for all of its files.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The policy and the standing rules under which the files' standings were last judged; another one: judge again.
    #[serde(default)]
    pub judged_under: Option<Sha256>,
}

impl KnownProject {
    /// The file with this name.
    pub fn file(&self, filename: &FileName) -> Option<&KnownFile> {
        self.files.iter().find(|known| known.file.filename == *filename)
    }
}

/// The last complete read of a page: a small row of its own, so that a read that changed nothing writes little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRead {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Timestamp,
    /// SHA-256 of the page's bytes.
    pub digest: Sha256,
    /// The upstream's validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Box<str>>,
    /// The upstream's other validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Box<str>>,
    /// When a client last asked for it: pages in use are read again in the background.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub used: Option<Timestamp>,
}
