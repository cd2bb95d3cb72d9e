//! Fetch a file whose index promised no SHA-256: only then it has a name under which it can be listed and served.

use std::sync::Arc;

use super::Next;
use crate::domain::{FileName, Project};
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>, subject: &str) -> Result<Next, QuarantineError> {
    let Some((project, filename)) = subject.split_once(' ') else { return Ok(Next::Done) };
    let Ok(project) = project.parse::<Project>() else { return Ok(Next::Done) };
    let Ok(filename) = FileName::parse(filename) else { return Ok(Next::Done) };
    match quarantine.hash_file(&project, &filename).await {
        Ok(()) | Err(QuarantineError::NotFound(_)) => Ok(Next::Done),
        Err(error) => Err(error),
    }
}
