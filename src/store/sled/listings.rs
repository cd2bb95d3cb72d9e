//! Pages: one packed row a project, and one small row for the last read.

use async_trait::async_trait;

use super::shelves::Shelf;
use super::{SledStore, keys};
use crate::domain::{Ecosystem, KnownProject, PageRead, Project, ProjectName};
use crate::store::{Listings, StoreError, record};

#[async_trait]
impl Listings for SledStore {
    async fn project(&self, project: &Project) -> Result<Option<KnownProject>, StoreError> {
        let key = keys::project(project);
        self.reading(move |shelves| shelves.read(Shelf::Listings, &key)).await
    }

    async fn page_read(&self, project: &Project) -> Result<Option<PageRead>, StoreError> {
        let key = keys::project(project);
        self.reading(move |shelves| shelves.read(Shelf::Reads, &key)).await
    }

    async fn touch(&self, project: &Project, read: PageRead) -> Result<(), StoreError> {
        let key = keys::project(project);
        let row = record::encode(&read)?;
        self.writing(move |draft| draft.write(Shelf::Reads, &key, &row)).await
    }

    async fn projects(
        &self,
        ecosystem: Ecosystem,
        after: Option<&Project>,
        limit: usize,
    ) -> Result<Vec<Project>, StoreError> {
        let prefix = keys::ecosystem(ecosystem);
        // A project of another ecosystem says nothing about where to start in this one.
        let after = after.filter(|project| project.ecosystem == ecosystem).map(keys::project);
        self.reading(move |shelves| {
            shelves
                .keys_after(Shelf::Listings, prefix, after)
                .take(limit)
                .map(|key| {
                    let key = key?;
                    let name = std::str::from_utf8(key.get(1..).unwrap_or_default())
                        .map_err(|error| record::unreadable("listings", error))?;
                    let name = ProjectName::parse(ecosystem, name)
                        .map_err(|error| record::unreadable(&format!("listings/{name}"), error))?;
                    Ok(Project { ecosystem, name })
                })
                .collect()
        })
        .await
    }
}
