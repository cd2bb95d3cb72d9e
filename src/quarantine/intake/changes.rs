//! What should not change and did: files that vanish, bytes that are promised otherwise, names that change hands.

use std::collections::HashMap;

use serde_json::json;

use super::{Work, id_of};
use crate::domain::{
    Actor, Digest, EventDraft, EventKind, Examination, KnownFile, KnownProject, ListedFile, Listing, Origin, Project,
    Standing, State, Upload, UploadId,
};
use crate::signals::{ChangedFile, ProjectFacts};
use crate::store::StoreError;

/// A released file that vanishes upstream within this time of its publication is suspended at once (rule 10).
const YOUNG_ENOUGH_TO_SUSPEND: time::Duration = time::Duration::days(30);

/// So many names of vanished files stand in one event.
const MOST_NAMES_TOLD: usize = 20;

impl Work<'_> {
    pub(super) fn vanished(
        &mut self,
        facts: &ProjectFacts,
        file: &mut KnownFile,
        uploads: &mut HashMap<UploadId, Upload>,
    ) -> Result<(), StoreError> {
        let id = id_of(facts, &file.file);
        let walk = uploads.get(&id).map(|upload| self.contents.walk(upload)).transpose()?.flatten();
        let dossier = self.bench.dossier(facts, file, file.clock_start, None, walk);
        let verdict = self.bench.judge(&dossier);
        let published = file.file.uploaded_at().unwrap_or(file.first_seen);
        let young = self.bench.now - published <= YOUNG_ENOUGH_TO_SUSPEND;
        match uploads.get_mut(&id) {
            Some(upload) if upload.state == State::Held && upload.decision.is_none() => {
                upload.hold_until = None;
                upload.verdict = verdict;
                self.keep_dossier(upload, &dossier);
                self.changed.push(id);
            }
            // Whoever let it in did not know that the index would take it back.
            Some(upload) if upload.state == State::Released && young => {
                upload.verdict = verdict;
                self.keep_dossier(upload, &dossier);
                self.decide(upload, State::Held, EventKind::Suspended);
                self.changed.push(id);
            }
            None if file.standing == Standing::Baseline && young => {
                file.standing = Standing::Tracked;
                let mut upload = self.new_row(facts, file, file.clock_start, id.clone(), None);
                upload.state = State::Released;
                self.decide(&mut upload, State::Held, EventKind::Suspended);
                self.changed.push(id.clone());
                uploads.insert(id, upload);
            }
            _ => self.gone.push(file.file.filename.clone()),
        }
        Ok(())
    }

    /// Files that vanished and stay as they are: one event, however many they are.
    pub(super) fn tell_vanished(&mut self, facts: &ProjectFacts) {
        let Some(first) = self.gone.first() else { return };
        let others = match self.gone.len() {
            1 => String::new(),
            count => format!(" and {} others", count - 1),
        };
        let summary = format!("{first}{others} vanished from the index");
        let mut event = EventDraft::new(self.bench.now, Actor::house("intake"), EventKind::Alarm, summary);
        event.project = Some(facts.project.clone());
        event.details =
            json!({ "count": self.gone.len(), "files": self.gone.iter().take(MOST_NAMES_TOLD).collect::<Vec<_>>() });
        self.events.push(event);
    }

    /// Rule 18: the pinned file stays what it is; what is offered now is rejected, once, and loudly.
    pub(super) fn promise_changed(
        &mut self,
        facts: &ProjectFacts,
        known: &KnownProject,
        listed: ListedFile,
        uploads: &mut HashMap<UploadId, Upload>,
    ) {
        let Some(pinned) = known.file(&listed.filename) else { return };
        let mut id = id_of(facts, &listed);
        if listed.promise == pinned.file.promise {
            // Only the size differs: another promise, though the digest is the same.
            let marker = Digest::from(crate::domain::Sha256::of(format!("size {:?}", listed.size).as_bytes()));
            id = UploadId::of(&facts.project, &listed.filename, Some(&marker));
        }
        if uploads.contains_key(&id) {
            return;
        }
        let changed = ChangedFile {
            pinned: pinned.file.promise.clone(),
            pinned_size: pinned.file.size,
            pinned_at: pinned.first_seen,
        };
        let file = KnownFile {
            file: listed,
            first_seen: self.bench.now,
            clock_start: self.bench.now,
            standing: Standing::Tracked,
            vanished: None,
            disputed: None,
        };
        let mut upload = self.new_row(facts, &file, self.bench.now, id.clone(), Some(changed));
        upload.state = State::Rejected;
        upload.hold_until = None;
        let summary = format!("{} changed its digest on the index; the new bytes are rejected", upload.filename);
        self.tell(EventKind::Alarm, &upload, None, summary);
        self.changed.push(id.clone());
        uploads.insert(id, upload);
    }

    /// The name moved between public and private: nothing of the other side is served any more.
    pub(super) fn name_changed_owner(&mut self, project: &Project, origin: &Origin) {
        let summary = format!("{project} now belongs to {origin:?}; files of the other index are not served any more");
        let mut event = EventDraft::new(self.bench.now, Actor::house("intake"), EventKind::Alarm, summary);
        event.project = Some(project.clone());
        self.events.push(event);
    }

    /// Rows of files that came from another index. An id does not name the index: where the present owner lists the same
    /// file, the row becomes its own; without a SHA-256 that proves the bytes to be the same, it starts anew.
    pub(super) fn settle_strangers(
        &mut self,
        project: &Project,
        origin: &Origin,
        listing: &Listing,
        uploads: &mut HashMap<UploadId, Upload>,
    ) {
        let mut strangers: Vec<UploadId> =
            uploads.values().filter(|upload| upload.origin != *origin).map(|upload| upload.id.clone()).collect();
        if strangers.is_empty() {
            return;
        }
        strangers.sort();
        let id = |file: &ListedFile| UploadId::of(project, &file.filename, file.promise.as_ref());
        let listed: HashMap<UploadId, &ListedFile> = listing.files.iter().map(|file| (id(file), file)).collect();
        for id in strangers {
            let Some(upload) = uploads.get_mut(&id) else { continue };
            if let Some(file) = listed.get(&id) {
                upload.origin = origin.clone();
                if file.promised_sha256().is_none() {
                    self.start_anew(upload, file.size);
                }
                self.changed.push(id);
                continue;
            }
            let (to, kind) = match upload.state {
                State::Held => (State::Rejected, EventKind::Rejected),
                State::Released => (State::Recalled, EventKind::Recalled),
                State::Rejected | State::Recalled => continue,
            };
            "the name belongs to another index now".clone_into(&mut upload.verdict.reason);
            self.decide(upload, to, kind);
            self.changed.push(id);
        }
    }

    /// Nothing that was learned of other bytes counts for these.
    pub(super) fn start_anew(&mut self, upload: &mut Upload, size: Option<u64>) {
        upload.sha256 = None;
        upload.size = size;
        upload.examination = Examination::None;
        upload.metadata = None;
        upload.pins = None;
        if upload.state == State::Released {
            "the name belongs to another index now".clone_into(&mut upload.verdict.reason);
            self.decide(upload, State::Held, EventKind::Suspended);
            upload.decision = None;
        }
    }
}
