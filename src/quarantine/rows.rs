//! Rows of files that have none yet: a file that was released by age alone gets one when it is requested or decided.

use super::view::View;
use super::{Quarantine, QuarantineError};
use crate::domain::{Examination, KnownFile, State, Upload, UploadId, Verdict};

impl Quarantine {
    /// The file's row as it is in the store, or the one that it gets now.
    pub(super) async fn row_for(&self, view: &View, file: &KnownFile) -> Result<Upload, QuarantineError> {
        let mut rows = self.rows_for(view, vec![file]).await?;
        rows.pop().ok_or_else(|| QuarantineError::NotFound(file.file.filename.to_string()))
    }

    /// Likewise of many files.
    pub(super) async fn rows_for(&self, view: &View, files: Vec<&KnownFile>) -> Result<Vec<Upload>, QuarantineError> {
        let known = view.known.as_ref().ok_or_else(|| QuarantineError::NotFound(view.project.to_string()))?;
        let mut rows = Vec::with_capacity(files.len());
        let mut missing = Vec::new();
        for file in files {
            let id = UploadId::of(&view.project, &file.file.filename, file.file.promise.as_ref());
            match self.store.get(&id).await? {
                Some(upload) if upload.origin == known.origin => rows.push(upload),
                // An id does not name the index: what another index's bytes were is not true of these.
                stranger => missing.push((id, file, stranger.map_or(0, |upload| upload.revision))),
            }
        }
        if missing.is_empty() {
            return Ok(rows);
        }
        let made = self
            .with_bench(known, |bench| {
                let facts = bench.facts(known);
                let verdict = |file| bench.judge(&bench.dossier(&facts, file, file.clock_start, None, None));
                missing
                    .into_iter()
                    .map(|(id, file, revision)| row(view, file, id, revision, verdict(file)))
                    .collect::<Vec<_>>()
            })
            .await?;
        rows.extend(made);
        Ok(rows)
    }
}

fn row(view: &View, file: &KnownFile, id: UploadId, revision: u64, verdict: Verdict) -> Upload {
    let origin = view.known.as_ref().map_or(crate::domain::Origin::Public, |known| known.origin.clone());
    Upload {
        id,
        project: view.project.clone(),
        version: file.file.version.clone(),
        filename: file.file.filename.clone(),
        promise: file.file.promise.clone(),
        origin,
        sha256: file.file.promised_sha256(),
        size: file.file.size,
        state: view.file(&file.file.filename).map_or(State::Held, |entry| entry.state()),
        examination: Examination::None,
        published: file.file.uploaded_at(),
        first_seen: file.first_seen,
        clock_start: file.clock_start,
        hold_until: None,
        verdict,
        dossier: None,
        decision: None,
        metadata: None,
        pins: None,
        requested: None,
        passed: None,
        revision,
    }
}
