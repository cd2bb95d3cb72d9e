//! One look at the upstream: its status, and its index if that changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::json;

use super::super::{Quarantine, QuarantineError};
use super::Teapot;
use super::kept::Kept;
use super::reading::Occasion;
use super::stock::Stock;
use crate::domain::{Actor, Ecosystem, EventDraft, EventKind, Project, Sha256, State, Timestamp};
use crate::registry::teapot::{IndexStatus, MOST_PACKED_BYTES, TeapotError, read_index, unpack};
use crate::store::Change;
use crate::upstream::{PageAnswer, PageRequest};

/// So many names are read at once.
const ABREAST: usize = 8;
/// An upstream that did not answer is asked again after this, if that is sooner than its turn.
const RETRY: time::Duration = time::Duration::seconds(15);
/// How long it may take to send its index, and how long to say whether it has another one.
const INDEX_DEADLINE: Duration = Duration::from_mins(1);
const STATUS_DEADLINE: Duration = Duration::from_secs(10);
const LARGEST_STATUS: u64 = 1 << 20;
/// So many replaced instances stand in one event.
const MOST_TOLD: usize = 50;

impl Quarantine {
    /// The teapot side of the house.
    pub(in crate::quarantine) fn teapot_side(&self) -> Result<&Teapot, QuarantineError> {
        self.teapot.as_ref().ok_or_else(|| {
            QuarantineError::Fetch("no teapot repository is known: set teapot.upstream in lazaret.toml".into())
        })
    }

    /// Asks the upstream if it is time, takes in what changed and makes what is shown again if it must be.
    pub async fn poll_teapot(self: &Arc<Self>) -> Result<(), QuarantineError> {
        let Some(teapot) = self.teapot.as_ref().filter(|teapot| teapot.is_asked_for()) else { return Ok(()) };
        let mut next = teapot.polling.lock().await;
        let now = self.timekeeper.wall();
        if next.is_none() {
            self.recall_teapot(teapot).await?;
            // What an earlier run left is served before anybody waits for the upstream.
            self.publish_teapot(teapot).await?;
        }
        let pause = time::Duration::try_from(teapot.settings.poll).unwrap_or(time::Duration::minutes(2));
        // A turn that is further away than any pause was set by a clock that has been put back since.
        if next.is_none_or(|next| now >= next || next - now > pause) {
            *next = Some(now + pause);
            if let Err(error) = self.read_teapot(teapot).await {
                tracing::warn!(%error, "the teapot repository could not be read");
                *next = Some(now + RETRY.min(pause));
            }
        }
        drop(next);
        self.publish_teapot(teapot).await
    }

    /// What an earlier run left.
    async fn recall_teapot(&self, teapot: &Teapot) -> Result<(), QuarantineError> {
        // Before the index: what is in it and has no shelf would count as always there.
        let mut after: Option<Project> = None;
        loop {
            let page = self.store.projects(Ecosystem::Teapot, after.as_ref(), 1_000).await?;
            after = page.last().cloned();
            if after.is_none() {
                break;
            }
            teapot.shelves.remember(page);
        }
        let folder = &teapot.settings.folder;
        let state = Kept::read(folder).await;
        if teapot.stock.load().is_none()
            && let (Some(read), Some(list)) = (state.read, &state.status)
            && let Some(packed) = state.read_index(folder).await
            && let Ok(status) = IndexStatus::read_list(list)
            && let Ok(Ok(stock)) = sorted(packed, status, read).await
        {
            teapot.stock.store(Some(Arc::new(stock)));
        }
        Ok(())
    }

    async fn read_teapot(self: &Arc<Self>, teapot: &Teapot) -> Result<(), QuarantineError> {
        let asked_at = self.timekeeper.now();
        let status = self.teapot_status(teapot).await?;
        let before = teapot.stock.load_full();
        if let Some(before) = before.as_ref().filter(|before| before.status == status && status.integrity.is_some()) {
            before.confirm(asked_at);
            return Ok(());
        }
        let packed = self.ask_teapot(teapot, "db/index", MOST_PACKED_BYTES as u64, INDEX_DEADLINE).await?;
        let stock = match sorted(packed.clone(), status.clone(), asked_at).await? {
            Ok(stock) => stock,
            Err(error) => {
                self.complain_of_teapot(teapot, Sha256::of(&packed), &error).await?;
                return Err(QuarantineError::Fetch(format!("db/index: {error}")));
            }
        };
        let state = Kept::read(&teapot.settings.folder).await;
        let stock = Arc::new(stock);
        teapot.arriving.store(Some(stock.clone()));
        let taken_in = match before.filter(|_| state.baseline.is_some()) {
            Some(before) => self.take_teapot_changes_in(teapot, &before, &stock).await,
            None => self.take_first_teapot_in(teapot, &stock, asked_at).await,
        };
        teapot.arriving.store(None);
        taken_in?;
        let keep = async {
            // What is shown may have changed while names were met, and its count stands in the same file: nobody writes that now.
            let _one = teapot.publishing.lock().await;
            let state = Kept::read(&teapot.settings.folder).await;
            let baseline = state.baseline.or(Some(asked_at));
            Kept { baseline, read: Some(asked_at), status: Some(status.list()), ..state }
                .write_with_index(&teapot.settings.folder, &packed)
                .await
        };
        keep.await.map_err(|error: std::io::Error| {
            QuarantineError::Fetch(format!("the teapot index cannot be kept on disk: {error}"))
        })?;
        teapot.stock.store(Some(stock));
        teapot.shelves.touch_index();
        Ok(())
    }

    /// What the upstream says of its index now.
    pub(super) async fn teapot_status(&self, teapot: &Teapot) -> Result<IndexStatus, QuarantineError> {
        let page = self.ask_teapot(teapot, "db/status", LARGEST_STATUS, STATUS_DEADLINE).await?;
        IndexStatus::read(&page).map_err(|error| QuarantineError::Fetch(format!("db/status: {error}")))
    }

    async fn ask_teapot(
        &self,
        teapot: &Teapot,
        path: &str,
        max_bytes: u64,
        deadline: Duration,
    ) -> Result<Bytes, QuarantineError> {
        let index = &teapot.index;
        let url = index.base.join(path).map_err(|error| QuarantineError::Fetch(error.to_string()))?;
        let hosts = index.allowed_hosts();
        let request = PageRequest {
            url: &url,
            accept: "*/*",
            validators: None,
            max_bytes,
            deadline,
            hosts: &hosts,
            credentials: None,
            close: index.closes,
        };
        match self.upstream.page(request).await {
            Ok(PageAnswer::Fresh(page)) => {
                self.timekeeper.heard(page.date);
                Ok(page.body)
            }
            Ok(_) => Err(QuarantineError::Fetch(format!("the teapot repository has no {path}"))),
            Err(error) => Err(QuarantineError::Fetch(format!("{path}: {error}"))),
        }
    }

    /// An index that cannot be right: told once for the same bytes, and not taken in.
    async fn complain_of_teapot(
        &self,
        teapot: &Teapot,
        digest: Sha256,
        error: &TeapotError,
    ) -> Result<(), QuarantineError> {
        let key = format!("{digest} {error}");
        if teapot.told.contains_key(&key) {
            return Ok(());
        }
        teapot.told.insert(key, ());
        self.alarm(None, format!("the index of the teapot repository is not taken in: {error}"), json!({})).await
    }

    async fn alarm(
        &self,
        project: Option<Project>,
        summary: String,
        details: serde_json::Value,
    ) -> Result<(), QuarantineError> {
        metrics::counter!("lazaret_alarms_total").increment(1);
        tracing::error!("{summary}");
        let mut event = EventDraft::new(self.timekeeper.now(), Actor::house("poll"), EventKind::Alarm, summary);
        event.project = project;
        event.details = details;
        self.store.commit(Change { events: vec![event], ..Change::default() }).await?;
        Ok(())
    }

    /// The first index: one event, whatever it lists. Names that are ours or blocked are met one by one.
    async fn take_first_teapot_in(
        self: &Arc<Self>,
        teapot: &Teapot,
        stock: &Stock,
        now: Timestamp,
    ) -> Result<(), QuarantineError> {
        let summary = format!(
            "{}: {} instances of {} names seen, {}",
            teapot.index.label(),
            stock.catalog.len(),
            stock.projects().count(),
            if teapot.index.trusted { "trusted as they are" } else { "held from now on" }
        );
        let mut event = EventDraft::new(now, Actor::house("poll"), EventKind::Baseline, summary);
        event.details = json!({
            "ecosystem": Ecosystem::Teapot,
            "instances": stock.catalog.len(),
            "skipped": stock.catalog.skipped(),
            "digest": stock.catalog.digest(),
            "trusted": teapot.index.trusted,
        });
        self.store.commit(Change { events: vec![event], ..Change::default() }).await?;
        let policy = self.policy();
        let mut projects: BTreeSet<Project> = stock.projects().filter(|project| policy.is_internal(project)).collect();
        let rules = self.store.rules().await?;
        projects.extend(rules.into_iter().map(|rule| rule.project).filter(|project| stock.has(project)));
        projects.retain(|project| project.ecosystem == Ecosystem::Teapot);
        self.meet_teapots(teapot, projects, Occasion { stock, before: None }).await
    }

    async fn take_teapot_changes_in(
        self: &Arc<Self>,
        teapot: &Teapot,
        before: &Stock,
        stock: &Stock,
    ) -> Result<(), QuarantineError> {
        let projects: BTreeSet<Project> = stock.changed_since(before).into_iter().collect();
        tracing::info!(names = projects.len(), "the teapot index changed");
        self.meet_teapots(teapot, projects, Occasion { stock, before: Some(before) }).await?;
        let replaced: Vec<(String, String, String)> = stock
            .replaced_since(before)
            .map(|(entry, old)| (entry.instance.to_string(), old.to_string(), entry.signature.to_string()))
            .collect();
        if let Some((first, _, _)) = replaced.first() {
            let others = if replaced.len() > 1 { format!(" and {} others", replaced.len() - 1) } else { String::new() };
            let told: Vec<_> = replaced.iter().take(MOST_TOLD).collect();
            let details = json!({ "count": replaced.len(), "instances": told });
            self.alarm(
                None,
                format!("{first}{others} changed its bytes on the repository; the new ones are held"),
                details,
            )
            .await?;
        }
        Ok(())
    }

    async fn meet_teapots(
        self: &Arc<Self>,
        teapot: &Teapot,
        projects: BTreeSet<Project>,
        occasion: Occasion<'_>,
    ) -> Result<(), QuarantineError> {
        let mut meetings = futures_util::stream::iter(projects)
            .map(|project| async move {
                let met = self.meet_teapot(teapot, &project, occasion).await;
                (project, met)
            })
            .buffer_unordered(ABREAST);
        while let Some((project, met)) = meetings.next().await {
            teapot.shelves.touch(&project);
            match met {
                Ok(view) => {
                    let is_used = self.used.contains_key(&project)
                        || view.files().any(|entry| entry.row.is_some_and(|upload| upload.requested.is_some()));
                    for entry in
                        view.files().filter(|entry| is_used && entry.state() == State::Held && !entry.is_kept())
                    {
                        self.leave_fetch(&project, &entry.file.file.filename, self.timekeeper.wall()).await?;
                    }
                }
                Err(QuarantineError::NotFound(_)) => {}
                // What is in the index and not in the store would count as always there: taken in whole or not at all.
                Err(error) => {
                    tracing::warn!(%project, %error, "the name could not be taken in");
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Unpacks, reads and sorts an index off the reactor.
async fn sorted(
    packed: Bytes,
    status: IndexStatus,
    read_at: Timestamp,
) -> Result<Result<Stock, TeapotError>, QuarantineError> {
    let reading = tokio::task::spawn_blocking(move || {
        let catalog = read_index(&unpack(&packed, &status)?)?;
        Ok(Stock::of(catalog, status, read_at))
    });
    reading.await.map_err(|panic| QuarantineError::Fetch(panic.to_string()))
}
