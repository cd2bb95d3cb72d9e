//! The file gate for teapot: instances by their address, complete and verified before the first byte.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Asker, Leave, Quarantine, QuarantineError, Refusal};
use super::stock::{file_of, project_of};
use crate::domain::{FileName, Project, Sha256, State};
use crate::registry::teapot::{Instance, Kind, Signature};

/// teacup waits for ever; its user does not.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the gate answers.
#[derive(Debug)]
pub enum InstanceAnswer {
    /// May not leave.
    Refused(Refusal),
    /// Verified bytes in the cellar.
    Ready {
        /// Their name.
        sha256: Sha256,
        /// Their name for clients.
        signature: Signature,
        /// Until further notice.
        leave: Leave,
    },
    /// Not verified in time: ask again.
    NotYet {
        /// After so long.
        retry_after: Duration,
    },
}

impl Quarantine {
    /// Passes a request for an instance's file through the gate.
    pub async fn teapot_file(self: &Arc<Self>, instance: &Instance) -> Result<InstanceAnswer, QuarantineError> {
        let teapot = self.teapot_side()?;
        let missing = || QuarantineError::NotFound(instance.to_string());
        self.teapot_view(PATIENCE).await;
        let stock = teapot
            .stock
            .load_full()
            .ok_or_else(|| QuarantineError::Fetch("the teapot repository has not been read yet; try again".into()))?;
        if instance.kind == Kind::Redirect {
            let refusal = not_through_here(instance);
            return Ok(InstanceAnswer::Refused(refusal));
        }
        let project = project_of(instance).ok_or_else(missing)?;
        if self.policy().is_internal(&project) {
            return Ok(InstanceAnswer::Refused(super::super::file_gate::internal_name(&project)));
        }
        let entry = stock.catalog.get(instance).ok_or_else(missing)?;
        let name = file_of(entry).ok_or_else(missing)?;
        let view = self.view(&project, super::super::refresh::Freshness::Usual).await?;
        let known = view.file(&name).ok_or_else(missing)?;
        if let Some(refusal) = known.refusal(&project) {
            metrics::counter!("lazaret_refusals_total").increment(1);
            return Ok(InstanceAnswer::Refused(refusal));
        }
        let signature = entry.signature;
        self.note_leaving(known.row, Asker::ANYBODY).await?;
        let mut leave = Leave::given(self, &view, &name, Asker::ANYBODY).await;
        if let Some(sha256) = known.row.and_then(|upload| upload.examination.passed())
            && self.blobs.size(&sha256).await?.is_some()
        {
            return Ok(InstanceAnswer::Ready { sha256, signature, leave });
        }
        let fetch = self.fetch(&view, &name).await?;
        match fetch.settled(PATIENCE).await {
            Some(Ok(upload)) if self.may_leave(&upload, Asker::ANYBODY) => match upload.sha256 {
                Some(sha256) => {
                    leave.hold(sha256).await;
                    Ok(InstanceAnswer::Ready { sha256, signature, leave })
                }
                None => Err(missing()),
            },
            // It was refused while it came, by a person or by what its bytes showed.
            Some(Ok(_) | Err(QuarantineError::Forbidden(_))) => {
                let view = self.view(&project, super::super::refresh::Freshness::Usual).await?;
                let refusal = view.file(&name).and_then(|entry| entry.refusal(&project));
                Ok(refusal.map_or(InstanceAnswer::NotYet { retry_after: PATIENCE }, InstanceAnswer::Refused))
            }
            // Where people read it, the instance has the name that they know.
            Some(Err(QuarantineError::Fetch(why))) => {
                Err(QuarantineError::Fetch(why.replace(name.as_str(), &instance.to_string())))
            }
            Some(Err(error)) => Err(error),
            None => Ok(InstanceAnswer::NotYet { retry_after: Duration::from_secs(30) }),
        }
    }
}

impl Quarantine {
    /// The project of an instance by the name of its file, if the repository has it.
    pub(in crate::quarantine) fn teapot_project_of(&self, file: &FileName) -> Option<Project> {
        let stock = self.teapot.as_ref()?.stock.load_full()?;
        stock.entry(file).and_then(|entry| project_of(&entry.instance))
    }
}

fn not_through_here(instance: &Instance) -> Refusal {
    Refusal {
        id: None,
        what: format!("{} {}", instance.name, instance.version),
        state: State::Rejected,
        why: "is a redirect to another repository, which lazaret does not pass on".to_owned(),
        until: None,
        reasons: Vec::new(),
    }
}
