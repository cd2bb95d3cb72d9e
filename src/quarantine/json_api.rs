//! The JSON API by the same verdicts: `info` is the newest released version's, file addresses are ours.

use std::sync::Arc;

use bytes::Bytes;

use super::refresh::Freshness;
use super::view::View;
use super::{Asker, Quarantine, QuarantineError, toll};
use crate::domain::{FileName, ListedFile, Mode, Project, ProjectName, Sha256, Version, Yanked};
use crate::registry::ReadError;
use crate::registry::pypi::json_api;

/// The largest document on PyPI has about 10 MB.
const LONGEST_DOCUMENT: u64 = 64 << 20;

impl Quarantine {
    /// The JSON document of a project, or of one version, with only what is released.
    pub async fn json_document(
        self: &Arc<Self>,
        name: &ProjectName,
        version: Option<&Version>,
        asker: Asker,
    ) -> Result<Vec<u8>, QuarantineError> {
        let project = Project::pypi(name.clone());
        let view = self.view(&project, Freshness::Usual).await?;
        let missing = || QuarantineError::NotFound(project.to_string());
        let mode = view.mode_for(asker);
        let shown = match version {
            Some(version) if view.version(version).any(|entry| entry.under(mode).is_open()) => version.clone(),
            Some(_) => return Err(missing()),
            None => newest_open(&view, mode).ok_or_else(missing)?,
        };
        // The document about exactly this version is best; a poor upstream has only the project's.
        for asked in [version, None, Some(&shown)] {
            let document = match self.upstream_document(&view, asked).await {
                Ok(Some(document)) => document,
                Ok(None) => continue,
                // Promise 5: what we know ourselves is better than an error.
                Err(error) => {
                    tracing::warn!(%project, %error, "making the JSON document from what is known");
                    break;
                }
            };
            let rewritten = off_reactor({
                let (house, view, shown) = (self.clone(), view.clone(), shown.clone());
                move || {
                    let keep = |filename: &FileName, sha256| house.address_here(&view, filename, sha256, mode);
                    json_api::rewrite(&document, &keep, Some(&shown))
                }
            });
            match rewritten.await {
                Ok(outcome) if outcome.newest_matches => return Ok(outcome.body),
                Ok(_) => {}
                Err(error) => tracing::warn!(%project, error, "the upstream's JSON document cannot be read"),
            }
        }
        self.made_document(&view, &shown, asker).await
    }

    /// Where a client finds a file that it may have.
    fn address_here(&self, view: &View, filename: &FileName, sha256: Option<Sha256>, mode: Mode) -> Option<String> {
        let entry = view.file(filename)?.under(mode);
        let digest = entry.sha256().filter(|digest| sha256.is_none_or(|sha256| sha256 == *digest))?;
        let base = self.public_url().trim_end_matches('/');
        entry.is_open().then(|| format!("{base}/pypi/files/{}/{digest}/{filename}", view.project.name))
    }

    /// Made from what we know, where the upstream has no document about the version that may be shown.
    async fn made_document(&self, view: &View, shown: &Version, asker: Asker) -> Result<Vec<u8>, QuarantineError> {
        let mut metadata = None;
        for entry in view.version(shown) {
            if let Some(own) = entry.row.and_then(|upload| upload.metadata) {
                let bytes = self.blobs.whole(&own).await?;
                metadata = crate::registry::pypi::core_metadata::read(&bytes).ok();
                break;
            }
        }
        let files = view.open_files(asker);
        let mode = view.mode_for(asker);
        let url_of = |file: &ListedFile, sha256: &Sha256| {
            self.address_here(view, &file.filename, Some(*sha256), mode).unwrap_or_default()
        };
        Ok(json_api::synthesise(&view.project.name, shown, metadata.as_ref(), &files, &url_of))
    }

    /// The upstream's JSON document; `None` if it has none.
    pub(super) async fn upstream_document(
        &self,
        view: &View,
        version: Option<&Version>,
    ) -> Result<Option<Bytes>, QuarantineError> {
        let Some(index) = view.known.as_ref().and_then(|known| self.index_of(&known.project, &known.origin)) else {
            return Ok(None);
        };
        if index.origin.is_public() && !self.may_ask_public(&view.project).await? {
            return Ok(None);
        }
        let Some(url) = index.json_url(&view.project.name, version.map(Version::as_str)) else { return Ok(None) };
        toll::pay()?;
        self.index_document(index, &url, "application/json", LONGEST_DOCUMENT).await.map_err(|source| {
            QuarantineError::Unanswered { index: index.label(), project: view.project.clone(), source }
        })
    }
}

/// The facts in a document.
pub(super) async fn facts_in(document: Bytes) -> Result<json_api::ProjectFacts, String> {
    off_reactor(move || json_api::facts(&document)).await
}

/// Documents may have tens of megabytes: reading one must not keep everybody else's answers waiting.
async fn off_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, String> {
    let worked = tokio::task::spawn_blocking(work).await.map_err(|panic| panic.to_string())?;
    worked.map_err(|error| error.to_string())
}

/// The newest released version: the newest final one, and only where there is none a pre-release (as PyPI does).
fn newest_open(view: &View, mode: Mode) -> Option<Version> {
    let open: Vec<(&pep440_rs::Version, &Version)> = view
        .files()
        .filter(|entry| entry.under(mode).is_open() && entry.file.file.yanked == Yanked::No)
        .filter_map(|entry| Some((entry.file.file.version.pep440()?, &entry.file.file.version)))
        .collect();
    let newest = |final_only: bool| {
        open.iter().filter(|(order, _)| !final_only || !order.any_prerelease()).max_by(|one, two| one.0.cmp(two.0))
    };
    newest(true).or_else(|| newest(false)).map(|(_, version)| (*version).clone())
}
