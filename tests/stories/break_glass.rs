//! The broken glass: two admins let everything out that is not known to be bad, for a while, and all of it is marked.

use http::Method;
use lazaret::domain::{Actor, Mode, Role};
use serde_json::{Value, json};

use crate::common::browser::Answer;
use crate::common::clock::{HOUR, MINUTE};
use crate::common::test_house::TestHouse;
use crate::common::wheels::Built;

/// Two admins beside the first one, and a reviewer.
struct People {
    ada: String,
    bob: String,
    rob: String,
}

async fn people(house: &TestHouse) -> People {
    let token = async |name, role| {
        let made = house.house.quarantine().create_token(name, role, None, &Actor::house("test")).await;
        format!("Bearer {}", made.expect("a token").1)
    };
    People {
        ada: token("ada", Role::Admin).await,
        bob: token("bob", Role::Admin).await,
        rob: token("rob", Role::Reviewer).await,
    }
}

async fn say(house: &TestHouse, who: &str, verb: &str, body: Value) -> Answer {
    house.api_with(who, Method::POST, &format!("/break-glass/{verb}"), Some(body)).await
}

async fn open_for(house: &TestHouse, people: &People, lasting: &str) {
    let asked = say(house, &people.ada, "open", json!({"reason": "the index is down", "for": lasting})).await;
    assert_eq!((asked.status, &asked.json()["state"]), (200, &json!("asked")), "{}", asked.text());
    let opened = say(house, &people.bob, "confirm", json!({})).await;
    assert_eq!((opened.status, &opened.json()["state"]), (200, &json!("open")), "{}", opened.text());
}

async fn kinds(house: &TestHouse) -> Vec<String> {
    let events = house.events().await;
    let kinds = events.iter().filter_map(|event| event["kind"].as_str());
    kinds.filter(|kind| kind.starts_with("break-glass")).map(str::to_owned).collect()
}

async fn status_of(house: &TestHouse, file: &Built) -> u16 {
    house.get_file("quaymaster", file).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_two_different_admins() {
    let house = TestHouse::start().await;
    let people = people(&house).await;
    let body = || json!({"reason": "the index is down"});
    assert_eq!(say(&house, &people.rob, "open", body()).await.status, 403, "a reviewer");
    assert_eq!(say(&house, &people.ada, "confirm", json!({})).await.status, 400, "nobody has asked");
    for wrong in
        [json!({"reason": " "}), json!({"reason": "x", "for": "5h"}), json!({"reason": "x", "for": "soon"}), json!({})]
    {
        assert_eq!(say(&house, &people.ada, "open", wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(say(&house, &people.ada, "open", body()).await.status, 200);
    let held = house.pypi.publish("quaymaster", "1.0").at(house.hours_ago(1)).wheel();
    assert_eq!(status_of(&house, &held).await, 403, "one is not enough");
    let same = say(&house, &people.ada, "confirm", json!({})).await;
    assert!(same.status == 403 && same.text().contains("ada has asked for it"), "{}", same.text());
    assert_eq!(say(&house, &people.rob, "confirm", json!({})).await.status, 403);
    assert_eq!(status_of(&house, &held).await, 403);
    // Who is asked may say no; and a question lapses.
    assert_eq!(say(&house, &people.bob, "close", json!({"reason": "wait"})).await.status, 200);
    assert_eq!(say(&house, &people.bob, "confirm", json!({})).await.status, 400);
    assert_eq!(say(&house, &people.ada, "open", body()).await.status, 200);
    house.pass(MINUTE * 31).await;
    assert_eq!(say(&house, &people.bob, "confirm", json!({})).await.status, 400);
    assert_eq!(status_of(&house, &held).await, 403);
    let expected = ["break-glass-asked", "break-glass-closed", "break-glass-asked", "break-glass-closed"];
    assert_eq!(kinds(&house).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_broken_what_is_held_leaves_and_is_marked_and_nothing_that_is_known_to_be_bad() {
    let house = TestHouse::furnish().policy("[namespaces]\npypi = [\"acme-*\"]").start().await;
    let people = people(&house).await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let recalled = house.pypi.publish("quaymaster", "1.1").at(house.days_ago(29)).wheel();
    let held = house.pypi.publish("quaymaster", "1.2").at(house.hours_ago(1)).wheel();
    let unasked = house.pypi.publish("quaymaster", "1.3").at(house.hours_ago(1)).wheel();
    let rejected = house.pypi.publish("quaymaster", "1.4").at(house.hours_ago(1)).wheel();
    let internal = house.pypi.publish("acme-billing", "9.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    house.decide("recall", &recalled.filename).await;
    house.decide("reject", &rejected.filename).await;
    let made = house.house.quarantine();
    let (_, strict) = made
        .create_token_in_mode("build", Role::Viewer, None, Some(Mode::Enforce), &Actor::house("test"))
        .await
        .expect("a token");
    assert_eq!(house.page("quaymaster").await.len(), 3, "one released, two held and yanked");

    open_for(&house, &people, "2h").await;
    let free = house.page("quaymaster").await;
    assert_eq!(free.iter().filter(|file| !file.contains("yanked")).count(), 3, "{free:?}");
    for _ in 0..2 {
        assert_eq!(status_of(&house, &old).await, 200);
        assert_eq!(status_of(&house, &held).await, 200);
        assert_eq!((status_of(&house, &recalled).await, status_of(&house, &rejected).await), (403, 403));
        assert_eq!(house.get_file("acme-billing", &internal).await.status, 403);
    }
    let path = TestHouse::file_path("quaymaster", &held);
    let bearer = format!("Bearer {strict}");
    let kept = house.send(Method::GET, &path, &[("authorization", &bearer)]).await;
    assert_eq!(kept.status, 403, "who enforces for himself goes on doing so");
    let marked = house.upload("quaymaster", &held.filename).await;
    assert_eq!((&marked["state"], marked["to_review"].is_string()), (&json!("held"), true), "{marked:#}");
    assert!(house.upload("quaymaster", &unasked.filename).await["to_review"].is_null());
    // All houses of this process count in one place: that it is counted is all there is to see.
    assert!(house.metrics().await.contains("lazaret_break_glass "));
    let queue = house.cli(&["queue"]).await;
    assert!(String::from_utf8_lossy(&queue.stdout).contains("went through the broken glass"), "{queue:?}");

    // It survives a restart, and is as broken as it was.
    let house = house.restart().await;
    assert_eq!(status_of(&house, &held).await, 200);
    let closed = say(&house, &people.ada, "close", json!({"reason": "the index is back"})).await;
    let closed = closed.json();
    assert_eq!((&closed["state"], &closed["passed"][0]["filename"]), (&json!("closed"), &json!(held.filename)));
    assert_eq!(closed["passed"].as_array().map(Vec::len), Some(1), "{closed:#}");
    assert_eq!(status_of(&house, &held).await, 403, "at once, though its bytes are here and its page was ready");
    assert!(house.page("quaymaster").await.iter().any(|file| file.contains("1.2") && file.contains("yanked")));
    let expected = ["break-glass-asked", "break-glass-opened", "break-glass-passed", "break-glass-closed"];
    assert_eq!(kinds(&house).await, expected);

    // Somebody looks at it: then it is not to be reviewed any more.
    house.approve(&held.filename).await;
    assert!(house.upload("quaymaster", &held.filename).await["to_review"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_mends_by_itself_and_no_clock_that_is_set_back_keeps_it_broken() {
    let house = TestHouse::start().await;
    let people = people(&house).await;
    let held = house.pypi.publish("quaymaster", "1.0").at(house.hours_ago(1)).wheel();
    open_for(&house, &people, "1h").await;
    assert_eq!(status_of(&house, &held).await, 200);
    house.clock.advance(MINUTE * 50);
    house.clock.step_wall_back(HOUR * 3);
    assert_eq!(status_of(&house, &held).await, 200);
    // No job has run since: the hour strikes for whoever asks.
    house.clock.advance(MINUTE * 11);
    assert_eq!(status_of(&house, &held).await, 403);
    assert!(house.page("quaymaster").await.iter().all(|file| file.contains("yanked")));
    house.house.run_due_jobs().await;
    house.house.run_due_jobs().await;
    let closed = kinds(&house).await.iter().filter(|kind| *kind == "break-glass-closed").count();
    assert_eq!(closed, 1, "told once");
    let status = house.api_with(&people.rob, Method::GET, "/break-glass", None).await.json();
    assert_eq!((&status["state"], status["passed"].as_array().map(Vec::len)), (&json!("closed"), Some(1)));
    let house = house.restart().await;
    assert_eq!(status_of(&house, &held).await, 403, "nor does a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_stays_a_freeze_though_the_glass_is_broken() {
    let house = TestHouse::furnish().policy("freeze = 2026-11-22T00:00:00Z").start().await;
    let people = people(&house).await;
    let held = house.pypi.publish("quaymaster", "1.0").at(house.hours_ago(1)).wheel();
    open_for(&house, &people, "1h").await;
    assert_eq!(status_of(&house, &held).await, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_breaks_it_for_two() {
    let house = TestHouse::start().await;
    let people = people(&house).await;
    let text = |output: &std::process::Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let asked = house.cli(&["break-glass", "open", "--reason", "the index is down", "--for", "2h"]).await;
    assert!(text(&asked).contains("admin asks to break the glass: the index is down"), "{}", text(&asked));
    let same = house.cli(&["break-glass", "confirm"]).await;
    assert!(same.status.code() == Some(1) && text(&same).contains("somebody else must confirm"), "{}", text(&same));
    assert_eq!(say(&house, &people.bob, "confirm", json!({})).await.status, 200);
    let status = house.cli(&["break-glass", "status"]).await;
    assert!(text(&status).contains("asked by admin, confirmed by bob"), "{}", text(&status));
    assert!(house.cli(&["break-glass", "close"]).await.status.success());
    assert!(text(&house.cli(&["break-glass", "status"]).await).contains("the glass is whole"));
    assert_eq!(house.cli(&["break-glass", "close"]).await.status.code(), Some(1));
    assert_eq!(house.cli(&["break-glass", "open"]).await.status.code(), Some(2), "a reason is needed");
}
