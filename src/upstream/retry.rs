//! When to ask again: twice at most, after a short pause of random length, and only while there is time for it.

use std::time::Duration;

use tokio::time::Instant;

use super::UpstreamError;

/// Questions in all.
const MOST_ATTEMPTS: u32 = 3;
/// The longest pause after the first failure; doubled after each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The attempts at one question.
#[derive(Debug)]
pub(super) struct Attempts {
    made: u32,
    deadline: Instant,
}

impl Attempts {
    /// None made so far; none is started after the deadline.
    pub(super) fn until(deadline: Instant) -> Self {
        Self { made: 0, deadline }
    }

    /// How long to pause before the next attempt after this failure, if another one makes sense.
    pub(super) fn pause_after(&mut self, error: &UpstreamError) -> Option<Duration> {
        self.made += 1;
        if self.made >= MOST_ATTEMPTS || !error.is_worth_a_retry() {
            return None;
        }
        let pause = pause(self.made, rand::random());
        (Instant::now() + pause < self.deadline).then_some(pause)
    }
}

/// "Full jitter": anything between nothing and the bound, so that many who failed together do not return together.
fn pause(failures: u32, fraction: f64) -> Duration {
    (FIRST_PAUSE * 2u32.saturating_pow(failures.saturating_sub(1))).mul_f64(fraction.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> UpstreamError {
        UpstreamError::Status { host: "index.example.test".into(), status }
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_failure_is_tried_three_times_in_all() {
        let mut attempts = Attempts::until(Instant::now() + Duration::from_secs(10));
        assert!(attempts.pause_after(&status(503)).is_some_and(|pause| pause <= FIRST_PAUSE));
        assert!(attempts.pause_after(&status(503)).is_some_and(|pause| pause <= FIRST_PAUSE * 2));
        assert_eq!(attempts.pause_after(&status(503)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_change_is_not_asked_again() {
        let far = Instant::now() + Duration::from_secs(10);
        let throttled = UpstreamError::Throttled { host: "h".into(), retry_after: None };
        let open = UpstreamError::BreakerOpen { host: "h".into(), retry_in: Duration::from_secs(1) };
        for error in [status(404), status(501), throttled, open] {
            assert_eq!(Attempts::until(far).pause_after(&error), None, "{error}");
        }
        assert_eq!(Attempts::until(Instant::now()).pause_after(&status(503)), None, "no time left");
    }

    #[test]
    fn pauses_double_and_spread() {
        assert_eq!(pause(1, 0.0), Duration::ZERO);
        assert_eq!(pause(1, 1.0), FIRST_PAUSE);
        assert_eq!(pause(2, 1.0), FIRST_PAUSE * 2);
        assert_eq!(pause(2, 0.5), FIRST_PAUSE);
    }
}
