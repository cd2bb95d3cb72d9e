//! The quarantine: the only room that knows both sides. Intake, dossier, assess, verdict, release: one direction through it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::broadcast;

use crate::attest::TrustRoot;
use crate::blob::{Blobs, StagingArea};
use crate::corpus::Corpora;
use crate::domain::{Clock, Ecosystem, Origin, Project, State, Timestamp};
use crate::policy::Policy;
use crate::store::Store;
use crate::upstream::{SingleFlight, Upstream};

pub mod addresses;
pub mod advice;
pub mod assess;
pub mod baseline;
mod budget;
pub mod check;
mod corrections;
pub mod cpan;
pub mod desk;
pub mod desk_reading;
mod downloads;
mod editions;
pub mod errands;
mod error;
mod explain;
mod family;
pub mod fetch;
pub mod file_gate;
pub mod indexes;
pub mod intake;
pub mod json_api;
mod kept_bytes;
mod known_tokens;
mod leave;
pub mod locked;
mod meter;
pub mod own_names;
pub mod pins;
pub mod policy_trial;
mod precedence;
pub mod pypi;
mod reading;
pub mod refresh;
pub mod release;
pub mod remedies;
pub mod root;
mod rows;
mod settle;
mod shelves;
pub mod target;
pub mod teapot;
pub mod timekeeper;
pub mod toll;
pub mod version_hold;
pub mod view;
mod whole_file;
pub mod why;

pub use advice::{AdvisorySettings, AdvisoryShelf, AdvisorySource};
pub use cpan::{Cpan, CpanSettings};
pub use downloads::{Fetcher, Reached};
pub use editions::Edition;
pub use error::{QuarantineError, Refusal, in_seconds};
pub use explain::{moment, printable};
pub use indexes::{Index, Indexes};
pub use leave::Leave;
pub use meter::Meter;
pub use teapot::{Teapot, TeapotSettings};
pub use timekeeper::Timekeeper;
pub use view::View;

/// How large the memory of prepared views may grow.
const HOT_BYTES: u64 = 96 << 20;

/// What the quarantine is told when it is built.
#[derive(Debug)]
pub struct Settings {
    /// How long a page is served before the upstream is asked again.
    pub refresh: std::time::Duration,
    /// How often pages in use are read again without being asked for.
    pub reread: std::time::Duration,
    /// What messages link to.
    pub public_url: Arc<str>,
    /// Where the list of all names is kept between readings.
    pub names_file: std::path::PathBuf,
    /// Where advisories come from, if from anywhere.
    pub advisories: Option<AdvisorySettings>,
    /// With what attestations are verified; `None`: not at all.
    pub trust: Option<TrustRoot>,
}

/// The workers and cellars that the quarantine joins.
#[derive(Debug)]
pub struct Cellars {
    /// Facts.
    pub store: Arc<dyn Store>,
    /// Bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Bytes on their way in.
    pub staging: StagingArea,
    /// The way out.
    pub upstream: Upstream,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Well-known names.
    pub corpus: Arc<Corpora>,
}

/// Where packages come from, by ecosystem.
#[derive(Debug)]
pub struct Sides {
    /// Python's indexes.
    pub python: Indexes,
    /// CPAN's mirrors.
    pub cpan: Option<Cpan>,
    /// The teapot repository.
    pub teapot: Option<Teapot>,
}

/// The quarantine: handles only; what it does is in the files beside this one.
#[derive(Debug)]
pub struct Quarantine {
    pub(crate) store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    staging: StagingArea,
    upstream: Upstream,
    corpus: ArcSwap<Corpora>,
    /// Public and private Python indexes.
    pub indexes: Indexes,
    /// The CPAN side of the house.
    cpan: Option<Cpan>,
    /// The teapot side of the house.
    teapot: Option<Teapot>,
    /// What time it is, and whether to believe it.
    pub timekeeper: Timekeeper,
    policy: ArcSwap<Policy>,
    advisories: ArcSwap<AdvisoryShelf>,
    trust: Option<TrustRoot>,
    /// One at a time changes what is known of accounts.
    account_turn: tokio::sync::Mutex<()>,
    /// Rise with every change: older views are not used.
    editions: editions::Editions,
    hot: moka::sync::Cache<Project, Arc<View>>,
    missing: moka::sync::Cache<Project, Timestamp>,
    /// Until when what is stored of a page needs no reading.
    good_until: moka::sync::Cache<Project, Timestamp>,
    /// Pages that clients asked for and that were not read since.
    used: moka::sync::Cache<Project, Timestamp>,
    /// By project, and whether the page must be read.
    readings: SingleFlight<(Project, bool), Result<Arc<View>, QuarantineError>>,
    fetches: fetch::Fetches,
    ahead: budget::Budget,
    downloads: downloads::Notes,
    /// How pages were asked for last.
    usual: view::Usual,
    /// Clients go before errands.
    pub precedence: precedence::Precedence,
    known_tokens: known_tokens::KnownTokens,
    /// Young versions whose exact pins were looked at.
    families_seen: moka::sync::Cache<String, ()>,
    root: root::Root,
    changed: broadcast::Sender<Project>,
    settings: Settings,
}

impl Quarantine {
    /// Joins the parts. Reads the highest time ever seen from the store (rule 11).
    pub async fn open(
        cellars: Cellars,
        sides: Sides,
        policy: Policy,
        mut settings: Settings,
    ) -> Result<Arc<Self>, QuarantineError> {
        let highest = cellars.store.highest_time().await?;
        let hot = moka::sync::Cache::builder()
            .weigher(|_: &Project, view: &Arc<View>| view.weight())
            .max_capacity(HOT_BYTES)
            .build();
        Ok(Arc::new(Self {
            timekeeper: Timekeeper::new(cellars.clock.clone(), highest),
            store: cellars.store,
            blobs: cellars.blobs,
            staging: cellars.staging,
            upstream: cellars.upstream,
            corpus: ArcSwap::new(cellars.corpus),
            indexes: sides.python,
            cpan: sides.cpan,
            teapot: sides.teapot,
            policy: ArcSwap::from_pointee(policy),
            advisories: ArcSwap::from_pointee(AdvisoryShelf::opening(settings.advisories.as_ref())),
            trust: settings.trust.take(),
            account_turn: tokio::sync::Mutex::default(),
            editions: editions::Editions::new(),
            hot,
            missing: moka::sync::Cache::new(10_000),
            good_until: moka::sync::Cache::new(100_000),
            used: moka::sync::Cache::new(100_000),
            readings: SingleFlight::new(),
            fetches: fetch::Fetches::new(),
            ahead: budget::Budget::default(),
            downloads: downloads::Notes::default(),
            usual: view::Usual::default(),
            precedence: precedence::Precedence::default(),
            known_tokens: known_tokens::KnownTokens::default(),
            families_seen: moka::sync::Cache::new(100_000),
            root: root::Root::new(settings.names_file.clone()),
            changed: broadcast::channel(1_024).0,
            settings,
        }))
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Puts another policy into force, and the names that go with it, at once and for everything.
    pub fn set_policy(&self, policy: Policy, corpora: Corpora) {
        self.corpus.store(Arc::new(corpora));
        self.policy.store(Arc::new(policy));
        self.outdate_all();
    }

    /// What messages link to.
    pub fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    /// Tells whoever listens which projects changed.
    pub fn changes(&self) -> broadcast::Receiver<Project> {
        self.changed.subscribe()
    }

    /// Where the upstream's hosts stand, for health and metrics.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// How many uploads are in each state, in the order of [`State::ALL`].
    pub async fn counts(&self) -> Result<[(State, u64); 4], QuarantineError> {
        let counts = self.store.counts().await?;
        Ok([0, 1, 2, 3].map(|place| (State::ALL[place], counts[place])))
    }

    /// Something about this project changed, and the change is in the store: its prepared pages are not used any more, nor
    /// those that are being prepared from what was there before.
    fn outdate(&self, project: &Project) {
        self.editions.outdate(project);
        self.tell_changed(project);
    }

    /// As [`Quarantine::outdate`], by somebody who goes on preparing from its own change.
    fn advance(&self, project: &Project, edition: Edition) -> Edition {
        let edition = self.editions.advance(project, edition);
        self.tell_changed(project);
        edition
    }

    fn tell_changed(&self, project: &Project) {
        self.hot.invalidate(project);
        self.missing.invalidate(project);
        match project.ecosystem {
            Ecosystem::Pypi => {}
            Ecosystem::Cpan => self.cpan.iter().for_each(|cpan| cpan.touch(project)),
            Ecosystem::Teapot => self.teapot.iter().for_each(|teapot| teapot.touch(project)),
        }
        // Nobody listening is no failure.
        let _ = self.changed.send(project.clone());
    }

    /// Policy or standing rules changed: every prepared page is dropped.
    fn outdate_all(&self) {
        self.editions.outdate_all();
        self.hot.invalidate_all();
        self.missing.invalidate_all();
        if let Some(cpan) = &self.cpan {
            cpan.touch_all();
        }
        if let Some(teapot) = &self.teapot {
            teapot.touch_all();
        }
    }

    /// The index of this origin in the project's ecosystem.
    fn index_of(&self, project: &Project, origin: &Origin) -> Option<&Index> {
        match project.ecosystem {
            Ecosystem::Pypi => self.indexes.of(origin),
            Ecosystem::Cpan => self.cpan.as_ref()?.mirror(origin).map(|mirror| &mirror.index),
            Ecosystem::Teapot => self.teapot.as_ref().map(|teapot| &teapot.index),
        }
    }
}
