//! The list of all names: the upstream's, less internal and blocked ones, plus private ones. Read once an hour, kept in a
//! file, streamed from there: 40 MB never stand in memory.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::indexes::{ACCEPT, Index};
use super::{Quarantine, QuarantineError};
use crate::blob::{NameList, Staged};
use crate::domain::{Actor, Ecosystem, EventDraft, EventKind, Project, ProjectName, RuleKind, Timestamp};
use crate::registry::pypi::root::read_names;
use crate::store::Change;
use crate::upstream::FileRequest;

/// How long the list is served before it is read again.
const KEPT: time::Duration = time::Duration::hours(1);
/// After a failure the last good one is served for so long before the indexes are asked again.
const TRIED_AGAIN: time::Duration = time::Duration::minutes(1);
/// PyPI's has 40 MB.
const LONGEST_ROOT: u64 = 512 << 20;
/// Less than a request may take in all, or nobody would ever see its end.
const READING_LIMIT: Duration = Duration::from_mins(1);
/// So many namesakes are told.
const MOST_TOLD: usize = 100;
/// More names than this are no index.
const MOST_NAMES: u64 = 5_000_000;

/// The kept list.
#[derive(Debug)]
pub struct Root {
    list: NameList,
    read: tokio::sync::Mutex<Option<(Timestamp, u64)>>,
    /// Names of ours that a public index lists, and that were told already.
    told: Mutex<HashSet<ProjectName>>,
}

impl Root {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { list: NameList::at(file), read: tokio::sync::Mutex::new(None), told: Mutex::default() }
    }
}

impl Quarantine {
    /// Makes sure that the list of names is not older than an hour (or is the last good one) and returns it.
    pub async fn root(self: &Arc<Self>) -> Result<NameList, QuarantineError> {
        let mut read = self.root.read.lock().await;
        let now = self.timekeeper.wall();
        let fresh = read.is_some_and(|(at, rules)| now - at < KEPT && rules == self.editions.rules());
        if !fresh {
            match tokio::time::timeout(READING_LIMIT, self.read_root()).await {
                Ok(Ok(())) => *read = Some((now, self.editions.rules())),
                Ok(Err(error)) if self.root.list.exists().await => {
                    tracing::warn!(%error, "serving the last good list of names");
                    *read = Some((now - KEPT + TRIED_AGAIN, self.editions.rules()));
                }
                Ok(Err(error)) => return Err(error),
                Err(_) if self.root.list.exists().await => {
                    tracing::warn!("the list of names took too long; serving the last good one");
                    *read = Some((now - KEPT + TRIED_AGAIN, self.editions.rules()));
                }
                Err(_) => return Err(QuarantineError::Fetch("the list of names took too long to read".into())),
            }
        }
        Ok(self.root.list.clone())
    }

    async fn read_root(self: &Arc<Self>) -> Result<(), QuarantineError> {
        let policy = self.policy();
        let mut inside: BTreeSet<String> = BTreeSet::new();
        for index in &self.indexes.private {
            let staged = self.fetch_root(index).await?;
            let allowed = index;
            let names = tokio::task::spawn_blocking(move || {
                let mut names = Vec::new();
                read_names(&staged.content_type, staged.reader()?, &mut |name| {
                    names.push(name.to_owned());
                    if names.len() as u64 > MOST_NAMES { Err(std::io::Error::other("too many names")) } else { Ok(()) }
                })
                .map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(names)
            });
            for name in joined(names.await)? {
                let Ok(name) = ProjectName::pypi(&name) else { continue };
                if allowed.names.is_empty() || allowed.names.iter().any(|pattern| pattern.matches(&name)) {
                    inside.insert(name.as_str().to_owned());
                }
            }
        }
        let blocked: HashSet<String> = self
            .store
            .rules()
            .await?
            .into_iter()
            .filter(|rule| rule.kind == RuleKind::Block { version: None } && rule.project.ecosystem == Ecosystem::Pypi)
            .map(|rule| rule.project.name.as_str().to_owned())
            .collect();
        let public = match &self.indexes.public {
            Some(index) => Some(self.fetch_root(index).await?),
            None => None,
        };
        let list = self.root.list.clone();
        let namesakes = tokio::task::spawn_blocking(move || {
            let mut namesakes = Vec::new();
            let mut writer = list.replace()?;
            for name in &inside {
                writer.add(name)?;
            }
            if let Some(staged) = public {
                let mut count = 0;
                read_names(&staged.content_type, staged.reader()?, &mut |raw| {
                    count += 1;
                    if count > MOST_NAMES {
                        return Err(std::io::Error::other("too many names"));
                    }
                    let Ok(name) = ProjectName::pypi(raw) else { return Ok(()) };
                    let internal = policy.is_internal(&Project::pypi(name.clone()));
                    if internal || inside.contains(name.as_str()) {
                        if namesakes.len() < MOST_TOLD {
                            namesakes.push(name);
                        }
                        return Ok(());
                    }
                    if blocked.contains(name.as_str()) { Ok(()) } else { writer.add(name.as_str()) }
                })
                .map_err(std::io::Error::other)?;
            }
            writer.finish()?;
            Ok::<_, std::io::Error>(namesakes)
        });
        let mut namesakes = joined(namesakes.await)?;
        {
            // Once since the start, not once an hour.
            let mut told = self.root.told.lock().unwrap_or_else(PoisonError::into_inner);
            namesakes.retain(|name| told.len() < MOST_TOLD && told.insert(name.clone()));
        }
        self.alarm_of_namesakes(namesakes).await
    }

    /// A public project with a name of ours: somebody may be waiting for a mistake.
    async fn alarm_of_namesakes(&self, namesakes: Vec<ProjectName>) -> Result<(), QuarantineError> {
        let mut change = Change::default();
        for name in namesakes {
            let project = Project::pypi(name);
            let summary = format!("the public index lists {project}, which is a name of ours; it is never let in");
            tracing::error!("{summary}");
            metrics::counter!("lazaret_alarms_total").increment(1);
            let mut event = EventDraft::new(self.timekeeper.now(), Actor::house("root"), EventKind::Alarm, summary);
            event.project = Some(project);
            change.events.push(event);
        }
        if !change.events.is_empty() {
            self.store.commit(change).await?;
        }
        Ok(())
    }

    async fn fetch_root(&self, index: &Index) -> Result<StagedRoot, QuarantineError> {
        let hosts = index.allowed_hosts();
        let request = FileRequest {
            url: &index.base,
            accept: ACCEPT,
            range: None,
            max_bytes: LONGEST_ROOT,
            hosts: &hosts,
            credentials: index.credentials.as_ref(),
            close: index.closes,
        };
        let failed = |error: crate::upstream::UpstreamError| QuarantineError::Fetch(error.to_string());
        let mut answer = self.upstream.file(request).await.map_err(failed)?;
        let mut stage = self.staging.begin().await?;
        while let Some(chunk) = answer.body.next().await {
            stage.append(chunk.map_err(failed)?).await?;
        }
        Ok(StagedRoot { content_type: answer.content_type, staged: stage.finish()? })
    }
}

#[derive(Debug)]
struct StagedRoot {
    content_type: String,
    staged: Staged,
}

impl StagedRoot {
    fn reader(&self) -> std::io::Result<impl std::io::BufRead + use<>> {
        Ok(std::io::BufReader::new(std::fs::File::open(&self.staged.path)?))
    }
}

fn joined<T>(done: Result<std::io::Result<T>, tokio::task::JoinError>) -> Result<T, QuarantineError> {
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(QuarantineError::Fetch(format!("the list of names cannot be kept: {error}"))),
        Err(panic) => Err(QuarantineError::Fetch(panic.to_string())),
    }
}
