//! Time comes in as a value, so that a hold of a week can be tested in a millisecond.

use std::fmt;
use std::time::Duration;

use super::Timestamp;

/// Two clocks: wall time, which an administrator or an attacker can move, and monotonic time, which only runs.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, UTC.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment of this process.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// Starts counting monotonic time now.
    #[expect(clippy::disallowed_methods, reason = "this is the one room that reads the clock")]
    pub fn new() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one room that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now_utc()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
