//! Release when a hold ends, without anyone asking (rules 9, 10 and 11).

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use super::queue::note_decisions;
use super::reading::next_waiver_end;
use super::refresh::Freshness;
use super::view::{Entry, View};
use super::{Quarantine, QuarantineError, family};
use crate::domain::{
    Actor, Decision, EventDraft, EventKind, Examination, FileKind, Outcome, Pin, Project, Scope, State, Timestamp,
    Upload, Version, Yanked,
};
use crate::store::{Change, StoreError};

/// A family of exact pins larger than this is left to a person.
const LARGEST_FAMILY: usize = 40;
/// So many versions without family leave in one change.
const TOGETHER: usize = 200;

/// Why a version cannot leave although its own time has come.
#[derive(Debug, Clone)]
pub(super) enum Obstacle {
    /// A version that it pins exactly is held.
    Pinned(Pin),
    /// Its pins are not known: its metadata could not be read, or there are too many.
    Unread(String),
}

impl Quarantine {
    /// Whether the view has a held file whose time has come by its last reading.
    pub(super) fn anything_due(&self, view: &View) -> bool {
        view.stale.is_none() && self.timekeeper.check().is_ok() && view.files().any(|entry| is_due(&entry, view))
    }

    /// Reads the page of a project whose hold ended and releases what may leave.
    pub async fn release_due(self: &Arc<Self>, project: &Project) -> Result<(), QuarantineError> {
        if let Err(trouble) = self.timekeeper.check() {
            tracing::error!(%trouble, "nothing is released by time");
            return Ok(());
        }
        self.view(project, Freshness::Since(self.timekeeper.now())).await.map(|_| ())
    }

    /// Releases from a view that was just read. Whole versions only; exact-pin families leave together.
    pub(super) async fn release_from(self: &Arc<Self>, view: Arc<View>) -> Result<Arc<View>, QuarantineError> {
        let Some(known) = view.known.clone() else { return Ok(view) };
        let mut seen = HashSet::new();
        let due = view.files().filter(|entry| is_due(entry, &view)).map(|entry| entry.file.file.version.clone());
        let versions: Vec<Version> = due.filter(|version| seen.insert(version.clone())).collect();
        let (view, versions) = self.with_records(view, versions).await?;
        let mut released = false;
        // Families leave as a whole; of versions without one many leave in one change.
        let mut leaving: Vec<(Arc<View>, Version)> = Vec::new();
        for version in versions {
            let mut family = vec![(view.clone(), version.clone())];
            match self.gather_family(&mut family).await {
                Ok(None) => {
                    if family.len() > 1 || leaving.len() >= TOGETHER {
                        self.release_together(&std::mem::take(&mut leaving)).await?;
                    }
                    // Somebody who waits alone waits for company.
                    if family.len() > 1 {
                        self.release_together(&family).await?;
                        for (member, _) in family.iter().skip(1) {
                            self.outdate(&member.project);
                        }
                    } else {
                        leaving.append(&mut family);
                    }
                    released = true;
                }
                Ok(Some(obstacle)) => self.postpone(&view, &version, &obstacle).await?,
                Err(error) => tracing::warn!(project = %view.project, %version, %error, "release postponed"),
            }
        }
        if !released {
            return Ok(view);
        }
        self.release_together(&leaving).await?;
        let edition = self.advance(&view.project, view.edition);
        let uploads = self.store.of(&view.project).await?;
        let rules = self.store.rules_of(&view.project).await?;
        let next_end = next_waiver_end(&rules, self.timekeeper.now());
        Ok(self.make_view(known, uploads, (view.read_at, next_end), None, edition))
    }

    /// What nobody has looked up of a release is looked up before it leaves: then it is judged again, and perhaps it stays.
    async fn with_records(
        self: &Arc<Self>,
        view: Arc<View>,
        versions: Vec<Version>,
    ) -> Result<(Arc<View>, Vec<Version>), QuarantineError> {
        let mut versions = versions;
        let uncollected = self.uncollected(&view, &versions).await?;
        if !uncollected.is_empty() {
            self.collect(&view, &uncollected).await?;
            // A few at a time: a client may be waiting for the page, and other projects for their turn.
            let left = self.uncollected(&view, &versions).await?;
            versions.retain(|version| !left.contains(version));
        }
        if self.is_judged_with_all(&view).await? {
            return Ok((view, versions));
        }
        // The page was read just now, so this judges again and asks nobody.
        self.outdate(&view.project);
        let view = self.read_and_take_in(&view.project, Freshness::Usual).await?;
        let still_due = |version: &Version| view.version(version).any(|entry| is_due(&entry, &view));
        let versions = versions.into_iter().filter(still_due).collect();
        Ok((view, versions))
    }

    /// Follows exact pins from the first member. Members whose time has come join; a held one whose time has not is an obstacle.
    async fn gather_family(
        self: &Arc<Self>,
        family: &mut Vec<(Arc<View>, Version)>,
    ) -> Result<Option<Obstacle>, QuarantineError> {
        let mut next = 0;
        let mut asked: HashSet<Pin> = HashSet::new();
        while next < family.len() {
            let (view, version) = family[next].clone();
            next += 1;
            // Old versions had time to be installed with what they pin; a project that is unblocked has hundreds of them.
            if view.version(&version).all(|entry| self.timekeeper.now() - entry.file.clock_start > family::YOUNG) {
                continue;
            }
            let pins = match self.pins_of(&view, &version).await {
                Ok(pins) => pins,
                Err(error) => return Ok(Some(Obstacle::Unread(error.to_string()))),
            };
            for pin in pins {
                if !asked.insert(pin.clone()) {
                    continue;
                }
                if asked.len() > LARGEST_FAMILY {
                    return Ok(Some(Obstacle::Unread(format!("it pins more than {LARGEST_FAMILY} versions exactly"))));
                }
                let member = |(view, version): &(Arc<View>, Version)| {
                    view.project == pin.project && version.is_same_release(&pin.version)
                };
                if family.iter().any(member) {
                    continue;
                }
                let Some(child) = self.pinned_view(&pin.project).await? else { continue };
                let held: Vec<Entry<'_>> =
                    child.version(&pin.version).filter(|entry| entry.state() == State::Held).collect();
                if held.is_empty() || child.version(&pin.version).any(|entry| entry.is_open()) {
                    continue;
                }
                if held.iter().all(|entry| is_due(entry, &child)) {
                    drop(held);
                    if !self.uncollected(&child, std::slice::from_ref(&pin.version)).await?.is_empty() {
                        let why = format!("what is known of {}=={} was not read yet", pin.project.name, pin.version);
                        return Ok(Some(Obstacle::Unread(why)));
                    }
                    family.push((child.clone(), pin.version.clone()));
                } else {
                    return Ok(Some(Obstacle::Pinned(pin)));
                }
            }
        }
        Ok(None)
    }

    /// The view of a pinned project: hot, or from a reading of its own. Not through [`Quarantine::view`], which waits for
    /// whoever reads the page already: two families that pin each other would wait for ever.
    pub(super) async fn pinned_view(self: &Arc<Self>, project: &Project) -> Result<Option<Arc<View>>, QuarantineError> {
        if let Some(view) = self.ready_view(project) {
            return Ok(Some(view));
        }
        match self.read_and_take_in(project, Freshness::Usual).await {
            Ok(view) => Ok(Some(view)),
            Err(QuarantineError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn release_together(&self, leaving: &[(Arc<View>, Version)]) -> Result<(), QuarantineError> {
        let now = self.timekeeper.now();
        for is_last in [false, false, true] {
            let mut change = Change::default();
            for (view, version) in leaving {
                for upload in self.due_rows(view, version).await? {
                    let reason =
                        format!("the hold ended; read again at {}", crate::domain::moment(view.read_at.unwrap_or(now)));
                    let (upload, event) = released(upload, Actor::house("release"), reason, Scope::Version, now)?;
                    change.uploads.push(upload);
                    change.events.push(event);
                }
            }
            let released = change.uploads.clone();
            match self.store.commit(change).await {
                Ok(_) => {
                    metrics::counter!("lazaret_released_total", "by" => "time").increment(released.len() as u64);
                    note_decisions("time", &released, now);
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) if !is_last => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The rows of a version that may leave, as they are in the store now: since the view was made, its pins were written
    /// down, and somebody may have decided.
    async fn due_rows(&self, view: &View, version: &Version) -> Result<Vec<Upload>, QuarantineError> {
        let mut rows = Vec::new();
        for entry in view.version(version).filter(|entry| is_due(entry, view)) {
            let Some(row) = entry.row else { continue };
            if let Some(upload) = self.store.get(&row.id).await?
                && waits_for_time(&upload, view)
            {
                rows.push(upload);
            }
        }
        Ok(rows)
    }

    /// The version stays, and says for whom it waits.
    async fn postpone(&self, view: &View, version: &Version, obstacle: &Obstacle) -> Result<(), QuarantineError> {
        let now = self.timekeeper.now();
        let (reason, until) = match obstacle {
            Obstacle::Pinned(pin) => {
                let held = self.store.of(&pin.project).await?;
                let until = held
                    .iter()
                    .filter(|upload| upload.state == State::Held && upload.version.is_same_release(&pin.version))
                    .filter_map(|upload| upload.hold_until)
                    .max();
                let next = until.filter(|until| *until > now).unwrap_or(now + time::Duration::minutes(10));
                (format!("waits for {}=={}, which it requires", pin.project.name, pin.version), next)
            }
            Obstacle::Unread(why) => {
                (format!("its requirements could not be read: {why}"), now + time::Duration::minutes(10))
            }
        };
        let mut change = Change::default();
        for mut upload in self.due_rows(view, version).await? {
            upload.hold_until = Some(until);
            upload.verdict.reason.clone_from(&reason);
            change.uploads.push(upload);
        }
        tracing::info!(project = %view.project, %version, reason, "still held");
        match self.store.commit(change).await {
            // Somebody decided: there is nothing to postpone any more, or the next look postpones it.
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A held file whose hold ended before the page was read, which still shows it unchanged and not withdrawn (rule 10).
fn is_due(entry: &Entry<'_>, view: &View) -> bool {
    entry.row.is_some_and(|upload| waits_for_time(upload, view))
        && entry.file.vanished.is_none()
        && entry.file.disputed.is_none()
        && (entry.file.file.yanked == Yanked::No
            || crate::signals::withdrawn::was_old(entry.file.first_seen, entry.file.clock_start))
        && no_wheel_stays_behind(entry, view)
}

/// A row that nothing but time keeps, and whose time had come when the page was read.
fn waits_for_time(upload: &Upload, view: &View) -> bool {
    upload.state == State::Held
        && upload.decision.is_none()
        // A review with an end asks a person to be quicker than time, not to be the only one who may.
        && upload.verdict.outcome != Outcome::Reject
        && !matches!(upload.examination, Examination::Failed { .. })
        && upload.hold_until.zip(view.read_at).is_some_and(|(until, read)| until <= read)
}

/// Rule 8: a source archive does not leave while a wheel of its version stays, for whatever reason: pip would build it.
fn no_wheel_stays_behind(entry: &Entry<'_>, view: &View) -> bool {
    let file = &entry.file.file;
    file.kind != FileKind::Source
        || view
            .version(&file.version)
            .filter(|sibling| sibling.file.file.kind == FileKind::Wheel && sibling.file.vanished.is_none())
            .all(|wheel| wheel.state() == State::Released || is_due(&wheel, view))
}

/// A row moved to released, with its event.
pub(super) fn released(
    mut upload: Upload,
    by: Actor,
    reason: String,
    scope: Scope,
    now: Timestamp,
) -> Result<(Upload, EventDraft), QuarantineError> {
    let from = upload.state;
    // What is let in already is approved in spite of a freeze, and moves nowhere.
    if from != State::Released {
        from.may_move(State::Released, &by)?;
    }
    upload.state = State::Released;
    upload.hold_until = None;
    upload.decision = Some(Decision { by: by.clone(), reason: reason.clone(), at: now, scope, expires: None });
    let mut event = EventDraft::new(now, by, EventKind::Released, reason).of_move(&upload, Some(from));
    event.details = json!({
        "filename": upload.filename,
        "version": upload.version,
        "sha256": upload.sha256,
        "score": upload.verdict.score,
        "dossier": upload.dossier,
        "policy": upload.verdict.policy,
        "scope": scope,
    });
    Ok((upload, event))
}
