//! Whether the ledger's chain holds: every event unchanged, none missing, none swapped.

use super::{Ledger, StoreError};
use crate::domain::audit::Head;

/// Events are read so many at a time.
const STEP: usize = 1_000;

/// What a walk along the chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Every event is in its place; this is the end.
    Whole(Head),
    /// This event is not the one that was written, or is missing.
    Broken {
        /// Its number.
        first_bad: u64,
    },
}

/// Walks along the whole chain to the end that the store remembers; it must go through a head that was noted earlier.
pub async fn verify(ledger: &dyn Ledger, noted: Option<Head>) -> Result<Verification, StoreError> {
    // First what is quick. That an event still has the noted hash shows nothing of those before it, whose own may have been left as
    // they were: the walk does.
    if let Some(known) = noted
        && !goes_through(ledger, known).await?
    {
        return Ok(Verification::Broken { first_bad: known.sequence });
    }
    let mut head = Head::EMPTY;
    loop {
        let events = ledger.events(head.sequence, STEP).await?;
        for event in &events {
            match head.verify(event) {
                Some(next) => head = next,
                None => return Ok(Verification::Broken { first_bad: head.sequence + 1 }),
            }
        }
        if !events.is_empty() {
            continue;
        }
        // Events missing at the end leave a chain that is whole but too short.
        let end = ledger.head().await?;
        if end == head {
            return Ok(Verification::Whole(head));
        }
        let grew = end.sequence > head.sequence && !ledger.events(head.sequence, 1).await?.is_empty();
        if !grew {
            return Ok(Verification::Broken { first_bad: head.sequence.min(end.sequence) + 1 });
        }
    }
}

/// Whether the event with this number has this hash.
pub async fn goes_through(ledger: &dyn Ledger, noted: Head) -> Result<bool, StoreError> {
    let Some(before) = noted.sequence.checked_sub(1) else { return Ok(noted == Head::EMPTY) };
    let found = ledger.events(before, 1).await?.into_iter().next();
    Ok(found.is_some_and(|event| event.sequence == noted.sequence && event.hash == noted.hash))
}
