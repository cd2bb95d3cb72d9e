//! One look at the mirrors: what appeared, what moved, what went.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use serde_json::json;

use super::super::refresh::Freshness;
use super::super::{Asker, Quarantine, QuarantineError};
use super::dates::end_of;
use super::mirror::{LARGEST_INDEX, LARGEST_PACKED_INDEX};
use super::reading::Occasion;
use super::snapshot::{Snapshot, project_of_text};
use super::{Cpan, Mirror};
use crate::domain::{Actor, Ecosystem, EventDraft, EventKind, Project, Sha256, State, Timestamp};
use crate::registry::cpan::CatalogError;
use crate::registry::cpan::author_path::AuthorPath;
use crate::registry::cpan::find_ls::Precision;
use crate::registry::cpan::packages::{PackageIndex, diff, gunzip};
use crate::store::Change;
use crate::upstream::{FreshPage, PageAnswer, Validators};

/// So many distributions are read at once.
const ABREAST: usize = 8;
/// A mirror without lists of dates is asked for each file if it has no more than these; a larger one at first request.
const FEW_RELEASES: usize = 2_000;
/// A mirror that did not answer is asked again after this, if that is sooner than its turn.
const RETRY: time::Duration = time::Duration::seconds(15);
/// An index of more rows than this does not lose half of them between two readings.
const LARGE: usize = 1_000;
/// That an index is still the present one is written down this often.
const KEPT_EVERY: time::Duration = time::Duration::minutes(30);
/// So many public releases with names of ours are looked at.
const MOST_CLAIMS: usize = 500;
/// Where mirrors have their index; plain for small private ones.
const INDEXES: [&str; 2] = ["modules/02packages.details.txt.gz", "modules/02packages.details.txt"];

impl Quarantine {
    /// Asks the mirrors if it is time, takes in what changed and makes the served index again if it must be.
    pub async fn poll_cpan(self: &Arc<Self>) -> Result<(), QuarantineError> {
        let Some(cpan) = self.cpan.as_ref().filter(|cpan| cpan.is_asked_for() && !cpan.mirrors.is_empty()) else {
            return Ok(());
        };
        let mut next = cpan.polling.lock().await;
        let now = self.timekeeper.wall();
        if !cpan.recalled.load(Ordering::SeqCst) {
            self.recall_cpan(cpan).await?;
            cpan.recalled.store(true, Ordering::SeqCst);
        }
        // A clock that was set back must not stop the polling until it has come around again.
        if next.is_none_or(|next| now >= next || next - now > pause(cpan)) {
            let mut failed = None;
            for mirror in &cpan.mirrors {
                if let Err(error) = self.poll_mirror(cpan, mirror).await {
                    tracing::warn!(mirror = mirror.index.label(), %error, "the mirror could not be read");
                    metrics::counter!("lazaret_cpan_polls_total", "outcome" => "failed").increment(1);
                    failed = Some(error);
                } else {
                    metrics::counter!("lazaret_cpan_polls_total", "outcome" => "done").increment(1);
                }
            }
            let rest = if failed.is_some() { RETRY.min(pause(cpan)) } else { pause(cpan) };
            *next = Some(now + rest);
            cpan.shelves.touch_index_if_behind();
        }
        drop(next);
        self.rebuild_cpan(cpan, Asker::ANYBODY).await
    }

    /// What an earlier run left: the last index, the last permissions, the distributions that are known.
    async fn recall_cpan(&self, cpan: &Cpan) -> Result<(), QuarantineError> {
        for edition in &cpan.editions {
            edition.served.recall().await;
        }
        for mirror in &cpan.mirrors {
            if mirror.snapshot.load().is_none()
                && let Some(read) = mirror.kept().await.read
                && let Some(index) = mirror.kept_index().await
            {
                mirror.show(Snapshot::of(index, read));
            }
        }
        if let Some(mirror) = cpan.public() {
            self.recall_permissions(cpan, mirror).await;
        }
        let mut after: Option<Project> = None;
        loop {
            let page = self.store.projects(Ecosystem::Cpan, after.as_ref(), 1_000).await?;
            let Some(last) = page.last().cloned() else { return Ok(()) };
            cpan.shelves.remember(page);
            after = Some(last);
        }
    }

    async fn poll_mirror(self: &Arc<Self>, cpan: &Cpan, mirror: &Mirror) -> Result<(), QuarantineError> {
        let is_public = mirror.index.origin.is_public();
        let asked_at = self.timekeeper.now();
        if is_public && let Err(error) = self.poll_permissions(cpan, mirror).await {
            tracing::warn!(%error, "06perms could not be read; what was known of permissions counts on");
        }
        let before = mirror.snapshot.load_full();
        // Before the answer moves it: everything that went since then is looked at.
        let last_read = before.as_ref().map_or(asked_at, |before| before.read_at());
        let kept = mirror.kept().await;
        let validators = before.is_some().then(|| kept.validators());
        let page = match self.ask_index(mirror, validators.as_ref()).await? {
            PageAnswer::Fresh(page) => page,
            PageAnswer::NotModified { date } => {
                self.heard_of(is_public, date);
                if let Some(before) = &before {
                    before.confirm(asked_at);
                }
                if is_public {
                    self.notice_changes(cpan, mirror, last_read).await;
                }
                // Rule 11 counts from here, also after a restart; not worth a write each time.
                if kept.read.is_none_or(|read| asked_at - read > KEPT_EVERY) {
                    mirror.keep(&super::mirror::Kept { read: Some(asked_at), ..kept }).await.map_err(not_kept)?;
                }
                return Ok(());
            }
            PageAnswer::Missing { .. } => {
                return Err(QuarantineError::Fetch(format!("{} has no 02packages.details.txt", mirror.index.label())));
            }
        };
        self.heard_of(is_public, page.date);
        let kept = kept.with_validators(&page.validators);
        let bytes = page.body.clone();
        let index = match parsed(page).await? {
            Ok(index) => index,
            Err(error) => {
                self.complain(cpan, mirror, &bytes, &error).await?;
                return Err(QuarantineError::Fetch(format!("{}: {error}", mirror.index.label())));
            }
        };
        if let Some(before) = &before
            && before.index.len() > LARGE
            && index.len() < before.index.len() / 2
        {
            let error = CatalogError::Shrunk { before: before.index.len(), now: index.len() };
            self.complain(cpan, mirror, &bytes, &error).await?;
            return Err(QuarantineError::Fetch(format!("{}: {error}", mirror.index.label())));
        }
        if let Some(before) = &before
            && before.index.digest() == index.digest()
        {
            before.confirm(asked_at);
        } else {
            let sorting = tokio::task::spawn_blocking(move || Snapshot::of(index, asked_at));
            let snapshot = sorting.await.map_err(|panic| QuarantineError::Fetch(panic.to_string()))?;
            match before.as_deref().filter(|_| kept.baseline.is_some()) {
                Some(before) => self.take_changes_in(cpan, mirror, before, &snapshot).await?,
                None => self.take_first_in(cpan, mirror, &snapshot, asked_at).await?,
            }
            // In this order: what is met must be in the store before the index that shows it counts as known.
            mirror.keep_index(bytes).await.map_err(not_kept)?;
            mirror.show(snapshot);
            cpan.shelves.touch_index();
        }
        if is_public {
            self.notice_changes(cpan, mirror, last_read).await;
        }
        let kept = super::mirror::Kept { baseline: kept.baseline.or(Some(asked_at)), read: Some(asked_at), ..kept };
        mirror.keep(&kept).await.map_err(not_kept)
    }

    fn heard_of(&self, is_public: bool, date: Option<Timestamp>) {
        if is_public {
            self.timekeeper.heard(date);
        }
    }

    async fn ask_index(&self, mirror: &Mirror, validators: Option<&Validators>) -> Result<PageAnswer, QuarantineError> {
        let mut answer = PageAnswer::Missing { date: None };
        for path in INDEXES {
            answer = self.ask_mirror(&mirror.index, path, validators, LARGEST_PACKED_INDEX).await?;
            if !matches!(answer, PageAnswer::Missing { .. }) {
                break;
            }
        }
        Ok(answer)
    }

    /// An index that cannot be right: told once for the same bytes, and not taken in.
    async fn complain(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        bytes: &[u8],
        error: &CatalogError,
    ) -> Result<(), QuarantineError> {
        let key = Sha256::of(bytes).to_string();
        if cpan.told.contains_key(&key) {
            return Ok(());
        }
        cpan.told.insert(key, ());
        metrics::counter!("lazaret_alarms_total").increment(1);
        let summary = format!("the index of {} is not taken in: {error}", mirror.index.label());
        tracing::error!("{summary}");
        let event = EventDraft::new(self.timekeeper.now(), Actor::house("poll"), EventKind::Alarm, summary);
        self.store.commit(Change { events: vec![event], ..Change::default() }).await?;
        Ok(())
    }

    /// The first index: one event, whatever it lists; what is young, or of unknown age in a small mirror, is met one by one.
    async fn take_first_in(
        self: &Arc<Self>,
        cpan: &Cpan,
        mirror: &Mirror,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(), QuarantineError> {
        let mut projects = self.claims(cpan, mirror, snapshot);
        for rule in self.store.rules().await? {
            if rule.project.ecosystem == Ecosystem::Cpan && snapshot.has(&rule.project) {
                projects.insert(rule.project);
            }
        }
        if mirror.index.origin.is_public() {
            projects.extend(self.young_dists(cpan, mirror, snapshot, now).await?);
        }
        let summary = format!(
            "{}: {} packages in {} releases seen, {} distributions looked at one by one",
            mirror.index.label(),
            snapshot.index.len(),
            snapshot.release_count(),
            projects.len()
        );
        let mut event = EventDraft::new(now, Actor::house("poll"), EventKind::Baseline, summary);
        event.details = json!({
            "ecosystem": Ecosystem::Cpan,
            "origin": mirror.index.origin,
            "packages": snapshot.index.len(),
            "releases": snapshot.release_count(),
            "skipped_rows": snapshot.index.skipped(),
            "digest": snapshot.index.digest(),
            "young": projects.len(),
        });
        self.store.commit(Change { events: vec![event], ..Change::default() }).await?;
        self.meet_all(cpan, mirror, projects, Occasion { snapshot, before: None, taking_in: true }).await
    }

    /// Distributions with a release that may be younger than the longest hold.
    async fn young_dists(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<BTreeSet<Project>, QuarantineError> {
        // Under a freeze also what was young when that began.
        let began = self.frost_of(Ecosystem::Cpan).map_or(now, |frost| frost.since.min(now));
        let since = began - self.policy().longest_hold(Ecosystem::Cpan);
        let announced = self.announced_since(mirror, since).await;
        for (path, published) in &announced.published {
            cpan.announced.insert(path.clone(), *published);
        }
        let young = |published: Timestamp| published >= since;
        if announced.covers_since.is_some_and(|covered| covered <= since) {
            let paths = announced.published.iter().filter(|(_, published)| young(**published));
            return Ok(paths
                .filter_map(|(path, _)| project_of_text(path))
                .filter(|project| snapshot.has(project))
                .collect());
        }
        if let Some(dates) = self.file_dates(mirror).await? {
            let uploaded = |path: &str| {
                let listed = dates.find(&format!("authors/id/{path}"))?;
                Some(match listed.precision {
                    Precision::Minute => listed.modified,
                    Precision::Day => end_of(listed.modified.date()),
                })
            };
            let unknown_or_young = |path: &&str| uploaded(path).is_none_or(young);
            return Ok(snapshot
                .paths()
                .filter(unknown_or_young)
                .take(FEW_RELEASES)
                .filter_map(project_of_text)
                .collect());
        }
        if snapshot.release_count() > FEW_RELEASES {
            tracing::warn!(
                releases = snapshot.release_count(),
                "the mirror has neither RECENT files nor indices/find-ls.gz: releases are dated at their first request"
            );
            return Ok(BTreeSet::new());
        }
        let heads = futures_util::stream::iter(snapshot.paths().map(str::to_owned).collect::<Vec<_>>())
            .map(|path| async move {
                let asked = AuthorPath::parse(&path).ok()?;
                match self.head_of(mirror, &asked).await {
                    Ok(Some(head)) if head.modified.is_some_and(|modified| !young(modified)) => None,
                    _ => project_of_text(&path),
                }
            })
            .buffer_unordered(ABREAST);
        Ok(heads.filter_map(|project| async move { project }).collect().await)
    }

    /// Public distributions that claim a name of ours: met, so that they are refused by name.
    fn claims(&self, cpan: &Cpan, mirror: &Mirror, snapshot: &Snapshot) -> BTreeSet<Project> {
        if !mirror.index.origin.is_public() {
            return BTreeSet::new();
        }
        let policy = self.policy();
        let claiming = snapshot.index.rows().filter(|row| cpan.is_private_package(row.package, &policy));
        claiming.filter_map(|row| project_of_text(row.path)).take(MOST_CLAIMS).collect()
    }

    /// Another index: every distribution that a row speaks of otherwise is met.
    async fn take_changes_in(
        self: &Arc<Self>,
        cpan: &Cpan,
        mirror: &Mirror,
        before: &Snapshot,
        snapshot: &Snapshot,
    ) -> Result<(), QuarantineError> {
        let mut projects: BTreeSet<Project> = BTreeSet::new();
        for change in diff(&before.index, &snapshot.index) {
            for (_, path) in [&change.before, &change.after].into_iter().flatten() {
                projects.extend(project_of_text(path));
            }
        }
        if mirror.index.origin.is_public() {
            let announced = self.announced_since(mirror, before.read_at()).await;
            projects.extend(self.note_announced(cpan, mirror, announced.published).await);
        }
        tracing::info!(mirror = mirror.index.label(), distributions = projects.len(), "the index changed");
        self.meet_all(cpan, mirror, projects, Occasion { snapshot, before: Some(before), taking_in: true }).await
    }

    async fn meet_all(
        self: &Arc<Self>,
        cpan: &Cpan,
        mirror: &Mirror,
        projects: BTreeSet<Project>,
        occasion: Occasion<'_>,
    ) -> Result<(), QuarantineError> {
        let mut meetings = futures_util::stream::iter(projects)
            .map(|project| async move {
                let met = self.meet_dist(cpan, mirror, &project, occasion).await;
                (project, met)
            })
            .buffer_unordered(ABREAST);
        while let Some((project, met)) = meetings.next().await {
            match met {
                Ok(view) => {
                    cpan.touch(&project);
                    self.fetch_ahead(&view).await?;
                }
                Err(QuarantineError::NotFound(_)) => cpan.touch(&project),
                // A release that is in the index and not in the store would count as one that was always there: the index is
                // taken in whole or not at all, and tried again.
                Err(error) => {
                    tracing::warn!(%project, %error, "the distribution could not be taken in");
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Releases that are gone from the mirror, or were put there again: noticed where something is known of them.
    async fn notice_changes(self: &Arc<Self>, cpan: &Cpan, mirror: &Mirror, last_read: Timestamp) {
        // Its lists are written a little after the deed.
        let since = last_read.min(self.timekeeper.wall()) - pause(cpan) * 3;
        let announced = self.announced_since(mirror, since).await;
        let mut projects = self.note_announced(cpan, mirror, announced.published).await;
        for path in announced.deleted {
            if !cpan.is_deleted(&path)
                && let Some(project) = cpan.shelved(&path)
            {
                cpan.note_deleted(&path, true);
                projects.insert(project);
            }
        }
        for project in projects {
            self.outdate(&project);
            if let Err(error) = self.view(&project, Freshness::Usual).await {
                tracing::warn!(%project, %error, "a release that changed or went could not be looked at");
            }
        }
    }

    /// Takes the news of published releases in. Answers with the distributions of those that were known already: at their path
    /// there may be other bytes now, and then CHECKSUMS says so.
    async fn note_announced(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        published: HashMap<Box<str>, Timestamp>,
    ) -> BTreeSet<Project> {
        let mut projects = BTreeSet::new();
        for (path, at) in published {
            cpan.note_deleted(&path, false);
            if cpan.announced.get(&path) == Some(at) {
                continue;
            }
            cpan.announced.insert(path.clone(), at);
            if let Some(project) = cpan.shelved(&path)
                && let Ok(path) = AuthorPath::parse(&path)
            {
                // Read for what it leaves in memory.
                let _ = self.checksums_of(mirror, &path).await;
                projects.insert(project);
            }
        }
        projects
    }

    /// Leaves the errand of fetching a held release of a distribution that is used here, and what is listed in its place: the
    /// one to be examined before its time comes, the other because its author may delete it soon.
    async fn fetch_ahead(&self, view: &super::super::view::View) -> Result<(), QuarantineError> {
        if self.store.page_read(&view.project).await?.is_none_or(|read| read.used.is_none()) {
            return Ok(());
        }
        let now = self.timekeeper.wall();
        for entry in view.files().filter(|entry| !entry.is_kept() && entry.file.vanished.is_none()) {
            if entry.is_open() || entry.state() == State::Held {
                self.leave_fetch(&view.project, &entry.file.file.filename, now).await?;
            }
        }
        Ok(())
    }
}

/// How long the mirrors rest between two looks.
fn pause(cpan: &Cpan) -> time::Duration {
    time::Duration::try_from(cpan.settings.poll).unwrap_or(time::Duration::minutes(2))
}

async fn parsed(page: FreshPage) -> Result<Result<PackageIndex, CatalogError>, QuarantineError> {
    let reading = tokio::task::spawn_blocking(move || PackageIndex::read(unpacked(&page.body)?.into()));
    reading.await.map_err(|panic| QuarantineError::Fetch(panic.to_string()))
}

/// A file's text, whether or not it was sent packed.
pub(super) fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, CatalogError> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        gunzip(bytes, usize::try_from(LARGEST_INDEX).unwrap_or(usize::MAX))
    } else {
        Ok(bytes.to_vec())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
pub(super) fn not_kept(error: std::io::Error) -> QuarantineError {
    QuarantineError::Fetch(format!("what was read of a mirror cannot be kept on disk: {error}"))
}
