//! One reading of a project: what is remembered, what the index says now, what became of it.

use std::sync::Arc;

use super::assess::{self, Bench, Evidence};
use super::cpan::CpanRecords;
use super::indexes::{Index, Reading};
use super::intake::{self, Arrival, Contents, Intake};
use super::prepared::Encoding;
use super::pypi::ProjectRecords;
use super::refresh::Freshness;
use super::teapot::TeapotRecords;
use super::view::View;
use super::{Edition, Quarantine, QuarantineError};
use crate::archive::Walk;
use crate::domain::{
    Ecosystem, EventKind, KnownFile, KnownProject, Listing, Origin, PageRead, Project, RuleKind, Sha256, Standing,
    StandingRule, State, Timestamp, Upload, UploadId,
};
use crate::registry::pypi::{Format, read_listing};
use crate::signals::Dossier;
use crate::store::{Change, Store, StoreError};
use crate::upstream::{FreshPage, PageAnswer, Validators, count_unreadable};

/// All that the store knows of a project.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) known: Option<KnownProject>,
    pub(super) read: Option<PageRead>,
    pub(super) uploads: Vec<Upload>,
    pub(super) rules: Vec<StandingRule>,
    pub(super) owner: Option<String>,
}

/// The dossiers in the store, read from a thread that may wait.
#[derive(Debug)]
struct KeptDossiers {
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Handle,
}

impl Contents for KeptDossiers {
    fn walk(&self, upload: &Upload) -> Result<Option<Walk>, StoreError> {
        let Some(digest) = upload.dossier.filter(|_| upload.examination.passed().is_some()) else { return Ok(None) };
        let bytes = self.runtime.block_on(self.store.fetch(&digest))?;
        let dossier = bytes.and_then(|bytes| serde_json::from_slice::<Dossier>(&bytes).ok());
        Ok(dossier.and_then(|dossier| dossier.archive))
    }
}

/// What an index said.
#[derive(Debug)]
pub(super) enum Said {
    /// The page as it is already known.
    Nothing,
    /// This page.
    Page(Listing),
}

/// What is taken in: what an index said, when, and whether it failed to answer.
#[derive(Debug)]
pub(super) struct News<'a> {
    pub(super) index: &'a Index,
    pub(super) said: Said,
    pub(super) read: Option<PageRead>,
    pub(super) stale: Option<QuarantineError>,
    /// The last complete reading in which a file that is new now was missing (rule 11).
    pub(super) absent_until: Option<Timestamp>,
    /// Whether a client asked for it.
    pub(super) is_asked: bool,
}

impl Quarantine {
    /// Reads a project's page, unless it was read just now, and takes it in; releases nothing.
    pub(super) async fn read_and_take_in(
        &self,
        project: &Project,
        freshness: Freshness,
    ) -> Result<Arc<View>, QuarantineError> {
        match project.ecosystem {
            Ecosystem::Pypi => {}
            Ecosystem::Cpan => return self.read_dist(project, freshness).await,
            Ecosystem::Teapot => return self.read_teapot_name(project, freshness).await,
        }
        let _turn = self.editions.turn(project).await;
        // Before anything is read: whatever changes from here on makes the view that comes of it an old one.
        let edition = self.editions.of(project);
        let memory = self.remember(project).await?;
        if freshness == Freshness::Usual
            && let Some(index) = self.read_just_now(project, &memory)
        {
            let news =
                News { index, said: Said::Nothing, read: None, stale: None, absent_until: None, is_asked: false };
            return self.take_in(project, memory, news, edition).await;
        }
        let validators = memory
            .read
            .as_ref()
            .map(|read| Validators { etag: read.etag.clone(), last_modified: read.last_modified.clone() });
        let origin = memory.known.as_ref().map(|known| &known.origin);
        let policy = self.policy();
        let asked_at = self.timekeeper.now();
        let (index, answer) = match self.read_page(project, &policy, origin.zip(validators.as_ref())).await? {
            Reading::NoFiles => return Ok(self.view_without_files(project, edition)),
            Reading::Failed { index, error } => {
                return self.last_good(project, memory, index, error, edition).await;
            }
            Reading::Answered { index, answer } => (index, answer),
        };
        let is_ours = memory.known.as_ref().is_some_and(|known| known.origin == index.origin);
        // Rule 10 wants a read that was *made* after a hold's end: when it was answered proves nothing.
        let now = self.timekeeper.now().min(asked_at);
        let asked = self.used.remove(project);
        let used = asked.max(memory.read.as_ref().and_then(|read| read.used));
        let (said, read) = match answer {
            PageAnswer::NotModified { .. } => {
                if let Some(read) = memory.read.clone().filter(|_| is_ours) {
                    (Said::Nothing, PageRead { at: now, used, ..read })
                } else {
                    let why = format!("{} answered 304 to a page never read", index.label());
                    return Err(QuarantineError::Fetch(why));
                }
            }
            // Rule 14: a name that is ours is never answered with 404.
            PageAnswer::Missing { .. } if memory.known.is_none() && !index.origin.is_public() => {
                return Ok(self.view_without_files(project, edition));
            }
            PageAnswer::Missing { .. } if memory.known.is_none() => {
                return Err(QuarantineError::NotFound(project.to_string()));
            }
            PageAnswer::Missing { .. } => {
                let read = PageRead { at: now, digest: Sha256::of(b""), etag: None, last_modified: None, used };
                (Said::Page(Listing::default()), read)
            }
            PageAnswer::Fresh(page) => {
                let Validators { etag, last_modified } = page.validators.clone();
                let read = PageRead { at: now, digest: Sha256::of(&page.body), etag, last_modified, used };
                if is_ours && memory.read.as_ref().is_some_and(|before| before.digest == read.digest) {
                    (Said::Nothing, read)
                } else {
                    match parsed(project, page).await {
                        Ok(listing) => (Said::Page(listing), read),
                        // A page that cannot be read is an upstream failure: keep serving what was released.
                        Err(error) => return self.last_good(project, memory, index, error, edition).await,
                    }
                }
            }
        };
        let absent_until = memory.read.as_ref().map(|read| read.at);
        let news = News { index, said, read: Some(read), stale: None, absent_until, is_asked: asked.is_some() };
        let view = self.take_in(project, memory, news, edition).await?;
        self.remember_errands(&view).await?;
        Ok(view)
    }

    pub(super) async fn remember(&self, project: &Project) -> Result<Memory, QuarantineError> {
        let (known, read, uploads, rules, owner) = tokio::try_join!(
            self.store.project(project),
            self.store.page_read(project),
            self.store.of(project),
            self.store.rules_of(project),
            self.store.private_owner(project),
        )?;
        Ok(Memory { known, read, uploads, rules, owner })
    }

    /// The index of a page that was read within its normal time, if no hold ended since and the name is still its own.
    fn read_just_now(&self, project: &Project, memory: &Memory) -> Option<&Index> {
        let (known, read) = memory.known.as_ref().zip(memory.read.as_ref())?;
        let now = self.timekeeper.wall();
        let age = now - read.at;
        let hold_ended = memory.uploads.iter().any(|upload| {
            upload.state == State::Held && upload.hold_until.is_some_and(|until| until > read.at && until <= now)
        });
        let kept_inside = memory.owner.is_some() || self.policy().is_internal(project);
        let is_fresh = age >= time::Duration::ZERO && age < self.settings.refresh;
        let may_be_used = is_fresh && !hold_ended && known.origin.is_public() != kept_inside;
        if may_be_used { self.indexes.of(&known.origin) } else { None }
    }

    /// The index did not answer: the last good page, judged under the present rules, if it is this index's page.
    async fn last_good(
        &self,
        project: &Project,
        memory: Memory,
        index: &Index,
        error: QuarantineError,
        edition: Edition,
    ) -> Result<Arc<View>, QuarantineError> {
        if memory.known.as_ref().is_none_or(|known| known.origin != index.origin) {
            return Err(error);
        }
        tracing::warn!(%project, %error, "serving the last good page");
        metrics::counter!("lazaret_stale_pages_total").increment(1);
        let news =
            News { index, said: Said::Nothing, read: None, stale: Some(error), absent_until: None, is_asked: false };
        self.take_in(project, memory, news, edition).await
    }

    /// Takes a page in (or, without one, judges again if the rules changed), commits what changed and makes the view.
    pub(super) async fn take_in(
        &self,
        project: &Project,
        memory: Memory,
        news: News<'_>,
        edition: Edition,
    ) -> Result<Arc<View>, QuarantineError> {
        let Memory { known, read: read_before, uploads, rules, owner } = memory;
        let News { index, said, read, stale, absent_until, is_asked } = news;
        let policy = self.policy();
        let corpus = self.corpus.load().of(project.ecosystem).clone();
        let (now, first_sight) = (self.timekeeper.now(), self.timekeeper.latest());
        let namesake = owner.filter(|_| index.origin.is_public());
        let private_hold = index.hold;
        // A waiver that runs out changes what is served at that moment.
        let next_end = next_waiver_end(&rules, now);
        let evidence = Evidence {
            cpan: self.records_for(known.as_ref(), &said, now).await,
            teapot: self.instances_for(known.as_ref(), &said, &uploads, now).await?,
            pypi: self.python_records(project, &index.origin).await?,
            advice: self.advice_on(project, &uploads).await?,
            waiting: assess::waiting(&uploads),
            accepted: assess::accepted(&uploads),
        };
        let judged_under = Bench {
            policy: &policy,
            corpus: &corpus,
            rules: &rules,
            private_hold,
            namesake: namesake.as_deref(),
            evidence: &evidence,
            now,
        }
        .digest(project);
        let previous_read = read_before.map(|read| read.at);
        let read_at = read.as_ref().map(|read| read.at).or(previous_read);
        let is_page = matches!(said, Said::Page(_));
        let listing = match (said, &known) {
            (Said::Page(listing), _) => listing,
            (Said::Nothing, Some(known)) if known.judged_under != Some(judged_under) => as_listing(known),
            (Said::Nothing, Some(_)) => {
                if let Some(read) = read {
                    self.store.touch(project, read).await?;
                }
                let known = known.ok_or_else(|| QuarantineError::NotFound(project.to_string()))?;
                return Ok(self.make_view(Arc::new(known), uploads, (read_at, next_end), stale, edition));
            }
            (Said::Nothing, None) => return Err(QuarantineError::NotFound(project.to_string())),
        };
        let contents = KeptDossiers { store: self.store.clone(), runtime: tokio::runtime::Handle::current() };
        let is_first = known.is_none();
        let origin = index.origin.clone();
        let (trusted, volatile) = (index.trusted, index.is_volatile(&project.name));
        let arriving = project.clone();
        // A page of four thousand files takes milliseconds: off the reactor.
        let worked = tokio::task::spawn_blocking(move || {
            let bench = Bench {
                policy: &policy,
                corpus: &corpus,
                rules: &rules,
                private_hold,
                namesake: namesake.as_deref(),
                evidence: &evidence,
                now,
            };
            let arrival = Arrival {
                project: &arriving,
                origin: &origin,
                listing,
                known,
                is_page,
                uploads,
                contents: &contents,
                previous_read,
                absent_until,
                first_sight,
                trusted,
                volatile,
            };
            intake::take_in(arrival, &bench)
        });
        let intake = worked.await.map_err(|failure| QuarantineError::Fetch(failure.to_string()))??;
        let usual = is_asked.then(|| self.usual.guess());
        self.keep_intake(intake, (read, read_at, next_end), (stale, edition), (is_first, usual)).await
    }

    /// Commits what changed, and makes the view meanwhile.
    async fn keep_intake(
        &self,
        intake: Intake,
        (read, read_at, next_end): (Option<PageRead>, Option<Timestamp>, Option<Timestamp>),
        (stale, edition): (Option<QuarantineError>, Edition),
        (is_first, usual): (bool, Option<(Format, Encoding)>),
    ) -> Result<Arc<View>, QuarantineError> {
        let Intake { known, rewritten, mut uploads, changed, dossiers, events } = intake;
        let known = Arc::new(known);
        let project = &known.project.clone();
        let changes = rewritten || !changed.is_empty();
        let change = Change {
            listing: rewritten.then(|| known.clone()),
            read: read.map(|read| (project.clone(), read)),
            uploads: changed.iter().filter_map(|id| uploads.get(id)).cloned().collect(),
            events,
            ..Change::default()
        };
        for id in &changed {
            if let Some(upload) = uploads.get_mut(id) {
                upload.revision += 1;
            }
        }
        let parts = self.parts(known, uploads.into_values().collect(), (read_at, next_end), stale, edition);
        // Side by side, because a client waits for both.
        let (written, made) = tokio::join!(
            self.commit_intake(project, change, dossiers, is_first),
            tokio::task::spawn_blocking(move || {
                let view = View::new(parts);
                if let Some((format, encoding)) = usual {
                    view.prepare(format, encoding);
                }
                view
            }),
        );
        written?;
        let mut view = made.map_err(|failure| QuarantineError::Fetch(failure.to_string()))?;
        if changes {
            view.edition = self.advance(project, edition);
        }
        Ok(Arc::new(view))
    }

    /// What was learned from PyPI's records of a public project.
    pub(super) async fn python_records(
        &self,
        project: &Project,
        origin: &Origin,
    ) -> Result<Option<ProjectRecords>, QuarantineError> {
        if project.ecosystem == Ecosystem::Pypi && origin.is_public() {
            return self.records_of(project).await.map(Some);
        }
        Ok(None)
    }

    /// What CPAN's records say of a distribution as it is about to be known.
    async fn records_for(&self, known: Option<&KnownProject>, said: &Said, now: Timestamp) -> Option<CpanRecords> {
        let known = known.filter(|known| known.project.ecosystem == Ecosystem::Cpan)?;
        let cpan = self.cpan.as_ref()?;
        let known = about_to_be(known, said, now);
        Some(cpan.records(&known, self.corpus.load().of(Ecosystem::Cpan), &self.policy()).await)
    }

    /// What a teapot index says of a name as it is about to be known.
    async fn instances_for(
        &self,
        known: Option<&KnownProject>,
        said: &Said,
        uploads: &[Upload],
        now: Timestamp,
    ) -> Result<Option<TeapotRecords>, QuarantineError> {
        match known.filter(|known| known.project.ecosystem == Ecosystem::Teapot) {
            Some(known) => self.teapot_records(&about_to_be(known, said, now), uploads).await.map(Some),
            None => Ok(None),
        }
    }

    async fn commit_intake(
        &self,
        project: &Project,
        mut change: Change,
        dossiers: Vec<(UploadId, Vec<u8>)>,
        is_first: bool,
    ) -> Result<(), QuarantineError> {
        for (_, dossier) in dossiers {
            self.keep_dossier(dossier).await?;
        }
        for event in change.events.iter().filter(|event| event.kind == EventKind::Alarm) {
            metrics::counter!("lazaret_alarms_total").increment(1);
            tracing::error!(%project, "{}", event.summary);
        }
        let findings = change.uploads.iter().flat_map(|upload| &upload.verdict.findings);
        for finding in findings.filter(|finding| finding.points > 0) {
            metrics::counter!("lazaret_findings_total", "signal" => finding.signal.to_string()).increment(1);
        }
        self.add_blast_radius(&mut change.events, &change.uploads).await?;
        // A first reading only lists and holds. If the power takes it, the page is read again and the same is held again, so
        // nobody waits for the disk; whatever moves a file that was known is durable before it is seen.
        if is_first && change.events.iter().all(|event| event.kind == EventKind::Baseline) {
            self.store.note(change).await?;
        } else {
            self.store.commit(change).await?;
        }
        Ok(())
    }
}

/// A project with what a page adds to it, for what is said of its files before they are taken in.
fn about_to_be(known: &KnownProject, said: &Said, now: Timestamp) -> KnownProject {
    let mut known = known.clone();
    if let Said::Page(listing) = said {
        for listed in &listing.files {
            match known.files.iter_mut().find(|file| file.file.filename == listed.filename) {
                Some(file) => file.file.provides.clone_from(&listed.provides),
                None => known.files.push(KnownFile {
                    file: listed.clone(),
                    first_seen: now,
                    clock_start: now,
                    standing: Standing::Tracked,
                    vanished: None,
                    disputed: None,
                }),
            }
        }
    }
    known
}

async fn parsed(project: &Project, page: FreshPage) -> Result<Listing, QuarantineError> {
    let (name, place) = (project.name.clone(), page.url.clone());
    let parsed =
        tokio::task::spawn_blocking(move || read_listing(&page.content_type, &page.body, &page.url, &name)).await;
    match parsed {
        Ok(Ok(listing)) => Ok(listing),
        Ok(Err(source)) => {
            count_unreadable(&place);
            Err(QuarantineError::Unreadable { project: project.clone(), source: Arc::new(source) })
        }
        Err(panic) => Err(QuarantineError::Fetch(panic.to_string())),
    }
}

/// What is known, as the page that showed it: to judge again without a new reading.
pub(super) fn as_listing(known: &KnownProject) -> Listing {
    Listing {
        files: known.files.iter().filter(|file| file.vanished.is_none()).map(|file| file.file.clone()).collect(),
        hidden: known.hidden.clone(),
        status: known.status.clone(),
        ..Listing::default()
    }
}

/// When the next waiver of the project ends.
pub(super) fn next_waiver_end(rules: &[StandingRule], now: Timestamp) -> Option<Timestamp> {
    let ends = rules.iter().filter_map(|rule| match &rule.kind {
        RuleKind::Waiver { expires, .. } => Some(*expires),
        RuleKind::Block { .. } => None,
    });
    ends.filter(|end| *end > now).min()
}
