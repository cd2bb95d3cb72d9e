//! CPAN at its full size: how long one changed release takes from the mirror to the clients, and what an answer costs.
//!
//! The house has a process and a core of its own; the mirror before it stays outside of both.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures, prints, and has nobody to excuse itself to"
)]

#[path = "support/client.rs"]
mod client;
#[path = "support/cpan_mirror.rs"]
mod cpan_mirror;

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lazaret::config::Config;
use lazaret::domain::{Clock, SystemClock, Timestamp};
use lazaret::house::House;
use lazaret::quarantine::cpan::snapshot::Snapshot;
use lazaret::registry::cpan::packages::{Head, PackageIndex, diff, gunzip, gzip, write_packed};

use self::client::Client;
use self::cpan_mirror::{CpanMirror, PACKAGES, RELEASES};

const INDEX: &str = "/cpan/modules/02packages.details.txt.gz";
/// Where the other process finds the mirror.
const MIRROR: &str = "LAZARET_BENCH_MIRROR";
const CHANGES: usize = 9;
/// How often each step is measured by itself.
const TURNS: usize = 5;
const LARGEST: usize = 512 << 20;

fn main() {
    match std::env::var(MIRROR) {
        Ok(mirror) => measure(mirror.parse().unwrap()),
        Err(_) if std::env::args().any(|argument| argument == "--bench") => hold_the_mirror(),
        // `cargo test --benches` only wants to see that it runs.
        Err(_) => {}
    }
}

/// Serves the mirror, and starts the house in a process that has one core.
fn hold_the_mirror() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = runtime.block_on(cpan_mirror::serve(CpanMirror::new()));
    let program = std::env::current_exe().unwrap();
    let pinned = Command::new("taskset").args(["-c", "1"]).arg(&program).env(MIRROR, address.to_string()).status();
    let done = pinned.or_else(|_| Command::new(&program).env(MIRROR, address.to_string()).status()).unwrap();
    assert!(done.success());
}

fn measure(mirror: SocketAddr) {
    let cores = std::thread::available_parallelism().unwrap();
    println!("{PACKAGES} packages in {RELEASES} releases; the house has {cores} core(s)\n");
    let folder = std::env::temp_dir().join(format!("lazaret-bench-{}", uuid::Uuid::now_v7()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let clock = Arc::new(MovedClock { system: SystemClock::new(), ahead: AtomicI64::new(0) });
    let mut house = Subject::start(&runtime, mirror, &folder, &clock);
    house.change_now_and_then(&runtime, mirror, &clock);
    // Between two polls.
    clock.ahead.fetch_add(90, Ordering::Relaxed);
    house.answer();
    parts(mirror);
    runtime.block_on(house.house.stop());
    // What stays behind in the temporary folder is a nuisance, no failure.
    drop(std::fs::remove_dir_all(&folder));
}

/// A house as in production.
struct Subject {
    house: House,
    client: Client,
}

impl Subject {
    fn start(runtime: &tokio::runtime::Runtime, mirror: SocketAddr, folder: &Path, clock: &Arc<MovedClock>) -> Self {
        let mut config = Config::default();
        for address in [&mut config.listen.packages, &mut config.listen.teapot, &mut config.listen.admin] {
            address.set_port(0);
        }
        folder.clone_into(&mut config.store.data_dir);
        config.cpan.upstream = Some(format!("http://{mirror}/").parse().unwrap());
        let started = Instant::now();
        let house = runtime.block_on(House::start(config, clock.clone())).unwrap();
        let before = memory("VmRSS");
        let mut client = Client::connect(house.addresses().packages.strip_prefix("http://").unwrap().parse().unwrap());
        let length = client.fetch(INDEX, "").length;
        tell("first index, from an empty folder", &format!("{:.0} ms, {length} bytes", millis(started.elapsed())), "");
        tell("memory without an index", &format!("{before:.0} MB"), "");
        tell(
            "memory with the first index",
            &format!("{:.0} MB, at most {:.0} MB", memory("VmRSS"), memory("VmHWM")),
            "",
        );
        Self { house, client }
    }

    /// From the beginning of a poll to a client that gets the new index.
    fn change_now_and_then(&mut self, runtime: &tokio::runtime::Runtime, mirror: SocketAddr, clock: &MovedClock) {
        let (mut walls, mut cores, mut polls, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0.0_f64);
        for _ in 0..CHANGES {
            let known = self.client.fetch(INDEX, "").etag.unwrap();
            Client::connect(mirror).fetch("/change", "");
            clock.ahead.fetch_add(130, Ordering::Relaxed);
            forget_peak();
            let (started, busy) = (Instant::now(), processor_millis());
            runtime.block_on(self.house.quarantine().poll_cpan()).unwrap();
            polls.push(millis(started.elapsed()));
            let answer = self.client.fetch(INDEX, &format!("If-None-Match: {known}\r\n"));
            walls.push(millis(started.elapsed()));
            cores.push(processor_millis() - busy);
            assert_ne!(answer.etag.as_ref(), Some(&known), "the served index is another one");
            peak = peak.max(memory("VmHWM"));
        }
        // In between nothing changed: what an ordinary poll costs.
        clock.ahead.fetch_add(130, Ordering::Relaxed);
        let (started, busy) = (Instant::now(), processor_millis());
        runtime.block_on(self.house.quarantine().poll_cpan()).unwrap();
        let idle = format!("{:.1} ms, {:.0} ms of processor", millis(started.elapsed()), processor_millis() - busy);
        let wall = median(&mut walls);
        let within = if wall < 1_000.0 { "< 1000 ms: kept" } else { "< 1000 ms: MISSED" };
        tell(
            "one release changed, until it is served",
            &format!("{wall:.0} ms ({:.0} to {:.0})", walls[0], walls[CHANGES - 1]),
            within,
        );
        tell("  of which poll and rebuild", &format!("{:.0} ms", median(&mut polls)), "");
        tell("  processor time", &format!("{:.0} ms", median(&mut cores)), "");
        tell("a poll that finds nothing new", &idle, "");
        tell("memory after the changes", &format!("{:.0} MB, at most {peak:.0} MB", memory("VmRSS")), "");
    }

    /// What prepared answers cost; client and house share the core.
    fn answer(&mut self) {
        let etag = self.client.fetch(INDEX, "").etag.unwrap();
        let release = format!("/cpan/authors/id/{}", CpanMirror::settled());
        self.client.fetch(&release, "");
        let rows = [
            ("index", INDEX, String::new()),
            ("index, not modified", INDEX, format!("If-None-Match: {etag}\r\n")),
            ("release of 10 kB", &*release, String::new()),
        ];
        for (what, path, headers) in rows {
            let (started, busy, mut bytes) = (Instant::now(), processor_millis(), 0);
            let (mut whole, mut first) = (Vec::new(), Vec::new());
            while started.elapsed() < Duration::from_secs(2) {
                let answer = self.client.get(path, &headers);
                whole.push(millis(answer.total) * 1e3);
                first.push(millis(answer.first_byte) * 1e3);
                bytes = answer.length;
            }
            let answers = f64::from(u32::try_from(whole.len()).unwrap());
            let rate = answers / started.elapsed().as_secs_f64();
            let each = (processor_millis() - busy) * 1e3 / answers;
            let (first, whole) = (median(&mut first), median(&mut whole));
            tell(
                &format!("hot {what}"),
                &format!("{rate:.0} a second, {each:.0} µs of processor each"),
                &format!("first byte {first:.0} µs, last {whole:.0} µs; {bytes} bytes"),
            );
        }
    }
}

/// The steps of a change, each by itself; the best of a few turns, because others may use the machine too.
fn parts(mirror: SocketAddr) {
    println!();
    let packed = |changes: usize| Bytes::from(gzip(cpan_mirror::index(changes).as_bytes()));
    let (before, after) = (packed(0), packed(1));
    let read = |packed: &Bytes| PackageIndex::read(gunzip(packed, LARGEST).unwrap().into()).unwrap();
    let before = read(&before);
    let text = Bytes::from(gunzip(&after, LARGEST).unwrap());
    let index = read(&after);
    let now = SystemClock::new().now();
    let head =
        Head { url: "https://lazaret.example.test/".to_owned(), last_updated: now, written_by: "lazaret".to_owned() };
    time("fetch", || Client::connect(mirror).fetch("/modules/02packages.details.txt.gz", "").total);
    time("unpack", || gunzip(&after, LARGEST).unwrap().len());
    time("parse", || PackageIndex::read(text.clone()).unwrap().len());
    time("digest", || index.digest());
    time("diff", || diff(&before, &index).len());
    let mut spare: Vec<PackageIndex> = (0..TURNS).map(|_| read(&after)).collect();
    time("sort by distribution", || Snapshot::of(spare.pop().unwrap(), now).release_count());
    time("write and pack", || write_packed(index.lines().collect(), &head).1);
    time("  pack alone", || gzip(&text).len());
}

fn time<T>(what: &str, mut step: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..TURNS)
        .map(|_| {
            let started = Instant::now();
            black_box(step());
            millis(started.elapsed())
        })
        .collect();
    let middle = median(&mut times);
    tell(&format!("  {what}"), &format!("{:.1} ms ({middle:.1} in the middle)", times[0]), "");
}

fn tell(what: &str, figure: &str, limit: &str) {
    println!("{what:<42} {figure:<48} {limit}");
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A line of this process's status, in megabytes.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
    found.unwrap().trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1e3
}

/// From now on `VmHWM` speaks of what comes.
fn forget_peak() {
    // A kernel that does not let us tells the peak of all times.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// How many milliseconds of a processor this process has used, to the nearest ten.
fn processor_millis() -> f64 {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = status.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
}

/// The machine's clock, some way ahead: the next poll is due when we want it.
#[derive(Debug)]
struct MovedClock {
    system: SystemClock,
    ahead: AtomicI64,
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        self.system.now() + time::Duration::seconds(self.ahead.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() + Duration::from_secs(self.ahead.load(Ordering::Relaxed).unsigned_abs())
    }
}
