//! What an upstream sends by the hundred megabytes, at a real `lazaret serve`: it is turned away, and the memory shows nothing
//! of it.

use std::time::Duration;

use crate::common::clock::DAY;
use crate::common::program::{ANY_PORTS, Program};
use crate::common::{Chaos, FakeCpan, FakePypi, FakeTeapot, HandClock, Manner, Release, Weather};

/// Everything together: three large answers at once, small ones beside them, and what a debug build has anyway.
const MOST_MEGABYTES: u64 = 500;
/// So many names are asked for at once.
const NAMES: usize = 48;
const JSON: &str = "application/vnd.pypi.simple.v1+json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_garbage_and_bombs_for_many_names_at_once_do_not_fill_the_memory() {
    let clock = HandClock::of_this_machine();
    let pypi = FakePypi::start(&clock, Manner::Poor).await;
    let wheel = pypi.publish("quaymaster", "1.0").at(clock.true_time() - DAY * 30).wheel();
    let chaos = Chaos::before(&pypi.base()).await;
    let settings = format!("{ANY_PORTS}[pypi]\nupstream = \"{}\"\n", chaos.url("/simple/"));
    let program = Program::with(&settings, "").await;
    assert_eq!(program.page("quaymaster").await["files"].as_array().map(Vec::len), Some(1));
    let before = program.peak_megabytes();

    for (what, weather) in [("garbage", Weather::garbage(JSON)), ("a bomb", Weather::bomb(JSON))] {
        chaos.weather(weather).await;
        let paths: Vec<String> = (0..NAMES).map(|number| format!("/pypi/simple/{what}-{number}/")).collect();
        let paths: Vec<String> = paths.iter().map(|path| path.replace(' ', "-")).collect();
        let answers = futures_util::future::join_all(paths.iter().map(|path| program.get(path)));
        for answer in tokio::time::timeout(Duration::from_mins(1), answers).await.expect("answers in time") {
            assert_eq!(answer.status, 503, "{}", answer.text());
        }
        let peak = program.peak_megabytes();
        assert!(peak < MOST_MEGABYTES, "{what}: {peak} MB of memory, {before} before");
        assert_eq!(program.page("quaymaster").await["files"][0]["filename"], *wheel.filename, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_of_garbage_and_bombs_do_not_fill_the_memory() {
    let clock = HandClock::of_this_machine();
    let cpan = FakeCpan::start(&clock).await;
    let dist = crate::common::sample_mirror::greet("1.0");
    cpan.upload(Release::of("GREETER", &dist).at(clock.true_time() - DAY * 30));
    let teapot = FakeTeapot::start().await;
    teapot.package("acme::greet", "1.0", &[]);
    let packed = "application/x-gzip";
    for (what, weather) in [
        ("garbage", Weather::garbage(packed)),
        ("a bomb in HTTP", Weather::bomb(packed)),
        ("a bomb", Weather::flood(packed, crate::common::chaos::zeros(), 100)),
    ] {
        let (mirror, repository) = (Chaos::before(&cpan.base()).await, Chaos::before(&teapot.base()).await);
        let settings = format!(
            "{ANY_PORTS}[pypi]\nupstream = \"http://127.0.0.1:9/simple/\"\n\
             [cpan]\nupstream = \"{}\"\npoll = \"1s\"\n[teapot]\nupstream = \"{}\"\npoll = \"1s\"\n",
            mirror.url("/"),
            repository.url("/"),
        );
        let program = Program::with(&settings, "").await;
        let index = "/cpan/modules/02packages.details.txt.gz";
        let good = program.get(index).await;
        assert_eq!(good.status, 200);
        let before = program.peak_megabytes();

        mirror.weather(weather.clone()).await;
        repository.weather(weather).await;
        let host = repository.host();
        let seen = async {
            while program.metric("lazaret_cpan_polls_total", &[("outcome", "failed")]).await < 1
                || program.metric("lazaret_upstream_answers_spoiled_total", &[("host", &host)]).await < 1
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), seen).await.expect("both are polled");
        let peak = program.peak_megabytes();
        assert!(peak < MOST_MEGABYTES, "{what}: {peak} MB of memory, {before} before");
        assert_eq!(program.get(index).await.body, good.body, "{what}: the last good one");
    }
}
