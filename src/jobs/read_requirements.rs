//! Read what a held version requires: exact pins leave the hold together (rule 9).

use std::sync::Arc;

use super::Next;
use crate::domain::{Project, Version};
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>, subject: &str) -> Result<Next, QuarantineError> {
    let Some((project, version)) = subject.split_once("==") else { return Ok(Next::Done) };
    let Ok(project) = project.parse::<Project>() else { return Ok(Next::Done) };
    let Ok(version) = Version::parse(project.ecosystem, version) else { return Ok(Next::Done) };
    match quarantine.read_requirements(&project, &version).await {
        Ok(()) | Err(QuarantineError::NotFound(_)) => Ok(Next::Done),
        Err(error) => Err(error),
    }
}
