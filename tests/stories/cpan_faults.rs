//! CPAN when something is wrong upstream: nothing wrong is served, what was good goes on being served, and somebody is told.

use std::time::Duration;

use http::Method;

use crate::common::clock::{DAY, HOUR};
use crate::common::cpan_house::rows_of;
use crate::common::pause_key::PauseKey;
use crate::common::perl_dists::truncated;
use crate::common::sample_mirror::{GREET_NEW, GREET_OLD, WORDS_NEW, WORDS_OLD, greet};
use crate::common::test_house::TestHouse;
use crate::common::{FakeCpan, Fault, HandClock, PerlDist, Release, SampleMirror};

/// A house that has read a mirror on which nothing is young.
async fn settled() -> (SampleMirror, TestHouse) {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    house.polls().await;
    (mirror, house)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_wait_for_the_first_index_and_never_see_an_error_in_its_place() {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    mirror.cpan.down();
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    let (browser, url) = (house.browser.clone(), format!("{}/modules/02packages.details.txt.gz", house.cpan_root()));
    let mut waiting = tokio::spawn(async move { browser.send(Method::GET, &url, &[], None).await });
    house.polls().await;
    let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting).await;
    assert!(early.is_err(), "answered without an index: {early:?}");
    // Nobody can say yet whose a name is.
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(1), house.release(WORDS_OLD)).await.ok().map(|answer| answer.status),
        None
    );

    mirror.cpan.up();
    let trying = async {
        loop {
            // The breaker goes by real time.
            house.pass(Duration::from_secs(20)).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let answer = tokio::select! {
        answer = waiting => answer.expect("an answer"),
        () = trying => unreachable!("it never ends"),
        () = tokio::time::sleep(Duration::from_secs(40)) => panic!("the mirror is up, and nobody noticed"),
    };
    assert_eq!(answer.status, 200);
    assert_eq!(rows_of(&answer).len(), 4);
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_index_is_not_taken_in_and_told_once() {
    type Break = fn(&FakeCpan, bool);
    let cut: Break = FakeCpan::truncate_index;
    let miscounted: Break = FakeCpan::set_line_count_wrong;
    let garbage: Break = |cpan, on| if on { cpan.fault("02packages", Fault::Garbage) } else { cpan.heal() };
    for (what, set) in [("cut", cut), ("miscounted", miscounted), ("garbage", garbage)] {
        let (mirror, house) = settled().await;
        let before = house.index(&[]).await;
        mirror.later();
        set(&mirror.cpan, true);
        for _ in 0..3 {
            house.polls().await;
            let now = house.index(&[]).await;
            assert_eq!((now.status, now.body == before.body), (200, true), "{what}: the last good one is served");
        }
        let alarms = house.told("alarm").await;
        assert_eq!(alarms.len(), 1, "{what}: {alarms:?}");
        assert!(alarms[0].contains("is not taken in"), "{what}: {alarms:?}");
        // By its path it is on the mirror, and as young as it is.
        assert!(house.refusal(WORDS_NEW).await.contains("held until"), "{what}");
        set(&mirror.cpan, false);
        house.polls().await;
        assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD), "{what}");
        house.pass(DAY * 4).await;
        assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_with_the_mirror_down_everything_is_as_it_was() {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let public = "http://lazaret.example.test".parse().expect("a URL");
    let furnishing = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan);
    let house = furnishing.config(move |config| config.listen.public_url = Some(public)).start().await;
    house.polls().await;
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    mirror.later();
    house.polls().await;
    let before = house.index(&[]).await;
    let checksums = house.release("W/WO/WORDSMITH/CHECKSUMS").await;
    assert_eq!(checksums.status, 200);

    mirror.cpan.down();
    let house = house.restart().await;
    let now = tokio::time::timeout(Duration::from_secs(15), house.index(&[])).await.expect("in time");
    assert_eq!(rows_of(&now), rows_of(&before));
    assert_eq!((now.status, now.body == before.body), (200, true));
    assert_eq!(now.header("last-modified"), before.header("last-modified"));
    let same = house.index(&[("if-modified-since", before.header("last-modified"))]).await;
    assert_eq!(same.status, 304);
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    assert_eq!(house.release("W/WO/WORDSMITH/CHECKSUMS").await.body, checksums.body);
    assert!(house.refusal(WORDS_NEW).await.contains("held until"));
    // Time goes on, and releases nothing that the mirror was not asked about.
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    assert!(house.refusal(WORDS_NEW).await.starts_with("Acme-Words 0.6 held"));
    // A person may.
    house.approve("cpan:Acme-Words@0.6").await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_digests_with_code_in_it_is_run_by_nobody() {
    for key in [None, Some(PauseKey::new())] {
        let (mirror, house) = settled().await;
        if let Some(key) = key {
            mirror.cpan.sign_with(key);
        }
        let good = house.release("G/GR/GREETER/CHECKSUMS").await;
        assert_eq!(good.status, 200);
        mirror.cpan.checksums_with_code(true);
        mirror.later();
        mirror.fresh_uploads(house.clock.true_time());
        house.polls().await;
        let passed_on = house.release("G/GR/GREETER/CHECKSUMS").await;
        assert_eq!((passed_on.status, passed_on.body), (200, good.body), "the last one that was data");
        let never_read = house.release("M/MA/MALLORY/CHECKSUMS").await;
        assert_eq!(never_read.status, 502, "{}", never_read.text());
        let upload = house.dist_upload("Acme-Words", WORDS_NEW).await;
        let findings = upload["findings"].as_array().cloned().unwrap_or_default();
        let said: Vec<&str> = findings.iter().filter_map(|finding| finding["summary"].as_str()).collect();
        assert!(said.iter().any(|said| said.starts_with("CHECKSUMS could not be read:")), "{said:?}");
        assert_eq!(house.release(WORDS_OLD).await.status, 200, "what was released is served as before");

        mirror.cpan.checksums_with_code(false);
        house.polls().await;
        assert!(house.release("G/GR/GREETER/CHECKSUMS").await.text().contains("Acme-Greet-1.1.tar.gz"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_checksums_does_not_promise_never_leave_and_raise_one_alarm() {
    let (mirror, house) = settled().await;
    let bad = PerlDist::new("Acme-Words", "0.5").script("die 'evil';").build().bytes;
    mirror.cpan.tamper(WORDS_OLD, &bad);
    for _ in 0..3 {
        let answer = house.release(WORDS_OLD).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(answer.body.len() < 2_000 && !answer.body.starts_with(&[0x1f, 0x8b]), "nothing that tar would read");
    }
    let alarms = house.told("alarm").await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].contains("CHECKSUMS promises"), "{alarms:?}");
    assert_eq!(
        house.listed("Acme::Words").await.as_deref(),
        Some(WORDS_OLD),
        "a broken cache does not close it for ever"
    );
    let words = house.release(GREET_OLD).await;
    assert_eq!(words.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_changes_at_its_path_is_rejected_and_told_once() {
    let (mirror, house) = settled().await;
    // One that was served, and one that is held.
    let served = house.release(WORDS_OLD).await;
    assert_eq!(served.status, 200);
    mirror.later();
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    let pinned = mirror.cpan.bytes(WORDS_NEW);
    house.clock.advance(HOUR);
    let other = |dist: &str, version: &str| PerlDist::new(dist, version).script("die 'evil';").build().bytes;
    mirror.cpan.replace_bytes(WORDS_OLD, &other("Acme-Words", "0.5"));
    mirror.cpan.replace_bytes(WORDS_NEW, &other("Acme-Words", "0.6"));
    mirror.cpan.replace_bytes(GREET_OLD, &other("Acme-Greet", "1.0"));
    house.polls().await;
    assert_eq!(house.release(WORDS_OLD).await.body, served.body, "what was examined is what is served");
    // Never fetched before, and pinned when its successor was met.
    for _ in 0..2 {
        assert_eq!(house.release(GREET_OLD).await.status, 502);
    }
    for _ in 0..3 {
        house.pass(DAY * 4).await;
    }
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    let refusal = house.refusal(WORDS_NEW).await;
    assert!(!refusal.contains("held until 2026-11-25"), "no time that has passed: {refusal}");
    let uploads = house.dist_uploads("Acme-Words").await;
    let states: Vec<&str> = uploads
        .iter()
        .filter(|upload| upload["version"] == "0.6")
        .filter_map(|upload| upload["state"].as_str())
        .collect();
    assert!(states.contains(&"held") && states.contains(&"rejected") && states.len() == 2, "{states:?}");
    let alarms = house.told("alarm").await;
    insta::assert_snapshot!(alarms.join("\n"), @r"
    GREETER/Acme-Greet-1.0.tar.gz changed its digest on the index; the new bytes are rejected
    WORDSMITH/Acme-Words-0.5.tar.gz changed its digest on the index; the new bytes are rejected
    WORDSMITH/Acme-Words-0.6.tar.gz changed its digest on the index; the new bytes are rejected
    ");
    // Who approves it approves the bytes that were pinned: they are here, because the distribution is used.
    let approved = house.decide("approve", "cpan:Acme-Words@0.6").await;
    let answer = house.release(WORDS_NEW).await;
    assert_eq!((answer.status, answer.body), (200, pinned), "{}", approved.text());
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(GREET_NEW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_of_a_tarball_leaves_before_all_of_it_is_here() {
    let clock = HandClock::new();
    let cpan = FakeCpan::start(&clock).await;
    let heavy = greet("1.0").padded(400_000);
    let path = cpan.upload(Release::of("GREETER", &heavy).at(clock.true_time() - DAY * 30));
    let house = TestHouse::furnish().clock(&clock).cpan(&cpan).start().await;
    cpan.fault(&path, Fault::CutAfter(200_000));
    let answer = house.release(&path).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.body.len() < 2_000 && !answer.body.starts_with(&[0x1f, 0x8b]));
    cpan.heal();
    cpan.tamper(&path, &truncated(&heavy.build()));
    assert_eq!(house.release(&path).await.status, 502, "with a right length it is not what was promised");
    cpan.tamper(&path, &heavy.build().bytes);
    let answer = house.release(&path).await;
    assert_eq!((answer.status, answer.body), (200, heavy.build().bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_its_author_takes_back_during_the_hold_never_leaves() {
    let (mirror, house) = settled().await;
    mirror.later();
    house.polls().await;
    assert!(house.refusal(WORDS_NEW).await.contains("held until"));
    house.clock.advance(HOUR);
    mirror.cpan.delete(WORDS_NEW);
    house.polls().await;
    insta::assert_snapshot!(house.refusal(WORDS_NEW).await, @"Acme-Words 0.6 held for review: the upstream does not list this file any more, waits for a reviewer");
    house.pass(DAY * 8).await;
    assert_eq!(house.listed("Acme::Words").await, None, "the mirror has no row for it either");
    assert!(house.refusal(WORDS_NEW).await.contains("the upstream does not list this file any more"));
    let upload = house.dist_upload("Acme-Words", WORDS_NEW).await;
    assert_eq!(upload["state"], "held");
    // What was there before is still released, for whoever names it.
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_one_that_its_author_takes_back_goes_from_the_index() {
    let (mirror, house) = settled().await;
    mirror.later();
    house.polls().await;
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    house.clock.advance(HOUR);
    mirror.cpan.delete(WORDS_NEW);
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await, None);
    let suspended = house.told("suspended").await;
    assert_eq!(suspended.len(), 1, "rule 10: {suspended:?}");
    assert_eq!(house.release(WORDS_NEW).await.status, 403);
}
