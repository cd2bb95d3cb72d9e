//! CPAN: one index of everything, and what clients see of it while a release is held.

use std::time::Duration;

use http::Method;

use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::fake_cpan::FindLs;
use crate::common::sample_mirror::{
    COMPASS_NEW, COMPASS_OLD, CORP_PUBLIC, GREET_NEW, GREET_OLD, LOUDLY, UNAUTHORISED, WORDS_NEW, WORDS_OLD,
};
use crate::common::test_house::TestHouse;
use crate::common::{Fault, HandClock, PerlDist, Release, SampleMirror};

/// A house that has read a mirror on which nothing is young.
async fn settled() -> (SampleMirror, TestHouse) {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    house.polls().await;
    (mirror, house)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_release_is_held_and_the_one_before_it_is_listed() {
    let (mirror, house) = settled().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));

    house.clock.advance(HOUR);
    mirror.later();
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    assert_eq!(
        house.rows().await,
        [
            ["Acme::Compass", "1.0", COMPASS_OLD],
            ["Acme::Greet", "1.0", GREET_OLD],
            ["Acme::Greet::Loudly", "2.0", LOUDLY],
            ["Acme::Words", "0.5", WORDS_OLD],
        ],
        "a package that only a held release has is not listed, nor is a new name"
    );
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    let mut refusals = Vec::new();
    for path in [WORDS_NEW, GREET_NEW, COMPASS_NEW, CORP_PUBLIC, UNAUTHORISED] {
        refusals.push(house.refusal(path).await);
    }
    insta::assert_snapshot!(refusals.join("\n"), @r"
    Acme-Words 0.6 held until 2026-11-25 13:03 UTC, see http://127.0.0.1:PORT/uploads/ID
    Acme-Greet 1.1 held until 2026-11-25 13:03 UTC, see http://127.0.0.1:PORT/uploads/ID
    Acme-Compass 1.1 held until 2026-11-29 13:03 UTC, see http://127.0.0.1:PORT/uploads/ID
    Acme-Corp-Ledger 99.0 held for review: a project with 1 version(s) starts at 99, as made to win e...
    Acme-Greet 9.9 held for review: MALLORY uploads Acme::Greet without a permission for it, waits fo...
    ");
    for path in [WORDS_NEW, "W/WO/WORDSMITH/Acme-Words-0.6.meta", "W/WO/WORDSMITH/Acme-Words-0.6.readme"] {
        let path = format!("/cpan/authors/id/{path}");
        for (method, headers) in [
            (Method::GET, &[][..]),
            (Method::HEAD, &[]),
            (Method::GET, &[("range", "bytes=0-0")]),
            (Method::GET, &[("if-modified-since", "Sun, 22 Nov 2026 12:00:00 GMT")]),
        ] {
            assert_eq!(house.send(method.clone(), &path, headers).await.status, 403, "{method} {path} {headers:?}");
        }
    }

    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    assert_eq!(house.listed("Acme::Greet::Helper").await.as_deref(), Some(GREET_NEW));
    assert_eq!(house.listed("Acme::Compass").await.as_deref(), Some(COMPASS_OLD), "its hold is longer");
    assert_eq!(house.release(WORDS_NEW).await.status, 200);
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Compass").await.as_deref(), Some(COMPASS_NEW));
    for path in [CORP_PUBLIC, UNAUTHORISED] {
        assert_eq!(house.release(path).await.status, 403, "time alone never releases {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_has_a_date_of_ours_that_only_rises() {
    let (mirror, house) = settled().await;
    let since = |date: &str| [("if-modified-since", date.to_owned())];
    let ask = async |headers: &[(&str, String)]| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        house.index(&headers).await
    };
    let date = async || {
        let answer = ask(&[]).await;
        assert_eq!(answer.status, 200);
        answer.header("last-modified").to_owned()
    };
    let read = |date: &str| httpdate::parse_http_date(date).expect("a date");

    let mut dates = vec![date().await];
    mirror.later();
    house.polls().await;
    dates.push(date().await);
    // Three decisions within one second.
    house.approve("cpan:Acme-Words@0.6").await;
    dates.push(date().await);
    assert_eq!(house.decide("recall", "cpan:Acme-Words@0.6").await.status, 200);
    dates.push(date().await);
    assert_eq!(
        house.listed("Acme::Words").await.as_deref(),
        Some(WORDS_OLD),
        "with a date that is younger all the same"
    );
    assert!(dates.is_sorted_by(|one, two| read(one) < read(two)), "{dates:?}");

    let newest = dates.pop().expect("four");
    let same = ask(&since(&newest)).await;
    assert_eq!((same.status, same.header("last-modified")), (304, newest.as_str()));
    for older in &dates {
        let answer = ask(&since(older)).await;
        assert_eq!((answer.status, answer.header("last-modified")), (200, newest.as_str()), "{older}");
    }
    // No copy of ours is younger than ours: this one is poisoned, and curl would keep it for a date.
    let poisoned = ask(&since("Sun, 22 Nov 2099 12:00:00 GMT")).await;
    assert_eq!((poisoned.status, poisoned.header("last-modified")), (200, ""));
    // cpanm takes any date for the age of what it has.
    for condition in [Vec::new(), since(&newest).to_vec(), since(&dates[0]).to_vec()] {
        let agent = ("user-agent", "cpanminus/1.7046 perl/5.036000".to_owned());
        let answer = ask(&[condition, vec![agent]].concat()).await;
        assert_eq!((answer.status, answer.header("last-modified")), (200, ""));
    }
    let etag = house.index(&[]).await.header("etag").to_owned();
    assert_eq!(ask(&[("if-none-match", etag)]).await.status, 304);

    // Somebody sets the clock back, and changes something.
    house.clock.step_wall_back(HOUR * 5);
    assert_eq!(house.decide("reopen", "cpan:Acme-Words@0.6").await.status, 200);
    house.approve("cpan:Acme-Words@0.6").await;
    let after = date().await;
    assert!(read(&newest) < read(&after), "{newest} {after}");
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    let house = house.restart().await;
    house.listed("Acme::Words").await;
    assert_eq!(house.decide("recall", "cpan:Acme-Words@0.6").await.status, 200);
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    let last = house.index(&[]).await.header("last-modified").to_owned();
    assert!(read(&after) < read(&last), "{after} {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_index_says_the_same() {
    let (_mirror, house) = settled().await;
    let plain = house.get("/cpan/modules/02packages.details.txt").await;
    assert_eq!(plain.status, 200);
    let rows = house.rows().await;
    assert_eq!(plain.text().split_once("\n\n").map(|(_, rows)| rows.lines().count()), Some(rows.len()));
    let since = [("if-modified-since", plain.header("last-modified"))];
    assert_eq!(house.send(Method::GET, "/cpan/modules/02packages.details.txt", &since).await.status, 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_first_index_has_is_let_in_by_age_wherever_its_dates_come_from() {
    for (recent, find_ls) in
        [(true, None), (false, Some(FindLs::Compact)), (false, Some(FindLs::LikeLs)), (false, None)]
    {
        let clock = HandClock::new();
        let mirror = SampleMirror::open(&clock).await;
        mirror.cpan.serve_recent(recent);
        mirror.cpan.serve_find_ls(find_ls);
        let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
        house.polls().await;
        // What stood before the young ones is in no index any more: CHECKSUMS lists it with those who may upload it.
        assert_eq!(
            house.rows().await,
            [
                ["Acme::Compass", "1.0", COMPASS_OLD],
                ["Acme::Greet", "1.0", GREET_OLD],
                ["Acme::Greet::Loudly", "2.0", LOUDLY],
                ["Acme::Words", "0.5", WORDS_OLD],
            ],
            "{recent} {find_ls:?}"
        );
        assert_eq!(house.release(GREET_OLD).await.status, 200);
        assert_eq!(house.release(LOUDLY).await.status, 200);
        let refusal = house.refusal(GREET_NEW).await;
        let expected = "Acme-Greet 1.1 held until 2026-11-25 11:00 UTC, see http://127.0.0.1:PORT/uploads/ID";
        assert_eq!(refusal, expected, "from its upload on, {recent} {find_ls:?}");
        assert!(house.refusal(UNAUTHORISED).await.starts_with("Acme-Greet 9.9 held for review"));
        let baselines = house.told("baseline").await;
        assert_eq!(baselines.len(), 1, "{baselines:?}");
        assert!(baselines[0].contains("6 packages in 5 releases seen"), "{baselines:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_moves_into_a_held_release_stays_where_it_was() {
    let (mirror, house) = settled().await;
    let upload = |dist: &PerlDist| mirror.cpan.upload(Release::of("WORDSMITH", dist));
    let old = PerlDist::new("Acme-Kit", "1.0").package("Acme::Kit::Rope", "1.0");
    let old = mirror.cpan.upload(Release::of("WORDSMITH", &old).at(house.days_ago(30)));
    house.polls().await;
    assert_eq!(
        house.listed("Acme::Kit::Rope").await,
        None,
        "an index that had it never was seen: nobody vouches for its date"
    );
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Kit::Rope").await.as_deref(), Some(old.as_str()));

    let new = upload(&PerlDist::new("Acme-Rope", "2.0").package("Acme::Kit::Rope", "2.0"));
    house.polls().await;
    assert_eq!(house.listed("Acme::Kit::Rope").await.as_deref(), Some(old.as_str()));
    assert_eq!(house.listed("Acme::Kit").await.as_deref(), Some(old.as_str()));
    assert_eq!(house.listed("Acme::Rope").await, None);
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Kit::Rope").await.as_deref(), Some(new.as_str()));
    assert_eq!(house.listed("Acme::Kit").await.as_deref(), Some(old.as_str()));
    assert_eq!(house.listed("Acme::Rope").await.as_deref(), Some(new.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_here_survives_that_its_author_deletes_it() {
    let (mirror, house) = settled().await;
    let folder = "/cpan/authors/id/W/WO/WORDSMITH/CHECKSUMS";
    // Somebody asks for its size: from then on it is used here, and nothing was fetched.
    let head = house.send(Method::HEAD, &format!("/cpan/authors/id/{WORDS_OLD}"), &[]).await;
    assert_eq!(head.status, 200);
    let fetched = || mirror.cpan.asked_for(WORDS_OLD).iter().filter(|asked| asked.starts_with("GET")).count();
    assert_eq!(fetched(), 0);
    mirror.later();
    house.polls().await;
    assert_eq!(fetched(), 1, "what the held release would replace is brought in before it goes");
    assert_eq!(house.get(folder).await.status, 200);

    house.clock.advance(HOUR);
    mirror.cpan.delete(WORDS_OLD);
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    let checksums = house.get(folder).await;
    assert!(checksums.text().contains("'Acme-Words-0.5.tar.gz'"), "CPAN.pm would ask: {}", checksums.text());
    let house = house.restart().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    assert!(house.get(folder).await.text().contains("'Acme-Words-0.5.tar.gz'"));

    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    let checksums = house.get(folder).await.text();
    assert!(!checksums.contains("'Acme-Words-0.5.tar.gz'"), "the mirror's own again: {checksums}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_used_and_its_author_deletes_is_not_listed_any_more() {
    let (mirror, house) = settled().await;
    mirror.later();
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    house.clock.advance(HOUR);
    mirror.cpan.delete(WORDS_OLD);
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await, None);
    assert_eq!(house.release(WORDS_OLD).await.status, 404);

    // Without lists of changes nobody says so, until somebody asks for it.
    mirror.cpan.serve_recent(false);
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(GREET_OLD));
    mirror.cpan.delete(GREET_OLD);
    house.polls().await;
    assert_eq!(house.release(GREET_OLD).await.status, 404);
    assert_eq!(house.listed("Acme::Greet").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_is_in_the_index_before_it_is_on_the_mirror_is_held_too() {
    let (mirror, house) = settled().await;
    mirror.cpan.index("Acme::Words", "0.6", WORDS_NEW);
    mirror.cpan.index("Acme::Sail", "1.0", "W/WO/WORDSMITH/Acme-Sail-1.0.tar.gz");
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    assert_eq!(house.listed("Acme::Sail").await, None);
    assert!(house.refusal(WORDS_NEW).await.contains("held until"));
    house.clock.advance(HOUR);
    assert_eq!(mirror.later(), WORDS_NEW);
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    house.pass(DAY * 4).await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    assert_eq!(house.release(WORDS_NEW).await.status, 200);
    assert_eq!(house.listed("Acme::Sail").await, None, "it never came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_is_noticed_after_a_day_in_which_nobody_looked() {
    let (mirror, house) = settled().await;
    mirror.later();
    house.polls().await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    mirror.cpan.delete(WORDS_OLD);
    house.pass(DAY).await;
    assert_eq!(house.listed("Acme::Words").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_mirror_does_not_delay_a_decision() {
    let (mirror, house) = settled().await;
    mirror.later();
    house.polls().await;
    house.approve("cpan:Acme-Words@0.6").await;
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    mirror.cpan.fault("modules/", Fault::Silence);
    house.clock.advance(MINUTE * 3);
    mirror.cpan.until_asked_for("modules/").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(house.decide("recall", "cpan:Acme-Words@0.6").await.status, 200);
    let quick = tokio::time::timeout(Duration::from_secs(5), house.listed("Acme::Words")).await;
    assert_eq!(quick.expect("in time").as_deref(), Some(WORDS_OLD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_is_resolved_among_what_is_released() {
    let (mirror, house) = settled().await;
    mirror.later();
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    let ask = async |kind: &str, module: &str| {
        let answer = house.get(&format!("/cpan/v1.0/{kind}/{module}")).await;
        (answer.status, if answer.status == 200 { answer.text() } else { String::new() })
    };
    assert_eq!(ask("history", "Acme::Words").await, (200, format!("Acme::Words 0.5 {WORDS_OLD}\n")));
    assert_eq!(ask("history", "Acme::Greet").await, (200, format!("Acme::Greet 1.0 {GREET_OLD}\n")));
    assert_eq!(ask("history", "Acme::Greet::Helper").await.0, 404);
    let (status, text) = ask("package", "Acme::Greet").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(text, @r"
    ---
    distfile: G/GR/GREETER/Acme-Greet-1.0.tar.gz
    version: '1.0'
    provides:
      Acme::Greet: '1.0'
    ");
    assert_eq!(ask("package", "Acme::Greet::Loudly").await.0, 200, "what the quarantine has nothing to say of");
    for module in ["Acme::Greet::Helper", "Acme::Nothing", "acme::greet"] {
        assert_eq!((ask("package", module).await.0, ask("history", module).await.0), (404, 404), "{module}");
    }

    house.approve("cpan:Acme-Greet@1.1").await;
    let both = format!("Acme::Greet 1.0 {GREET_OLD}\nAcme::Greet 1.1 {GREET_NEW}\n");
    assert_eq!(ask("history", "Acme::Greet").await, (200, both));
    assert_eq!(ask("history", "Acme::Greet::Helper").await, (200, format!("Acme::Greet::Helper 1.1 {GREET_NEW}\n")));
    assert!(ask("package", "Acme::Greet::Helper").await.1.contains(GREET_NEW));
    // 9.9 is on the mirror too, and somebody asks for it by its path: it is no history.
    assert_eq!(house.release(UNAUTHORISED).await.status, 403);
    assert!(!ask("history", "Acme::Greet").await.1.contains("9.9"));
}
