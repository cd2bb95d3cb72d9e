//! Names of projects, normalised once at the door: the gate's key and the cache's key are the same value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Ecosystem;

/// Longest name accepted; PyPI's own limit is 200 characters.
pub const LONGEST_NAME: usize = 200;

/// Why a text is not a project name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a project name may not be empty")]
    Empty,
    /// Longer than [`LONGEST_NAME`].
    #[error("a project name may have at most {LONGEST_NAME} characters")]
    TooLong,
    /// A character that the ecosystem does not allow, or a separator at an end.
    #[error("{0:?} is not a valid project name")]
    Invalid(String),
    /// `ECOSYSTEM:NAME` was expected.
    #[error("{0:?} does not name a project: write it as pypi:NAME")]
    NoEcosystem(String),
}

/// A project's normalised name. It cannot be held un-normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProjectName(Arc<str>);

impl ProjectName {
    /// Reads a name as its ecosystem spells it and normalises it.
    ///
    /// PyPI: [PEP 503](https://peps.python.org/pep-0503/#normalized-names), runs of `-_.` become one `-`, lower case. CPAN
    /// and teapot: names are case sensitive; on CPAN a distribution's, so `Try::Tiny` is read as `Try-Tiny`.
    pub fn parse(ecosystem: Ecosystem, raw: &str) -> Result<Self, NameError> {
        if raw.is_empty() {
            return Err(NameError::Empty);
        }
        if raw.len() > LONGEST_NAME {
            return Err(NameError::TooLong);
        }
        match ecosystem {
            Ecosystem::Pypi => normalise_pypi(raw).map(|name| Self(name.into())),
            Ecosystem::Cpan | Ecosystem::Teapot => {
                if raw.chars().any(char::is_control) || raw.trim() != raw {
                    return Err(invalid(raw));
                }
                // A distribution is named like its main package: people may write either.
                let name = if ecosystem == Ecosystem::Cpan { raw.replace("::", "-") } else { raw.to_owned() };
                Ok(Self(name.into()))
            }
        }
    }

    /// A PyPI name; see [`ProjectName::parse`].
    pub fn pypi(raw: &str) -> Result<Self, NameError> {
        Self::parse(Ecosystem::Pypi, raw)
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn invalid(raw: &str) -> NameError {
    NameError::Invalid(raw.chars().take(60).collect())
}

fn normalise_pypi(raw: &str) -> Result<String, NameError> {
    let mut name = String::with_capacity(raw.len());
    let mut separator = false;
    for byte in raw.bytes() {
        match byte {
            b'-' | b'_' | b'.' => separator = true,
            _ if byte.is_ascii_alphanumeric() => {
                if separator {
                    if name.is_empty() {
                        return Err(invalid(raw));
                    }
                    name.push('-');
                    separator = false;
                }
                name.push(char::from(byte.to_ascii_lowercase()));
            }
            _ => return Err(invalid(raw)),
        }
    }
    if separator || name.is_empty() {
        return Err(invalid(raw));
    }
    Ok(name)
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProjectName {
    /// Reads a name that this program wrote: it was normalised then, so only the bounds are checked again.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom("not a project name"));
        }
        Ok(Self(text.into()))
    }
}

/// A project in its ecosystem, written `pypi:boto3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Project {
    /// Whose name this is.
    pub ecosystem: Ecosystem,
    /// The normalised name.
    pub name: ProjectName,
}

impl Project {
    /// A project on PyPI or on an index that speaks its protocol.
    pub fn pypi(name: ProjectName) -> Self {
        Self { ecosystem: Ecosystem::Pypi, name }
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ecosystem, self.name)
    }
}

impl FromStr for Project {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let missing = || NameError::NoEcosystem(text.chars().take(60).collect());
        let (ecosystem, name) = text.split_once(':').ok_or_else(missing)?;
        let ecosystem = ecosystem.parse().map_err(|_| missing())?;
        Ok(Self { ecosystem, name: ProjectName::parse(ecosystem, name)? })
    }
}

/// A name, or a family of names: `acme` is that name alone, `acme-*` every name that starts with `acme-`, and not `acme`.
///
/// On CPAN a distribution `Acme-Corp` and a package `Acme::Corp` are one name to a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// One normalised name.
    Exact(ProjectName),
    /// Every name with this normalised beginning and at least one character more.
    Prefix(String),
}

impl NamePattern {
    /// Reads a pattern; a star is allowed at the end only.
    pub fn parse(ecosystem: Ecosystem, raw: &str) -> Result<Self, NameError> {
        let Some(prefix) = raw.strip_suffix('*') else {
            return ProjectName::parse(ecosystem, raw).map(Self::Exact);
        };
        if ecosystem != Ecosystem::Pypi {
            ProjectName::parse(ecosystem, prefix)?;
            let prefix = if ecosystem == Ecosystem::Cpan { prefix.replace("::", "-") } else { prefix.to_owned() };
            return Ok(Self::Prefix(prefix));
        }
        let stem = prefix.trim_end_matches(['-', '_', '.']);
        let mut normalised = ProjectName::pypi(stem)?.as_str().to_owned();
        if stem.len() < prefix.len() {
            normalised.push('-');
        }
        Ok(Self::Prefix(normalised))
    }

    /// Whether the pattern covers this name.
    pub fn matches(&self, name: &ProjectName) -> bool {
        self.matches_text(name.as_str())
    }

    /// Whether the pattern covers a CPAN package: `Acme::Corp::*` covers `Acme::Corp::Billing`.
    pub fn matches_package(&self, package: &str) -> bool {
        self.matches_text(&package.replace("::", "-"))
    }

    /// Whether every name that the other pattern covers is covered by this one too.
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Prefix(prefix), Self::Prefix(longer)) => longer.starts_with(prefix),
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }

    fn matches_text(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.as_str() == name,
            Self::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(raw: &str) -> NamePattern {
        NamePattern::parse(Ecosystem::Pypi, raw).unwrap()
    }

    #[test]
    fn pypi_names_are_normalised_by_pep_503() {
        for raw in ["Friendly-Bard", "friendly.bard", "FRIENDLY__bard", "friendly-.-bard"] {
            assert_eq!(ProjectName::pypi(raw).unwrap().as_str(), "friendly-bard");
        }
        for raw in ["", "-a", "a-", "a b", "a/b", "..", "nämé", "a\n"] {
            assert!(ProjectName::pypi(raw).is_err(), "{raw:?} should be refused");
        }
    }

    #[test]
    fn a_star_matches_more_than_nothing() {
        let acme = pattern("Acme_*");
        assert!(acme.matches(&ProjectName::pypi("acme.billing").unwrap()));
        assert!(!acme.matches(&ProjectName::pypi("acme").unwrap()));
        assert!(!acme.matches(&ProjectName::pypi("acmebilling").unwrap()));
        assert!(pattern("acme").matches(&ProjectName::pypi("ACME").unwrap()));
        assert!(NamePattern::parse(Ecosystem::Pypi, "*").is_err());
        assert!(NamePattern::parse(Ecosystem::Pypi, "a*b").is_err());
    }

    #[test]
    fn on_cpan_a_pattern_covers_distributions_and_packages() {
        let corp = NamePattern::parse(Ecosystem::Cpan, "Acme::Corp::*").unwrap();
        let dist = |raw| ProjectName::parse(Ecosystem::Cpan, raw).unwrap();
        assert!(corp.matches(&dist("Acme-Corp-Billing")));
        assert!(corp.matches_package("Acme::Corp::Billing"));
        assert!(!corp.matches(&dist("Acme-Corp")) && !corp.matches(&dist("Acme-Corporate")));
        assert!(NamePattern::parse(Ecosystem::Cpan, "Acme::Corp").unwrap().matches(&dist("Acme-Corp")));
    }

    #[test]
    fn projects_are_written_with_their_ecosystem() {
        let project: Project = "pypi:Foo_Bar".parse().unwrap();
        assert_eq!(project.to_string(), "pypi:foo-bar");
        assert!("foo".parse::<Project>().is_err());
    }
}
