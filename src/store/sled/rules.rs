//! Standing rules: their keys begin with the project, so one range finds all of one. Only [`commit`](super::commit) writes.

use async_trait::async_trait;

use super::SledStore;
use super::shelves::Shelf;
use crate::domain::{Project, StandingRule};
use crate::store::{Rules, StoreError};

#[async_trait]
impl Rules for SledStore {
    async fn rules_of(&self, project: &Project) -> Result<Vec<StandingRule>, StoreError> {
        let prefix = format!("{project}\u{0}").into_bytes();
        self.reading(move |shelves| shelves.read_all(Shelf::Rules, prefix)).await
    }

    async fn rules(&self) -> Result<Vec<StandingRule>, StoreError> {
        self.reading(|shelves| shelves.read_all(Shelf::Rules, Vec::new())).await
    }
}
