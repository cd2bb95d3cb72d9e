//! A directory in which people type commands, beside a made-up admin API.

mod local;
mod review;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, Uri};
use serde_json::{Value as Json, json};
use time::macros::datetime;

use super::*;
use crate::domain::audit::Head;
use crate::domain::{Actor, Clock, Event, EventDraft, EventKind, Timestamp, UploadId};

/// A day in November that stays.
#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        datetime!(2026-11-22 12:00 UTC)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A ledger in memory.
#[derive(Debug, Clone)]
struct MemoryLedger {
    events: Vec<Event>,
    head: Head,
}

impl MemoryLedger {
    fn of(number: u64) -> Self {
        let mut ledger = Self { events: Vec::new(), head: Head::EMPTY };
        for place in 0..number {
            let text = format!("event {place}");
            let draft = EventDraft::new(Timestamp::UNIX_EPOCH, Actor::house("test"), EventKind::Alarm, text);
            let (event, head) = ledger.head.seal(draft);
            ledger.events.push(event);
            ledger.head = head;
        }
        ledger
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.head)
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        Ok(self.events.iter().filter(|event| event.sequence > after).take(limit).cloned().collect())
    }

    async fn events_of(&self, _upload: &UploadId) -> Result<Vec<Event>, StoreError> {
        Ok(Vec::new())
    }
}

/// The rest of the program.
struct TestDoors {
    ledger: MemoryLedger,
}

#[async_trait]
impl Doors for TestDoors {
    async fn serve(&self, loaded: Loaded) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("would serve from {}", loaded.config.store.data_dir.display()).into())
    }

    async fn open_ledger(&self, _data_dir: &Path) -> Result<Box<dyn Ledger>, StoreError> {
        Ok(Box::new(self.ledger.clone()))
    }

    async fn import(&self, data_dir: &Path, import: Import) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("would import {} into {}", import.file.display(), data_dir.display()).into())
    }
}

type Requests = Arc<Mutex<Vec<String>>>;

/// An admin API that notes what it is asked and gives one answer to everything.
#[derive(Clone)]
struct FakeApi {
    answer: (StatusCode, Json),
    requests: Requests,
}

async fn note(State(api): State<FakeApi>, method: Method, uri: Uri, headers: http::HeaderMap, body: Bytes) -> Response {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("no token");
    let body = String::from_utf8_lossy(&body);
    api.requests.lock().unwrap().push(format!("{method} {uri} [{token}] {body}").trim_end().to_owned());
    let (status, json) = api.answer;
    (status, axum::Json(json)).into_response()
}

/// A directory in which people type commands.
struct Desk {
    folder: tempfile::TempDir,
    variables: BTreeMap<OsString, OsString>,
    requests: Requests,
    ledger: MemoryLedger,
}

struct Said {
    code: u8,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lazaret-data")).unwrap();
        let requests = Requests::default();
        Self { folder, variables: BTreeMap::new(), requests, ledger: MemoryLedger::of(3) }
    }

    /// A desk beside a running proxy that gives this answer.
    async fn beside(status: StatusCode, answer: Json) -> Self {
        let desk = Self::new();
        let api = FakeApi { answer: (status, answer), requests: desk.requests.clone() };
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(note).with_state(api);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let addresses = json!({"packages": "http://127.0.0.1:1234", "teapot": "http://127.0.0.1:1235", "admin": admin});
        desk.write("lazaret-data/addresses.json", &addresses.to_string());
        desk.write("lazaret-data/admin.token", "island\n");
        desk
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.into(), value.into());
    }

    async fn run(&self, command: &[&str]) -> Said {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut shell = Shell {
            out: &mut out,
            err: &mut err,
            variables: self.variables.clone(),
            directory: self.folder.path().to_path_buf(),
            clock: Arc::new(StoppedClock),
        };
        let arguments = std::iter::once("lazaret").chain(command.iter().copied()).map(OsString::from);
        let code = run_in(&mut shell, arguments, &TestDoors { ledger: self.ledger.clone() }).await;
        let folder = format!("{}/", self.folder.path().display());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&folder, "");
        Said { code, out: text(out), err: text(err) }
    }

    /// What `score` says of these names.
    fn score(&self, arguments: &[&str], names: &str) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut shell = Shell {
            out: &mut out,
            err: &mut err,
            variables: self.variables.clone(),
            directory: self.folder.path().to_path_buf(),
            clock: Arc::new(StoppedClock),
        };
        let typed = ["lazaret", "score"].iter().chain(arguments);
        let Command::Score(arguments) = Arguments::try_parse_from(typed).unwrap().command else { panic!("not score") };
        score::score(&mut shell, None, &arguments, &mut names.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What the proxy was asked, without the address.
    fn asked(&self) -> String {
        self.requests.lock().unwrap().join("\n")
    }
}
