//! Single files of the store are broken. Either nothing is lost, or the program refuses to start and says what to do; it never
//! begins anew as if nothing had been decided (rule 20).

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use lazaret::marker::Marker;
use lazaret::store::Ledger as _;
use lazaret::store::sled::SledStore;
use tempfile::TempDir;

use crate::common::program::Program;
use crate::common::test_house::{TestHouse, lazaret};
use crate::common::{FakePypi, HandClock, Manner};

/// A folder in which things were decided, by a program that was killed twice; so the store has a snapshot file and a log that
/// goes on behind it. What was decided.
struct Decided {
    /// Answers as long as this is there.
    _pypi: FakePypi,
    folder: TempDir,
    approved: String,
    rejected: String,
}

impl Decided {
    async fn new() -> Self {
        let clock = HandClock::of_this_machine();
        let pypi = FakePypi::start(&clock, Manner::Poor).await;
        let approved = pypi.publish("quaymaster", "2.0").wheel();
        let rejected = pypi.publish("quaymaster", "3.0").wheel();
        let program = Program::before(&pypi).await;
        program.get("/pypi/simple/quaymaster/").await;
        program.decide("approve", &approved.filename).await;
        let program = program.killed_and_started_again().await;
        program.decide("reject", &rejected.filename).await;
        let events = program.api(Method::GET, "/audit/verify", None).await.json()["events"].clone();
        let folder = tempfile::tempdir().expect("a folder");
        // The marker follows the ledger within seconds; damage is noticed against it.
        loop {
            let mark = fs::read(program.folder().join("lazaret-data/instance.json")).unwrap_or_default();
            let mark: serde_json::Value = serde_json::from_slice(&mark).unwrap_or_default();
            if mark["events"].as_u64() >= events.as_u64() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left = program.killed().await;
        copy(left.path(), folder.path());
        let path = |file| TestHouse::file_path("quaymaster", file);
        Self { approved: path(&approved), rejected: path(&rejected), _pypi: pypi, folder }
    }

    /// A copy of it, with one file of the store damaged.
    fn damaged(&self, damage: impl Fn(&Path)) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        copy(self.folder.path(), folder.path());
        damage(&store(&folder));
        folder
    }

    /// Starts the real program, without any hand, and finds everything.
    async fn is_whole(&self, folder: TempDir) -> Program {
        let program = tokio::time::timeout(super::A_START, Program::over(folder)).await.expect("ready within seconds");
        assert_eq!(program.get(&self.approved).await.status, 200);
        assert_eq!(program.get(&self.rejected).await.json()["state"], "rejected");
        let verified = program.api(Method::GET, "/audit/verify", None).await.json();
        assert_eq!(verified["ok"], true, "{verified}");
        program
    }
}

fn store(folder: &TempDir) -> PathBuf {
    folder.path().join("lazaret-data/store")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("a file");
        }
    }
}

/// The snapshot files of a store.
fn snapshots(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store).expect("a store").map(|entry| entry.expect("an entry").path());
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap."));
    let found: Vec<PathBuf> = entries.filter(named).collect();
    assert!(!found.is_empty(), "a store that was opened twice has a snapshot");
    found
}

fn shorten(file: &Path, to: u64) {
    OpenOptions::new().write(true).open(file).expect("a file").set_len(to).expect("shortened");
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).expect("a file").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_file_that_is_cut_off_or_garbage_loses_nothing_and_needs_no_hand() {
    let decided = Decided::new().await;
    let cut_off = decided.damaged(|store| snapshots(store).iter().for_each(|file| shorten(file, length(file) / 2)));
    let program = decided.is_whole(cut_off).await;
    // And again, over what that left.
    let program = program.killed_and_started_again().await;
    assert_eq!(program.get(&decided.rejected).await.status, 403);
    for damage in [
        |file: &Path| shorten(file, 0),
        |file: &Path| fs::write(file, "garbage, and more of it than a checksum is long").expect("written"),
        |file: &Path| fs::remove_file(file).expect("removed"),
    ] {
        let damaged = decided.damaged(|store| snapshots(store).iter().for_each(|file| damage(file)));
        assert_eq!(outcome(&damaged).await, Ok(()));
    }
    let without_settings = decided.damaged(|store| fs::remove_file(store.join("conf")).expect("removed"));
    assert_eq!(outcome(&without_settings).await, Ok(()), "sled's settings are its defaults here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lost_part_of_its_log_refuses_and_says_what_to_do() {
    let decided = Decided::new().await;
    let whole = length(&store(&decided.folder).join("db"));
    let mut refused = 0;
    for left in [whole - 1, whole - 100, whole - 4096, whole * 3 / 4, whole / 2, 4096, 20, 1, 0] {
        let damaged = decided.damaged(|store| shorten(&store.join("db"), left));
        if let Err(why) = outcome(&damaged).await {
            refused += 1;
            assert!(why.contains("lazaret import") && why.contains("lazaret-data"), "{left} of {whole} bytes: {why}");
        }
    }
    assert!(refused >= 4, "{refused} refused");

    // The program says it where a person looks, and goes on saying it.
    for damage in [
        |store: &Path| fs::remove_file(store.join("db")).expect("removed"),
        |store: &Path| fs::remove_dir_all(store).expect("removed"),
    ] {
        let damaged = decided.damaged(damage);
        for _ in 0..2 {
            let serving = lazaret(damaged.path()).arg("serve").output();
            let ended = tokio::time::timeout(super::A_START, serving)
                .await
                .expect("ended within seconds")
                .expect("lazaret runs");
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(1), "{said}");
            assert!(said.contains("lazaret import"), "{said}");
        }
    }
}

/// What the house does first at each start: opens the store and compares it with the marker. `Ok` only if all that was decided
/// is there.
async fn outcome(folder: &TempDir) -> Result<(), String> {
    let path = store(folder);
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&path)).await.expect("no panic gets out");
    let opened = opened.map_err(|error| error.to_string())?;
    Marker::at(&folder.path().join("lazaret-data")).check(&opened).await.map_err(|error| error.to_string())?;
    let events = opened.events(0, 1_000).await.map_err(|error| error.to_string())?;
    for reason in ["approve in a test", "reject in a test"] {
        let times = events.iter().filter(|event| event.draft.summary == reason).count();
        assert_eq!(times, 1, "{reason}: lost, and nobody said so");
    }
    let verified = lazaret::store::verify::verify(&opened, None).await.map_err(|error| error.to_string())?;
    assert!(matches!(verified, lazaret::store::verify::Verification::Whole(_)), "{verified:?}");
    Ok(())
}
