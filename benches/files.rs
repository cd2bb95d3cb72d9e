//! Files: what the house adds to a cold one, and what a hot one costs.

use super::support::WORLD;

const SMALL: usize = 10_000;
const LARGE: usize = 18_000_000;

pub(crate) fn tell() {
    tell_cold("10 kB wheel", SMALL);
    tell_cold("18 MB wheel", LARGE);
}

/// The first byte of a file that was never fetched, less the same from the index itself.
fn tell_cold(what: &str, size: usize) {
    const TURNS: usize = 9;
    let (mut client, mut direct) = (WORLD.client(), WORLD.direct());
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..TURNS {
        let name = WORLD.new_name();
        let (ours, theirs) = WORLD.index.add_wheel(&name, size);
        // The page is read before, as every client does.
        client.fetch(&format!("/pypi/simple/{name}/"), "");
        let theirs = direct.fetch(&theirs, "");
        let ours = client.fetch(&ours, "");
        for (list, time) in times.iter_mut().zip([ours.first_byte, theirs.first_byte, ours.total, theirs.total]) {
            list.push(time.as_secs_f64() * 1e3);
        }
    }
    let [ours_first, theirs_first, ours_total, theirs_total] = times.map(|mut list| {
        list.sort_by(f64::total_cmp);
        list[TURNS / 2]
    });
    println!(
        "cold {what}: first byte {:.1} ms over direct ({ours_first:.1} and {theirs_first:.1} ms), last byte {:.1} ms over direct \
         ({ours_total:.1} and {theirs_total:.1} ms)",
        ours_first - theirs_first,
        ours_total - theirs_total
    );
}

mod hot {
    use divan::Bencher;
    use divan::counter::BytesCount;

    use super::{LARGE, SMALL, WORLD};

    #[divan::bench(args = [SMALL, LARGE])]
    fn wheel(bencher: Bencher<'_, '_>, size: usize) {
        let mut client = WORLD.client();
        let path = kept(size);
        bencher.counter(BytesCount::new(size)).bench_local(|| client.fetch(&path, "").length);
    }

    #[divan::bench]
    fn last_16_kb_of_a_large_wheel(bencher: Bencher<'_, '_>) {
        let mut client = WORLD.client();
        let path = kept(LARGE);
        bencher.bench_local(|| assert_eq!(client.get(&path, "Range: bytes=-16384\r\n").length, 16_384));
    }

    #[divan::bench]
    fn metadata_of_a_large_wheel(bencher: Bencher<'_, '_>) {
        let mut client = WORLD.client();
        let path = format!("{}.metadata", kept(LARGE));
        bencher.bench_local(|| client.fetch(&path, "").length);
    }

    /// A wheel that is in the cellar.
    fn kept(size: usize) -> String {
        let (path, _) = WORLD.index.add_wheel(&WORLD.new_name(), size);
        WORLD.client().fetch(&path, "");
        path
    }
}
