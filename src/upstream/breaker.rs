//! A circuit breaker per host: who failed five times in a row is left alone for a while, and then tried by one request alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES_TO_OPEN: u32 = 5;
/// How long it stays open at first; doubled whenever the probe fails.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest it stays open without a probe.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What everybody else is told while a probe is on its way.
const WHILE_PROBING: Duration = Duration::from_secs(1);
/// How long a host is left alone that asks us to slow down and does not say for how long.
const UNSAID_PAUSE: Duration = Duration::from_secs(5);
/// A host that asks for more is asked again all the same: it must not be able to switch us off for a day.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// How one host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Well.
    Closed,
    /// Down; not asked.
    Open {
        /// Until it may be probed.
        retry_in: Duration,
    },
    /// Down; one request is on its way to see.
    HalfOpen,
}

impl BreakerState {
    /// Its number in metrics: the higher, the worse.
    const fn as_gauge(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open { .. } => 2.0,
        }
    }

    /// The word used in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// One host's breaker.
#[derive(Debug, Clone, Copy)]
enum Breaker {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    Probing { wait: Duration },
}

/// All hosts' breakers. Hosts come from configuration, so their number is bounded by it.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    hosts: Mutex<BTreeMap<Box<str>, Breaker>>,
}

/// Leave to ask a host once. Dropped without a verdict it counts for nothing, and a probe's place is free again.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breakers: &'a Breakers,
    host: Box<str>,
    probe: bool,
    settled: bool,
}

impl Breakers {
    /// Leave to ask this host, or how long to wait.
    pub(super) fn admit(&self, host: &str) -> Result<Permit<'_>, Duration> {
        let mut hosts = self.lock();
        let permit = |probe| Permit { breakers: self, host: host.into(), probe, settled: false };
        match hosts.get_mut(host) {
            None => {
                let closed = Breaker::Closed { failures: 0 };
                closed.show(host);
                hosts.insert(host.into(), closed);
                Ok(permit(false))
            }
            Some(Breaker::Closed { .. }) => Ok(permit(false)),
            Some(Breaker::Probing { .. }) => Err(WHILE_PROBING),
            Some(breaker @ Breaker::Open { .. }) => {
                let Breaker::Open { until, wait } = *breaker else { return Err(WHILE_PROBING) };
                let retry_in = until.saturating_duration_since(Instant::now());
                if !retry_in.is_zero() {
                    return Err(retry_in);
                }
                *breaker = Breaker::Probing { wait };
                breaker.show(host);
                Ok(permit(true))
            }
        }
    }

    /// Every host asked so far.
    pub(super) fn states(&self) -> Vec<(String, BreakerState)> {
        self.lock().iter().map(|(host, breaker)| (host.to_string(), breaker.state())).collect()
    }

    /// A panic elsewhere leaves at worst a wrong count.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Breaker>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The host answered sensibly.
    pub(super) fn succeeded(self) {
        self.settle(|_| Breaker::Closed { failures: 0 });
    }

    /// The host failed.
    pub(super) fn failed(self) {
        self.settle(|breaker| match breaker {
            Breaker::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => {
                Breaker::Closed { failures: failures + 1 }
            }
            Breaker::Closed { .. } => Breaker::open(FIRST_WAIT),
            Breaker::Probing { wait } => Breaker::open((wait * 2).min(LONGEST_WAIT)),
            open @ Breaker::Open { .. } => open,
        });
    }

    /// The host asked us to slow down: it is left alone for as long as it said, and then tried by one request.
    pub(super) fn asked_to_pause(self, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(UNSAID_PAUSE).clamp(WHILE_PROBING, LONGEST_PAUSE);
        self.settle(|_| Breaker::Open { until: Instant::now() + pause, wait: FIRST_WAIT });
    }

    fn settle(mut self, next: impl FnOnce(Breaker) -> Breaker) {
        self.settled = true;
        if let Some(breaker) = self.breakers.lock().get_mut(&self.host) {
            // A request that left before the breaker opened says nothing about the host as it is now.
            if self.probe || matches!(breaker, Breaker::Closed { .. }) {
                *breaker = next(*breaker);
                breaker.show(&self.host);
            }
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.settled || !self.probe {
            return;
        }
        if let Some(breaker) = self.breakers.lock().get_mut(&self.host)
            && let Breaker::Probing { wait } = *breaker
        {
            *breaker = Breaker::Open { until: Instant::now(), wait };
            breaker.show(&self.host);
        }
    }
}

impl Breaker {
    fn open(wait: Duration) -> Self {
        Self::Open { until: Instant::now() + wait, wait }
    }

    fn state(&self) -> BreakerState {
        match self {
            Self::Closed { .. } => BreakerState::Closed,
            Self::Open { until, .. } => {
                BreakerState::Open { retry_in: until.saturating_duration_since(Instant::now()) }
            }
            Self::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    /// For monitors: an index that is down must be seen before somebody asks why nothing new comes.
    fn show(&self, host: &str) {
        metrics::gauge!("lazaret_upstream_breaker", "host" => host.to_owned()).set(self.state().as_gauge());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HOST: &str = "index.example.test";

    fn fail(breakers: &Breakers, times: u32) {
        for _ in 0..times {
            breakers.admit(HOST).unwrap().failed();
        }
    }

    fn state(breakers: &Breakers) -> BreakerState {
        breakers.states()[0].1
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_a_success_starts_over() {
        let breakers = Breakers::default();
        fail(&breakers, 4);
        breakers.admit(HOST).unwrap().succeeded();
        fail(&breakers, 4);
        drop(breakers.admit(HOST).unwrap());
        assert_eq!(state(&breakers), BreakerState::Closed);
        fail(&breakers, 1);
        assert_eq!(breakers.admit(HOST).unwrap_err(), FIRST_WAIT);
        assert!(breakers.admit("other.example.test").is_ok(), "each host for itself");
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_goes_and_its_failures_make_the_wait_grow_to_a_minute() {
        let breakers = Breakers::default();
        fail(&breakers, 5);
        for wait in [10, 20, 40, 60, 60] {
            let wait = Duration::from_secs(wait);
            assert_eq!(state(&breakers), BreakerState::Open { retry_in: wait });
            advance(wait).await;
            let probe = breakers.admit(HOST).unwrap();
            assert_eq!(state(&breakers), BreakerState::HalfOpen);
            assert_eq!(breakers.admit(HOST).unwrap_err(), WHILE_PROBING, "only one probe at a time");
            probe.failed();
        }
        advance(LONGEST_WAIT).await;
        breakers.admit(HOST).unwrap().succeeded();
        assert_eq!(state(&breakers), BreakerState::Closed);
        fail(&breakers, 4);
        assert_eq!(state(&breakers), BreakerState::Closed, "the count started over");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_us_to_slow_down_is_left_alone_for_so_long_and_not_for_ever() {
        for (said, pause) in [(Some(7), 7), (None, 5), (Some(0), 1), (Some(86_400), 600)] {
            let breakers = Breakers::default();
            breakers.admit(HOST).unwrap().asked_to_pause(said.map(Duration::from_secs));
            assert_eq!(breakers.admit(HOST).unwrap_err(), Duration::from_secs(pause), "{said:?}");
            advance(Duration::from_secs(pause)).await;
            breakers.admit(HOST).unwrap().succeeded();
            assert_eq!(state(&breakers), BreakerState::Closed, "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_probe_makes_room_and_a_straggler_changes_nothing() {
        let breakers = Breakers::default();
        let straggler = breakers.admit(HOST).unwrap();
        fail(&breakers, 5);
        straggler.succeeded();
        assert_eq!(state(&breakers), BreakerState::Open { retry_in: FIRST_WAIT });
        advance(FIRST_WAIT).await;
        drop(breakers.admit(HOST).unwrap());
        breakers.admit(HOST).unwrap().succeeded();
        assert_eq!(state(&breakers), BreakerState::Closed);
    }
}
