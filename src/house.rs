//! The house: builds every room and joins them. No other room knows them all.

mod plan;
mod policy_keeper;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::policy_keeper::PolicyKeeper;
use crate::blob::{ObjectBlobs, StagingArea};
use crate::config::Config;
use crate::corpus::{Corpora, NameSources};
use crate::disk::{Disk, SystemDisk};
use crate::domain::{Actor, Clock, Ecosystem, EventDraft, EventKind, Role, Timestamp};
use crate::durable;
use crate::http::porter::{Door, Porter};
use crate::http::serve::{Bounds, serve};
use crate::http::tls::Certificates;
use crate::http::{admin, package};
use crate::jobs::Driver;
use crate::marker::Marker;
use crate::policy::Policy;
use crate::quarantine::own_names::own_names;
use crate::quarantine::{AdvisorySource, Cellars, Cpan, Quarantine, QuarantineError, Settings, Sides};
use crate::seal::Seal;
use crate::store::sled::{RESERVE, SledStore};
use crate::store::{Change, Store, StoreError};

/// Where the listeners are, as `addresses.json` has it.
#[derive(Debug, Clone, Serialize)]
pub struct Addresses {
    /// The package listener.
    pub packages: String,
    /// The teapot listener.
    pub teapot: String,
    /// The admin listener.
    pub admin: String,
}

/// A running house.
#[derive(Debug)]
pub struct House {
    addresses: Addresses,
    data_dir: PathBuf,
    policy: Arc<PolicyKeeper>,
    certificates: Option<Arc<Certificates>>,
    clock: Arc<dyn Clock>,
    quarantine: Arc<Quarantine>,
    driver: Arc<Driver>,
    marker: Marker,
    closing: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl House {
    /// Opens the cellars, joins the rooms and listens.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::start_on(config, clock, Arc::new(SystemDisk)).await
    }

    /// Likewise, on a disk that a test may fill.
    pub async fn start_on(config: Config, clock: Arc<dyn Clock>, disk: Arc<dyn Disk>) -> anyhow::Result<Self> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        crate::telemetry::metrics::install();
        let data_dir = config.store.data_dir.clone();
        let policy_file = config.policy.file.clone();
        let policy = policy_from(policy_file.as_deref())?;
        let certificates = plan::certificates(&config, clock.now())?;
        let packages = listen(config.listen.packages, "listen.packages").await?;
        let teapot_door = listen(config.listen.teapot, "listen.teapot").await?;
        let admin_listener = listen(config.listen.admin, "listen.admin").await?;
        let scheme = if certificates.is_some() { "https" } else { "http" };
        let addresses = Addresses {
            packages: format!("{scheme}://{}", packages.local_addr()?),
            teapot: format!("http://{}", teapot_door.local_addr()?),
            admin: format!("{scheme}://{}", admin_listener.local_addr()?),
        };

        durable::make_folder(&data_dir)
            .with_context(|| format!("store.data_dir: {} cannot be made", data_dir.display()))?;
        let marker = Marker::at(&data_dir);
        let store = open_store(data_dir.join("store"), &marker, disk.clone()).await?;
        first_token(&store, &data_dir, &*clock).await?;

        let public_url: Arc<str> = match &config.listen.public_url {
            Some(url) => url.as_str().trim_end_matches('/').into(),
            None => addresses.packages.as_str().into(),
        };
        let via = format!("lazaret-{}", store.id().await?);
        let upstream = plan::way_out(&config, &via)?;
        let cellars = Cellars {
            store: store.clone(),
            blobs: Arc::new(ObjectBlobs::on_disk(&data_dir.join("blobs"))?),
            staging: StagingArea::open_on(&data_dir.join("staging"), disk)?,
            seal: Seal::open(&data_dir)?,
            upstream,
            clock: clock.clone(),
            corpus: Arc::new(corpora_for(&data_dir, policy_file.as_deref(), &policy, &*store, clock.now()).await?),
        };
        let settings = Settings {
            refresh: config.pypi.refresh,
            reread: config.pypi.reread,
            public_url: public_url.clone(),
            names_file: data_dir.join("names.txt"),
            advisories: plan::advisories(&config),
            trust: plan::trusted_root(&config)?,
            report_days: config.store.report_days,
            download_days: config.store.download_days,
            cellar: plan::cellar_settings(&config),
        };
        unless_refused(tell_policy(&store, &policy, &*clock).await)?;
        let cpan = Cpan::new(
            plan::cpan_settings(&config, &data_dir)?,
            plan::cpan_public(&config),
            plan::cpan_private(&config)?,
        );
        let sides =
            Sides { python: plan::indexes(&config)?, cpan: Some(cpan), teapot: plan::teapot(&config, &data_dir) };
        let quarantine = Quarantine::open(cellars, sides, policy, settings).await?;

        open_advisories(&quarantine).await?;
        leave_chores(&quarantine).await?;

        let (closing, closed) = watch::channel(false);
        let driver = Arc::new(Driver::new(quarantine.clone()));
        let porter = Porter::new(plan::house_rules(&config), quarantine.clone());
        let review = admin::Desk {
            quarantine: quarantine.clone(),
            porter: porter.clone(),
            hosts: Arc::new(plan::admin_hosts(&config, &admin_listener)?),
            metrics: crate::telemetry::metrics::render,
        };
        let (housekeeper, housekeeper_closed) = (driver.clone(), closed.clone());
        let (poller, poller_closed) = (driver.clone(), closed.clone());
        let (background, background_closed) = (driver.clone(), closed.clone());
        let (keeper, keeper_closed) = (marker.clone(), closed.clone());
        let kept_store = store.clone();
        let forwarding = plan::forwarding(&config, &packages, &public_url)?;
        let (for_packages, for_teapot) = (Door::of_packages(&porter), Door::of_teapot(&porter));
        let package_router = package::router(quarantine.clone(), for_packages, &via, forwarding);
        let teapot_router = crate::http::teapot::router(quarantine.clone(), for_teapot, &via);
        let (tls, bounds) = (certificates.clone(), Bounds::default());
        let mut tasks = vec![
            tokio::spawn(serve(packages, package_router, tls.clone(), bounds.clone(), closed.clone())),
            tokio::spawn(serve(teapot_door, teapot_router, None, bounds.clone(), closed.clone())),
            tokio::spawn(serve(admin_listener, admin::router(review)?, tls, bounds, closed.clone())),
            tokio::spawn(porter.tidy_up(closed.clone())),
            tokio::spawn(async move { background.run(background_closed).await }),
            tokio::spawn(async move { poller.poll(poller_closed).await }),
            tokio::spawn(async move { housekeeper.keep_house(housekeeper_closed).await }),
            tokio::spawn(async move { keeper.keep(kept_store, keeper_closed).await }),
        ];
        if let Some(certificates) = &certificates {
            tasks.push(tokio::spawn(certificates.clone().watch(clock.clone(), closed)));
        }
        let policy = PolicyKeeper::new(policy_file, data_dir.clone(), clock.clone(), quarantine.clone());
        let policy = Arc::new(policy);
        tasks.push(tokio::spawn(policy.clone().watch(closing.subscribe())));
        let house =
            Self { addresses, data_dir, policy, certificates, clock, quarantine, driver, marker, closing, tasks };
        house.write_addresses().await?;
        Ok(house)
    }

    /// Where the listeners are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The quarantine, for tests and the program itself.
    pub fn quarantine(&self) -> &Arc<Quarantine> {
        &self.quarantine
    }

    /// The first administrator's token, as it was written for the command line.
    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.data_dir.join("admin.token")).unwrap_or_default().trim().to_owned()
    }

    /// Does all background work that is due now, once: for tests with a hand-moved clock.
    pub async fn run_due_jobs(&self) {
        if let Err(error) = self.quarantine.write_downloads().await {
            tracing::error!(%error, "the downloads could not be written down");
        }
        if let Err(error) = self.quarantine.poll_cpan().await {
            tracing::error!(%error, "the CPAN mirror could not be polled");
        }
        if let Err(error) = self.quarantine.poll_teapot().await {
            tracing::error!(%error, "the teapot repository could not be polled");
        }
        if let Err(error) = self.driver.run_due().await {
            tracing::error!(%error, "background work failed");
        }
        if let Err(error) = self.driver.tidy_cellar().await {
            tracing::error!(%error, "the cellar could not be kept within its limit");
        }
    }

    /// Reads the policy file, the refreshed lists of names and their weights again. If one has an error, all stays as it was.
    pub async fn reload_policy(&self) -> anyhow::Result<()> {
        self.policy.reload().await
    }

    /// Reads the certificates again, for connections that begin from now on. If one has an error, all stay as they were.
    pub fn reload_certificates(&self) -> anyhow::Result<()> {
        let Some(certificates) = &self.certificates else { return Ok(()) };
        certificates.reload(self.clock.now()).context("tls")
    }

    /// Lets running requests finish and closes.
    pub async fn stop(self) {
        self.closing.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
        self.quarantine.put_away().await;
        if let Err(error) = self.quarantine.write_downloads().await {
            tracing::warn!(%error, "the last downloads could not be written down");
        }
        if let Err(error) = self.quarantine.keep_refusals().await {
            tracing::warn!(%error, "the last refusals could not be written down");
        }
        if let Err(error) = self.quarantine.keep_time().await {
            tracing::warn!(%error, "the time could not be kept");
        }
        self.marker.write(&*self.quarantine.store).await;
    }

    async fn write_addresses(&self) -> anyhow::Result<()> {
        let path = self.data_dir.join("addresses.json");
        tokio::fs::write(&path, serde_json::to_vec_pretty(&self.addresses)?)
            .await
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

fn policy_from(file: Option<&Path>) -> anyhow::Result<Policy> {
    Ok(match file {
        Some(file) => Policy::load(file)?,
        None => Policy::built_in(),
    })
}

/// Opens the store, and refuses one that has forgotten what the marker knows of.
async fn open_store(folder: PathBuf, marker: &Marker, disk: Arc<dyn Disk>) -> anyhow::Result<Arc<dyn Store>> {
    marker.check_place(&folder)?;
    let store = tokio::task::spawn_blocking(move || SledStore::open_on(&folder, disk, RESERVE)).await??;
    marker.check(&store).await?;
    Ok(Arc::new(store))
}

/// The well-known names, and those of this site.
async fn corpora_for(
    data_dir: &Path,
    policy_file: Option<&Path>,
    policy: &Policy,
    store: &dyn Store,
    now: Timestamp,
) -> anyhow::Result<Corpora> {
    let mut sources = NameSources::of_house(data_dir, policy_file);
    sources.own = own_names(policy, store, now).await?;
    // Fifteen thousand names take a moment: off the reactor.
    Ok(tokio::task::spawn_blocking(move || Corpora::load(&sources)).await??)
}

/// Known malware is refused from the first request on, so local lists are read before the doors open; what is fetched is read
/// behind them.
async fn open_advisories(quarantine: &Arc<Quarantine>) -> anyhow::Result<()> {
    let Some(settings) = quarantine.advisory_settings() else { return Ok(()) };
    let mut run_at = quarantine.timekeeper.wall();
    if matches!(settings.source, AdvisorySource::Path(_)) {
        quarantine.refresh_advisories().await?;
        run_at += settings.refresh;
    }
    quarantine.leave_refreshing(run_at).await?;
    Ok(())
}

async fn listen(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{key}: cannot listen on {address}; is another lazaret running? Choose another port (0 takes any)")
    })
}

/// Makes the first administrator's token, while there is none, and writes it for the command line of the same user.
async fn first_token(store: &Arc<dyn Store>, data_dir: &Path, clock: &dyn Clock) -> anyhow::Result<()> {
    let now = clock.now();
    let is_admin = |token: &crate::store::Token| {
        token.role == Role::Admin && token.revoked.is_none() && token.expires.is_none_or(|expires| expires > now)
    };
    if store.tokens().await?.iter().any(is_admin) {
        return Ok(());
    }
    let (token, secret) = crate::quarantine::desk_reading::new_token("admin", Role::Admin, now, None);
    let path = data_dir.join("admin.token");
    // Before the store knows it, and with its name: a token that nobody can read any more would lock everybody out.
    durable::write_secret(&path, format!("{secret}\n").as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let mut event = EventDraft::new(now, Actor::house("first start"), EventKind::TokenCreated, "the first admin token");
    event.details = serde_json::json!({ "name": "admin", "role": "admin" });
    store.commit(Change { tokens: vec![token], events: vec![event], ..Change::default() }).await?;
    Ok(())
}

/// What is done again and again, and left for the first time.
async fn leave_chores(quarantine: &Quarantine) -> anyhow::Result<()> {
    unless_refused(quarantine.leave_garbage().await.map_err(Into::into))?;
    unless_refused(quarantine.leave_forgetting().await.map_err(Into::into))?;
    unless_refused(quarantine.leave_signing().await.map_err(Into::into))
}

/// A full disk is no reason to stay shut: what is cached is served.
fn unless_refused(done: anyhow::Result<()>) -> anyhow::Result<()> {
    match done {
        Err(error) if is_refused(&error) => {
            tracing::error!("{error:#}");
            Ok(())
        }
        done => done,
    }
}

fn is_refused(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(StoreError::is_disk_refusing)
        || error.downcast_ref().is_some_and(QuarantineError::is_disk_refusing)
}

/// One event when another policy comes into force.
async fn tell_policy(store: &Arc<dyn Store>, policy: &Policy, clock: &dyn Clock) -> anyhow::Result<()> {
    let summary = format!("policy {} from {}", policy.digest, policy.source);
    let mut event = EventDraft::new(clock.now(), Actor::house("start"), EventKind::PolicyLoaded, summary);
    let frozen = Ecosystem::ALL.map(|ecosystem| policy.freeze.of(ecosystem).map(|since| since.to_string()));
    event.details = serde_json::json!({ "digest": policy.digest, "frozen": frozen });
    store.commit(Change { events: vec![event], ..Change::default() }).await?;
    Ok(())
}
