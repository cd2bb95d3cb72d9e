//! A CPAN mirror in bad weather: the last good index goes on being served byte for byte, and tarballs come whole or not at all.

use std::time::Duration;

use tokio::time::Instant;

use crate::common::clock::MINUTE;
use crate::common::sample_mirror::{GREET_OLD, WORDS_OLD};
use crate::common::test_house::TestHouse;
use crate::common::{Chaos, HandClock, SampleMirror, Weather};

/// What a client waits for: cpanm and cpan give up after a minute.
const PATIENCE: Duration = Duration::from_mins(1);
const RECOVERY: Duration = Duration::from_secs(40);
const GZIP: &str = "application/x-gzip";

/// One test a row.
macro_rules! mirror_in {
    ($(fn $name:ident($weather:expr);)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            mirror_in_weather($weather).await;
        }
    )* };
}

mirror_in! {
    fn mirror_refused(Weather::Refused);
    fn mirror_black_hole(Weather::BlackHole);
    fn mirror_cut_in_mid_body(Weather::CutAfter(40));
    fn mirror_500(Weather::status("500 Oh No"));
    fn mirror_of_200_mb_of_garbage(Weather::garbage(GZIP));
    fn mirror_of_another_format(Weather::flood(GZIP, "<html>Welcome to our hotel</html>".into(), 1));
    fn mirror_whose_bytes_were_changed(Weather::Flipped);
    fn mirror_that_packs_a_bomb_in_http(Weather::bomb(GZIP));
    fn mirror_that_sends_a_bomb_as_its_index(Weather::flood(GZIP, crate::common::chaos::zeros(), 200));
}

async fn mirror_in_weather(weather: Weather) {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let chaos = Chaos::before(&mirror.cpan.base()).await;
    let root = chaos.url("/");
    let house = TestHouse::furnish().clock(&clock).config(|config| config.cpan.upstream = Some(root)).start().await;
    house.polls().await;
    let before = house.index(&[]).await;
    let kept = house.release(GREET_OLD).await;
    assert_eq!((before.status, kept.status), (200, 200));

    mirror.later();
    chaos.weather(weather).await;
    // Jobs wait for what they ask; clients do not wait for jobs.
    let (polls, clients) = tokio::join!(tokio::time::timeout(MINUTE * 2, house.polls()), async {
        let within = |path| tokio::time::timeout(PATIENCE, house.release(path));
        let index = tokio::time::timeout(PATIENCE, house.index(&[])).await.expect("an index in time");
        (index, within(GREET_OLD).await.expect("in time"), within(WORDS_OLD).await.expect("in time"))
    });
    polls.expect("a poll ends");
    let (index, again, never_fetched) = clients;
    assert_eq!((index.status, &index.body), (200, &before.body), "the last good one");
    assert_eq!((again.status, &again.body), (200, &kept.body), "what is here is served");
    assert!(matches!(never_fetched.status, 502 | 503), "{} {}", never_fetched.status, never_fetched.text());
    assert!(never_fetched.body.len() < 2_000 && !never_fetched.body.starts_with(&[0x1f, 0x8b]), "nothing to unpack");
    assert_eq!(house.index(&[]).await.body, before.body, "after the poll too");

    chaos.weather(Weather::Fair).await;
    let since = Instant::now();
    while house.listed("Acme::Words").await.is_none() || house.release(WORDS_OLD).await.status != 200 {
        assert!(since.elapsed() < RECOVERY, "the mirror is well again, and nobody notices");
        tokio::time::sleep(Duration::from_millis(500)).await;
        house.polls().await;
    }
    let breaker = house.metric("lazaret_upstream_breaker", &[("host", &chaos.host())]).await;
    assert_eq!(breaker, 0, "after");
    let alarms = house.told("alarm").await;
    assert!(alarms.len() <= 2, "told once, not at each poll: {alarms:?}");
}
