//! What clients see instead of what is held: pure, from the rows of the index and the standing of the releases that are
//! known to the quarantine.
//!
//! A held release is replaced by the newest earlier one that may be had, with all its packages together, so that nobody gets
//! one package of 1.1 with another of 1.0. Where there is none, the rows go.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::{Ecosystem, Mode, Project, Provided, Timestamp, Version};

/// One release of a distribution, as far as the index is concerned.
#[derive(Debug, Clone)]
pub struct Shelved {
    /// `E/ET/ETHER/Try-Tiny-0.31.tar.gz`.
    pub path: Box<str>,
    /// Its version.
    pub version: Version,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Whether clients may have it.
    pub open: bool,
    /// Likewise, for those who have a mode of their own, in the order of [`Mode::ALL`].
    pub open_in: [bool; Mode::ALL.len()],
    /// Whether its bytes can be had: here, or upstream as far as anybody knows.
    pub at_hand: bool,
    /// The packages that an index gave it.
    pub provides: Vec<Provided>,
}

impl Shelved {
    fn may_be_had(&self) -> bool {
        self.open && self.at_hand
    }
}

/// The releases of one distribution that the quarantine has something to say of.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// Whose.
    pub project: Project,
    /// Whether a private index owns the name: then nothing public of it is listed.
    pub private: bool,
    /// In no order.
    pub releases: Vec<Shelved>,
}

impl Shelf {
    /// The same releases as somebody sees who has a mode of his own.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        let seen = |release: &Shelved| Shelved { open: release.open_in[mode as usize], ..release.clone() };
        Self {
            project: self.project.clone(),
            private: self.private,
            releases: self.releases.iter().map(seen).collect(),
        }
    }
}

/// A row that is listed instead of the index's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlaidRow {
    /// Its version.
    pub version: Box<str>,
    /// Its release.
    pub path: Box<str>,
}

/// What is listed otherwise than in the index.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Releases whose rows are not listed.
    pub shut: HashSet<Box<str>>,
    /// Rows that are listed instead, by package.
    pub rows: BTreeMap<Box<str>, OverlaidRow>,
}

/// The overlay of these shelves over an index, which is asked for the path that it gives a package and for the releases that
/// it has of a distribution.
pub fn overlay<'a>(
    shelves: impl Iterator<Item = &'a Shelf> + Clone,
    path_of: impl Fn(&str) -> Option<String>,
    is_listed: impl Fn(&str) -> bool,
) -> Overlay {
    let mut overlay = Overlay::default();
    for release in shelves.clone().flat_map(|shelf| &shelf.releases).filter(|release| !release.may_be_had()) {
        overlay.shut.insert(release.path.clone());
    }
    let shut_in_index =
        |overlay: &Overlay, package: &str| path_of(package).is_none_or(|path| overlay.shut.contains(&*path));
    let mut orphans: HashSet<Box<str>> = HashSet::new();
    for shelf in shelves.clone() {
        let held: Vec<&Shelved> =
            shelf.releases.iter().filter(|release| !release.may_be_had() && is_listed(&release.path)).collect();
        if held.is_empty() {
            continue;
        }
        for provided in held.iter().flat_map(|release| &release.provides) {
            orphans.insert(provided.package.clone());
        }
        let Some(fallback) = fallback_for(shelf, &held) else { continue };
        for provided in &fallback.provides {
            if shut_in_index(&overlay, &provided.package) {
                overlay.rows.insert(provided.package.clone(), row(fallback, provided));
            }
        }
    }
    orphans.retain(|package| !overlay.rows.contains_key(package) && shut_in_index(&overlay, package));
    if orphans.is_empty() {
        return overlay;
    }
    // A package that the held release took over from another distribution goes back to where it was.
    let mut homes: HashMap<&str, (&Shelved, &Provided)> = HashMap::new();
    for release in shelves.flat_map(|shelf| &shelf.releases).filter(|release| release.may_be_had()) {
        for provided in release.provides.iter().filter(|provided| orphans.contains(&provided.package)) {
            let known = homes.get(&*provided.package);
            if known.is_none_or(|(other, _)| is_earlier(other, release)) {
                homes.insert(&provided.package, (release, provided));
            }
        }
    }
    for (package, (release, provided)) in homes {
        overlay.rows.insert(package.into(), row(release, provided));
    }
    overlay
}

fn row(release: &Shelved, provided: &Provided) -> OverlaidRow {
    OverlaidRow { version: provided.version.clone(), path: release.path.clone() }
}

/// The newest release of the distribution that may be had, is older than what is held, and that an index once listed.
pub fn fallback_for<'a>(shelf: &'a Shelf, held: &[&Shelved]) -> Option<&'a Shelved> {
    let newest_held = held.iter().copied().reduce(|one, two| if is_earlier(one, two) { two } else { one })?;
    shelf
        .releases
        .iter()
        .filter(|release| release.may_be_had() && !release.provides.is_empty() && is_earlier(release, newest_held))
        .reduce(|one, two| if is_earlier(one, two) { two } else { one })
}

/// By first sight; of what was seen together, by version.
fn is_earlier(one: &Shelved, two: &Shelved) -> bool {
    one.first_seen.cmp(&two.first_seen).then_with(|| one.version.compare(&two.version, Ecosystem::Cpan)).is_lt()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::ProjectName;

    fn provided(package: &str, version: &str) -> Provided {
        Provided { package: package.into(), version: version.into() }
    }

    fn release(path: &str, version: &str, hours: i64, open: bool, provides: &[(&str, &str)]) -> Shelved {
        Shelved {
            path: path.into(),
            version: Version::parse(Ecosystem::Cpan, version).unwrap(),
            first_seen: datetime!(2026-11-01 12:00 UTC) + time::Duration::hours(hours),
            open,
            open_in: [open; 2],
            at_hand: true,
            provides: provides.iter().map(|(package, version)| provided(package, version)).collect(),
        }
    }

    fn shelf(name: &str, releases: Vec<Shelved>) -> Shelf {
        let name = ProjectName::parse(Ecosystem::Cpan, name).unwrap();
        Shelf { project: Project { ecosystem: Ecosystem::Cpan, name }, private: false, releases }
    }

    fn overlay_over(shelves: &[Shelf], index: &[(&str, &str)]) -> Vec<(String, String)> {
        let overlay = overlay(
            shelves.iter(),
            |package| index.iter().find(|(name, _)| *name == package).map(|(_, path)| (*path).to_owned()),
            |path| index.iter().any(|(_, listed)| *listed == path),
        );
        overlay.rows.iter().map(|(package, row)| (package.to_string(), row.path.to_string())).collect()
    }

    #[test]
    fn a_held_release_is_replaced_by_its_predecessor_with_all_its_packages() {
        let shelves = [shelf(
            "Foo",
            vec![
                release("A/AA/AA/Foo-1.0.tar.gz", "1.0", 0, true, &[("Foo", "1.0"), ("Foo::Old", "1.0")]),
                release("A/AA/AA/Foo-1.1.tar.gz", "1.1", 5, false, &[("Foo", "1.1"), ("Foo::New", "1.1")]),
            ],
        )];
        let index = [("Foo", "A/AA/AA/Foo-1.1.tar.gz"), ("Foo::New", "A/AA/AA/Foo-1.1.tar.gz")];
        let expected = ["Foo", "Foo::Old"].map(|name| (name.to_owned(), "A/AA/AA/Foo-1.0.tar.gz".to_owned()));
        assert_eq!(overlay_over(&shelves, &index), expected);
    }

    #[test]
    fn a_new_name_that_is_held_has_no_rows() {
        let shelves = [shelf("Foo", vec![release("A/AA/AA/Foo-1.tar.gz", "1", 0, false, &[("Foo", "1")])])];
        assert_eq!(overlay_over(&shelves, &[("Foo", "A/AA/AA/Foo-1.tar.gz")]), []);
    }

    #[test]
    fn a_package_that_a_held_release_took_over_goes_back_to_where_it_was() {
        let shelves = [
            shelf("Foo", vec![release("A/AA/AA/Foo-1.tar.gz", "1", 0, true, &[("Foo", "1"), ("Foo::Util", "1")])]),
            shelf("Foo-Util", vec![release("B/BB/BB/Foo-Util-2.tar.gz", "2", 3, false, &[("Foo::Util", "2")])]),
        ];
        let index = [("Foo", "A/AA/AA/Foo-1.tar.gz"), ("Foo::Util", "B/BB/BB/Foo-Util-2.tar.gz")];
        let expected = [("Foo::Util".to_owned(), "A/AA/AA/Foo-1.tar.gz".to_owned())];
        assert_eq!(overlay_over(&shelves, &index), expected);
    }

    #[test]
    fn a_predecessor_that_cannot_be_fetched_is_skipped_and_an_unheld_dist_left_alone() {
        let mut gone = release("A/AA/AA/Foo-1.1.tar.gz", "1.1", 2, true, &[("Foo", "1.1")]);
        gone.at_hand = false;
        let shelves = [
            shelf(
                "Foo",
                vec![
                    release("A/AA/AA/Foo-1.0.tar.gz", "1.0", 0, true, &[("Foo", "1.0")]),
                    gone,
                    release("A/AA/AA/Foo-1.2.tar.gz", "1.2", 5, false, &[("Foo", "1.2")]),
                ],
            ),
            shelf("Bar", vec![release("A/AA/AA/Bar-1.tar.gz", "1", 0, true, &[("Bar", "1")])]),
        ];
        let index = [("Foo", "A/AA/AA/Foo-1.2.tar.gz"), ("Bar", "A/AA/AA/Bar-1.tar.gz")];
        assert_eq!(overlay_over(&shelves, &index), [("Foo".to_owned(), "A/AA/AA/Foo-1.0.tar.gz".to_owned())]);
    }

    #[test]
    fn a_package_that_an_open_release_has_now_stays_there() {
        let shelves = [shelf(
            "Foo",
            vec![
                release("A/AA/AA/Foo-1.0.tar.gz", "1.0", 0, true, &[("Foo", "1.0"), ("Foo::Util", "1.0")]),
                release("A/AA/AA/Foo-1.1.tar.gz", "1.1", 5, false, &[("Foo", "1.1")]),
            ],
        )];
        let index = [("Foo", "A/AA/AA/Foo-1.1.tar.gz"), ("Foo::Util", "C/CC/CC/Foo-Util-3.tar.gz")];
        assert_eq!(overlay_over(&shelves, &index), [("Foo".to_owned(), "A/AA/AA/Foo-1.0.tar.gz".to_owned())]);
    }
}
