//! What a teapot index says of one instance and of those before it.

use serde::{Deserialize, Serialize};

/// What the index says of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeapotFacts {
    /// `package`, `application`, `profile` or `documentation`.
    pub kind: Box<str>,
    /// For which platform; `tcl` for all.
    pub platform: Box<str>,
    /// Who wrote it, by the index: `as::author` and `author`, in lower case; `None` if it says nothing.
    pub authors: Option<Vec<Box<str>>>,
    /// The newest version below it that was known before.
    pub before: Option<EarlierInstance>,
    /// The signature under which the same instance was known before: its bytes were replaced.
    pub replaced: Option<Box<str>>,
}

/// An instance of the same name with a lower version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierInstance {
    /// Its version.
    pub version: Box<str>,
    /// Who wrote it.
    pub authors: Option<Vec<Box<str>>>,
}
