//! Pages that change while a file waits.

use std::time::Duration;

use sha2::Digest as _;

use crate::common::clock::{HOUR, HandClock, MINUTE};
use crate::common::test_house::TestHouse;
use crate::common::{FakePypi, Manner, Wheel};

const HOLD: Duration = Duration::from_hours(73);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recalled_file_does_not_come_back_under_a_promise_that_appears_later() {
    let house = TestHouse::start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).without_digest().wheel();
    house.page("quaymaster").await;
    house.pages_expire().await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    assert_eq!(house.decide("recall", &file.filename).await.status, 200);
    house.pypi.promise(&file.filename, "sha256", &file.sha256().to_string());
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_that_a_file_was_away_does_not_count() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let release = house.pypi.publish("quaymaster", "2.0");
    let held = release.wheel();
    house.page("quaymaster").await;
    house.pypi.remove(&held.filename);
    house.pages_expire().await;
    house.page("quaymaster").await;
    house.pass(Duration::from_hours(72)).await;
    house.page("quaymaster").await;
    house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(72)).file(held.clone());
    house.pass(HOUR * 2).await;
    house.page("quaymaster").await;
    house.pages_expire().await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403, "nobody saw it for three days");
    house.pass(HOLD).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_does_not_release_what_the_index_shows_with_other_bytes() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    let other = Wheel::new("quaymaster", "2.0").padded(500).build();
    house.pypi.upload_again(&held.filename, &other.bytes);
    house.pages_expire().await;
    house.page("quaymaster").await;
    house.pass(HOLD).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
    house.pypi.upload_again(&held.filename, &held.bytes);
    house.pass(HOUR).await;
    house.page("quaymaster").await;
    house.pages_expire().await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200, "the index shows the first bytes again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promise_in_sha512_alone_is_kept() {
    let house = TestHouse::start().await;
    let honest = Wheel::new("quaymaster", "1.0").build();
    let promised = data_encoding::HEXLOWER.encode(&sha2::Sha512::digest(&honest.bytes));
    let release = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).digest_only("sha512", &promised);
    let file = release.file(honest);
    let forged = Wheel::new("quaymaster", "1.0").padded(500).build();
    house.pypi.serve_other_bytes(&file.filename, &forged.bytes);
    house.page("quaymaster").await;
    house.pages_expire().await;
    assert!(house.page("quaymaster").await.is_empty(), "bytes that break the promise have no place on the page");
    house.pypi.serve_other_bytes(&file.filename, &file.bytes);
    house.pass(HOUR).await;
    house.page("quaymaster").await;
    house.pages_expire().await;
    assert_eq!(house.page("quaymaster").await, [file.filename.as_str()]);
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_let_in_is_suspended_too_when_the_index_takes_it_back() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(90)).wheel();
    let young = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    house.approve(&young.filename).await;
    assert_eq!(house.get_file("quaymaster", &young).await.status, 200);
    house.pypi.remove(&young.filename);
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &young).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_copy_of_a_public_file_is_served_when_the_name_becomes_ours() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    for built in [&file, &held] {
        corp.publish("quaymaster", "1.0").file(built.clone());
    }
    house.pass(MINUTE * 15).await;
    house.page("quaymaster").await;
    house.pages_expire().await;
    for built in [&file, &held] {
        let answer = house.get_file("quaymaster", built).await;
        assert_eq!(answer.status, 200, "{}: {}", built.filename, answer.reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_vanished_files_are_one_event() {
    let house = TestHouse::start().await;
    for version in 1..=30 {
        house.pypi.publish("quaymaster", &format!("{version}.0")).at(house.days_ago(400)).wheel();
    }
    house.page("quaymaster").await;
    house.pypi.remove_project("quaymaster");
    house.pages_expire().await;
    house.page("quaymaster").await;
    let alarms = house.events().await.iter().filter(|event| event["kind"] == "alarm").count();
    assert_eq!(alarms, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_at_the_first_try_though_nobody_has_read_the_requirements() {
    let house = TestHouse::start().await;
    for version in 1..=9 {
        house.pypi.publish("quaymaster", &format!("{version}.0")).requires("chandlery>=1").wheel();
    }
    assert_eq!(house.page("quaymaster").await.len(), 9);
    house.clock.advance(HOLD);
    let page = house.page("quaymaster").await;
    assert!(page.iter().all(|line| !line.contains("yanked")), "{page:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yank_reason_of_several_lines_hides_nothing() {
    let house = TestHouse::start().await;
    let long = "x".repeat(5_000);
    for (version, reason) in [("1.0", "broken\nbadly\r\n"), ("2.0", long.as_str())] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(30)).yanked(reason).wheel();
    }
    let page = house.page("quaymaster").await;
    assert_eq!(page.len(), 2, "{page:#?}");
    assert!(page[0].contains("yanked: broken badly"), "{page:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_spellings_of_a_version_are_one_version() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.pypi.publish("quaymaster", "1.0.0").sdist();
    let page = house.page("quaymaster").await;
    assert_eq!(page, ["quaymaster-1.0-py3-none-any.whl"], "`yank` is only for versions that are held as a whole");
}
