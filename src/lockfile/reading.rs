//! What a reader has found so far, within bounds.

use super::address;
use super::text::{self, shown};
use super::{
    Entry, InstallerOption, Kind, LockFile, LockFileError, LockedFile, MOST_ENTRIES, MOST_FILES, MOST_REMARKS, Remark,
};
use crate::domain::{Digest, DigestAlgorithm, Ecosystem, FileName, Project, ProjectName, Version};

/// Longest condition that is kept, in bytes. What uv writes for a dozen forks is below 2,000.
const LONGEST_MARKER: usize = 8_000;

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    file: String,
    found: LockFile,
    unsaid: usize,
}

impl Reading {
    /// Nothing yet; `file` is printable.
    pub(super) fn new(kind: Kind, file: String) -> Self {
        let found = LockFile { kind, entries: Vec::new(), options: Vec::new(), remarks: Vec::new() };
        Self { file, found, unsaid: 0 }
    }

    pub(super) fn file(&self) -> String {
        self.file.clone()
    }

    pub(super) fn entry(&mut self, entry: Entry) -> Result<(), LockFileError> {
        if self.found.entries.len() == MOST_ENTRIES {
            return Err(self.too_many(entry.line, "entries", MOST_ENTRIES));
        }
        if let Some(other) = file_of_another(&entry) {
            let said = entry.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            let text = format!(
                "{}{said} is to be installed from {other}, which is named like something else",
                entry.project.name
            );
            self.remark(entry.line, text);
        }
        self.found.entries.push(entry);
        Ok(())
    }

    /// Notes a file of an entry; one of which nothing is known says nothing.
    pub(super) fn file_of(
        &self,
        files: &mut Vec<LockedFile>,
        file: LockedFile,
        line: usize,
    ) -> Result<(), LockFileError> {
        if files.len() == MOST_FILES {
            return Err(self.too_many(line, "files of one project", MOST_FILES));
        }
        if file.filename.is_some() || file.digest.is_some() || file.url.is_some() {
            files.push(file);
        }
        Ok(())
    }

    pub(super) fn option(&mut self, line: usize, text: String) -> Result<(), LockFileError> {
        if self.found.options.len() == MOST_ENTRIES {
            return Err(self.too_many(line, "options", MOST_ENTRIES));
        }
        self.found.options.push(InstallerOption { line, text });
        Ok(())
    }

    /// Says something about a line; foreign text in it must be [`shown`].
    pub(super) fn remark(&mut self, line: usize, text: impl Into<String>) {
        if self.found.remarks.len() < MOST_REMARKS {
            self.found.remarks.push(Remark { line, text: text.into() });
        } else {
            self.unsaid += 1;
        }
    }

    /// A project of PyPI, or a remark.
    pub(super) fn pypi(&mut self, raw: &str, line: usize) -> Option<Project> {
        match ProjectName::pypi(raw.trim()) {
            Ok(name) => Some(Project::pypi(name)),
            Err(error) => {
                self.remark(line, format!("not checked: {}", shown(&error.to_string())));
                None
            }
        }
    }

    /// A version of PyPI, or a remark.
    pub(super) fn version(&mut self, raw: &str, line: usize) -> Option<Version> {
        let version = Version::pypi(raw.trim()).ok();
        if version.is_none() {
            self.remark(line, format!("{} is no version: what is installed here is not known", shown(raw)));
        }
        version
    }

    /// A digest written as `sha256:...`, or a remark.
    pub(super) fn digest(&mut self, raw: &str, line: usize) -> Option<Digest> {
        let found = raw.split_once([':', '=']).map(|(algorithm, hex)| (algorithm.trim(), hex.trim()));
        let Some((algorithm, hex)) = found else {
            self.remark(line, format!("{} is no hash: write ALGORITHM:DIGITS", shown(raw)));
            return None;
        };
        self.digest_of(algorithm, hex, line)
    }

    /// A digest by this algorithm, or a remark.
    pub(super) fn digest_of(&mut self, algorithm: &str, hex: &str, line: usize) -> Option<Digest> {
        let Some(known) = DigestAlgorithm::from_name(algorithm) else {
            self.remark(
                line,
                format!("hashes by {} are not known here, so this one is not compared", shown(algorithm)),
            );
            return None;
        };
        let digest = Digest::new(known, hex);
        if digest.is_none() {
            self.remark(line, format!("{} is no hash by {}", shown(hex), known.as_str()));
        }
        digest
    }

    /// A condition that may be kept, or a remark.
    pub(super) fn marker(&mut self, raw: &str, line: usize) -> Option<String> {
        let marker = text::kept(raw, LONGEST_MARKER);
        if marker.is_none() && !raw.trim().is_empty() {
            self.remark(line, "the condition is too long or not printable, and is left out: taken as always true");
        }
        marker.map(ToOwned::to_owned)
    }

    pub(super) fn too_many(&self, line: usize, what: &'static str, limit: usize) -> LockFileError {
        LockFileError::TooMany { file: self.file(), line, what, limit }
    }

    pub(super) fn shape(&self, line: usize, what: impl Into<String>) -> LockFileError {
        let tool = self.found.kind.tool();
        LockFileError::Shape { file: self.file(), line, what: what.into(), tool }
    }

    pub(super) fn other_format(&self, line: usize, found: &str, known: &'static str) -> LockFileError {
        let tool = self.found.kind.tool();
        LockFileError::OtherFormat { file: self.file(), line, found: shown(found), known, tool }
    }

    pub(super) fn finish(mut self) -> LockFile {
        self.found.remarks.sort_by_key(|remark| remark.line);
        if self.unsaid > 0 {
            let line = self.found.remarks.last().map_or(1, |remark| remark.line);
            self.found.remarks.push(Remark { line, text: format!("{} more remarks are left out", self.unsaid) });
        }
        self.found
    }
}

/// A wheel that by its name is of another project or version than the entry: who reads the entry would not expect it.
fn file_of_another(entry: &Entry) -> Option<&FileName> {
    let is_other = |name: &&FileName| {
        name.as_str().strip_suffix(".whl").is_some()
            && address::named_by(name).is_none_or(|(project, version)| {
                let is_version = |said: &Version| said.is_same_release(&version);
                project != entry.project.name || !entry.version.as_ref().is_none_or(is_version)
            })
    };
    let mut names = entry.files.iter().filter_map(|file| file.filename.as_ref());
    if entry.project.ecosystem == Ecosystem::Pypi { names.find(is_other) } else { None }
}

/// The digest to compare: what bytes are named by here, if it is among them, else the strongest.
pub(super) fn best(digests: impl IntoIterator<Item = Digest>) -> Option<Digest> {
    digests.into_iter().min_by_key(|digest| (digest.algorithm != DigestAlgorithm::Sha256, digest.algorithm))
}
