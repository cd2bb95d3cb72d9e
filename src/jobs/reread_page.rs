//! Read the page of a project in use again: what vanished upstream is noticed without anyone asking.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>, subject: &str) -> Result<Next, QuarantineError> {
    let Ok(project) = subject.parse() else { return Ok(Next::Done) };
    match quarantine.reread(&project).await {
        Ok(true) => Ok(Next::Again(quarantine.timekeeper.wall() + quarantine.reread_pause())),
        Ok(false) | Err(QuarantineError::NotFound(_)) => Ok(Next::Done),
        Err(error) => Err(error),
    }
}
