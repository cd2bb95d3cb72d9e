//! Collecting: what PyPI's records say of releases that are held, read behind the client's back, compared with the releases
//! before them, and kept. A client's page never waits for it; a release does (see `release`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use time::Duration as Span;

use super::super::json_api::facts_in;
use super::super::view::View;
use super::super::{Quarantine, QuarantineError, toll};
use super::records::{AccountRecord, ProjectRecords};
use super::says::says;
use crate::corpus::Renown;
use crate::domain::{
    CoreMetadata, Ecosystem, FileKind, FileName, KnownFile, Project, ProjectName, State, Timestamp, Version,
};
use crate::registry::pypi::{core_metadata, json_api};
use crate::signals::pypi_facts::Source;
use crate::signals::withdrawn;
use crate::signals::{Account, Attestation, History, NewRequirement, ReleaseSays, Requirement, Resembled, Timeline};
use crate::store::Job;

/// The kind of job that collects the records of a project.
pub const COLLECT: &str = "collect-records";
/// So many held releases of a project are looked at ahead of time; the others when their time comes.
const AHEAD: usize = 5;
/// So many new requirements of a release are looked up.
const MOST_REQUIREMENTS: usize = 10;
/// So many stand in its record.
const MOST_TOLD: usize = 30;
/// So many accounts of a project are followed.
const MOST_ACCOUNTS: usize = 10;
/// Accounts are looked at again after this time, while the project is in use.
const SNAPSHOT_EVERY: Span = Span::hours(20);
/// A name that resembles another one less than this imitates nobody.
const RESEMBLES: f64 = 0.02;
/// A project that is older than this is itself, whatever its name resembles.
const ESTABLISHED: Span = Span::days(365);
/// An attestation has a few kilobytes for each file.
const LARGEST_PROVENANCE: u64 = 4 << 20;
/// After so long no further release is begun with.
const LONGEST: Duration = Duration::from_secs(30);

/// What an index's document was read to say.
enum Document {
    /// Read just now.
    Read(Box<json_api::ProjectFacts>),
    /// It has none, now or ever.
    Missing,
    /// Not asked for: the last reading is recent.
    Recent,
    /// It could not be read, and why.
    Failed(String),
}

impl Quarantine {
    /// The errand of collecting, if there is anything to collect.
    pub(in crate::quarantine) async fn collecting(
        &self,
        view: &View,
        now: Timestamp,
    ) -> Result<Option<Job>, QuarantineError> {
        // What is looked at only for another project's sake leads nowhere further: names that require names have no end.
        if !is_collected_of(view) || !self.is_used(&view.project).await? {
            return Ok(None);
        }
        let records = self.records_of(&view.project).await?;
        let due = records.document_read.is_none_or(|read| now - read > SNAPSHOT_EVERY);
        let wanted = held_versions(view)
            .into_iter()
            .take(AHEAD)
            .any(|version| !self.is_looked_up(view, &records, &version, now));
        let run_at = match (wanted, due) {
            (true, _) => now,
            // Who owns it now is what the next release is compared with; nobody waits for that.
            (false, true) => now + Span::MINUTE,
            (false, false) => return Ok(None),
        };
        Ok(Some(collecting_of(&view.project, run_at)))
    }

    /// Collects the records of a project, and judges it again if they say something new.
    pub async fn collect_records(self: &Arc<Self>, project: &Project) -> Result<(), QuarantineError> {
        let view = self.view_unasked(project).await?;
        let versions: Vec<Version> = held_versions(&view).into_iter().take(AHEAD).collect();
        if self.collect(&view, &versions).await? {
            self.outdate(project);
            self.view_unasked(project).await?;
        }
        Ok(())
    }

    /// What was learned of a project so far.
    pub(in crate::quarantine) async fn records_of(&self, project: &Project) -> Result<ProjectRecords, QuarantineError> {
        Ok(ProjectRecords::read(self.store.snapshot(&project.to_string()).await?))
    }

    /// Those of these versions whose records nobody has looked for. Of what was old already when it was first seen they are not asked
    /// for at first sight, and so not later either: a project that is unblocked has thousands of these.
    pub(in crate::quarantine) async fn uncollected(
        &self,
        view: &View,
        versions: &[Version],
    ) -> Result<Vec<Version>, QuarantineError> {
        if !is_collected_of(view) {
            return Ok(Vec::new());
        }
        let records = self.records_of(&view.project).await?;
        let now = self.timekeeper.wall();
        let was_old = |version: &Version| {
            view.version(version).all(|entry| withdrawn::was_old(entry.file.first_seen, entry.file.clock_start))
        };
        let is_known = |version: &Version| self.is_looked_up(view, &records, version, now) || was_old(version);
        Ok(versions.iter().filter(|version| !is_known(version)).cloned().collect())
    }

    /// Whether its rows were judged with all that is known by now.
    pub(in crate::quarantine) async fn is_judged_with_all(&self, view: &View) -> Result<bool, QuarantineError> {
        match view.known.as_ref().filter(|_| view.project.ecosystem == Ecosystem::Pypi) {
            Some(known) => {
                let digest = self.with_bench(known, |bench| bench.digest(&known.project)).await?;
                Ok(known.judged_under == Some(digest))
            }
            None => Ok(true),
        }
    }

    /// Collects what there is of a few of these versions; says whether anything new was learned. Asks for other projects' pages only by
    /// [`Quarantine::pinned_view`], because two releases may wait for each other.
    pub(in crate::quarantine) async fn collect(
        self: &Arc<Self>,
        view: &Arc<View>,
        versions: &[Version],
    ) -> Result<bool, QuarantineError> {
        let Some(known) = view.known.as_ref().filter(|_| is_collected_of(view)) else { return Ok(false) };
        let timeline = Timeline::with_waiting(known, &waiting(view));
        let mut records = self.records_of(&view.project).await?;
        let before = records.digest();
        let now = self.timekeeper.wall();
        let new = versions.iter().filter(|version| !records.is_collected(version, now));
        let new: Vec<&Version> = new.take(AHEAD).collect();
        let begun = tokio::time::Instant::now();

        let document = self.python_document(view, &records, !new.is_empty()).await;
        if let Document::Read(facts) = &document {
            let roles = facts.roles.iter().flatten();
            let accounts = roles.map(|role| Account { role: role.role.clone(), user: role.user.clone() }).collect();
            records.note_accounts(accounts, self.timekeeper.now());
            records.document_read = Some(self.timekeeper.wall());
            if let Some(version) = &facts.version {
                records.release_mut(version).vulnerabilities.clone_from(&facts.vulnerabilities);
            }
        }
        if records.resembled.is_none() && !new.is_empty() {
            records.resembled = self.resembled(&view.project, timeline.first()).await;
        }
        for version in new {
            // What was learned so far is kept; the others are next. An index that is slow must not keep everything else waiting.
            if begun.elapsed() > LONGEST {
                break;
            }
            let history = timeline.history(version);
            self.collect_release(view, &mut records, version, history.as_ref(), &document).await?;
        }
        for version in versions {
            self.collect_proofs(view, &mut records, version).await;
            self.note_companions(view, &mut records, version, &timeline).await?;
        }
        let changed = records.digest() != before;
        self.keep_records(&view.project, |stored| *stored = std::mem::take(stored).joined_with(records)).await?;
        Ok(changed)
    }

    /// Changes what is kept of a project; nobody reads or judges it meanwhile.
    pub(super) async fn keep_records(
        &self,
        project: &Project,
        change: impl FnOnce(&mut ProjectRecords),
    ) -> Result<(), QuarantineError> {
        let _turn = self.editions.turn(project).await;
        let mut records = self.records_of(project).await?;
        change(&mut records);
        let bytes = serde_json::to_vec(&records).map_err(|error| QuarantineError::Fetch(error.to_string()))?;
        Ok(self.store.keep_snapshot(&project.to_string(), bytes).await?)
    }

    async fn python_document(&self, view: &View, records: &ProjectRecords, needed: bool) -> Document {
        let now = self.timekeeper.wall();
        let recent = records.document_read.is_some_and(|read| now - read <= SNAPSHOT_EVERY && now >= read);
        if recent && !needed {
            return Document::Recent;
        }
        match self.upstream_document(view, None).await {
            Ok(Some(bytes)) => match facts_in(bytes).await {
                Ok(facts) => Document::Read(Box::new(facts)),
                Err(why) => Document::Failed(why),
            },
            // An index that had one and has none any more is not one that never offered it (rule 19).
            Ok(None) if records.document_read.is_some() => {
                Document::Failed("the index has no document of it any more".into())
            }
            Ok(None) => Document::Missing,
            Err(error) => Document::Failed(error.to_string()),
        }
    }

    async fn collect_release(
        self: &Arc<Self>,
        view: &Arc<View>,
        records: &mut ProjectRecords,
        version: &Version,
        history: Option<&History>,
        document: &Document,
    ) -> Result<(), QuarantineError> {
        let before = history.and_then(|history| {
            // Where all was withdrawn, what was withdrawn is all there is to compare with.
            history.accepted().find(|release| !release.withdrawn).or(history.accepted().next())
        });
        if let Some(before) = before.map(|release| release.version.clone()) {
            self.collect_says(view, records, &before, document).await;
            self.collect_attestation(view, records, &before).await;
        }
        records.release_mut(version).failed.clear();
        self.collect_says(view, records, version, document).await;
        self.collect_attestation(view, records, version).await;
        let new = records.newly_required(version, history);
        let newcomers: Vec<String> = records.newcomers().into_iter().map(str::to_owned).collect();
        let mut looked_up = Vec::new();
        // What everybody knows was not made for this: it is not what the few look-ups are for.
        let (known, unknown): (Vec<Requirement>, Vec<Requirement>) = {
            let corpora = self.corpus.load_full();
            let is_known = |new: &Requirement| corpora.of(Ecosystem::Pypi).rank(&new.project).is_some();
            new.into_iter().partition(is_known)
        };
        for (place, requirement) in unknown.into_iter().enumerate() {
            looked_up.push(match place {
                ..MOST_REQUIREMENTS => self.new_requirement(requirement, &newcomers).await,
                _ => NewRequirement { unread: true, ..unseen(requirement) },
            });
        }
        looked_up.extend(known.into_iter().map(unseen));
        looked_up.truncate(MOST_TOLD);
        let record = records.release_mut(version);
        record.new_requirements = looked_up;
        if let Document::Failed(why) = document {
            record.fail(Source::Document, why.clone());
        }
        record.collected = Some(self.timekeeper.wall());
        Ok(())
    }

    async fn collect_says(
        self: &Arc<Self>,
        view: &View,
        records: &mut ProjectRecords,
        version: &Version,
        document: &Document,
    ) {
        if records.releases.get(version).is_some_and(|record| record.says.is_some()) {
            return;
        }
        let read = self.read_says(view, version, document).await;
        let record = records.release_mut(version);
        match read {
            Ok(said) => record.says = said,
            Err(error) => record.fail(Source::Metadata, error.to_string()),
        }
    }

    /// From `.metadata` if it is offered, from our own extract, else from the index's documents.
    async fn read_says(
        &self,
        view: &View,
        version: &Version,
        document: &Document,
    ) -> Result<Option<ReleaseSays>, QuarantineError> {
        for entry in view.version(version).filter(|entry| entry.file.file.kind == FileKind::Wheel) {
            let bytes = if let Some(own) = entry.row.and_then(|upload| upload.metadata) {
                Some(self.blobs.whole(&own).await?.to_vec())
            } else if entry.file.file.core_metadata == CoreMetadata::No {
                None
            } else {
                self.offered_metadata(view, entry.file).await?
            };
            if let Some(metadata) = bytes.and_then(|bytes| core_metadata::read(&bytes).ok()) {
                return Ok(Some(says(version, &metadata)));
            }
        }
        let about_it = |facts: &json_api::ProjectFacts| {
            facts
                .version
                .as_ref()
                .is_some_and(|told| told.is_same_release(version))
                .then(|| says(version, &facts.metadata()))
        };
        if let Document::Read(facts) = document
            && let Some(said) = about_it(facts)
        {
            return Ok(Some(said));
        }
        let Some(own) = self.upstream_document(view, Some(version)).await? else { return Ok(None) };
        Ok(facts_in(own).await.ok().and_then(|facts| about_it(&facts)))
    }

    async fn collect_attestation(&self, view: &View, records: &mut ProjectRecords, version: &Version) {
        if records.releases.get(version).is_some_and(|record| record.attestation.is_some()) {
            return;
        }
        let attested = view.version(version).find(|entry| entry.file.file.provenance.is_some());
        let Some((entry, sha256)) = attested.and_then(|entry| Some((entry, entry.sha256()?))) else { return };
        let verified = self.verified(view, entry.file, sha256).await;
        let record = records.release_mut(version);
        match verified {
            Ok(attestation) => record.attestation = Some(Attestation { version: version.clone(), ..attestation }),
            Err(error) => record.fail(Source::Provenance, error.to_string()),
        }
    }

    /// The attestations that an index offers of a file, as they are.
    pub(in crate::quarantine) async fn fetch_provenance(
        &self,
        view: &View,
        file: &KnownFile,
    ) -> Result<Option<bytes::Bytes>, QuarantineError> {
        let index = view.known.as_ref().and_then(|known| self.index_of(&known.project, &known.origin));
        let url = file.file.provenance.as_deref().and_then(|url| url::Url::parse(url).ok());
        let Some((index, url)) = index.zip(url) else { return Ok(None) };
        toll::pay()?;
        let document = self.index_document(index, &url, "application/vnd.pypi.integrity.v1+json", LARGEST_PROVENANCE);
        document.await.map_err(|error| QuarantineError::Fetch(error.to_string()))
    }

    /// How old a project is that is required for the first time, and whether who came lately has made it too.
    async fn new_requirement(self: &Arc<Self>, requirement: Requirement, newcomers: &[String]) -> NewRequirement {
        let mut new = unseen(requirement);
        if new.requirement.direct {
            return new;
        }
        let view = match self.pinned_view(&Project::pypi(new.requirement.project.clone())).await {
            Ok(Some(view)) => view,
            Ok(None) => return NewRequirement { missing: true, ..new },
            // How old it is cannot be said; it is held for itself.
            Err(_) => return new,
        };
        let Some(known) = &view.known else { return new };
        if !known.origin.is_public() {
            return new;
        }
        new.first_upload = Timeline::of(known).first();
        if !newcomers.is_empty()
            && let Ok(Some(bytes)) = self.upstream_document(&view, None).await
            && let Ok(facts) = facts_in(bytes).await
        {
            let roles = facts.roles.unwrap_or_default();
            let common = newcomers.iter().filter(|user| roles.iter().any(|role| role.user == **user));
            new.newcomers_in_common = common.cloned().collect();
        }
        new
    }

    /// What the project says of itself whose name a young project's resembles.
    async fn resembled(self: &Arc<Self>, project: &Project, first: Option<Timestamp>) -> Option<Resembled> {
        if first.is_some_and(|first| self.timekeeper.wall() - first > ESTABLISHED) {
            return None;
        }
        let corpora = self.corpus.load_full();
        let corpus = corpora.of(Ecosystem::Pypi);
        if corpus.rank(&project.name).is_some() {
            return None;
        }
        let neighbours = corpus.neighbours(&project.name);
        let target = neighbours.iter().filter(|neighbour| neighbour.score >= RESEMBLES && !neighbour.internal);
        let name = target.filter_map(|neighbour| match &neighbour.renown {
            Renown::Popular | Renown::Used => Some(&neighbour.target),
            Renown::Import(package) => Some(package),
            Renown::Internal | Renown::Library | Renown::Elsewhere => None,
        });
        let name = ProjectName::pypi(name.into_iter().next()?).ok().filter(|name| *name != project.name)?;
        let view = self.pinned_view(&Project::pypi(name.clone())).await.ok()??;
        let document = self.upstream_document(&view, None).await.ok()??;
        let facts = facts_in(document).await.ok()?;
        let version = facts.version.clone().unwrap_or_else(Version::zero);
        let said = says(&version, &facts.metadata());
        Some(Resembled { project: name, summary: said.summary, repository: said.repository })
    }

    /// Notes when the project's accounts released what, and which of their other projects came on the same day.
    async fn note_companions(
        &self,
        view: &View,
        records: &mut ProjectRecords,
        version: &Version,
        timeline: &Timeline,
    ) -> Result<(), QuarantineError> {
        let Some(history) = timeline.history(version) else { return Ok(()) };
        let name = &view.project.name;
        let mut together = Vec::new();
        let mut usual = false;
        for account in records.accounts_now().iter().take(MOST_ACCOUNTS) {
            let subject = format!("account pypi {}", account.user);
            // Projects of one owner are looked at side by side.
            let turn = self.account_turn.lock().await;
            let mut known = AccountRecord::read(self.store.snapshot(&subject).await?);
            if known.note(name, timeline.newest()) {
                let bytes = serde_json::to_vec(&known).map_err(|error| QuarantineError::Fetch(error.to_string()))?;
                self.store.keep_snapshot(&subject, bytes).await?;
            }
            drop(turn);
            let (companions, habit) = known.together(name, &account.user, history.this.published);
            usual |= habit;
            together.extend(companions);
        }
        together.sort_by(|one, two| one.project.cmp(&two.project));
        together.dedup_by(|one, two| one.project == two.project);
        together.truncate(MOST_TOLD);
        let record = records.release_mut(version);
        if record.together != together {
            // Whoever came first did not see those that came after it.
            for companion in together.iter().filter(|it| record.together.iter().all(|old| old.project != it.project)) {
                self.store
                    .enqueue(collecting_of(&Project::pypi(companion.project.clone()), self.timekeeper.wall()))
                    .await?;
            }
            record.together = together;
        }
        record.usually_together = usual;
        Ok(())
    }
}

/// A new requirement that nobody has looked at.
fn unseen(requirement: Requirement) -> NewRequirement {
    NewRequirement { requirement, first_upload: None, missing: false, unread: false, newcomers_in_common: Vec::new() }
}

/// Records are read of what comes from the public Python index: who uploads to a private one is that index's business.
fn is_collected_of(view: &View) -> bool {
    view.project.ecosystem == Ecosystem::Pypi && view.known.as_ref().is_some_and(|known| known.origin.is_public())
}

/// The files that wait or were refused.
fn waiting(view: &View) -> BTreeSet<FileName> {
    let waits = view.files().filter(|entry| entry.row.is_some_and(|upload| upload.state != State::Released));
    waits.map(|entry| entry.file.file.filename.clone()).collect()
}

/// The versions that wait, newest first.
fn held_versions(view: &View) -> Vec<Version> {
    let waits = |entry: &super::super::view::Entry<'_>| {
        entry.row.is_some_and(|upload| upload.state == State::Held && !upload.decided_by_person())
            && entry.file.vanished.is_none()
    };
    let mut versions: Vec<Version> = view.files().filter(waits).map(|entry| entry.file.file.version.clone()).collect();
    versions.sort_by(|one, two| two.compare(one, Ecosystem::Pypi));
    versions.dedup();
    versions
}

/// The errand of collecting what there is of a project.
fn collecting_of(project: &Project, run_at: Timestamp) -> Job {
    let subject = project.to_string();
    Job { key: format!("{COLLECT} {subject}"), kind: COLLECT.to_owned(), subject, run_at, attempts: 0 }
}
