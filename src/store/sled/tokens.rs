//! Tokens by name, and names by hash. Only [`commit`](super::commit) writes.

use async_trait::async_trait;

use super::SledStore;
use super::shelves::Shelf;
use crate::domain::Sha256;
use crate::store::{StoreError, Token, Tokens};

#[async_trait]
impl Tokens for SledStore {
    async fn token(&self, digest: &Sha256) -> Result<Option<Token>, StoreError> {
        let digest = *digest;
        self.reading(move |shelves| {
            let Some(name) = shelves.value(Shelf::TokensByDigest, digest.as_bytes())? else { return Ok(None) };
            let token: Option<Token> = shelves.read(Shelf::Tokens, &name)?;
            // The token may have got another hash since the name was read.
            Ok(token.filter(|token| token.digest == digest))
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.reading(|shelves| shelves.read_all(Shelf::Tokens, Vec::new())).await
    }
}
