//! A project's releases over time, as its page shows them, and one release among them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::Duration;

use crate::domain::{Ecosystem, FileKind, FileName, KnownFile, KnownProject, ReleaseKey, Timestamp, Version, Yanked};

/// So many releases before and after one stand in its dossier.
const MOST_TOLD: usize = 12;
/// So many of those before it are such as were let in, however many others came since.
const LEAST_ACCEPTED: usize = 3;
/// Releases that come within this time of each other are one burst.
pub const BURST: Duration = Duration::hours(2);
/// Releases on several branches that come within this time belong together.
pub const TOGETHER: Duration = Duration::hours(24);
/// A release that has so many times the bytes of the one before has become another thing.
pub const GROWTH: u64 = 5;
/// Less growth than this many bytes is a file or two more.
pub const LEAST_GROWTH: u64 = 512 << 10;
/// Nobody who counts skips so many major versions.
pub const FAR: u64 = 10;
/// Major versions with four digits and more are years and dates.
const CALENDAR: u64 = 1_990;

/// One release, as the page shows it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, stored under its name")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which one.
    pub version: Version,
    /// When its first file was uploaded.
    #[serde(with = "time::serde::rfc3339")]
    pub published: Timestamp,
    /// Bytes of its largest wheel.
    pub wheel: Option<u64>,
    /// Bytes of its largest source archive.
    pub source: Option<u64>,
    /// Whether the index offers attestations ([PEP 740](https://peps.python.org/pep-0740/)) for any of its files.
    pub attested: bool,
    /// Whether it offers them for some and not for others.
    #[serde(default, skip_serializing_if = "is_false")]
    pub partly_attested: bool,
    /// Whether all of its files were yanked or vanished.
    pub withdrawn: bool,
    /// Whether files of it vanished.
    pub vanished: bool,
    /// Whether all of it waits here or was refused: what nobody has let in yet is no measure for what comes after it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unaccepted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Release {
    /// Its first two numbers: what is kept up to date separately is another branch.
    fn branch(&self) -> (u64, u64) {
        let version = self.version.pep440();
        let number = |place| version.as_ref().and_then(|version| version.release().get(place).copied()).unwrap_or(0);
        (number(0), number(1))
    }

    /// How many times the bytes of the other one it has, if that is remarkable.
    pub fn growth_over(&self, before: &Self) -> Option<u64> {
        let grown = |now: Option<u64>, then: Option<u64>| {
            let (now, then) = (now?, then?);
            (then > 0 && now / then >= GROWTH && now - then >= LEAST_GROWTH).then_some(now / then)
        };
        // Wheels are compared with wheels: where there are none any more, with the source archive.
        if self.wheel.is_some() && before.wheel.is_some() {
            grown(self.wheel, before.wheel)
        } else {
            grown(self.source, before.source)
        }
    }
}

/// What this project has done before: what is usual for it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Habits {
    /// Earlier releases that came within [`BURST`] of the one before them.
    pub bursts: usize,
    /// Earlier releases that came within [`TOGETHER`] of one on another branch.
    pub branches: usize,
    /// Earlier releases after a year of silence.
    pub pauses: usize,
    /// Earlier releases that had grown [`GROWTH`] times.
    pub growths: usize,
    /// Earlier releases that skipped [`FAR`] major versions.
    pub jumps: usize,
}

/// One release among the others of its project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// This one.
    pub this: Release,
    /// How many were published before it.
    pub earlier: usize,
    /// The newest of them, newest first.
    pub before: Vec<Release>,
    /// Those published within a day after it, in their order.
    pub after: Vec<Release>,
    /// The highest version among those before.
    pub highest_before: Option<Version>,
    /// When the project's first release was published.
    #[serde(with = "time::serde::rfc3339")]
    pub first: Timestamp,
    /// What is usual here.
    pub habits: Habits,
}

/// All releases of a project of PyPI in the order of their publication. Releases without a date have no place in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    releases: Vec<Release>,
    /// Where each stands: versions are read once, not for each that is looked for.
    places: BTreeMap<ReleaseKey, usize>,
}

impl Timeline {
    /// The releases that a page has ever shown.
    pub fn of(known: &KnownProject) -> Self {
        Self::with_waiting(known, &BTreeSet::new())
    }

    /// The same, where files of these names wait here or were refused.
    pub fn with_waiting(known: &KnownProject, waiting: &BTreeSet<FileName>) -> Self {
        let mut releases: BTreeMap<ReleaseKey, Gathered<'_>> = BTreeMap::new();
        for file in &known.files {
            releases.entry(file.file.version.release(Ecosystem::Pypi)).or_default().add(file);
        }
        let dated = |(key, gathered): (ReleaseKey, Gathered<'_>)| Some((key, gathered.release(waiting)?));
        let mut dated: Vec<(ReleaseKey, Release)> = releases.into_iter().filter_map(dated).collect();
        dated.sort_by_key(|(_, release)| release.published);
        let (keys, releases): (Vec<_>, Vec<_>) = dated.into_iter().unzip();
        let places = keys.into_iter().enumerate().map(|(place, key)| (key, place)).collect();
        Self { releases, places }
    }

    /// When the first release was published.
    pub fn first(&self) -> Option<Timestamp> {
        self.releases.first().map(|release| release.published)
    }

    /// Whether it is one of the last three releases.
    pub fn is_recent(&self, version: &Version) -> bool {
        self.releases.iter().rev().take(3).any(|release| release.version.is_same_release(version))
    }

    /// When the last dozen of releases were published.
    pub fn newest(&self) -> impl Iterator<Item = Timestamp> {
        self.releases.iter().rev().take(MOST_TOLD).map(|release| release.published)
    }

    /// The versions that were published before this one, also those that were withdrawn since.
    pub fn before(&self, version: &Version) -> impl Iterator<Item = &Version> {
        self.releases.iter().take(self.place(version).unwrap_or_default()).map(|release| &release.version)
    }

    fn place(&self, version: &Version) -> Option<usize> {
        self.places.get(&version.release(Ecosystem::Pypi)).copied()
    }

    /// A version among the others; `None` if its page gives it no date.
    pub fn history(&self, version: &Version) -> Option<History> {
        let place = self.place(version)?;
        let this = self.releases.get(place)?.clone();
        let (before, rest) = self.releases.split_at(place);
        let after = rest.iter().skip(1).take_while(|release| release.published - this.published <= TOGETHER);
        let accepted = before.iter().filter(|release| !release.unaccepted);
        let highest = accepted.filter_map(|release| Some((release.version.pep440()?, &release.version))).max();
        Some(History {
            earlier: before.len(),
            before: told(before),
            after: after.take(MOST_TOLD).cloned().collect(),
            highest_before: highest.map(|(_, version)| version.clone()),
            first: self.first()?,
            habits: habits(before, this.published),
            this,
        })
    }
}

/// The newest of these releases, newest first, and among them some that were let in: whoever sends a dozen others after them
/// does not push out what the next one is compared with.
fn told(before: &[Release]) -> Vec<Release> {
    let mut told = Vec::new();
    let mut accepted = 0;
    for release in before.iter().rev() {
        if told.len() < MOST_TOLD || (accepted < LEAST_ACCEPTED && !release.unaccepted) {
            accepted += usize::from(!release.unaccepted);
            told.push(release.clone());
        }
    }
    told
}

/// The files of one release.
#[derive(Default)]
struct Gathered<'a> {
    files: Vec<&'a KnownFile>,
}

impl<'a> Gathered<'a> {
    fn add(&mut self, file: &'a KnownFile) {
        self.files.push(file);
    }

    fn release(self, waiting: &BTreeSet<FileName>) -> Option<Release> {
        let published = self.files.iter().filter_map(|file| file.file.uploaded_at()).min()?;
        let largest = |kind| {
            let of_kind = self.files.iter().filter(move |file| file.file.kind == kind);
            of_kind.filter_map(|file| file.file.size).max()
        };
        let gone = |file: &&&KnownFile| file.vanished.is_some() || file.file.yanked != Yanked::No;
        let attested = self.files.iter().filter(|file| file.file.provenance.is_some()).count();
        Some(Release {
            partly_attested: (1..self.files.len()).contains(&attested),
            version: self.files.first()?.file.version.clone(),
            published,
            wheel: largest(FileKind::Wheel),
            source: largest(FileKind::Source),
            attested: attested > 0,
            withdrawn: self.files.iter().filter(gone).count() == self.files.len(),
            vanished: self.files.iter().any(|file| file.vanished.is_some()),
            unaccepted: self.files.iter().all(|file| waiting.contains(&file.file.filename)),
        })
    }
}

/// What these releases show to be usual. Those within a day of the release in question are part of what it does, not of what
/// was done before; and what was not let in yet is nobody's habit.
fn habits(before: &[Release], published: Timestamp) -> Habits {
    let mut habits = Habits::default();
    let before: Vec<&Release> = before.iter().filter(|release| !release.unaccepted).collect();
    let settled = before.partition_point(|release| published - release.published > TOGETHER);
    let mut highest: Option<u64> = None;
    for (place, release) in before.iter().take(settled).enumerate() {
        let major = major(&release.version);
        if let (Some(highest), Some(major)) = (highest, major) {
            habits.jumps += usize::from(is_jump(highest, major));
        }
        highest = highest.max(major);
        let Some(previous) = place.checked_sub(1).and_then(|place| before.get(place)) else { continue };
        let pause = release.published - previous.published;
        habits.bursts += usize::from(pause <= BURST);
        habits.branches += usize::from(pause <= TOGETHER && release.branch() != previous.branch());
        habits.pauses += usize::from(pause > LONG_SILENCE);
        habits.growths += usize::from(release.growth_over(previous).is_some());
    }
    habits
}

/// Silence that is longer is worth a word.
pub const LONG_SILENCE: Duration = Duration::days(365);

fn major(version: &Version) -> Option<u64> {
    version.pep440()?.release().first().copied()
}

fn is_jump(before: u64, now: u64) -> bool {
    now >= before.saturating_add(FAR) && now < CALENDAR
}

impl History {
    /// Those before it that were let in, newest first: what it is compared with.
    pub fn accepted(&self) -> impl Iterator<Item = &Release> {
        self.before.iter().filter(|release| !release.unaccepted)
    }

    /// Releases that came within [`BURST`] of this one, itself not counted; pre-releases and post-releases of the same
    /// version are one piece of work.
    pub fn burst(&self) -> Vec<&Release> {
        let near = |release: &&Release| (release.published - self.this.published).abs() <= BURST;
        let base = |release: &Release| release.version.pep440().map(pep440_rs::Version::only_release);
        let own = base(&self.this);
        self.before.iter().chain(&self.after).filter(near).filter(|release| base(release) != own).collect()
    }

    /// Releases on other branches within [`TOGETHER`] of this one.
    pub fn other_branches(&self) -> Vec<&Release> {
        let near = |release: &&Release| (release.published - self.this.published).abs() <= TOGETHER;
        let others = self.before.iter().chain(&self.after).filter(near);
        let mut branches = vec![self.this.branch()];
        others
            .filter(|release| {
                let is_new = !branches.contains(&release.branch());
                branches.push(release.branch());
                is_new
            })
            .collect()
    }

    /// The silence before this release, or before the releases of the last month that broke it: its length and its last
    /// release before.
    pub fn silence(&self) -> Option<(Duration, &Release)> {
        let mut later = self.this.published;
        for release in &self.before {
            let pause = later - release.published;
            if pause > LONG_SILENCE {
                return Some((pause, release));
            }
            if self.this.published - release.published > Duration::days(30) {
                return None;
            }
            later = release.published;
        }
        None
    }

    /// The version from which this one jumps, if it does.
    pub fn jump(&self) -> Option<&Version> {
        let highest = self.highest_before.as_ref()?;
        is_jump(major(highest)?, major(&self.this.version)?).then_some(highest)
    }

    /// How many times the bytes of the release before it has, and of which, if that is remarkable.
    pub fn growth(&self) -> Option<(u64, &Release)> {
        let before = self.accepted().next()?;
        // The larger of its last releases: one that was broken and small is no measure.
        let largest = self.accepted().take(3).max_by_key(|release| (release.wheel, release.source))?;
        self.this.growth_over(largest).zip(Some(before))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::signals::sample::{Line, timeline};

    const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn history(lines: &[Line<'_>], version: &str) -> History {
        timeline(NOON, lines).history(&Version::pypi(version).unwrap()).unwrap()
    }

    #[test]
    fn releases_are_in_the_order_of_their_publication() {
        let lines = [("2.0", 48, 1_000), ("1.9", 900, 1_000), ("1.8.1", 24, 1_000)].map(Line::from);
        let history = history(&lines, "1.8.1");
        assert_eq!(history.before.iter().map(|release| release.version.as_str()).collect::<Vec<_>>(), ["2.0", "1.9"]);
        assert_eq!((history.earlier, history.highest_before.as_ref().map(Version::as_str)), (2, Some("2.0")));
        assert_eq!(history.first, NOON - Duration::hours(900));
        assert_eq!(history.after, []);
    }

    #[test]
    fn silence_is_what_was_before_the_releases_that_broke_it() {
        let years = 24 * 365 * 3;
        let lines = [("1.0", years, 1), ("1.1", 50, 1), ("1.2", 20, 1)].map(Line::from);
        let (silence, last) = history(&lines, "1.2").silence().map(|(pause, last)| (pause, last.clone())).unwrap();
        assert_eq!((silence.whole_days(), last.version.as_str()), (3 * 365 - 3, "1.0"));
        assert_eq!(history(&lines, "1.0").silence(), None);
        let awake = [("1.0", years, 1), ("1.1", 24 * 60, 1), ("1.2", 20, 1)].map(Line::from);
        assert_eq!(history(&awake, "1.2").silence(), None, "it woke up two months before");
    }

    #[test]
    fn a_burst_is_several_versions_within_two_hours_and_not_a_version_with_its_candidates() {
        let lines = [("1.0", 5_000, 1), ("1.1", 3, 1), ("1.2", 2, 1), ("1.3", 1, 1)].map(Line::from);
        assert_eq!(history(&lines, "1.2").burst().len(), 2);
        assert_eq!(history(&lines, "1.1").burst().len(), 2, "those after it count too");
        let candidates = [("1.0", 5_000, 1), ("1.1rc1", 2, 1), ("1.1", 1, 1)].map(Line::from);
        assert_eq!(history(&candidates, "1.1").burst().len(), 0);
    }

    #[test]
    fn habits_are_counted_before_the_day_in_question() {
        let lines = [("1.0", 5_000, 1), ("1.1", 4_000, 1), ("2.0", 3_999, 1), ("2.1", 2, 1), ("3.0", 1, 1)];
        let history = history(&lines.map(Line::from), "3.0");
        assert_eq!(history.habits, Habits { bursts: 1, branches: 1, ..Habits::default() });
        assert_eq!(history.other_branches().len(), 1);
    }

    #[test]
    fn jumps_and_growth_are_told_with_what_they_are_compared_with() {
        let mega = 1 << 20;
        let lines = [("1.4", 500, mega), ("1.5", 400, mega / 9), ("44.0", 3, 11 * mega)].map(Line::from);
        let seen = history(&lines, "44.0");
        assert_eq!(seen.jump().map(Version::as_str), Some("1.5"));
        assert_eq!(seen.growth().map(|(times, before)| (times, before.version.as_str())), Some((11, "1.5")));
        let small = [("1.4", 500, 1_000), ("2026.1", 3, 90_000)].map(Line::from);
        let seen = history(&small, "2026.1");
        assert_eq!((seen.jump(), seen.growth()), (None, None), "a year, and a few kilobytes");
    }
}
