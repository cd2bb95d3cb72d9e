//! Leave to go out: given by the gate, and looked at again while bytes go out whenever something changed.

use std::sync::Arc;

use super::view::View;
use super::{Asker, Edition, Quarantine, QuarantineError};
use crate::domain::{FileName, Project, State, UploadId};

/// One answer's leave. A decision that comes while a large file is on its way ends it.
#[derive(Debug)]
pub struct Leave {
    quarantine: Arc<Quarantine>,
    project: Project,
    id: UploadId,
    from_public: bool,
    edition: Edition,
    /// Whether it is held, and goes out only because the policy does not enforce.
    lenient: bool,
    asker: Asker,
}

impl Leave {
    /// For a file that this view lets go.
    pub(super) fn given(quarantine: &Arc<Quarantine>, view: &View, filename: &FileName, asker: Asker) -> Self {
        let entry = view.file(filename);
        let promise = entry.and_then(|entry| entry.file.file.promise.as_ref());
        Self {
            quarantine: quarantine.clone(),
            project: view.project.clone(),
            id: UploadId::of(&view.project, filename, promise),
            from_public: view.known.as_ref().is_some_and(|known| known.origin.is_public()),
            edition: view.edition,
            lenient: entry.is_some_and(|entry| entry.state() == State::Held),
            asker,
        }
    }

    /// The upload, if it is held and goes out only because the policy does not enforce.
    pub(super) fn lenient(&self) -> Option<&UploadId> {
        self.lenient.then_some(&self.id)
    }

    /// Whether the next bytes may go; costs next to nothing while nothing changed.
    pub async fn check(&mut self) -> Result<(), QuarantineError> {
        self.quarantine.regime();
        let present = self.quarantine.editions.of(&self.project);
        if present == self.edition {
            return Ok(());
        }
        let ended = || QuarantineError::Forbidden("the file is not released any more".to_owned());
        if self.from_public && self.quarantine.is_kept_inside(&self.project, &self.quarantine.policy()).await? {
            return Err(ended());
        }
        match self.quarantine.store.get(&self.id).await? {
            Some(upload) if !self.quarantine.may_leave(&upload, self.asker) => Err(ended()),
            _ => {
                self.edition = present;
                Ok(())
            }
        }
    }
}
