//! PyPI in all weathers.

use std::time::Duration;

use tokio::time::Instant;

use crate::common::browser::Answer;
use crate::common::clock::HOUR;
use crate::common::test_house::TestHouse;
use crate::common::wheels::Built;
use crate::common::{Chaos, FakePypi, HandClock, Manner, Weather, Wheel};

/// pip gives up after so long without a byte.
const PATIENCE: Duration = Duration::from_secs(15);
/// Short of this a breaker that is open asks again.
const RECOVERY: Duration = Duration::from_secs(40);
/// So many names are asked for at once: enough for a breaker.
const COLD: usize = 6;

/// Under which name monitors see it.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// There was no answer, or a refusal.
    Request(&'static str),
    /// An answer that began well.
    Spoiled(&'static str),
}

/// What becomes of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    Opens,
    StaysClosed,
}
use Breaker::{Opens, StaysClosed};
use Seen::{Request, Spoiled};

/// One test a row: what happens on every path, how it is seen, what becomes of the breaker, and the status for a name that was
/// never read. Rows get the address of another server, which must not be asked.
macro_rules! pages_in {
    ($(fn $name:ident($seen:expr, $breaker:expr, $cold:expr, $weather:expr);)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            pages_in_weather($weather, $seen, $breaker, $cold).await;
        }
    )* };
}

const JSON: &str = "application/vnd.pypi.simple.v1+json";

pages_in! {
    fn pages_refused(                   Request("unreachable"), Opens,       503, |_| Weather::Refused);
    fn pages_no_route(                  Request("timeout"),     Opens,       503, |_| Weather::NoRoute);
    fn pages_black_hole(                Request("timeout"),     Opens,       503, |_| Weather::BlackHole);
    fn pages_slow_drip(                 Spoiled("timeout"),     Opens,       503, |_| Weather::Drip(1, MOMENT));
    fn pages_cut_in_mid_body(           Spoiled("truncated"),   Opens,       503, |_| Weather::CutAfter(60));
    fn pages_500(                       Request("status"),      Opens,       503, |_| Weather::status("500 Oh No"));
    fn pages_403(                       Request("forbidden"),   StaysClosed, 503, |_| Weather::status("403 Go Away"));
    fn pages_429(                       Request("throttled"),   Opens,       503, |_| Weather::status("429 Slow\r\nRetry-After: 7"));
    fn pages_of_a_wrong_type(           Spoiled("bad-answer"),  StaysClosed, 502, |_| Weather::flood("image/png", PNG, 1));
    fn pages_that_are_200_mb_of_garbage(Spoiled("too-large"),   Opens,       503, |_| Weather::garbage(JSON));
    fn pages_of_garbage_of_a_small_size(Spoiled("bad-answer"),  StaysClosed, 502, |_| Weather::flood(JSON, "[[".into(), 1));
    fn pages_that_are_a_gzip_bomb(      Spoiled("too-large"),   Opens,       503, |_| Weather::bomb(JSON));
    fn pages_that_lead_to_another_host( Spoiled("not-allowed"), StaysClosed, 503, redirect);
}

const PNG: bytes::Bytes = bytes::Bytes::from_static(b"\x89PNG\r\n\x1a\n");
const MOMENT: Duration = Duration::from_millis(200);

fn redirect(elsewhere: &str) -> Weather {
    Weather::status(&format!("302 Found\r\nLocation: {elsewhere}/simple/quaymaster/"))
}

/// A house that has read one page through the proxy and fetched one file of it.
struct Harbour {
    house: TestHouse,
    pypi: FakePypi,
    chaos: Chaos,
    /// Was fetched.
    kept: Built,
    /// Was not: one that is served when it is verified, and one of which all but the tail is passed on before.
    small: Built,
    large: Built,
    /// Another server.
    elsewhere: FakePypi,
}

impl Harbour {
    async fn open() -> Self {
        let clock = HandClock::new();
        let pypi = FakePypi::start(&clock, Manner::Poor).await;
        let elsewhere = FakePypi::start(&clock, Manner::Poor).await;
        let chaos = Chaos::before(&pypi.base()).await;
        let index = chaos.url("/simple/");
        let house =
            TestHouse::furnish().clock(&clock).config(|config| config.pypi.upstream = Some(index)).start().await;
        let publish = |version: &str, bytes: usize| {
            let release = pypi.publish("quaymaster", version).at(house.days_ago(30));
            release.file(Wheel::new("quaymaster", version).padded(bytes).build())
        };
        let (kept, small, large) = (publish("1.0", 500), publish("1.1", 40_000), publish("1.2", 300_000));
        for number in 0..COLD {
            pypi.publish(&format!("cold-{number}"), "1.0").at(house.days_ago(30)).wheel();
        }
        elsewhere.publish("quaymaster", "6.6.6").wheel();
        assert_eq!(house.page("quaymaster").await.len(), 3);
        assert_eq!(house.get_file("quaymaster", &kept).await.status, 200);
        Self { house, pypi, chaos, kept, small, large, elsewhere }
    }

    async fn seen(&self, seen: Seen) -> u64 {
        let host = self.chaos.host();
        let (name, outcome) = match seen {
            Request(outcome) => ("lazaret_upstream_requests_total", outcome),
            Spoiled(outcome) => ("lazaret_upstream_answers_spoiled_total", outcome),
        };
        self.house.metric(name, &[("host", &host), ("outcome", outcome)]).await
    }

    async fn breaker(&self) -> u64 {
        self.house.metric("lazaret_upstream_breaker", &[("host", &self.chaos.host())]).await
    }

    /// A page in the time that a client waits.
    async fn page(&self) -> Vec<String> {
        tokio::time::timeout(PATIENCE, self.house.page("quaymaster")).await.expect("an answer in time")
    }

    async fn file(&self, file: &Built) -> Answer {
        tokio::time::timeout(PATIENCE, self.house.get_file("quaymaster", file)).await.expect("an answer in time")
    }

    /// Pages that were never read, all at once.
    async fn cold(&self) -> Vec<Answer> {
        let paths: Vec<String> = (0..COLD).map(|number| format!("/pypi/simple/cold-{number}/")).collect();
        let all = futures_util::future::join_all(paths.iter().map(|path| self.house.get(path)));
        tokio::time::timeout(PATIENCE, all).await.expect("answers in time")
    }
}

async fn pages_in_weather(weather: impl Fn(&str) -> Weather, seen: Seen, breaker: Breaker, cold: u16) {
    let harbour = Harbour::open().await;
    let last_good = harbour.page().await;
    assert_eq!((harbour.seen(seen).await, harbour.breaker().await), (0, 0), "before");

    harbour.chaos.weather(weather(&harbour.elsewhere.base())).await;
    harbour.house.clock.advance(HOUR);
    assert_eq!(harbour.page().await, last_good, "the last good page");
    for answer in harbour.cold().await {
        assert_eq!(answer.status, cold, "{} {}", answer.reason, answer.text());
        let words = answer.reason.contains("did not answer for") || answer.reason.contains("cannot be read");
        assert!(words && answer.reason.is_ascii() && answer.reason.len() <= 100, "{:?}", answer.reason);
        assert!(answer.body.len() < 2_000 && !answer.text().contains("Something is wrong"), "{}", answer.text());
        let retry_after: u64 = answer.header("retry-after").parse().unwrap_or_default();
        assert!((1..=60).contains(&retry_after), "{:?}", answer.headers);
    }
    assert!(harbour.seen(seen).await > 0, "{seen:?} is counted");
    let kept = harbour.file(&harbour.kept).await;
    assert_eq!((kept.status, &kept.body), (200, &harbour.kept.bytes), "what is here is served");
    if breaker == Opens {
        // On a busy machine not every one of the first answers is large before its time is over.
        for _ in 0..3 {
            if harbour.breaker().await < 2 {
                harbour.cold().await;
            }
        }
        assert_eq!(harbour.breaker().await, 2, "during");
        let (before, since) = (harbour.chaos.connections(), Instant::now());
        for answer in harbour.cold().await {
            assert_eq!(answer.status, 503, "{}", answer.text());
        }
        assert_eq!(harbour.chaos.connections(), before, "who is down is left alone");
        assert!(since.elapsed() < Duration::from_secs(2), "and nobody waits for it: {:?}", since.elapsed());
        assert!(harbour.seen(Request("breaker-open")).await > 0);
    } else {
        assert_eq!(harbour.breaker().await, 0, "during");
    }
    assert!(harbour.elsewhere.asked().is_empty(), "{:?}", harbour.elsewhere.asked());

    harbour.pypi.publish("quaymaster", "1.3").wheel();
    harbour.chaos.weather(Weather::Fair).await;
    let since = Instant::now();
    loop {
        harbour.house.clock.advance(HOUR);
        let page = harbour.page().await;
        if page.len() == 4 {
            break;
        }
        assert_eq!(page, last_good);
        assert!(since.elapsed() < RECOVERY, "it is well again, and nobody notices");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(harbour.breaker().await, 0, "after");
    let counted = harbour.seen(seen).await;
    assert!(harbour.cold().await.iter().all(|answer| answer.status == 200));
    assert_eq!(harbour.seen(seen).await, counted, "nothing more is counted");
}

/// The status of a file that can be served only when it is verified, while its fetch fails so.
macro_rules! files_in {
    ($(fn $name:ident($seen:expr, $status:expr, $weather:expr);)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            files_in_weather($weather, $seen, $status).await;
        }
    )* };
}

files_in! {
    fn files_refused_by_500(            Request("status"),      502, |_| Weather::status("500 Oh No"));
    fn files_refused_by_429(            Request("throttled"),   502, |_| Weather::status("429 Slow\r\nRetry-After: 3"));
    fn files_black_hole(                Request("timeout"),     502, |_| Weather::BlackHole);
    fn files_slow_drip(                 Request("ok"),          503, |_| Weather::Drip(500, MOMENT));
    fn files_cut_in_mid_body(           Spoiled("truncated"),   502, |_| Weather::CutAfter(20_000));
    fn files_of_a_wrong_digest(         Request("ok"),          502, |_| Weather::Flipped);
    fn files_that_are_200_mb_of_garbage(Spoiled("too-large"),   502, |_| Weather::garbage("application/octet-stream"));
    fn files_that_are_a_gzip_bomb(      Spoiled("too-large"),   502, |_| Weather::bomb("application/octet-stream"));
    fn files_that_lead_to_another_host( Spoiled("not-allowed"), 502, redirect);
}

async fn files_in_weather(weather: impl Fn(&str) -> Weather, seen: Seen, status: u16) {
    let harbour = Harbour::open().await;
    let before = harbour.seen(seen).await;
    harbour.chaos.weather_on("/files/", weather(&harbour.elsewhere.base())).await;

    let answer = harbour.file(&harbour.small).await;
    assert_eq!(answer.status, status, "{} {}", answer.reason, answer.text());
    assert!(answer.body.len() < 2_000 && answer.header("retry-after").parse::<u64>().is_ok(), "{:?}", answer.headers);
    assert!(answer.reason.is_ascii() && !answer.text().contains("Something is wrong"), "{}", answer.text());
    assert!(harbour.seen(seen).await > before, "{seen:?} is counted");
    // Its head may have left: never all of it, and never as if it were whole.
    let large = tokio::time::timeout(PATIENCE, harbour.house.get_file("quaymaster", &harbour.large)).await;
    if let Ok(large) = large {
        assert!(large.status != 200 || large.cut, "{} {} bytes", large.status, large.body.len());
        assert!(large.body.len() < harbour.large.bytes.len());
    }
    let kept = harbour.file(&harbour.kept).await;
    assert_eq!((kept.status, &kept.body), (200, &harbour.kept.bytes), "what is here is served");
    assert!(harbour.elsewhere.asked().is_empty(), "{:?}", harbour.elsewhere.asked());

    harbour.chaos.weather(Weather::Fair).await;
    let since = Instant::now();
    for file in [&harbour.small, &harbour.large] {
        loop {
            let answer = harbour.file(file).await;
            if answer.status == 200 && !answer.cut {
                assert_eq!(answer.body, file.bytes);
                break;
            }
            assert!(since.elapsed() < RECOVERY, "it is well again, and nobody notices: {}", answer.text());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    assert_eq!(harbour.breaker().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_wrong_type_is_judged_by_its_digest() {
    let harbour = Harbour::open().await;
    harbour.chaos.weather_on("/files/", Weather::Typed("text/html")).await;
    for file in [&harbour.small, &harbour.large] {
        let answer = harbour.file(file).await;
        assert_eq!((answer.status, &answer.body), (200, &file.bytes));
        assert_eq!(answer.header("content-type"), "application/octet-stream", "and leaves under ours");
    }
}
