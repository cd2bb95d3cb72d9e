//! Editions: what was prepared before a change must never be used after it, whoever was slower.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use crate::domain::Project;

/// Projects that share a counter only prepare their pages once more than they would have to.
const COUNTERS: usize = 1_024;

/// What was in force when something was prepared: usable as long as this is the present edition of its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    rules: u64,
    project: u64,
}

/// Counts changes: of everything at once (policy, standing rules) and of each project.
#[derive(Debug)]
pub(super) struct Editions {
    rules: AtomicU64,
    projects: Vec<AtomicU64>,
    turns: Vec<Mutex<()>>,
}

impl Editions {
    pub(super) fn new() -> Self {
        Self {
            rules: AtomicU64::new(0),
            projects: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            turns: (0..COUNTERS).map(|_| Mutex::new(())).collect(),
        }
    }

    /// The present edition. Ask before reading what is prepared.
    pub(super) fn of(&self, project: &Project) -> Edition {
        Edition { rules: self.rules(), project: self.counter(project).load(Ordering::SeqCst) }
    }

    /// How often everything changed at once.
    pub(super) fn rules(&self) -> u64 {
        self.rules.load(Ordering::SeqCst)
    }

    /// The project has changed. Told after the change is in the store.
    pub(super) fn outdate(&self, project: &Project) {
        self.counter(project).fetch_add(1, Ordering::SeqCst);
    }

    /// The project was changed by whoever prepared from `edition`: what it makes of that is the next edition, unless somebody
    /// else changed something in between.
    pub(super) fn advance(&self, project: &Project, edition: Edition) -> Edition {
        let before = self.counter(project).fetch_add(1, Ordering::SeqCst);
        if before == edition.project { Edition { project: before + 1, ..edition } } else { edition }
    }

    /// Waits for one's turn to read the page of this project: a slower reader of an older page must not write over what a
    /// faster one has learned of the newer one.
    pub(super) async fn turn(&self, project: &Project) -> MutexGuard<'_, ()> {
        self.turns[place(project)].lock().await
    }

    /// Everything has changed.
    pub(super) fn outdate_all(&self) {
        self.rules.fetch_add(1, Ordering::SeqCst);
    }

    fn counter(&self, project: &Project) -> &AtomicU64 {
        &self.projects[place(project)]
    }
}

fn place(project: &Project) -> usize {
    let mut hasher = DefaultHasher::new();
    project.hash(&mut hasher);
    usize::try_from(hasher.finish() % COUNTERS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProjectName;

    fn project(name: &str) -> Project {
        Project::pypi(ProjectName::pypi(name).unwrap())
    }

    #[test]
    fn what_was_read_before_a_decision_is_not_of_the_edition_after_it() {
        let editions = Editions::new();
        let read = editions.of(&project("demo"));
        editions.outdate(&project("demo"));
        assert_ne!(read, editions.of(&project("demo")));
        assert_ne!(editions.advance(&project("demo"), read), editions.of(&project("demo")));
    }

    #[test]
    fn ones_own_change_makes_the_next_edition() {
        let editions = Editions::new();
        let read = editions.of(&project("demo"));
        assert_eq!(editions.advance(&project("demo"), read), editions.of(&project("demo")));
        editions.outdate_all();
        assert_ne!(read, editions.of(&project("demo")));
    }
}
