//! A name's page, made from the upstream's index and from what was known before.

use std::sync::Arc;

use super::super::reading::{Memory, News, Said, as_listing};
use super::super::refresh::Freshness;
use super::super::view::View;
use super::super::{Edition, Quarantine, QuarantineError};
use super::Teapot;
use super::kept::Kept;
use super::stock::{Stock, listed};
use crate::domain::{
    KnownFile, KnownProject, ListedFile, Listing, Origin, PageRead, Project, ProjectStatus, Sha256, Standing, State,
    Timestamp,
};
use crate::store::Change;

/// On what occasion a name is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion<'a> {
    /// The index that is looked at.
    pub(super) stock: &'a Stock,
    /// The index before that, if this one is being taken in.
    pub(super) before: Option<&'a Stock>,
}

impl Quarantine {
    /// Reads a name and takes it in; releases nothing.
    pub(in crate::quarantine) async fn read_teapot_name(
        &self,
        project: &Project,
        freshness: Freshness,
    ) -> Result<Arc<View>, QuarantineError> {
        let teapot = self.teapot_side()?;
        teapot.ask_for();
        let _turn = self.editions.turn(project).await;
        let edition = self.editions.of(project);
        let memory = self.remember(project).await?;
        let Some(stock) = teapot.stock.load_full() else {
            return Err(QuarantineError::Fetch("the teapot repository has not been read yet; try again".into()));
        };
        self.read_name_on(teapot, Occasion { stock: &stock, before: None }, (project, memory, freshness, edition)).await
    }

    /// Takes a name in as a new index has it.
    pub(super) async fn meet_teapot(
        &self,
        teapot: &Teapot,
        project: &Project,
        occasion: Occasion<'_>,
    ) -> Result<Arc<View>, QuarantineError> {
        let _turn = self.editions.turn(project).await;
        let edition = self.editions.of(project);
        let memory = self.remember(project).await?;
        self.read_name_on(teapot, occasion, (project, memory, Freshness::Usual, edition)).await
    }

    async fn read_name_on(
        &self,
        teapot: &Teapot,
        occasion: Occasion<'_>,
        (project, memory, freshness, edition): (&Project, Memory, Freshness, Edition),
    ) -> Result<Arc<View>, QuarantineError> {
        let now = self.timekeeper.now();
        if self.policy().is_internal(project) {
            if let Some(before) = occasion.before {
                self.note_internal(teapot, (before, occasion.stock), project, memory.known).await?;
            }
            return Ok(self.view_without_files(project, edition));
        }
        let known = match &memory.known {
            Some(known) => known.clone(),
            None => first_known(teapot, occasion.before.unwrap_or(occasion.stock), project, now).await,
        };
        let files: Vec<ListedFile> =
            occasion.stock.of_name(project).filter_map(|entry| listed(entry, &teapot.index.base)).collect();
        if files.is_empty() && known.files.is_empty() {
            return Err(QuarantineError::NotFound(project.to_string()));
        }
        // What did not leave although the index was looked at since has a reason that asking again will not mend.
        let unasked = occasion.stock.read_at()..=now;
        let ended = memory.uploads.iter().any(|upload| {
            upload.state == State::Held && upload.hold_until.is_some_and(|until| unasked.contains(&until))
        });
        let read_at = if matches!(freshness, Freshness::Since(_)) || ended {
            match self.still_the_index(teapot, occasion.stock).await {
                Ok(true) => now,
                // Another index is there: the next poll takes it in, and time releases nothing before that.
                Ok(false) => occasion.stock.read_at().min(now),
                Err(error) if memory.known.is_some() => {
                    let news = News {
                        index: &teapot.index,
                        said: Said::Nothing,
                        read: None,
                        stale: Some(error),
                        absent_until: None,
                        is_asked: false,
                    };
                    return self.take_in(project, memory, news, edition).await;
                }
                Err(error) => return Err(error),
            }
        } else {
            occasion.stock.read_at().min(now)
        };
        let listing = Listing { files, status: known.status.clone(), ..Listing::default() };
        let unchanged = memory.known.is_some() && same_files(&listing, &as_listing(&known));
        let digest = Sha256::of(&serde_json::to_vec(&listing).unwrap_or_default());
        let used = self.used.remove(project).max(memory.read.as_ref().and_then(|read| read.used));
        let read = PageRead { at: read_at, digest, etag: None, last_modified: None, used };
        let memory = if memory.known.is_some() { memory } else { Memory { known: Some(known), ..memory } };
        let said = if unchanged { Said::Nothing } else { Said::Page(listing) };
        // No index says when anything was published: age counts from first sight.
        let news =
            News { index: &teapot.index, said, read: Some(read), stale: None, absent_until: None, is_asked: false };
        self.take_in(project, memory, news, edition).await
    }

    /// What comes under a name while it is internal is not judged, but remembered as new: should the policy give the name up, it
    /// must not pass for something that was always there.
    async fn note_internal(
        &self,
        teapot: &Teapot,
        (before, stock): (&Stock, &Stock),
        project: &Project,
        known: Option<KnownProject>,
    ) -> Result<(), QuarantineError> {
        let mut known = match known {
            Some(known) => known,
            None => first_known(teapot, before, project, self.timekeeper.now()).await,
        };
        let now = self.timekeeper.latest();
        for file in &mut known.files {
            if stock.entry(&file.file.filename).is_none() {
                file.vanished.get_or_insert(now);
            }
        }
        for file in stock.of_name(project).filter_map(|entry| listed(entry, &teapot.index.base)) {
            let here = known.files.iter_mut().find(|here| here.file.filename == file.filename);
            match here {
                // Nobody looked at it while it was away.
                Some(here) => {
                    if here.vanished.take().is_some() {
                        (here.standing, here.clock_start) = (Standing::Tracked, now);
                    }
                }
                None => known.files.push(KnownFile {
                    file,
                    first_seen: now,
                    clock_start: now,
                    standing: Standing::Tracked,
                    vanished: None,
                    disputed: None,
                }),
            }
        }
        self.store.commit(Change { listing: Some(Arc::new(known)), ..Change::default() }).await?;
        Ok(())
    }

    /// Rule 10: whether the upstream still has the index that we know.
    async fn still_the_index(&self, teapot: &Teapot, stock: &Stock) -> Result<bool, QuarantineError> {
        let asked_at = self.timekeeper.now();
        let status = self.teapot_status(teapot).await?;
        let same = status == stock.status;
        if same {
            stock.confirm(asked_at);
        }
        Ok(same)
    }
}

fn same_files(one: &Listing, two: &Listing) -> bool {
    let sorted = |listing: &Listing| {
        let mut files = listing.files.clone();
        files.sort_by(|one, two| one.filename.cmp(&two.filename));
        files
    };
    sorted(one) == sorted(two)
}

/// What the first index already had of a name: trusted, or held since then, as the repository's baseline says (rule 12).
async fn first_known(teapot: &Teapot, stock: &Stock, project: &Project, now: Timestamp) -> KnownProject {
    let first_seen = Kept::read(&teapot.settings.folder).await.baseline.unwrap_or(now).min(now);
    let standing = if teapot.index.trusted { Standing::Baseline } else { Standing::Tracked };
    let files = stock.of_name(project).filter_map(|entry| listed(entry, &teapot.index.base));
    let files = files.map(|file| KnownFile {
        file,
        first_seen,
        clock_start: first_seen,
        standing,
        vanished: None,
        disputed: None,
    });
    KnownProject {
        project: project.clone(),
        origin: Origin::Public,
        files: files.collect(),
        hidden: Vec::new(),
        status: ProjectStatus::default(),
        first_read: first_seen,
        findings: Vec::new(),
        judged_under: None,
    }
}
