//! A cellar that may hold only so much: what leaves, what never does, and what nothing refers to.

use std::time::Duration;

use bytesize::ByteSize;
use http::Method;
use lazaret::domain::Sha256;
use serde_json::json;

use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::faults::{Fault, Gate};
use crate::common::test_house::{Furnishing, TestHouse};
use crate::common::wheels::{Built, Wheel};

/// Each wheel of these stories is about so large.
const WHEEL: usize = 100_000;

fn small(kibibytes: u64, keep: Duration) -> Furnishing {
    TestHouse::furnish().config(move |config| {
        config.store.max_bytes = ByteSize::kib(kibibytes);
        config.store.keep_downloaded = keep;
    })
}

/// A wheel that does not compress.
fn large(project: &str, version: &str) -> Built {
    let mut state = version.bytes().fold(7_u32, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    });
    let noise: Vec<u8> = noise.take(WHEEL).collect();
    Wheel::new(project, version).file(&format!("{project}_noise.bin"), noise).build()
}

/// Publishes so many old releases of a project.
fn published(house: &TestHouse, project: &str, count: u32) -> Vec<Built> {
    let publish = |number: u32| {
        let version = format!("1.{number}");
        let wheel = large(project, &version);
        house.pypi.publish(project, &version).at(house.days_ago(400 - number * 20)).file(wheel.clone());
        wheel
    };
    (0..count).map(publish).collect()
}

async fn fetch(house: &TestHouse, project: &str, wheel: &Built) {
    let answer = house.get_file(project, wheel).await;
    assert_eq!((answer.status, answer.body == wheel.bytes), (200, true), "{}: {}", wheel.filename, answer.reason);
    // Downloads are written down once a second.
    house.house.quarantine().write_downloads().await.expect("written down");
}

/// Whether these bytes are on the disk.
fn is_there(house: &TestHouse, wheel: &Built) -> bool {
    path(house, wheel.sha256()).exists()
}

fn path(house: &TestHouse, digest: Sha256) -> std::path::PathBuf {
    let name = digest.to_string();
    house.data_dir().join("blobs/sha256").join(&name[..2]).join(&name[2..4]).join(&name)
}

fn there(house: &TestHouse, wheels: &[Built]) -> Vec<bool> {
    wheels.iter().map(|wheel| is_there(house, wheel)).collect()
}

/// How often the index was asked for a file.
fn fetched(house: &TestHouse, wheel: &Built) -> usize {
    house.pypi.asked_for(&wheel.filename).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_cache_gives_up_what_was_used_longest_ago_and_fetches_it_again() {
    let house = small(350, HOUR).start().await;
    let wheels = published(&house, "quaymaster", 4);
    for wheel in &wheels[..3] {
        fetch(&house, "quaymaster", wheel).await;
        house.pass(MINUTE).await;
    }
    house.pass(HOUR * 2).await;
    // The oldest is used again.
    fetch(&house, "quaymaster", &wheels[0]).await;
    house.pass(HOUR * 2).await;
    assert_eq!(there(&house, &wheels), [true, true, true, false], "there is room for three");
    fetch(&house, "quaymaster", &wheels[3]).await;
    house.pass(MINUTE).await;
    assert_eq!(there(&house, &wheels), [true, false, true, true]);

    let evicted = &wheels[1];
    let again = house.get_file("quaymaster", evicted).await;
    assert_eq!((again.status, again.body == evicted.bytes), (200, true));
    assert_eq!(fetched(&house, evicted), 2);
    let upload = house.upload("quaymaster", &evicted.filename).await;
    assert_eq!((upload["state"].as_str(), upload["examination"].as_str()), (Some("released"), Some("passed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_index_sends_instead_of_evicted_bytes_is_refused() {
    let house = small(150, Duration::ZERO).start().await;
    let wheels = published(&house, "quaymaster", 2);
    for wheel in &wheels {
        fetch(&house, "quaymaster", wheel).await;
        house.pass(HOUR).await;
    }
    assert_eq!(there(&house, &wheels), [false, true]);
    house.pypi.fault(&format!("/files/quaymaster/{}", wheels[0].filename), Fault::Garbage);
    let answer = house.get_file("quaymaster", &wheels[0]).await;
    assert!(answer.status != 200 || answer.cut, "other bytes under a known name");
    assert!(house.events().await.iter().any(|event| event["kind"] == "alarm"), "and it is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_downloaded_lately_stays_and_the_house_says_that_it_holds_too_much() {
    let house = small(150, DAY).start().await;
    let wheels = published(&house, "quaymaster", 3);
    for wheel in &wheels {
        fetch(&house, "quaymaster", wheel).await;
        house.pass(HOUR).await;
    }
    assert_eq!(there(&house, &wheels), [true; 3]);
    let eviction = house.house.quarantine().keep_within_cap().await.expect("looked at");
    assert!(eviction.over > 100_000 && eviction.files == 0, "{eviction:?}");
    // A restart knows from the download log what was used when.
    let house = house.restart().await;
    house.pass(HOUR).await;
    assert_eq!(there(&house, &wheels), [true; 3]);
    house.pass(DAY * 3).await;
    assert_eq!(there(&house, &wheels).iter().filter(|there| **there).count(), 1, "a day later only one has room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_vanished_upstream_is_never_evicted() {
    let house = small(150, Duration::ZERO).start().await;
    let wheels = published(&house, "quaymaster", 2);
    fetch(&house, "quaymaster", &wheels[0]).await;
    // Nobody has read the page since: that it is gone is found out before it would be thrown away.
    house.pypi.remove(&wheels[0].filename);
    house.clock.advance(DAY * 2);
    fetch(&house, "quaymaster", &wheels[1]).await;
    house.pass(HOUR).await;
    assert_eq!(there(&house, &wheels), [true, false]);
    fetch(&house, "quaymaster", &wheels[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_index_does_not_answer_for_is_not_evicted() {
    let house = small(150, Duration::ZERO).start().await;
    let wheels = published(&house, "quaymaster", 2);
    for wheel in &wheels {
        fetch(&house, "quaymaster", wheel).await;
    }
    house.pypi.fault("/", Fault::HangUp);
    house.pass(DAY * 3).await;
    assert_eq!(there(&house, &wheels), [true, true]);
    for wheel in &wheels {
        fetch(&house, "quaymaster", wheel).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_evicted_and_vanished_then_is_not_offered_any_more() {
    let house = small(150, Duration::ZERO).start().await;
    let wheels = published(&house, "quaymaster", 2);
    for wheel in &wheels {
        fetch(&house, "quaymaster", wheel).await;
        house.pass(HOUR).await;
    }
    assert_eq!(there(&house, &wheels), [false, true]);
    house.pypi.remove(&wheels[0].filename);
    house.pass(HOUR * 2).await;
    assert_eq!(house.page("quaymaster").await, [wheels[1].filename.clone()], "never advertise what cannot be served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_being_fetched_are_not_thrown_away_under_who_waits() {
    let house = small(1, Duration::ZERO).start().await;
    let wheel = large("quaymaster", "1.0");
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).file(wheel.clone());
    house.page("quaymaster").await;
    let gate = Gate::closed();
    house.pypi.fault("/files/", Fault::HeldBack(gate.clone()));
    let keeper = house.house.quarantine().clone();
    let keeping = tokio::spawn(async move {
        loop {
            keeper.keep_within_cap().await.expect("kept");
            tokio::task::yield_now().await;
        }
    });
    let path = TestHouse::file_path("quaymaster", &wheel);
    let part = [("range", "bytes=0-99999")];
    let asked = futures_util::future::join_all((0..8).map(|_| house.send(Method::GET, &path, &part)));
    let (answers, ()) = tokio::join!(asked, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.open();
    });
    keeping.abort();
    for answer in answers {
        assert_eq!((answer.status, &answer.body[..]), (206, &wheel.bytes[..100_000]), "{}", answer.reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gc_throws_away_what_nothing_refers_to_and_says_so_first() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    let store = &house.house.quarantine();
    let orphan = store.blobs().store_bytes(bytes::Bytes::from_static(b"nobody's")).await.expect("stored");
    std::fs::write(house.data_dir().join("staging/7777.stage"), "half a file").expect("written");

    let young = house.api(Method::POST, "/gc", Some(json!({}))).await.json();
    assert_eq!((&young["blobs"], &young["stages"]), (&json!(0), &json!(1)), "its row may not be written yet: {young}");
    house.clock.advance(HOUR * 2);
    let dry = house.cli(&["gc", "--dry-run"]).await;
    let text = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(text.starts_with("would be thrown away") && text.contains("no upload refers to: 1 file, 8 B"), "{text}");
    assert!(path(&house, orphan).exists());

    let done = house.api(Method::POST, "/gc", Some(json!({ "dry_run": false }))).await.json();
    assert_eq!((&done["blobs"], &done["blob_bytes"]), (&json!(1), &json!(8)), "{done}");
    assert!(!path(&house, orphan).exists());
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    let metadata = format!("{}.metadata", TestHouse::file_path("quaymaster", &wheel));
    assert_eq!(house.get(&metadata).await.status, 200, "METADATA belongs to its wheel");
    assert_eq!(fetched(&house, &wheel), 1, "nothing had to be fetched again");
    let again = house.api(Method::POST, "/gc", Some(json!({}))).await.json();
    assert_eq!(again["blobs"], 0);

    let token = house.api(Method::POST, "/tokens", Some(json!({ "name": "rob", "role": "reviewer" }))).await.json();
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    assert_eq!(house.api_with(&bearer, Method::POST, "/gc", Some(json!({}))).await.status, 403);
}
