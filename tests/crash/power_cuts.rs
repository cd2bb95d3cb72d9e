//! The power goes at random moments of a recorded run, and takes what was not synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tempfile::TempDir;

use super::disk::Disk;
use super::harbour::Harbour;
use super::inspection::inspect;
use super::load::Load;
use super::record::{self, Line};
use super::witness::Witness;
use crate::common::program::Program;
use crate::common::test_house::lazaret;

/// Each run ends when so many more decisions and tokens were acknowledged, or when it has taken too long.
const DEEDS: usize = 30;
const LONGEST_RUN: Duration = Duration::from_mins(1);
/// Over the same folder, each killed; what one left in the machine's memory is there for the next, and a cut still takes it.
const RUNS: usize = 2;

/// Files by their paths below a folder.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What was recorded.
struct Recorded {
    harbour: Arc<Harbour>,
    witness: Arc<Witness>,
    folder: TempDir,
    /// What each of them did, and the files that it left when it was killed.
    runs: Vec<(Vec<Line>, Files)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_03_nothing_that_was_acknowledged_is_lost_when_the_power_goes_at_any_moment() {
    if let Err(why) = record::may_watch().await {
        println!("SKIPPED, and this promise is not shown here: programs cannot be watched: {why}");
        assert!(std::env::var_os("LAZARET_CRASH_REQUIRED").is_none(), "this must be shown here: {why}");
        return;
    }
    let mut chance = super::chance();
    let recorded = Recorded::run(&mut chance).await;
    let mut cuts = recorded.moments(super::cycles(), &mut chance);
    cuts.sort_unstable();
    let mut disk = Disk::new(recorded.folder.path());
    let mut place = 0;
    let mut done = 0;
    for (lines, left) in &recorded.runs {
        for line in lines {
            while cuts.get(done).is_some_and(|cut| *cut == place) {
                recorded.cut(&disk, line.at, &mut chance).await;
                done += 1;
            }
            disk.see(line.thread, &line.step);
            place += 1;
        }
        disk.program_ended(left);
    }
    assert_eq!(done, cuts.len());
    let acknowledged = recorded.witness.acknowledged_so_far();
    println!("{done} cuts among {place} steps, with {acknowledged} acknowledged deeds");
    assert!(acknowledged >= DEEDS, "{acknowledged} deeds were acknowledged: this was no mixed load");
}

impl Recorded {
    /// Runs the real program under load and writes everything down.
    async fn run(chance: &mut StdRng) -> Self {
        let (harbour, witness) = (Arc::new(Harbour::open().await), Arc::new(Witness::default()));
        let mut folder = tempfile::tempdir().expect("a folder");
        let records = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("lazaret.toml"), harbour.settings()).expect("a file");
        let mut runs = Vec::new();
        for number in 0..RUNS {
            let file = records.path().join(number.to_string());
            let watched = record::watched(&lazaret(folder.path()), &file);
            let program = Arc::new(Program::run_by(watched, folder).await);
            harbour.tick();
            let load = Load::on(&program, &harbour, &witness, chance);
            let begun = tokio::time::Instant::now();
            while witness.acknowledged_so_far() < DEEDS * (number + 1) && begun.elapsed() < LONGEST_RUN {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            program.kill();
            load.stop().await;
            folder = Arc::into_inner(program).expect("nobody else has it").killed().await;
            let lines = record::read(&record::finished(&file).await, folder.path());
            let mut left = tree(folder.path());
            left.retain(|path, _| path.starts_with("lazaret-data"));
            runs.push((lines, left));
        }
        Self { harbour, witness, folder, runs }
    }

    /// Moments to cut at, as places in the record: half of them any, a quarter while everything is being founded, and a
    /// quarter right after something was acknowledged.
    fn moments(&self, count: usize, chance: &mut StdRng) -> Vec<usize> {
        let times: Vec<SystemTime> = self.runs.iter().flat_map(|(lines, _)| lines).map(|line| line.at).collect();
        let acknowledged: Vec<SystemTime> = self
            .witness
            .deeds()
            .iter()
            .filter_map(|deed| deed.acknowledged)
            .filter(|at| times.last() > Some(at))
            .collect();
        let founded = acknowledged.iter().min().expect("something was acknowledged");
        let founded = times.partition_point(|time| time <= founded);
        let mut moments: Vec<usize> = (0..count.div_ceil(2)).map(|_| chance.random_range(0..times.len())).collect();
        moments.extend((0..count / 4).map(|_| chance.random_range(0..founded)));
        while moments.len() < count {
            let at = acknowledged.choose(chance).expect("something was acknowledged");
            moments.push(times.partition_point(|time| time <= at));
        }
        moments
    }

    /// Cuts the power before a moment's step, starts the real program over what is left and looks at it.
    async fn cut(&self, disk: &Disk, moment: SystemTime, chance: &mut StdRng) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(self.folder.path().join("lazaret.toml"), folder.path().join("lazaret.toml")).expect("a file");
        disk.cut_power(folder.path(), chance);
        super::know_few_names(folder.path());
        self.harbour.tick();
        let program = tokio::time::timeout(super::A_START, Program::over(folder)).await.expect("ready within seconds");
        inspect(&program, &self.harbour, &self.witness, moment, chance).await;
        drop(program.killed().await);
    }
}

/// Every file below a folder and its bytes.
fn tree(folder: &Path) -> Files {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                files.insert(path.strip_prefix(folder).expect("below it").to_owned(), bytes);
            }
        }
    }
    files
}

/// The model itself: replayed to the end without a cut, it is what the program left; and it takes what was not synced.
#[tokio::test]
async fn the_disk_of_the_model_holds_what_the_real_one_does_and_loses_what_was_not_synced() {
    if record::may_watch().await.is_err() {
        println!("SKIPPED: programs cannot be watched here");
        return;
    }
    let (folder, record_folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let script = r#"
import os
os.mkdir("house")
f = os.open("house/a", os.O_RDWR | os.O_CREAT)
os.write(f, b"synced"); os.fsync(f)
os.pwrite(f, b"X" * 5000, 3)
os.mkdir("lost")
d = os.open("house", os.O_RDONLY); os.fsync(d)
d = os.open(".", os.O_RDONLY); os.fsync(d)
os.rename("house/a", "house/b")
os.link("house/b", "house/c")
g = os.open("house/g", os.O_RDWR | os.O_CREAT)
os.write(g, b"named, never synced")
os.ftruncate(g, 5)
os.unlink("house/c")
"#;
    let mut command = tokio::process::Command::new("python3");
    command.args(["-c", script]).current_dir(folder.path());
    let file = record_folder.path().join("record");
    let ended = record::watched(&command, &file).output().await.expect("python3");
    assert!(ended.status.success(), "{ended:?}");
    let mut disk = Disk::new(folder.path());
    for line in record::read(&record::finished(&file).await, folder.path()) {
        disk.see(line.thread, &line.step);
    }

    let mut seen = std::collections::BTreeSet::new();
    let mut chance = super::chance();
    for _ in 0..200 {
        let after = tempfile::tempdir().expect("a folder");
        disk.cut_power(after.path(), &mut chance);
        seen.insert(tree(after.path()));
    }
    assert!(seen.contains(&tree(folder.path())), "all of it may be left");
    let only = |name: &str, bytes: &[u8]| BTreeMap::from([(name.into(), bytes.to_vec())]);
    assert!(seen.contains(&only("house/a", b"synced")), "or only what was synced");
    for left in &seen {
        let kept = left.get(Path::new("house/a")).or_else(|| left.get(Path::new("house/b")));
        let kept = kept.or_else(|| left.get(Path::new("house/c"))).expect("it was synced under one of its names");
        assert!(kept.starts_with(b"syn"), "{kept:?}");
    }
    assert!(seen.len() > 10, "chance chooses among {} outcomes", seen.len());
}
