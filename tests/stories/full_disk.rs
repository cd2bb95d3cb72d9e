//! A disk that is full, or read-only: installs of what is cached go on, decisions are refused in words, nothing is lost, and it all
//! goes on by itself when there is room.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use lazaret::disk::{Disk, Space, SystemDisk};
use lazaret::domain::{Actor, EventDraft, EventKind, Timestamp};
use lazaret::store::sled::SledStore;
use lazaret::store::verify::{Verification, verify};
use lazaret::store::{Change, Changes as _, Ledger as _, StoreError};

use crate::common::clock::{HOUR, MINUTE};
use crate::common::test_house::TestHouse;

/// Full or read-only whenever a test wants it.
#[derive(Debug)]
struct TestDisk {
    available: AtomicU64,
    is_read_only: AtomicBool,
}

impl TestDisk {
    fn roomy() -> Arc<Self> {
        Arc::new(Self { available: AtomicU64::new(u64::MAX), is_read_only: AtomicBool::new(false) })
    }

    fn leave(&self, bytes: u64) {
        self.available.store(bytes, Ordering::SeqCst);
    }
}

impl Disk for TestDisk {
    fn space(&self, _: &Path) -> std::io::Result<Space> {
        let is_read_only = self.is_read_only.load(Ordering::SeqCst);
        Ok(Space { available: self.available.load(Ordering::SeqCst), is_read_only })
    }
}

/// What a house on a disk that takes nothing must do; `refuse` and `mend` say how it does that.
async fn story(disk: Arc<TestDisk>, refuse: fn(&TestDisk), mend: fn(&TestDisk), status: u16, word: &str) {
    let house = TestHouse::furnish().disk(&disk).start().await;
    let cached = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    let cold = house.pypi.publish("quaymaster", "1.1").at(house.days_ago(300)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    let page = house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &cached).await.status, 200);
    house.house.run_due_jobs().await;
    let before = house.events().await.len();

    refuse(&disk);
    // Pages are read again, and there is news that cannot be written down.
    house.pypi.publish("quaymaster", "3.0").wheel();
    for _ in 0..3 {
        house.pass(HOUR).await;
        assert_eq!(house.page("quaymaster").await, page, "the last good page");
        let answer = house.get_file("quaymaster", &cached).await;
        assert_eq!((answer.status, &answer.body), (200, &cached.bytes), "what is cached is served");
    }
    let refused = house.decide("approve", &held.filename).await;
    assert_eq!(refused.status, status, "{}", refused.text());
    let problem = refused.json();
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(word) && detail.contains("store.data_dir"), "{problem:#}");
    assert_eq!(refused.header("retry-after"), "60", "{problem:#}");
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403, "it was not let in");
    let not_fetched = house.get_file("quaymaster", &cold).await;
    assert!(not_fetched.status == status, "{} {}", not_fetched.status, not_fetched.text());
    let block = serde_json::json!({ "target": "pypi:evilquay", "reason": "a rumour" });
    assert_eq!(house.api(Method::POST, "/blocks", Some(block)).await.status, status);
    let ready = house.get("/readyz").await;
    assert_eq!(ready.status, 200, "installs go on");
    assert!(ready.json()["disk"].as_str().unwrap_or_default().contains(word), "{}", ready.text());
    assert_eq!(house.events().await.len(), before);

    mend(&disk);
    house.pass(HOUR).await;
    assert_eq!(house.decide("approve", &held.filename).await.status, 200);
    for file in [&cached, &cold, &held] {
        assert_eq!(house.get_file("quaymaster", file).await.status, 200, "{}", file.filename);
    }
    assert_eq!(house.get("/readyz").await.json()["disk"], "ok");
    house.house.quarantine().write_downloads().await.expect("written");
    let artifact = house.api(Method::GET, &format!("/artifacts/{}", cached.sha256()), None).await.json();
    assert_eq!(artifact["downloads"][0]["count"], 5, "also what was fetched meanwhile: {artifact:#}");
    let house = house.restart().await;
    house.pass(MINUTE).await;
    assert_eq!(house.api(Method::GET, "/audit/verify", None).await.json()["ok"], true);
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_installs_go_on_and_decisions_are_refused_in_words() {
    Box::pin(story(TestDisk::roomy(), |disk| disk.leave(1 << 20), |disk| disk.leave(u64::MAX), 507, "full")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_read_only_disk_installs_go_on_and_decisions_are_refused_in_words() {
    Box::pin(story(
        TestDisk::roomy(),
        |disk| disk.is_read_only.store(true, Ordering::SeqCst),
        |disk| disk.is_read_only.store(false, Ordering::SeqCst),
        503,
        "read-only",
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_leave_room_for_facts() {
    let disk = TestDisk::roomy();
    let house = TestHouse::furnish().disk(&disk).start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    disk.leave(32 << 20);
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 507);
    assert_eq!(house.decide("reject", &held.filename).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_opens_on_a_full_disk_and_serves_what_it_has() {
    let disk = TestDisk::roomy();
    let house = TestHouse::furnish().disk(&disk).start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    house.house.quarantine().put_away().await;
    disk.leave(1 << 20);
    let house = house.restart().await;
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    disk.leave(u64::MAX);
    let house = house.restart().await;
    assert_eq!(house.api(Method::GET, "/audit/verify", None).await.json()["ok"], true);
}

/// A file system of so many bytes, for root only.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mounted(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "lazaret-test"])
            .arg(folder.path())
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: mounting a small disk takes root; the engine's own failure on a full disk was not tried");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

/// Says that there is room where there is none, as a disk that somebody else fills at the same moment.
#[derive(Debug)]
struct Hasty(AtomicBool);

impl Disk for Hasty {
    fn space(&self, path: &Path) -> std::io::Result<Space> {
        let space = SystemDisk.space(path)?;
        Ok(if self.0.load(Ordering::SeqCst) { Space { available: u64::MAX, ..space } } else { space })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_the_disk_refused_is_opened_anew_with_all_that_was_acknowledged() {
    let Some(small) = SmallDisk::mounted("size=24m") else { return };
    let path = small.0.path().join("store");
    // The engine runs into the end of the disk by itself.
    let disk = Arc::new(Hasty(AtomicBool::new(true)));
    let store = SledStore::open_on(&path, disk.clone(), 1 << 20).expect("opened");
    let ballast = small.0.path().join("ballast");
    std::fs::write(&ballast, vec![7; 12 << 20]).expect("there is room for this");
    let mut acknowledged = 0;
    let refused = loop {
        let mut event = EventDraft::new(Timestamp::UNIX_EPOCH, Actor::house("test"), EventKind::Alarm, "x".to_owned());
        let noise: Vec<u32> = (0..4_000_u32).map(|place| (place + acknowledged).wrapping_mul(2_654_435_761)).collect();
        event.details = serde_json::json!(noise);
        match store.commit(Change { events: vec![event], ..Change::default() }).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 10_000, "the disk has no end");
    };
    assert!(refused.is_disk_refusing(), "{refused}");
    assert!(acknowledged > 10, "{acknowledged}");
    disk.0.store(false, Ordering::SeqCst);
    let event = || EventDraft::new(Timestamp::UNIX_EPOCH, Actor::house("test"), EventKind::Alarm, "later".to_owned());
    let again = store.commit(Change { events: vec![event()], ..Change::default() }).await;
    assert!(matches!(again, Err(StoreError::NoRoom(_))), "{again:?}");
    assert!(store.events(0, 10).await.is_ok(), "reading goes on");

    std::fs::remove_file(&ballast).expect("removed");
    let mut written = Err(refused);
    for _ in 0..40 {
        written = store.commit(Change { events: vec![event()], ..Change::default() }).await;
        if written.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let written = written.expect("it goes on by itself");
    assert!(written[0].sequence > u64::from(acknowledged), "nothing acknowledged is lost");
    let Verification::Whole(head) = verify(&store, None).await.expect("read") else { panic!("the chain is broken") };
    drop(store);
    let store = SledStore::open(&path).expect("it opens without a hand");
    assert_eq!(store.head().await.expect("a head"), head);
}
