//! The file gate for CPAN: releases by their path, complete and verified before the first byte, and the files beside them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::file_gate::Want;
use super::super::refresh::Freshness;
use super::super::view::{Entry, View};
use super::super::{Asker, Leave, Quarantine, QuarantineError, Refusal, toll};
use super::evidence::{name_of, path_of};
use super::reading::stem;
use super::snapshot::project_of;
use super::{Cpan, Mirror};
use crate::domain::{FileName, Project, Sha256, Timestamp};
use crate::registry::cpan::author_path::AuthorPath;
use crate::registry::cpan::checksums::Checksums;

/// How long a client waits for a release to be fetched, verified and examined: cpanm's most impatient back end gives up after
/// a minute, and CHECKSUMS may be asked for before.
const PATIENCE: Duration = Duration::from_secs(45);
/// A release that its mirror does not have is not looked for again for so long.
const ABSENT_REMEMBERED: time::Duration = time::Duration::minutes(1);
/// `.meta` and `.readme` are small.
const LARGEST_COMPANION: u64 = 4 << 20;
/// Documents that are passed through as the public mirror has them.
const DOCUMENTS: [&str; 8] = [
    "authors/01mailrc.txt",
    "authors/01mailrc.txt.gz",
    "modules/03modlist.data",
    "modules/03modlist.data.gz",
    "modules/06perms.txt",
    "modules/06perms.txt.gz",
    "MIRRORED.BY",
    "RECENT",
];
const LARGEST_DOCUMENT: u64 = 64 << 20;

/// What the gate answers.
#[derive(Debug)]
pub enum ReleaseAnswer {
    /// May not leave.
    Refused(Refusal),
    /// What HEAD wants to know.
    Known {
        /// How many bytes, if the mirror or our own count says so.
        size: Option<u64>,
        /// When it was uploaded.
        published: Option<Timestamp>,
    },
    /// Verified bytes in the cellar.
    Ready {
        /// Their name.
        sha256: Sha256,
        /// How many.
        size: u64,
        /// When they were uploaded.
        published: Option<Timestamp>,
        /// Until further notice.
        leave: Leave,
    },
    /// Not verified in time: ask again.
    NotYet {
        /// After so long.
        retry_after: Duration,
    },
}

impl Quarantine {
    /// Passes a request for a release through the gate.
    pub async fn cpan_release(
        self: &Arc<Self>,
        path: &AuthorPath,
        want: Want,
        asker: Asker,
    ) -> Result<ReleaseAnswer, QuarantineError> {
        let missing = || QuarantineError::NotFound(path.to_string());
        let name = name_of(path).ok_or_else(missing)?;
        let view = self.view_with(path, &name).await?;
        let Some(entry) = view.file(&name) else {
            return if view.known.is_none() { Ok(refused(internal(&view.project))) } else { Err(missing()) };
        };
        if let Some(refusal) = entry.under(view.mode_for(asker)).refusal(&view.project) {
            return Ok(refused(refusal));
        }
        let published = entry.file.file.uploaded_at();
        // Rule 3: HEAD never fetches.
        if want == Want::Head {
            let size = entry.row.and_then(|upload| upload.size).or(entry.file.file.size);
            return Ok(ReleaseAnswer::Known { size, published });
        }
        self.note_leaving(entry.row, asker).await?;
        let mut leave = Leave::given(self, &view, &name, asker).await;
        if let Some(sha256) = entry.row.and_then(|upload| upload.examination.passed())
            && let Some(size) = self.blobs.size(&sha256).await?
        {
            return Ok(ReleaseAnswer::Ready { sha256, size, published, leave });
        }
        let fetch = self.fetch(&view, &name).await?;
        match fetch.settled(PATIENCE).await {
            Some(Ok(upload)) if self.may_leave(&upload, asker) => match upload.sha256 {
                Some(sha256) => {
                    leave.hold(sha256).await;
                    Ok(ReleaseAnswer::Ready { sha256, size: upload.size.unwrap_or_default(), published, leave })
                }
                None => Err(missing()),
            },
            // It was refused while it came, by a person or by what its bytes showed.
            Some(Ok(_) | Err(QuarantineError::Forbidden(_))) => {
                let view = self.view(&view.project, Freshness::Usual).await?;
                let refusal =
                    view.file(&name).and_then(|entry| entry.under(view.mode_for(asker)).refusal(&view.project));
                Ok(refusal.map_or(ReleaseAnswer::NotYet { retry_after: Duration::from_mins(1) }, refused))
            }
            Some(Err(error)) => Err(self.after_failure(&view, path, error).await),
            None => Ok(ReleaseAnswer::NotYet { retry_after: Duration::from_secs(30) }),
        }
    }

    /// The view of a release's distribution, in which the release is found if it is anywhere.
    pub(in crate::quarantine) async fn release_view(
        self: &Arc<Self>,
        path: &AuthorPath,
    ) -> Result<Arc<View>, QuarantineError> {
        let name = name_of(path).ok_or_else(|| QuarantineError::NotFound(path.to_string()))?;
        self.view_with(path, &name).await
    }

    /// The view of a release's distribution; a release that no index lists is looked for on its mirror.
    async fn view_with(self: &Arc<Self>, path: &AuthorPath, name: &FileName) -> Result<Arc<View>, QuarantineError> {
        let cpan = self.cpan_side()?;
        let project = project_of(path).ok_or_else(|| QuarantineError::NotFound(path.to_string()))?;
        self.first_index(cpan).await?;
        self.used.insert(project.clone(), self.timekeeper.wall());
        match self.view(&project, Freshness::Usual).await {
            Ok(view)
                if view.known.is_none()
                    || view.file(name).is_some_and(|entry| is_at_hand(&entry) || !entry.is_open()) =>
            {
                return Ok(view);
            }
            Ok(_) | Err(QuarantineError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let now = self.timekeeper.wall();
        if cpan.absent.get(name).is_some_and(|at| now - at < ABSENT_REMEMBERED) {
            return Err(QuarantineError::NotFound(path.to_string()));
        }
        // Before anything is noted of it: that somebody may not ask does not mean that it is not there.
        toll::pay()?;
        if !cpan.remember_unlisted(&project, name) {
            return Err(QuarantineError::NotFound(path.to_string()));
        }
        self.outdate(&project);
        let view = self.view(&project, Freshness::Usual).await;
        if !view.as_ref().is_ok_and(|view| view.known.is_none() || view.file(name).is_some()) {
            cpan.forget_unlisted(&project, name);
            cpan.absent.insert(name.clone(), now);
        }
        view
    }

    /// Waits until every mirror was read once: before that nobody can say whose a name is.
    async fn first_index(self: &Arc<Self>, cpan: &Cpan) -> Result<(), QuarantineError> {
        let unread = || cpan.mirrors.iter().find(|mirror| mirror.snapshot.load().is_none());
        if unread().is_some() {
            self.cpan_index(PATIENCE, Asker::ANYBODY).await;
        }
        match unread() {
            None => Ok(()),
            Some(mirror) => {
                Err(QuarantineError::Fetch(format!("{} has not been read yet; try again", mirror.index.label())))
            }
        }
    }

    /// A release that could not be fetched: if its mirror says that it is gone, the index must not go on showing it.
    async fn after_failure(
        self: &Arc<Self>,
        view: &View,
        path: &AuthorPath,
        error: QuarantineError,
    ) -> QuarantineError {
        let Ok(cpan) = self.cpan_side() else { return error };
        let Some(mirror) = view.known.as_ref().and_then(|known| cpan.mirror(&known.origin)) else { return error };
        if !matches!(self.head_of(mirror, path).await, Ok(None)) {
            return error;
        }
        cpan.note_deleted(path.as_str(), true);
        self.outdate(&view.project);
        if let Err(error) = self.view(&view.project, Freshness::Usual).await {
            tracing::warn!(%path, %error, "a release that is gone could not be looked at");
        }
        QuarantineError::NotFound(format!("{path} (it is gone from its mirror)"))
    }

    /// `.meta` and `.readme` of a release: let out when the release is, as the mirror has them.
    pub async fn cpan_companion(
        self: &Arc<Self>,
        path: &AuthorPath,
        ending: &str,
        asker: Asker,
    ) -> Result<Result<Bytes, Refusal>, QuarantineError> {
        let missing = || QuarantineError::NotFound(path.to_string());
        let own_stem = path.as_str().strip_suffix(ending).ok_or_else(missing)?;
        let cpan = self.cpan_side()?;
        self.first_index(cpan).await?;
        // Its name without the ending is that of the release without what its packing adds.
        let pretended = AuthorPath::parse(&format!("{own_stem}.tar.gz")).map_err(|_| missing())?;
        let project = project_of(&pretended).ok_or_else(missing)?;
        let view = self.view(&project, Freshness::Usual).await?;
        if view.known.is_none() {
            return Ok(Err(internal(&project)));
        }
        let is_sibling = |name: &FileName| path_of(name).is_some_and(|path| stem(path.as_str()) == own_stem);
        let entry = view.files().find(|entry| is_sibling(&entry.file.file.filename)).ok_or_else(missing)?;
        if let Some(refusal) = entry.under(view.mode_for(asker)).refusal(&project) {
            return Ok(Err(refusal));
        }
        let mirror = view.known.as_ref().and_then(|known| cpan.mirror(&known.origin)).ok_or_else(missing)?;
        let since = self.timekeeper.wall() - time::Duration::days(1);
        let document = self.document(mirror, &format!("authors/id/{path}"), since, LARGEST_COMPANION).await?;
        if let Some(vouched) = self.kept_checksums(mirror, path).await
            && let Some(promised) = vouched.entries.get(path.file()).and_then(|entry| entry.sha256)
            && promised != Sha256::of(&document.body)
        {
            return Err(QuarantineError::Fetch(format!("{path} is not what CHECKSUMS promises")));
        }
        Ok(Ok(document.body))
    }

    async fn kept_checksums(&self, mirror: &Mirror, path: &AuthorPath) -> Option<Checksums> {
        let document = format!("authors/id/{}/CHECKSUMS", path.folder());
        let since = self.timekeeper.wall() - self.cpan_side().ok()?.settings.poll;
        let document = self.document(mirror, &document, since, LARGEST_COMPANION).await.ok()?;
        Checksums::read(&document.body).ok()
    }

    /// A folder's CHECKSUMS, byte for byte. If the mirror's present one does not list a release any more that is served from
    /// here, the last one that did: without it CPAN.pm asks and `cpanm --verify` fails. Likewise if it holds more than data.
    pub async fn cpan_checksums(self: &Arc<Self>, folder: &str) -> Result<Bytes, QuarantineError> {
        let cpan = self.cpan_side()?;
        let path = format!("authors/id/{folder}/CHECKSUMS");
        let since = self.timekeeper.wall() - cpan.settings.poll;
        let mut last = QuarantineError::NotFound(path.clone());
        for mirror in &cpan.mirrors {
            let is_public = mirror.index.origin.is_public();
            if !is_public && !mirror.has_folder(folder) {
                continue;
            }
            match self.document(mirror, &path, since, LARGEST_COMPANION).await {
                Ok(document) => {
                    let served = cpan.served_in(folder);
                    let lists_all = |bytes: &Bytes| {
                        Checksums::read(bytes)
                            .is_ok_and(|checksums| served.iter().all(|file| checksums.entries.contains_key(file)))
                    };
                    if lists_all(&document.body) {
                        return Ok(document.body);
                    }
                    if let Some(longer) = mirror.documents.kept(&super::documents::longer(&path)).await
                        && lists_all(&longer.body)
                    {
                        return Ok(longer.body);
                    }
                    // Clients evaluate it. What a private mirror writes is its owner's matter.
                    if is_public && let Err(error) = Checksums::read(&document.body) {
                        let why = format!("{path} is not passed on, because clients would run it: {error}");
                        return Err(QuarantineError::Fetch(why));
                    }
                    return Ok(document.body);
                }
                Err(error @ QuarantineError::NotFound(_)) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// A document that is passed through from the public mirror.
    pub async fn cpan_document(self: &Arc<Self>, path: &str) -> Result<Bytes, QuarantineError> {
        let missing = || QuarantineError::NotFound(path.to_owned());
        let cpan = self.cpan_side()?;
        cpan.ask_for();
        let is_list = ["authors/RECENT-", "modules/RECENT-"].iter().any(|prefix| path.starts_with(prefix))
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-".contains(&byte));
        if !DOCUMENTS.contains(&path) && !is_list {
            return Err(missing());
        }
        let mirror = cpan.public().or_else(|| cpan.mirrors.first()).ok_or_else(missing)?;
        let since = self.timekeeper.wall() - cpan.settings.poll;
        Ok(self.document(mirror, path, since, LARGEST_DOCUMENT).await?.body)
    }
}

impl Cpan {
    /// Files of a folder that are listed in the place of something held.
    fn served_in(&self, folder: &str) -> Vec<String> {
        let mut served = Vec::new();
        for overlay in self.editions.iter().filter_map(|edition| edition.overlay.load_full()) {
            let in_folder = overlay.rows.values().filter_map(|row| row.path.rsplit_once('/'));
            served.extend(in_folder.filter(|(of, _)| *of == folder).map(|(_, file)| file.to_owned()));
        }
        served
    }
}

fn refused(refusal: Refusal) -> ReleaseAnswer {
    metrics::counter!("lazaret_refusals_total").increment(1);
    ReleaseAnswer::Refused(refusal)
}

/// Whether its mirror has it, as far as anybody knows, or the cellar.
fn is_at_hand(entry: &Entry<'_>) -> bool {
    entry.file.vanished.is_none() || entry.is_kept()
}

fn internal(project: &Project) -> Refusal {
    super::super::file_gate::internal_name(project)
}
