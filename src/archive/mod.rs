//! Archives: what is in them, read under limits and never unpacked to disk.
//!
//! [`walk`] answers two questions about a hostile file: what would an installer find in it, and would every installer find
//! the same? Whatever makes the answer depend on the reader (a name used twice, headers that contradict each other, bytes
//! that belong to no entry) is an [`Objection`].

mod limits;
mod members;
mod meter;
mod names;
mod notes;
mod objection;
mod perl;
mod record;
mod survey;
mod tar;
mod tcl_facts;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
mod zip;
mod zip_directory;
mod zip_files;

use serde::{Deserialize, Serialize};

pub use self::limits::Limits;
pub use self::objection::Objection;
pub use self::perl::{PerlFacts, RunsAt, ScriptFact, ScriptFactKind, ShippedPackage};
pub use self::tcl_facts::{LoadTimeFact, LoadTimeKind, TclFacts};
pub use self::walk::{ArchiveError, Entry, EntryKind, Walk, walk};
pub use self::zip_files::{FilesError, for_each_file};
use crate::domain::FileName;

/// How a file packs its entries, by its name: clients choose their reader by the name too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveKind {
    /// `.whl`, `.zip`, `.egg`.
    Zip,
    /// `.tar.gz`, `.tgz`.
    TarGz,
    /// `.tar`.
    Tar,
    /// `.tar.bz2`, `.tbz`.
    TarBz2,
    /// `.tar.xz`, `.txz`: recognised, not read.
    TarXz,
    /// Anything else: not read.
    Unknown,
}

impl ArchiveKind {
    /// The word used in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::TarGz => "tar.gz",
            Self::Tar => "tar",
            Self::TarBz2 => "tar.bz2",
            Self::TarXz => "tar.xz",
            Self::Unknown => "unknown",
        }
    }
}

/// Tells by its ending how a file is packed.
pub fn kind_of(name: &FileName) -> ArchiveKind {
    const ENDINGS: [(&str, ArchiveKind); 11] = [
        (".whl", ArchiveKind::Zip),
        (".zip", ArchiveKind::Zip),
        (".egg", ArchiveKind::Zip),
        (".tar.gz", ArchiveKind::TarGz),
        (".tgz", ArchiveKind::TarGz),
        (".tar", ArchiveKind::Tar),
        (".tar.bz2", ArchiveKind::TarBz2),
        (".tbz", ArchiveKind::TarBz2),
        (".tbz2", ArchiveKind::TarBz2),
        (".tar.xz", ArchiveKind::TarXz),
        (".txz", ArchiveKind::TarXz),
    ];
    let lower = name.as_str().to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| lower.ends_with(ending)).map_or(ArchiveKind::Unknown, |(_, kind)| *kind)
}
