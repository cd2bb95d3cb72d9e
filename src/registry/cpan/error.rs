//! Why a file of CPAN cannot be read.

/// Why a file of CPAN cannot be read. The message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// More than any honest mirror sends.
    #[error("{what} exceeds the limit of {limit}: ask whoever runs the mirror; no honest CPAN needs that much")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit that `what` names.
        limit: usize,
    },
    /// The file does not begin as it should.
    #[error("this is no {document} ({why}): open its address, it may be a login or error page")]
    NotThisDocument {
        /// Which file was expected.
        document: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Fewer or more rows than the header promises.
    #[error(
        "{document} promises {promised} lines and has {found}: it was cut off or mixed up; the last good copy stays in use, fetch it again"
    )]
    LineCount {
        /// Which file.
        document: &'static str,
        /// What its header says.
        promised: usize,
        /// What is there.
        found: usize,
    },
    /// An index that lost most of its rows at once.
    #[error(
        "the index has {now} rows, the one before had {before}: it is not taken in. If CPAN really shrank, remove the kept index in the data folder's cpan/ and start again"
    )]
    Shrunk {
        /// How many rows there were.
        before: usize,
        /// How many there are.
        now: usize,
    },
    /// The last row has no end.
    #[error("{0} ends in the middle of a line: it was cut off; the last good copy stays in use, fetch it again")]
    CutOff(&'static str),
    /// Not gzip, damaged, or not whole.
    #[error("the gzip is broken or cut off ({0}): fetch it again")]
    Gzip(#[source] std::io::Error),
    /// Something that the file's grammar does not have; it may be code.
    #[error("{document}, line {line}: {why}; it is not used. Compare it with another mirror")]
    Syntax {
        /// Which file.
        document: &'static str,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// Not JSON, or not of the expected shape.
    #[error("{document} is not the expected JSON ({source}): the file is broken, or it is another document")]
    Json {
        /// Which file.
        document: &'static str,
        /// What the reader says.
        #[source]
        source: serde_json::Error,
    },
    /// Not the path of a file of an author.
    #[error("{0:?} is not a path of the form E/ET/ETHER/Name-1.0.tar.gz")]
    AuthorPath(String),
    /// A key that cannot be read.
    #[error("key {place} of the keyring cannot be read ({why}): export it with `gpg --armor --export`")]
    Key {
        /// Which of the given files, counted from 1.
        place: usize,
        /// What the reader says.
        why: String,
    },
}
