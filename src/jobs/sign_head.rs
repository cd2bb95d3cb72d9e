//! Sign the end of the ledger and write it down, so that what is cut off or written anew later is noticed.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>) -> Result<Next, QuarantineError> {
    quarantine.note_head().await?;
    Ok(Next::Again(quarantine.next_signing()))
}
