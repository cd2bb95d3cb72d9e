//! The path of an author's file, `E/ET/ETHER/Try-Tiny-0.32.tar.gz`: what identifies a release on CPAN.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::CatalogError;

/// Longest path accepted, below `authors/id/`.
pub const LONGEST_PATH: usize = 255;

/// Longest name of an account; PAUSE gives at most nine characters today.
const LONGEST_PAUSE_ID: usize = 32;

/// A checked path below `authors/id/`. Every part of it is plain: printable ASCII without separators, not hidden.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthorPath(Arc<str>);

impl AuthorPath {
    /// Reads the long form, `E/ET/ETHER/[folder/]Try-Tiny-0.32.tar.gz`.
    pub fn parse(path: &str) -> Result<Self, CatalogError> {
        if Self::is_valid(path) { Ok(Self(path.into())) } else { Err(invalid(path)) }
    }

    /// Reads the short form that people and clients write, `ETHER/[folder/]Try-Tiny-0.32.tar.gz`.
    pub fn parse_short(path: &str) -> Result<Self, CatalogError> {
        match (path.get(..1), path.get(..2)) {
            (Some(one), Some(two)) if path.len() <= LONGEST_PATH => {
                Self::parse(&format!("{one}/{two}/{path}")).map_err(|_| invalid(path))
            }
            _ => Err(invalid(path)),
        }
    }

    /// Whether [`AuthorPath::parse`] would take it; costs no memory.
    pub fn is_valid(path: &str) -> bool {
        if path.len() > LONGEST_PATH {
            return false;
        }
        let mut parts = path.split('/');
        let (Some(one), Some(two), Some(id)) = (parts.next(), parts.next(), parts.next()) else { return false };
        let is_home =
            is_pause_id(id) && one.len() == 1 && two.len() == 2 && id.starts_with(two) && two.starts_with(one);
        let mut below = parts.peekable();
        is_home && below.peek().is_some() && below.all(is_plain)
    }

    /// The account that uploaded it, `ETHER`.
    pub fn pause_id(&self) -> &str {
        self.0.split('/').nth(2).unwrap_or_default()
    }

    /// The folder that holds the file and its CHECKSUMS, `E/ET/ETHER` or a folder below.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The name of the file, `Try-Tiny-0.32.tar.gz`.
    pub fn file(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, file)| file)
    }

    /// The long form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The short form, `ETHER/Try-Tiny-0.32.tar.gz`.
    pub fn short(&self) -> &str {
        // One letter, two letters, and their slashes.
        self.0.get(5..).unwrap_or_default()
    }
}

/// Whether this may be the name of an account on PAUSE.
pub fn is_pause_id(id: &str) -> bool {
    let is_of_id = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    (2..=LONGEST_PAUSE_ID).contains(&id.len())
        && id.starts_with(|first: char| first.is_ascii_uppercase())
        && id.bytes().all(is_of_id)
}

fn is_plain(part: &str) -> bool {
    let bytes = part.as_bytes();
    let is_of_name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'~' | b'@' | b',' | b'=' | b'!')
    };
    !matches!(bytes.first(), None | Some(b'.' | b'-'))
        && bytes.iter().all(is_of_name)
        && !bytes.windows(2).any(|two| two == b"..")
}

fn invalid(path: &str) -> CatalogError {
    CatalogError::AuthorPath(path.chars().take(60).collect())
}

impl fmt::Display for AuthorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AuthorPath {
    type Err = CatalogError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Self::parse(path)
    }
}

impl TryFrom<String> for AuthorPath {
    type Error = CatalogError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        Self::parse(&path)
    }
}

impl From<AuthorPath> for String {
    fn from(path: AuthorPath) -> Self {
        path.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_says_who_and_what() {
        let path = AuthorPath::parse("E/ET/ETHER/old/Try-Tiny-0.32.tar.gz").unwrap();
        assert_eq!(path.pause_id(), "ETHER");
        assert_eq!(path.folder(), "E/ET/ETHER/old");
        assert_eq!(path.file(), "Try-Tiny-0.32.tar.gz");
        assert_eq!(path.short(), "ETHER/old/Try-Tiny-0.32.tar.gz");
        assert_eq!(AuthorPath::parse_short(path.short()).unwrap(), path);
        assert_eq!(serde_json::to_string(&path).unwrap(), "\"E/ET/ETHER/old/Try-Tiny-0.32.tar.gz\"");
        assert!(serde_json::from_str::<AuthorPath>("\"../ETHER/x\"").is_err());
    }

    #[test]
    fn a_path_cannot_lead_elsewhere() {
        let long = format!("E/ET/ETHER/{}.tar.gz", "a".repeat(LONGEST_PATH));
        let wrong = [
            "",
            "/",
            "E/ET/ETHER",
            "E/ET/ETHER/",
            "E/ET/ETHER//a.zip",
            "E/ET/ETHER/../a.zip",
            "E/ET/ETHER/./a.zip",
            "E/ET/ETHER/.a.zip",
            "E/ET/ETHER/-a.zip",
            "/E/ET/ETHER/a.zip",
            "E/EU/ETHER/a.zip",
            "F/ET/ETHER/a.zip",
            "e/et/ether/a.zip",
            "E/ET/ET HER/a.zip",
            "E/ET/ETHER/a b.zip",
            "E/ET/ETHER/a%2fb.zip",
            "E/ET/ETHER/a\\b.zip",
            "E/ET/ETHER/a\n.zip",
            "E/ET/ETHER/a?.zip",
            "E/ET/ETHER/\u{e4}.zip",
            "E/E/E/a.zip",
            "1/12/123/a.zip",
            &long,
        ];
        for path in wrong {
            assert!(AuthorPath::parse(path).is_err(), "{path:?} should be refused");
        }
        for short in ["", "E", "ETHER", "ETHER/", "\u{e4}THER/a.zip", "E/ET/ETHER/a.zip", "../ETHER/a.zip"] {
            assert!(AuthorPath::parse_short(short).is_err(), "{short:?} should be refused");
        }
        assert!(
            AuthorPath::is_valid("J/JV/JV/Getopt-Long-2.57.tar.gz") && AuthorPath::is_valid("A/A-/A-B/c+d~1@2.tgz")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_taken_is_kept_as_it_is(path in "([A-C]/[A-C]{2}/[A-C1-]{2,4}(/[a-b./-]{1,4}){1,2})|\\PC{0,12}") {
            if let Ok(read) = AuthorPath::parse(&path) {
                prop_assert_eq!(read.as_str(), &path);
                prop_assert_eq!(format!("{}/{}", read.folder(), read.file()), path);
                prop_assert!(read.short().starts_with(read.pause_id()));
                prop_assert!(!read.as_str().contains(".."), "{}", read);
            }
        }
    }
}
