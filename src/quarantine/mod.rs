//! The quarantine: the only room that knows both sides. Intake, dossier, assess, verdict, release: one direction through it.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::broadcast;

use crate::attest::TrustRoot;
use crate::blob::{Blobs, CountedBlobs, Inventory, StagingArea};
use crate::corpus::Corpora;
use crate::domain::{BreakGlass, Clock, Ecosystem, Origin, Project, State, Timestamp};
use crate::policy::Policy;
use crate::seal::Seal;
use crate::store::Store;
use crate::upstream::{SingleFlight, Upstream};

pub mod addresses;
pub mod advice;
pub mod assess;
pub mod baseline;
mod blocks;
pub mod break_glass;
mod budget;
pub mod cellar;
pub mod check;
mod corrections;
mod coverage;
pub mod cpan;
pub mod desk;
pub mod desk_reading;
pub mod downloads;
mod editions;
pub mod errands;
mod error;
mod explain;
mod export;
mod family;
pub mod fetch;
pub mod file_gate;
pub mod freeze;
pub mod heads;
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
pub mod prepared;
pub mod pypi;
pub mod queue;
mod reading;
pub mod refresh;
pub mod refusals;
mod regime;
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
pub use cellar::{CellarSettings, Eviction, Garbage};
pub use cpan::{Cpan, CpanSettings};
pub use downloads::{Fetcher, Reached};
pub use editions::Edition;
pub use error::{QuarantineError, Refusal, in_seconds};
pub use explain::printable;
pub use indexes::{Index, Indexes};
pub use leave::Leave;
pub use meter::Meter;
pub use regime::Asker;
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
    /// For how many days the report of refusals is kept.
    pub report_days: u16,
    /// For how many days the download log is kept.
    pub download_days: u16,
    /// How much the cellar may hold.
    pub cellar: CellarSettings,
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
    /// What vouches for the ledger.
    pub seal: Seal,
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
    cellar: cellar::Cellar,
    staging: StagingArea,
    seal: Seal,
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
    /// What the policy says at this moment.
    regime: ArcSwap<regime::Regime>,
    /// One at a time looks at the clock when an hour has struck.
    renewing: std::sync::Mutex<()>,
    /// Where the glass is, as the store has it.
    glass: std::sync::Mutex<BreakGlass>,
    /// One at a time changes that.
    glass_turn: tokio::sync::Mutex<()>,
    /// What left since it was broken last.
    passed: std::sync::Mutex<break_glass::Passed>,
    /// The freezes as the store has them.
    kept_frosts: tokio::sync::Mutex<freeze::Frosts>,
    /// Why the policy file cannot be put into force.
    policy_trouble: ArcSwapOption<String>,
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
    usual: prepared::Usual,
    /// Clients go before errands.
    pub precedence: precedence::Precedence,
    refusals: refusals::Refusals,
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
        let timekeeper = Timekeeper::new(cellars.clock.clone(), highest);
        let policy = Arc::new(policy);
        let kept_frosts = freeze::recall(&*cellars.store).await?;
        let frosts = freeze::frosts_of(&policy, &kept_frosts, timekeeper.latest());
        let (glass, passed) = break_glass::recall(&*cellars.store).await?;
        let now = timekeeper.latest();
        let regime = regime::Regime::of(policy.clone(), frosts, &glass.at(now), now);
        let inventory = Arc::new(Inventory::default());
        let blobs = CountedBlobs::new(cellars.blobs, inventory.clone(), cellars.clock.clone());
        Ok(Arc::new(Self {
            timekeeper,
            regime: ArcSwap::from_pointee(regime),
            renewing: std::sync::Mutex::default(),
            glass: std::sync::Mutex::new(glass),
            glass_turn: tokio::sync::Mutex::default(),
            passed: std::sync::Mutex::new(passed),
            kept_frosts: tokio::sync::Mutex::new(kept_frosts),
            policy_trouble: ArcSwapOption::empty(),
            store: cellars.store,
            blobs: Arc::new(blobs),
            cellar: cellar::Cellar::new(inventory, settings.cellar),
            staging: cellars.staging,
            seal: cellars.seal,
            upstream: cellars.upstream,
            corpus: ArcSwap::new(cellars.corpus),
            indexes: sides.python,
            cpan: sides.cpan,
            teapot: sides.teapot,
            policy: ArcSwap::new(policy),
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
            usual: prepared::Usual::default(),
            precedence: precedence::Precedence::default(),
            refusals: refusals::Refusals::default(),
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
        let (policy, now) = (Arc::new(policy), self.timekeeper.latest());
        {
            let _one = self.renewing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let frosts = freeze::frosts_of(&policy, self.regime.load().frosts(), now);
            let regime = regime::Regime::of(policy.clone(), frosts, &self.glass(), now);
            self.policy.store(policy);
            self.regime.store(Arc::new(regime));
        }
        self.outdate_all();
    }

    /// Notes that the policy file cannot be put into force, or that it is.
    pub fn note_policy_trouble(&self, trouble: Option<String>) {
        metrics::gauge!("lazaret_policy_refused").set(if trouble.is_some() { 1.0 } else { 0.0 });
        self.policy_trouble.store(trouble.map(Arc::new));
    }

    /// Why the policy in force is not the one in its file.
    pub fn policy_trouble(&self) -> Option<Arc<String>> {
        self.policy_trouble.load_full()
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

    /// Whether decisions can be written down, as far as the disk says. What is cached is served in any case.
    pub async fn check_room(&self) -> Result<(), QuarantineError> {
        let room = self.store.check_room().await;
        metrics::gauge!("lazaret_disk_refusing").set(if room.is_ok() { 0.0 } else { 1.0 });
        Ok(room?)
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
