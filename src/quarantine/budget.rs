//! Rule 5: what nobody has asked for yet is fetched ahead within an hourly budget only.

use std::sync::{Mutex, PoisonError};

use crate::domain::Timestamp;

/// Bytes an hour.
const AN_HOUR: u64 = 4 << 30;
/// What a file counts whose size the index does not say.
const UNKNOWN: u64 = 8 << 20;

/// What was spent in the present hour.
#[derive(Debug, Default)]
pub(super) struct Budget {
    spent: Mutex<(i64, u64)>,
}

impl Budget {
    /// Whether a file of this size may be fetched ahead now; if so, it is spent.
    pub(super) fn spend(&self, size: Option<u64>, now: Timestamp) -> bool {
        let hour = now.unix_timestamp().div_euclid(3_600);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0 != hour {
            *spent = (hour, 0);
        }
        let after = spent.1.saturating_add(size.unwrap_or(UNKNOWN));
        // The first of an hour may be any size, or it would never come.
        let may = after <= AN_HOUR || spent.1 == 0;
        if may {
            spent.1 = after;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn rule_05_what_is_fetched_ahead_has_an_hourly_budget() {
        let budget = Budget::default();
        let noon = datetime!(2026-11-22 12:00 UTC);
        assert!(budget.spend(Some(3 << 30), noon));
        assert!(!budget.spend(Some(2 << 30), noon));
        assert!(budget.spend(None, noon));
        assert!(
            budget.spend(Some(9 << 30), noon + time::Duration::HOUR),
            "one that is larger than the budget comes alone"
        );
        assert!(!budget.spend(Some(1), noon + time::Duration::HOUR));
    }
}
