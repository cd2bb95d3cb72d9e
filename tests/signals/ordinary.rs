//! False alarms: ordinary past releases of real projects, judged as on the day they came. A queue that cries wolf is not read.

use std::collections::BTreeMap;

use lazaret::corpus::{Confusion, Corpus, shipped_list};
use lazaret::domain::{Ecosystem, Outcome, ProjectName, Timestamp};
use lazaret::policy::Policy;
use lazaret::quarantine::assess::Evidence;
use lazaret::signals::{Timeline, typosquat};

use super::replay::{Judged, bench, for_people, judge_all};

/// So many ordinary releases at least.
const RELEASES: usize = 6_000;
/// Of ten thousand releases so many may go to a person.
const MOST_IN_TEN_THOUSAND: usize = 25;

#[test]
fn of_six_thousand_ordinary_releases_hardly_any_goes_to_a_person() {
    let policy = Policy::built_in();
    let judged = judge_all(&policy);
    assert!(judged.len() >= RELEASES, "{} releases", judged.len());
    let people = for_people(&judged);
    let longer =
        judged.iter().filter(|it| it.verdict.outcome == Outcome::Hold && it.verdict.score >= policy.thresholds.medium);
    println!("{} ordinary releases: {} go to a person, {} wait longer", judged.len(), people.len(), longer.count());
    for it in &people {
        println!("  {} {} ({}): {}", it.project, it.version, it.published.date(), it.verdict.reason);
        for finding in it.verdict.findings.iter().filter(|finding| finding.points > 0) {
            println!("    {:>3} {}: {}", finding.points, finding.signal, finding.summary);
        }
    }
    println!("findings with weight, by signal:");
    for (signal, count) in counted(&judged) {
        println!("  {signal}: {count}");
    }
    assert!(people.len() * 10_000 <= judged.len() * MOST_IN_TEN_THOUSAND, "{} of {}", people.len(), judged.len());
}

fn counted(judged: &[Judged]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for finding in judged.iter().flat_map(|it| &it.verdict.findings).filter(|finding| finding.points > 0) {
        *counts.entry(format!("{} {}", finding.signal, finding.points)).or_default() += 1;
    }
    counts
}

/// A site of 500 developers asks for fifty new names a week, and takes in two thousand releases.
#[test]
fn in_a_week_of_a_large_site_a_handful_of_decisions_is_for_people() {
    const NEW_NAMES: usize = 50;
    const WEEKS: usize = 20;
    let policy = Policy::built_in();
    let judged = judge_all(&policy);
    let per_week = 2_000.0 / f64::from(u32::try_from(judged.len()).expect("a count"));
    let from_releases = f64::from(u32::try_from(for_people(&judged).len()).expect("a count")) * per_week;
    let mut alarms = 0;
    for week in 0..WEEKS {
        let names = new_names(week, NEW_NAMES);
        alarms += names.iter().filter(|name| goes_to_a_person(name, &policy)).count();
    }
    let from_names =
        f64::from(u32::try_from(alarms).expect("a count")) / f64::from(u32::try_from(WEEKS).expect("a count"));
    println!("a week: {from_names:.2} decisions about new names, {from_releases:.2} about releases");
    assert!(from_names < 1.0, "{from_names} false alarms a week about names");
    assert!(from_names + from_releases <= 5.0, "{from_names} and {from_releases}");
}

/// Names that a site might ask for first: of the less popular half of the list, as if nobody knew them.
fn new_names(week: usize, count: usize) -> Vec<(u32, ProjectName)> {
    let names: Vec<&str> = shipped_list(Ecosystem::Pypi).collect();
    let half = names.len() / 2;
    let step = (names.len() - half) / count;
    let place = |number: usize| half + (number * step + week * 7) % (names.len() - half);
    (0..count)
        .filter_map(|number| {
            let place = place(number);
            Some((u32::try_from(place).ok()? + 1, ProjectName::pypi(names[place]).ok()?))
        })
        .collect()
}

/// Whether a first look at this name, a project of a day with one release, asks a person.
fn goes_to_a_person((rank, name): &(u32, ProjectName), policy: &Policy) -> bool {
    static CORPUS: std::sync::LazyLock<Corpus> = std::sync::LazyLock::new(|| Corpus::embedded(Ecosystem::Pypi));
    let published = Timestamp::UNIX_EPOCH + time::Duration::days(20_000);
    let evidence = Evidence::default();
    let bench = bench(policy, &CORPUS, &evidence, published + time::Duration::HOUR);
    let known = super::incidents::page(name.as_str(), &[("0.1.0", published, 20_000)]);
    let mut facts = bench.facts(&known);
    facts.rank = None;
    facts.first_read = published + time::Duration::HOUR;
    facts.neighbours = CORPUS.neighbours_above(name, *rank);
    facts.timeline = std::sync::Arc::new(Timeline::of(&known));
    let verdict = bench.judge(&bench.dossier(&facts, &known.files[0], published, None, None));
    if verdict.outcome >= Outcome::Review {
        let nearest = facts.neighbours.iter().find(|neighbour| neighbour.kind != Confusion::Combo);
        println!("  {name}: {} ({:?})", verdict.reason, nearest.map(|it| (&it.target, it.score)));
    }
    let _ = typosquat::Typosquat;
    verdict.outcome >= Outcome::Review
}
