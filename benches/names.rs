//! Names: how quickly the corpus is built, and how quickly it is asked.

use std::time::Instant;

use divan::Bencher;
use lazaret::corpus::Corpus;
use lazaret::domain::ProjectName;

/// The slowest look-ups among names of all kinds.
pub(crate) fn tell() {
    let corpus = Corpus::embedded();
    let mut times: Vec<f64> = names()
        .iter()
        .map(|name| {
            let started = Instant::now();
            divan::black_box(corpus.neighbours(divan::black_box(name)));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "neighbours of a name: {:.1} µs median, {:.1} µs p99, of {} names",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times.len()
    );
}

/// Known names, names with a typing error, and names that are like no other.
fn names() -> Vec<ProjectName> {
    let known = include_str!("../policies/names/pypi.txt").lines().filter(|line| !line.starts_with('#'));
    let known = known.step_by(5).map(str::trim).filter(|line| !line.is_empty());
    known
        .flat_map(|name| {
            [name.to_owned(), format!("{name}x"), name[1..].to_owned(), format!("unlike-{name}-any-other")]
        })
        .filter_map(|name| ProjectName::pypi(&name).ok())
        .collect()
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn built() -> Corpus {
    Corpus::embedded()
}

#[divan::bench]
fn neighbours(bencher: Bencher<'_, '_>) {
    let corpus = Corpus::embedded();
    let names = names();
    let mut turn = names.iter().cycle();
    bencher.bench_local(|| corpus.neighbours(turn.next().unwrap()));
}
