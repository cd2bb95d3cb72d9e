//! A freeze: during an incident nothing that came after a moment leaves, on any of the three sides.

use http::Method;
use serde_json::json;

use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::sample_mirror::{WORDS_NEW, WORDS_OLD};
use crate::common::teapot_house::package;
use crate::common::test_house::TestHouse;
use crate::common::{FakeTeapot, HandClock, SampleMirror, TeapotHouse};

/// Stories begin on the 22nd at noon.
const FREEZE: &str = "freeze = 2026-11-25T12:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_after_the_moment_is_refused_and_what_was_there_stays() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    house.page("quaymaster").await;
    // Held when the freeze begins, and let in by time after it; published in between; and let in by a person in between.
    house.pass(DAY * 4).await;
    let later = house.pypi.publish("quaymaster", "1.2").wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200, "by time");
    house.approve(&later.filename).await;
    assert_eq!(house.get_file("quaymaster", &later).await.status, 200, "by a person");

    house.clock.advance(MINUTE);
    house.set_policy(FREEZE);
    for _ in 0..2 {
        assert_eq!(house.page("quaymaster").await, ["quaymaster-1.0-py3-none-any.whl"]);
        assert_eq!(house.get_file("quaymaster", &old).await.status, 200);
        for file in [&held, &later] {
            let path = TestHouse::file_path("quaymaster", file);
            let refused = house.get(&path).await;
            assert_eq!(refused.status, 403, "{}", file.filename);
            assert!(refused.reason.contains("frozen since 2026-11-25 12:00 UTC"), "{}", refused.reason);
            assert_eq!(house.send(Method::HEAD, &path, &[]).await.status, 403);
            assert_eq!(house.send(Method::GET, &path, &[("range", "bytes=0-1")]).await.status, 403);
            assert_eq!(house.get(&format!("{path}.metadata")).await.status, 403);
        }
        assert_eq!(house.get("/pypi/pypi/quaymaster/json").await.json()["info"]["version"], "1.0");
    }
    let why = house.api(Method::GET, "/why?target=pypi:quaymaster", None).await.json();
    assert_eq!(why["held"].as_array().map(Vec::len), Some(2), "{why:#}");
    assert!(why["held"][0]["reason"].as_str().expect("a reason").contains("frozen since"), "{why:#}");
    let id = house.upload("quaymaster", &held.filename).await["id"].as_str().expect("an id").to_owned();
    assert!(house.get(&format!("/uploads/{id}")).await.text().contains("frozen since"));
    // A project that is asked for now for the first time: what was old enough then leaves, what was not does not.
    let ripe = house.pypi.publish("mooring-line", "1.0").at(house.days_ago(20)).wheel();
    let unripe = house.pypi.publish("mooring-line", "1.1").at(house.days_ago(3)).wheel();
    assert_eq!(house.page("mooring-line").await, ["mooring_line-1.0-py3-none-any.whl"]);
    assert_eq!(house.get_file("mooring-line", &ripe).await.status, 200);
    assert_eq!(house.get_file("mooring-line", &unripe).await.status, 403);

    // Lifted: all is as it was.
    house.set_policy("");
    assert_eq!(house.page("quaymaster").await.len(), 3);
    for file in [&old, &held, &later] {
        assert_eq!(house.get_file("quaymaster", file).await.status, 200, "{}", file.filename);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_waiver_beats_a_freeze_and_an_approval_of_the_bytes_made_since_does() {
    let house = TestHouse::furnish().policy(FREEZE).start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    house.pass(DAY * 4).await;
    let file = house.pypi.publish("quaymaster", "1.1").wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    let waiver = json!({"reason": "we trust it", "scope": "project", "expires": "2027-01-01T00:00:00Z"});
    let answer = house.api(Method::POST, "/uploads/pypi%3Aquaymaster/approve", Some(waiver)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(house.upload("quaymaster", &file.filename).await["state"], "released");
    let refused = house.get_file("quaymaster", &file).await;
    assert_eq!(refused.status, 403);
    assert!(refused.reason.contains("frozen since"), "{}", refused.reason);
    // Also nothing that observes or was asked for as observing.
    house.set_policy(&format!("{FREEZE}\nmode = \"observe\""));
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403);

    house.approve(&file.filename).await;
    assert_eq!(house.get_file("quaymaster", &file).await.body, file.bytes);
    assert_eq!(house.page("quaymaster").await.len(), 2);
    let again = house.decide("approve", &file.filename).await;
    assert_eq!(again.status, 409, "it leaves already: {}", again.text());
    // A restart does not take it for an approval from before; another freeze, put into force later, does.
    let house = house.restart().await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    house.clock.advance(HOUR);
    house.set_policy("freeze = 2026-11-25T18:00:00Z");
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403);
    assert_eq!(house.decide("reject", &file.filename).await.status, 409, "it is let in: recall it");
    assert_eq!(house.decide("recall", &file.filename).await.status, 200);
    let refused = house.get_file("quaymaster", &file).await;
    assert!(refused.reason.contains("recalled"), "{}", refused.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpan_is_frozen_in_its_index_and_at_the_gate() {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    house.polls().await;
    clock.advance(HOUR);
    mirror.later();
    mirror.fresh_uploads(clock.true_time());
    house.polls().await;
    clock.advance(DAY * 4);
    house.polls().await;
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW), "by time");
    assert_eq!(house.release(WORDS_NEW).await.status, 200);

    house.set_policy("[freeze]\ncpan = 2026-11-22T12:30:00Z");
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    let refusal = house.refusal(WORDS_NEW).await;
    assert!(refusal.contains("frozen since 2026-11-22 12:30 UTC"), "{refusal}");
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    let python = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(4)).wheel();
    assert_eq!(house.get_file("quaymaster", &python).await.status, 200, "only CPAN is frozen");

    house.set_policy("");
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    assert_eq!(house.release(WORDS_NEW).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_teapot_is_frozen_in_its_index_and_at_the_gate() {
    let upstream = FakeTeapot::start().await;
    upstream.package("acme::greet", "1.0", &[]);
    let house = TeapotHouse::before(upstream).await;
    house.poll().await;
    house.clock().advance(HOUR);
    house.upstream.package("acme::greet", "2.0", &[]);
    house.poll().await;
    house.clock().advance(DAY * 8);
    house.poll().await;
    house.poll().await;
    assert_eq!(house.versions("acme::greet").await.len(), 2, "by time");

    house.house.set_policy("freeze = 2026-11-22T12:30:00Z");
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    let refusal = house.refusal(&package("acme::greet", "2.0")).await;
    assert!(refusal.contains("frozen since 2026-11-22 12:30 UTC"), "{refusal}");
    assert!(!house.file(&package("acme::greet", "1.0")).await.is_empty());

    house.house.set_policy("");
    assert_eq!(house.versions("acme::greet").await.len(), 2);
    assert!(!house.file(&package("acme::greet", "2.0")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_wheel_leaves_no_source_archive_to_be_built_in_its_place() {
    let house = TestHouse::start().await;
    let day = time::macros::datetime!(2026-11-10 12:00 UTC);
    house.pypi.publish("quaymaster", "1.0").at(day).sdist();
    house.pypi.publish("quaymaster", "1.0").at(day + time::Duration::hours(2)).wheel();
    assert_eq!(house.page("quaymaster").await.len(), 2);
    // Between the ends of both holds, each of three days: the archive had been let in by then, and the wheel had not.
    house.set_policy("freeze = 2026-11-13T13:00:00Z");
    assert!(house.page("quaymaster").await.is_empty(), "pip would build the archive, and run its setup.py");
    house.set_policy("freeze = 2026-11-13T15:00:00Z");
    assert_eq!(house.page("quaymaster").await.len(), 2);
}
