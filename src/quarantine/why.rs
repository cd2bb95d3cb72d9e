//! `lazaret why`: what this proxy would serve of a name now, what not, why and until when.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::desk::Target;
use super::refresh::Freshness;
use super::view::{Entry, View};
use super::{Quarantine, QuarantineError, printable};
use crate::domain::{Ecosystem, Origin, Project, ReleaseKey, State, Timestamp, UploadId, Version};

/// One version that is served, or not.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct VersionAnswer {
    /// Which one.
    #[schema(value_type = String)]
    pub version: Version,
    /// Its files.
    pub files: Vec<String>,
    /// Where it is.
    #[schema(value_type = String)]
    pub state: State,
    /// Why it is not served.
    pub reason: Option<String>,
    /// Until when.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub hold_until: Option<Timestamp>,
    /// One of its uploads, for `lazaret show`.
    #[schema(value_type = Option<String>)]
    pub id: Option<UploadId>,
}

/// The whole answer.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Why {
    /// Which project.
    pub project: String,
    /// Which index answers for it.
    pub origin: String,
    /// Served versions, newest first.
    pub served: Vec<VersionAnswer>,
    /// Versions that are not served, newest first.
    pub held: Vec<VersionAnswer>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

impl Quarantine {
    /// Answers for a project or one version of it.
    pub async fn why(self: &Arc<Self>, target: &Target) -> Result<Why, QuarantineError> {
        let (project, wanted) = match target {
            Target::Project(project) => (project.clone(), None),
            Target::Version(project, version) => (project.clone(), Some(version.clone())),
            Target::Upload(id) => {
                let upload =
                    self.store.get(id).await?.ok_or_else(|| QuarantineError::NoSuch(format!("upload {id}")))?;
                (upload.project, Some(upload.version))
            }
            Target::File(name) => {
                let uploads = self.store.named(name).await?;
                let upload =
                    uploads.into_iter().next().ok_or_else(|| QuarantineError::NoSuch(format!("file {name} here")))?;
                (upload.project, Some(upload.version))
            }
        };
        let view = self.view(&project, Freshness::Usual).await?;
        let mut answer = Why {
            project: project.to_string(),
            origin: origin(&view),
            served: Vec::new(),
            held: Vec::new(),
            notes: self.notes(&view, &project).await?,
        };
        let mut versions: BTreeMap<ReleaseKey, Vec<Entry<'_>>> = BTreeMap::new();
        for entry in view.files() {
            if wanted.as_ref().is_none_or(|version| entry.file.file.version.is_same_release(version)) {
                versions.entry(entry.file.file.version.release(project.ecosystem)).or_default().push(entry);
            }
        }
        for entries in versions.into_values().rev() {
            let (open, shut): (Vec<Entry<'_>>, Vec<Entry<'_>>) = entries.into_iter().partition(Entry::is_open);
            answer.served.extend(version_answer(&open, &project));
            answer.held.extend(version_answer(&shut, &project));
        }
        if let Some(version) = wanted
            && answer.served.is_empty()
            && answer.held.is_empty()
        {
            let separator = if project.ecosystem == Ecosystem::Cpan { "@" } else { "==" };
            answer.notes.push(format!("no index that lazaret asks lists {project}{separator}{version}"));
        }
        Ok(answer)
    }

    async fn notes(&self, view: &View, project: &Project) -> Result<Vec<String>, QuarantineError> {
        let mut notes = Vec::new();
        match &view.known {
            None => {
                notes.push("an internal name that no private index shows: never asked of a public index".to_owned());
            }
            Some(known) => {
                notes.extend(known.findings.iter().map(|finding| finding.summary.clone()));
                notes.extend(
                    known
                        .hidden
                        .iter()
                        .take(20)
                        .map(|file| format!("{} is not listed: {}", printable(&file.name, 120), file.why)),
                );
            }
        }
        for rule in self.store.rules_of(project).await? {
            let what = match &rule.kind {
                crate::domain::RuleKind::Waiver { signals, expires } => {
                    format!("waiver for {} until {}", signals.join(", "), crate::domain::moment(*expires))
                }
                crate::domain::RuleKind::Block { version: None } => "blocked".to_owned(),
                crate::domain::RuleKind::Block { version: Some(version) } => format!("version {version} blocked"),
            };
            notes.push(format!("{what} by {}: {}", rule.by, rule.reason));
        }
        if let Some(other) = self.policy().override_for(project) {
            notes.push(format!("an override of the policy holds ({}): {}", other.scope(), other.reason));
        }
        if let Some(error) = &view.stale {
            notes.push(format!("shown from the last good page: {error}"));
        }
        if let Err(trouble) = self.timekeeper.check() {
            notes.push(format!("nothing is released by time now: {trouble}"));
        }
        Ok(notes)
    }
}

fn origin(view: &View) -> String {
    match view.known.as_ref().map(|known| &known.origin) {
        None => "internal".to_owned(),
        Some(Origin::Public) => "public".to_owned(),
        Some(Origin::Private(name)) => format!("private index {name}"),
    }
}

fn version_answer(entries: &[Entry<'_>], project: &Project) -> Option<VersionAnswer> {
    let first = entries.first()?;
    Some(VersionAnswer {
        version: first.file.file.version.clone(),
        files: entries.iter().map(|entry| entry.file.file.filename.to_string()).collect(),
        state: first.state(),
        reason: first.refusal(project).map(|refusal| refusal.why),
        hold_until: entries.iter().filter_map(|entry| entry.row.and_then(|upload| upload.hold_until)).max(),
        id: entries.iter().find_map(|entry| entry.row.map(|upload| upload.id.clone())),
    })
}
