//! A package index on loopback, as rich as PyPI or as poor as a mirror, which remembers what it was asked and fails on order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lazaret::domain::{ProjectName, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use super::clock::HandClock;
use super::fake_answers::answer;
use super::faults::{Fault, Gate};
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
}

/// What somebody asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) projects: BTreeMap<String, FakeProject>,
    pub(super) faults: Vec<(String, Fault)>,
    pub(super) asked: Vec<Asked>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) address: SocketAddr,
    pub(super) clock: Arc<HandClock>,
    pub(super) manner: Manner,
    memory: Mutex<Memory>,
    pub(super) asked: watch::Sender<usize>,
}

/// The index.
#[derive(Debug)]
pub(crate) struct FakePypi {
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

impl FakePypi {
    /// Opens a port and answers on it; its `Date` is the clock's true time.
    pub(crate) async fn start(clock: &Arc<HandClock>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let state = Arc::new(State {
            address: listener.local_addr().expect("an address"),
            clock: clock.clone(),
            manner,
            memory: Mutex::default(),
            asked: watch::channel(0).0,
        });
        let answering = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = answering.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| answer(state.clone(), request));
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A client that goes away, or a fault that closes the connection, is no failure of the test.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { state, accepting }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.state.address)
    }

    /// Its Simple API.
    pub(crate) fn simple(&self) -> Url {
        Url::parse(&format!("{}/simple/", self.base())).expect("a URL")
    }

    /// Begins a release; [`Publication::wheel`] and [`Publication::sdist`] put files on the page.
    pub(crate) fn publish(&self, project: &str, version: &str) -> Publication<'_> {
        Publication::new(self, project, version, self.state.clock.true_time())
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

    /// PEP 708.
    pub(crate) fn set_tracks(&self, name: &str, url: &str) {
        self.memory().projects.entry(normalised(name)).or_default().tracks = vec![url.to_owned()];
    }

    /// From now on this happens to every request whose path contains the text.
    pub(crate) fn fault(&self, path_contains: &str, fault: Fault) {
        self.memory().faults.push((path_contains.to_owned(), fault));
    }

    /// Answers to requests whose path contains the text wait until the gate is opened.
    pub(crate) fn hold_back(&self, path_contains: &str) -> Gate {
        let gate = Gate::closed();
        self.fault(path_contains, Fault::HeldBack(gate.clone()));
        gate
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.memory().faults.clear();
    }

    /// Everything it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.memory().asked.clone()
    }

    /// Everything it was asked about paths that contain the text: `GET /simple/demo/`.
    pub(crate) fn asked_for(&self, path_contains: &str) -> Vec<String> {
        let memory = self.memory();
        let about = memory.asked.iter().filter(|asked| asked.path.contains(path_contains));
        about.map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    /// Waits until somebody has asked for a path that contains the text.
    pub(crate) async fn until_asked_for(&self, path_contains: &str) {
        let mut count = self.state.asked.subscribe();
        while self.asked_for(path_contains).is_empty() {
            count.changed().await.expect("the index is alive");
        }
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

impl Drop for FakePypi {
    fn drop(&mut self) {
        self.accepting.abort();
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
