//! Names and kinds of files.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest file name accepted; what most file systems allow.
pub const LONGEST_FILE_NAME: usize = 255;

/// The text is not a plain file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a plain file name")]
pub struct InvalidFileName(pub String);

/// A plain file name: printable ASCII, not hidden. Safe in a path, a header and a log.
///
/// Most have no separator. A CPAN release is named with its uploader (`ETHER/Try-Tiny-0.31.tar.gz`), because two people may
/// upload one file name: see [`FileName::in_folders`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(Arc<str>);

impl FileName {
    /// Checks a name from outside.
    pub fn parse(raw: &str) -> Result<Self, InvalidFileName> {
        let plain = !raw.is_empty()
            && raw.len() <= LONGEST_FILE_NAME
            && !raw.starts_with('.')
            && raw.bytes().all(|byte| byte.is_ascii_graphic() && !br#"/\"'<>&?#%:*|`"#.contains(&byte));
        if plain { Ok(Self(raw.into())) } else { Err(InvalidFileName(raw.chars().take(60).collect())) }
    }

    /// Checks a name with folders before it, each of them as plain as a file name.
    pub fn in_folders(raw: &str) -> Result<Self, InvalidFileName> {
        let plain = raw.len() <= LONGEST_FILE_NAME && raw.split('/').all(|part| Self::parse(part).is_ok());
        if plain { Ok(Self(raw.into())) } else { Err(InvalidFileName(raw.chars().take(60).collect())) }
    }

    /// The name, with its folders.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without folders.
    pub fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FileName {
    type Error = InvalidFileName;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::in_folders(&raw)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.as_str().to_owned()
    }
}

/// What a file is to an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A PyPI wheel: a zip archive whose directory is at its end, useless without it.
    Wheel,
    /// A source archive: installing it runs its own code.
    Source,
    /// Something old clients knew (egg, msi, rpm); pip and uv do not install it.
    Legacy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_cannot_leave_their_folder_or_their_line() {
        for name in ["six-1.16.0-py2.py3-none-any.whl", "a+b-1.0.tar.gz", "a@1!2.zip"] {
            assert!(FileName::parse(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\nb", "a\0b", "ä.whl", "a\"b", "a%2fb", "<a>"] {
            assert!(FileName::parse(name).is_err(), "{name:?}");
        }
        assert_eq!(FileName::in_folders("ETHER/old/Try-Tiny-0.31.tar.gz").unwrap().base(), "Try-Tiny-0.31.tar.gz");
        for name in ["/a", "a/", "a//b", "a/../b", "a/.b", "a/b\n"] {
            assert!(FileName::in_folders(name).is_err(), "{name:?}");
        }
    }
}
