//! From a name to a view: hot if it may be, else one reading of the page for everybody who waits for it.

use std::sync::Arc;

use super::assess::{self, Bench, Evidence};
use super::prepared::{Encoding, PreparedPage};
use super::reading::{Memory, next_waiver_end};
use super::view::{Appearance, Parts, View};
use super::{Asker, Edition, Quarantine, QuarantineError, toll};
use crate::domain::{Ecosystem, Examination, KnownProject, Origin, Project, State, Timestamp, Upload};
use crate::registry::pypi::Format;
use crate::store::StoreError;

/// Two replicas may take in the same page at once; the loser reads again.
const ATTEMPTS: usize = 4;
/// How long a name that is nowhere is remembered as such.
const MISSING_REMEMBERED: time::Duration = time::Duration::seconds(60);
/// After an upstream failure, the last good page is served for this long before the upstream is asked again.
const STALE_RETRY: time::Duration = time::Duration::seconds(15);

/// How fresh an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Within the page's normal time.
    Usual,
    /// Read from the upstream at or after this moment, if the upstream answers.
    Since(Timestamp),
}

impl Quarantine {
    /// The view of a project if one is ready and may still be used: the hot path, without store, upstream or parsing.
    pub fn ready_view(&self, project: &Project) -> Option<Arc<View>> {
        self.regime();
        let view = self.hot.get(project)?;
        let usable = self.is_present(&view) && self.timekeeper.wall() < view.valid_until;
        usable.then_some(view)
    }

    /// The view of a project.
    pub async fn view(self: &Arc<Self>, project: &Project, freshness: Freshness) -> Result<Arc<View>, QuarantineError> {
        self.view_for(project, freshness, true).await
    }

    /// The view of a project that nobody has asked for: what the house looks at by itself is not in use by that, or it would
    /// look at it for ever.
    pub(super) async fn view_unasked(self: &Arc<Self>, project: &Project) -> Result<Arc<View>, QuarantineError> {
        self.view_for(project, Freshness::Usual, false).await
    }

    /// As [`Quarantine::view_unasked`], as fresh as this.
    pub(super) async fn view_of_the_house(
        self: &Arc<Self>,
        project: &Project,
        freshness: Freshness,
    ) -> Result<Arc<View>, QuarantineError> {
        self.view_for(project, freshness, false).await
    }

    async fn view_for(
        self: &Arc<Self>,
        project: &Project,
        freshness: Freshness,
        is_asked: bool,
    ) -> Result<Arc<View>, QuarantineError> {
        if let Some(view) = self.ready_view(project) {
            let fresh = match freshness {
                Freshness::Usual => true,
                Freshness::Since(moment) => view.read_at.is_some_and(|read| read >= moment),
            };
            if fresh {
                return Ok(view);
            }
        }
        if freshness == Freshness::Usual
            && let Some(at) = self.missing.get(project)
            && self.timekeeper.wall() - at < MISSING_REMEMBERED
        {
            return Err(QuarantineError::NotFound(project.to_string()));
        }
        // What was read within its time comes from the store, also where a decision made it cold.
        let is_at_hand = self.good_until.get(project).is_some_and(|until| self.timekeeper.wall() < until);
        if freshness != Freshness::Usual || !is_at_hand {
            toll::pay()?;
        }
        // The index of CPAN is made of views that nobody asked for: there the file gate says what is used.
        if is_asked && freshness == Freshness::Usual {
            metrics::counter!("lazaret_page_misses_total").increment(1);
        }
        if is_asked && freshness == Freshness::Usual && project.ecosystem != Ecosystem::Cpan {
            self.used.insert(project.clone(), self.timekeeper.wall());
        }
        // A reading that was under way already may have begun before the decision or the moment that the caller knows of;
        // the second one began after that.
        for is_last in [false, true] {
            let house = self.clone();
            let wanted = project.clone();
            let reading = move || async move { house.look_up(&wanted, freshness).await };
            match self.readings.run((project.clone(), freshness != Freshness::Usual), reading).await {
                Ok(Ok(view)) if !is_last && !self.answers(&view, freshness) => {}
                Ok(answer) => return answer,
                Err(failure) => return Err(QuarantineError::Fetch(failure.to_string())),
            }
        }
        Err(QuarantineError::Fetch("the page changed too often while it was read".into()))
    }

    /// A view's page in this format and encoding, as somebody sees it.
    pub fn page(&self, view: &Arc<View>, format: Format, encoding: Encoding, asker: Asker) -> PreparedPage {
        self.usual.note(format, encoding);
        let before = view.weight();
        let page = view.page(format, encoding, asker);
        // A view is weighed when it is put in, and grows with the first page that is made of it.
        if view.weight() != before && self.is_present(view) {
            self.hot.insert(view.project.clone(), view.clone());
        }
        page
    }

    /// Whether nothing changed since the view was begun.
    fn is_present(&self, view: &View) -> bool {
        view.edition == self.editions.of(&view.project)
    }

    /// Whether a view that comes of a shared reading is what this caller asked for.
    fn answers(&self, view: &View, freshness: Freshness) -> bool {
        let fresh = match freshness {
            Freshness::Usual => true,
            Freshness::Since(moment) => view.stale.is_some() || view.read_at.is_none_or(|read| read >= moment),
        };
        fresh && self.is_present(view)
    }

    /// Looks a project up; releases what is due on the way, if the page was read for it (rule 10).
    async fn look_up(self: Arc<Self>, project: &Project, freshness: Freshness) -> Result<Arc<View>, QuarantineError> {
        let mut last = None;
        let mut freshness = freshness;
        let mut hashed = false;
        for _ in 0..ATTEMPTS {
            match self.read_and_take_in(project, freshness).await {
                Err(QuarantineError::Store(error)) if matches!(*error, StoreError::Conflict(_)) => {
                    last = Some(QuarantineError::Store(error));
                }
                // What an index said cannot be written down: what was known before is served, as where an index does not answer.
                Err(error) if error.is_disk_refusing() => return self.last_known(project, error).await,
                Err(error) => {
                    if matches!(error, QuarantineError::NotFound(_)) {
                        self.missing.insert(project.clone(), self.timekeeper.wall());
                    }
                    return Err(error);
                }
                Ok(view) if !hashed && self.hash_newest(&view).await => {
                    // The page was read just now: what was learned of its files is in the store.
                    freshness = Freshness::Usual;
                    hashed = true;
                }
                Ok(view) => {
                    let released = if self.anything_due(&view) { self.release_from(view).await } else { Ok(view) };
                    let view = match released {
                        Err(error) if error.is_disk_refusing() => return self.last_known(project, error).await,
                        released => released?,
                    };
                    self.good_until.insert(project.clone(), view.valid_until);
                    self.hot.insert(project.clone(), view.clone());
                    return Ok(view);
                }
            }
        }
        Err(last.unwrap_or_else(|| QuarantineError::Fetch("the page changed too often while it was read".into())))
    }

    /// The view of what is in the store, where nothing can be added to it: what is known of it since cannot be decided on before it
    /// can be written down. A name that is kept inside stays there.
    async fn last_known(&self, project: &Project, error: QuarantineError) -> Result<Arc<View>, QuarantineError> {
        let edition = self.editions.of(project);
        let Memory { known, read, uploads, rules, owner } = self.remember(project).await?;
        let Some(known) = known else { return Err(error) };
        let kept_inside = owner.is_some() || self.policy().is_internal(project);
        if known.origin.is_public() == kept_inside {
            return Err(error);
        }
        tracing::warn!(%project, %error, "serving what was known of it before");
        metrics::counter!("lazaret_stale_pages_total").increment(1);
        let next_end = next_waiver_end(&rules, self.timekeeper.now());
        let view = self.make_view(Arc::new(known), uploads, (read.map(|read| read.at), next_end), Some(error), edition);
        self.hot.insert(project.clone(), view.clone());
        Ok(view)
    }

    /// The view of a name that has no files here.
    pub(super) fn view_without_files(&self, project: &Project, edition: Edition) -> Arc<View> {
        Arc::new(View::new(Parts {
            project: project.clone(),
            known: None,
            uploads: Vec::new(),
            read_at: None,
            valid_until: self.timekeeper.wall() + self.settings.refresh,
            stale: None,
            edition,
            appearance: self.appearance(project, &Origin::Public),
            public_url: self.settings.public_url.clone(),
        }))
    }

    /// A view of what is in the store, valid until the page is due again, the next hold ends, or the next waiver.
    pub(super) fn make_view(
        &self,
        known: Arc<KnownProject>,
        uploads: Vec<Upload>,
        (read_at, next_end): (Option<Timestamp>, Option<Timestamp>),
        stale: Option<QuarantineError>,
        edition: Edition,
    ) -> Arc<View> {
        Arc::new(View::new(self.parts(known, uploads, (read_at, next_end), stale, edition)))
    }

    /// What such a view is made of.
    pub(super) fn parts(
        &self,
        known: Arc<KnownProject>,
        uploads: Vec<Upload>,
        (read_at, next_end): (Option<Timestamp>, Option<Timestamp>),
        stale: Option<QuarantineError>,
        edition: Edition,
    ) -> Parts {
        let now = self.timekeeper.wall();
        let uploads = self.without_lost_bytes(&known, uploads);
        let is_cpan = known.project.ecosystem == Ecosystem::Cpan;
        let due = match (&stale, read_at) {
            // Read with the whole index, whose polls find what changed, wherever in between this is.
            (None, Some(_)) if is_cpan => now + self.settings.refresh,
            (None, Some(read)) => read.min(now) + self.settings.refresh,
            _ => now + STALE_RETRY,
        };
        let valid_until = valid_until(&uploads, next_end.map_or(due, |end| end.min(due)), now);
        let appearance = self.appearance(&known.project, &known.origin);
        Parts {
            project: known.project.clone(),
            known: Some(known),
            uploads,
            read_at,
            valid_until,
            stale,
            edition,
            appearance,
            public_url: self.settings.public_url.clone(),
        }
    }

    /// What has left the cellar and then the index is not kept any more, whatever was once read of it: it must not be offered.
    fn without_lost_bytes(&self, known: &KnownProject, mut uploads: Vec<Upload>) -> Vec<Upload> {
        if known.files.iter().all(|file| file.vanished.is_none()) {
            return uploads;
        }
        for upload in &mut uploads {
            let is_lost =
                upload.examination.passed().is_some_and(|sha256| self.cellar.inventory.holds(&sha256) == Some(false));
            if is_lost && known.file(&upload.filename).is_some_and(|file| file.vanished.is_some()) {
                upload.examination = Examination::None;
            }
        }
        uploads
    }

    fn appearance(&self, project: &Project, origin: &Origin) -> Appearance {
        Appearance {
            usual: self.regime().of_project(project),
            held_files: self.policy().held_files,
            freeze: self.freeze_for(project, origin),
        }
    }

    /// The bench for a project.
    pub(super) async fn with_bench<T>(
        &self,
        known: &KnownProject,
        work: impl FnOnce(&Bench<'_>) -> T,
    ) -> Result<T, QuarantineError> {
        let (project, origin) = (&known.project, &known.origin);
        let rules = self.store.rules_of(project).await?;
        let owner = self.store.private_owner(project).await?;
        let namesake = owner.filter(|_| origin.is_public());
        let policy = self.policy();
        let private_hold = self.index_of(project, origin).and_then(|index| index.hold);
        let corpora = self.corpus.load_full();
        let records = match self.cpan.as_ref().filter(|_| project.ecosystem == Ecosystem::Cpan) {
            Some(cpan) => Some(cpan.records(known, corpora.of(project.ecosystem), &policy).await),
            None => None,
        };
        let uploads = self.store.of(project).await?;
        let instances = match project.ecosystem {
            Ecosystem::Teapot => Some(self.teapot_records(known, &uploads).await?),
            Ecosystem::Pypi | Ecosystem::Cpan => None,
        };
        let evidence = Evidence {
            cpan: records,
            teapot: instances,
            pypi: self.python_records(project, origin).await?,
            advice: self.advice_on(project, &uploads).await?,
            waiting: assess::waiting(&uploads),
            accepted: assess::accepted(&uploads),
        };
        Ok(work(&Bench {
            policy: &policy,
            corpus: corpora.of(project.ecosystem),
            rules: &rules,
            private_hold,
            namesake: namesake.as_deref(),
            evidence: &evidence,
            now: self.timekeeper.now(),
        }))
    }
}

/// When a page's view must be looked at again: when the page is due, or when the next hold ends.
fn valid_until(uploads: &[Upload], due: Timestamp, now: Timestamp) -> Timestamp {
    let holds = uploads.iter().filter(|upload| upload.state == State::Held).filter_map(|upload| upload.hold_until);
    // A hold that has ended already and was not released has a reason that time alone will not mend.
    holds.filter(|until| *until > now).min().map_or(due, |next| next.min(due))
}
