//! Many ask for the same thing, one goes and gets it, all have it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tracing::Instrument as _;

/// The work ended without a result: it panicked, or the program is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared request was lost: try again")]
pub struct FlightLost;

type Flight<V> = Shared<BoxFuture<'static, Result<V, FlightLost>>>;
type Flights<K, V> = Arc<Mutex<HashMap<K, Flight<V>>>>;

/// Work under way, by key. The work runs in a task of its own, so a caller that goes away does not end it for the others.
pub struct SingleFlight<K, V> {
    flights: Flights<K, V>,
}

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing under way.
    pub fn new() -> Self {
        Self { flights: Arc::default() }
    }

    /// The result of the work under way for `key`; where there is none, `make_future` is started. A result is not remembered: who
    /// asks after the end starts anew.
    pub async fn run<F>(&self, key: K, make_future: impl FnOnce() -> F + Send + 'static) -> Result<V, FlightLost>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let flight = {
            let mut flights = lock(&self.flights);
            // Started under the lock, so the task cannot clear a key that is not there yet.
            flights.entry(key.clone()).or_insert_with(|| start(key, Arc::clone(&self.flights), make_future)).clone()
        };
        flight.await
    }
}

impl<K, V> Default for SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self { flights: Arc::clone(&self.flights) }
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").field("under_way", &lock(&self.flights).len()).finish()
    }
}

fn start<K, V, F>(key: K, flights: Flights<K, V>, make_future: impl FnOnce() -> F + Send + 'static) -> Flight<V>
where
    K: Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    F: Future<Output = V> + Send + 'static,
{
    let landing = Landing { key, flights };
    let work = async move {
        // Dropped at the end, at a panic and when the runtime shuts down: the key never stays.
        let _landing = landing;
        make_future().await
    };
    tokio::spawn(work.in_current_span()).map(|ended| ended.map_err(|_| FlightLost)).boxed().shared()
}

/// Clears the key when the work is over, however it ended.
struct Landing<K: Eq + Hash, V> {
    key: K,
    flights: Flights<K, V>,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let removed = lock(&self.flights).remove(&self.key);
        // Outside the lock: dropping the result may run code of the caller's.
        drop(removed);
    }
}

/// The map is whole between any two statements under this lock, panic or not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;

    async fn slow(runs: Arc<AtomicUsize>) -> usize {
        tokio::time::sleep(Duration::from_millis(50)).await;
        runs.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn fetch(
        flights: &SingleFlight<&'static str, usize>,
        runs: &Arc<AtomicUsize>,
    ) -> impl Future<Output = Result<usize, FlightLost>> + Send + use<> {
        let (flights, runs) = (flights.clone(), Arc::clone(runs));
        async move { flights.run("page", move || slow(runs)).await }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sixty_four_callers_cause_one_run() {
        let (flights, runs) = (SingleFlight::new(), Arc::default());
        let results = join_all((0..64).map(|_| tokio::spawn(fetch(&flights, &runs)))).await;
        assert!(results.into_iter().all(|result| result.unwrap() == Ok(1)));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!(fetch(&flights, &runs).await, Ok(2), "a result is not remembered");
        assert!(lock(&flights.flights).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_caller_leaves_and_the_others_get_the_result() {
        let (flights, runs) = (SingleFlight::new(), Arc::default());
        let first = tokio::spawn(fetch(&flights, &runs));
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..63).map(|_| tokio::spawn(fetch(&flights, &runs))).collect();
        tokio::task::yield_now().await;
        first.abort();
        assert!(join_all(others).await.into_iter().all(|result| result.unwrap() == Ok(1)));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_leaves_and_the_work_still_ends_and_clears_its_key() {
        let (flights, runs) = (SingleFlight::new(), Arc::default());
        let only = tokio::spawn(fetch(&flights, &runs));
        tokio::task::yield_now().await;
        only.abort();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(lock(&flights.flights).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_an_error_for_all_and_the_next_try_is_free() {
        let flights: SingleFlight<&str, u8> = SingleFlight::new();
        let doomed = || flights.run("page", || async { panic!("on purpose") });
        assert_eq!(join_all([doomed(), doomed(), doomed()]).await, [Err(FlightLost); 3]);
        let doomed = flights.run("page", || -> std::future::Ready<u8> { panic!("before the future exists") });
        assert_eq!(doomed.await, Err(FlightLost));
        assert_eq!(flights.run("page", || async { 7 }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn other_keys_fly_alone() {
        let flights: SingleFlight<u8, u8> = SingleFlight::new();
        let results = join_all((0..8).map(|key| flights.run(key, move || async move { key }))).await;
        assert_eq!(results, (0..8).map(Ok).collect::<Vec<_>>());
    }
}
