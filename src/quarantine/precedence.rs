//! Who goes first: clients that wait for something that is not ready, then errands. Both need the same few processors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// However many clients come, an errand begins after this long.
const LONGEST: Duration = Duration::from_secs(2);

/// How many clients wait.
#[derive(Debug, Clone, Default)]
pub struct Precedence(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: AtomicUsize,
    all_served: Notify,
}

/// A client that waits, until this is dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Queue>);

impl Precedence {
    /// A client begins to wait.
    pub fn client(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(self.0.clone())
    }

    /// Returns when no client waits, or after two seconds.
    pub async fn after_clients(&self) {
        let none_waits = async {
            loop {
                let served = self.0.all_served.notified();
                if self.0.waiting.load(Ordering::SeqCst) == 0 {
                    return;
                }
                served.await;
            }
        };
        // Begun late or not at all: late.
        let _in_time = tokio::time::timeout(LONGEST, none_waits).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.all_served.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_errand_begins_when_the_last_client_is_served_or_has_waited_long_enough() {
        let precedence = Precedence::default();
        assert!(precedence.after_clients().now_or_never().is_some(), "nobody waits");
        let (one, other) = (precedence.client(), precedence.client());
        let errand = tokio::spawn({
            let precedence = precedence.clone();
            async move { precedence.after_clients().await }
        });
        tokio::task::yield_now().await;
        drop(one);
        tokio::task::yield_now().await;
        assert!(!errand.is_finished());
        drop(other);
        errand.await.expect("an errand that begins");

        let begun = tokio::time::Instant::now();
        let _one_that_never_ends = precedence.client();
        precedence.after_clients().await;
        assert_eq!(begun.elapsed(), LONGEST);
    }
}
