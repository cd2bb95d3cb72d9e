//! Whose release is it? Takeovers of an account are each held for a person, with both sides shown; and what an index never
//! offered holds nothing.

use serde_json::{Value, json};

use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::test_house::TestHouse;
use crate::common::{Fault, Manner};

const ADA: &str = "Author-email: Ada <ada@figlief.example>";
const OURS: &str = "Project-URL: Source, https://github.com/figlief/quaymaster";

/// A house in front of a rich index with a project that was read a month after its first release, and what is known of it.
async fn house_with_history() -> TestHouse {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    for (version, days) in [("1.0", 200), ("1.1", 120), ("1.2", 60)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).says(ADA).says(OURS).wheel();
    }
    house.pypi.set_roles("quaymaster", &["Owner ada"]);
    house.page("quaymaster").await;
    house.pass(MINUTE * 2).await;
    house
}

/// The house looks at what is new, and at what the records say of it.
async fn looked_at(house: &TestHouse) {
    house.pages_expire().await;
    house.page("quaymaster").await;
    house.house.run_due_jobs().await;
}

fn finding<'a>(upload: &'a Value, signal: &str) -> &'a Value {
    let findings = upload["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["signal"] == signal).unwrap_or_else(|| panic!("no {signal} in {upload:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_release_by_the_same_people_is_only_held() {
    let house = house_with_history().await;
    let held = house.pypi.publish("quaymaster", "1.3").says(ADA).says(OURS).wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "hold", "{upload:#}");
    assert_eq!(upload["score"], 0.0, "{upload:#}");
    house.pass(DAY * 3 + HOUR).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_owner_is_held_for_a_person_with_both_sides_shown() {
    let house = house_with_history().await;
    house.pypi.set_roles("quaymaster", &["Owner eve"]);
    let held = house.pypi.publish("quaymaster", "1.3").says(ADA).says(OURS).wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "review", "{upload:#}");
    let changed = finding(&upload, "owner-changed");
    assert_eq!(changed["summary"], "eve owns the project now, and ada does not any more.");
    assert_eq!(changed["evidence"]["before"], json!([{"role": "Owner", "user": "ada"}]));
    assert_eq!(changed["evidence"]["now"], json!([{"role": "Owner", "user": "eve"}]));
    house.pass(DAY * 30).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403, "time does not release it");
    house.approve("pypi:quaymaster==1.3").await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_domain_behind_every_address_is_held_for_a_person() {
    let house = house_with_history().await;
    let bought = "Author-email: Ada <ada@mail.example>";
    let held = house.pypi.publish("quaymaster", "1.3").says(bought).says(OURS).wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "review", "{upload:#}");
    let changed = finding(&upload, "contact-changed");
    assert_eq!(changed["summary"], "Its addresses are at mail.example now, and were at figlief.example.");
    assert_eq!(changed["evidence"]["before"]["addresses"], json!(["ada@figlief.example"]));
    assert_eq!(changed["evidence"]["now"]["addresses"], json!(["ada@mail.example"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_of_somebody_else_is_held_for_a_person() {
    let house = house_with_history().await;
    let moved = "Project-URL: Source, https://github.com/eve/quaymaster";
    let held = house.pypi.publish("quaymaster", "1.3").says(ADA).says(moved).wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "review", "{upload:#}");
    let changed = finding(&upload, "repository-changed");
    assert_eq!(changed["evidence"]["before"]["repository"], "github.com/figlief/quaymaster");
    assert_eq!(changed["evidence"]["now"]["repository"], "github.com/eve/quaymaster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attestation_that_was_always_there_and_is_not_is_held_for_a_person() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let address = house.pypi.lay("/integrity/quaymaster", "{}");
    for (version, days) in [("1.0", 200), ("1.1", 120), ("1.2", 60)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).attested(&address).wheel();
    }
    house.page("quaymaster").await;
    let held = house.pypi.publish("quaymaster", "1.3").wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    // The page alone says so: nobody waits for the records.
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "review", "{upload:#}");
    let lost = finding(&upload, "provenance");
    assert_eq!(lost["summary"], "It has no attestation, and the 3 releases before it have one.");
    assert_eq!(lost["evidence"]["before"].as_array().map(Vec::len), Some(3));
    assert_eq!(lost["evidence"]["this"]["attested"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_person_is_no_measure_for_what_comes_after_it() {
    let house = house_with_history().await;
    let bought = "Author-email: Ada <ada@mail.example>";
    let moved = "Project-URL: Source, https://github.com/eve/quaymaster";
    // The second try looks just like the first, and would look harmless beside it.
    for version in ["1.3", "1.4"] {
        let held = house.pypi.publish("quaymaster", version).says(bought).says(moved).wheel();
        looked_at(&house).await;
        looked_at(&house).await;
        let upload = house.upload("quaymaster", &held.filename).await;
        assert_eq!(upload["verdict"], "review", "{version}: {upload:#}");
        assert_eq!(finding(&upload, "contact-changed")["evidence"]["before"]["version"], "1.2", "{upload:#}");
        house.pass(DAY).await;
    }
    house.approve("pypi:quaymaster==1.3").await;
    looked_at(&house).await;
    let upload = house.upload("quaymaster", "quaymaster-1.4-py3-none-any.whl").await;
    assert_eq!(upload["verdict"], "hold", "whom a person has let in is who makes it now: {upload:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attestation_that_is_lost_twice_is_lost_all_the_same() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let address = house.pypi.lay("/integrity/quaymaster", "{}");
    for (version, days) in [("1.0", 200), ("1.1", 120), ("1.2", 60)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).attested(&address).wheel();
    }
    house.page("quaymaster").await;
    for version in ["1.3", "1.4"] {
        let held = house.pypi.publish("quaymaster", version).wheel();
        looked_at(&house).await;
        looked_at(&house).await;
        let upload = house.upload("quaymaster", &held.filename).await;
        assert_eq!(upload["verdict"], "review", "{version}: {upload:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_change_of_accounts_does_not_hide_a_large_one_before_it() {
    let house = house_with_history().await;
    house.pypi.set_roles("quaymaster", &["Owner eve"]);
    let held = house.pypi.publish("quaymaster", "1.3").says(ADA).says(OURS).wheel();
    looked_at(&house).await;
    house.pass(DAY).await;
    house.pypi.set_roles("quaymaster", &["Owner eve", "Maintainer rob"]);
    let second = house.pypi.publish("quaymaster", "1.4").says(ADA).says(OURS).wheel();
    looked_at(&house).await;
    looked_at(&house).await;
    for file in [held, second] {
        let upload = house.upload("quaymaster", &file.filename).await;
        assert_eq!(upload["verdict"], "review", "{upload:#}");
        let changed = finding(&upload, "owner-changed");
        assert_eq!(changed["summary"], "eve owns the project now, and ada does not any more.");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_attestation_is_verified_and_one_of_other_bytes_is_not_believed() {
    const DIGEST: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";
    let genuine = include_bytes!("../../testdata/attestations/pypi_attestations-0.0.19.tar.gz.provenance");
    for (digest, contradicted) in [(DIGEST.to_owned(), false), (DIGEST.replace('9', "8"), true)] {
        let house = TestHouse::furnish().index(Manner::Rich).start().await;
        let address = house.pypi.lay("/integrity/pypi-attestations", &genuine[..]);
        house.pypi.publish("pypi-attestations", "0.0.18").at(house.days_ago(90)).sdist();
        let release = house.pypi.publish("pypi-attestations", "0.0.19").attested(&address);
        let held = release.digest_only("sha256", &digest).sdist();
        house.page("pypi-attestations").await;
        house.house.run_due_jobs().await;
        let upload = house.upload("pypi-attestations", &held.filename).await;
        assert_eq!(upload["verdict"], if contradicted { "review" } else { "hold" }, "{upload:#}");
        if contradicted {
            let doubt = finding(&upload, "provenance")["summary"].to_string();
            assert!(doubt.contains("does not prove who built it"), "{doubt}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_never_offered_attestations_documents_or_metadata_holds_nothing_for_it() {
    let house = TestHouse::start().await;
    for (version, days) in [("1.0", 200), ("1.1", 120), ("1.2", 60)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).wheel();
    }
    let held = house.pypi.publish("quaymaster", "1.3").wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(
        (&upload["verdict"], &upload["hold_until"]),
        (&json!("hold"), &json!("2026-11-25T12:00:00Z")),
        "{upload:#}"
    );
    house.pass(DAY * 3 + HOUR).await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_what_was_offered_and_fails_is_said_and_held_longer_until_it_is_there_again() {
    let house = house_with_history().await;
    house.pypi.fault("/pypi/", Fault::Status(503));
    let held = house.pypi.publish("quaymaster", "1.3").says(ADA).says(OURS).wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(finding(&upload, "owner-changed")["evidence"]["unavailable"], true, "{upload:#}");
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-29"), "the longer hold: {upload:#}");

    house.pypi.heal();
    for _ in 0..20 {
        house.pass(MINUTE * 11).await;
        looked_at(&house).await;
        if house.upload("quaymaster", &held.filename).await["hold_until"].to_string().starts_with("\"2026-11-25") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    panic!("{:#}", house.upload("quaymaster", &held.filename).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_owners_new_dependency_is_seen_for_what_it_is() {
    let house = house_with_history().await;
    house.pypi.publish("flatbarge", "0.1").at(house.days_ago(4)).wheel();
    house.pypi.set_roles("flatbarge", &["Owner right9"]);
    house.pypi.set_roles("quaymaster", &["Owner ada", "Owner right9"]);
    let release = house.pypi.publish("quaymaster", "1.3").says(ADA).says(OURS);
    let held = release.requires("flatbarge>=0.1").wheel();
    looked_at(&house).await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "review", "{upload:#}");
    let new = finding(&upload, "new-dependency");
    assert_eq!(new["summary"], "It requires flatbarge for the first time, which right9 has made too.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projects_of_one_owner_on_one_day_find_each_other() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let names = ["quaymaster", "quaylamp", "quaycrane", "quaypilot"];
    for name in names {
        house.pypi.publish(name, "1.0").at(house.days_ago(300)).wheel();
        house.pypi.publish(name, "1.1").wheel();
        house.pypi.set_roles(name, &["Owner ada"]);
        house.page(name).await;
    }
    for _ in 0..4 {
        house.house.run_due_jobs().await;
    }
    for name in names {
        let upload = house.upload(name, &format!("{name}-1.1-py3-none-any.whl")).await;
        let together = finding(&upload, "released-together");
        assert_eq!(together["evidence"]["together"].as_array().map(Vec::len), Some(3), "{together:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_with_something_added_counts_when_it_claims_the_repository_of_the_original_too() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let theirs = "Home-page: https://github.com/psf/requests";
    house.pypi.publish("requests", "2.0").at(house.days_ago(900)).says(theirs).wheel();
    let honest =
        house.pypi.publish("requests-lantern", "0.1").says("Home-page: https://github.com/ada/lantern").wheel();
    let claims = house.pypi.publish("requests-toolship", "0.1").says(theirs).wheel();
    for name in ["requests-lantern", "requests-toolship"] {
        house.page(name).await;
        house.house.run_due_jobs().await;
    }
    let upload = house.upload("requests-lantern", &honest.filename).await;
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-25"), "what plugins are called: {upload:#}");
    let upload = house.upload("requests-toolship", &claims.filename).await;
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-29"), "the longer hold: {upload:#}");
    let copied = finding(&upload, "copied-identity");
    assert_eq!(copied["summary"], "It claims the repository of requests, whose name it resembles.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_asks_for_any_more_is_left_alone() {
    let house = house_with_history().await;
    house.pypi.publish("quaymaster", "1.3").says(ADA).says(OURS).wheel();
    looked_at(&house).await;
    for _ in 0..24 {
        house.pass(HOUR * 12).await;
    }
    let before = house.pypi.asked().len();
    for _ in 0..10 {
        house.pass(HOUR * 12).await;
    }
    assert_eq!(house.pypi.asked().len(), before, "{:?}", house.pypi.asked().last());
}
