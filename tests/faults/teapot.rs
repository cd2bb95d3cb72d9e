//! A teapot repository in bad weather: the last good index is served, and files come whole, as the index has them, or not at all.

use std::time::Duration;

use tokio::time::Instant;

use crate::common::clock::{HOUR, MINUTE};
use crate::common::teapot_house::{TeapotHouse, package};
use crate::common::test_house::TestHouse;
use crate::common::{Chaos, FakeTeapot, Weather};

/// teacup itself would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);
const RECOVERY: Duration = Duration::from_secs(40);
const BYTES: &str = "application/octet-stream";

/// One test a row.
macro_rules! repository_in {
    ($(fn $name:ident($weather:expr);)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            repository_in_weather($weather).await;
        }
    )* };
}

repository_in! {
    fn repository_refused(Weather::Refused);
    fn repository_black_hole(Weather::BlackHole);
    fn repository_cut_in_mid_body(Weather::CutAfter(30));
    fn repository_500(Weather::status("500 Oh No"));
    fn repository_of_200_mb_of_garbage(Weather::garbage(BYTES));
    fn repository_whose_bytes_were_changed(Weather::Flipped);
    fn repository_that_is_a_gzip_bomb(Weather::bomb(BYTES));
}

async fn repository_in_weather(weather: Weather) {
    let upstream = FakeTeapot::start().await;
    for name in ["acme::greet", "acme::util"] {
        upstream.package(name, "1.0", &[]);
    }
    let chaos = Chaos::before(&upstream.base()).await;
    let root = chaos.url("/");
    let house = TestHouse::furnish().config(|config| config.teapot.upstream = Some(root)).start().await;
    let house = TeapotHouse { house, upstream };
    assert_eq!(house.index().await.len(), 2);
    let (index, imtime) = (house.get("/db/index").await.body, house.imtime().await);
    let kept = house.file(&package("acme::greet", "1.0")).await;
    house.clock().advance(HOUR);

    house.upstream.package("acme::later", "1.0", &[]);
    chaos.weather(weather).await;
    let never_fetched = "/package/name/acme%3a%3autil/ver/1%2e0/arch/tcl/file";
    let (polled, clients) = tokio::join!(tokio::time::timeout(MINUTE * 2, house.poll()), async {
        let within = |path| tokio::time::timeout(PATIENCE, house.get(path));
        (within("/db/index").await.expect("in time"), within(never_fetched).await.expect("in time"))
    });
    polled.expect("a poll ends");
    let (shown, refused) = clients;
    assert_eq!((shown.status, &shown.body), (200, &index), "the last good one");
    let words = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(refused.status == 503 && words.contains("try again later"), "{} {words}", refused.status);
    assert_eq!(house.file(&package("acme::greet", "1.0")).await, kept, "what is here is served");
    assert_eq!((house.get("/db/index").await.body, house.imtime().await), (index, imtime), "after the poll too");

    chaos.weather(Weather::Fair).await;
    let since = Instant::now();
    // What is new is held; that it was met shows in the queue.
    while house.uploads("acme::later").await.is_empty() || house.get(never_fetched).await.status != 200 {
        assert!(since.elapsed() < RECOVERY, "the repository is well again, and nobody notices");
        tokio::time::sleep(Duration::from_millis(500)).await;
        house.poll().await;
    }
    let breaker = house.house.metric("lazaret_upstream_breaker", &[("host", &chaos.host())]).await;
    assert_eq!(breaker, 0, "after");
}
