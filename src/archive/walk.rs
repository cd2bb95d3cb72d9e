//! The walk through an archive, whatever its kind, and what it brings home.

use std::io::{self, Read, Seek};

use serde::{Deserialize, Serialize};

use super::meter::{Halt, Meter, Source};
use super::survey::Survey;
use super::tcl_facts::TclFacts;
use super::{ArchiveKind, Limits, Objection, PerlFacts, kind_of, tar, zip};
use crate::domain::{Ecosystem, FileKind, FileName};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic or hard link.
    Link {
        /// Where it points, fit for display.
        target: String,
    },
    /// A device, a pipe or something stranger.
    Other,
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path, fit for display: no control characters, at most 300 characters.
    pub path: String,
    /// Bytes, unpacked, as its header says.
    pub size: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What a walk brings home.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// How many entries were met.
    pub entries: u64,
    /// How many bytes they have unpacked, counted and not believed.
    pub unpacked_bytes: u64,
    /// What speaks against the archive; at most 50 fatal ones and 50 others.
    pub objections: Vec<Objection>,
    /// Entries worth knowing about, hooks that run by themselves first; at most 200.
    pub noted: Vec<Entry>,
    /// What a Perl distribution ships and what its scripts do; `None` for other archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perl: Option<PerlFacts>,
    /// What a file of a teapot repository says and does; `None` for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcl: Option<TclFacts>,
    /// The package's own metadata: METADATA of a wheel, PKG-INFO of a source archive, META.json (else META.yml) of a Perl
    /// distribution. Kept as bytes of its own, not in
    /// the written form of a walk.
    #[serde(skip)]
    pub metadata: Option<Vec<u8>>,
}

impl Walk {
    /// The first objection for which the file must not be served.
    pub fn fatal(&self) -> Option<&Objection> {
        self.objections.iter().find(|objection| objection.is_fatal())
    }
}

/// Why there is no answer. An archive that is broken, hostile or unreadable *is* an answer: see [`Objection`].
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The deadline passed.
    #[error("the archive could not be examined in time; try again with more time")]
    OutOfTime,
    /// The file itself cannot be read.
    #[error("the archive's file cannot be read; check the disk")]
    Read(#[source] io::Error),
}

/// Reads an archive from its first to its last byte, entry by entry, and never unpacks it. Blocking: run it off the
/// reactor. `out_of_time` is asked at least every 64 KiB and ends the walk with [`ArchiveError::OutOfTime`].
pub fn walk<R: Read + Seek>(
    file: R,
    name: &FileName,
    kind: FileKind,
    ecosystem: Ecosystem,
    limits: &Limits,
    out_of_time: impl Fn() -> bool,
) -> Result<Walk, ArchiveError> {
    let meter = Meter::new(limits, &out_of_time);
    let mut survey = Survey::new(kind, ecosystem, meter.clone());
    let mut source = Source::new(file, meter);
    let end = match kind_of(name) {
        ArchiveKind::Zip => zip::survey(&mut source, &mut survey),
        ArchiveKind::TarGz => tar::survey_gz(&mut source, &mut survey),
        ArchiveKind::TarBz2 => tar::survey_bz2(&mut source, &mut survey),
        ArchiveKind::Tar => tar::survey(&mut source, &mut survey),
        unread @ (ArchiveKind::TarXz | ArchiveKind::Unknown) => {
            Err(Objection::UnreadableKind { archive: unread.as_str().to_owned() }.into())
        }
    };
    match end {
        Ok(()) => {}
        Err(Halt::Objection(objection)) => survey.object(objection),
        Err(Halt::Failed(error)) => return Err(error),
    }
    Ok(survey.finish())
}
