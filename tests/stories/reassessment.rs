//! What changes is judged again; and what a change of policy would do can be seen before.

use serde_json::{Value, json};

use crate::common::clock::{DAY, HOUR};
use crate::common::program::Program;
use crate::common::test_house::TestHouse;
use crate::common::{FakePypi, HandClock, Manner};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_tried_on_what_is_stored_and_changes_nothing() {
    let house = TestHouse::start().await;
    house.pypi.publish("reqeusts", "1.0").wheel();
    house.pypi.publish("quaymaster", "1.0").wheel();
    house.page("reqeusts").await;
    house.page("quaymaster").await;
    let before = house.uploads("quaymaster").await;

    let stricter = house.folder.path().join("stricter.toml");
    std::fs::write(&stricter, "[hold]\ndefault = \"8d\"\n[thresholds]\nmedium = 0.02\nhigh = 0.04\n").expect("a file");
    let output = house.cli(&["policy", "try", "stricter.toml", "--format", "json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["judged"], 2, "{answer:#}");
    assert_eq!(answer["counts"], json!([{"from": "hold", "to": "review", "uploads": 1}]), "{answer:#}");
    let change = &answer["changes"][0];
    assert_eq!((&change["project"], &change["to"]["outcome"]), (&json!("pypi:quaymaster"), &json!("review")));
    assert!(change["reasons"][0].to_string().contains("The project has"), "{change:#}");
    let text = house.cli(&["policy", "try", "stricter.toml"]).await;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("hold -> review  1 upload") && text.contains("quaymaster-1.0-py3-none-any.whl"), "{text}");
    assert_eq!(house.uploads("quaymaster").await, before, "nothing was put into force");

    std::fs::write(&stricter, "").expect("a file");
    let same = house.cli(&["policy", "try", "stricter.toml"]).await;
    assert!(String::from_utf8_lossy(&same.stdout).contains("nothing would change"));
    std::fs::write(&stricter, "[score]\nbase = 7\n").expect("a file");
    let silly = house.cli(&["policy", "try", "stricter.toml"]).await;
    assert_eq!(silly.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&silly.stderr).contains("stricter.toml:2: score.base"), "{silly:?}");
    let viewer = house.cli(&["token", "create", "vera", "--role", "viewer", "--format", "json"]).await;
    let token: Value = serde_json::from_slice(&viewer.stdout).expect("JSON");
    let bearer = format!("Bearer {}", token["token"].as_str().or(token["secret"].as_str()).expect("a token"));
    let refused = house.api_with(&bearer, http::Method::POST, "/policy/try", Some(json!({"policy": ""}))).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_judged_again_when_the_policy_changes() {
    let house = TestHouse::furnish().policy("[hold]\ndefault = \"72h\"\n").start().await;
    let held = house.pypi.publish("quaymaster", "1.0").wheel();
    house.page("quaymaster").await;
    assert!(house.upload("quaymaster", &held.filename).await["hold_until"].to_string().starts_with("\"2026-11-25"));
    std::fs::write(house.folder.path().join("policy.toml"), "[hold]\ndefault = \"5d\"\n").expect("a file");
    house.house.reload_policy().await.expect("a policy");
    house.pass(HOUR).await;
    assert!(
        house.upload("quaymaster", &held.filename).await["hold_until"].to_string().starts_with("\"2026-11-27"),
        "nobody had to ask for its page"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn judging_again_from_memory_does_not_settle_what_the_index_disputes() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "1.0").wheel();
    house.page("quaymaster").await;
    house.pypi.upload_again(&held.filename, &b"other bytes".to_vec().into());
    house.pages_expire().await;
    house.page("quaymaster").await;
    // Judged again under another policy, and the index is not asked.
    house.set_policy("[hold]\ndefault = \"5d\"\n");
    house.page("quaymaster").await;
    let refused = house.get_file("quaymaster", &held).await;
    assert!(refused.reason.contains("promises other bytes"), "{} {}", refused.status, refused.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_alike_name_that_a_person_let_in_is_asked_about_once_unless_it_is_taken_back() {
    let house = TestHouse::start().await;
    let first = house.pypi.publish("reqeusts", "1.0").wheel();
    house.page("reqeusts").await;
    assert_eq!(house.upload("reqeusts", &first.filename).await["verdict"], "review");
    house.approve(&first.filename).await;

    let second = house.pypi.publish("reqeusts", "1.1").wheel();
    house.pages_expire().await;
    house.page("reqeusts").await;
    let upload = house.upload("reqeusts", &second.filename).await;
    // It waits for its time as everything does, and says why nobody is asked.
    assert_eq!((&upload["verdict"], &upload["state"]), (&json!("hold"), &json!("held")), "{upload:#}");
    let finding = upload["findings"].as_array().expect("findings").iter().find(|it| it["signal"] == "typosquat");
    let summary = finding.map(|finding| finding["summary"].to_string()).unwrap_or_default();
    assert!(summary.contains("let 1.0 in under it."), "{upload:#}");

    assert_eq!(house.decide("recall", &first.filename).await.status, 200);
    house.pages_expire().await;
    house.page("reqeusts").await;
    let upload = house.upload("reqeusts", &second.filename).await;
    assert_eq!(upload["verdict"], "review", "whoever takes it back asks anew: {upload:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_is_unblocked_is_whole_again_at_once() {
    let house = TestHouse::start().await;
    for number in 0..250 {
        house.pypi.publish("quaymaster", &format!("1.{number}")).at(house.days_ago(400)).wheel();
    }
    assert_eq!(house.page("quaymaster").await.len(), 250);
    let decided = async |verb: &str| {
        let done = house.cli(&[verb, "pypi:quaymaster", "--reason", "an alarm"]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    decided("block").await;
    assert!(house.page("quaymaster").await.is_empty());
    let asked = house.pypi.asked().len();
    decided("unblock").await;
    assert_eq!(house.page("quaymaster").await.len(), 250);
    let asked = house.pypi.asked().len() - asked;
    assert!(asked < 10, "of what was old at first sight nothing is looked up: {asked} questions");
}

/// With a clock that runs: between the reading of a page and its judging some time passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_is_unblocked_is_whole_again_in_seconds_of_real_time() {
    let clock = HandClock::of_this_machine();
    let pypi = FakePypi::start(&clock, Manner::Rich).await;
    for number in 0..50 {
        pypi.publish("quaymaster", &format!("1.{number}")).at(clock.true_time() - DAY * 400).wheel();
    }
    let program = Program::before(&pypi).await;
    let open = async || {
        let page = program.page("quaymaster").await;
        page["files"].as_array().expect("files").iter().filter(|file| file["yanked"] == false).count()
    };
    assert_eq!(open().await, 50);
    for verb in ["block", "unblock"] {
        let done = program.run(&[verb, "pypi:quaymaster", "--reason", "an alarm"]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let begun = std::time::Instant::now();
    while open().await < 50 {
        assert!(begun.elapsed().as_secs() < 60, "{} of 50 are back", open().await);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}
