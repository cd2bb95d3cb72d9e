//! Group commit: whoever waits while the disk is busy shares the next flush, so fifty decisions cost one or two.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::store::StoreError;

type Outcome = Result<(), ::sled::Error>;

/// A thread that makes everything written so far durable, once for all who asked meanwhile.
pub(super) struct Flusher {
    requests: Option<mpsc::Sender<oneshot::Sender<Outcome>>>,
    thread: Option<JoinHandle<()>>,
}

/// A flush that was asked for.
#[derive(Debug)]
pub(super) struct Pending(oneshot::Receiver<Outcome>);

impl Flusher {
    /// Starts the thread; `flush` returns when all earlier writes would survive a power cut.
    /// `is_refused` is set where it fails because the disk takes nothing: then the store may be opened anew.
    pub(super) fn start(
        flush: impl FnMut() -> Outcome + Send + 'static,
        is_refused: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let (requests, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store flusher".to_owned())
            .spawn(move || serve(&inbox, flush, &is_refused))
            .map_err(|error| StoreError::Engine(Box::new(error)))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Asks for a flush of everything written before this call.
    pub(super) fn request(&self) -> Pending {
        let (answer, pending) = oneshot::channel();
        if let Some(requests) = &self.requests {
            // If the thread is gone the answer is dropped with the request, and whoever waits learns it.
            drop(requests.send(answer));
        }
        Pending(pending)
    }
}

impl Pending {
    /// Waits until it is done.
    pub(super) async fn done(self) -> Result<(), StoreError> {
        match self.0.await {
            Ok(outcome) => outcome.map_err(super::shelves::engine),
            Err(error) => Err(StoreError::Engine(Box::new(error))),
        }
    }
}

fn serve(
    inbox: &mpsc::Receiver<oneshot::Sender<Outcome>>,
    mut flush: impl FnMut() -> Outcome,
    is_refused: &AtomicBool,
) {
    let mut failed: Option<::sled::Error> = None;
    while let Ok(first) = inbox.recv() {
        let mut waiting = vec![first];
        waiting.extend(inbox.try_iter());
        // After a failed fsync the kernel may have thrown the pages away and a second one would succeed without them:
        // from then on nothing is acknowledged any more. https://wiki.postgresql.org/wiki/Fsync_Errors
        let outcome = match &failed {
            Some(error) => Err(error.clone()),
            None => flush(),
        };
        metrics::counter!("lazaret_store_flushes_total").increment(1);
        if let (Err(error), None) = (&outcome, &failed) {
            if super::shelves::engine(error.clone()).is_disk_refusing() {
                tracing::error!(%error, "the disk did not take the store's writes; no decision is accepted until it does");
                is_refused.store(true, Ordering::SeqCst);
            } else {
                tracing::error!(%error, "the disk did not take the store's writes; no decision is accepted until a restart");
            }
            failed = Some(error.clone());
        }
        for answer in waiting {
            // Whoever asked may have gone away; the flush counts all the same.
            drop(answer.send(outcome.clone()));
        }
    }
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flusher")
    }
}

impl Drop for Flusher {
    /// Waits for the thread, so that a closed store can be opened again at once.
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's flusher panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn fifty_who_wait_while_the_disk_is_busy_share_one_flush() {
        let count = Arc::new(AtomicU32::new(0));
        let (started, has_started) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let flusher = Flusher::start(
            {
                let count = Arc::clone(&count);
                move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    started.send(()).unwrap();
                    may_go.recv().unwrap();
                    Ok(())
                }
            },
            Arc::default(),
        )
        .unwrap();
        let first = flusher.request();
        has_started.recv().unwrap();
        let others: Vec<Pending> = (0..50).map(|_| flusher.request()).collect();
        go.send(()).unwrap();
        go.send(()).unwrap();
        first.done().await.unwrap();
        for pending in others {
            pending.done().await.unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn after_a_failed_flush_nothing_is_acknowledged() {
        let is_refused = Arc::<AtomicBool>::default();
        let mut failures = 1;
        let flusher = Flusher::start(
            move || {
                failures -= 1;
                if failures == 0 { Err(std::io::Error::other("disk on fire").into()) } else { Ok(()) }
            },
            is_refused.clone(),
        )
        .unwrap();
        assert!(flusher.request().done().await.is_err());
        assert!(flusher.request().done().await.is_err());
        assert!(!is_refused.load(Ordering::SeqCst), "that does not mend itself");
    }
}
