//! What a version pins exactly (rule 9): read from its metadata, once, before it may leave.

use std::sync::Arc;
use std::time::Duration;

use super::fetch::{pins_in, pins_of_lines};
use super::json_api::facts_in;
use super::view::{Entry, View};
use super::{Quarantine, QuarantineError};
use crate::domain::{CoreMetadata, Ecosystem, FileKind, Pin, Project, Upload, Version};
use crate::store::{Change, StoreError};

/// A wheel up to this size is fetched only to read its metadata, where the upstream offers it in no cheaper way.
const LARGEST_WHEEL: u64 = 64 << 20;
/// How long that may take.
const FETCH_LIMIT: Duration = Duration::from_mins(1);

impl Quarantine {
    /// The exact pins of a version's held files; read and written down if they were not known.
    pub(super) async fn pins_of(
        self: &Arc<Self>,
        view: &Arc<View>,
        version: &Version,
    ) -> Result<Vec<Pin>, QuarantineError> {
        if view.project.ecosystem != Ecosystem::Pypi {
            // Elsewhere nobody pins what another project's version must be.
            return Ok(Vec::new());
        }
        let rows: Vec<&Upload> = view.version(version).filter_map(|entry| entry.row).collect();
        let known: Vec<Pin> = rows.iter().filter_map(|upload| upload.pins.clone()).flatten().collect();
        if rows.iter().any(|upload| upload.pins.is_some()) {
            return Ok(known);
        }
        let pins = self.read_pins(view, version).await?;
        for upload in rows {
            // Another writer's row is newer than this one: it will be asked again.
            let upload = Upload { pins: Some(pins.clone()), ..upload.clone() };
            match self.store.commit(Change { uploads: vec![upload], ..Change::default() }).await {
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(pins)
    }

    /// From `.metadata` if it is offered, else from the JSON API, else from the smallest wheel.
    async fn read_pins(self: &Arc<Self>, view: &Arc<View>, version: &Version) -> Result<Vec<Pin>, QuarantineError> {
        let wheels: Vec<Entry<'_>> =
            view.version(version).filter(|entry| entry.file.file.kind == FileKind::Wheel).collect();
        for entry in wheels.iter().filter(|entry| entry.file.file.core_metadata != CoreMetadata::No) {
            if let Some(bytes) = self.offered_metadata(view, entry.file).await? {
                return Ok(pins_in(&bytes));
            }
        }
        if let Some(pins) = self.pins_by_json(view, version).await? {
            return Ok(pins);
        }
        let smallest = wheels.iter().filter(|entry| entry.file.file.size.is_some_and(|size| size <= LARGEST_WHEEL));
        let Some(entry) = smallest.min_by_key(|entry| entry.file.file.size) else {
            // A source archive's requirements are known only after running it; a huge wheel costs more than it tells.
            return Ok(Vec::new());
        };
        self.spend_ahead(entry.file)?;
        let fetch = self.fetch(view, &entry.file.file.filename).await?;
        match fetch.settled(FETCH_LIMIT).await {
            Some(outcome) => Ok(outcome?.pins.clone().unwrap_or_default()),
            None => Err(QuarantineError::Fetch(format!("{} was not examined in time", entry.file.file.filename))),
        }
    }

    async fn pins_by_json(&self, view: &View, version: &Version) -> Result<Option<Vec<Pin>>, QuarantineError> {
        let Some(document) = self.upstream_document(view, Some(version)).await? else { return Ok(None) };
        let Ok(facts) = facts_in(document).await else { return Ok(None) };
        // An empty list is what an index shows too when the first file it got of a version was a source archive.
        let is_silent = facts.requires_dist.is_empty();
        if is_silent || facts.version.as_ref().is_none_or(|told| !told.is_same_release(version)) {
            return Ok(None);
        }
        Ok(Some(pins_of_lines(facts.requires_dist)))
    }

    /// Held versions that this version pins exactly: approving the one without the other helps nobody.
    pub(super) async fn held_pins(
        self: &Arc<Self>,
        view: &Arc<View>,
        version: &Version,
    ) -> Result<Vec<(Pin, Vec<Upload>)>, QuarantineError> {
        let mut held = Vec::new();
        for pin in self.pins_of(view, version).await? {
            let child = match self.view(&pin.project, super::refresh::Freshness::Usual).await {
                Ok(child) => child,
                Err(QuarantineError::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            let open = child.version(&pin.version).any(|entry| entry.is_open());
            let rows: Vec<Upload> = child.version(&pin.version).filter_map(|entry| entry.row.cloned()).collect();
            if !open && !rows.is_empty() {
                held.push((pin, rows));
            }
        }
        Ok(held)
    }

    /// Whether this name may be looked up at a public index at all (rule 15).
    pub(super) async fn may_ask_public(&self, project: &Project) -> Result<bool, QuarantineError> {
        Ok(!self.is_kept_inside(project, &self.policy()).await?)
    }
}
