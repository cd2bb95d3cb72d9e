//! The broken glass at the gate: what is held leaves, whatever leaves so is marked, and it ends by itself.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::json;

use super::desk::checked_reason;
use super::regime::Regime;
use super::{Quarantine, QuarantineError};
use crate::domain::break_glass::{BreakGlass, GlassRefusal, USUAL};
use crate::domain::{Actor, EventDraft, EventKind, State, Timestamp, Upload, UploadId, moment};
use crate::store::{Change, Store, StoreError};

/// Under which subjects the store keeps where the glass is, and what left.
const KEPT: &str = "break-glass";
const KEPT_PASSED: &str = "break-glass-passed";
/// More files than these are told one by one by the ledger only.
const MOST_TOLD: usize = 5_000;
/// So often somebody else's change of a row is read before one gives up.
const ATTEMPTS: usize = 5;

/// What left since the glass was broken last.
#[derive(Debug, Default)]
pub(super) struct Passed {
    ids: Vec<UploadId>,
    known: HashSet<UploadId>,
}

/// Where the glass is, and what left while it was broken.
#[derive(Debug)]
pub struct GlassReport {
    /// Where it is.
    pub glass: BreakGlass,
    /// What left since it was broken last, to be reviewed.
    pub passed: Vec<Upload>,
}

/// What an earlier run left.
pub(super) async fn recall(store: &dyn Store) -> Result<(BreakGlass, Passed), QuarantineError> {
    let glass = store.snapshot(KEPT).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let kept = store.snapshot(KEPT_PASSED).await?;
    let ids: Vec<UploadId> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    Ok((glass, Passed { known: ids.iter().cloned().collect(), ids }))
}

impl Quarantine {
    /// Where the glass is now.
    pub fn glass(&self) -> BreakGlass {
        self.glass_as_kept().at(self.timekeeper.latest())
    }

    fn glass_as_kept(&self) -> BreakGlass {
        self.glass.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One admin asks for it to be broken.
    pub async fn ask_for_glass(
        &self,
        by: &Actor,
        reason: &str,
        lasting: Option<Duration>,
    ) -> Result<GlassReport, QuarantineError> {
        let _one = self.glass_turn.lock().await;
        self.mend_glass().await?;
        let reason = checked_reason(reason)?;
        let lasting = lasting.unwrap_or(USUAL);
        let asked =
            self.glass().ask(by, &reason, lasting, self.timekeeper.latest()).map_err(|refusal| forbidden(&refusal))?;
        let words = humantime::format_duration(lasting);
        self.move_glass(
            asked,
            by,
            EventKind::BreakGlassAsked,
            format!("asked to break the glass for {words}: {reason}"),
        )
        .await?;
        self.glass_report().await
    }

    /// A second one agrees: from now on all that is held leaves, unless it is known to be bad.
    pub async fn confirm_glass(&self, by: &Actor) -> Result<GlassReport, QuarantineError> {
        let _one = self.glass_turn.lock().await;
        self.mend_glass().await?;
        let open = self.glass().confirm(by, self.timekeeper.latest()).map_err(|refusal| forbidden(&refusal))?;
        let BreakGlass::Open { by: first, reason, until, .. } = &open else {
            return Err(QuarantineError::BadRequest("the glass was not broken".to_owned()));
        };
        let summary = format!("the glass is broken until {}, as {first} asked: {reason}", moment(*until));
        tracing::error!(%until, first, "the glass is broken: whatever is held leaves, unless it is known to be bad");
        self.move_glass(open, by, EventKind::BreakGlassOpened, summary).await?;
        self.glass_report().await
    }

    /// An admin puts it back, or says no to who asked.
    pub async fn close_glass(&self, by: &Actor, reason: Option<&str>) -> Result<GlassReport, QuarantineError> {
        let _one = self.glass_turn.lock().await;
        self.mend_glass().await?;
        let closed = self.glass().close(by, self.timekeeper.latest()).map_err(|refusal| forbidden(&refusal))?;
        let why = reason.map(checked_reason).transpose()?.map(|reason| format!(": {reason}")).unwrap_or_default();
        let summary = format!("the glass is closed{why}; {} to review", self.passed_in_words());
        self.move_glass(closed, by, EventKind::BreakGlassClosed, summary).await?;
        self.glass_report().await
    }

    /// Where it is, and what left.
    pub async fn glass_report(&self) -> Result<GlassReport, QuarantineError> {
        let ids = self.passed.lock().unwrap_or_else(PoisonError::into_inner).ids.clone();
        let mut passed = Vec::with_capacity(ids.len());
        for id in ids {
            passed.extend(self.store.get(&id).await?);
        }
        Ok(GlassReport { glass: self.glass(), passed })
    }

    /// Writes down that its time is over, once.
    pub async fn mind_the_glass(&self) -> Result<(), QuarantineError> {
        metrics::gauge!("lazaret_break_glass").set(if self.glass().is_open() { 1.0 } else { 0.0 });
        if self.glass_as_kept() == self.glass() {
            return Ok(());
        }
        let _one = self.glass_turn.lock().await;
        self.mend_glass().await
    }

    /// With the turn taken: what ended by itself is told before anything else happens to it.
    async fn mend_glass(&self) -> Result<(), QuarantineError> {
        let (kept, now) = (self.glass_as_kept(), self.glass());
        if kept == now {
            return Ok(());
        }
        let summary = if kept.is_open() {
            format!("the glass has mended by itself, its time was over; {} to review", self.passed_in_words())
        } else {
            "nobody confirmed in time that the glass should be broken".to_owned()
        };
        self.move_glass(now, &Actor::house("break-glass"), EventKind::BreakGlassClosed, summary).await
    }

    fn passed_in_words(&self) -> String {
        let count = self.passed.lock().unwrap_or_else(PoisonError::into_inner).ids.len();
        if count == 1 { "1 file left and is".to_owned() } else { format!("{count} files left and are") }
    }

    /// In the store before it is in force; and what it ends is ended before that is said.
    async fn move_glass(
        &self,
        glass: BreakGlass,
        by: &Actor,
        kind: EventKind,
        summary: String,
    ) -> Result<(), QuarantineError> {
        let mut event = EventDraft::new(self.timekeeper.now(), by.clone(), kind, summary);
        event.details = json!({ "glass": glass });
        let mut change = Change { events: vec![event], ..Change::default() };
        change.snapshots.push((KEPT.to_owned(), serde_json::to_vec(&glass).unwrap_or_default()));
        if glass.is_open() {
            change.snapshots.push((KEPT_PASSED.to_owned(), b"[]".to_vec()));
        }
        self.store.commit(change).await?;
        if glass.is_open() {
            *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = Passed::default();
        }
        metrics::gauge!("lazaret_break_glass").set(if glass.is_open() { 1.0 } else { 0.0 });
        {
            let _one = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
            *self.glass.lock().unwrap_or_else(PoisonError::into_inner) = glass;
            let before = self.regime.load_full();
            self.regime.store(std::sync::Arc::new(self.regime_from(&before, self.timekeeper.latest())));
        }
        self.outdate_all();
        Ok(())
    }

    /// A regime as the one before, at this moment.
    pub(super) fn regime_from(&self, before: &Regime, now: Timestamp) -> Regime {
        Regime::of(before.policy().clone(), *before.frosts(), &self.glass_as_kept().at(now), now)
    }

    /// A file that is about to leave only because the glass is broken is marked before its first byte does, in the ledger too.
    pub(super) async fn note_passed(&self, upload: &Upload) -> Result<(), QuarantineError> {
        let BreakGlass::Open { at: opened, .. } = self.glass() else { return Ok(()) };
        if upload.state != State::Held || self.is_noted(&upload.id) {
            return Ok(());
        }
        let _one = self.glass_turn.lock().await;
        if self.is_noted(&upload.id) {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let Some(mut row) = self.store.get(&upload.id).await? else { return Ok(()) };
            if row.state != State::Held || row.passed.is_some_and(|at| at >= opened) {
                break;
            }
            let now = self.timekeeper.now();
            row.passed = Some(now.max(opened));
            let summary = format!("{} left through the broken glass, to be reviewed", row.filename);
            let by = Actor::house("break-glass");
            let mut event = EventDraft::new(now, by, EventKind::BreakGlassPassed, summary);
            event.project = Some(row.project.clone());
            event.upload = Some(row.id.clone());
            event.details = json!({ "filename": row.filename, "version": row.version, "sha256": row.sha256, "reason": row.verdict.reason });
            let mut ids = self.passed.lock().unwrap_or_else(PoisonError::into_inner).ids.clone();
            let mut change = Change { uploads: vec![row], events: vec![event], ..Change::default() };
            if ids.len() < MOST_TOLD {
                ids.push(upload.id.clone());
                change.snapshots.push((KEPT_PASSED.to_owned(), serde_json::to_vec(&ids).unwrap_or_default()));
            }
            match self.store.commit(change).await {
                Ok(_) => {
                    metrics::counter!("lazaret_break_glass_passed_total").increment(1);
                    let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
                    passed.ids = ids;
                    passed.known.insert(upload.id.clone());
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Let in or kept out meanwhile, by a person or by time: the gate looks at that by itself. Or nobody comes through.
        match self.store.get(&upload.id).await? {
            Some(row) if row.state == State::Held && row.passed.is_none_or(|at| at < opened) => {
                Err(QuarantineError::Fetch(format!("{} is changing too often now, try again", row.filename)))
            }
            _ => Ok(()),
        }
    }

    fn is_noted(&self, id: &UploadId) -> bool {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).known.contains(id)
    }
}

fn forbidden(refusal: &GlassRefusal) -> QuarantineError {
    match refusal {
        GlassRefusal::Time => QuarantineError::BadRequest(format!("for: {refusal}")),
        GlassRefusal::NotAsked | GlassRefusal::NotOpen => QuarantineError::BadRequest(refusal.to_string()),
        _ => QuarantineError::Forbidden(refusal.to_string()),
    }
}
