//! CPAN: who may upload what, and names that are ours.

use std::time::Duration;

use crate::common::clock::{DAY, HOUR};
use crate::common::sample_mirror::{COMPASS_NEW, COMPASS_OLD, CORP_PRIVATE, CORP_PUBLIC, UNAUTHORISED};
use crate::common::test_house::{Furnishing, TestHouse};
use crate::common::{HandClock, PerlDist, Release, SampleMirror};

/// A house that has read a mirror on which nothing is young.
async fn settled(furnish: impl FnOnce(Furnishing, &SampleMirror) -> Furnishing) -> (SampleMirror, TestHouse) {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let furnishing = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan);
    let house = furnish(furnishing, &mirror).start().await;
    house.polls().await;
    (mirror, house)
}

/// What was found in a release, heaviest first.
async fn findings(house: &TestHouse, dist: &str, path: &str) -> String {
    let upload = house.dist_upload(dist, path).await;
    let line = |finding: &serde_json::Value| {
        format!(
            "{} {}: {}",
            finding["points"],
            finding["signal"].as_str().unwrap_or_default(),
            finding["summary"].as_str().unwrap_or_default()
        )
    };
    upload["findings"].as_array().expect("findings").iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_uploader_of_a_dormant_distribution_waits_longer() {
    let (mirror, house) = settled(|furnishing, _| furnishing).await;
    house.clock.advance(HOUR);
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    assert_eq!(house.listed("Acme::Compass").await.as_deref(), Some(COMPASS_OLD));
    insta::assert_snapshot!(findings(&house, "Acme-Compass", COMPASS_NEW).await, @r"
    60 author-changed: DRIFTER uploads Acme::Compass for the first time after HELM, with a permission that is new.
    8 dormant-revival: The first release after 3 years of silence.
    0 age: New upload: its age counts from its upload (2026-11-22T13:03:00Z).
    0 checksums: CHECKSUMS vouches for the bytes, without a signature.
    ");
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Compass").await.as_deref(), Some(COMPASS_OLD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_was_given_while_lazaret_was_away_is_new_too() {
    let (mirror, house) = settled(|furnishing, _| furnishing).await;
    house.clock.advance(HOUR);
    mirror.fresh_uploads(house.clock.true_time());
    let house = house.restart().await;
    house.polls().await;
    let found = findings(&house, "Acme-Compass", COMPASS_NEW).await;
    assert!(found.contains("with a permission that is new"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_without_a_permission_is_in_no_index_and_waits_for_a_person() {
    let (mirror, house) = settled(|furnishing, _| furnishing).await;
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    assert!(house.rows().await.iter().all(|[_, _, path]| path != UNAUTHORISED));
    assert!(house.refusal(UNAUTHORISED).await.starts_with("Acme-Greet 9.9 held for review: MALLORY uploads"));
    insta::assert_snapshot!(findings(&house, "Acme-Greet", UNAUTHORISED).await, @r"
    75 author-changed: MALLORY uploads Acme::Greet without a permission for it.
    0 age: New upload: its age counts from its upload (2026-11-22T12:03:00Z).
    0 checksums: CHECKSUMS vouches for the bytes, without a signature.
    ");
    house.pass(DAY * 60).await;
    assert_eq!(house.release(UNAUTHORISED).await.status, 403);
    assert!(house.rows().await.iter().all(|[_, _, path]| path != UNAUTHORISED));
    // A path that is nowhere is just not there, and asked for once.
    let nowhere = "M/MA/MALLORY/Acme-Greet-10.0.tar.gz";
    for _ in 0..3 {
        assert_eq!(house.release(nowhere).await.status, 404);
    }
    assert_eq!(mirror.cpan.asked_for(nowhere).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_policy_keeps_inside_is_refused_whoever_shows_it() {
    let policy = "namespaces.cpan = [\"Acme::Corp::*\"]\n";
    for mode in ["enforce", "observe"] {
        let policy = format!("mode = \"{mode}\"\n{policy}");
        let (mirror, house) = settled(|furnishing, _| furnishing.policy(&policy)).await;
        mirror.fresh_uploads(house.clock.true_time());
        // Another distribution with a harmless name claims a package of ours.
        let claim = PerlDist::new("Acme-Harmless", "1.0").package("Acme::Corp::Billing", "1.0");
        let claim = mirror.cpan.upload(Release::of("MALLORY", &claim).at(house.days_ago(100)));
        house.polls().await;
        house.pass(DAY * 10).await;
        let listed: Vec<String> = house.rows().await.into_iter().map(|[package, ..]| package).collect();
        assert!(listed.iter().all(|package| !package.contains("Corp") && !package.contains("Harmless")), "{listed:?}");
        assert_eq!(
            house.refusal(CORP_PUBLIC).await,
            "Acme-Corp-Ledger is an internal name here and is never taken from a public index"
        );
        assert!(house.refusal(&claim).await.starts_with("Acme-Harmless 1.0 rejected: "), "{mode}");
        for module in ["Acme::Corp::Ledger", "Acme::Corp::Billing"] {
            assert_eq!(house.get(&format!("/cpan/v1.0/package/{module}")).await.status, 404);
            assert_eq!(house.get(&format!("/cpan/v1.0/history/{module}")).await.status, 404);
        }
        assert_eq!(
            mirror.cpan.asked_for("Acme-Corp-Ledger"),
            Vec::<String>::new(),
            "the name never leaves the building"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_mirror_answers_for_its_names_alone_whether_it_is_up_or_down() {
    for families in [&["Acme::Corp::*"][..], &[]] {
        let (mirror, house) = settled(|furnishing, mirror| furnishing.dark_pan(&mirror.dark, families)).await;
        mirror.fresh_uploads(house.clock.true_time());
        house.polls().await;
        let ours_only = async |house: &TestHouse| {
            assert_eq!(house.listed("Acme::Corp::Ledger").await.as_deref(), Some(CORP_PRIVATE), "{families:?}");
            assert_eq!(house.release(CORP_PRIVATE).await.status, 200, "{families:?}");
            assert_eq!(house.release("C/CO/CORP/CHECKSUMS").await.status, 200, "{families:?}");
            assert_ne!(house.release(CORP_PUBLIC).await.status, 200, "{families:?}");
            let history = house.get("/cpan/v1.0/history/Acme::Corp::Ledger").await.text();
            assert_eq!(history, format!("Acme::Corp::Ledger 1.0 {CORP_PRIVATE}\n"), "{families:?}");
            assert_eq!(mirror.cpan.asked_for("Acme-Corp-Ledger"), Vec::<String>::new(), "{families:?}");
        };
        ours_only(&house).await;
        house.pass(DAY * 30).await;
        ours_only(&house).await;
        mirror.dark.down();
        for _ in 0..3 {
            house.polls().await;
            ours_only(&house).await;
        }
        let house = house.restart().await;
        house.polls().await;
        ours_only(&house).await;
        house.pass(DAY * 30).await;
        ours_only(&house).await;
        let why = house.cli(&["why", "cpan:Acme-Corp-Ledger"]).await;
        let said = String::from_utf8_lossy(&why.stdout).into_owned();
        assert!(said.contains("private index harbour"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_company_uploads_is_there_at_once() {
    let (mirror, house) = settled(|furnishing, mirror| furnishing.dark_pan(&mirror.dark, &["Acme::Corp::*"])).await;
    house.clock.advance(HOUR);
    let new = PerlDist::new("Acme-Corp-Ledger", "1.1").package("Acme::Corp::Till", "0.1");
    let path = mirror.dark.upload(Release::of("CORP", &new));
    house.polls().await;
    assert_eq!(house.listed("Acme::Corp::Ledger").await.as_deref(), Some(path.as_str()));
    assert_eq!(house.listed("Acme::Corp::Till").await.as_deref(), Some(path.as_str()));
    assert_eq!(house.release(&path).await.status, 200);
    assert_eq!(house.release(CORP_PRIVATE).await.status, 200, "the old one, for who pinned it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_a_private_mirror_was_read_nothing_is_public() {
    let clock = HandClock::new();
    let mirror = SampleMirror::open(&clock).await;
    mirror.dark.down();
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).dark_pan(&mirror.dark, &[]).start().await;
    house.polls().await;
    let soon = Duration::from_secs(2);
    assert!(tokio::time::timeout(soon, house.index(&[])).await.is_err(), "it waits");
    let answer = tokio::time::timeout(soon, house.release(CORP_PUBLIC)).await;
    assert!(answer.is_err(), "it waits too");
    assert_eq!(mirror.cpan.asked_for("Acme-Corp-Ledger"), Vec::<String>::new());
}
