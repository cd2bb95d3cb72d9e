//! Families of signals: witnesses of one kind, whose findings together weigh only so much.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a signal looks at. Findings of one family speak of the same thing and are capped together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// What the project is called, and what it copies from others.
    Name,
    /// Whether it could be taken for one of ours.
    Confusion,
    /// Who publishes it, and how that is proved.
    Identity,
    /// How and when it is released, and what it asks for.
    Behaviour,
    /// What is in its bytes.
    Content,
    /// What others have on record about it: the index, advisories, digests.
    #[default]
    Record,
}

impl Family {
    /// All of them, in the order of the policy file.
    pub const ALL: [Self; 6] =
        [Self::Name, Self::Confusion, Self::Identity, Self::Behaviour, Self::Content, Self::Record];

    /// The word used in answers and in the policy file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Confusion => "confusion",
            Self::Identity => "identity",
            Self::Behaviour => "behaviour",
            Self::Content => "content",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
