//! Keeps the policy in force the one in its file: read again when somebody asks, and when the file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex, watch};

use super::{corpora_for, policy_from, tell_policy};
use crate::domain::{Clock, Sha256};
use crate::quarantine::Quarantine;

/// How often the file is looked at. It is read when two looks in a row saw the same change: whoever writes it may not be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// More of a file than any policy has is not read to see whether it changed.
const LONGEST: u64 = 2 << 20;

/// What a look sees of a file without reading it.
type Glance = Option<(SystemTime, u64)>;

/// Reads the policy file again.
#[derive(Debug)]
pub(super) struct PolicyKeeper {
    file: Option<PathBuf>,
    data_dir: PathBuf,
    clock: Arc<dyn Clock>,
    quarantine: Arc<Quarantine>,
    /// One at a time; the contents that were read last, good or bad.
    last_read: Mutex<Option<Sha256>>,
}

impl PolicyKeeper {
    /// Of this file; `None` is the built-in policy, which does not change.
    pub(super) fn new(
        file: Option<PathBuf>,
        data_dir: PathBuf,
        clock: Arc<dyn Clock>,
        quarantine: Arc<Quarantine>,
    ) -> Self {
        let last_read = Mutex::new(file.as_deref().and_then(digest_of));
        Self { file, data_dir, clock, quarantine, last_read }
    }

    /// Reads the policy file, the refreshed lists of names and their weights again. If one has an error, all stays as it was,
    /// and `readyz` and the metrics say so until it is mended.
    pub(super) async fn reload(&self) -> anyhow::Result<()> {
        let mut last_read = self.last_read.lock().await;
        *last_read = self.file.as_deref().and_then(digest_of);
        self.read_again().await
    }

    async fn read_again(&self) -> anyhow::Result<()> {
        let loaded = self.load().await;
        self.quarantine.note_policy_trouble(loaded.as_ref().err().map(|error| format!("{error:#}")));
        loaded
    }

    async fn load(&self) -> anyhow::Result<()> {
        let policy = policy_from(self.file.as_deref())?;
        let store = &self.quarantine.store;
        let corpora = corpora_for(&self.data_dir, self.file.as_deref(), &policy, &**store, self.clock.now()).await?;
        tell_policy(store, &policy, &*self.clock).await?;
        tracing::info!(digest = %policy.digest, source = policy.source, "policy loaded");
        self.quarantine.set_policy(policy, corpora);
        self.quarantine.judge_waiting().await?;
        Ok(())
    }

    /// Looks at the file until the house closes. A file that cannot be read counts as changed too: gone is not unchanged.
    pub(super) async fn watch(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        let Some(file) = &self.file else { return };
        let mut settled = glance(file);
        let mut before = settled;
        while tokio::time::timeout(LOOK_EVERY, closing.wait_for(|closing| *closing)).await.is_err() {
            let now = glance(file);
            if now == before && now != settled {
                settled = now;
                let mut last_read = self.last_read.lock().await;
                let contents = digest_of(file);
                // Touched, or read meanwhile by whoever asked for it.
                if contents.is_some() && contents == *last_read {
                    continue;
                }
                *last_read = contents;
                if let Err(error) = self.read_again().await {
                    tracing::error!("the policy file has changed, and the policy in force stays: {error:#}");
                }
            }
            before = now;
        }
    }
}

fn glance(file: &Path) -> Glance {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn digest_of(file: &Path) -> Option<Sha256> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(file).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(Sha256::of(&bytes))
}
