//! Pages: what the house adds to a cold one, what a hot one costs, and what reading an unchanged one again costs.

use super::support::WORLD;
use super::support::index::{BOTO3_FILES, SMALL_FILES};

const JSON: &str = "Accept: application/vnd.pypi.simple.v1+json\r\n";
const CODINGS: [&str; 3] = ["identity", "gzip", "zstd"];

pub(crate) fn tell() {
    tell_cold("boto3-sized", BOTO3_FILES, "gzip", 50.0);
    tell_cold("boto3-sized", BOTO3_FILES, "identity", 50.0);
    tell_cold("small", SMALL_FILES, "gzip", 2.0);
}

fn headers(coding: &str) -> String {
    format!("{JSON}Accept-Encoding: {coding}\r\n")
}

fn through_us(name: &str) -> String {
    format!("/pypi/simple/{name}/")
}

/// A first request for a page, less the same request to the index itself; and how often the index was asked.
fn tell_cold(what: &str, files: usize, coding: &str, most: f64) {
    const TURNS: usize = 15;
    let (mut client, mut direct) = (WORLD.client(), WORLD.direct());
    let (mut ours, mut theirs, mut asked) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TURNS {
        let name = WORLD.new_name();
        let path = WORLD.index.add_page(&name, files);
        // The house asks for gzip, whatever its client takes.
        theirs.push(direct.fetch(&path, &headers("gzip")).total.as_secs_f64() * 1e3);
        let before = WORLD.index.pages_read();
        ours.push(client.fetch(&through_us(&name), &headers(coding)).total.as_secs_f64() * 1e3);
        asked += WORLD.index.pages_read() - before;
    }
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    let (ours, theirs) = (ours[TURNS / 2], theirs[TURNS / 2]);
    println!(
        "cold {what} page, {coding}: {:.1} ms of our own (allowed {most} ms): {ours:.1} ms through the house, {theirs:.1} ms direct; \
         {asked} upstream requests for {TURNS} pages",
        ours - theirs
    );
    assert_eq!(asked, TURNS, "a cold page costs one upstream round trip");
}

#[divan::bench_group(sample_count = 20, sample_size = 1)]
mod cold {
    use divan::Bencher;

    use super::{BOTO3_FILES, CODINGS, SMALL_FILES, WORLD, headers, through_us};

    #[divan::bench]
    fn boto3_sized_direct(bencher: Bencher<'_, '_>) {
        let path = WORLD.index.add_page(&WORLD.new_name(), BOTO3_FILES);
        let mut direct = WORLD.direct();
        bencher.bench_local(|| direct.fetch(&path, &headers("gzip")).length);
    }

    #[divan::bench(args = CODINGS)]
    fn boto3_sized(bencher: Bencher<'_, '_>, coding: &str) {
        first_requests(bencher, BOTO3_FILES, coding);
    }

    #[divan::bench(args = CODINGS)]
    fn small(bencher: Bencher<'_, '_>, coding: &str) {
        first_requests(bencher, SMALL_FILES, coding);
    }

    fn first_requests(bencher: Bencher<'_, '_>, files: usize, coding: &str) {
        let mut client = WORLD.client();
        let named = || {
            let name = WORLD.new_name();
            WORLD.index.add_page(&name, files);
            name
        };
        bencher.with_inputs(named).bench_local_values(|name| client.fetch(&through_us(&name), &headers(coding)).length);
    }
}

mod hot {
    use divan::Bencher;
    use divan::counter::BytesCount;

    use super::{BOTO3_FILES, CODINGS, SMALL_FILES, WORLD, headers, through_us};

    #[divan::bench(args = CODINGS)]
    fn boto3_sized(bencher: Bencher<'_, '_>, coding: &str) {
        repeated(bencher, BOTO3_FILES, coding);
    }

    #[divan::bench(args = CODINGS)]
    fn small(bencher: Bencher<'_, '_>, coding: &str) {
        repeated(bencher, SMALL_FILES, coding);
    }

    #[divan::bench]
    fn not_modified(bencher: Bencher<'_, '_>) {
        let name = WORLD.new_name();
        WORLD.index.add_page(&name, BOTO3_FILES);
        let mut client = WORLD.client();
        let etag = client.fetch(&through_us(&name), &headers("gzip")).etag.unwrap();
        let asked = format!("{}If-None-Match: {etag}\r\n", headers("gzip"));
        bencher.bench_local(|| assert_eq!(client.get(&through_us(&name), &asked).status, 304));
    }

    fn repeated(bencher: Bencher<'_, '_>, files: usize, coding: &str) {
        let name = WORLD.new_name();
        WORLD.index.add_page(&name, files);
        let mut client = WORLD.client();
        let (path, headers) = (through_us(&name), headers(coding));
        client.fetch(&path, &headers);
        client.fetch(&path, &headers);
        // The better compression is made behind the second request; that should not be measured.
        std::thread::sleep(std::time::Duration::from_secs(1));
        let length = client.fetch(&path, &headers).length;
        bencher.counter(BytesCount::new(length)).bench_local(|| client.fetch(&path, &headers).length);
    }
}

/// The house's own work on pages, without a client.
mod work {
    use divan::Bencher;
    use divan::counter::BytesCount;
    use lazaret::domain::{Clock as _, Project, ProjectName, SystemClock};
    use lazaret::quarantine::refresh::Freshness;
    use lazaret::registry::pypi::read_listing;

    use super::{BOTO3_FILES, WORLD};

    #[divan::bench(sample_count = 20, sample_size = 1)]
    fn unchanged_boto3_sized_page_read_again(bencher: Bencher<'_, '_>) {
        let name = WORLD.new_name();
        WORLD.index.add_page(&name, BOTO3_FILES);
        let project = Project::pypi(ProjectName::pypi(&name).unwrap());
        let quarantine = WORLD.house.quarantine();
        let clock = SystemClock::new();
        let read = || WORLD.runtime.block_on(quarantine.view(&project, Freshness::Since(clock.now()))).unwrap();
        read();
        bencher.bench_local(read);
    }

    #[divan::bench]
    fn boto3_sized_page_parsed(bencher: Bencher<'_, '_>) {
        let name = ProjectName::pypi(&WORLD.new_name()).unwrap();
        let path = WORLD.index.add_page(name.as_str(), BOTO3_FILES);
        let body = WORLD.index.body(&path);
        let url = "https://index.example.test/simple/marmalade/".parse().unwrap();
        let parse = || read_listing("application/vnd.pypi.simple.v1+json", &body, &url, &name).unwrap();
        bencher.counter(BytesCount::new(body.len())).bench_local(parse);
    }
}
