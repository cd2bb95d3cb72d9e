//! A clock that only moves when a test moves it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lazaret::domain::{Clock, Timestamp};
use time::macros::datetime;

/// When every story begins.
pub(crate) const START: Timestamp = datetime!(2026-11-22 12:00 UTC);

/// One day; holds are counted in them.
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// One hour.
pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// One minute: a page's normal time.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// Monotonic time does not start at zero.
const ALREADY_RUNNING: Duration = Duration::from_secs(1_000);

/// Wall time and monotonic time, both still until moved.
#[derive(Debug)]
pub(crate) struct HandClock {
    hands: Mutex<Hands>,
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    start: Timestamp,
    wall: Timestamp,
    monotonic: Duration,
}

impl HandClock {
    /// A clock that shows [`START`].
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { hands: Mutex::new(Hands { start: START, wall: START, monotonic: ALREADY_RUNNING }) })
    }

    /// A clock that shows this machine's time and stands still, for programs that go by the machine's clock.
    pub(crate) fn of_this_machine() -> Arc<Self> {
        let clock = Self::new();
        let now = lazaret::domain::SystemClock::new().now();
        clock.hands().wall = now;
        clock.hands().start = now;
        clock
    }

    /// Time passes, for both clocks.
    pub(crate) fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.wall += by;
        hands.monotonic += by;
    }

    /// Somebody sets the wall clock; no time passes.
    pub(crate) fn step_wall(&self, by: Duration) {
        self.hands().wall += by;
    }

    /// Somebody sets the wall clock back; no time passes.
    pub(crate) fn step_wall_back(&self, by: Duration) {
        self.hands().wall -= by;
    }

    /// What a right clock elsewhere shows, whatever was done to the wall clock.
    pub(crate) fn true_time(&self) -> Timestamp {
        let hands = self.hands();
        hands.start + hands.monotonic.saturating_sub(ALREADY_RUNNING)
    }

    fn hands(&self) -> std::sync::MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.hands().wall
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }
}
