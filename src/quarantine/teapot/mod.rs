//! teapot: one index of everything, polled and compared; what clients see of it is one filtered index, made per change, from
//! which every question is answered.
//!
//! A name is a project like any other here, an instance with its signature one of its files: instances are replaced upstream,
//! and a replaced one is another upload. See [`stock`] for what the upstream has; `publish` says what is shown of it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use self::stock::Stock;
use super::indexes::Index;
use super::shelves::Shelves;
use super::view::View;
use crate::domain::{FileName, Project, State, Timestamp};
use crate::registry::teapot::Published;

pub(super) mod contents;
pub mod gate;
mod kept;
mod poll;
mod publish;
mod reading;
mod records;
pub mod stock;

pub use self::records::TeapotRecords;

/// What the teapot side of the quarantine is told when it is built.
#[derive(Debug)]
pub struct TeapotSettings {
    /// How often the upstream is asked.
    pub poll: Duration,
    /// Where the index is kept between runs.
    pub folder: PathBuf,
    /// Whether polling starts with the house; else with the first request.
    pub configured: bool,
}

/// The upstream and what was made of it.
#[derive(Debug)]
pub struct Teapot {
    settings: TeapotSettings,
    /// The repository; [`Index::trusted`] says what its first index means.
    pub(super) index: Index,
    asked_for: AtomicBool,
    pub(super) stock: ArcSwapOption<Stock>,
    /// The one that is being taken in.
    arriving: ArcSwapOption<Stock>,
    shelves: Shelves<TeapotShelf>,
    published: ArcSwapOption<(u64, Arc<Published>)>,
    made: tokio::sync::watch::Sender<u64>,
    /// When what was there at first, and was not trusted, may be seen.
    next_unspoken: ArcSwapOption<Timestamp>,
    /// Whether some shelf could not be made.
    unmade: AtomicBool,
    polling: tokio::sync::Mutex<Option<Timestamp>>,
    publishing: tokio::sync::Mutex<()>,
    /// Complaints that were told already.
    told: moka::sync::Cache<String, ()>,
}

impl Teapot {
    /// In front of this repository.
    pub fn new(settings: TeapotSettings, index: Index) -> Self {
        Self {
            asked_for: AtomicBool::new(settings.configured),
            index,
            stock: ArcSwapOption::empty(),
            arriving: ArcSwapOption::empty(),
            shelves: Shelves::new(),
            published: ArcSwapOption::empty(),
            made: tokio::sync::watch::channel(0).0,
            next_unspoken: ArcSwapOption::empty(),
            unmade: AtomicBool::new(false),
            polling: tokio::sync::Mutex::new(None),
            publishing: tokio::sync::Mutex::new(()),
            told: moka::sync::Cache::new(1_000),
            settings,
        }
    }

    /// Somebody uses this side of the house.
    pub(super) fn ask_for(&self) {
        self.asked_for.store(true, Ordering::Relaxed);
    }

    fn is_asked_for(&self) -> bool {
        self.asked_for.load(Ordering::Relaxed)
    }

    /// A name changed: what is shown must be made again.
    pub(super) fn touch(&self, project: &Project) {
        self.shelves.touch(project);
    }

    /// The rules changed.
    pub(super) fn touch_all(&self) {
        self.shelves.touch_all();
    }

    fn published(&self) -> Option<(u64, Arc<Published>)> {
        self.published.load().as_deref().cloned()
    }
}

/// The instances of one name, as the quarantine has them.
#[derive(Debug)]
struct TeapotShelf {
    files: HashMap<FileName, Shelved>,
}

/// One instance and signature.
#[derive(Debug, Clone, Copy)]
struct Shelved {
    /// Whether clients may have it.
    open: bool,
    /// What it waits for, if it waits.
    waits: Option<Waits>,
}

/// What a held instance waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Its time.
    Until(Timestamp),
    /// A person.
    Review,
}

impl TeapotShelf {
    fn of(view: &View) -> Self {
        let shelved = view.files().map(|entry| {
            let held = entry.row.filter(|upload| upload.state == State::Held);
            let waits = held.map(|upload| upload.hold_until.map_or(Waits::Review, Waits::Until));
            let open = entry.is_open() && (entry.file.vanished.is_none() || entry.is_kept());
            (entry.file.file.filename.clone(), Shelved { open, waits })
        });
        Self { files: shelved.collect() }
    }
}
