//! What a lock file names, found among what an index lists: by its hash where it has one, never by its name alone then.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::cpan;
use super::refresh::Freshness;
use super::view::{Entry, View};
use super::{Quarantine, QuarantineError, printable};
use crate::domain::{Digest, DigestAlgorithm, Ecosystem, FileName, Project, Sha256, Version};

/// So many projects are looked at at once: a lock file must not take all places of those who install.
pub(super) const ABREAST: usize = 8;

/// Something that a lock file wants to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of which project.
    pub project: Project,
    /// In exactly this version, where the file says one.
    pub version: Option<Version>,
    /// The files that may be used; empty: those of the version.
    pub files: Vec<WantedFile>,
}

/// One file that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Its name, a CPAN release's with its uploader.
    pub filename: Option<FileName>,
    /// What its bytes must be.
    pub digest: Option<Digest>,
}

/// Why a file is not the one that was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// No page shows it.
    #[error("no index that lazaret asks lists {0}")]
    Unlisted(String),
    /// There is a file of this name, or of this version, with another digest.
    #[error("other bytes than the index promises")]
    OtherBytes,
    /// The bytes are those of another version.
    #[error("the file with this hash is of version {0}")]
    OtherVersion(Version),
    /// There is nothing to compare a hash with yet.
    #[error("the index promises no SHA-256, and its bytes were not read here yet: approve it, which fetches it first")]
    Unhashed,
    /// Nobody can say whether the hashes agree, or the hash says too little.
    #[error("it is locked by {} only, which is not compared: lock it by sha256", .0.as_str())]
    Incomparable(DigestAlgorithm),
    /// Only a name, where bytes are to be let in.
    #[error("it has no SHA-256: approve it by its name")]
    NoHash,
    /// Neither name nor hash.
    #[error("it has neither a name nor a hash")]
    Nameless,
}

impl Wanted {
    /// How people write it.
    pub fn display(&self) -> String {
        let separator = if self.project.ecosystem == Ecosystem::Cpan { "@" } else { "==" };
        let version = self.version.as_ref().map(|version| format!("{separator}{version}")).unwrap_or_default();
        printable(&format!("{}{version}", self.project), 300)
    }
}

/// The files of a view, to be found by name or hash.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    view: &'a View,
    by_hash: OnceLock<HashMap<Sha256, Entry<'a>>>,
}

impl<'a> Listed<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        Self { view, by_hash: OnceLock::new() }
    }

    /// The file that is meant, if these are its bytes.
    pub(super) fn find(&self, wanted: &Wanted, file: &WantedFile) -> Result<Entry<'a>, Mismatch> {
        let entry = match (&file.filename, &file.digest) {
            (Some(name), digest) => {
                let entry = self.view.file(name).ok_or_else(|| Mismatch::Unlisted(name.to_string()))?;
                digest.as_ref().map_or(Ok(()), |digest| agree(&entry, digest))?;
                entry
            }
            (None, Some(digest)) => self.by_digest(digest)?,
            (None, None) => return Err(Mismatch::Nameless),
        };
        let version = &entry.file.file.version;
        match &wanted.version {
            // A release of CPAN is known by its path; how its name is cut into name and version is a matter of opinion.
            Some(meant) if wanted.project.ecosystem == Ecosystem::Pypi && !meant.is_same_release(version) => {
                Err(Mismatch::OtherVersion(version.clone()))
            }
            _ => Ok(entry),
        }
    }

    fn by_digest(&self, digest: &Digest) -> Result<Entry<'a>, Mismatch> {
        if let Some(sha256) = digest.sha256() {
            let files = || self.view.files().filter_map(|entry| Some((entry.sha256()?, entry))).collect();
            return self.by_hash.get_or_init(files).get(&sha256).copied().ok_or(Mismatch::OtherBytes);
        }
        let found = self.view.files().find(|entry| entry.file.file.promise.as_ref() == Some(digest));
        let entry = found.ok_or(Mismatch::Incomparable(digest.algorithm))?;
        agree(&entry, digest).map(|()| entry)
    }

    /// Whether all that is wanted is listed: if not, the page may have changed.
    fn has(&self, wanted: &Wanted) -> bool {
        match &wanted.version {
            Some(version) if wanted.files.is_empty() => self.view.version(version).next().is_some(),
            _ => wanted.files.iter().all(|file| self.find(wanted, file).is_ok()),
        }
    }
}

/// Whether a file's bytes are those.
fn agree(entry: &Entry<'_>, digest: &Digest) -> Result<(), Mismatch> {
    if let Some(meant) = digest.sha256() {
        return match entry.sha256() {
            Some(sha256) if sha256 == meant => Ok(()),
            Some(_) => Err(Mismatch::OtherBytes),
            None => Err(Mismatch::Unhashed),
        };
    }
    let incomparable = Err(Mismatch::Incomparable(digest.algorithm));
    if matches!(digest.algorithm, DigestAlgorithm::Sha1 | DigestAlgorithm::Md5) {
        return incomparable;
    }
    match &entry.file.file.promise {
        Some(promise) if promise.algorithm == digest.algorithm && promise == digest => Ok(()),
        Some(promise) if promise.algorithm == digest.algorithm => Err(Mismatch::OtherBytes),
        _ => incomparable,
    }
}

impl Quarantine {
    /// The view in which what is wanted is to be found. Whose name it is says the view's reading, so a name that is kept
    /// inside is asked of no public index; the page is read again if something is missing, as the file gate does.
    pub(super) async fn view_of(self: &Arc<Self>, wanted: &Wanted) -> Result<Arc<View>, QuarantineError> {
        if wanted.project.ecosystem == Ecosystem::Cpan {
            let mut names = wanted.files.iter().filter_map(|file| file.filename.as_ref());
            return match names.find_map(cpan::path_of_name) {
                Some(path) => self.release_view(&path).await,
                None => self.view(&wanted.project, Freshness::Usual).await,
            };
        }
        self.view_with_all(&wanted.project, |view| Listed::of(view).has(wanted)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProjectName;

    #[test]
    fn what_is_wanted_is_written_as_its_clients_write_it() {
        let wanted = |ecosystem, name: &str, version: Option<&str>| {
            let project = Project { ecosystem, name: ProjectName::parse(ecosystem, name).unwrap() };
            let version = version.map(|raw| Version::parse(ecosystem, raw).unwrap());
            Wanted { project, version, files: Vec::new() }.display()
        };
        assert_eq!(wanted(Ecosystem::Pypi, "Six", Some("1.0")), "pypi:six==1.0");
        assert_eq!(wanted(Ecosystem::Cpan, "Try::Tiny", Some("0.31")), "cpan:Try-Tiny@0.31");
        assert_eq!(wanted(Ecosystem::Pypi, "six", None), "pypi:six");
    }
}
