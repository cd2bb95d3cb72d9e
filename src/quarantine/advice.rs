//! Advisories at work: read when the house opens and now and then, looked up for each release, and a reason to judge again what
//! they speak of, also what was let in before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Quarantine, QuarantineError};
use crate::advisory::{Advisories, Advisory, AdvisoryError, AdvisoryKind};
use crate::domain::{Ecosystem, Project, Sha256, State, Upload, Version};
use crate::registry::pypi::json_api::Vulnerability;
use crate::signals::{AdvisoryFact, AdvisoryFacts, Feed, FixFact};
use crate::store::Job;
use crate::upstream::{AllowedHosts, FileRequest};

/// The kind of job that reads the advisories again.
pub const REFRESH: &str = "refresh-advisories";
/// The kind of job that judges a project again.
pub const JUDGE: &str = "judge-again";
/// The largest list of advisories that is fetched; that of all of PyPI has some thirty megabytes.
const LARGEST_LIST: u64 = 512 << 20;
/// Shorter lists are kept by hand, and may shrink as they like.
const LARGE_LIST: usize = 100;
/// So many known projects are looked at at a time.
const AT_ONCE: usize = 500;
/// So many advisories of one release stand in its dossier.
const MOST_TOLD: usize = 40;

/// Where advisories are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisorySource {
    /// A folder, an archive or a file.
    Path(std::path::PathBuf),
    /// The address of an archive or a file.
    Address(url::Url),
}

/// Where, and how often.
#[derive(Debug, Clone)]
pub struct AdvisorySettings {
    /// Where they are.
    pub source: AdvisorySource,
    /// How often they are read again.
    pub refresh: Duration,
}

/// The advisories that are in force, and whether there are any to be had.
#[derive(Debug, Clone, Default)]
pub struct AdvisoryShelf {
    /// By project.
    pub advisories: Arc<Advisories>,
    /// Where they come from.
    pub feed: Feed,
}

impl AdvisoryShelf {
    /// Before anything was read: a list that is configured is not there yet, and what is not known yet is held.
    pub fn opening(settings: Option<&AdvisorySettings>) -> Self {
        let feed = if settings.is_some() { Feed::Unavailable("it was not read yet".into()) } else { Feed::NotOffered };
        Self { feed, ..Self::default() }
    }
}

/// What advisories have to say when one project is judged.
#[derive(Debug, Clone, Default)]
pub struct Advice {
    shelf: AdvisoryShelf,
    /// Versions of the project that somebody here fetched and may still fetch.
    in_use: Vec<Version>,
}

impl Advice {
    /// Identifies what is said of a project. Which versions are in use matters only where something is said of them.
    pub fn digest_of(&self, project: &Project) -> Option<Sha256> {
        let said = self.shelf.advisories.digest_of(project);
        let used = said.map(|_| &self.in_use);
        match (&self.shelf.feed, said) {
            (Feed::NotOffered, None) => None,
            (feed, said) => Some(Sha256::of(format!("{feed:?} {said:?} {used:?}").as_bytes())),
        }
    }

    /// Whether any advisory calls this version malware.
    pub fn is_malware(&self, project: &Project, version: &Version) -> bool {
        let of = self.shelf.advisories.of(project).iter();
        of.filter(|advisory| advisory.kind == AdvisoryKind::Malware).any(|advisory| advisory.affects(version))
    }

    /// What is said of a version, and what it mends that none of those published `earlier` does; `told` is what the index itself
    /// says to be wrong with it.
    pub fn facts(
        &self,
        project: &Project,
        version: &Version,
        told: &[Vulnerability],
        earlier: &[Version],
    ) -> AdvisoryFacts {
        let all = self.shelf.advisories.of(project);
        let affecting = all.iter().filter(|advisory| advisory.affects(version)).take(MOST_TOLD);
        let mut affecting: Vec<AdvisoryFact> = affecting.map(|advisory| fact(advisory, version)).collect();
        for vulnerability in told.iter().take(MOST_TOLD) {
            join(&mut affecting, vulnerability, version, project.ecosystem);
        }
        let between = |one: &Version, low: &Version, high: &Version| {
            one.compare(low, project.ecosystem).is_gt() && one.compare(high, project.ecosystem).is_lt()
        };
        let older = |used: &&Version| used.compare(version, project.ecosystem).is_lt();
        let between = &between;
        let fixes = self.in_use.iter().filter(older).flat_map(|used| {
            // Whoever still uses what was weak years ago is mended by what mended it then: each release since would come early.
            let was_mended = move |advisory: &Advisory| {
                let final_ones = earlier.iter().filter(|one| one.pep440().is_none_or(|one| !one.any_prerelease()));
                final_ones.filter(|one| between(one, used, version)).any(|one| !advisory.affects(one))
            };
            let mended = all
                .iter()
                .filter(move |advisory| advisory.affects(used) && !advisory.affects(version) && !was_mended(advisory));
            mended.map(move |advisory| FixFact { advisory: fact(advisory, used), in_use: used.clone() })
        });
        AdvisoryFacts { feed: self.shelf.feed.clone(), affecting, fixes: fixes.take(MOST_TOLD).collect() }
    }
}

/// Half of a list is a list that was cut off: what it does not say any more was not taken back. A restart takes it as it is.
fn is_no_stump(advisories: Advisories, before: usize) -> Result<Advisories, String> {
    let now = advisories.count();
    if before >= LARGE_LIST && now < before / 2 {
        return Err(format!("it has {now} records, and had {before} before; restart lazaret if that is right"));
    }
    Ok(advisories)
}

/// An advisory about this version.
fn fact(advisory: &Advisory, version: &Version) -> AdvisoryFact {
    AdvisoryFact {
        id: advisory.id.clone(),
        aliases: advisory.aliases.clone(),
        malware: advisory.kind == AdvisoryKind::Malware,
        summary: advisory.summary.clone().unwrap_or_default(),
        severity: advisory.severity.clone(),
        fixed: advisory.fixed_after(version),
        sources: advisory.sources().iter().map(ToString::to_string).collect(),
    }
}

/// Adds what the index says of its own file: a source of its own, about an advisory that is known or a new one.
fn join(affecting: &mut Vec<AdvisoryFact>, told: &Vulnerability, version: &Version, ecosystem: Ecosystem) {
    const INDEX: &str = "the index";
    let names = |fact: &AdvisoryFact| {
        let known = |name: &String| fact.id == *name || fact.aliases.contains(name);
        known(&told.id) || told.aliases.iter().any(known)
    };
    if let Some(known) = affecting.iter_mut().find(|fact| names(fact)) {
        known.sources.push(INDEX.to_owned());
        return;
    }
    let above = told.fixed_in.iter().filter(|fixed| fixed.compare(version, ecosystem).is_gt());
    affecting.push(AdvisoryFact {
        id: told.id.clone(),
        aliases: told.aliases.clone(),
        malware: told.id.starts_with("MAL-"),
        summary: told.summary.clone(),
        severity: None,
        fixed: above.min_by(|one, two| one.compare(two, ecosystem)).cloned(),
        sources: vec![INDEX.to_owned()],
    });
}

impl Quarantine {
    /// What advisories say of any version, without regard to what is in use.
    pub(super) fn advice(&self) -> Advice {
        Advice { shelf: self.advisories().as_ref().clone(), in_use: Vec::new() }
    }

    /// What advisories have to say of a project with these rows.
    pub(super) async fn advice_on(&self, project: &Project, uploads: &[Upload]) -> Result<Advice, QuarantineError> {
        let mut advice = self.advice();
        if advice.shelf.advisories.of(project).is_empty() {
            return Ok(advice);
        }
        for upload in uploads.iter().filter(|upload| upload.state == State::Released) {
            // The house fetches files of its own accord too: the download log knows what went to somebody.
            let Some(sha256) = &upload.sha256 else { continue };
            if self.store.last_download(sha256).await?.is_some() {
                advice.in_use.push(upload.version.clone());
            }
        }
        advice.in_use.sort();
        advice.in_use.dedup();
        Ok(advice)
    }

    /// The advisories in force.
    pub fn advisories(&self) -> Arc<AdvisoryShelf> {
        self.advisories.load_full()
    }

    /// Whether any advisories are configured.
    pub fn advisory_settings(&self) -> Option<&AdvisorySettings> {
        self.settings.advisories.as_ref()
    }

    /// Reads the advisories, and leaves it to jobs to judge again what changed. If they cannot be read, those in force stay.
    pub async fn refresh_advisories(&self) -> Result<(), QuarantineError> {
        let Some(settings) = &self.settings.advisories else { return Ok(()) };
        let before = self.advisories.load_full();
        let read = self.read_advisories(&settings.source).await;
        match read.and_then(|advisories| is_no_stump(advisories, before.advisories.count())) {
            Ok(advisories) => {
                let changed = advisories.changed_since(&before.advisories);
                let first = before.feed != Feed::Read;
                self.advisories.store(Arc::new(AdvisoryShelf { advisories: Arc::new(advisories), feed: Feed::Read }));
                self.judge_changed(&changed, first).await
            }
            Err(why) => {
                tracing::error!(why, "the advisories cannot be read; those that were read before stay in force");
                metrics::counter!("lazaret_advisories_failed_total").increment(1);
                if before.feed != Feed::Read {
                    let feed = Feed::Unavailable(why);
                    if before.feed != feed {
                        self.advisories.store(Arc::new(AdvisoryShelf { feed, ..AdvisoryShelf::default() }));
                        self.outdate_all();
                    }
                }
                Ok(())
            }
        }
    }

    async fn read_advisories(&self, source: &AdvisorySource) -> Result<Advisories, String> {
        let (name, read): (String, Result<_, AdvisoryError>) = match source {
            AdvisorySource::Path(path) => {
                let (name, path) = (path.display().to_string(), path.clone());
                let read = tokio::task::spawn_blocking(move || Advisories::load(&path)).await;
                (name, read.map_err(|panic| panic.to_string())?)
            }
            AdvisorySource::Address(url) => {
                let name = url.to_string();
                let bytes = self.fetch_advisories(url).await?;
                let told = name.clone();
                let read = tokio::task::spawn_blocking(move || Advisories::from_bytes(&told, &bytes)).await;
                (name, read.map_err(|panic| panic.to_string())?)
            }
        };
        let loaded = read.map_err(|error| error.to_string())?;
        tracing::info!(name, records = loaded.read, skipped = loaded.skipped, "advisories read");
        for complaint in &loaded.complaints {
            tracing::warn!(complaint, "an advisory was passed over");
        }
        #[expect(clippy::cast_precision_loss, reason = "a count for a chart")]
        metrics::gauge!("lazaret_advisories").set(loaded.read as f64);
        Ok(loaded.advisories)
    }

    async fn fetch_advisories(&self, url: &url::Url) -> Result<Vec<u8>, String> {
        let hosts = AllowedHosts::for_index(url, &[]);
        let request = FileRequest {
            url,
            accept: "application/zip, application/json;q=0.9, */*;q=0.1",
            range: None,
            max_bytes: LARGEST_LIST,
            hosts: &hosts,
            credentials: None,
            close: false,
        };
        let mut answer = self.upstream.file(request).await.map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| error.to_string())?);
        }
        Ok(bytes)
    }

    /// Projects known here of which advisories say something else now: work that grows with what changed.
    async fn judge_changed(&self, changed: &[Project], first: bool) -> Result<(), QuarantineError> {
        if first {
            // Everything was judged without a list: what is shown next is judged with one.
            self.outdate_all();
        }
        for project in changed {
            if self.store.project(project).await?.is_some() {
                self.outdate(project);
                self.leave_judging(project).await?;
            }
        }
        Ok(())
    }

    /// Leaves it to a job to judge a project again under what is in force now.
    pub(super) async fn leave_judging(&self, project: &Project) -> Result<(), QuarantineError> {
        let subject = project.to_string();
        let run_at = self.timekeeper.wall();
        let job = Job { key: format!("{JUDGE} {subject}"), kind: JUDGE.to_owned(), subject, run_at, attempts: 0 };
        Ok(self.store.enqueue(job).await?)
    }

    /// Leaves it to a job to read the advisories at this time.
    pub async fn leave_refreshing(&self, run_at: crate::domain::Timestamp) -> Result<(), QuarantineError> {
        let job =
            Job { key: REFRESH.to_owned(), kind: REFRESH.to_owned(), subject: String::new(), run_at, attempts: 0 };
        Ok(self.store.enqueue(job).await?)
    }

    /// Judges a project again: from its last good page if that is recent, else from a new reading.
    pub async fn judge_again(self: &Arc<Self>, project: &Project) -> Result<(), QuarantineError> {
        self.view_unasked(project).await.map(|_| ())
    }

    /// Leaves it to jobs to judge again everything that waits, after the policy or the names have changed.
    pub async fn judge_waiting(&self) -> Result<(), QuarantineError> {
        let mut query = crate::store::UploadQuery {
            state: Some(State::Held),
            limit: AT_ONCE,
            ..crate::store::UploadQuery::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let uploads = self.store.list(&query).await?;
            let Some(last) = uploads.last() else { return Ok(()) };
            query.cursor = Some(last.id.clone());
            for upload in &uploads {
                if seen.insert(upload.project.clone()) {
                    self.leave_judging(&upload.project).await?;
                }
            }
        }
    }
}
