//! What reading the bytes showed becomes a row: kept and examined, or back in the hold, or an alarm.

use std::sync::Arc;

use serde_json::json;

use super::fetch::{RULES, pins_in};
use super::intake::hold_until;
use super::view::View;
use super::{Asker, Quarantine, QuarantineError};
use crate::archive::{Objection, Walk};
use crate::blob::Staged;
use crate::domain::{
    Actor, CoreMetadata, Decision, EventDraft, EventKind, Examination, FileKind, KnownFile, Outcome, Pin, Scope,
    Sha256, State, Timestamp, Upload, UploadId,
};
use crate::registry::pypi::core_metadata;
use crate::store::{Change, StoreError};

/// A release that was let in without its bytes is taken back for what they show within this time.
const YOUNG: time::Duration = time::Duration::days(30);

/// What reading the bytes showed.
#[derive(Debug)]
struct Learned {
    sha256: Sha256,
    size: u64,
    examination: Examination,
    metadata: Option<Sha256>,
    pins: Vec<Pin>,
}

/// A row that is not written yet, with what goes with it.
#[derive(Debug)]
struct Draft {
    upload: Upload,
    events: Vec<EventDraft>,
    dossier: Option<Vec<u8>>,
}

impl Quarantine {
    /// Keeps the bytes and what was learned of them; a file that is not what it should be goes back into the hold. `clear` is called as
    /// soon as it is certain that nothing speaks against bytes that their index promised by SHA-256: whoever waits for them need not
    /// wait for the disk. If the power takes the row, the same bytes are examined again.
    pub(super) async fn settle(
        self: &Arc<Self>,
        view: &View,
        file: &KnownFile,
        staged: &Staged,
        mut walk: Walk,
        clear: impl FnOnce(),
    ) -> Result<Upload, QuarantineError> {
        // What a broken mirror or a hotel's page sent in a file's place says nothing of the file: remembered, it would close a good
        // one until somebody looks. Where the bytes were promised, they are the file.
        if file.file.promise.is_none()
            && let Some(nothing) = walk.objections.iter().find(|what| matches!(what, Objection::NotAnArchive { .. }))
        {
            let name = file.file.filename.base();
            return Err(QuarantineError::Fetch(format!("the upstream sent something else for {name}: {nothing}")));
        }
        self.remember_contents(view, file, &walk).await?;
        let metadata = walk.metadata.take().filter(|_| file.file.kind == FileKind::Wheel);
        let objection = self.metadata_objection(view, file, metadata.as_deref()).await?;
        let pins = metadata.as_deref().map(pins_in).unwrap_or_default();
        let own_metadata = metadata.as_deref().map(Sha256::of);
        let now = self.timekeeper.now();
        let why = walk.objections.iter().find(|objection| objection.is_fatal()).map(ToString::to_string).or(objection);
        let examination = match &why {
            None => Examination::Passed { sha256: staged.sha256, rules: RULES, at: now },
            Some(why) => Examination::Failed { why: why.clone(), at: now },
        };
        let learned = Learned { sha256: staged.sha256, size: staged.size, examination, metadata: own_metadata, pins };
        let draft = self.draft(view, file, &learned, &walk).await?;
        if why.is_none()
            && file.file.promised_sha256() == Some(staged.sha256)
            && self.may_leave(&draft.upload, Asker::ENFORCER)
        {
            clear();
        }
        self.blobs.store(staged).await?;
        if let Some(bytes) = metadata {
            self.blobs.store_bytes(bytes.into()).await?;
        }
        let upload = self.write_down(view, file, &learned, &walk, draft).await?;
        self.outdate(&view.project);
        match why {
            None => Ok(upload),
            Some(why) => Err(QuarantineError::Forbidden(why)),
        }
    }

    /// Rule 4: the METADATA inside must be the one that the upstream offers, and must speak of this project and version.
    async fn metadata_objection(
        &self,
        view: &View,
        file: &KnownFile,
        metadata: Option<&[u8]>,
    ) -> Result<Option<String>, QuarantineError> {
        if file.file.kind != FileKind::Wheel {
            return Ok(None);
        }
        let Some(bytes) = metadata else { return Ok(Some("the wheel has no METADATA".to_owned())) };
        let offered = match file.file.core_metadata {
            CoreMetadata::No => None,
            CoreMetadata::Digest(digest) => Some(digest),
            CoreMetadata::Yes => self.offered_metadata(view, file).await?.map(|bytes| Sha256::of(&bytes)),
        };
        if offered.is_some_and(|digest| digest != Sha256::of(bytes)) {
            return Ok(Some("the METADATA inside the wheel is not the one that the index offers".to_owned()));
        }
        match core_metadata::read(bytes) {
            Ok(read) if core_metadata::agrees(&view.project.name, &file.file.version, &read) => Ok(None),
            Ok(read) => Ok(Some(format!("the METADATA speaks of {} {}", read.name, read.version))),
            Err(error) => Ok(Some(format!("the METADATA cannot be read: {error}"))),
        }
    }

    /// Writes the row and its event; somebody else's change in between is kept.
    async fn write_down(
        &self,
        view: &View,
        file: &KnownFile,
        learned: &Learned,
        walk: &Walk,
        first: Draft,
    ) -> Result<Upload, QuarantineError> {
        let mut draft = first;
        loop {
            let Draft { upload, mut events, dossier } = draft;
            self.add_blast_radius(&mut events, std::slice::from_ref(&upload)).await?;
            if let Some(dossier) = dossier {
                self.keep_dossier(dossier).await?;
            }
            let change = Change { uploads: vec![upload.clone()], events, ..Change::default() };
            match self.store.commit(change).await {
                Ok(_) => return Ok(Upload { revision: upload.revision + 1, ..upload }),
                Err(StoreError::Conflict(_)) => draft = self.draft(view, file, learned, walk).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The row as it will be, by what is in the store now.
    async fn draft(
        &self,
        view: &View,
        file: &KnownFile,
        learned: &Learned,
        walk: &Walk,
    ) -> Result<Draft, QuarantineError> {
        let row = self.row_for(view, file).await?;
        self.with_learned(row, view, file, learned, walk).await
    }

    async fn with_learned(
        &self,
        row: Upload,
        view: &View,
        file: &KnownFile,
        learned: &Learned,
        walk: &Walk,
    ) -> Result<Draft, QuarantineError> {
        let now = self.timekeeper.now();
        let mut upload = row;
        upload.sha256 = Some(learned.sha256);
        upload.size = Some(learned.size);
        upload.metadata = learned.metadata.or(upload.metadata);
        upload.pins = Some(learned.pins.clone());
        upload.examination = learned.examination.clone();
        upload.requested.get_or_insert(now);
        let mut events = vec![examined(&upload, now)];
        let mut kept = None;
        if let Some(known) = &view.known {
            let clock_start = upload.clock_start;
            let (verdict, bytes) = self
                .with_bench(known, |bench| {
                    let facts = bench.facts(known);
                    let dossier = bench.dossier(&facts, file, clock_start, None, Some(walk.clone()));
                    (bench.judge(&dossier), serde_json::to_vec(&dossier))
                })
                .await?;
            if let Ok(bytes) = bytes {
                upload.dossier = Some(Sha256::of(&bytes));
                kept = Some(bytes);
            }
            // What its bytes show may make it wait longer, never shorter: it may wait for what it requires, or for a person.
            let until = hold_until(&verdict, None, now);
            let is_longer = until.is_none_or(|until| upload.hold_until.is_some_and(|end| end < until));
            if upload.state == State::Held && upload.decision.is_none() && is_longer {
                upload.hold_until = until;
            }
            let speaks_against = verdict.outcome >= Outcome::Review;
            upload.verdict = verdict;
            // What age alone let in, or a policy, was let in without its bytes. Old ones have been installed everywhere for long.
            let young = now - upload.clock_start <= YOUNG && !file.is_trusted_from_the_first(known.first_read);
            let young = young || upload.verdict.outcome == Outcome::Reject;
            if upload.state == State::Released && speaks_against && young && !upload.decided_by_person() {
                let why = upload.verdict.reason.clone();
                events.push(suspended(&mut upload, &why, now));
            }
        }
        if let Examination::Failed { why, .. } = &learned.examination
            && upload.state == State::Held
        {
            why.clone_into(&mut upload.verdict.reason);
            upload.verdict.outcome = upload.verdict.outcome.max(Outcome::Review);
            upload.hold_until = None;
        }
        if let Examination::Failed { why, .. } = &learned.examination
            && upload.state == State::Released
        {
            why.clone_into(&mut upload.verdict.reason);
            upload.verdict.outcome = Outcome::Review;
            events.push(suspended(&mut upload, why, now));
        }
        Ok(Draft { upload, events, dossier: kept })
    }

    /// The bytes are not what the index promised: thrown away, told, tried again at the next request.
    pub(super) async fn promise_broken(
        &self,
        view: &View,
        file: &KnownFile,
        staged: &Staged,
        why: &str,
    ) -> Result<(), QuarantineError> {
        // The row is left alone: what a broken cache sent once must not close a good file for ever. And one alarm is enough, or
        // a client that tries again and again would fill the ledger.
        // Nor is one needed where the index itself promises other bytes by now: that was told.
        let id = UploadId::of(&view.project, &file.file.filename, file.file.promise.as_ref());
        if file.disputed.is_some() {
            return Ok(());
        }
        if self.fetches.alarmed.get(&id) == Some(staged.sha256) {
            return Ok(());
        }
        self.fetches.alarmed.insert(id, staged.sha256);
        metrics::counter!("lazaret_alarms_total").increment(1);
        tracing::error!(project = %view.project, file = %file.file.filename, why, "integrity alarm");
        let mut event = EventDraft::new(self.timekeeper.now(), Actor::house("fetch"), EventKind::Alarm, why.to_owned());
        event.project = Some(view.project.clone());
        event.details = json!({
            "filename": file.file.filename,
            "promise": file.file.promise.as_ref().map(ToString::to_string),
            "received": staged.sha256,
            "size": staged.size,
        });
        self.store.commit(Change { events: vec![event], ..Change::default() }).await?;
        Ok(())
    }
}

/// Takes a released upload back into the hold for what its bytes showed.
fn suspended(upload: &mut Upload, why: &str, now: Timestamp) -> EventDraft {
    upload.state = State::Held;
    upload.hold_until = None;
    let by = Actor::house("examination");
    upload.decision =
        Some(Decision { by: by.clone(), reason: why.to_owned(), at: now, scope: Scope::File, expires: None });
    EventDraft::new(now, by, EventKind::Suspended, why.to_owned()).of_move(upload, Some(State::Released))
}

fn examined(upload: &Upload, now: Timestamp) -> EventDraft {
    let summary = format!("{}: examination {}", upload.filename, upload.examination.as_str());
    let mut event = EventDraft::new(now, Actor::house("examination"), EventKind::Examined, summary);
    event.project = Some(upload.project.clone());
    event.upload = Some(upload.id.clone());
    event.details = json!({ "sha256": upload.sha256, "size": upload.size, "examination": upload.examination });
    event
}
