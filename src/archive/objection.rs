//! What speaks against an archive: each objection is one sentence, and either fatal or worth knowing.

use serde::{Deserialize, Serialize};

/// Something that an honest archive does not have. Paths are already made fit for display.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Objection {
    /// A path climbs with `..`.
    #[error("the path {path:?} climbs out of its folder")]
    PathTraversal {
        /// Which.
        path: String,
    },
    /// A path starts at the root or names a drive.
    #[error("the path {path:?} is absolute")]
    AbsolutePath {
        /// Which.
        path: String,
    },
    /// A name that readers disagree about.
    #[error("the name {path:?} {why}")]
    BadName {
        /// Which.
        path: String,
        /// Completes the sentence.
        why: String,
    },
    /// A name that can play tricks on a terminal.
    #[error("the name {path:?} has control characters")]
    ControlCharacters {
        /// Which.
        path: String,
    },
    /// A path is longer or deeper than the limits allow.
    #[error("the path {path:?} is too long or too deep")]
    PathTooLong {
        /// Its beginning.
        path: String,
    },
    /// Two entries have one path.
    #[error("{path:?} is in the archive more than once, with {} contents", if *.identical { "the same" } else { "different" })]
    DuplicateEntry {
        /// Which.
        path: String,
        /// The contents are the same: every reader ends up with the same files.
        identical: bool,
    },
    /// An entry's folder is a link made by the same archive.
    #[error("{path:?} would be written through a link")]
    ThroughLink {
        /// Which.
        path: String,
    },
    /// A link leaves the archive or names nothing in it.
    #[error("the link {path:?} points outside the archive, to {target:?}")]
    LinkOutside {
        /// The link.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A device, a pipe or something stranger.
    #[error("{path:?} is {what}, neither file, folder nor link")]
    SpecialFile {
        /// Which.
        path: String,
        /// What it is.
        what: String,
    },
    /// Two entries share bytes of the archive, as zip bombs do.
    #[error("{path:?} overlaps another entry")]
    OverlappingEntries {
        /// Which.
        path: String,
    },
    /// The zip directory and the header before the entry's bytes contradict each other.
    #[error("the zip directory and the local header of {path:?} disagree about its {what}")]
    LocalHeaderDiffers {
        /// Which.
        path: String,
        /// What differs.
        what: String,
    },
    /// The entry's bytes are fewer or more than its header says.
    #[error("{path:?} does not have the size that its header says")]
    SizeDiffers {
        /// Which.
        path: String,
    },
    /// Bytes between entries that the zip directory does not list: a streaming reader may find other entries there.
    #[error("{length} bytes at offset {offset} belong to no entry")]
    UnlistedData {
        /// Where.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// The end of the archive can be read in two ways.
    #[error("the zip directory is ambiguous: {why}")]
    AmbiguousDirectory {
        /// How.
        why: String,
    },
    /// An entry's header can be read in two ways.
    #[error("the header of {path:?} is ambiguous: {why}")]
    AmbiguousHeader {
        /// Which.
        path: String,
        /// How.
        why: String,
    },
    /// An entry cannot be read without a password.
    #[error("{path:?} is encrypted")]
    Encrypted {
        /// Which.
        path: String,
    },
    /// More entries than [`Limits::entries`](super::Limits::entries).
    #[error("the archive has more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// More bytes than a limit allows.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// More unpacked bytes per packed byte than [`Limits::ratio`](super::Limits::ratio).
    #[error("the archive unpacks to more than {limit} times its size")]
    RatioTooHigh {
        /// The limit.
        limit: u64,
    },
    /// Bytes after the archive's end, which all readers ignore.
    #[error("{bytes} bytes follow the end of the archive")]
    TrailingData {
        /// How many.
        bytes: u64,
    },
    /// Bytes before the archive's first entry: a streaming reader may find another archive there.
    #[error("{bytes} bytes precede the first entry of the archive")]
    PrependedData {
        /// How many.
        bytes: u64,
    },
    /// A tar archive that is a zip archive as well: pip would open it as the latter.
    #[error("the file is a tar archive and a zip archive at once")]
    Polyglot,
    /// Two metadata files claim to describe the archive.
    #[error("the archive has more than one metadata file: {first:?} and {second:?}")]
    SeveralMetadata {
        /// The one that was read.
        first: String,
        /// Another.
        second: String,
    },
    /// Files that the wheel's RECORD does not list.
    #[error("{count} files are not in RECORD, {first:?} for one")]
    NotInRecord {
        /// The first of them.
        first: String,
        /// How many.
        count: u64,
    },
    /// The bytes are not what the file's name says.
    #[error("the file is not a {expected} archive")]
    NotAnArchive {
        /// What the name says.
        expected: String,
    },
    /// A kind of archive that lazaret does not read.
    #[error("archives of kind {archive} are not read, so nothing is known about the contents")]
    UnreadableKind {
        /// Which.
        archive: String,
    },
    /// Bytes do not have the checksum written beside them.
    #[error("{path:?} does not have its checksum")]
    BadChecksum {
        /// Which entry, or the archive.
        path: String,
    },
    /// The archive is damaged or uses something exotic.
    #[error("the archive cannot be read: {why}")]
    Unreadable {
        /// Why.
        why: String,
    },
}

impl Objection {
    /// Whether the file must not be served for this alone: unpacking it does harm, its contents could not be seen, or
    /// different installers would see different contents. The others are worth knowing.
    pub const fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::TrailingData { .. }
                | Self::NotInRecord { .. }
                | Self::ControlCharacters { .. }
                | Self::DuplicateEntry { identical: true, .. }
        )
    }
}
