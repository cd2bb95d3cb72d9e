//! Versions: kept as normalised text, compared by the rules of their ecosystem.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Ecosystem, perl_version, tcl_version};

/// Longest version text accepted.
pub const LONGEST_VERSION: usize = 128;

/// The text is not a version in its ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid version")]
pub struct InvalidVersion(pub String);

/// Orders the releases of one project, and is equal for versions that name one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseKey {
    /// By [PEP 440](https://peps.python.org/pep-0440/): `1.0` and `1.0.0` are one release.
    Python(Option<pep440_rs::Version>),
    /// By the version's text, in the order of its ecosystem.
    Other(Ecosystem, Version),
}

impl PartialOrd for ReleaseKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ReleaseKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Python(one), Self::Python(two)) => one.cmp(two),
            (Self::Other(ecosystem, one), Self::Other(_, two)) => one.compare(two, *ecosystem),
            (Self::Python(_), Self::Other(..)) => Ordering::Less,
            (Self::Other(..), Self::Python(_)) => Ordering::Greater,
        }
    }
}

/// A version as its ecosystem writes it: for PyPI the normal form of [PEP 440](https://peps.python.org/pep-0440/).
#[derive(Clone)]
pub struct Version(Arc<Spelling>);

/// The text, and what PEP 440 reads in it: a page of four thousand files is sorted, grouped and compared many times, and each
/// text is read once.
struct Spelling {
    text: Box<str>,
    python: OnceLock<Option<pep440_rs::Version>>,
}

impl Version {
    /// Reads and normalises a version.
    pub fn parse(ecosystem: Ecosystem, raw: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(raw.chars().take(60).collect());
        if raw.is_empty() || raw.len() > LONGEST_VERSION || raw.chars().any(char::is_control) {
            return Err(invalid());
        }
        match ecosystem {
            Ecosystem::Pypi => {
                let version = pep440_rs::Version::from_str(raw).map_err(|_| invalid())?;
                let text = version.to_string().into();
                Ok(Self(Arc::new(Spelling { text, python: OnceLock::from(Some(version)) })))
            }
            Ecosystem::Cpan | Ecosystem::Teapot => Ok(Self::spelled(raw)),
        }
    }

    /// What counts for a file that says no version: less than any.
    pub fn zero() -> Self {
        Self::spelled("0")
    }

    fn spelled(text: &str) -> Self {
        Self(Arc::new(Spelling { text: text.into(), python: OnceLock::new() }))
    }

    /// A PyPI version; see [`Version::parse`].
    pub fn pypi(raw: &str) -> Result<Self, InvalidVersion> {
        Self::parse(Ecosystem::Pypi, raw)
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The value that PEP 440 orders and compares (`1.0` equals `1.0.0`); `None` for a version of another ecosystem.
    pub fn pep440(&self) -> Option<&pep440_rs::Version> {
        self.0.python.get_or_init(|| pep440_rs::Version::from_str(&self.0.text).ok()).as_ref()
    }

    /// The release that it names: files with the same key belong together.
    pub fn release(&self, ecosystem: Ecosystem) -> ReleaseKey {
        match ecosystem {
            Ecosystem::Pypi => ReleaseKey::Python(self.pep440().cloned()),
            Ecosystem::Cpan | Ecosystem::Teapot => ReleaseKey::Other(ecosystem, self.clone()),
        }
    }

    /// Orders two versions of one ecosystem; what cannot be read as a version sorts first.
    pub fn compare(&self, other: &Self, ecosystem: Ecosystem) -> Ordering {
        match ecosystem {
            Ecosystem::Pypi => self.pep440().cmp(&other.pep440()).then_with(|| self.cmp(other)),
            Ecosystem::Cpan => perl_version::compare(self.as_str(), other.as_str()),
            Ecosystem::Teapot => tcl_version::compare(self.as_str(), other.as_str()),
        }
    }

    /// Whether both name one release (`1.0` and `1.0.0` do on PyPI).
    pub fn is_same_release(&self, other: &Self) -> bool {
        self == other || matches!((self.pep440(), other.pep440()), (Some(one), Some(two)) if one == two)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Version").field(&self.as_str()).finish()
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    /// By the text alone; see [`Version::compare`] for the order that people mean.
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::deserialize(deserializer)?;
        Ok(Self(Arc::new(Spelling { text, python: OnceLock::new() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pypi_versions_are_normalised_and_ordered_by_pep_440() {
        let version = |raw| Version::pypi(raw).unwrap();
        assert_eq!(version("1.0.0-RC.1").as_str(), "1.0.0rc1");
        assert!(version("1.0").is_same_release(&version("1.0.0")));
        assert_eq!(version("1.10").compare(&version("1.9"), Ecosystem::Pypi), Ordering::Greater);
        assert_eq!(version("2.0rc1").compare(&version("2.0"), Ecosystem::Pypi), Ordering::Less);
        assert!(Version::pypi("not a version").is_err());
    }

    #[test]
    fn each_ecosystem_orders_by_its_own_rules() {
        let order = |ecosystem, one, two| {
            let version = |raw| Version::parse(ecosystem, raw).unwrap();
            version(one).compare(&version(two), ecosystem)
        };
        assert_eq!(order(Ecosystem::Cpan, "1.10", "1.9"), Ordering::Less);
        assert_eq!(order(Ecosystem::Cpan, "v1.10", "v1.9"), Ordering::Greater);
        assert_eq!(order(Ecosystem::Teapot, "1.10", "1.9"), Ordering::Greater);
        assert_eq!(order(Ecosystem::Teapot, "1.2b1", "1.2"), Ordering::Less);
    }
}
