//! The shelves of the store by name.

/// One tree each. The names are part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shelf {
    /// Instance id, highest time, end of the ledger.
    Facts,
    /// Project → [`KnownProject`](crate::domain::KnownProject).
    Listings,
    /// Project → [`PageRead`](crate::domain::PageRead).
    Reads,
    /// Id → [`Upload`](crate::domain::Upload).
    Uploads,
    /// Project, id.
    UploadsByProject,
    /// Digest, id.
    UploadsByDigest,
    /// File name, id.
    UploadsByFilename,
    /// State or any, ecosystem, id.
    UploadsByState,
    /// Hold's end, id; held rows that time may release.
    UploadsDue,
    /// What is counted → how many.
    Counts,
    /// Sequence → [`Event`](crate::domain::Event).
    Ledger,
    /// Id, sequence.
    LedgerByUpload,
    /// [`StandingRule::key`](crate::domain::StandingRule::key) → rule.
    Rules,
    /// Name → [`Token`](crate::store::Token).
    Tokens,
    /// Hash → name.
    TokensByDigest,
    /// Key → job and lease.
    Jobs,
    /// Time, key.
    JobQueue,
    /// Project → private index.
    PrivateNames,
    /// Digest, day, actor → [`Download`](crate::store::Download).
    Downloads,
    /// Digest → bytes.
    Dossiers,
    /// Subject → what was learned of it.
    Snapshots,
    /// Number of a large row, place → piece.
    Pieces,
    /// While a moment of the store is read: shelf, key → the row as it was then.
    Aside,
}

impl Shelf {
    /// All of them, in the order of their declaration.
    pub(super) const ALL: [Self; 23] = [
        Self::Facts,
        Self::Listings,
        Self::Reads,
        Self::Uploads,
        Self::UploadsByProject,
        Self::UploadsByDigest,
        Self::UploadsByFilename,
        Self::UploadsByState,
        Self::UploadsDue,
        Self::Counts,
        Self::Ledger,
        Self::LedgerByUpload,
        Self::Rules,
        Self::Tokens,
        Self::TokensByDigest,
        Self::Jobs,
        Self::JobQueue,
        Self::PrivateNames,
        Self::Downloads,
        Self::Dossiers,
        Self::Snapshots,
        Self::Pieces,
        Self::Aside,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Listings => "listings",
            Self::Reads => "reads",
            Self::Uploads => "uploads",
            Self::UploadsByProject => "uploads-by-project",
            Self::UploadsByDigest => "uploads-by-digest",
            Self::UploadsByFilename => "uploads-by-filename",
            Self::UploadsByState => "uploads-by-state",
            Self::UploadsDue => "uploads-due",
            Self::Counts => "counts",
            Self::Ledger => "ledger",
            Self::LedgerByUpload => "ledger-by-upload",
            Self::Rules => "rules",
            Self::Tokens => "tokens",
            Self::TokensByDigest => "tokens-by-digest",
            Self::Jobs => "jobs",
            Self::JobQueue => "job-queue",
            Self::PrivateNames => "private-names",
            Self::Downloads => "downloads",
            Self::Dossiers => "dossiers",
            Self::Snapshots => "snapshots",
            Self::Pieces => "pieces",
            Self::Aside => "aside",
        }
    }

    /// Whether its rows are facts, which a reader of an earlier moment wants as they were.
    pub(super) const fn has_facts(self) -> bool {
        matches!(
            self,
            Self::Listings
                | Self::Reads
                | Self::Uploads
                | Self::Ledger
                | Self::Rules
                | Self::Tokens
                | Self::PrivateNames
                | Self::Downloads
                | Self::Dossiers
                | Self::Snapshots
        )
    }

    /// How a row is called in errors.
    pub(super) fn label(self, key: &[u8]) -> String {
        format!("{}/{}", self.as_str(), key.escape_ascii())
    }
}
