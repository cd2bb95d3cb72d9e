//! Rule 11: whether the clock may be trusted, and what time to reckon with when it may not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{Clock, Timestamp};

/// Clocks that differ by more than this release nothing.
const TOLERANCE: time::Duration = time::Duration::minutes(10);

/// Why time cannot be trusted now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockTrouble {
    /// Wall time moved against monotonic time.
    #[error("the wall clock moved by {0} against the monotonic clock; check the clock, then restart lazaret")]
    Stepped(String),
    /// Wall time is before the highest time ever seen.
    #[error("the wall clock is {0} behind the latest time this store has seen; check the clock")]
    Behind(String),
    /// The upstream says another time.
    #[error("the wall clock differs by {0} from the upstream's; check the clock")]
    Upstream(String),
}

#[derive(Debug)]
struct Readings {
    anchor: (Timestamp, Duration),
    highest: Option<Timestamp>,
    /// The upstream's time less ours, at the last answer.
    upstream: Option<time::Duration>,
}

/// Compares wall time with monotonic time, with the highest time ever seen and with the upstream's.
#[derive(Debug)]
pub struct Timekeeper {
    clock: Arc<dyn Clock>,
    readings: Mutex<Readings>,
}

impl Timekeeper {
    /// Starts from now; `highest` is the persisted highest time.
    pub fn new(clock: Arc<dyn Clock>, highest: Option<Timestamp>) -> Self {
        let anchor = (clock.now(), clock.monotonic());
        Self { clock, readings: Mutex::new(Readings { anchor, highest, upstream: None }) }
    }

    /// Wall time as it is, for what only informs.
    pub fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time to decide with: wall time, and while that is in doubt the earliest of what the clocks say, which holds more.
    pub fn now(&self) -> Timestamp {
        let wall = self.clock.now();
        let readings = self.readings();
        let expected = expected(&readings, self.clock.monotonic());
        let mut now = wall;
        if (wall - expected).abs() > TOLERANCE {
            now = now.min(expected);
        }
        if let Some(skew) = readings.upstream
            && skew.abs() > TOLERANCE
        {
            now = now.min(wall + skew);
        }
        now
    }

    /// The latest of what the clocks say, ours being behind included: from here the age of what has no date counts, so that
    /// no wrong clock shortens a hold.
    pub fn latest(&self) -> Timestamp {
        let wall = self.clock.now();
        let readings = self.readings();
        let mut latest = wall.max(expected(&readings, self.clock.monotonic()));
        if let Some(highest) = readings.highest {
            latest = latest.max(highest);
        }
        match readings.upstream {
            Some(skew) if skew > TOLERANCE => latest.max(wall + skew),
            _ => latest,
        }
    }

    /// Notes the upstream's `Date`.
    pub fn heard(&self, date: Option<Timestamp>) {
        if let Some(date) = date {
            let skew = date - self.clock.now();
            self.readings().upstream = Some(skew);
        }
    }

    /// Whether time may release anything.
    pub fn check(&self) -> Result<(), ClockTrouble> {
        let wall = self.clock.now();
        let readings = self.readings();
        let stepped = wall - expected(&readings, self.clock.monotonic());
        if stepped.abs() > TOLERANCE {
            return Err(ClockTrouble::Stepped(words(stepped)));
        }
        if let Some(highest) = readings.highest
            && highest - wall > TOLERANCE
        {
            return Err(ClockTrouble::Behind(words(highest - wall)));
        }
        match readings.upstream {
            Some(skew) if skew.abs() > TOLERANCE => Err(ClockTrouble::Upstream(words(skew))),
            _ => Ok(()),
        }
    }

    /// The time to persist as the highest seen; `None` while the clock is in doubt, so that a wrong jump leaves no mark.
    pub fn highest_to_keep(&self) -> Option<Timestamp> {
        self.check().ok()?;
        let wall = self.clock.now();
        self.readings().highest = Some(wall);
        Some(wall)
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn expected(readings: &Readings, monotonic: Duration) -> Timestamp {
    let (wall, then) = readings.anchor;
    wall + monotonic.saturating_sub(then)
}

fn words(difference: time::Duration) -> String {
    humantime::format_duration(Duration::from_secs(difference.whole_seconds().unsigned_abs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[derive(Debug)]
    struct Hands(Mutex<(Timestamp, Duration)>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }
        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    const START: Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn keeper(highest: Option<Timestamp>) -> (Arc<Hands>, Timekeeper) {
        let hands = Arc::new(Hands(Mutex::new((START, Duration::from_secs(5)))));
        (hands.clone(), Timekeeper::new(hands, highest))
    }

    #[test]
    fn rule_11_a_clock_stepped_forward_is_not_believed() {
        let (hands, keeper) = keeper(None);
        hands.0.lock().unwrap().0 += time::Duration::weeks(1);
        assert!(matches!(keeper.check(), Err(ClockTrouble::Stepped(_))));
        assert_eq!(keeper.now(), START);
        assert_eq!(keeper.highest_to_keep(), None);
    }

    #[test]
    fn rule_11_time_that_passes_is_believed() {
        let (hands, keeper) = keeper(Some(START));
        *hands.0.lock().unwrap() = (START + time::Duration::days(3), Duration::from_secs(5 + 3 * 86_400));
        assert_eq!(keeper.check(), Ok(()));
        assert_eq!(keeper.now(), START + time::Duration::days(3));
    }

    #[test]
    fn rule_11_a_clock_behind_the_store_releases_nothing() {
        let (_, keeper) = keeper(Some(START + time::Duration::hours(1)));
        assert!(matches!(keeper.check(), Err(ClockTrouble::Behind(_))));
    }

    #[test]
    fn rule_11_a_clock_that_is_behind_does_not_make_a_file_look_older() {
        let (hands, late) = keeper(Some(START + time::Duration::days(30)));
        assert_eq!(late.latest(), START + time::Duration::days(30));
        hands.0.lock().unwrap().0 -= time::Duration::days(365);
        assert_eq!(late.latest(), START + time::Duration::days(30));
        let (_, fresh) = keeper(None);
        fresh.heard(Some(START + time::Duration::days(7)));
        assert_eq!(fresh.latest(), START + time::Duration::days(7));
    }

    #[test]
    fn rule_11_the_upstreams_clock_counts() {
        let (_, keeper) = keeper(None);
        keeper.heard(Some(START - time::Duration::days(7)));
        assert!(matches!(keeper.check(), Err(ClockTrouble::Upstream(_))));
        assert_eq!(keeper.now(), START - time::Duration::days(7));
        keeper.heard(Some(START + time::Duration::seconds(2)));
        assert_eq!(keeper.check(), Ok(()));
    }
}
