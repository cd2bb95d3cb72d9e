//! Facts on their way from one store into another: everything that must survive, in a form that no engine owns.

use async_trait::async_trait;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{Download, StoreError, Token};
use crate::domain::audit::Head;
use crate::domain::{Event, KnownProject, PageRead, Project, StandingRule, Timestamp, Upload};

/// One fact. Index entries and counts are no facts: whoever takes these in makes them anew. Nor are jobs, which whatever leaves them
/// leaves again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The highest wall time ever seen.
    HighestTime(#[serde(with = "time::serde::rfc3339")] Timestamp),
    /// A token, as its hash.
    Token(Token),
    /// A standing rule.
    Rule(Box<StandingRule>),
    /// A name that a private index has shown.
    PrivateName {
        /// Which name.
        project: Project,
        /// Which index.
        index: String,
    },
    /// What is known of a project.
    Project(Box<KnownProject>),
    /// The last complete read of its page.
    Read {
        /// Whose.
        project: Project,
        /// When, and what it was.
        read: PageRead,
    },
    /// A file.
    Upload(Box<Upload>),
    /// Evidence; its digest is its name.
    Dossier(Bytes),
    /// What was learned over time.
    Snapshot {
        /// Of what.
        subject: String,
        /// In the writer's own form.
        bytes: Bytes,
    },
    /// Who fetched what on which day.
    Download(Download),
    /// An event of the ledger, in order.
    Event(Box<Event>),
}

/// Bytes as text, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        BASE64.encode(&bytes.0)
    }
}

impl TryFrom<String> for Bytes {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        BASE64.decode(text.as_bytes()).map(Self)
    }
}

/// A moment of a store, read while others go on writing. Its end lets the store forget what it kept for this.
#[async_trait]
pub trait Frozen: Send {
    /// Which store it is.
    fn instance(&self) -> &str;
    /// Where the ledger ended.
    fn head(&self) -> Head;
    /// Some more facts, events last and in order; none: that was all.
    async fn next(&mut self) -> Result<Vec<Fact>, StoreError>;
}

/// Out of a store as a whole, and into one as a whole.
#[async_trait]
pub trait Portable: Send + Sync + std::fmt::Debug {
    /// Everything as it is now. One at a time; another one is refused meanwhile.
    async fn freeze(&self) -> Result<Box<dyn Frozen>, StoreError>;
    /// Whether nothing was ever decided or learned here; half an import counts as nothing.
    async fn is_empty(&self) -> Result<bool, StoreError>;
    /// Forgets everything, and becomes the store with this id. Until [`finish_import`](Self::finish_import) it opens for nothing but
    /// another import.
    async fn begin_import(&self, instance: &str) -> Result<(), StoreError>;
    /// Takes facts in as they are, revisions and places in the chain included.
    async fn import(&self, facts: Vec<Fact>) -> Result<(), StoreError>;
    /// All is there. Durable when this returns.
    async fn finish_import(&self) -> Result<(), StoreError>;
}
