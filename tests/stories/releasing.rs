//! Rules 8 to 13: what lets a file go, and what does not.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::test_house::TestHouse;
use crate::common::{Fault, Manner, Wheel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_08_the_files_of_one_day_leave_together_with_the_latest() {
    let house = TestHouse::start().await;
    let sdist = house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(71)).sdist();
    let wheel = house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(51)).wheel();
    house.page("quaymaster").await;
    let until = |upload: &serde_json::Value| upload["hold_until"].clone();
    assert_eq!(
        until(&house.upload("quaymaster", &sdist.filename).await),
        until(&house.upload("quaymaster", &wheel.filename).await),
    );

    house.pass(HOUR * 2).await;
    assert_eq!(house.get_file("quaymaster", &sdist).await.status, 403, "its own hold is over, the version's is not");
    house.pass(HOUR * 20).await;
    assert_eq!(house.get_file("quaymaster", &sdist).await.status, 200);
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_08_a_later_file_clocks_alone_and_is_hidden_until_then() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    assert_eq!(house.page("quaymaster").await, ["quaymaster-1.0-py3-none-any.whl"]);

    // litellm 1.82.8: a new file under an old version.
    let late = Wheel::new("quaymaster", "1.0").tagged("py2.py3-none-any").build();
    house.pypi.publish("quaymaster", "1.0").file(late.clone());
    house.pages_expire().await;
    assert_eq!(house.page("quaymaster").await, ["quaymaster-1.0-py3-none-any.whl"], "not even as yanked");
    assert_eq!(house.get_file("quaymaster", &late).await.status, 403);
    house.pass(DAY * 3 + HOUR).await;
    assert_eq!(house.page("quaymaster").await.len(), 2);
    assert_eq!(house.get_file("quaymaster", &late).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_08_a_later_file_does_not_take_back_what_was_released() {
    let house = TestHouse::furnish().policy("[hold]\ndefault = \"1h\"\n").start().await;
    let first = house.pypi.publish("quaymaster", "1.0").at(house.hours_ago(6)).wheel();
    house.page("quaymaster").await;
    let late = Wheel::new("quaymaster", "1.0").tagged("py2.py3-none-any").build();
    house.pypi.publish("quaymaster", "1.0").file(late.clone());
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &late).await.status, 403);
    assert_eq!(house.get_file("quaymaster", &first).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_08_an_sdist_never_leaves_before_a_held_wheel_of_its_version() {
    let house = TestHouse::start().await;
    let sdist = house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(100)).sdist();
    let wheel = house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(10)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &sdist).await.status, 403, "pip would build it");
    house.pass(HOUR * 63).await;
    assert_eq!(house.get_file("quaymaster", &sdist).await.status, 200);
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_09_exact_pin_families_leave_together() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let parent = house.pypi.publish("parentship", "2.0").at(house.hours_ago(71)).requires("childboat==2.0").wheel();
    let child = house.pypi.publish("childboat", "2.0").at(house.hours_ago(10)).wheel();
    house.page("parentship").await;
    house.page("childboat").await;

    house.pass(HOUR * 2).await;
    assert_eq!(house.get_file("parentship", &parent).await.status, 403, "pip would pick it and die on its child");
    let reason = house.upload("parentship", &parent.filename).await["reason"].to_string();
    assert!(reason.contains("childboat"), "the reason names whom it waits for: {reason}");

    house.pass(HOUR * 61).await;
    house.release_due("parentship").await;
    assert_eq!(house.get_file("childboat", &child).await.status, 200);
    assert_eq!(house.get_file("parentship", &parent).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_09_a_parent_that_was_old_enough_at_first_sight_waits_for_its_held_child() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let parent = house.pypi.publish("parentship", "2.0").at(house.days_ago(4)).requires("childboat==2.0").wheel();
    let alone = house.pypi.publish("parentship", "1.9").at(house.days_ago(5)).wheel();
    let child = house.pypi.publish("childboat", "2.0").wheel();
    house.page("parentship").await;
    house.house.run_due_jobs().await;
    assert_eq!(house.get_file("parentship", &parent).await.status, 403);
    assert_eq!(house.get_file("parentship", &alone).await.status, 200, "it pins nothing that is held");
    let reason = house.upload("parentship", &parent.filename).await["reason"].to_string();
    assert!(reason.contains("waits for childboat==2.0"), "{reason}");

    house.pass(HOUR * 73).await;
    house.release_due("childboat").await;
    house.release_due("parentship").await;
    assert_eq!(house.get_file("childboat", &child).await.status, 200);
    assert_eq!(house.get_file("parentship", &parent).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_09_pins_are_read_behind_a_poor_index_too() {
    let house = TestHouse::start().await;
    let publish = |version: &str| {
        let release = house.pypi.publish("parentship", version).at(house.hours_ago(71));
        release.requires(&format!("childboat=={version}")).wheel()
    };
    // Of the newest the JSON API tells what it requires, of the other only the wheel itself.
    let (second, third) = (publish("2.0"), publish("3.0"));
    for version in ["2.0", "3.0"] {
        house.pypi.publish("childboat", version).at(house.hours_ago(10)).wheel();
    }
    house.page("parentship").await;
    house.pass(HOUR * 2).await;
    assert_eq!(house.get_file("parentship", &second).await.status, 403);
    assert_eq!(house.get_file("parentship", &third).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_09_approving_a_parent_names_its_held_children() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    house.pypi.publish("parentship", "2.0").requires("childboat==2.0").wheel();
    house.pypi.publish("childboat", "2.0").wheel();
    house.page("parentship").await;
    house.page("childboat").await;
    let answer = house.approve("pypi:parentship==2.0").await;
    assert_eq!(answer["also_held"][0]["project"], "pypi:childboat", "{answer:#}");
    assert_eq!(answer["also_held"][0]["version"], "2.0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_a_release_removed_during_its_hold_is_never_served() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    house.pypi.remove(&held.filename);
    house.pass(DAY * 4).await;
    assert_eq!(house.page("quaymaster").await, ["quaymaster-1.0-py3-none-any.whl"]);
    let answer = house.get_file("quaymaster", &held).await;
    assert!(matches!(answer.status, 403 | 404), "{} {}", answer.status, answer.reason);
    house.pass(DAY * 30).await;
    assert_ne!(house.get_file("quaymaster", &held).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_a_release_yanked_during_its_hold_stays_held() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    house.pypi.yank(&held.filename, "compromised");
    house.pass(DAY * 4).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_a_project_quarantined_during_the_hold_stays_held() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    house.pypi.set_status("quaymaster", "quarantined", "the index looks into it");
    house.pass(DAY * 4).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_while_the_upstream_is_unreachable_the_hold_goes_on() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);

    house.pypi.fault("/", Fault::HangUp);
    house.pass(DAY * 4).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403, "nobody said that it is still there");
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);

    house.pypi.heal();
    house.pass(HOUR).await;
    until_released(&house, "quaymaster", &held.filename).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
}

/// The way to a failing host stays shut for some seconds of real time; then the next attempt goes through.
async fn until_released(house: &TestHouse, project: &str, filename: &str) {
    for _ in 0..80 {
        house.pass(MINUTE).await;
        house.release_due(project).await;
        if house.upload(project, filename).await["state"] == "released" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{filename} was not released although the index answers again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_a_young_released_file_that_vanishes_upstream_is_suspended() {
    let house = TestHouse::start().await;
    let young = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(5)).wheel();
    let old = house.pypi.publish("quaymaster", "0.9").at(house.days_ago(90)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &young).await.status, 200);
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);

    house.pypi.remove(&young.filename);
    house.pypi.remove(&old.filename);
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(
        house.get_file("quaymaster", &young).await.status,
        403,
        "most malicious releases are removed when young"
    );
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200, "a finding only");
    let kinds: Vec<String> = house.events().await.iter().map(|event| event["kind"].to_string()).collect();
    assert!(kinds.contains(&"\"suspended\"".to_owned()), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_11_age_counts_from_the_last_read_without_the_file() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    // An upstream that says what it likes: old, and from the future.
    let backdated = house.pypi.publish("quaymaster", "2.0").at(house.days_ago(20)).wheel();
    let postdated = house.pypi.publish("quaymaster", "3.0").at(house.clock.true_time() + DAY * 5).wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    for file in [&backdated, &postdated] {
        assert_eq!(house.get_file("quaymaster", file).await.status, 403);
        let until = house.upload("quaymaster", &file.filename).await["hold_until"].to_string();
        assert!(until.starts_with("\"2026-11-25T12:0"), "{until}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_11_a_clock_stepped_by_a_week_releases_nothing() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    house.clock.step_wall(DAY * 7);
    house.house.run_due_jobs().await;
    house.release_due("quaymaster").await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
    let ready = house.get("/readyz").await;
    assert!(ready.text().contains("clock"), "readyz says so: {} {}", ready.status, ready.text());
    // Nor does a restart make the stepped clock a right one: the upstream's Date speaks against it.
    let house = house.restart().await;
    house.page("quaymaster").await;
    house.release_due("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_12_baseline_says_what_files_without_a_date_mean() {
    for (baseline, status) in [(lazaret::config::Baseline::Hold, 403), (lazaret::config::Baseline::Trust, 200)] {
        let furnish = TestHouse::furnish().index(Manner::HtmlOnly);
        let house = furnish.config(move |config| config.pypi.baseline = baseline).start().await;
        let wheel = house.pypi.publish("quaymaster", "1.0").undated().wheel();
        house.page("quaymaster").await;
        let other = house.pypi.publish("mooring-line", "1.0").undated().wheel();
        house.page("mooring-line").await;
        assert_eq!(house.get_file("quaymaster", &wheel).await.status, status, "{baseline:?}");
        // What was trusted once is not taken back because the policy is read again.
        house.set_policy("[hold]\ndefault = \"96h\"\n");
        assert_eq!(house.get_file("quaymaster", &wheel).await.status, status, "{baseline:?}");
        assert_eq!(house.get_file("mooring-line", &other).await.status, status, "{baseline:?}");

        // What appears later is new, whatever the baseline says.
        let later = house.pypi.publish("quaymaster", "2.0").undated().wheel();
        house.pages_expire().await;
        house.page("quaymaster").await;
        assert_eq!(house.get_file("quaymaster", &later).await.status, 403, "{baseline:?}");
        let events = house.events().await;
        let baselines = events.iter().filter(|event| event["kind"] == "baseline").count();
        assert_eq!(baselines, 2, "one event for a page, not one for a file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_12_a_file_dated_older_than_the_hold_is_released_by_age() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.hours_ago(73)).wheel();
    let young = house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(71)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);
    assert_eq!(house.get_file("quaymaster", &young).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_an_approval_covers_what_it_names_and_no_more() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "2.0").wheel();
    let other = Wheel::new("quaymaster", "2.0").tagged("py2.py3-none-any").build();
    house.pypi.publish("quaymaster", "2.0").file(other.clone());
    let next = house.pypi.publish("quaymaster", "3.0").wheel();
    house.page("quaymaster").await;

    house.approve(&wheel.filename).await;
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200, "files change at once");
    assert_eq!(house.get_file("quaymaster", &other).await.status, 403);
    house.approve("pypi:quaymaster==2.0").await;
    assert_eq!(house.get_file("quaymaster", &other).await.status, 200);
    assert_eq!(house.get_file("quaymaster", &next).await.status, 403);

    // The version's digests known then; what comes later is another matter.
    let late = Wheel::new("quaymaster", "2.0").tagged("cp311-none-any").build();
    house.pypi.publish("quaymaster", "2.0").file(late.clone());
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &late).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_waiver_for_a_project_must_end_and_then_young_files_are_held_again() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    let path = "/uploads/pypi%3Aquaymaster%3D%3D2.0/approve";
    let endless = json!({"reason": "we need it", "scope": "project"});
    let answer = house.api(Method::POST, path, Some(endless)).await;
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert!(answer.text().contains("expire"), "{}", answer.text());

    let ends = crate::common::index_pages::rfc3339(house.clock.true_time() + DAY);
    let waiver = json!({"reason": "we need it", "scope": "project", "expires": ends});
    let answer = house.api(Method::POST, path, Some(waiver)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);

    let next = house.pypi.publish("quaymaster", "2.1").wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &next).await.status, 200, "the waiver covers what comes");

    house.pass(DAY + HOUR).await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 403, "a day old, the waiver is over");
    assert_eq!(house.get_file("quaymaster", &next).await.status, 403);
    let ended = house.events().await.iter().filter(|event| event["kind"] == "waiver-ended").count();
    assert_eq!(ended, 1, "it is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_approving_a_file_without_a_digest_fetches_it_first() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "2.0").without_digest().wheel();
    house.page("quaymaster").await;
    house.approve("pypi:quaymaster==2.0").await;
    assert_eq!(house.upload("quaymaster", &wheel.filename).await["sha256"], wheel.sha256().to_string().as_str());
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
}
