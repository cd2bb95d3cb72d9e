//! Rules 14 to 18: whose name is it, and which index is asked.

use http::Method;

use crate::common::clock::{DAY, HandClock};
use crate::common::test_house::{JSON, TestHouse};
use crate::common::{FakePypi, Fault, Manner, Wheel};

const INTERNAL: &str = "[namespaces]\npypi = [\"acme-*\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_14_an_internal_name_answers_200_without_files_and_nobody_is_asked() {
    let house = TestHouse::furnish().policy(INTERNAL).start().await;
    let squat = house.pypi.publish("acme-billing", "99.0").at(house.days_ago(300)).wheel();
    for path in ["/pypi/simple/acme-billing/", "/pypi/simple/acme-never-heard-of/"] {
        let answer = house.send(Method::GET, path, &[JSON]).await;
        assert_eq!(answer.status, 200, "uv moves on to the next index at 404");
        assert_eq!(answer.json()["files"], serde_json::json!([]));
        let html = house.send(Method::GET, path, &[("accept", "text/html")]).await;
        assert_eq!((html.status, html.text().contains("<a ")), (200, false));
    }
    let answer = house.get_file("acme-billing", &squat).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    house.get("/pypi/pypi/acme-billing/json").await;
    house.get("/pypi/pypi/acme-billing/99.0/json").await;
    assert!(house.pypi.asked().is_empty(), "{:?}", house.pypi.asked_for("/"));

    // `acme-*` does not match `acme`.
    house.send(Method::GET, "/pypi/simple/acme/", &[JSON]).await;
    assert_eq!(house.pypi.asked_for("/simple/acme/").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_14_a_project_wholly_held_answers_200() {
    for held_files in ["yank", "hide"] {
        let policy = format!("held_files = \"{held_files}\"\n");
        let house = TestHouse::furnish().policy(&policy).start().await;
        house.pypi.publish("quaymaster", "1.0").wheel();
        let answer = house.send(Method::GET, "/pypi/simple/quaymaster/", &[JSON]).await;
        assert_eq!(answer.status, 200, "{held_files}");
        let files = answer.json()["files"].as_array().map_or(0, Vec::len);
        assert_eq!(files, usize::from(held_files == "yank"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_a_private_name_is_taken_from_the_private_index_at_once() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    let ours = corp.publish("dockyard", "1.0").wheel();
    house.pypi.publish("dockyard", "99.0").at(house.days_ago(300)).wheel();
    assert_eq!(house.page("dockyard").await, ["dockyard-1.0-py3-none-any.whl"]);
    assert_eq!(house.get_file("dockyard", &ours).await.status, 200, "private files are exempt from age");
    assert!(house.pypi.asked_for("dockyard").is_empty(), "a public index never hears of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_only_a_clean_404_from_every_private_index_lets_a_name_go_public() {
    let faults = [Fault::Status(401), Fault::Status(403), Fault::Status(500), Fault::Status(503), Fault::HangUp];
    for fault in faults {
        let clock = HandClock::new();
        let corp = FakePypi::start(&clock, Manner::Poor).await;
        let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
        house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        corp.fault("/", fault.clone());
        let answer = house.send(Method::GET, "/pypi/simple/quaymaster/", &[JSON]).await;
        assert_eq!(answer.status, 503, "{fault:?}: {}", answer.text());
        assert!(answer.text().contains("corp"), "the answer names the index that is down: {}", answer.text());
        assert!(house.pypi.asked().is_empty(), "{fault:?}: {:?}", house.pypi.asked_for("/"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_a_clean_miss_goes_public() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    assert_eq!(house.page("quaymaster").await.len(), 1);
    assert_eq!(corp.asked_for("quaymaster"), ["GET /simple/quaymaster/"]);
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(corp.asked_for("quaymaster").len(), 1, "the miss is remembered for ten minutes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_a_name_once_seen_private_stays_private() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    corp.publish("dockyard", "1.0").wheel();
    house.pypi.publish("dockyard", "99.0").at(house.days_ago(300)).wheel();
    house.page("dockyard").await;
    corp.remove_project("dockyard");
    house.pass(DAY).await;
    let answer = house.send(Method::GET, "/pypi/simple/dockyard/", &[JSON]).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("99.0"), "{}", answer.text());
    let house = house.restart().await;
    house.send(Method::GET, "/pypi/simple/dockyard/", &[JSON]).await;
    assert!(house.pypi.asked_for("dockyard").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_16_a_file_that_is_not_the_projects_is_hidden() {
    let house = TestHouse::start().await;
    let old = house.days_ago(30);
    house.pypi.publish("quaymaster", "1.0").at(old).wheel();
    house.pypi.publish("quaymaster", "1.0").at(old).file(Wheel::new("other-name", "1.0").build());
    house.pypi.publish("quaymaster", "1.0").at(old).named("quaymaster-not.a.version-py3-none-any.whl").wheel();
    house.pypi.publish("quaymaster", "1.0").at(old).named("../../etc/passwd").wheel();
    assert_eq!(house.page("quaymaster").await, ["quaymaster-1.0-py3-none-any.whl"]);
    let why = house.api(Method::GET, "/why?target=pypi:quaymaster", None).await.text();
    assert!(why.contains("not.a.version"), "hidden is a finding, not a secret: {why}");
    assert!(why.contains("they are hidden"), "the signal foreign-files saw them: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_16_html_and_json_say_the_same() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    for (version, days) in [("1.0", 30), ("1.1", 20), ("2.0", 0)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).wheel();
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).sdist();
    }
    house.pypi.publish("quaymaster", "1.2").at(house.days_ago(9)).yanked("wrong\"build").wheel();
    let json = house.page_json("quaymaster").await;
    let html = house.send(Method::GET, "/pypi/simple/quaymaster/", &[("accept", "text/html")]).await.text();
    let files = json["files"].as_array().expect("files");
    assert_eq!(files.len(), html.matches("<a ").count(), "{html}");
    for file in files {
        let url = file["url"].as_str().expect("a url");
        assert!(html.contains(url), "{url} is not in the HTML page");
        assert!(url.starts_with("../../files/"), "links are relative: {url}");
    }
    assert_eq!(html.matches("data-yanked").count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_16_another_spelling_is_redirected_to_the_normalised_name() {
    let house = TestHouse::start().await;
    house.pypi.publish("quay-master", "1.0").at(house.days_ago(30)).wheel();
    for spelling in ["Quay_Master", "quay.master", "QUAY--MASTER", "quay-master?x=1&y="] {
        let path = format!("/pypi/simple/{spelling}");
        let answer = house.send(Method::GET, &path, &[JSON]).await;
        assert!(matches!(answer.status, 301 | 308), "{spelling}: {}", answer.status);
        let asked = url::Url::parse(&format!("{}{path}", house.packages())).expect("a URL");
        let led = asked.join(answer.header("location")).expect("a URL");
        assert_eq!(led.path(), "/pypi/simple/quay-master/", "{spelling}");
    }
    assert!(house.pypi.asked().is_empty(), "a spelling is settled at the door");
    assert_eq!(house.send(Method::GET, "/pypi/simple/quay%2Fmaster/", &[JSON]).await.status / 100, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_17_tracks_are_not_served_on() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.pypi.set_tracks("quaymaster", "https://tracked.example.test/simple/quaymaster/");
    let json = house.page_json("quaymaster").await.to_string();
    let html = house.send(Method::GET, "/pypi/simple/quaymaster/", &[("accept", "text/html")]).await.text();
    for page in [json, html] {
        assert!(!page.contains("tracked.example.test") && !page.contains("alternate-locations"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_17_an_upstream_that_is_ourselves_is_noticed() {
    let house = TestHouse::start().await;
    // The index redirects to us: a loop that would ask itself for ever.
    house.pypi.fault("/simple/quaymaster/", Fault::Redirect(format!("{}quaymaster/", house.index_url())));
    let answer = house.send(Method::GET, "/pypi/simple/quaymaster/", &[JSON]).await;
    assert!(matches!(answer.status, 500..=599), "{} {}", answer.status, answer.text());
    assert!(house.pypi.asked().len() < 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_18_one_digest_for_one_file_name_for_ever() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);

    let mut forged = Wheel::new("quaymaster", "1.0").file("quaymaster_backdoor.py", "import os\n").build();
    house.pypi.upload_again(&wheel.filename, &forged.bytes);
    house.pages_expire().await;
    house.page("quaymaster").await;
    forged.filename.clone_from(&wheel.filename);
    let answer = house.get_file("quaymaster", &forged).await;
    assert!(matches!(answer.status, 403 | 404), "{}", answer.status);
    let alarm = house.events().await.into_iter().any(|event| event["kind"] == "alarm");
    assert!(alarm, "somebody should look at this now");
    let page = house.page_json("quaymaster").await.to_string();
    assert!(!page.contains(&forged.sha256().to_string()), "the new digest is not offered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_18_bytes_that_differ_from_the_promise_are_never_served() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    let longer = Wheel::new("quaymaster", "1.0").file("quaymaster_backdoor.py", "import os\n").build().bytes;
    let shorter = wheel.bytes.slice(1..);
    let mut flipped = wheel.bytes.to_vec();
    flipped[40] ^= 1;
    for forged in [longer, shorter, flipped.into()] {
        house.pypi.serve_other_bytes(&wheel.filename, &forged);
        let answer = house.get_file("quaymaster", &wheel).await;
        assert!(answer.status != 200 || answer.cut, "{}", answer.status);
    }
    let alarm = house.events().await.into_iter().any(|event| event["kind"] == "alarm");
    assert!(alarm);
}
