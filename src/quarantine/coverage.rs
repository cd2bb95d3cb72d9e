//! What a decision covers: from what was named to the rows of the store.

use std::sync::Arc;

use super::desk::Request;
use super::refresh::Freshness;
use super::target::Target;
use super::{Quarantine, QuarantineError};
use crate::domain::{FileName, Project, Scope, State, Upload, Version};

impl Quarantine {
    /// The uploads that a request covers, with rows even where there were none.
    pub(super) async fn covered(
        self: &Arc<Self>,
        request: &Request,
        wanted: impl Fn(State) -> bool,
    ) -> Result<(Project, Scope, Vec<Upload>), QuarantineError> {
        let named_files = |uploads: Vec<Upload>, what: &str| -> Result<Upload, QuarantineError> {
            let mut candidates: Vec<Upload> = uploads.iter().filter(|upload| wanted(upload.state)).cloned().collect();
            if candidates.is_empty() {
                candidates = uploads;
            }
            match candidates.len() {
                0 => Err(QuarantineError::NotFound(what.to_owned())),
                1 => Ok(candidates.remove(0)),
                _ => {
                    let ids: Vec<String> = candidates.iter().map(|upload| upload.id.to_string()).collect();
                    Err(QuarantineError::BadRequest(format!(
                        "{what} names several uploads, choose one: {}",
                        ids.join(", ")
                    )))
                }
            }
        };
        let (project, version, single) = match &request.target {
            Target::Upload(id) => {
                let upload =
                    self.store.get(id).await?.ok_or_else(|| QuarantineError::NoSuch(format!("upload {id}")))?;
                (upload.project.clone(), upload.version.clone(), Some(upload))
            }
            Target::File(filename) => {
                let mut uploads = self.store.named(filename).await?;
                if uploads.is_empty() {
                    uploads = self.unwritten(filename).await?;
                }
                let upload = named_files(uploads, filename.as_str())?;
                (upload.project.clone(), upload.version.clone(), Some(upload))
            }
            Target::Version(project, version) => (project.clone(), version.clone(), None),
            Target::Project(project) => {
                let scope = request.scope.unwrap_or(Scope::Project);
                if scope != Scope::Project {
                    return Err(QuarantineError::BadRequest(format!(
                        "{project} names a project: give a version or a file for scope {scope}"
                    )));
                }
                return Ok((project.clone(), scope, self.rows_of_project(project, wanted).await?));
            }
        };
        let scope = request.scope.unwrap_or(if single.is_some() { Scope::File } else { Scope::Version });
        let uploads = match (scope, single) {
            (Scope::File, Some(upload)) => vec![upload],
            (Scope::File, None) => {
                let uploads = self.rows_of_version(&project, &version).await?;
                vec![named_files(uploads, &format!("{project}=={version}"))?]
            }
            (Scope::Version, _) => {
                let uploads = self.rows_of_version(&project, &version).await?;
                if uploads.is_empty() {
                    return Err(QuarantineError::NotFound(format!("{project}=={version}")));
                }
                if uploads.iter().any(|upload| wanted(upload.state)) {
                    uploads.into_iter().filter(|upload| wanted(upload.state)).collect()
                } else {
                    uploads
                }
            }
            (Scope::Project, _) => self.rows_of_project(&project, wanted).await?,
        };
        Ok((project, scope, uploads))
    }

    /// The rows of a version's files, made for those that have none; the page is read if it never was.
    async fn rows_of_version(
        self: &Arc<Self>,
        project: &Project,
        version: &Version,
    ) -> Result<Vec<Upload>, QuarantineError> {
        let view = self.view(project, Freshness::Usual).await?;
        // From the store, not from the view: a row may have been written since, and a decision must not come second to that.
        self.rows_for(&view, view.version(version).map(|entry| entry.file).collect()).await
    }

    /// The rows of a project's files in a wanted state; made for released files that have none.
    async fn rows_of_project(
        self: &Arc<Self>,
        project: &Project,
        wanted: impl Fn(State) -> bool,
    ) -> Result<Vec<Upload>, QuarantineError> {
        let mut uploads = self.store.of(project).await?;
        if wanted(State::Released) && self.store.project(project).await?.is_some() {
            let view = self.view(project, Freshness::Usual).await?;
            let unwritten = view.files().filter(|entry| entry.row.is_none() && entry.state() == State::Released);
            let made = self.rows_for(&view, unwritten.map(|entry| entry.file).collect()).await?;
            uploads.extend(made.into_iter().filter(|upload| upload.revision == 0));
        }
        uploads.retain(|upload| wanted(upload.state));
        Ok(uploads)
    }

    /// The row of a file that has none yet, found by its name.
    async fn unwritten(self: &Arc<Self>, filename: &FileName) -> Result<Vec<Upload>, QuarantineError> {
        let project = match crate::registry::pypi::file_name::project_of(filename) {
            _ if filename.as_str().contains('/') => {
                self.teapot_project_of(filename).or_else(|| super::cpan::project_of_name(filename))
            }
            Some((name, _, _)) => Some(Project::pypi(name)),
            None => None,
        };
        let Some(project) = project else { return Ok(Vec::new()) };
        let view = self.view(&project, Freshness::Usual).await?;
        match view.file(filename) {
            Some(entry) => Ok(vec![self.row_for(&view, entry.file).await?]),
            None => Ok(Vec::new()),
        }
    }
}
