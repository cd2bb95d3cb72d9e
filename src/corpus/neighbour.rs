//! What it means that one name could be mistaken for another, and how to say it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A known name that another name could be mistaken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The known name.
    pub target: String,
    /// Its place in the list, from 1; internal names and those that this site uses have 1.
    pub rank: u32,
    /// Whether it is an internal name.
    pub internal: bool,
    /// How they differ.
    pub kind: Confusion,
    /// From 0, nothing in common, to 1, the same: `1 - edits / length`.
    pub similarity: f64,
    /// How likely the name is meant to be mistaken for the known one, from 0 to 1.
    #[serde(default)]
    pub score: f64,
    /// Why the known name is known.
    #[serde(default)]
    pub renown: Renown,
    /// What the score is made of: each sign that was seen, and what it added or took away, in log-odds.
    #[serde(default)]
    pub signs: BTreeMap<String, f64>,
}

/// Why a name is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renown {
    /// Many use it.
    #[default]
    Popular,
    /// It is this site's own.
    Internal,
    /// This site uses it.
    Used,
    /// This package is imported under it.
    Import(String),
    /// A module that comes with the language.
    Library,
    /// A service, a program or a project that is not in the index under this name.
    Elsewhere,
}

/// How two names that could be confused differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confusion {
    /// Not at all: it is what people import, or what comes with the language, and they look for a package of that name.
    Namesake,
    /// The same without separators.
    #[serde(alias = "compact")]
    Separator,
    /// The same to the eye.
    Homoglyph,
    /// Two characters side by side are swapped.
    Transposition,
    /// One character is inserted, left out or replaced.
    Edit,
    /// Two edits.
    Edits,
    /// The same words in another order.
    WordOrder,
    /// The same but for a word that says nothing, such as `python`.
    Affix,
    /// The known name and something more.
    Combo,
}

impl Confusion {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Namesake,
        Self::Separator,
        Self::Homoglyph,
        Self::Transposition,
        Self::Edit,
        Self::Edits,
        Self::WordOrder,
        Self::Affix,
        Self::Combo,
    ];

    /// The word used in evidence, in the table of weights and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namesake => "namesake",
            Self::Separator => "separator",
            Self::Homoglyph => "homoglyph",
            Self::Transposition => "transposition",
            Self::Edit => "edit",
            Self::Edits => "edits",
            Self::WordOrder => "word-order",
            Self::Affix => "affix",
            Self::Combo => "combo",
        }
    }

    /// How the name differs, as the end of a sentence that begins with the known name.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Namesake => "",
            Self::Separator => " with other separators",
            Self::Homoglyph => " written with characters that look the same",
            Self::Transposition => " with two letters swapped",
            Self::Edit => " with one letter added, left out or replaced",
            Self::Edits => " with two letters added, left out or replaced",
            Self::WordOrder => " with its words in another order",
            Self::Affix => " with a word added or left out that says nothing",
            Self::Combo => " with something added",
        }
    }
}

impl Neighbour {
    /// What is confusing, in one sentence for a person.
    pub fn sentence(&self) -> String {
        let target = &self.target;
        let whose = match &self.renown {
            Renown::Popular => format!("{target}, number {} of the well-known names,", self.rank),
            Renown::Internal => format!("the internal name {target}"),
            Renown::Used => format!("{target}, which is used here,"),
            Renown::Import(package) => format!("{target}, which is how {package} is imported,"),
            Renown::Library => format!("{target}, which comes with the language,"),
            Renown::Elsewhere => format!("{target}, which is well known elsewhere,"),
        };
        let text = format!("The name is {whose}{}", self.kind.sentence());
        format!("{}.", text.trim_end_matches(','))
    }
}
