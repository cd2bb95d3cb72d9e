//! Names: how quickly the corpus is built, how quickly it is asked, what it takes, and how it sees its own popular names.

use std::time::Instant;

use divan::Bencher;
use lazaret::corpus::{Confusion, Corpus, shipped_list};
use lazaret::domain::{Ecosystem, ProjectName};

/// Longest that a name may take, 99 times of 100.
const LIMIT_IN_MICROSECONDS: f64 = 100.0;

/// The slowest look-ups among names of all kinds, what the corpus costs, and how often a popular name looks like a slip for a
/// more popular one.
pub(crate) fn tell() {
    let started = Instant::now();
    let corpus = Corpus::embedded(Ecosystem::Pypi);
    let built = started.elapsed().as_secs_f64() * 1e3;
    println!("corpus of PyPI: built in {built:.0} ms, {:.1} MB", mega(corpus.bytes()));
    let mut times: Vec<f64> = names()
        .iter()
        .map(|name| {
            let started = Instant::now();
            divan::black_box(corpus.neighbours(divan::black_box(name)));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let p99 = times[times.len() * 99 / 100];
    println!(
        "a name scored: {:.1} µs median, {p99:.1} µs p99 (limit {LIMIT_IN_MICROSECONDS}), of {} names",
        times[times.len() / 2],
        times.len()
    );
    leave_one_out(&corpus);
}

/// Each popular name against those above it: what would be said if it were new.
fn leave_one_out(corpus: &Corpus) {
    let mut scores = Vec::new();
    for (rank, name) in (1..).zip(shipped_list(Ecosystem::Pypi)) {
        let name = ProjectName::pypi(name).unwrap();
        let neighbours = corpus.neighbours_above(&name, rank);
        // A combo alone keeps nobody waiting.
        let likely = neighbours.iter().filter(|neighbour| neighbour.kind != Confusion::Combo);
        scores.push(likely.map(|neighbour| neighbour.score).fold(0.0_f64, f64::max));
    }
    for threshold in [0.3, 0.5, 0.6, 0.7, 0.8, 0.9] {
        let above = scores.iter().filter(|score| **score >= threshold).count();
        let share = 100.0 * number(above) / number(scores.len());
        println!("popular names that score {threshold} or more against those above them: {above} ({share:.2} %)");
    }
}

fn mega(bytes: usize) -> f64 {
    number(bytes) / 1e6
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// Known names, names with a typing error, and names that are like no other.
fn names() -> Vec<ProjectName> {
    shipped_list(Ecosystem::Pypi)
        .step_by(5)
        .flat_map(|name| {
            [name.to_owned(), format!("{name}x"), name[1..].to_owned(), format!("unlike-{name}-any-other")]
        })
        .filter_map(|name| ProjectName::pypi(&name).ok())
        .collect()
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn built() -> Corpus {
    Corpus::embedded(Ecosystem::Pypi)
}

#[divan::bench]
fn neighbours(bencher: Bencher<'_, '_>) {
    let corpus = Corpus::embedded(Ecosystem::Pypi);
    let names = names();
    let mut turn = names.iter().cycle();
    bencher.bench_local(|| corpus.neighbours(turn.next().unwrap()));
}
