//! Tokens that were seen lately: a client sends its token with each request, and a hot answer asks no store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Quarantine, QuarantineError};
use crate::domain::Sha256;
use crate::store::Token;

/// More tokens than this are looked up in the store again.
const REMEMBERED: u64 = 10_000;

/// By their hashes. Only tokens that exist are remembered, so guesses push nobody out.
#[derive(Debug)]
pub(super) struct KnownTokens {
    by_digest: moka::sync::Cache<Sha256, Arc<Token>>,
    /// Rises with every change.
    changes: AtomicU64,
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self { by_digest: moka::sync::Cache::new(REMEMBERED), changes: AtomicU64::new(0) }
    }
}

impl KnownTokens {
    /// The token changed, and the change is in the store.
    pub(super) fn forget(&self, digest: &Sha256) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.by_digest.invalidate(digest);
    }
}

impl Quarantine {
    /// The token with this hash, whatever became of it.
    pub async fn token(&self, digest: &Sha256) -> Result<Option<Arc<Token>>, QuarantineError> {
        let known = &self.known_tokens;
        if let Some(token) = known.by_digest.get(digest) {
            return Ok(Some(token));
        }
        let before = known.changes.load(Ordering::SeqCst);
        let token = self.store.token(digest).await?.map(Arc::new);
        if let Some(token) = &token {
            known.by_digest.insert(*digest, token.clone());
            // It may have been read before a revocation and put in after it.
            if known.changes.load(Ordering::SeqCst) != before {
                known.by_digest.invalidate(digest);
            }
        }
        Ok(token)
    }
}
