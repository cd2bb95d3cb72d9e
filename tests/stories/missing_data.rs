//! Rules 19 to 21: what is missing, what was lost, and what a policy that only observes still refuses.

use http::Method;

use crate::common::test_house::{JSON, TestHouse};
use crate::common::{FakePypi, Manner, Wheel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_what_an_upstream_never_offered_does_not_hold() {
    // No metadata, no provenance, no validators, no status: protocols/python.md, section 10.
    let house = TestHouse::furnish().index(Manner::Poor).start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_a_file_without_a_sha256_is_listed_once_its_bytes_were_hashed() {
    let house = TestHouse::start().await;
    let old = house.days_ago(30);
    // An MD5 protects nobody: it is no name for bytes.
    let weak = house.pypi.publish("quaymaster", "1.0").at(old).digest_only("md5", &"0".repeat(32)).wheel();
    let nothing = house.pypi.publish("mooring-line", "1.0").at(old).without_digest().wheel();
    // The newest are fetched while the client waits: a private index without digests serves at once.
    for (project, file) in [("quaymaster", &weak), ("mooring-line", &nothing)] {
        house.until_listed(project, 1).await;
        let page = house.page_json(project).await;
        assert_eq!(page["files"][0]["hashes"]["sha256"], file.sha256().to_string().as_str(), "{page:#}");
        assert_eq!(house.get_file(project, file).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_20_an_empty_store_where_decisions_existed_refuses_to_start() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    assert_eq!(house.decide("reject", &held.filename).await.status, 200);
    let data = house.data_dir();
    let upstream = house.pypi.simple();
    house.house.stop().await;

    // Somebody restores only part of the folder: the facts are gone, the marker says that there were some.
    let store = data.join("store");
    std::fs::remove_dir_all(&store).expect("the store is a folder");
    let mut config = lazaret::config::Config::default();
    let any_port = "127.0.0.1:0".parse().expect("an address");
    config.listen.packages = any_port;
    config.listen.teapot = any_port;
    config.listen.admin = any_port;
    config.store.data_dir = data;
    config.pypi.upstream = Some(upstream);
    let refused = async || {
        let refused = lazaret::house::House::start(config.clone(), house.clock.clone()).await;
        let error = format!("{:#}", refused.expect_err("rejected files would be served"));
        crate::common::normal::text(&error, &[(&house.folder.path().display().to_string(), "[folder]")])
    };
    insta::assert_snapshot!(refused().await, @"[folder]/data/instance.json says that this data folder has a store with 4 events, but [folder]/data/store is not there; none was made in its place. Put it back, or `lazaret import` a backup; only if everything was meant to be forgotten, remove [folder]/data/instance.json");
    assert!(!store.exists(), "an empty store would look like one that was put back");

    // And an empty one in its place.
    std::fs::create_dir(&store).expect("a folder");
    insta::assert_snapshot!(refused().await, @"[folder]/data/instance.json says that this data folder belongs to the store UUID, which had 4 events; the store here is UUID with 0. Rejected files would be served again. Put the right store back, or `lazaret import` a backup; only if everything was meant to be forgotten, remove [folder]/data/instance.json");
}

const OBSERVE: &str = "mode = \"observe\"\n[namespaces]\npypi = [\"acme-*\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_21_observing_serves_what_would_be_held_and_records_it() {
    let house = TestHouse::furnish().policy(OBSERVE).start().await;
    let young = house.pypi.publish("quaymaster", "2.0").wheel();
    assert_eq!(house.page("quaymaster").await, ["quaymaster-2.0-py3-none-any.whl"]);
    assert_eq!(house.get_file("quaymaster", &young).await.status, 200);
    assert_eq!(house.upload("quaymaster", &young.filename).await["verdict"], "hold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_21_observing_still_refuses_internal_names() {
    let house = TestHouse::furnish().policy(OBSERVE).start().await;
    let squat = house.pypi.publish("acme-billing", "99.0").at(house.days_ago(300)).wheel();
    let answer = house.send(Method::GET, "/pypi/simple/acme-billing/", &[JSON]).await;
    assert_eq!((answer.status, answer.json()["files"].as_array().map(Vec::len)), (200, Some(0)));
    assert_eq!(house.get_file("acme-billing", &squat).await.status, 403);
    assert!(house.pypi.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_21_observing_still_refuses_broken_integrity() {
    let house = TestHouse::furnish().policy(OBSERVE).start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    let forged = Wheel::new("quaymaster", "1.0").file("quaymaster_backdoor.py", "import os\n").build();
    house.pypi.serve_other_bytes(&wheel.filename, &forged.bytes);
    for _ in 0..2 {
        let answer = house.get_file("quaymaster", &wheel).await;
        assert!(answer.status != 200 || answer.cut, "{}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_21_observing_still_refuses_a_public_project_with_a_private_ones_name() {
    let clock = crate::common::HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).policy(OBSERVE).private("corp", &corp).start().await;
    let squat = house.pypi.publish("dockyard", "99.0").at(house.days_ago(300)).wheel();
    corp.publish("dockyard", "1.0").wheel();
    house.page("dockyard").await;
    assert_ne!(house.get_file("dockyard", &squat).await.status, 200);
    assert!(house.pypi.asked_for("dockyard").is_empty());
}
