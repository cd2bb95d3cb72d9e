//! Judge a project again: an advisory, the policy or the names have changed since.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>, subject: &str) -> Result<Next, QuarantineError> {
    let Ok(project) = subject.parse() else { return Ok(Next::Done) };
    match quarantine.judge_again(&project).await {
        Ok(()) | Err(QuarantineError::NotFound(_)) => Ok(Next::Done),
        Err(error) => Err(error),
    }
}
