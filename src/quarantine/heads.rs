//! Signed heads of the ledger: whoever keeps one elsewhere sees whether the ledger was cut off or written anew since.

use std::sync::Arc;

use super::{Quarantine, QuarantineError};
use crate::domain::Timestamp;
use crate::seal::{PublicKey, SealError, SignedHead};
use crate::store::{Change, Job};

/// The kind of job that signs a head.
pub const SIGN_HEAD: &str = "sign-head";
/// How often.
const PAUSE: time::Duration = time::Duration::hours(1);

impl Quarantine {
    /// Signs the present end of the ledger.
    pub async fn sign_head(&self) -> Result<SignedHead, QuarantineError> {
        let head = self.store.head().await?;
        // Nothing may be vouched for that a power cut could still take: an empty change waits for everything before it.
        self.store.commit(Change::default()).await?;
        let instance = self.store.id().await?;
        Ok(SignedHead::new(&self.seal.key, head, self.timekeeper.wall(), instance)?)
    }

    /// Signs the present end of the ledger, and writes it down.
    pub async fn note_head(&self) -> Result<SignedHead, QuarantineError> {
        let signed = self.sign_head().await?;
        let (heads, written) = (self.seal.heads.clone(), signed.clone());
        let done = tokio::task::spawn_blocking(move || heads.append(&written)).await;
        done.map_err(|panic| QuarantineError::Fetch(panic.to_string()))??;
        tracing::info!(head = %signed.head, "the head of the ledger was signed");
        Ok(signed)
    }

    /// The heads that were written down last, oldest first.
    pub async fn heads(&self, limit: usize) -> Result<Vec<SignedHead>, QuarantineError> {
        let heads = self.seal.heads.clone();
        let read = tokio::task::spawn_blocking(move || heads.last(limit)).await;
        Ok(read.map_err(|panic| QuarantineError::Fetch(panic.to_string()))??)
    }

    /// By whose signature heads are known.
    pub fn public_key(&self) -> PublicKey {
        self.seal.key.public()
    }

    /// Leaves the errand of signing a head, now.
    pub async fn leave_signing(&self) -> Result<(), QuarantineError> {
        let job = Job {
            key: SIGN_HEAD.to_owned(),
            kind: SIGN_HEAD.to_owned(),
            subject: String::new(),
            run_at: self.timekeeper.wall(),
            attempts: 0,
        };
        Ok(self.store.enqueue(job).await?)
    }

    /// When the next head is to be signed.
    pub fn next_signing(&self) -> Timestamp {
        self.timekeeper.wall() + PAUSE
    }
}

impl From<SealError> for QuarantineError {
    fn from(error: SealError) -> Self {
        Self::Seal(Arc::new(error))
    }
}
