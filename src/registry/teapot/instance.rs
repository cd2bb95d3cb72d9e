//! The unit that is published, listed, fetched and held: a kind, a name, a version and a platform.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::tcl_list;
use super::version::TclVersion;

/// Longest name or platform.
const LONGEST_WORD: usize = 200;

/// What an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A program.
    Application,
    /// Documents.
    Documentation,
    /// A library.
    Package,
    /// A list of other instances.
    Profile,
    /// Leads clients to another repository, around us: never published.
    Redirect,
}

impl Kind {
    /// All of them, ordered by their words.
    pub const ALL: [Self; 5] = [Self::Application, Self::Documentation, Self::Package, Self::Profile, Self::Redirect];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Documentation => "documentation",
            Self::Package => "package",
            Self::Profile => "profile",
            Self::Redirect => "redirect",
        }
    }

    /// Reads the word, which is lower case on the wire.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why four words are no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyInvalid {
    /// Not one of [`Kind::ALL`].
    #[error("an unknown kind")]
    Kind,
    /// A word is empty or far too long.
    #[error("a name, version or platform that is empty or far too long")]
    Length,
    /// NUL, a line's end or another control character.
    #[error("a control character")]
    Control,
    /// A client keeps files under these words: `..` would lead elsewhere.
    #[error("a name or platform that would leave its folder")]
    Traversal,
    /// Tcl stops with an error where it meets such a version.
    #[error("a version that Tcl does not accept")]
    Version,
}

/// One instance. Names are case-sensitive; two spellings of a version are two instances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// What it is.
    pub kind: Kind,
    /// Its name: `acme::greet`.
    pub name: Arc<str>,
    /// Its version, as written.
    pub version: Arc<str>,
    /// For which platform; `tcl` for all.
    pub platform: Arc<str>,
}

impl Instance {
    /// Checks words from outside.
    pub fn new(kind: Kind, name: &str, version: &str, platform: &str) -> Result<Self, WhyInvalid> {
        for word in [name, version, platform] {
            if word.is_empty() || word.len() > LONGEST_WORD {
                return Err(WhyInvalid::Length);
            }
            if word.chars().any(char::is_control) {
                return Err(WhyInvalid::Control);
            }
        }
        if leaves_its_folder(name) || leaves_its_folder(platform) {
            return Err(WhyInvalid::Traversal);
        }
        if TclVersion::parse(version).is_none() {
            return Err(WhyInvalid::Version);
        }
        Ok(Self { kind, name: name.into(), version: version.into(), platform: platform.into() })
    }

    /// Whether it is a profile: the fifth element of an extended instance.
    pub fn is_profile(&self) -> bool {
        self.kind == Kind::Profile
    }

    /// Its version as a value to compare.
    pub fn tcl_version(&self) -> Option<TclVersion> {
        TclVersion::parse(&self.version)
    }

    /// The five elements of an extended instance: `package acme::greet 1.0 tcl 0`.
    pub fn extended(&self) -> String {
        let is_profile = if self.is_profile() { "1" } else { "0" };
        tcl_list::write(self.words().into_iter().chain([is_profile]))
    }

    /// Its address below a repository, without what is wanted of it: `package/name/acme%3a%3agreet/ver/1%2e0/arch/tcl`.
    pub fn address(&self) -> String {
        let [name, version, platform] =
            [&self.name, &self.version, &self.platform].map(|word| super::encode_segment(word));
        format!("{}/name/{name}/ver/{version}/arch/{platform}", self.kind)
    }

    fn words(&self) -> [&str; 4] {
        [self.kind.as_str(), &self.name, &self.version, &self.platform]
    }
}

impl fmt::Display for Instance {
    /// A Tcl list: `package acme::greet 1.0 tcl`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&tcl_list::write(self.words()))
    }
}

fn leaves_its_folder(word: &str) -> bool {
    word.starts_with(['/', '\\', '~']) || word.split(['/', '\\']).any(|part| matches!(part, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_almost_anything() {
        for name in ["acme::greet", "two words", "a/b", "Zoë", "a{b", "it's", "a_b", "...x"] {
            assert!(Instance::new(Kind::Package, name, "1.0", "tcl").is_ok(), "{name}");
        }
    }

    #[test]
    fn what_would_harm_a_client_is_refused() {
        let long = "a".repeat(201);
        let read = |name, version, platform| Instance::new(Kind::Package, name, version, platform);
        assert_eq!(read("../../etc", "1.0", "tcl"), Err(WhyInvalid::Traversal));
        assert_eq!(read("..", "1.0", "tcl"), Err(WhyInvalid::Traversal));
        assert_eq!(read("a\\..\\b", "1.0", "tcl"), Err(WhyInvalid::Traversal));
        assert_eq!(read("/a", "1.0", "tcl"), Err(WhyInvalid::Traversal));
        assert_eq!(read("a", "1.0", "../tcl"), Err(WhyInvalid::Traversal));
        assert_eq!(read("a\0b", "1.0", "tcl"), Err(WhyInvalid::Control));
        assert_eq!(read("a\nb", "1.0", "tcl"), Err(WhyInvalid::Control));
        assert_eq!(read("", "1.0", "tcl"), Err(WhyInvalid::Length));
        assert_eq!(read(&long, "1.0", "tcl"), Err(WhyInvalid::Length));
        assert_eq!(read("a", "latest", "tcl"), Err(WhyInvalid::Version));
        assert_eq!(Kind::from_word("Package"), None);
    }

    #[test]
    fn instances_are_written_as_lists_and_addresses() {
        let instance = Instance::new(Kind::Profile, "acme all", "1.0", "linux-glibc2.3-x86_64").unwrap();
        assert_eq!(instance.to_string(), "profile {acme all} 1.0 linux-glibc2.3-x86_64");
        assert_eq!(instance.extended(), "profile {acme all} 1.0 linux-glibc2.3-x86_64 1");
        assert_eq!(instance.address(), "profile/name/acme%20all/ver/1%2e0/arch/linux%2dglibc2%2e3%2dx86%5f64");
    }
}
