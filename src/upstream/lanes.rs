//! Large answers are read a few at a time: an index that sends garbage for every name must not fill the memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::UpstreamError;

/// Up to so many bytes an answer is like any other.
pub(super) const SMALL: usize = 2 << 20;
/// So many larger ones at once. The largest page of PyPI has 2 MB, CPAN's packed index 3.
const LANES: usize = 3;

/// Who wants to read on beyond [`SMALL`] takes one of a few lanes.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<Semaphore>);

/// A lane, until the answer is dropped; none for a small one.
#[derive(Debug, Clone, Default)]
pub(super) struct Lane(Option<Arc<OwnedSemaphorePermit>>);

impl Default for Lanes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LANES)))
    }
}

impl Lanes {
    /// Takes a lane for an answer of this size, if it is large and has none yet.
    pub(super) async fn take(
        &self,
        lane: &mut Lane,
        size: usize,
        host: &str,
        deadline: Instant,
    ) -> Result<(), UpstreamError> {
        if size <= SMALL || lane.0.is_some() {
            return Ok(());
        }
        // Never closed, so an error is the deadline's.
        let Ok(Ok(permit)) = timeout_at(deadline, self.0.clone().acquire_owned()).await else {
            return Err(UpstreamError::Busy { host: host.into() });
        };
        lane.0 = Some(Arc::new(permit));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn small_answers_need_no_lane_and_large_ones_wait_for_one() {
        let lanes = Lanes::default();
        let take = async |size: usize| {
            let mut lane = Lane::default();
            let deadline = Instant::now() + Duration::from_secs(1);
            lanes.take(&mut lane, size, "h", deadline).await.map(|()| lane)
        };
        let mut large = Vec::new();
        for _ in 0..LANES {
            large.push(take(SMALL + 1).await.unwrap());
        }
        assert!(take(SMALL).await.is_ok());
        assert!(matches!(take(SMALL + 1).await, Err(UpstreamError::Busy { .. })));
        large.pop();
        assert!(take(SMALL + 1).await.is_ok(), "one was read to its end");
    }
}
