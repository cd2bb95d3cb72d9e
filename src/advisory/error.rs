//! What can be wrong with advisories and where they come from.

use std::path::PathBuf;

/// Why there are no advisories, or why a record is not one.
#[derive(Debug, thiserror::Error)]
pub enum AdvisoryError {
    /// The bytes are no OSV record.
    #[error("this is no OSV record: {why}")]
    NotOsv {
        /// What is wrong.
        why: String,
    },
    /// A record has more of something than an honest one.
    #[error("the record has more than {most} {what}, which no honest one has")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// The source is not there or cannot be read.
    #[error("{} cannot be read: {source}; correct advisories.source or the permissions", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The source as a whole is damaged: half of it would look like advisories that were taken back.
    #[error("{name} is cut short or damaged: {why}; fetch it again")]
    Damaged {
        /// Which one.
        name: String,
        /// How.
        why: String,
    },
    /// The source is larger than any of its kind.
    #[error("{name} has more than {most} {what}; name the records of one ecosystem, like an all.zip of PyPI alone")]
    TooMuch {
        /// Which one.
        name: String,
        /// How many it may have.
        most: u64,
        /// Of what.
        what: &'static str,
    },
    /// No record of the source could be read.
    #[error("{name} has no OSV record that can be read{}; name a folder or a zip of .json records, a .json or a .jsonl",
        .first.as_ref().map(|first| format!(" ({first})")).unwrap_or_default())]
    Empty {
        /// Which one.
        name: String,
        /// What was wrong with the first that was tried.
        first: Option<String>,
    },
    /// The records are of other ecosystems.
    #[error("{name} has {read} OSV records and none speaks of PyPI or CPAN; name a source for one of these")]
    Foreign {
        /// Which one.
        name: String,
        /// How many were read.
        read: usize,
    },
}
