//! Rows, dossiers and events: what an intake leaves behind.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::{Work, hold_until};
use crate::domain::{
    Actor, Decision, EventDraft, EventKind, Examination, FileName, KnownFile, KnownProject, RuleKind, Scope, Standing,
    State, Timestamp, Upload, UploadId, Verdict,
};
use crate::signals::{ChangedFile, Dossier, ProjectFacts};

impl Work<'_> {
    pub(super) fn new_row(
        &mut self,
        facts: &ProjectFacts,
        file: &KnownFile,
        start: Timestamp,
        id: UploadId,
        changed: Option<ChangedFile>,
    ) -> Upload {
        let judged = self.bench.judged(facts, file, start, changed);
        self.row(facts, file, start, id, judged)
    }

    /// The row of a file that was judged just now.
    pub(super) fn row(
        &mut self,
        facts: &ProjectFacts,
        file: &KnownFile,
        start: Timestamp,
        id: UploadId,
        (dossier, verdict): (Dossier, Verdict),
    ) -> Upload {
        let mut upload = Upload {
            id,
            project: facts.project.clone(),
            version: file.file.version.clone(),
            filename: file.file.filename.clone(),
            promise: file.file.promise.clone(),
            origin: facts.origin.clone(),
            sha256: file.file.promised_sha256(),
            size: file.file.size,
            state: State::Held,
            examination: Examination::None,
            published: file.file.uploaded_at(),
            first_seen: file.first_seen,
            clock_start: start,
            hold_until: hold_until(&verdict, None, self.bench.now),
            verdict,
            dossier: None,
            decision: None,
            metadata: None,
            pins: None,
            requested: None,
            passed: None,
            revision: 0,
        };
        self.keep_dossier(&mut upload, &dossier);
        upload
    }

    pub(super) fn keep_dossier(&mut self, upload: &mut Upload, dossier: &Dossier) {
        if let Ok(bytes) = serde_json::to_vec(dossier) {
            upload.dossier = Some(crate::domain::Sha256::of(&bytes));
            self.dossiers.push((upload.id.clone(), bytes));
        }
    }

    /// Moves a row by the house's own decision.
    pub(super) fn decide(&mut self, upload: &mut Upload, to: State, kind: EventKind) {
        let from = upload.state;
        let by = Actor::house("intake");
        if from.may_move(to, &by).is_err() {
            return;
        }
        upload.state = to;
        upload.hold_until = None;
        upload.decision = Some(Decision {
            by,
            reason: upload.verdict.reason.clone(),
            at: self.bench.now,
            scope: Scope::File,
            expires: None,
        });
        self.tell(kind, upload, Some(from), upload.verdict.reason.clone());
    }

    pub(super) fn tell(&mut self, kind: EventKind, upload: &Upload, from: Option<State>, summary: String) {
        let mut event = EventDraft::new(self.bench.now, Actor::house("intake"), kind, summary).of_move(upload, from);
        event.details = json!({
            "filename": upload.filename,
            "version": upload.version,
            "promise": upload.promise.as_ref().map(ToString::to_string),
            "score": upload.verdict.score,
            "dossier": upload.dossier,
            "policy": upload.verdict.policy,
        });
        self.events.push(event);
    }

    /// A waiver that ran out since the last reading is told once (rule 13).
    pub(super) fn tell_ended_waivers(&mut self, facts: &ProjectFacts, previous_read: Option<Timestamp>) {
        for rule in self.bench.rules {
            if let RuleKind::Waiver { signals, expires } = &rule.kind
                && *expires <= self.bench.now
                && previous_read.is_some_and(|read| read < *expires)
            {
                let summary = format!("the waiver for {} has ended", signals.join(", "));
                let mut event =
                    EventDraft::new(self.bench.now, Actor::house("intake"), EventKind::WaiverEnded, summary);
                event.project = Some(facts.project.clone());
                self.events.push(event);
            }
        }
    }

    /// A page read for the first time is one event, whatever it lists; later, files that were let in by age alone are told too.
    pub(super) fn tell_baseline(
        &mut self,
        known: &KnownProject,
        added: &HashSet<usize>,
        first_read: bool,
        uploads: &HashMap<UploadId, Upload>,
    ) {
        let aged = added.iter().filter(|index| known.files[**index].standing == Standing::Baseline).count();
        if !first_read && aged == 0 {
            return;
        }
        let mut names: Vec<(&FileName, String)> = added
            .iter()
            .map(|index| &known.files[*index].file)
            .map(|file| (&file.filename, file.promise.as_ref().map(ToString::to_string).unwrap_or_default()))
            .collect();
        names.sort();
        let digest = crate::domain::Sha256::of(&serde_json::to_vec(&names).unwrap_or_default());
        let held = added.len() - aged;
        let summary = format!("{}: {} files seen, {aged} released by age, {held} held", known.project, added.len());
        let mut event = EventDraft::new(self.bench.now, Actor::house("intake"), EventKind::Baseline, summary);
        event.project = Some(known.project.clone());
        event.details = json!({
            "files": added.len(),
            "released": aged,
            "held": held,
            "rows": uploads.len(),
            "origin": known.origin,
            "digest": digest,
        });
        self.events.push(event);
    }
}
