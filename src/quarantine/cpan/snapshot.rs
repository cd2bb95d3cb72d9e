//! One mirror's index as it was read last, found by distribution as well as by package.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::{Ecosystem, FileName, Project, ProjectName, Provided, Timestamp};
use crate::registry::cpan::author_path::AuthorPath;
use crate::registry::cpan::dist_name::dist_of;
use crate::registry::cpan::packages::PackageIndex;

/// An index, and which releases it has of each distribution.
#[derive(Debug)]
pub struct Snapshot {
    /// The rows.
    pub index: PackageIndex,
    read_at: AtomicI64,
    /// The number of one row of each release, in the order of their distributions' names.
    by_dist: Vec<u32>,
}

impl Snapshot {
    /// Sorts the index's releases by distribution.
    pub fn of(index: PackageIndex, read_at: Timestamp) -> Self {
        let mut by_dist = index.releases().to_vec();
        by_dist.sort_by_cached_key(|number| dist_name(index.row(*number).path));
        Self { index, read_at: AtomicI64::new(read_at.unix_timestamp()), by_dist }
    }

    /// When it was read, or confirmed to be the present one; whole seconds.
    pub fn read_at(&self) -> Timestamp {
        Timestamp::from_unix_timestamp(self.read_at.load(Ordering::Relaxed)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The mirror said that this is still its index.
    pub fn confirm(&self, at: Timestamp) {
        self.read_at.fetch_max(at.unix_timestamp(), Ordering::Relaxed);
    }

    /// The paths of a distribution's releases that are in the index, in its order.
    pub fn paths_of(&self, project: &Project) -> impl Iterator<Item = &str> {
        let name = project.name.as_str();
        let path = |number: &u32| self.index.row(*number).path;
        let first = self.by_dist.partition_point(|number| *dist_name(path(number)) < *name);
        self.by_dist.iter().skip(first).map(path).take_while(move |path| dist_name(path) == name)
    }

    /// Whether the index has anything of this distribution.
    pub fn has(&self, project: &Project) -> bool {
        self.paths_of(project).next().is_some()
    }

    /// How many releases the index has.
    pub fn release_count(&self) -> usize {
        self.index.releases().len()
    }

    /// Every release's path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.index.releases().iter().map(|number| self.index.row(*number).path)
    }

    /// The packages that the index gives a release.
    pub fn provides(&self, path: &str) -> Vec<Provided> {
        let row = |row: crate::registry::cpan::packages::Row<'_>| Provided {
            package: row.package.into(),
            version: row.version.into(),
        };
        self.index.of_path(path).into_iter().map(row).collect()
    }
}

/// The name of the distribution that a path belongs to; a file that is named like none is one of its own.
fn dist_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    dist_of(file).map_or_else(|| file.to_owned(), |dist| dist.name)
}

/// The distribution that a path belongs to.
pub fn project_of(path: &AuthorPath) -> Option<Project> {
    let name = ProjectName::parse(Ecosystem::Cpan, &dist_name(path.as_str())).ok()?;
    Some(Project { ecosystem: Ecosystem::Cpan, name })
}

/// The distribution that a release's name (`ETHER/Try-Tiny-0.31.tar.gz`) belongs to.
pub fn project_of_name(name: &FileName) -> Option<Project> {
    project_of(&AuthorPath::parse_short(name.as_str()).ok()?)
}

/// The distribution that a path written in an index belongs to.
pub fn project_of_text(path: &str) -> Option<Project> {
    project_of(&AuthorPath::parse(path).ok()?)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_index_is_found_by_distribution() {
        let rows = "A 1 A/AA/AA/Foo-1.tgz\nB 1 B/BB/BB/Bar-2.tgz\nC 1 A/AA/AA/Foo-2.tgz\nD 1 A/AA/AA/Foo-1.tgz\nE 1 A/AA/AA/README\n";
        let text = format!("Line-Count: {}\n\n{rows}", rows.lines().count());
        let snapshot = Snapshot::of(PackageIndex::read(text.into()).unwrap(), datetime!(2026-11-22 23:29:02.5 UTC));
        let paths = |name: &str| {
            let name = ProjectName::parse(Ecosystem::Cpan, name).unwrap();
            let project = Project { ecosystem: Ecosystem::Cpan, name };
            assert_eq!(snapshot.has(&project), snapshot.paths_of(&project).next().is_some());
            snapshot.paths_of(&project).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(paths("Foo"), ["A/AA/AA/Foo-1.tgz", "A/AA/AA/Foo-2.tgz"]);
        assert_eq!(paths("Bar"), ["B/BB/BB/Bar-2.tgz"]);
        assert_eq!(paths("README"), ["A/AA/AA/README"]);
        assert_eq!((paths("Fo"), paths("Zoo")), (vec![], vec![]));
        assert_eq!((snapshot.release_count(), snapshot.paths().count()), (4, 4));
        let provided: Vec<_> = snapshot.provides("A/AA/AA/Foo-1.tgz").into_iter().map(|row| row.package).collect();
        assert_eq!(provided, ["A".into(), "D".into()]);
        assert_eq!(snapshot.read_at(), datetime!(2026-11-22 23:29:02 UTC));
        snapshot.confirm(datetime!(2026-11-22 23:29:01 UTC));
        assert_eq!(snapshot.read_at(), datetime!(2026-11-22 23:29:02 UTC), "it does not grow older");
    }
}
