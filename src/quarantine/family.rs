//! Rule 9 at first sight: what age let in, but pins exactly what is held, waits with it. pip would pick the yanked child
//! because of the `==`, and die on its refusal without trying an older parent.

use std::collections::HashSet;
use std::sync::Arc;

use super::view::View;
use super::{Quarantine, QuarantineError};
use crate::domain::{Actor, EventDraft, EventKind, Outcome, Pin, Project, Standing, State, Timestamp, Upload, Version};
use crate::store::Change;

/// Older versions had time to be installed with what they pin.
pub(super) const YOUNG: time::Duration = time::Duration::days(14);
/// So many young versions of a project are looked at when its page is first read.
const WATCHED: usize = 2;
/// What it waits for may be released by a person at any time: it is looked at again after this.
const LOOK_AGAIN: time::Duration = time::Duration::minutes(10);

/// The newest versions that age alone let in a short while ago, and whose pins nobody has read.
pub(super) fn young_versions(view: &View, now: Timestamp) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    let mut seen = HashSet::new();
    for entry in view.files().filter(|entry| entry.row.is_none() && entry.file.standing == Standing::Baseline) {
        let young = entry.file.file.uploaded_at().is_some_and(|uploaded| now - uploaded <= YOUNG);
        if young && seen.insert(&entry.file.file.version) {
            versions.push(entry.file.file.version.clone());
        }
    }
    versions.sort_by(|one, two| two.compare(one, view.project.ecosystem));
    versions.truncate(WATCHED);
    versions
}

impl Quarantine {
    /// Holds a version that age let in while something that it pins is held.
    pub(super) async fn hold_with_family(
        self: &Arc<Self>,
        view: &Arc<View>,
        version: &Version,
        pins: &[Pin],
    ) -> Result<(), QuarantineError> {
        let by_age_alone = |upload: &Upload| upload.state == State::Released && upload.decision.is_none();
        if !view.version(version).all(|entry| entry.is_open() && entry.row.is_none_or(by_age_alone)) {
            return Ok(());
        }
        let now = self.timekeeper.now();
        let Some((pin, until)) = self.first_held(pins, now).await? else { return Ok(()) };
        let reason = format!("waits for {}=={}, which it requires", pin.project.name, pin.version);
        let mut change = Change::default();
        for entry in view.version(version) {
            let mut upload = self.row_for(view, entry.file).await?;
            if !by_age_alone(&upload) {
                return Ok(());
            }
            upload.state = State::Held;
            upload.hold_until = Some(until);
            upload.verdict.outcome = Outcome::Hold;
            upload.verdict.reason.clone_from(&reason);
            let event = EventDraft::new(now, Actor::house("family"), EventKind::Suspended, reason.clone())
                .of_move(&upload, Some(State::Released));
            change.events.push(event);
            change.uploads.push(upload);
        }
        self.add_blast_radius(&mut change.events, &change.uploads).await?;
        tracing::info!(project = %view.project, %version, reason, "held with its family");
        self.store.commit(change).await?;
        self.outdate(&view.project);
        Ok(())
    }

    /// The first pinned version that is wholly held, and when to look again.
    async fn first_held(
        self: &Arc<Self>,
        pins: &[Pin],
        now: Timestamp,
    ) -> Result<Option<(Pin, Timestamp)>, QuarantineError> {
        for pin in pins {
            let Some(child) = self.pinned_view(&pin.project).await? else { continue };
            let mut held = child.version(&pin.version).filter(|entry| entry.state() == State::Held).peekable();
            if held.peek().is_none() || child.version(&pin.version).any(|entry| entry.is_open()) {
                continue;
            }
            let until = held.filter_map(|entry| entry.row.and_then(|upload| upload.hold_until)).max();
            return Ok(Some((pin.clone(), until.filter(|until| *until > now).unwrap_or(now + LOOK_AGAIN))));
        }
        Ok(None)
    }

    /// Whether a version's family was looked at since the house was opened; from now on it was.
    pub(super) fn family_was_seen(&self, project: &Project, version: &Version) -> bool {
        let key = format!("{project}=={version}");
        let seen = self.families_seen.contains_key(&key);
        self.families_seen.insert(key, ());
        seen
    }
}
