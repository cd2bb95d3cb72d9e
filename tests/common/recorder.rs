//! Stands between this machine and the public index, and asks it everything once: what was answered lies in `target/parity`,
//! and is answered from there ever after. So two ways to the index, asked one after the other, see the same pages.
//!
//! It asks for what an ordinary client asks for that installs what it is told to, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use lazaret::config::{Listen, discover};
use lazaret::domain::Sha256;
use serde_json::{Value, json};
use url::Url;

use super::clock::HandClock;
use super::loopback::{Loopback, Port, plain};
use super::test_house::JSON;

/// More questions than this in one run are not asked: something would be wrong, and the index is not ours.
const MOST_QUESTIONS: usize = 500;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// What all tests of a run have asked the public index, one question after the other.
#[derive(Debug)]
struct Asked {
    questions: usize,
    /// Once it did not answer, or refused, nothing more is asked.
    stopped: Option<String>,
}

static ASKED: Mutex<Asked> = Mutex::new(Asked { questions: 0, stopped: None });

/// The server; a Simple API at `/simple/`, files elsewhere at `/elsewhere/SCHEME/HOST/`.
#[derive(Debug)]
pub(crate) struct Recorder {
    server: Loopback,
    missed: Arc<Mutex<Option<String>>>,
}

impl Recorder {
    /// In front of the index that this machine's pip uses; only what is recorded if there is none.
    pub(crate) async fn start() -> Self {
        let index = match discover::pypi(&Listen::default(), None).await {
            Ok(discovered) if discovered.username.is_empty() => Ok(discovered.url),
            Ok(_) => Err("the index wants a password, and what is behind one is not recorded".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let port = Port::open().await;
        let missed = Arc::new(Mutex::new(None));
        let tape = Tape { index, missed: missed.clone(), base: format!("http://{}", port.address()), folder: folder() };
        std::fs::create_dir_all(&tape.folder).expect("a folder");
        let answer = move |request: &Request<Incoming>| tokio::task::block_in_place(|| tape.answer(request));
        Self { server: port.serve(&HandClock::of_this_machine(), answer), missed }
    }

    /// Its Simple API.
    pub(crate) fn simple(&self) -> String {
        format!("{}/simple/", self.server.base())
    }

    /// What this one could not answer, and why, if there was anything.
    pub(crate) fn missed(&self) -> Option<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many questions this run has put to the public index.
    pub(crate) fn questions() -> usize {
        asked().questions
    }
}

fn asked() -> MutexGuard<'static, Asked> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("parity")
}

#[derive(Debug)]
struct Tape {
    index: Result<Url, String>,
    missed: Arc<Mutex<Option<String>>>,
    base: String,
    folder: PathBuf,
}

impl Tape {
    fn answer(&self, request: &Request<Incoming>) -> Response<Bytes> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        // One question at a time; who waited for the same one finds it recorded.
        let mut asked = asked();
        let recorded = self.recorded(path).map_or_else(|| self.record(path, &mut asked), Ok);
        match recorded {
            Ok((status, kind, body)) if path.starts_with("/simple/") => plain(status, &kind, self.led_here(&body)),
            Ok((status, kind, body)) => plain(status, &kind, body),
            Err(why) => {
                let why = format!("{path}: {why}");
                self.missed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.clone());
                plain(StatusCode::SERVICE_UNAVAILABLE, "text/plain", why.into())
            }
        }
    }

    /// A body as it was sent, and beside it what it answered.
    fn places(&self, path: &str) -> (PathBuf, PathBuf) {
        let name = self.folder.join(Sha256::of(path.as_bytes()).to_string());
        (name.with_extension("body"), name.with_extension("json"))
    }

    fn recorded(&self, path: &str) -> Option<(StatusCode, String, Bytes)> {
        let (body, head) = self.places(path);
        let head: Value = serde_json::from_slice(&std::fs::read(head).ok()?).ok()?;
        let status = StatusCode::from_u16(head["status"].as_u64()?.try_into().ok()?).ok()?;
        Some((status, head["type"].as_str()?.to_owned(), std::fs::read(body).ok()?.into()))
    }

    fn record(&self, path: &str, asked: &mut Asked) -> Result<(StatusCode, String, Bytes), String> {
        if let Some(why) = &asked.stopped {
            return Err(why.clone());
        }
        let recorded = self.ask(path, asked);
        // Where there is no index, none has refused.
        if let (Err(why), Ok(_)) = (&recorded, &self.index) {
            asked.stopped = Some(why.clone());
        }
        recorded
    }

    fn ask(&self, path: &str, asked: &mut Asked) -> Result<(StatusCode, String, Bytes), String> {
        let index = self.index.clone()?;
        if asked.questions >= MOST_QUESTIONS {
            return Err(format!("more than {MOST_QUESTIONS} questions"));
        }
        let url = address(&index, path).ok_or_else(|| format!("{path} leads nowhere"))?;
        asked.questions += 1;
        std::thread::sleep(PAUSE);
        let (body, head) = self.places(path);
        // curl knows this machine's proxies and certificates, and is not the client that is tested here.
        let output = Command::new("curl")
            .args(["-q", "--silent", "--show-error", "--location", "--compressed"])
            .args(["--max-time", "60", "--max-filesize", "50000000", "--user-agent", "lazaret-parity-test"])
            .args(["--header", &format!("Accept: {}, */*;q=0.1", JSON.1)])
            .args(["--write-out", "%{http_code} %{content_type}"])
            .arg("--output")
            .arg(&body)
            .arg(url.as_str())
            .output()
            .map_err(|error| format!("curl does not start: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, kind) = said.split_once(' ').unwrap_or((&said, ""));
        if !matches!(status, "200" | "404" | "410") {
            return Err(format!("{} answered {status}", url.host_str().unwrap_or_default()));
        }
        let status: u16 = status.parse().map_err(|_| format!("no status: {said}"))?;
        if !body.exists() {
            std::fs::write(&body, []).map_err(|error| error.to_string())?;
        }
        let text = json!({"url": url.as_str(), "status": status, "type": kind}).to_string();
        std::fs::write(&head, text).map_err(|error| error.to_string())?;
        self.recorded(path).ok_or_else(|| format!("{} cannot be read back", head.display()))
    }

    /// The page with addresses that lead here: nothing else is changed.
    fn led_here(&self, body: &Bytes) -> Bytes {
        let Ok(page) = serde_json::from_slice::<Value>(body) else { return body.clone() };
        let files = page["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        let addresses = files.iter().flat_map(|file| [file["url"].as_str(), file["provenance"].as_str()]).flatten();
        let mut origins: Vec<String> = addresses
            .filter_map(|address| Some(Url::parse(address).ok()?.origin().ascii_serialization()))
            .filter(|origin| origin.starts_with("http"))
            .collect();
        origins.sort();
        origins.dedup();
        let mut text = String::from_utf8_lossy(body).into_owned();
        for origin in origins {
            let here = format!("\"{}/elsewhere/{}/", self.base, origin.replacen("://", "/", 1));
            text = text.replace(&format!("\"{origin}/"), &here);
        }
        text.into()
    }
}

/// Where a path of ours is at the public index.
fn address(index: &Url, path: &str) -> Option<Url> {
    if let Some(page) = path.strip_prefix("/simple/") {
        return index.join(page).ok();
    }
    match path.strip_prefix("/elsewhere/") {
        Some(place) => Url::parse(&place.replacen('/', "://", 1)).ok(),
        None => index.join(path).ok(),
    }
}
