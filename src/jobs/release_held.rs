//! Release what may leave of a project whose hold ended: reading its page releases it (rule 10).

use std::sync::Arc;

use crate::domain::Project;
use crate::quarantine::Quarantine;

pub(super) async fn run(quarantine: &Arc<Quarantine>, project: &Project) {
    if let Err(error) = quarantine.release_due(project).await {
        tracing::warn!(%project, %error, "its hold ended, but its page cannot be read; it stays held");
    }
}
