//! What only an admin may correct: a wrong first digest is unpinned (rule 18), a name that was ours is given back (rule 15).

use std::sync::Arc;

use serde_json::json;

use super::desk::{Target, checked_reason, require};
use super::refresh::Freshness;
use super::{Quarantine, QuarantineError};
use crate::domain::{
    Actor, Decision, EventDraft, EventKind, FileName, Outcome, PageRead, Project, Role, Scope, Sha256, State,
    Timestamp, Upload, UploadId,
};
use crate::store::Change;

impl Quarantine {
    /// Forgets the first digest of a file for which the index promises another one now. What it promises now is met like a
    /// new file, with a hold of its own; the bytes of the first digest are not served any more.
    pub async fn unpin(
        self: &Arc<Self>,
        target: &Target,
        by: &Actor,
        reason: &str,
    ) -> Result<Vec<Upload>, QuarantineError> {
        require(by, Role::Admin)?;
        let reason = checked_reason(reason)?;
        let (project, filename) = self.one_file(target).await?;
        let now = self.timekeeper.now();
        {
            let _turn = self.editions.turn(&project).await;
            let missing = || QuarantineError::NotFound(filename.to_string());
            let mut known = self.store.project(&project).await?.ok_or_else(missing)?;
            let place = known.files.iter().position(|file| file.file.filename == filename).ok_or_else(missing)?;
            if known.files[place].disputed.is_none() {
                return Err(QuarantineError::BadRequest(format!(
                    "{filename}: the index still promises what it promised first, so there is nothing to unpin"
                )));
            }
            let file = known.files.remove(place);
            let mut event = EventDraft::new(now, by.clone(), EventKind::Unpinned, reason.clone());
            event.project = Some(project.clone());
            event.details = json!({ "filename": filename, "promise": file.file.promise, "size": file.file.size });
            let mut change = Change { events: vec![event], listing: Some(Arc::new(known)), ..Change::default() };
            let mut uploads = self.store.of(&project).await?;
            uploads.retain(|upload| upload.filename == filename);
            let pinned = UploadId::of(&project, &filename, file.file.promise.as_ref());
            // Only the size was another one: the bytes are the same, and so is the row.
            let same_bytes = |upload: &Upload| upload.id != pinned && upload.sha256 == file.file.promised_sha256();
            let only_size = file.file.promised_sha256().is_some() && uploads.iter().any(same_bytes);
            for mut upload in uploads {
                if only_size && upload.id == pinned {
                    upload.size = upload.examination.passed().and(upload.size);
                    change.uploads.push(upload);
                } else if !only_size && let Some((upload, event)) = unpinned(upload, &pinned, by, &reason, now) {
                    change.uploads.push(upload);
                    change.events.push(event);
                }
            }
            if let Some(read) = self.store.page_read(&project).await? {
                // The same page says something new now.
                let read = PageRead { digest: Sha256::of(b""), etag: None, last_modified: None, ..read };
                change.read = Some((project.clone(), read));
            }
            let uploads = change.uploads.clone();
            self.add_blast_radius(&mut change.events, &uploads).await?;
            self.store.commit(change).await?;
        }
        self.outdate(&project);
        self.view(&project, Freshness::Since(now)).await?;
        let uploads = self.store.of(&project).await?;
        Ok(uploads.into_iter().filter(|upload| upload.filename == filename).collect())
    }

    /// Lets a name that a private index once showed be taken from a public one again.
    pub async fn give_back(&self, project: &Project, by: &Actor, reason: &str) -> Result<(), QuarantineError> {
        require(by, Role::Admin)?;
        let reason = checked_reason(reason)?;
        let owner = self.store.private_owner(project).await?.ok_or_else(|| {
            QuarantineError::BadRequest(format!(
                "{project}: no private index has shown this name, so there is nothing to give back"
            ))
        })?;
        let mut event = EventDraft::new(self.timekeeper.now(), by.clone(), EventKind::NameGivenBack, reason);
        event.project = Some(project.clone());
        event.details = json!({ "index": owner });
        self.store.commit(Change { events: vec![event], ..Change::default() }).await?;
        self.store.forget_private(project).await?;
        self.outdate(project);
        Ok(())
    }

    async fn one_file(&self, target: &Target) -> Result<(Project, FileName), QuarantineError> {
        let uploads = match target {
            Target::Upload(id) => self.store.get(id).await?.into_iter().collect(),
            Target::File(filename) => self.store.named(filename).await?,
            Target::Version(..) | Target::Project(_) => {
                return Err(QuarantineError::BadRequest("give the file's name or an upload's id".into()));
            }
        };
        let first = uploads.into_iter().next();
        first
            .map(|upload| (upload.project, upload.filename))
            .ok_or_else(|| QuarantineError::NotFound("this file".into()))
    }
}

/// A row of the file after its first digest was forgotten: the first one is closed, the offered ones are met anew.
fn unpinned(
    mut upload: Upload,
    pinned: &UploadId,
    by: &Actor,
    reason: &str,
    now: Timestamp,
) -> Option<(Upload, EventDraft)> {
    let from = upload.state;
    let (to, kind) = match (upload.id == *pinned, from) {
        (true, State::Released) => (State::Recalled, EventKind::Recalled),
        (true, State::Held) => (State::Rejected, EventKind::Rejected),
        (false, State::Rejected) if !upload.decided_by_person() => (State::Held, EventKind::Reopened),
        _ => return None,
    };
    upload.state = to;
    upload.hold_until = None;
    upload.decision = None;
    if to == State::Held {
        upload.clock_start = now;
        upload.verdict.outcome = Outcome::Review;
    } else {
        upload.decision =
            Some(Decision { by: by.clone(), reason: reason.to_owned(), at: now, scope: Scope::File, expires: None });
    }
    let event = EventDraft::new(now, by.clone(), kind, reason.to_owned()).of_move(&upload, Some(from));
    Some((upload, event))
}
