//! What an index of everything needs to know of the projects that the quarantine has something to say of, and which of it must
//! be made again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::refresh::Freshness;
use super::view::View;
use super::{Quarantine, QuarantineError};
use crate::domain::Project;

/// One shelf a project, and a count of changes: what was made before the last of them is out of date.
#[derive(Debug)]
pub(super) struct Shelves<S> {
    by_project: RwLock<HashMap<Project, Arc<S>>>,
    touched: Mutex<HashSet<Project>>,
    changes: AtomicU64,
}

impl<S> Shelves<S> {
    pub(super) fn new() -> Self {
        Self { by_project: RwLock::default(), touched: Mutex::default(), changes: AtomicU64::new(1) }
    }

    /// How often something changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// A project changed.
    pub(super) fn touch(&self, project: &Project) {
        self.remember([project.clone()]);
        self.touch_index();
    }

    /// The rules changed: every shelf must be made again.
    pub(super) fn touch_all(&self) {
        let known: Vec<Project> =
            self.by_project.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        self.remember(known);
        self.touch_index();
    }

    /// The index itself changed.
    pub(super) fn touch_index(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Projects that could not be looked at are looked at again.
    pub(super) fn touch_index_if_behind(&self) {
        if !self.touched.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.touch_index();
        }
    }

    /// Projects that are made with the next change.
    pub(super) fn remember(&self, projects: impl IntoIterator<Item = Project>) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(projects);
    }

    /// The shelf of a project.
    pub(super) fn get(&self, project: &Project) -> Option<Arc<S>> {
        self.by_project.read().unwrap_or_else(PoisonError::into_inner).get(project).cloned()
    }

    /// All shelves, by project.
    pub(super) fn by_project(&self) -> HashMap<Project, Arc<S>> {
        self.by_project.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_touched(&self) -> HashSet<Project> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another shelf in a project's place, or takes it away.
    pub(super) fn put(&self, project: Project, remade: Option<S>) {
        let mut all = self.by_project.write().unwrap_or_else(PoisonError::into_inner);
        match remade {
            Some(remade) => all.insert(project, Arc::new(remade)),
            None => all.remove(&project),
        };
    }
}

impl Quarantine {
    /// Makes the shelves of what changed again. Says which could not be made: if there is none from before, nothing is known of
    /// them yet, not even that they are held.
    pub(super) async fn remake<S>(
        self: &Arc<Self>,
        shelves: &Shelves<S>,
        make: impl Fn(&View) -> S,
    ) -> HashSet<Project> {
        let mut failed = HashSet::new();
        for project in shelves.take_touched() {
            match self.view(&project, Freshness::Usual).await {
                Ok(view) => {
                    let remade = make(&view);
                    shelves.put(project, Some(remade));
                }
                Err(QuarantineError::NotFound(_)) => shelves.put(project, None),
                Err(error) => {
                    // What it was stays, and it is tried again with the next change.
                    tracing::warn!(%project, %error, "its place in the index stays as it was");
                    shelves.remember([project.clone()]);
                    failed.insert(project);
                }
            }
        }
        failed
    }
}
