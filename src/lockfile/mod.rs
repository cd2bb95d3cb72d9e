//! Lock files and lists of requirements: which projects an installer was told to install, in which versions, from which files.
//!
//! Bytes in, values out: no file is opened here, no include followed, nothing evaluated. What cannot be understood becomes a
//! [`Remark`] with its line, because what nobody mentions would pass for checked; what makes the whole file doubtful is an
//! error. [`remedy`](mod@remedy) is the way back: from what is known of the pins to lines that move them.

mod address;
pub mod addresses;
mod error;
mod kind;
mod poetry;
mod pylock;
mod reading;
pub mod remedy;
pub mod requirement;
mod requirements_file;
pub mod sbom;
mod snapshot;
mod text;
mod toml_file;
mod uv;

use crate::domain::{Digest, FileName, Project, Version};

pub use self::error::LockFileError;
pub use self::kind::Kind;
use self::reading::Reading;

/// Largest file read, in bytes.
pub const LARGEST_FILE: usize = 64 << 20;

/// Most entries of a file.
pub const MOST_ENTRIES: usize = 100_000;

/// Most files, or hashes, of an entry. The largest release on PyPI has some hundreds.
pub const MOST_FILES: usize = 10_000;

/// Longest line, in bytes; in a requirements file also with its continuations. A thousand hashes take 75 KiB.
pub const LONGEST_LINE: usize = 1 << 20;

/// Remarks kept; one more says how many were not.
pub const MOST_REMARKS: usize = 1_000;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    /// How it was read.
    pub kind: Kind,
    /// What is to be installed, in the order of the file.
    pub entries: Vec<Entry>,
    /// Options of a requirements file that are about the installer and not about a project: `--index-url ADDRESS`. As
    /// written, but for user and password in an address.
    pub options: Vec<InstallerOption>,
    /// What was not understood or not followed.
    pub remarks: Vec<Remark>,
}

/// One thing to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which project.
    pub project: Project,
    /// In exactly this version; `None` where the file leaves a choice or does not say.
    pub version: Option<Version>,
    /// The versions that may be, as written, where they are not exact.
    pub specifier: Option<String>,
    /// The files that may be used; empty where the file does not say.
    pub files: Vec<LockedFile>,
    /// Where they come from.
    pub source: Source,
    /// Where it is said, from 1.
    pub line: usize,
    /// Under which [condition](https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers),
    /// as written. Several alternatives are joined by `or`.
    pub marker: Option<String>,
    /// On CPAN: the package to ask for to get this distribution, if the file tells one that carries the distribution's version.
    pub package: Option<String>,
}

/// A file that may be used for an entry. Each part is known or not, but never all unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedFile {
    /// Its name; a CPAN release's with its uploader, as in `ETHER/Try-Tiny-0.32.tar.gz`.
    pub filename: Option<FileName>,
    /// What its bytes must be: SHA-256 where the file says that among others, else the strongest.
    pub digest: Option<Digest>,
    /// Where it was found when the file was made, without user and password.
    pub url: Option<String>,
}

/// Where an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An index: the one at this address, without user and password, or whichever the installer asks.
    Index {
        /// The index, where the file says which.
        address: Option<String>,
    },
    /// Something that no index vouches for.
    Elsewhere {
        /// What it is.
        place: Place,
        /// Where, as written, but for user and password.
        address: String,
    },
}

/// What an entry that comes from no index comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A repository of sources: git and its like.
    Repository,
    /// A file at an address.
    Url,
    /// A file on the machine.
    File,
    /// A folder with sources on the machine, the locked project itself among them.
    Folder,
}

impl Place {
    /// What people are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "a repository",
            Self::Url => "an address",
            Self::File => "a file on the machine",
            Self::Folder => "a folder on the machine",
        }
    }
}

/// An option of a requirements file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallerOption {
    /// Where it stands, from 1.
    pub line: usize,
    /// The option with its value.
    pub text: String,
}

/// Something that a person should know about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Which line, from 1.
    pub line: usize,
    /// One sentence, printable.
    pub text: String,
}

/// Reads a file; `name` is its path or name, by which its kind is told where no `kind` is given, and what messages call it.
pub fn read(name: &str, bytes: &[u8], kind: Option<Kind>) -> Result<LockFile, LockFileError> {
    let file = text::shown(name);
    if bytes.len() > LARGEST_FILE {
        return Err(LockFileError::TooLarge { file });
    }
    let text = text::decode(bytes, &file)?;
    text::check_lines(&text, &file)?;
    let kind = kind.or_else(|| Kind::guess(name, &text)).ok_or_else(|| LockFileError::UnknownKind(file.clone()))?;
    let mut reading = Reading::new(kind, file);
    match kind {
        Kind::Requirements => requirements_file::read(&text, &mut reading)?,
        Kind::Uv => uv::read(&text, &mut reading)?,
        Kind::Poetry => poetry::read(&text, &mut reading)?,
        Kind::Pylock => pylock::read(&text, &mut reading)?,
        Kind::CpanfileSnapshot => snapshot::read(&text, &mut reading)?,
    }
    Ok(reading.finish())
}

#[cfg(test)]
mod tests;
