//! What can be wrong with lists of names and tables of weights.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{} is longer than {most} bytes: is it the right file?", path.display())]
    TooLong {
        /// Which one.
        path: PathBuf,
        /// How long it may be.
        most: u64,
    },
    /// A line of a list of names is wrong.
    #[error("{file}:{line}: {why}")]
    List {
        /// Which list.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong and what to do.
        why: String,
    },
    /// Something in a table of weights is wrong.
    #[error("{file}:{line}: {why}")]
    Weights {
        /// Which table.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong and what to write instead.
        why: String,
    },
}

/// The text of a file that may not be longer than this.
pub(super) fn read_bounded(path: &Path, most: u64) -> Result<String, CorpusError> {
    let unreadable = |source| CorpusError::Unreadable { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(most + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > most {
        return Err(CorpusError::TooLong { path: path.to_owned(), most });
    }
    String::from_utf8(text).map_err(|error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))
}
