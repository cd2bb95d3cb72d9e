//! Throw away what nothing refers to.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>) -> Result<Next, QuarantineError> {
    quarantine.collect_garbage(false).await?;
    Ok(Next::Again(quarantine.next_collecting()))
}
