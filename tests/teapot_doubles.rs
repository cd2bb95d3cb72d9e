//! The fake teapot and the test client against each other, and the client against what the registry room publishes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lazaret::registry::teapot::{
    Answer, Catalog, FileForm, IndexStatus, Instance, Kind, Published, Request, Signature, Visibility, read_index,
    teabag, unpack, xfile_head,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::common::teacup::fetch;
use crate::common::{FakeTeapot, Fault, Teacup};

/// A repository with a package, its dependency, a program and a profile.
async fn upstream() -> FakeTeapot {
    let upstream = FakeTeapot::start().await;
    for version in ["1.0", "1.1", "2.0"] {
        let meta = [("require", "{Tcl -require 8.5} {acme::util -require 1.0}"), ("as::author", "{Alice Example}")];
        upstream.package("acme::greet", version, &meta);
    }
    upstream.package("acme::util", "1.0", &[("as::note", "{tested well}")]);
    upstream.package("acme::util", "1.2", &[]);
    upstream.module("application", "acme-app", "1.0", "tcl", &[]);
    upstream.module("profile", "acme-all", "1.0", "tcl", &[]);
    upstream.module("package", "acme::native", "0.5b1", "win32-ix86", &[]);
    upstream
}

fn host(base: &str) -> &str {
    base.strip_prefix("http://").unwrap()
}

async fn catalog_of(upstream: &FakeTeapot) -> Catalog {
    let base = upstream.base();
    let status = IndexStatus::read(&fetch(host(&base), "/db/status").await.body).unwrap();
    let packed = fetch(host(&base), "/db/index").await.body;
    read_index(&unpack(&packed, &status).unwrap()).unwrap()
}

/// What a proxy would serve: a view that can be exchanged, and the files that may leave.
#[derive(Debug, Clone)]
struct House {
    base: String,
    view: Arc<Mutex<Arc<Published>>>,
    files: Arc<HashMap<Instance, Vec<u8>>>,
    catalog: Arc<Catalog>,
}

impl House {
    /// Takes everything over from an upstream and shows all of it.
    async fn before(upstream: &FakeTeapot) -> Self {
        let catalog = catalog_of(upstream).await;
        let base = upstream.base();
        let mut files = HashMap::new();
        for entry in catalog.entries() {
            let got = fetch(host(&base), &format!("/{}/file", entry.instance.address())).await;
            teabag::examine(&got.body, &entry.signature).unwrap();
            files.insert(entry.instance.clone(), got.body);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let view = Published::build(&catalog, &|_| Visibility::Shown, &[], 1).unwrap();
        let view = Arc::new(Mutex::new(Arc::new(view)));
        let house = Self { base, view, files: Arc::new(files), catalog: Arc::new(catalog) };
        let serving = house.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let house = serving.clone();
                tokio::spawn(async move { house.serve(stream).await });
            }
        });
        house
    }

    /// Hides some instances; each newest sibling that is left says so.
    fn hide(&self, hidden: &[Instance], imtime: i64) {
        let visible = |one: &Instance| if hidden.contains(one) { Visibility::Hidden } else { Visibility::Shown };
        let mut notes = Vec::new();
        for one in hidden {
            let siblings = self.catalog.entries().iter().map(|entry| &entry.instance);
            let siblings =
                siblings.filter(|other| other.name == one.name && other.kind == one.kind && !hidden.contains(other));
            if let Some(newest) = siblings.max_by(|a, b| a.tcl_version().cmp(&b.tcl_version())) {
                notes.push((newest.clone(), format!("{} is in quarantine until 2026-11-29", one.version)));
            }
        }
        *self.view.lock().unwrap() = Arc::new(Published::build(&self.catalog, &visible, &notes, imtime).unwrap());
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap() == 0 {
                return;
            }
        }
        let path = head.split(' ').nth(1).unwrap();
        let answer =
            path.strip_prefix("/teapot").map_or_else(|| self.answer(path), |path| self.answer(path).under("/teapot"));
        let reason = answer.reason.unwrap_or_else(|| "Whatever".to_owned());
        let location = answer.location.map(|location| format!("location: {location}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n",
            answer.status,
            answer.content_type,
            answer.body.len()
        );
        stream.write_all(&[head.as_bytes(), &answer.body].concat()).await.unwrap();
    }

    fn answer(&self, path: &str) -> Answer {
        let view = self.view.lock().unwrap().clone();
        let request = Request::read(path);
        let Request::File { instance, form } = &request else { return view.answer(&request) };
        match (view.signature(instance), self.files.get(instance), form) {
            (Some(signature), Some(payload), FileForm::Xfile) => {
                let body = [xfile_head(&signature).as_bytes(), payload].concat().into();
                Answer { body, ..Answer::sentence(200, "") }
            }
            (Some(_), Some(payload), FileForm::File(_)) => {
                Answer { body: payload.clone().into(), ..Answer::sentence(200, "") }
            }
            (.., FileForm::Xfile) => Answer::sentence(404, ""),
            (.., FileForm::File(_)) => {
                let (name, version) = (&instance.name, &instance.version);
                Answer::sentence(403, &format!("{name} {version} is held in quarantine until 2026-11-29"))
            }
        }
    }
}

fn greet(version: &str) -> Instance {
    Instance::new(Kind::Package, "acme::greet", version, "tcl").unwrap()
}

fn util(version: &str) -> Instance {
    Instance::new(Kind::Package, "acme::util", version, "tcl").unwrap()
}

#[tokio::test]
async fn the_client_installs_from_the_fake_with_its_cache_on() {
    let upstream = upstream().await;
    let mut teacup = Teacup::new(&upstream.base());
    let run = teacup.install("acme::greet 1.0").await;
    assert_eq!(run.exit, 0, "{}", run.out);
    assert_eq!(
        run.asked,
        [
            "/db/status",
            "/db/index",
            "/package/name/acme%3a%3autil/ver/1%2e2/arch/tcl/xfile",
            "/package/name/acme%3a%3agreet/ver/1%2e1/arch/tcl/xfile",
        ]
    );
    assert_eq!(teacup.installed.len(), 2);
    // The next command uses its copy: the status has not moved.
    let run = teacup.list(None).await;
    assert_eq!(run.asked, ["/db/status"]);
    assert!(
        run.out.contains("package acme::util 1.0 tcl {tested well}") && run.out.ends_with("8 entities found\n"),
        "{}",
        run.out
    );
    upstream.package("acme::new", "1.0", &[]);
    let run = teacup.update().await;
    assert_eq!((run.exit, &run.asked[..2]), (0, &["/db/status".to_owned(), "/db/index".to_owned()][..]), "{}", run.out);
    assert_eq!(teacup.installed.len(), 9);
}

#[tokio::test]
async fn the_client_notices_broken_indexes_and_files() {
    let upstream = upstream().await;
    let mut teacup = Teacup::new(&upstream.base());
    upstream.send_other_packed(b"no index".to_vec());
    let run = teacup.list(None).await;
    assert!(
        run.out.ends_with(
            "Sizes not matching for compressed INDEX. The system used slow(er) remote queries to keep working.\n"
        ),
        "{}",
        run.out
    );
    upstream.heal();
    upstream.send_other_bytes(["package", "acme::util", "1.2", "tcl"], "# changed".into());
    let run = teacup.install("acme::util").await;
    assert_eq!(run.exit, 0, "the client itself compares only with what came along: {}", run.out);
    upstream.fault("/xfile", Fault::CutAfter(60));
    let run = teacup.install("acme::greet").await;
    assert!(run.out.contains("Bad transfer: Size mismatch") && run.exit == 1, "{}", run.out);
    upstream.fault("/xfile", Fault::Status(403));
    let run = teacup.install("acme::greet").await;
    assert!(run.out.contains("needs some kind of license"), "{}", run.out);
    upstream.fault("/xfile", Fault::Status(404));
    assert_eq!(teacup.install("acme::greet").await.exit, 0);
    assert!(!upstream.asked_for("/file").is_empty());
}

#[tokio::test]
async fn the_client_says_what_it_says_when_the_status_fails() {
    let upstream = upstream().await;
    let mut teacup = Teacup::new(&upstream.base());
    upstream.fault("/db/status", Fault::Status(503));
    let run = teacup.list(None).await;
    assert!(
        run.out.contains("8 entities found") && run.out.contains("No status. The system used slow(er)"),
        "{}",
        run.out
    );
    upstream.fault("/db/status", Fault::Status(403));
    let run = teacup.install("acme::greet").await;
    assert!(run.exit == 1 && run.out.contains("Not found in the archives."), "{}", run.out);
}

#[tokio::test]
async fn the_root_and_the_prefix_of_one_port_may_overwrite_each_others_index() {
    let upstream = upstream().await;
    let house = House::before(&upstream).await;
    let mut teacup = Teacup::new(&house.base);
    assert!(teacup.list(None).await.out.contains("8 entities"));
    house.hide(&[greet("2.0")], 2);
    teacup.set_archive(&format!("{}/teapot", house.base));
    assert!(teacup.list(None).await.out.contains("7 entities"));
    // Both show one view under one counter, so the copy that the other left is the right one, or an older one.
    teacup.set_archive(&house.base);
    let run = teacup.list(None).await;
    assert!(run.out.contains("7 entities"), "{}", run.out);
    assert_eq!(run.asked, ["/db/status", "/db/index"]);
}

#[tokio::test]
async fn the_fake_sets_the_traps_of_the_original() {
    let upstream = upstream().await;
    let ask = async |request: &'static str| {
        let mut stream = TcpStream::connect(host(&upstream.base())).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_millis(200), stream.read_to_end(&mut answer)).await.is_ok();
        (closed, String::from_utf8_lossy(&answer).into_owned())
    };
    let (_, answer) = ask("GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 can't read \"r(user-agent)\""), "{answer}");
    let (closed, answer) =
        ask("GET /package/name/no/ver/1/arch/tcl/xfile HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\n\r\n").await;
    assert!(!closed && answer.contains("404 Not Found") && !answer.contains("Content-Length"), "{answer}");
    let (closed, answer) = ask(
        "GET /package/name/no/ver/1/arch/tcl/file HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(closed && answer.contains("CHAN:"), "{answer}");
    let (closed, answer) =
        ask("GET /db/journal HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nConnection: close\r\n\r\n").await;
    assert!(!closed && answer.is_empty());
    let (closed, _) = ask("POST /list HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nConnection: close\r\n\r\n").await;
    assert!(!closed);
    upstream.say_no_lengths();
    let (closed, answer) = ask("GET /list HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\n\r\n").await;
    assert!(closed && answer.contains("[[TPM[[") && !answer.contains("Content-Length"), "{answer}");
    upstream.tell_no_integrity();
    let status = IndexStatus::read(&fetch(host(&upstream.base()), "/db/status").await.body).unwrap();
    assert_eq!(status.integrity, None);
    let gate = upstream.hold_back("/version");
    let waiting = tokio::spawn({
        let base = upstream.base();
        async move { fetch(host(&base), "/version").await.status }
    });
    gate.open();
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn the_catalog_knows_what_the_fake_publishes() {
    let upstream = upstream().await;
    let before = catalog_of(&upstream).await;
    assert_eq!((before.len(), before.skipped()), (8, 0));
    let entry = before.get(&greet("2.0")).unwrap();
    assert_eq!(entry.authors().unwrap().into_iter().collect::<Vec<_>>(), ["alice example"]);
    // An instance is mutable upstream: the same words, another signature.
    let payload = upstream.package("acme::greet", "2.0", &[("as::author", "{Mallory Example}")]);
    upstream.remove(["application", "acme-app", "1.0", "tcl"]);
    let after = catalog_of(&upstream).await;
    assert_eq!(after.len(), 7);
    assert_eq!(after.get(&greet("2.0")).unwrap().signature, Signature::of(&payload).unwrap());
    assert_ne!(after.get(&greet("2.0")).unwrap().signature, entry.signature);
    assert_ne!(after.digest(), before.digest());
}

#[tokio::test]
async fn what_a_stranger_sends_as_an_index_is_an_error_in_words() {
    let upstream = upstream().await;
    let (base, status) =
        (upstream.base(), async || IndexStatus::read(&fetch(host(&upstream.base()), "/db/status").await.body).unwrap());
    upstream.send_other_packed(vec![0; 100]);
    let packed = fetch(host(&base), "/db/index").await.body;
    let error = unpack(&packed, &status().await).unwrap_err().to_string();
    assert!(error.contains("db/status promised"), "{error}");
    upstream.heal();
    upstream.send_other_index(b"no database".to_vec());
    let packed = fetch(host(&base), "/db/index").await.body;
    let error = read_index(&unpack(&packed, &status().await).unwrap()).unwrap_err().to_string();
    assert!(error.contains("it is no SQLite file"), "{error}");
    upstream.fault("/db/status", Fault::Garbage);
    assert!(IndexStatus::read(&fetch(host(&base), "/db/status").await.body).is_err());
}

#[tokio::test]
async fn with_the_cache_on_a_hold_and_a_release_are_seen_at_the_next_run() {
    let upstream = upstream().await;
    let house = House::before(&upstream).await;
    let mut teacup = Teacup::new(&house.base);
    let run = teacup.list(Some("acme::greet")).await;
    assert!(run.out.contains("acme::greet 2.0 tcl"), "{}", run.out);
    house.hide(&[greet("2.0")], 2);
    let run = teacup.list(Some("acme::greet")).await;
    assert_eq!(
        run.out,
        "package acme::greet 1.0 tcl\npackage acme::greet 1.1 tcl {2.0 is in quarantine until 2026-11-29}\n2 entities found\n"
    );
    assert_eq!(run.asked, ["/db/status", "/db/index"]);
    let run = teacup.install("acme::greet").await;
    assert_eq!(run.exit, 0, "{}", run.out);
    assert!(teacup.installed.contains_key("package acme::greet 1.1 tcl"));
    house.hide(&[], 3);
    let run = teacup.install("acme::greet").await;
    assert!(teacup.installed.contains_key("package acme::greet 2.0 tcl"), "{}", run.out);
}

#[tokio::test]
async fn a_file_that_is_held_after_the_index_was_read_is_refused_in_one_sentence() {
    let upstream = upstream().await;
    let house = House::before(&upstream).await;
    let mut teacup = Teacup::new(&house.base);
    teacup.list(None).await;
    // The counter did not rise, which must never happen: the client goes on with its old copy.
    house.hide(&[greet("2.0")], 1);
    let run = teacup.install("acme::greet 2.0").await;
    assert_eq!(run.exit, 1);
    assert!(
        run.out.contains(
            "Error:\nacme::greet 2.0 is held in quarantine until 2026-11-29\nUnable to install the full list. Aborting."
        ),
        "{}",
        run.out
    );
    assert!(teacup.installed.is_empty());
    assert!(
        run.asked.iter().any(|path| path.ends_with("/xfile")) && run.asked.iter().any(|path| path.ends_with("/file"))
    );
}

#[tokio::test]
async fn a_held_dependency_gives_the_clients_own_report() {
    let upstream = upstream().await;
    let house = House::before(&upstream).await;
    house.hide(&[util("1.0"), util("1.2")], 2);
    for mut teacup in [Teacup::new(&house.base), Teacup::new(&house.base).without_cache()] {
        let run = teacup.install("acme::greet 2.0").await;
        assert_eq!(run.exit, 1);
        assert!(
            run.out.contains("The following references could not be found:\n    acme::util -require 1.0 -is package\n"),
            "{}",
            run.out
        );
        assert!(run.out.contains("required by package acme::greet 2.0 tcl"), "{}", run.out);
    }
}

#[tokio::test]
async fn with_the_cache_off_every_query_is_answered_alike() {
    let upstream = upstream().await;
    let house = House::before(&upstream).await;
    house.hide(&[greet("2.0")], 2);
    for archive in [house.base.clone(), format!("{}/teapot/", house.base)] {
        let (mut on, mut off) = (Teacup::new(&archive), Teacup::new(&archive).without_cache());
        for name in [None, Some("acme::greet"), Some("no::such")] {
            let (with, without) = (on.list(name).await, off.list(name).await);
            assert_eq!(with.out, without.out);
            assert!(without.asked.len() >= without.out.lines().count(), "a note is asked for each row");
        }
        assert_eq!(on.keys().await.out, off.keys().await.out);
        let run = off.describe("acme::greet").await;
        assert!(
            run.exit == 0 && run.out.contains("version = 1.0 1.1\n") && run.out.contains("platform = tcl\n"),
            "{}",
            run.out
        );
        let run = off.search("key name rex (?i)GREET").await;
        assert!(run.out.ends_with("2 entities found\n"), "{}", run.out);
        let run = off.search("bogus query").await;
        assert!(run.exit == 0 && run.out.contains("Problems which occurred during the operation:"), "{}", run.out);
        let run = off.install("acme::greet").await;
        assert_eq!(run.exit, 0, "{}", run.out);
        assert!(off.installed.contains_key("package acme::greet 1.1 tcl"));
        assert!(
            run.asked
                .iter()
                .any(|path| path.contains("/find/all/acme%3a%3autil%20%2dis%20package%20%2drequire%201%2e0/"))
        );
        assert_eq!(on.install("acme::greet").await.exit, 0);
        assert_eq!(on.installed, off.installed);
    }
}
