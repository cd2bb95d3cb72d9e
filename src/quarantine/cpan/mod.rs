//! CPAN: one index of everything, polled and compared; what clients see is rebuilt per change, never per request.
//!
//! A distribution is a project like any other here: it is read, judged, held, released and explained by the same rooms. What
//! is different is where its page comes from (the rows of `02packages`, not an address of its own) and how it is shown (as rows
//! of an index for everybody, see [`overlay`]).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use self::overlay::Shelf;
use self::served::Served;
use self::snapshot::Snapshot;
use super::Asker;
use super::indexes::Index;
use super::shelves::Shelves;
use crate::domain::{FileName, Mode, Origin, Project, Timestamp};
use crate::policy::Policy;
use crate::registry::cpan::CatalogError;
use crate::registry::cpan::signature::Keyring;

mod dates;
mod documents;
mod evidence;
pub mod gate;
pub mod metadb;
mod mirror;
pub mod overlay;
mod permissions;
mod poll;
mod reading;
mod rebuild;
mod records;
mod release_lists;
pub mod served;
pub mod snapshot;

pub(super) use self::evidence::path_of as path_of_name;
pub use self::mirror::Mirror;
pub use self::permissions::PermissionBook;
pub use self::records::CpanRecords;
pub use self::snapshot::project_of_name;

/// What the CPAN side of the quarantine is told when it is built.
#[derive(Debug)]
pub struct CpanSettings {
    /// How often the mirrors are asked.
    pub poll: Duration,
    /// Where indexes and documents are kept between runs.
    pub folder: PathBuf,
    /// Whether polling starts with the house; else with the first request.
    pub configured: bool,
    /// Whose signatures of CHECKSUMS count.
    pub keyring: Keyring,
}

/// The mirrors and what was made of them.
#[derive(Debug)]
pub struct Cpan {
    settings: CpanSettings,
    /// Private ones in the order in which they are asked, then the public one.
    mirrors: Vec<Mirror>,
    asked_for: AtomicBool,
    /// Whether what an earlier run knew is known again: before that, nobody can say what is held.
    recalled: AtomicBool,
    permissions: ArcSwapOption<PermissionBook>,
    /// The distributions that the quarantine has something to say of.
    shelves: Shelves<Shelf>,
    /// What everybody gets, and what those get who have a mode of their own, in the order of [`Mode::ALL`]: made from the
    /// same shelves, the latter when the first of them asks.
    editions: [IndexEdition; 1 + Mode::ALL.len()],
    polling: tokio::sync::Mutex<Option<Timestamp>>,
    rebuilding: tokio::sync::Mutex<()>,
    /// Paths that no index lists and that clients asked for.
    unlisted: moka::sync::Cache<Project, Arc<Vec<FileName>>>,
    /// Releases that clients asked for and that no mirror has.
    absent: moka::sync::Cache<FileName, Timestamp>,
    /// Releases that are gone from their mirror.
    deleted: Mutex<HashSet<Box<str>>>,
    /// When releases were published, by the mirrors' lists of changes.
    announced: moka::sync::Cache<Box<str>, Timestamp>,
    /// Complaints about a mirror that were told already.
    told: moka::sync::Cache<String, ()>,
}

/// One index that is served.
#[derive(Debug)]
struct IndexEdition {
    served: Served,
    /// What is served otherwise than the mirrors have it.
    overlay: ArcSwapOption<overlay::Overlay>,
}

impl IndexEdition {
    fn at(folder: &Path, name: &'static str) -> Self {
        Self { served: Served::at(folder.to_owned(), name), overlay: ArcSwapOption::empty() }
    }
}

impl Cpan {
    /// The index that somebody gets.
    fn edition(&self, asker: Asker) -> &IndexEdition {
        &self.editions[asker.own().map_or(0, |mode| 1 + mode as usize)]
    }

    /// Reads armoured keys whose signatures of CHECKSUMS count.
    pub fn keyring(armoured: &[Vec<u8>]) -> Result<Keyring, CatalogError> {
        Keyring::read(armoured)
    }

    /// Joins the configured mirrors.
    pub fn new(settings: CpanSettings, public: Option<Index>, private: Vec<Index>) -> Self {
        let folder = settings.folder.clone();
        let mirrors: Vec<Mirror> = private.into_iter().chain(public).map(|index| Mirror::new(index, &folder)).collect();
        Self {
            asked_for: AtomicBool::new(settings.configured),
            mirrors,
            recalled: AtomicBool::new(false),
            permissions: ArcSwapOption::empty(),
            shelves: Shelves::new(),
            editions: [
                IndexEdition::at(&folder, "served"),
                IndexEdition::at(&folder, "served-enforce"),
                IndexEdition::at(&folder, "served-observe"),
            ],
            polling: tokio::sync::Mutex::new(None),
            rebuilding: tokio::sync::Mutex::new(()),
            unlisted: moka::sync::Cache::new(10_000),
            absent: moka::sync::Cache::new(100_000),
            deleted: Mutex::default(),
            announced: moka::sync::Cache::new(200_000),
            told: moka::sync::Cache::new(1_000),
            settings,
        }
    }

    /// The mirror with this origin.
    pub(super) fn mirror(&self, origin: &Origin) -> Option<&Mirror> {
        self.mirrors.iter().find(|mirror| mirror.index.origin == *origin)
    }

    /// The private mirrors.
    fn private(&self) -> impl Iterator<Item = &Mirror> {
        self.mirrors.iter().filter(|mirror| !mirror.index.origin.is_public())
    }

    /// The public mirror.
    fn public(&self) -> Option<&Mirror> {
        self.mirrors.iter().find(|mirror| mirror.index.origin.is_public())
    }

    /// Somebody uses this side of the house.
    pub(super) fn ask_for(&self) {
        self.asked_for.store(true, Ordering::Relaxed);
    }

    /// Whether this side of the house is in use.
    pub(super) fn is_asked_for(&self) -> bool {
        self.asked_for.load(Ordering::Relaxed)
    }

    /// Whether every mirror was read, in this run or an earlier one, and everything that was known of them is recalled.
    fn is_read(&self) -> bool {
        self.recalled.load(Ordering::SeqCst) && self.mirrors.iter().all(|mirror| mirror.snapshot.load().is_some())
    }

    /// A distribution changed: the served index must be made again.
    pub(super) fn touch(&self, project: &Project) {
        self.shelves.touch(project);
    }

    /// The rules changed: every shelf must be made again.
    pub(super) fn touch_all(&self) {
        self.shelves.touch_all();
    }

    fn is_deleted(&self, path: &str) -> bool {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn note_deleted(&self, path: &str, deleted: bool) {
        let mut paths = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if deleted {
            paths.insert(path.into());
        } else {
            paths.remove(path);
        }
    }

    fn shelf(&self, project: &Project) -> Option<Arc<Shelf>> {
        self.shelves.get(project)
    }

    /// The distribution of a release, if the quarantine has something to say of it.
    fn shelved(&self, path: &str) -> Option<Project> {
        let project = snapshot::project_of_text(path)?;
        let known = self.shelf(&project)?;
        known.releases.iter().any(|release| &*release.path == path).then_some(project)
    }

    /// The snapshot of the public mirror, once there is one.
    fn public_snapshot(&self) -> Option<Arc<Snapshot>> {
        self.public()?.snapshot.load_full()
    }

    /// Whether a package may only come from a private index: named by the policy, covered by a private mirror, or in its
    /// index.
    pub(super) fn is_private_package(&self, package: &str, policy: &Policy) -> bool {
        policy.namespaces.of(crate::domain::Ecosystem::Cpan).iter().any(|pattern| pattern.matches_package(package))
            || self.private().any(|mirror| mirror.owns_package(package))
    }

    /// The distribution that has this package, by the index of whoever owns the name.
    pub fn project_of_package(&self, package: &str) -> Option<Project> {
        let path = self.mirrors.iter().find_map(|mirror| {
            let snapshot = mirror.snapshot.load_full()?;
            snapshot.index.find(package).map(|row| row.path.to_owned())
        })?;
        snapshot::project_of_text(&path)
    }
}
