//! Read what PyPI's records say of releases that are held, and of their project: owners, metadata, attestations.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>, subject: &str) -> Result<Next, QuarantineError> {
    let Ok(project) = subject.parse() else { return Ok(Next::Done) };
    match quarantine.collect_records(&project).await {
        Ok(()) | Err(QuarantineError::NotFound(_)) => Ok(Next::Done),
        Err(error) => Err(error),
    }
}
