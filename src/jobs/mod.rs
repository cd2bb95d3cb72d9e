//! Work in the background: leased from the store, so that it survives a restart and is done once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::{Project, Timestamp};
use crate::quarantine::{Quarantine, QuarantineError, advice, cellar, downloads, errands, heads, pypi};
use crate::store::Job;

mod collect_garbage;
mod collect_records;
mod fetch_file;
mod forget_downloads;
mod hash_file;
mod judge_again;
mod read_requirements;
mod refresh_advisories;
mod release_held;
mod reread_page;
mod sign_head;

/// How often the driver looks for work.
const TICK: Duration = Duration::from_secs(1);
/// A job whose worker is silent for so long is given to another.
const LEASE: Duration = Duration::from_mins(5);
/// A job that takes longer is broken off.
const LONGEST_JOB: Duration = Duration::from_secs(4 * 60 + 45);
/// After so long at jobs, ended holds are looked at again.
const LONGEST_ROUND: time::Duration = time::Duration::seconds(10);
/// So many jobs at once.
const ABREAST: usize = 4;
/// So many due files are looked at in one tick.
const DUE: usize = 500;
/// A project whose release did not come about is tried again after this.
const RELEASE_PAUSE: time::Duration = time::Duration::seconds(30);
/// A job that fails this often is given up until something asks for it again.
const MOST_ATTEMPTS: u32 = 12;

/// Runs jobs until the house closes.
#[derive(Debug)]
pub struct Driver {
    quarantine: Arc<Quarantine>,
    /// Projects whose release was tried, and when it may be tried again.
    paused: moka::sync::Cache<Project, Timestamp>,
}

impl Driver {
    /// A driver for this quarantine.
    pub fn new(quarantine: Arc<Quarantine>) -> Self {
        Self { quarantine, paused: moka::sync::Cache::new(10_000) }
    }

    /// Looks for work every second until `closing` turns true.
    pub async fn run(&self, mut closing: watch::Receiver<bool>) {
        let mut ticks: u32 = 0;
        loop {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = tokio::time::sleep(TICK) => {}
            }
            if let Err(error) = self.quarantine.write_downloads().await
                && !error.is_disk_refusing()
            {
                tracing::error!(%error, "the downloads could not be written down");
            }
            if let Err(error) = self.quarantine.write_refusals().await {
                tracing::error!(%error, "the report of refusals could not be written down");
            }
            // What is broken off here comes back when its lease ends: nobody waits for it at the end.
            let worked = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                worked = self.run_due() => worked,
            };
            // That the disk is full was told when it was found, and not once a second.
            if let Err(error) = worked
                && !error.is_disk_refusing()
            {
                tracing::error!(%error, "background work failed");
            }
            if ticks.is_multiple_of(60) {
                if let Err(error) = self.quarantine.keep_time().await {
                    tracing::error!(%error, "the time could not be kept");
                }
                if let Err(error) = self.quarantine.measure_queue().await {
                    tracing::error!(%error, "the queue could not be measured");
                }
            }
            ticks = ticks.wrapping_add(1);
        }
    }

    /// Asks the indexes of everything whose turn it is, until `closing` turns true.
    pub async fn poll(&self, mut closing: watch::Receiver<bool>) {
        loop {
            let polled = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                polled = async {
                    // Side by side: one that hangs does not keep the other.
                    let (cpan, teapot) = tokio::join!(self.quarantine.poll_cpan(), self.quarantine.poll_teapot());
                    cpan.and(teapot)
                } => polled,
            };
            if let Err(error) = polled {
                tracing::error!(%error, "an index of everything could not be polled");
            }
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Takes stock of the cellar, and keeps it within its limit until `closing` turns true.
    pub async fn keep_house(&self, mut closing: watch::Receiver<bool>) {
        loop {
            let kept = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                kept = self.tidy_cellar() => kept,
            };
            if let Err(error) = kept {
                tracing::error!(%error, "the cellar could not be kept within its limit");
            }
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Takes stock of the cellar if nobody has, and throws away what is too much.
    pub async fn tidy_cellar(&self) -> Result<(), QuarantineError> {
        // For the metric; the writers ask for themselves.
        let _ = self.quarantine.check_room().await;
        self.quarantine.walk_cellar().await?;
        self.quarantine.keep_within_cap().await.map(drop)
    }

    /// Does everything that is due now, once.
    pub async fn run_due(&self) -> Result<(), QuarantineError> {
        self.quarantine.mind_the_hour();
        self.quarantine.mind_the_glass().await?;
        self.quarantine.keep_freeze().await?;
        self.quarantine.put_away().await;
        let now = self.quarantine.timekeeper.wall();
        for project in self.quarantine.due_projects(DUE).await? {
            if self.paused.get(&project).is_some_and(|until| now < until) {
                continue;
            }
            self.paused.insert(project.clone(), now + RELEASE_PAUSE);
            release_held::run(&self.quarantine, &project).await;
        }
        loop {
            let jobs = self.quarantine.jobs().lease(now, LEASE, ABREAST).await?;
            if jobs.is_empty() {
                return Ok(());
            }
            let work = jobs.into_iter().map(|job| self.work(job, now));
            for outcome in futures_util::future::join_all(work).await {
                outcome?;
            }
            if self.quarantine.timekeeper.wall() - now > LONGEST_ROUND {
                // Holds that ended meanwhile come before what else there is to do.
                return Ok(());
            }
        }
    }

    async fn work(&self, job: Job, now: Timestamp) -> Result<(), QuarantineError> {
        self.quarantine.precedence.after_clients().await;
        // In a task of its own: one job that panics must not end all background work. Given up before its lease ends, so that
        // it never runs twice at once.
        let doing = tokio::spawn(tokio::time::timeout(LONGEST_JOB, work(self.quarantine.clone(), job.clone())));
        let outcome = match doing.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(QuarantineError::Fetch("the job took too long".into())),
            Err(panic) => Err(QuarantineError::Fetch(panic.to_string())),
        };
        metrics::counter!("lazaret_jobs_total", "kind" => job.kind.clone(), "outcome" => if outcome.is_ok() { "done" } else { "failed" })
            .increment(1);
        let jobs = self.quarantine.jobs();
        match outcome {
            Ok(Next::Done) => jobs.finish(&job.key).await?,
            Ok(Next::Again(at)) => jobs.retry(&job.key, at).await?,
            Err(error) if job.attempts >= MOST_ATTEMPTS => {
                tracing::warn!(key = job.key, %error, "given up");
                jobs.finish(&job.key).await?;
            }
            Err(error) => {
                let pause = time::Duration::seconds(15) * 2_i32.pow(job.attempts.min(8));
                tracing::info!(key = job.key, %error, "tried again later");
                jobs.retry(&job.key, now + pause).await?;
            }
        }
        Ok(())
    }
}

async fn work(quarantine: Arc<Quarantine>, job: Job) -> Result<Next, QuarantineError> {
    match job.kind.as_str() {
        errands::REREAD => reread_page::run(&quarantine, &job.subject).await,
        errands::HASH => hash_file::run(&quarantine, &job.subject).await,
        errands::FETCH => fetch_file::run(&quarantine, &job.subject).await,
        pypi::COLLECT => collect_records::run(&quarantine, &job.subject).await,
        advice::JUDGE => judge_again::run(&quarantine, &job.subject).await,
        advice::REFRESH => refresh_advisories::run(&quarantine).await,
        heads::SIGN_HEAD => sign_head::run(&quarantine).await,
        downloads::FORGET => forget_downloads::run(&quarantine).await,
        cellar::COLLECT_GARBAGE => collect_garbage::run(&quarantine).await,
        errands::REQUIREMENTS => read_requirements::run(&quarantine, &job.subject).await,
        unknown => {
            tracing::warn!(kind = unknown, "a job of a kind that this lazaret does not know is dropped");
            Ok(Next::Done)
        }
    }
}

/// What becomes of a job that went well.
enum Next {
    Done,
    Again(Timestamp),
}
