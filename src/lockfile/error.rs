//! What can be wrong with a lock file as a whole.

use super::{LARGEST_FILE, LONGEST_LINE};

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockFileError {
    /// Larger than [`LARGEST_FILE`].
    #[error("{file}: larger than {} MiB: no installer writes that much, is it the right file?", LARGEST_FILE >> 20)]
    TooLarge {
        /// Which file.
        file: String,
    },
    /// Neither UTF-8 nor UTF-16 with a byte order mark.
    #[error("{file}:{line}: not text in UTF-8: is it the right file? Else write it again in UTF-8")]
    NotText {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
    },
    /// A line longer than [`LONGEST_LINE`].
    #[error("{file}:{line}: longer than {} KiB with its continuations: break it up, or let the tool write the file again", LONGEST_LINE >> 10)]
    LongLine {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
    },
    /// Neither name nor content tell what it is.
    #[error("{0}: neither its name nor its content say what it is: give it the name of its kind, one of {kinds}", kinds = super::Kind::all_names())]
    UnknownKind(String),
    /// Not TOML.
    #[error("{file}:{line}: this is no TOML ({why}): let the tool write the file again")]
    Syntax {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// Not what a file of its kind looks like.
    #[error("{file}:{line}: {what}: is it the right file? Else let {tool} write it again")]
    Shape {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// Who writes such files.
        tool: &'static str,
    },
    /// A generation of the format that this program does not know.
    #[error("{file}:{line}: this is format {found}, and known is {known}: use a newer lazaret, or an older {tool}")]
    OtherFormat {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What the file says.
        found: String,
        /// What is known.
        known: &'static str,
        /// Who writes such files.
        tool: &'static str,
    },
    /// More than any honest file has.
    #[error("{file}:{line}: more than {limit} {what}: check it in parts, if it is honest")]
    TooMany {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Of what.
        what: &'static str,
        /// How many may be.
        limit: usize,
    },
}
