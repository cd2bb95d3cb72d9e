//! CPAN at the review desk: what a person sees of a release, how it is named, and what a decision does.

use http::Method;
use serde_json::json;

use crate::common::clock::{DAY, HOUR};
use crate::common::sample_mirror::{GREET_NEW, GREET_OLD, WORDS_NEW, WORDS_OLD};
use crate::common::test_house::TestHouse;
use crate::common::{Fault, HandClock, SampleMirror};

/// A house in which the fresh uploads of the sample mirror are held.
async fn with_held(policy: &str) -> (SampleMirror, TestHouse) {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).policy(policy).start().await;
    house.polls().await;
    house.clock.advance(HOUR);
    mirror.later();
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    (mirror, house)
}

async fn said(house: &TestHouse, arguments: &[&str]) -> String {
    let output = house.cli(arguments).await;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    house.quiet(&text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_shown_with_its_file_and_its_place() {
    let (_mirror, house) = with_held("").await;
    let upload = house.dist_upload("Acme-Words", WORDS_NEW).await;
    assert_eq!(upload["filename"], "Acme-Words-0.6.tar.gz");
    assert_eq!(upload["project"], "Acme-Words");
    assert_eq!(upload["ecosystem"], "cpan");
    let pypi = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    assert!(house.upload("quaymaster", &pypi.filename).await.get("path").is_none(), "elsewhere a name says it all");
    insta::assert_snapshot!(said(&house, &["why", "cpan:Acme-Words"]).await, @r"
    cpan:Acme-Words from public

    served: 1 version
      0.5  1 file

    not served: 1 version
      0.6  1 file  held until 2026-11-25 13:03 UTC  held until 2026-11-25 13:03 UTC  ID
    ");
    insta::assert_snapshot!(said(&house, &["why", "cpan:Acme-Words@0.6"]).await, @r"
    cpan:Acme-Words from public

    not served: 1 version
      0.6  1 file  held until 2026-11-25 13:03 UTC  held until 2026-11-25 13:03 UTC  ID
    ");
    insta::assert_snapshot!(said(&house, &["show", "cpan:Acme-Words@0.6"]).await, @r#"
    cpan:Acme-Words@0.6
      state      held until 2026-11-25 13:03 UTC
      verdict    hold: new upload, held until 2026-11-25 13:03 UTC
      score      0.00 of 1
      published  2026-11-22 13:03 UTC, first seen here 2026-11-22 13:06 UTC
      file       WORDSMITH/Acme-Words-0.6.tar.gz, 1.1 KiB
      sha256     DIGEST, examination: none
      id         ID

    findings, heaviest first
        0  age  (record; info severity, high confidence)
           New upload: its age counts from its upload (2026-11-22T13:03:00Z).
        0  checksums  (record; info severity, high confidence)
           CHECKSUMS vouches for the bytes, without a signature.

    decide with
      lazaret approve ID --reason "..."
      lazaret reject ID --reason "..."
    "#);
    let queue = said(&house, &["queue", "--ecosystem", "cpan", "--project", "Acme-Words"]).await;
    let line = queue.lines().nth(1).map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" "));
    assert_eq!(line.as_deref(), Some("ID 0.00 cpan:Acme-Words@0.6 WORDSMITH/Acme-Words-0.6.tar.gz"));
    assert_eq!(said(&house, &["why", "cpan:Acme::Words"]).await, said(&house, &["why", "cpan:Acme-Words"]).await);
    let id = upload["id"].as_str().expect("an id");
    let page = house.send(Method::GET, &format!("/uploads/{id}"), &[("accept", "application/json")]).await.json();
    assert_eq!(page["filename"], "Acme-Words-0.6.tar.gz");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_approved_by_any_of_its_names_and_recalled_again() {
    let (_mirror, house) = with_held("").await;
    let id = house.dist_upload("Acme-Words", WORDS_NEW).await["id"].as_str().expect("an id").to_owned();
    let names = [
        id.as_str(),
        "cpan:Acme-Words@0.6",
        "cpan:Acme::Words@0.6",
        "cpan:Acme-Words==0.6",
        "Acme-Words-0.6.tar.gz",
        "WORDSMITH/Acme-Words-0.6.tar.gz",
        WORDS_NEW,
    ];
    for name in names {
        said(&house, &["approve", name, "--reason", "looked at"]).await;
        assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW), "{name}");
        assert_eq!(house.release(WORDS_NEW).await.status, 200, "{name}");
        said(&house, &["recall", name, "--reason", "something is wrong"]).await;
        assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD), "{name}");
        assert_eq!(
            house.refusal(WORDS_NEW).await.split(", see").next(),
            Some("Acme-Words 0.6 recalled: something is wrong")
        );
        let meta = WORDS_NEW.replace(".tar.gz", ".meta");
        assert_eq!(house.release(&meta).await.status, 403);
        assert_eq!(house.decide("reopen", name).await.status, 200, "{name}");
    }
    // One that nobody held, and that has no row.
    said(&house, &["recall", "cpan:Acme-Words@0.5", "--reason", "a hole was found"]).await;
    assert_eq!(house.listed("Acme::Words").await, None);
    assert_eq!(house.release(WORDS_OLD).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_closes_a_name_and_its_end_opens_it_again() {
    let (_mirror, house) = with_held("").await;
    let block = async |verb: &str, target: &str| said(&house, &[verb, target, "--reason", "in a test"]).await;
    block("block", "cpan:Acme-Words@0.5").await;
    assert_eq!(house.listed("Acme::Words").await, None, "0.6 is held, and 0.5 blocked");
    assert!(house.refusal(WORDS_OLD).await.contains("blocked"));
    block("unblock", "cpan:Acme-Words@0.5").await;
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    assert_eq!(house.release(WORDS_OLD).await.status, 200);

    block("block", "cpan:Acme::Greet").await;
    assert_eq!(house.listed("Acme::Greet").await, None);
    for path in [GREET_OLD, GREET_NEW] {
        assert!(house.refusal(path).await.contains("blocked"), "{path}");
    }
    assert!(house.listed("Acme::Greet::Loudly").await.is_some(), "another distribution");
    block("unblock", "cpan:Acme-Greet").await;
    house.polls().await;
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(GREET_OLD));
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(GREET_NEW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_never_seen_can_be_blocked() {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    said(&house, &["block", "cpan:Acme-Greet-Loudly", "--reason", "in a test"]).await;
    house.polls().await;
    assert_eq!(house.listed("Acme::Greet::Loudly").await, None);
    assert!(house.refusal("G/GR/GREETER/Acme-Greet-Loudly-2.0.tar.gz").await.contains("blocked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_has_one_event_per_change_and_verifies() {
    let (_mirror, house) = with_held("").await;
    house.approve("cpan:Acme-Words@0.6").await;
    assert_eq!(house.release(WORDS_NEW).await.status, 200);
    assert_eq!(house.decide("recall", "cpan:Acme-Words@0.6").await.status, 200);
    house.pass(DAY * 4).await;
    let of = |kind: &'static str| house.told(kind);
    assert_eq!(of("baseline").await.len(), 1, "{:?}", of("baseline").await);
    assert_eq!(of("held").await.len(), 4, "{:?}", of("held").await);
    assert_eq!(of("released").await.len(), 2, "{:?}", of("released").await);
    assert_eq!(of("recalled").await.len(), 1);
    assert_eq!(of("alarm").await, Vec::<String>::new());
    let verified = house.api(Method::GET, "/audit/verify", None).await.json();
    assert_eq!(verified["ok"], true, "{verified}");
    let events = verified["events"].clone();
    let house = house.restart().await;
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    assert_eq!(house.told("baseline").await.len(), 1, "a restart is no first reading");
    let again = house.api(Method::GET, "/audit/verify", None).await.json();
    assert_eq!(again["ok"], true, "{again}");
    assert!(again["events"].as_u64() >= events.as_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_only_observes_still_refuses_the_hard_rules() {
    let policy = "mode = \"observe\"\nnamespaces.cpan = [\"Acme::Corp::*\"]\n";
    let (mirror, house) = with_held(policy).await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW), "what would be held is served");
    assert_eq!(house.release(WORDS_NEW).await.status, 200);
    assert_eq!(house.listed("Acme::Corp::Ledger").await, None);
    assert_eq!(house.release(crate::common::sample_mirror::CORP_PUBLIC).await.status, 403);
    mirror.cpan.fault(GREET_NEW, Fault::Garbage);
    assert_eq!(house.release(GREET_NEW).await.status, 502, "not what CHECKSUMS promises");
    let blocked =
        house.api(Method::POST, "/blocks", Some(json!({"target": "cpan:Acme-Greet", "reason": "malware"}))).await;
    assert!(blocked.status < 300, "{}", blocked.text());
    assert_eq!(house.release(GREET_OLD).await.status, 403);
    assert_eq!(house.listed("Acme::Greet").await, None);
}
