//! A release that is being put together and put on a page of the fake index.

use bytes::Bytes;
use lazaret::domain::Timestamp;

use super::fake_pypi::{FakeFile, FakePypi, normalised};
use super::index_pages::rfc3339;
use super::sdists::Sdist;
use super::wheels::{Built, Wheel};

type Adjust = Box<dyn Fn(&mut FakeFile)>;

/// A release that is being put together.
pub(crate) struct Publication<'a> {
    index: &'a FakePypi,
    project: String,
    version: String,
    requires: Vec<String>,
    says: Vec<String>,
    uploaded: Option<String>,
    adjust: Vec<Adjust>,
}

impl<'a> Publication<'a> {
    /// Uploaded now, if nobody says otherwise.
    pub(super) fn new(index: &'a FakePypi, project: &str, version: &str, now: Timestamp) -> Self {
        Self {
            index,
            project: project.to_owned(),
            version: version.to_owned(),
            requires: Vec::new(),
            says: Vec::new(),
            uploaded: Some(rfc3339(now)),
            adjust: Vec::new(),
        }
    }

    /// Uploaded then; without this, now.
    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.uploaded = Some(rfc3339(time));
        self
    }

    /// The page does not say when it was uploaded.
    pub(crate) fn undated(mut self) -> Self {
        self.uploaded = None;
        self
    }

    /// Its wheel requires this.
    pub(crate) fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.to_owned());
        self
    }

    /// Its METADATA has this line: `Author-email: ada@example.test`.
    pub(crate) fn says(mut self, line: &str) -> Self {
        self.says.push(line.to_owned());
        self
    }

    /// The index offers attestations of it at this address.
    pub(crate) fn attested(self, url: &str) -> Self {
        let url = url.to_owned();
        self.adjusted(move |file| file.provenance = Some(url.clone()))
    }

    /// The page promises nothing about the bytes.
    pub(crate) fn without_digest(self) -> Self {
        self.adjusted(|file| file.digest = None)
    }

    /// The page promises only another algorithm's digest (hexadecimal).
    pub(crate) fn digest_only(self, algorithm: &str, hex: &str) -> Self {
        let digest = (algorithm.to_owned(), hex.to_owned());
        self.adjusted(move |file| file.digest = Some(digest.clone()))
    }

    /// Yanked from the start.
    pub(crate) fn yanked(self, reason: &str) -> Self {
        let reason = reason.to_owned();
        self.adjusted(move |file| file.yanked = Some(reason.clone()))
    }

    /// `.metadata` answers something else than the wheel holds.
    pub(crate) fn offering_metadata(self, text: &str) -> Self {
        let bytes = Bytes::from(text.to_owned());
        self.adjusted(move |file| file.offered_metadata = Some(bytes.clone()))
    }

    /// The page says that the file is there.
    pub(crate) fn stored_at(self, url: &str) -> Self {
        let url = url.to_owned();
        self.adjusted(move |file| file.elsewhere = Some(url.clone()))
    }

    /// The page gives this name to the file.
    pub(crate) fn named(self, filename: &str) -> Self {
        let filename = filename.to_owned();
        self.adjusted(move |file| file.built.filename.clone_from(&filename))
    }

    fn adjusted(mut self, adjust: impl Fn(&mut FakeFile) + 'static) -> Self {
        self.adjust.push(Box::new(adjust));
        self
    }

    /// Puts a wheel on the page.
    pub(crate) fn wheel(&self) -> Built {
        let order =
            self.requires.iter().fold(Wheel::new(&self.project, &self.version), |wheel, text| wheel.requires(text));
        let order = self.says.iter().fold(order, |wheel, line| wheel.says(line));
        self.file(order.build())
    }

    /// Puts an sdist on the page.
    pub(crate) fn sdist(&self) -> Built {
        let order =
            self.requires.iter().fold(Sdist::new(&self.project, &self.version), |sdist, text| sdist.requires(text));
        self.file(order.build())
    }

    /// Puts this file on the page.
    pub(crate) fn file(&self, built: Built) -> Built {
        let mut file = FakeFile {
            version: self.version.clone(),
            digest: Some(("sha256".to_owned(), built.sha256().to_string())),
            listed_size: built.bytes.len(),
            sized: true,
            uploaded: self.uploaded.clone(),
            yanked: None,
            requires_python: None,
            provenance: None,
            offered_metadata: None,
            elsewhere: None,
            built,
        };
        for adjust in &self.adjust {
            adjust(&mut file);
        }
        let built = file.built.clone();
        let mut memory = self.index.memory();
        let project = memory.projects.entry(normalised(&self.project)).or_default();
        project.serial += 1;
        project.files.push(file);
        built
    }
}
