//! The promises of the house, as far as they are not a rule's own story.

use http::Method;
use serde_json::{Value, json};

use crate::common::clock::{DAY, HOUR, HandClock};
use crate::common::program::Program;
use crate::common::test_house::{JSON, TestHouse};
use crate::common::{FakePypi, Fault, Manner, Wheel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_01_what_was_not_released_is_not_served_in_any_way() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    let path = TestHouse::file_path("quaymaster", &held);
    // A lock file's URL, before any page was read.
    assert_eq!(house.get(&path).await.status, 403);
    refused_in_every_way(&house, &path).await;

    let house = house.restart().await;
    refused_in_every_way(&house, &path).await;

    house.approve(&held.filename).await;
    assert_eq!(house.get(&path).await.status, 200);
    assert_eq!(house.decide("recall", &held.filename).await.status, 200);
    refused_in_every_way(&house, &path).await;
    house.set_policy("[hold]\ndefault = \"0s\"\n");
    refused_in_every_way(&house, &path).await;
    assert!(house.page("quaymaster").await.is_empty(), "what was recalled is not even shown as yanked");
}

type Way<'a> = (Method, &'a str, &'a [(&'a str, &'a str)]);

async fn refused_in_every_way(house: &TestHouse, path: &str) {
    let metadata = format!("{path}.metadata");
    let doubled = path.replace("/files/", "/files//");
    let shouted = path.replace("quaymaster/", "QuayMaster/");
    let ways: [Way<'_>; 9] = [
        (Method::GET, path, &[]),
        (Method::HEAD, path, &[]),
        (Method::GET, path, &[("range", "bytes=0-0")]),
        (Method::GET, path, &[("range", "bytes=-100")]),
        (Method::GET, path, &[("range", "bytes=0-"), ("if-range", "\"x\"")]),
        (Method::GET, path, &[("if-none-match", "*")]),
        (Method::GET, &metadata, &[]),
        (Method::GET, &doubled, &[]),
        (Method::GET, &shouted, &[]),
    ];
    for (method, path, headers) in ways {
        let answer = house.send(method.clone(), path, headers).await;
        assert!((300..500).contains(&answer.status), "{method} {path} {headers:?}: {}", answer.status);
        assert_ne!(answer.status, 304, "{method} {path} {headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_02_what_is_served_has_the_digest_that_was_examined() {
    let house = TestHouse::start().await;
    let release = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30));
    let files = [release.file(Wheel::new("quaymaster", "1.0").padded(200_000).build()), release.sdist()];
    house.page("quaymaster").await;
    for file in &files {
        for _ in 0..2 {
            let answer = house.get_file("quaymaster", file).await;
            assert_eq!((answer.status, &answer.body), (200, &file.bytes));
        }
        let known = house.api(Method::GET, &format!("/artifacts/{}", file.sha256()), None).await;
        assert_eq!(known.status, 200, "{}", known.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_03_an_acknowledged_decision_survives_kill_9() {
    let clock = HandClock::of_this_machine();
    let pypi = FakePypi::start(&clock, Manner::Poor).await;
    let approved = pypi.publish("quaymaster", "2.0").wheel();
    let rejected = pypi.publish("quaymaster", "3.0").wheel();
    let program = Program::before(&pypi).await;
    program.get("/pypi/simple/quaymaster/").await;
    program.decide("approve", &approved.filename).await;
    program.decide("reject", &rejected.filename).await;

    let program = program.killed_and_started_again().await;
    assert_eq!(program.get(&TestHouse::file_path("quaymaster", &approved)).await.status, 200);
    let refusal = program.get(&TestHouse::file_path("quaymaster", &rejected)).await;
    assert_eq!((refusal.status, refusal.json()["state"].as_str()), (403, Some("rejected")));
    let verified = program.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_04_every_change_of_state_has_one_event_and_the_chain_verifies() {
    let house = TestHouse::start().await;
    let first = house.pypi.publish("quaymaster", "2.0").wheel();
    let second = house.pypi.publish("quaymaster", "3.0").wheel();
    house.page("quaymaster").await;
    house.approve(&first.filename).await;
    assert_eq!(house.decide("recall", &first.filename).await.status, 200);
    assert_eq!(house.decide("reject", &second.filename).await.status, 200);
    assert_eq!(house.decide("reject", &second.filename).await.status, 409, "someone was first");
    let third = house.pypi.publish("quaymaster", "4.0").wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    house.pass(DAY * 4).await;
    assert_eq!(house.get_file("quaymaster", &third).await.status, 200);

    let moves: Vec<String> = house
        .events()
        .await
        .iter()
        .filter(|event| matches!(event["kind"].as_str(), Some("held" | "released" | "rejected" | "recalled")))
        .map(|event| {
            format!("{} {}", event["kind"].as_str().unwrap_or_default(), event["summary"].as_str().unwrap_or_default())
        })
        .collect();
    insta::assert_snapshot!(moves.join("\n"), @r"
    released approve in a test
    recalled recall in a test
    rejected reject in a test
    held new upload, held until 2026-11-25 12:00 UTC
    released the hold ended; read again at 2026-11-26 12:02 UTC
    ");
    let verified = house.api(Method::GET, "/audit/verify", None).await.json();
    assert_eq!(verified["ok"], true, "{verified}");
    let house = house.restart().await;
    let again = house.api(Method::GET, "/audit/verify", None).await.json();
    assert_eq!(again["ok"], true, "{again}");
    assert!(again["events"].as_u64() >= verified["events"].as_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_05_with_the_upstream_down_the_last_good_page_and_files_are_served() {
    for fault in [Fault::HangUp, Fault::Status(500), Fault::Status(403), Fault::Garbage, Fault::CutAfter(10)] {
        let house = TestHouse::start().await;
        let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        let page = house.page("quaymaster").await;
        assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
        house.pypi.fault("/", fault.clone());
        for _ in 0..3 {
            house.pass(HOUR).await;
            assert_eq!(house.page("quaymaster").await, page, "{fault:?}");
            let answer = house.get_file("quaymaster", &wheel).await;
            assert_eq!((answer.status, &answer.body), (200, &wheel.bytes), "{fault:?}");
        }
        let house = house.restart().await;
        assert_eq!(house.page("quaymaster").await, page, "{fault:?} after a restart");
        assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_05_a_silent_upstream_does_not_make_clients_give_up() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let page = house.page("quaymaster").await;
    house.pypi.fault("/", Fault::Silence);
    house.clock.advance(HOUR);
    let patience = std::time::Duration::from_secs(15);
    let answer = tokio::time::timeout(patience, house.page("quaymaster")).await;
    assert_eq!(answer.expect("pip gives up after 15 s without a byte"), page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_06_hostile_archives_are_refused() {
    let house = TestHouse::start().await;
    let bomb = Wheel::new("quaymaster", "1.0").file("quaymaster_zeros.bin", vec![0; 100 << 20]).build();
    assert!(bomb.bytes.len() < 1 << 20, "a hundred to one");
    let climber = Wheel::new("quaymaster", "1.1").file("../../../etc/cron.d/evil", "* * * * * root evil\n").build();
    for (version, file) in [("1.0", &bomb), ("1.1", &climber)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(30)).file(file.clone());
    }
    house.page("quaymaster").await;
    for file in [&bomb, &climber] {
        let first = house.get_file("quaymaster", file).await;
        assert!(first.status != 200 || first.cut, "{} was served", file.filename);
        let again = house.get_file("quaymaster", file).await;
        assert_eq!(again.status, 403, "{}: {}", file.filename, again.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_07_internal_names_never_leave_the_building() {
    let policy = "[namespaces]\npypi = [\"acme-*\"]\n";
    let house = TestHouse::furnish().policy(policy).index(Manner::Rich).start().await;
    // A young public release that requires a name of ours: its dependencies are looked at before it may leave.
    let wheel = house.pypi.publish("quaymaster", "2.0").requires("acme-billing==1.0").wheel();
    house.page("quaymaster").await;
    house.approve(&wheel.filename).await;
    house.pass(DAY * 4).await;
    house.get("/pypi/pypi/acme-billing/json").await;
    house.send(Method::GET, "/pypi/simple/Acme.Billing/", &[JSON]).await;
    house.get("/pypi/files/acme-billing/0000000000000000000000000000000000000000000000000000000000000000/acme_billing-1.0-py3-none-any.whl").await;
    assert!(house.pypi.asked_for("acme").is_empty(), "{:?}", house.pypi.asked_for("acme"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_08_every_refusal_says_what_why_until_when_and_where_to_ask() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    let rejected = house.pypi.publish("quaymaster", "3.0").wheel();
    house.page("quaymaster").await;
    assert_eq!(house.decide("reject", &rejected.filename).await.status, 200);
    for (file, state) in [(&held, "held"), (&rejected, "rejected")] {
        let problem = house.get_file("quaymaster", file).await.json();
        assert_eq!(problem["status"], 403);
        assert_eq!(problem["state"], state);
        assert_eq!(problem["hold_until"].is_string(), state == "held", "{problem:#}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("quaymaster") && detail.contains("/uploads/"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_09_the_same_facts_and_policy_give_the_same_verdict() {
    let house = TestHouse::start().await;
    // One letter away from a well-known name.
    let wheel = house.pypi.publish("reqeusts", "2.0").at(house.days_ago(1)).wheel();
    house.page("reqeusts").await;
    let judged = |upload: &Value| json!([upload["verdict"], upload["score"], upload["findings"], upload["hold_until"]]);
    let before = judged(&house.upload("reqeusts", &wheel.filename).await);
    house.set_policy("");
    house.page("reqeusts").await;
    let house = house.restart().await;
    house.page("reqeusts").await;
    assert_eq!(judged(&house.upload("reqeusts", &wheel.filename).await), before);
    assert!(before.to_string().contains("typosquat"), "{before:#}");
}
