//! Leave to go out: given by the gate, and looked at again while bytes go out whenever something changed.

use std::sync::Arc;

use super::view::View;
use super::{Asker, Edition, Quarantine, QuarantineError};
use crate::blob::InUse;
use crate::domain::{FileName, Project, Sha256, State, UploadId};

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
    /// As long as they go out, they are not thrown away.
    in_use: Option<InUse>,
}

impl Leave {
    /// For a file that this view lets go. From now on its bytes stay where they are, if they are here.
    pub(super) async fn given(quarantine: &Arc<Quarantine>, view: &View, filename: &FileName, asker: Asker) -> Self {
        let entry = view.file(filename);
        let promise = entry.as_ref().and_then(|entry| entry.file.file.promise.as_ref());
        let sha256 = entry.as_ref().and_then(super::view::Entry::sha256);
        let mut leave = Self {
            quarantine: quarantine.clone(),
            project: view.project.clone(),
            id: UploadId::of(&view.project, filename, promise),
            from_public: view.known.as_ref().is_some_and(|known| known.origin.is_public()),
            edition: view.edition,
            lenient: entry.is_some_and(|entry| entry.state() == State::Held),
            asker,
            in_use: None,
        };
        if let Some(sha256) = sha256 {
            leave.hold(sha256).await;
        }
        leave
    }

    /// The bytes have this name, which may have been unknown until they were fetched.
    pub(super) async fn hold(&mut self, sha256: Sha256) {
        self.in_use = Some(self.quarantine.cellar.inventory.hold(sha256).await);
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
