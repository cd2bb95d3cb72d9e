//! Read the advisories again: what became known since is recalled, also what was let in before.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>) -> Result<Next, QuarantineError> {
    let Some(settings) = quarantine.advisory_settings() else { return Ok(Next::Done) };
    quarantine.refresh_advisories().await?;
    Ok(Next::Again(quarantine.timekeeper.wall() + settings.refresh))
}
