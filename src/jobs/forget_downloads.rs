//! Forget who downloaded what longer ago than the log is kept.

use std::sync::Arc;

use super::Next;
use crate::quarantine::{Quarantine, QuarantineError};

pub(super) async fn run(quarantine: &Arc<Quarantine>) -> Result<Next, QuarantineError> {
    Ok(Next::Again(quarantine.forget_downloads().await?))
}
