//! The queue in numbers, for those who watch it: how many wait, for whom, and how long the first of them has.

use super::{Quarantine, QuarantineError};
use crate::domain::{Outcome, State, Timestamp, Upload};
use crate::store::UploadQuery;

/// So many rows are looked at in one go.
const AT_ONCE: usize = 500;

/// Those who wait for the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: u32,
    /// When the first of them was seen.
    pub since: Option<Timestamp>,
}

/// What is held.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// What a person must decide, or may decide sooner than time.
    pub person: Waiting,
    /// What is only new.
    pub time: Waiting,
}

impl Waiting {
    fn add(&mut self, upload: &Upload) {
        self.count = self.count.saturating_add(1);
        self.since = Some(self.since.map_or(upload.first_seen, |since| since.min(upload.first_seen)));
    }

    fn tell(&self, waits_for: &'static str, now: Timestamp) {
        let age = self.since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
        metrics::gauge!("lazaret_queue", "waits_for" => waits_for).set(f64::from(self.count));
        metrics::gauge!("lazaret_queue_oldest_seconds", "waits_for" => waits_for).set(age);
    }
}

impl Quarantine {
    /// Counts what is held, for the metrics: it reads all of that and nothing else.
    pub async fn measure_queue(&self) -> Result<Queue, QuarantineError> {
        let mut queue = Queue::default();
        let mut query = UploadQuery { state: Some(State::Held), limit: AT_ONCE, ..UploadQuery::default() };
        loop {
            let held = self.store.list(&query).await?;
            for upload in &held {
                let waiting =
                    if upload.verdict.outcome >= Outcome::Review { &mut queue.person } else { &mut queue.time };
                waiting.add(upload);
            }
            match held.last() {
                Some(last) if held.len() == AT_ONCE => query.cursor = Some(last.id.clone()),
                _ => break,
            }
            tokio::task::yield_now().await;
        }
        let now = self.timekeeper.wall();
        queue.person.tell("person", now);
        queue.time.tell("time", now);
        Ok(queue)
    }
}

/// Notes how long these waited, from the moment they were first seen, until `by` decided.
pub(super) fn note_decisions(by: &'static str, uploads: &[Upload], now: Timestamp) {
    for upload in uploads {
        let waited = (now - upload.first_seen).as_seconds_f64().max(0.0);
        metrics::histogram!("lazaret_decision_seconds", "by" => by).record(waited);
    }
}
