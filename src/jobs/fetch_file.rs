//! Fetch a file of a project that is used here before anybody asks for it: its author may delete it, or its bytes may speak
//! against it.

use std::sync::Arc;

use super::Next;
use crate::domain::{FileName, Project};
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>, subject: &str) -> Result<Next, QuarantineError> {
    let Some((project, filename)) = subject.split_once(' ') else { return Ok(Next::Done) };
    let Ok(project) = project.parse::<Project>() else { return Ok(Next::Done) };
    let Ok(filename) = FileName::in_folders(filename) else { return Ok(Next::Done) };
    match quarantine.fetch_file(&project, &filename).await {
        // What its bytes showed is written down; there is nothing to try again.
        Ok(()) | Err(QuarantineError::NotFound(_) | QuarantineError::Forbidden(_)) => Ok(Next::Done),
        Err(error) => Err(error),
    }
}
