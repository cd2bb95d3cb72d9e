//! A package index on loopback, as rich as PyPI or as poor as a mirror, which remembers what it was asked and fails on order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazaret::domain::{ProjectName, Sha256};
use url::Url;

use super::clock::HandClock;
use super::loopback::{Loopback, Port};
use super::publication::Publication;
use super::wheels::Built;

/// How much the index can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Simple API 1.4 with metadata, validators, gzip, redirects.
    Rich,
    /// Simple API 1.1 without any of that: protocols/python.md, section 10.
    Poor,
    /// Bare HTML: no upload times, no sizes.
    HtmlOnly,
}

/// One file as the index lists and serves it.
#[derive(Debug, Clone)]
pub(crate) struct FakeFile {
    pub(crate) built: Built,
    pub(crate) version: String,
    pub(crate) digest: Option<(String, String)>,
    pub(crate) listed_size: usize,
    pub(crate) sized: bool,
    pub(crate) uploaded: Option<String>,
    pub(crate) yanked: Option<String>,
    pub(crate) requires_python: Option<String>,
    pub(crate) provenance: Option<String>,
    /// What `.metadata` answers, where it is not what the wheel holds.
    pub(crate) offered_metadata: Option<Bytes>,
    /// Where the page says the file is, where that is not here.
    pub(crate) elsewhere: Option<String>,
}

impl FakeFile {
    pub(crate) fn url(&self, project: &str, base: &str) -> String {
        self.elsewhere.clone().unwrap_or_else(|| format!("{base}/files/{project}/{}", self.built.filename))
    }

    pub(super) fn metadata(&self) -> Option<&Bytes> {
        self.offered_metadata.as_ref().or(self.built.metadata.as_ref())
    }

    pub(crate) fn metadata_digest(&self) -> Option<Sha256> {
        self.metadata().map(|bytes| Sha256::of(bytes))
    }
}

/// One project.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeProject {
    pub(crate) files: Vec<FakeFile>,
    pub(crate) serial: u64,
    pub(crate) status: Option<(String, String)>,
    pub(crate) tracks: Vec<String>,
    /// Role and account, as the JSON API shows them; empty: nobody is told.
    pub(crate) roles: Option<Vec<(String, String)>>,
    /// What the JSON API says to be wrong with its newest version.
    pub(crate) vulnerabilities: Vec<serde_json::Value>,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) projects: BTreeMap<String, FakeProject>,
    /// What lies at other addresses.
    pub(super) elsewhere: BTreeMap<String, Bytes>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) address: SocketAddr,
    pub(super) manner: Manner,
    memory: Mutex<Memory>,
}

/// The index.
#[derive(Debug)]
pub(crate) struct FakePypi {
    state: Arc<State>,
    server: Loopback,
}

impl FakePypi {
    /// Opens a port and answers on it; its `Date` is the clock's true time.
    pub(crate) async fn start(clock: &Arc<HandClock>, manner: Manner) -> Self {
        let port = Port::open().await;
        let state = Arc::new(State { address: port.address(), manner, memory: Mutex::default() });
        let answering = state.clone();
        Self { state, server: port.serve(clock, move |request| answering.page(request)) }
    }

    /// Its Simple API.
    pub(crate) fn simple(&self) -> Url {
        Url::parse(&format!("{}/simple/", self.base())).expect("a URL")
    }

    /// Begins a release; [`Publication::wheel`] and [`Publication::sdist`] put files on the page.
    pub(crate) fn publish(&self, project: &str, version: &str) -> Publication<'_> {
        Publication::new(self, project, version, self.clock().true_time())
    }

    /// Takes a file off its page; its URL answers 404.
    pub(crate) fn remove(&self, filename: &str) {
        self.each_project(|project| project.files.retain(|file| file.built.filename != filename));
    }

    /// Takes a project away: its page answers 404.
    pub(crate) fn remove_project(&self, name: &str) {
        self.memory().projects.remove(&normalised(name));
    }

    /// Yanks a file.
    pub(crate) fn yank(&self, filename: &str, reason: &str) {
        self.change(filename, |file| file.yanked = Some(reason.to_owned()));
    }

    /// Other bytes at the same URL; the page goes on promising the old ones.
    pub(crate) fn serve_other_bytes(&self, filename: &str, bytes: &Bytes) {
        self.change(filename, |file| file.built.bytes = bytes.clone());
    }

    /// Other bytes under the same name, and the page says so.
    pub(crate) fn upload_again(&self, filename: &str, bytes: &Bytes) {
        self.change(filename, |file| {
            file.digest = Some(("sha256".to_owned(), Sha256::of(bytes).to_string()));
            file.listed_size = bytes.len();
            file.built.bytes = bytes.clone();
        });
    }

    /// The page promises this about the bytes from now on.
    pub(crate) fn promise(&self, filename: &str, algorithm: &str, hex: &str) {
        self.change(filename, |file| file.digest = Some((algorithm.to_owned(), hex.to_owned())));
    }

    /// PEP 792.
    pub(crate) fn set_status(&self, name: &str, status: &str, reason: &str) {
        let mut memory = self.memory();
        memory.projects.entry(normalised(name)).or_default().status = Some((status.to_owned(), reason.to_owned()));
    }

    /// The accounts that may upload: `Owner ada`, `Maintainer rob`.
    pub(crate) fn set_roles(&self, name: &str, accounts: &[&str]) {
        let account = |text: &&str| text.split_once(' ').map(|(role, user)| (role.to_owned(), user.to_owned()));
        let roles = accounts.iter().filter_map(account).collect();
        self.memory().projects.entry(normalised(name)).or_default().roles = Some(roles);
    }

    /// What the JSON API says to be wrong with the newest version.
    pub(crate) fn set_vulnerabilities(&self, name: &str, vulnerabilities: &[serde_json::Value]) {
        self.memory().projects.entry(normalised(name)).or_default().vulnerabilities = vulnerabilities.to_vec();
    }

    /// Puts bytes at a path of the index and says their address.
    pub(crate) fn lay(&self, path: &str, bytes: impl Into<Bytes>) -> String {
        self.memory().elsewhere.insert(path.to_owned(), bytes.into());
        format!("{}{path}", self.base())
    }

    /// PEP 708.
    pub(crate) fn set_tracks(&self, name: &str, url: &str) {
        self.memory().projects.entry(normalised(name)).or_default().tracks = vec![url.to_owned()];
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.state.memory()
    }

    fn each_project(&self, mut work: impl FnMut(&mut FakeProject)) {
        for project in self.memory().projects.values_mut() {
            work(project);
            project.serial += 1;
        }
    }

    fn change(&self, filename: &str, work: impl Fn(&mut FakeFile)) {
        let mut found = false;
        self.each_project(|project| {
            for file in project.files.iter_mut().filter(|file| file.built.filename == filename) {
                work(file);
                found = true;
            }
        });
        assert!(found, "the fake index has no {filename}");
    }
}

impl std::ops::Deref for FakePypi {
    type Target = Loopback;

    fn deref(&self) -> &Loopback {
        &self.server
    }
}

impl State {
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn normalised(name: &str) -> String {
    ProjectName::pypi(name).expect("a project's name").as_str().to_owned()
}
