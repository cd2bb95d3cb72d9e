//! So much a minute for each: what is over it has to wait, and says for how long.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// A bucket for each key: full at the start, and filled again within a minute.
pub struct Meter<K: Clone + Eq + Hash> {
    buckets: RateLimiter<K, HashMapStateStore<K>, DefaultClock>,
    clock: DefaultClock,
}

impl<K: Clone + Eq + Hash> Meter<K> {
    /// So many a minute, all of them at once if need be; at least one.
    pub fn per_minute(many: u32) -> Self {
        let many = NonZeroU32::new(many).unwrap_or(NonZeroU32::MIN);
        Self { buckets: RateLimiter::hashmap(Quota::per_minute(many)), clock: DefaultClock::default() }
    }

    /// Takes one; else says how long until there is one.
    pub fn spend(&self, key: &K) -> Result<(), Duration> {
        self.buckets.check_key(key).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// Drops the full buckets: who is not heard of for a minute needs no memory.
    pub fn forget_the_idle(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }

    /// How many buckets there are.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Meter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("buckets", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_much_a_minute_and_is_told_how_long_to_wait() {
        let meter = Meter::per_minute(2);
        assert_eq!((meter.spend(&"a"), meter.spend(&"a")), (Ok(()), Ok(())));
        let wait = meter.spend(&"a").unwrap_err();
        assert!(wait > Duration::from_secs(25) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(meter.spend(&"b"), Ok(()), "others have their own");
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let meter = Meter::per_minute(60_000);
        for key in 0..100 {
            assert_eq!(meter.spend(&key), Ok(()));
        }
        assert_eq!(meter.len(), 100);
        std::thread::sleep(Duration::from_millis(20));
        meter.forget_the_idle();
        assert!(meter.is_empty());
    }
}
