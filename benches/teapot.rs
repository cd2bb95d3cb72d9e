//! A teapot repository of 20,000 instances: how long a rebuild takes (it may take a second), and how long its answers (5 ms).
//! First in a house, from the repository to a client; then piece by piece.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures, prints, and has nobody to excuse itself to"
)]

#[path = "support/client.rs"]
mod client;

use std::hint::black_box;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{Request as Asked, State};
use axum::response::IntoResponse as _;

use divan::Bencher;
use lazaret::config::Config;
use lazaret::domain::{Actor, Role, SystemClock};
use lazaret::house::House;
use lazaret::registry::teapot::{
    Catalog, IndexStatus, Instance, Integrity, Published, Request, Signature, Visibility, read_index,
};
use rusqlite::Connection;

use self::client::Client;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        tell();
    }
    divan::main();
}

const INSTANCES: u32 = 20_000;
const CHANGES: u32 = 9;
const REBUILD_LIMIT: f64 = 1_000.0;
const ANSWER_LIMIT: f64 = 5.0;

/// Ten versions of two thousand names, each with the eleven keys that an ordinary package has.
static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| plain(INSTANCES));

fn plain(instances: u32) -> Vec<u8> {
    let mut database = Connection::open_in_memory().expect("memory");
    database
        .execute_batch(
            "CREATE TABLE teapot (name TEXT NOT NULL, version TEXT NOT NULL, rcsid TEXT NOT NULL);
             INSERT INTO teapot VALUES ('TEAPOT', '0.2', '$Id$');
             CREATE TABLE instances (type TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, platform TEXT NOT NULL,
                isprofile INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (type, name, version, platform), UNIQUE (file));
             CREATE TABLE meta (file TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (file, key));
             CREATE INDEX meta_file ON meta (file);",
        )
        .expect("tables");
    let writing = database.transaction().expect("a transaction");
    for number in 0..instances {
        // Beyond those, a new version of one name after the other.
        let (name, version) = match number.checked_sub(INSTANCES) {
            None => (format!("acme::package{}", number / 10), format!("1.{}", number % 10)),
            Some(beyond) => (format!("acme::package{beyond}"), "2.0".to_owned()),
        };
        let file = Signature::of(&number.to_be_bytes()).expect("a signature").to_string();
        writing
            .execute("INSERT INTO instances VALUES ('package', ?1, ?2, 'tcl', 0, ?3)", (&name, &version, &file))
            .expect("a row");
        for (key, value) in [
            ("entity", "package"),
            ("name", &name),
            ("version", &version),
            ("platform", "tcl"),
            ("as::author", "{Alice Example}"),
            ("as::origin", "http://example.test/acme"),
            ("author", "{Alice Example <alice@example.test>}"),
            (
                "description",
                &format!("Does what number {number} does, for whoever needs that done, and says so at some length."),
            ),
            ("license", "BSD"),
            ("require", "{Tcl -require 8.5} {acme::util -require 1.0}"),
            ("summary", "Does something."),
        ] {
            writing.execute("INSERT INTO meta VALUES (?1, ?2, ?3)", (&file, key, value)).expect("a row");
        }
    }
    writing.commit().expect("a commit");
    database.serialize("main").expect("bytes").to_vec()
}

/// The status page and the packed index that a repository sends now.
type Sent = Arc<RwLock<(String, Vec<u8>)>>;

fn sent(instances: u32) -> (String, Vec<u8>) {
    let plain = plain(instances);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&plain).unwrap();
    let packed = zlib.finish().unwrap();
    let status =
        IndexStatus { imtime: i64::from(instances), jmtime: 1, integrity: Some(Integrity::of(&plain, &packed)) };
    (status.page(), packed)
}

async fn serve(sent: Sent) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |State(sent): State<Sent>, asked: Asked| async move {
        let sent = sent.read().unwrap();
        match asked.uri().path() {
            "/db/status" => sent.0.clone().into_response(),
            "/db/index" => sent.1.clone().into_response(),
            _ => http::StatusCode::NOT_FOUND.into_response(),
        }
    };
    let router = axum::Router::new().fallback(answer).with_state(sent);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A house before such a repository: what one changed instance costs, and every answer.
fn tell() {
    let folder = std::env::temp_dir().join(format!("lazaret-bench-{}", uuid::Uuid::now_v7()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let repository: Sent = Arc::new(RwLock::new(sent(INSTANCES)));
    let upstream = runtime.block_on(serve(repository.clone()));
    let mut config = Config::default();
    for address in [&mut config.listen.packages, &mut config.listen.teapot, &mut config.listen.admin] {
        address.set_port(0);
    }
    config.store.data_dir.clone_from(&folder);
    config.teapot.upstream = Some(format!("http://{upstream}/").parse().unwrap());
    // It is asked whenever the benchmark says so.
    config.teapot.poll = Duration::from_millis(1);
    let before = memory("VmRSS");
    let house = runtime.block_on(House::start(config, Arc::new(SystemClock::new()))).unwrap();
    let mut client = Client::connect(house.addresses().teapot.strip_prefix("http://").unwrap().parse().unwrap());
    let started = Instant::now();
    client.fetch("/db/status", "");
    println!(
        "{INSTANCES} instances: the first index is served after {:.0} ms, with {:.0} MB of memory where {before:.0} MB were before",
        millis(started),
        memory("VmRSS"),
    );
    let admin = Actor::Token { name: "bench".to_owned(), role: Role::Admin };

    let mut times = Vec::new();
    for change in 1..=CHANGES {
        let known = client.fetch("/db/status", "").start;
        let next = sent(INSTANCES + change);
        let started = Instant::now();
        *repository.write().unwrap() = next;
        runtime.block_on(house.quarantine().poll_teapot()).unwrap();
        // It is held, and the version before it says so.
        assert_ne!(client.fetch("/db/status", "").start, known);
        times.push(millis(started));
    }
    tell_rebuild("one instance changed, until clients have it", times);
    let mut times = Vec::new();
    for name in 100..100 + CHANGES {
        let known = client.fetch("/db/status", "").start;
        let target = format!("teapot:acme::package{name}==1.3").parse().unwrap();
        let started = Instant::now();
        runtime.block_on(house.quarantine().block(&target, &admin, "a benchmark")).unwrap();
        assert_ne!(client.fetch("/db/status", "").start, known);
        times.push(millis(started));
    }
    tell_rebuild("one decision, until clients have it", times);

    let mut slowest = (0.0, 0.0, "");
    for path in PATHS.iter().filter(|path| !path.starts_with("/db/index")) {
        assert_eq!(client.fetch(path, "").etag, None, "teacup asks for everything anew");
        let mut times: Vec<(f64, f64)> = (0..50)
            .map(|_| client.fetch(path, ""))
            .map(|answer| (answer.total.as_secs_f64() * 1e3, answer.first_byte.as_secs_f64() * 1e3))
            .collect();
        times.sort_by(|one, two| one.0.total_cmp(&two.0));
        let (total, first_byte) = times[times.len() / 2];
        if total > slowest.0 {
            slowest = (total, first_byte, *path);
        }
    }
    let (total, first_byte, path) = slowest;
    judge(
        "slowest answer, hot, over loopback",
        &format!("{total:.2} ms, the first byte after {first_byte:.2} ms ({path})"),
        total,
        ANSWER_LIMIT,
    );
    let length = client.fetch("/db/index", "").length;
    println!(
        "memory: {:.0} MB, at most {:.0} MB, that of the repository included; db/index has {length} bytes\n",
        memory("VmRSS"),
        memory("VmHWM"),
    );
    runtime.block_on(house.stop());
    // What stays behind in the temporary folder is a nuisance, no failure.
    drop(std::fs::remove_dir_all(&folder));
}

fn tell_rebuild(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (middle, most) = (times[times.len() / 2], times[times.len() - 1]);
    judge(what, &format!("{middle:.0} ms, at most {most:.0} ms"), middle, REBUILD_LIMIT);
}

fn judge(what: &str, value: &str, found: f64, limit: f64) {
    println!("{what}: {value} (allowed {limit} ms: {})", if found < limit { "kept" } else { "MISSED" });
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// A line of this process's memory, in megabytes.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = found.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| read_index(&PLAIN).expect("a catalog"));
static PUBLISHED: LazyLock<Published> = LazyLock::new(build);

/// Questions of every kind.
const PATHS: [&str; 19] = [
    "/db/status",
    "/db/index",
    "/index",
    "/list",
    "/package/list",
    "/entity/name/acme%3a%3apackage7/list",
    "/entity/name/acme%3a%3apackage7/index",
    "/entity/name/acme%3a%3apackage7/meta",
    "/package/name/acme%3a%3apackage7/ver/1%2e3/value/description",
    "/keys",
    "/package/keys",
    "/find/max/acme%3a%3apackage7%20%2drequire%201%2e2/linux%2dx86%5f64%20tcl",
    "/find/all/acme%3a%3apackage7/tcl",
    "/search/key%20name%20rex%20%28%3fi%29package77",
    "/search/key%20description%20glob%20%7b%2anumber%20777%2a%7d",
    "/search/haskey%20summary",
    "/search/is%20application",
    "/package/name/acme%3a%3apackage7/ver/1%2e3/arch/tcl/require",
    "/package/name/acme%3a%3apackage7/ver/1%2e3/arch/tcl/details",
];

/// One version in ten is held, with a note on the one before.
fn build() -> Published {
    let visible = |one: &Instance| if &*one.version == "1.9" { Visibility::Hidden } else { Visibility::Shown };
    let notes: Vec<(Instance, String)> = CATALOG
        .entries()
        .iter()
        .filter(|entry| &*entry.instance.version == "1.8")
        .map(|entry| (entry.instance.clone(), "1.9 is in quarantine until 2026-11-29".to_owned()))
        .collect();
    Published::build(&CATALOG, &visible, &notes, 1).expect("a view")
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn reads_an_index() -> Catalog {
    read_index(black_box(&PLAIN)).expect("a catalog")
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn rebuilds(bencher: Bencher<'_, '_>) {
    LazyLock::force(&CATALOG);
    bencher.bench(build);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn checks_an_index(bencher: Bencher<'_, '_>) {
    let packed = PUBLISHED.index();
    bencher.bench(|| lazaret::registry::teapot::unpack(packed, PUBLISHED.status()).expect("the index"));
}

#[divan::bench(args = PATHS)]
fn answers(bencher: Bencher<'_, '_>, path: &str) {
    PUBLISHED.answer(&Request::read(path));
    bencher.bench(|| PUBLISHED.answer(&Request::read(black_box(path))));
}

#[divan::bench]
fn writes_a_status(bencher: Bencher<'_, '_>) {
    let status = IndexStatus { imtime: 1, jmtime: 1, integrity: Some(Integrity::of(b"plain", b"packed")) };
    bencher.bench(|| status.page());
}
