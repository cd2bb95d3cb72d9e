//! What a file of a teapot repository says of itself and does when it is loaded, as evidence. Read elsewhere: this is its form.

use serde::{Deserialize, Serialize};

/// What was read of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TclFacts {
    /// How it is made: `module`, `zip` or `other`.
    pub form: String,
    /// In what it contradicts the index, in one sentence.
    pub contradiction: Option<String>,
    /// Parts of its header that would have to be evaluated to be understood.
    pub remarks: Vec<String>,
    /// Who wrote it, by its own account; `None` if it says nothing.
    pub authors: Option<Vec<String>>,
    /// What it does when it is loaded; at most 50.
    pub load_time: Vec<LoadTimeFact>,
}

/// Something that happens at load time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadTimeFact {
    /// In which file of an archive; `None` in a module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// On which line, from 1.
    pub line: u32,
    /// What it is.
    pub kind: LoadTimeKind,
    /// The command: printable, on one line.
    pub excerpt: String,
}

/// What a load-time fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadTimeKind {
    /// Starts a program.
    Exec,
    /// Opens a connection.
    Socket,
    /// Evaluates text that it decoded before.
    EvalDecoded,
}

impl LoadTimeKind {
    /// As a sentence goes on: "it …".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Exec => "starts a program",
            Self::Socket => "opens a connection",
            Self::EvalDecoded => "runs text that it decodes",
        }
    }
}
