//! Lists of well-known names: those that are shipped, and those that `lazaret names refresh` keeps in the data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CorpusError, Renown, Weights, error};
use crate::domain::{Ecosystem, ProjectName};

/// Longest list read.
pub const LONGEST_LIST: u64 = 4 << 20;

/// A list has at most so many names; more would only be rarer ones.
pub const MOST_NAMES: usize = 50_000;

/// A list with fewer names than this is not what it says: an error page, or a file of something else.
pub const FEWEST_NAMES: usize = 100;

/// Where names and weights come from besides what is shipped.
#[derive(Debug, Clone, Default)]
pub struct NameSources {
    /// The folder with refreshed lists, `pypi.txt`, `cpan.txt`, `teapot.txt`. One that is not there: the shipped list.
    pub lists: Option<PathBuf>,
    /// A table of weights that overlays the built-in one, if the file is there.
    pub weights: Option<PathBuf>,
    /// A site's own names.
    pub own: BTreeMap<Ecosystem, OwnNames>,
}

/// Names that are worth imitating because of this site. They count as rank 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnNames {
    /// Internal names, and those of private indexes.
    pub internal: Vec<String>,
    /// Names that this site uses.
    pub used: Vec<String>,
}

impl NameSources {
    /// What a house with this data folder and policy file uses: refreshed lists in `names/` of the data folder, and
    /// `names/weights.toml` beside the policy.
    pub fn of_house(data_dir: &Path, policy_file: Option<&Path>) -> Self {
        let beside = |file: &Path| file.parent().unwrap_or(Path::new("")).join("names").join("weights.toml");
        Self { lists: Some(data_dir.join("names")), weights: policy_file.map(beside), own: BTreeMap::new() }
    }

    /// Where the refreshed list of an ecosystem is kept in a data folder.
    pub fn list_of(data_dir: &Path, ecosystem: Ecosystem) -> PathBuf {
        data_dir.join("names").join(format!("{ecosystem}.txt"))
    }

    /// Whether there is anything besides what is shipped.
    pub(super) fn differ(&self, ecosystem: Ecosystem) -> bool {
        self.own.get(&ecosystem).is_some_and(|own| *own != OwnNames::default())
            || self.weights.as_ref().is_some_and(|path| path.exists())
            || self.list(ecosystem).is_some_and(|path| path.exists())
    }

    fn list(&self, ecosystem: Ecosystem) -> Option<PathBuf> {
        self.lists.as_ref().map(|folder| folder.join(format!("{ecosystem}.txt")))
    }

    pub(super) fn weights(&self) -> Result<Weights, CorpusError> {
        match &self.weights {
            Some(path) if path.exists() => Weights::load(path),
            _ => Ok(Weights::default()),
        }
    }

    /// The refreshed list, if there is one.
    pub(super) fn refreshed(&self, ecosystem: Ecosystem) -> Result<Option<Vec<String>>, CorpusError> {
        let Some(path) = self.list(ecosystem).filter(|path| path.exists()) else { return Ok(None) };
        let text = error::read_bounded(&path, LONGEST_LIST)?;
        read_list(ecosystem, &text, &path.display().to_string()).map(Some)
    }
}

/// Lists of downloads are published like this.
#[derive(Debug, Deserialize)]
struct Downloads {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    project: String,
}

/// Reads a list of names in order of rank, one a line with `#` for comments, or JSON with `rows` that each have a `project`;
/// `file` is what errors call it. Names come back normalised, each once.
pub fn read_list(ecosystem: Ecosystem, text: &str, file: &str) -> Result<Vec<String>, CorpusError> {
    let wrong = |line: usize, why: String| CorpusError::List { file: file.to_owned(), line, why };
    if text.trim_start().starts_with('{') {
        let downloads: Downloads = serde_json::from_str(text)
            .map_err(|error| wrong(error.line(), format!("this is no list of names in JSON: {error}")))?;
        let names: Vec<String> = downloads.rows.into_iter().map(|row| row.project).collect();
        if names.iter().any(|name| name.contains(['\n', '\r'])) {
            return Err(wrong(1, "a name has a line end in it".to_owned()));
        }
        return read_list(ecosystem, &format!("# from JSON\n{}", names.join("\n")), file);
    }
    let mut names = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = ProjectName::parse(ecosystem, line)
            .map_err(|error| wrong(number, format!("{error}; write one name a line, most popular first")))?;
        if line.contains(['<', '>', ',', '"', ';', '\t', ' ', '*']) {
            return Err(wrong(number, "write one name a line, and nothing else".to_owned()));
        }
        if seen.insert(name.clone()) {
            names.push(name.as_str().to_owned());
        }
        if names.len() > MOST_NAMES {
            return Err(wrong(number, format!("a list has at most {MOST_NAMES} names")));
        }
    }
    if names.len() < FEWEST_NAMES {
        return Err(wrong(1, format!("a list has at least {FEWEST_NAMES} names, this one {}", names.len())));
    }
    Ok(names)
}

/// The names of a shipped list, in order of rank.
pub fn shipped(ecosystem: Ecosystem) -> impl Iterator<Item = &'static str> {
    let list = match ecosystem {
        Ecosystem::Pypi => include_str!("../../policies/names/pypi.txt"),
        Ecosystem::Cpan => include_str!("../../policies/names/cpan.txt"),
        Ecosystem::Teapot => include_str!("../../policies/names/teapot.txt"),
    };
    lines(list)
}

/// Names that are known without being a package's, and why.
pub(super) fn also_known(ecosystem: Ecosystem) -> impl Iterator<Item = (&'static str, Renown)> {
    let list = match ecosystem {
        Ecosystem::Pypi => include_str!("../../policies/names/pypi-also.txt"),
        // Perl's own modules are in the list itself.
        Ecosystem::Cpan | Ecosystem::Teapot => "",
    };
    lines(list).filter_map(|line| {
        let (name, what) = line.split_once(' ')?;
        let renown = match what {
            "(library)" => Renown::Library,
            "(elsewhere)" => Renown::Elsewhere,
            package => Renown::Import(package.to_owned()),
        };
        Some((name, renown))
    })
}

fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}
