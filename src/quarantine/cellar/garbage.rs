//! Garbage: bytes and evidence that nothing refers to, and what was left behind by whoever did not come to an end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Quarantine, QuarantineError};
use crate::domain::{EventDraft, Sha256};
use crate::store::{Job, UploadQuery};

/// The kind of job that collects garbage.
pub const COLLECT_GARBAGE: &str = "collect-garbage";
/// How often it is collected.
const PAUSE: time::Duration = time::Duration::days(1);
/// Bytes are stored before the row that names them: what is this young is left alone.
const GRACE: time::Duration = time::Duration::hours(1);
/// What a crash left beside a file is no temporary file of a running writer after this.
const LEFT_BEHIND: time::Duration = time::Duration::days(1);
/// Likewise of evidence, of which this much is remembered.
pub(super) const DOSSIER_GRACE: Duration = Duration::from_hours(1);
pub(super) const FRESH_DOSSIERS: u64 = 1_000_000;
/// So many rows are read at a time.
const STEP: usize = 1_000;

/// What was thrown away, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Garbage {
    /// Files that no upload refers to.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Evidence that no upload and no event refers to.
    pub dossiers: u64,
    /// Its bytes.
    pub dossier_bytes: u64,
    /// Files of writers that did not come to an end.
    pub stages: u64,
    /// Their bytes.
    pub stage_bytes: u64,
}

/// Everything that rows and events refer to. Eight bytes of each digest: two that agree in them keep each other, which keeps at
/// worst some garbage, and the whole of a large store fits into memory.
#[derive(Debug, Default)]
struct References(HashSet<u64>);

impl References {
    fn note(&mut self, digest: &Sha256) {
        self.0.insert(short(digest));
    }

    fn has(&self, digest: &Sha256) -> bool {
        self.0.contains(&short(digest))
    }
}

fn short(digest: &Sha256) -> u64 {
    digest.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

impl Quarantine {
    /// Throws away what nothing refers to, or only says what that would be.
    pub async fn collect_garbage(self: &Arc<Self>, dry_run: bool) -> Result<Garbage, QuarantineError> {
        self.walk_cellar().await?;
        let _turn = self.cellar.turn.lock().await;
        let references = self.references().await?;
        let mut garbage = Garbage::default();
        self.throw_blobs_away(&references, dry_run, &mut garbage).await?;
        self.throw_dossiers_away(&references, dry_run, &mut garbage).await?;
        let now = self.timekeeper.wall();
        for swept in [self.staging.sweep(dry_run).await?, self.blobs.sweep(now - LEFT_BEHIND, dry_run).await?] {
            garbage.stages += swept.files;
            garbage.stage_bytes += swept.bytes;
        }
        if !dry_run {
            let bytes = garbage.blob_bytes + garbage.dossier_bytes + garbage.stage_bytes;
            metrics::counter!("lazaret_garbage_bytes_total").increment(bytes);
            tracing::info!(?garbage, "garbage collected");
        }
        Ok(garbage)
    }

    /// Leaves the errand of collecting garbage, unless there is one already.
    pub async fn leave_garbage(&self) -> Result<(), QuarantineError> {
        let job = Job {
            key: COLLECT_GARBAGE.to_owned(),
            kind: COLLECT_GARBAGE.to_owned(),
            subject: String::new(),
            run_at: self.next_collecting(),
            attempts: 0,
        };
        Ok(self.store.enqueue(job).await?)
    }

    /// When garbage is to be collected the next time.
    pub fn next_collecting(&self) -> crate::domain::Timestamp {
        self.timekeeper.wall() + PAUSE
    }

    async fn references(&self) -> Result<References, QuarantineError> {
        let mut references = References::default();
        let mut query = UploadQuery { limit: STEP, ..UploadQuery::default() };
        loop {
            let uploads = self.store.list(&query).await?;
            let Some(last) = uploads.last() else { break };
            query.cursor = Some(last.id.clone());
            for upload in &uploads {
                upload
                    .metadata
                    .iter()
                    .chain(&upload.dossier)
                    .chain(&upload.sha256)
                    .for_each(|digest| references.note(digest));
            }
        }
        let mut after = 0;
        loop {
            let events = self.store.events(after, STEP).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            events.iter().filter_map(|event| dossier_of(&event.draft)).for_each(|digest| references.note(&digest));
        }
        Ok(references)
    }

    async fn throw_blobs_away(
        self: &Arc<Self>,
        references: &References,
        dry_run: bool,
        garbage: &mut Garbage,
    ) -> Result<(), QuarantineError> {
        let inventory = &self.cellar.inventory;
        let until = self.timekeeper.wall() - GRACE;
        let mut place = None;
        while let Some((next, size)) = inventory.next_unused(place, until) {
            place = Some(next);
            let digest = next.1;
            if references.has(&digest) {
                continue;
            }
            if !dry_run {
                // Claimed, so nobody stores it meanwhile; and what was stored again since is fresh.
                let Some(_claim) = inventory.claim(digest, until) else { continue };
                self.blobs.remove(&digest).await?;
            }
            garbage.blobs += 1;
            garbage.blob_bytes += size;
        }
        Ok(())
    }

    async fn throw_dossiers_away(
        &self,
        references: &References,
        dry_run: bool,
        garbage: &mut Garbage,
    ) -> Result<(), QuarantineError> {
        let mut after: Option<Sha256> = None;
        loop {
            let digests = self.store.digests(after.as_ref(), STEP).await?;
            let Some(last) = digests.last() else { return Ok(()) };
            after = Some(*last);
            // Nobody keeps evidence while this looks at what was kept just now.
            let _alone = self.cellar.dossiers.write().await;
            let is_garbage =
                |digest: &Sha256| !references.has(digest) && !self.cellar.fresh_dossiers.contains_key(digest);
            let unwanted: Vec<Sha256> = digests.into_iter().filter(is_garbage).collect();
            garbage.dossiers += unwanted.len() as u64;
            garbage.dossier_bytes +=
                if dry_run { self.store.weight(unwanted).await? } else { self.store.forget(unwanted).await? };
        }
    }
}

/// The evidence that an event speaks of.
fn dossier_of(event: &EventDraft) -> Option<Sha256> {
    event.details.get("dossier")?.as_str()?.parse().ok()
}
