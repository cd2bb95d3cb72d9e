//! An upload: one file as one upstream promised it, and what became of it here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{
    Actor, Digest, Ecosystem, Examination, FileName, Origin, Project, Sha256, State, Timestamp, Verdict, Version,
};

/// The first 26 base32 characters of SHA-256(ecosystem, project, file name, upstream digest): every replica and every import
/// computes the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(Box<str>);

/// The text is not an upload's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an upload's id (26 characters a-z, 2-7)")]
pub struct InvalidUploadId(pub String);

impl UploadId {
    /// The id of a file with this promise. A file without any promise has an id too.
    pub fn of(project: &Project, filename: &FileName, promise: Option<&Digest>) -> Self {
        let mut hasher = sha2::Sha256::new();
        for part in [project.ecosystem.as_str(), project.name.as_str(), filename.as_str()] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        if let Some(promise) = promise {
            hasher.update(promise.to_string().as_bytes());
        }
        let mut text = data_encoding::BASE32_NOPAD.encode(&hasher.finalize()).to_ascii_lowercase();
        text.truncate(26);
        Self(text.into())
    }

    /// The 26 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() == 26 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        if well_formed { Ok(Self(text.into())) } else { Err(InvalidUploadId(text.chars().take(40).collect())) }
    }
}

impl TryFrom<String> for UploadId {
    type Error = InvalidUploadId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0.into()
    }
}

/// What an approval, rejection or recall covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// This digest of this file.
    #[default]
    File,
    /// The digests known now of this version's files.
    Version,
    /// A standing waiver for the project, which must expire.
    Project,
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "file" => Ok(Self::File),
            "version" => Ok(Self::Version),
            "project" => Ok(Self::Project),
            other => Err(UnknownScope(other.chars().take(40).collect())),
        }
    }
}

/// The word does not name a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope {0:?}: use file, version or project")]
pub struct UnknownScope(pub String);

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Version => "version",
            Self::Project => "project",
        })
    }
}

/// Who moved an upload to its present state, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub by: Actor,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Timestamp,
    /// What else it covered.
    pub scope: Scope,
    /// When it ends.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires: Option<Timestamp>,
}

/// An exact requirement: `child==2.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// Whose version.
    pub project: Project,
    /// Which one.
    pub version: Version,
}

/// One file as one upstream promised it. A row exists once the file is held, requested, decided or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// Computed from the next four fields.
    pub id: UploadId,
    /// Whose file it is.
    pub project: Project,
    /// The version its name says.
    pub version: Version,
    /// Its name.
    pub filename: FileName,
    /// What the upstream promised about its bytes.
    pub promise: Option<Digest>,
    /// Which index it comes from.
    pub origin: Origin,
    /// Our own digest of its bytes, once they were read; until then the upstream's promise, if that is a SHA-256.
    pub sha256: Option<Sha256>,
    /// Bytes, as the index says or as counted.
    pub size: Option<u64>,
    /// Held, released, rejected or recalled.
    pub state: State,
    /// What is known of the bytes.
    #[serde(default)]
    pub examination: Examination,
    /// When the upstream says it was uploaded.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub published: Option<Timestamp>,
    /// When we first saw it.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen: Timestamp,
    /// From when its age counts (rule 11).
    #[serde(with = "time::serde::rfc3339")]
    pub clock_start: Timestamp,
    /// When time will release it, if nothing else keeps it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub hold_until: Option<Timestamp>,
    /// The last one.
    pub verdict: Verdict,
    /// The facts it was made from.
    #[serde(default)]
    pub dossier: Option<Sha256>,
    /// Who brought it to its present state; `None` while only met.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Digest of the METADATA that we read out of the bytes ourselves: from then on `.metadata` is offered (rule 4).
    #[serde(default)]
    pub metadata: Option<Sha256>,
    /// Versions of other projects that it pins exactly (rule 9); `None` until its metadata was read.
    #[serde(default)]
    pub pins: Option<Vec<Pin>>,
    /// When a client first asked for its bytes.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub requested: Option<Timestamp>,
    /// When it left through the broken glass, last.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub passed: Option<Timestamp>,
    /// Counts changes of this row, for compare-and-set.
    #[serde(default)]
    pub revision: u64,
}

impl Upload {
    /// How people write it: `pypi:boto3==1.44.5`.
    pub fn display_version(&self) -> String {
        let separator = match self.project.ecosystem {
            Ecosystem::Pypi => "==",
            Ecosystem::Cpan => "@",
            Ecosystem::Teapot => " ",
        };
        format!("{}{separator}{}", self.project, self.version)
    }

    /// When it left through the broken glass, if nobody has looked at it since.
    pub fn awaits_review(&self) -> Option<Timestamp> {
        let looked_at = self.decision.as_ref().filter(|_| self.decided_by_person()).map(|decision| decision.at);
        self.passed.filter(|passed| looked_at.is_none_or(|at| at < *passed))
    }

    /// Whether a person brought it to its present state.
    pub fn decided_by_person(&self) -> bool {
        matches!(&self.decision, Some(Decision { by: Actor::Token { .. }, .. }))
    }
}

#[cfg(test)]
impl Upload {
    /// A held file of six 1.0, first seen at this time, of which nothing else is known.
    pub(crate) fn sample(first_seen: Timestamp) -> Self {
        let project: Project = "pypi:six".parse().expect("a project");
        let filename = FileName::parse("six-1.0.tar.gz").expect("a file name");
        Self {
            id: UploadId::of(&project, &filename, None),
            project,
            version: Version::pypi("1.0").expect("a version"),
            filename,
            promise: None,
            origin: Origin::Public,
            sha256: None,
            size: None,
            state: State::Held,
            examination: Examination::None,
            published: None,
            first_seen,
            clock_start: first_seen,
            hold_until: None,
            verdict: Verdict {
                outcome: super::Outcome::Release,
                until: None,
                score: super::Score::NONE,
                reason: "seen".into(),
                findings: Vec::new(),
                policy: Sha256::of(b"policy"),
            },
            dossier: None,
            decision: None,
            metadata: None,
            pins: None,
            requested: None,
            passed: None,
            revision: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProjectName;

    #[test]
    fn an_id_depends_on_every_part_and_reads_back() {
        let project = |name| Project::pypi(ProjectName::pypi(name).unwrap());
        let file = |name| FileName::parse(name).unwrap();
        let promise = Digest::from(Sha256::of(b"bytes"));
        let id = UploadId::of(&project("six"), &file("six-1.0.zip"), Some(&promise));
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        let others = [
            UploadId::of(&project("sax"), &file("six-1.0.zip"), Some(&promise)),
            UploadId::of(&project("six"), &file("six-1.1.zip"), Some(&promise)),
            UploadId::of(&project("six"), &file("six-1.0.zip"), Some(&Sha256::of(b"other").into())),
            UploadId::of(&project("six"), &file("six-1.0.zip"), None),
        ];
        assert!(others.iter().all(|other| *other != id));
        assert!("../../etc/passwd".parse::<UploadId>().is_err());
    }
}
