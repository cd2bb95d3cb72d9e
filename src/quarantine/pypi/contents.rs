//! What examined bytes say of a Python release is kept for the releases after it: its hooks, and its metadata.

use super::super::view::View;
use super::super::{Quarantine, QuarantineError};
use super::says::says;
use crate::archive::Walk;
use crate::domain::{Ecosystem, FileKind, KnownFile, State};
use crate::registry::pypi::core_metadata;
use crate::signals::Timeline;
use crate::signals::startup_hook::is_hook;

impl Quarantine {
    /// Keeps what a wheel or a source archive showed.
    pub(in crate::quarantine) async fn remember_contents(
        &self,
        view: &View,
        file: &KnownFile,
        walk: &Walk,
    ) -> Result<(), QuarantineError> {
        let is_public = view.known.as_ref().is_some_and(|known| known.origin.is_public());
        if view.project.ecosystem != Ecosystem::Pypi || !is_public {
            return Ok(());
        }
        let version = &file.file.version;
        // What is compared are the newest releases and those that wait; what everybody fetches is neither.
        let Some(known) = &view.known else { return Ok(()) };
        let waits = view.version(version).any(|entry| entry.state() == State::Held);
        if !waits && !Timeline::of(known).is_recent(version) {
            return Ok(());
        }
        let hooks = (file.file.kind == FileKind::Wheel).then(|| {
            walk.noted.iter().filter(|entry| is_hook(entry)).map(|entry| entry.path.clone()).collect::<Vec<_>>()
        });
        let metadata = walk.metadata.as_deref().and_then(|bytes| core_metadata::read(bytes).ok());
        let said = metadata.filter(|read| core_metadata::agrees(&view.project.name, version, read));
        if hooks.is_none() && said.is_none() {
            return Ok(());
        }
        self.keep_records(&view.project, |records| {
            let record = records.release_mut(version);
            if let Some(hooks) = hooks {
                // Each platform's wheel may have its own.
                let kept = record.hooks.get_or_insert_default();
                kept.extend(hooks);
                kept.sort();
                kept.dedup();
            }
            if let Some(said) = said.filter(|_| record.says.is_none()) {
                record.says = Some(says(version, &said));
            }
        })
        .await
    }
}
