//! A distribution's page, made from the index, from what was known before, and from what its mirror says of single files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::reading::{Memory, News, Said, as_listing};
use super::super::refresh::Freshness;
use super::super::view::View;
use super::super::{Edition, Quarantine, QuarantineError};
use super::evidence::{name_of, path_of, version_of};
use super::overlay::{Shelf, Shelved};
use super::snapshot::{Snapshot, project_of};
use super::{Cpan, Mirror};
use crate::domain::{
    Digest, Ecosystem, FileName, KnownFile, KnownProject, ListedFile, Listing, Mode, PageRead, Project, ProjectStatus,
    Provided, Sha256, Standing, State, Timestamp, Upload,
};
use crate::registry::cpan::author_path::AuthorPath;
use crate::registry::cpan::checksums::Checksums;
use crate::registry::cpan::dist_name::{DistName, dist_of, main_package};
use crate::registry::cpan::meta::DistMeta;

/// So many releases of a distribution that no index lists are remembered as asked for.
const MOST_UNLISTED: usize = 200;
/// In so many folders an earlier release is looked for.
const MOST_HOMES: usize = 8;
/// `.meta` files have a few kilobytes.
const LARGEST_META: u64 = 1 << 20;

/// Lists of digests by folder, as far as they can be read.
type Lists = HashMap<String, Option<Checksums>>;

/// On what occasion a distribution is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion<'a> {
    /// The index that is looked at.
    pub(super) snapshot: &'a Snapshot,
    /// The index before that, if this one is being taken in.
    pub(super) before: Option<&'a Snapshot>,
    /// Whether the index is being taken in: then one file that cannot be asked about must not keep all others waiting.
    pub(super) taking_in: bool,
}

impl Quarantine {
    /// CPAN's side of the house.
    pub fn cpan_side(&self) -> Result<&Cpan, QuarantineError> {
        let cpan = self.cpan.as_ref().filter(|cpan| !cpan.mirrors.is_empty());
        cpan.ok_or_else(|| QuarantineError::Fetch("no CPAN mirror is known: set cpan.upstream in lazaret.toml".into()))
    }

    /// Reads a distribution and takes it in; releases nothing.
    pub(in crate::quarantine) async fn read_dist(
        &self,
        project: &Project,
        freshness: Freshness,
    ) -> Result<Arc<View>, QuarantineError> {
        let cpan = self.cpan_side()?;
        cpan.ask_for();
        let _turn = self.editions.turn(project).await;
        let edition = self.editions.of(project);
        let memory = self.remember(project).await?;
        let Some(mirror) = self.owner_of(cpan, project, &memory).await? else {
            return Ok(self.view_without_files(project, edition));
        };
        let Some(snapshot) = mirror.snapshot.load_full() else {
            return Err(QuarantineError::Fetch(format!("{} has not been read yet; try again", mirror.index.label())));
        };
        let occasion = Occasion { snapshot: &snapshot, before: None, taking_in: false };
        self.read_on(cpan, mirror, occasion, (project, memory, freshness, edition)).await
    }

    /// Takes a distribution in as a new index has it.
    pub(super) async fn meet_dist(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        project: &Project,
        occasion: Occasion<'_>,
    ) -> Result<Arc<View>, QuarantineError> {
        let _turn = self.editions.turn(project).await;
        let edition = self.editions.of(project);
        let memory = self.remember(project).await?;
        match self.owner_of(cpan, project, &memory).await? {
            Some(owner) if owner.index.origin == mirror.index.origin => {
                self.read_on(cpan, mirror, occasion, (project, memory, Freshness::Usual, edition)).await
            }
            _ => Ok(self.view_without_files(project, edition)),
        }
    }

    /// Whose name it is (rules 14 and 15): a private mirror that shows it, or nobody if it is internal, or the public one.
    async fn owner_of<'a>(
        &self,
        cpan: &'a Cpan,
        project: &Project,
        memory: &Memory,
    ) -> Result<Option<&'a Mirror>, QuarantineError> {
        if let Some(owner) = &memory.owner {
            return Ok(cpan.mirror(&crate::domain::Origin::Private(owner.as_str().into())));
        }
        let package = main_package(project.name.as_str());
        for mirror in cpan.private() {
            let Some(snapshot) = mirror.snapshot.load_full() else {
                // Only a clean miss lets a name go on.
                return Err(QuarantineError::Fetch(format!(
                    "{} has not been read yet; try again",
                    mirror.index.label()
                )));
            };
            let family = mirror.owns_package(&package);
            if snapshot.has(project) && (family || mirror.index.names.is_empty()) {
                if let crate::domain::Origin::Private(name) = &mirror.index.origin {
                    self.store.note_private(project, name).await?;
                }
                return Ok(Some(mirror));
            }
            if family {
                return Ok(None);
            }
        }
        if self.policy().is_internal(project) {
            return Ok(None);
        }
        cpan.public()
            .map(Some)
            .ok_or_else(|| QuarantineError::NotFound(format!("{project} (there is no public CPAN mirror)")))
    }

    async fn read_on(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        occasion: Occasion<'_>,
        (project, memory, freshness, edition): (&Project, Memory, Freshness, Edition),
    ) -> Result<Arc<View>, QuarantineError> {
        let now = self.timekeeper.now();
        let known = match &memory.known {
            Some(known) if known.origin == mirror.index.origin => known.clone(),
            _ => self.known_from_index(cpan, mirror, occasion, project).await?,
        };
        let mut files = self.listed_files(cpan, mirror, occasion, &known).await?;
        if files.is_empty() && known.files.is_empty() {
            return Err(QuarantineError::NotFound(project.to_string()));
        }
        // Rule 10: before time releases anything, the mirror is asked for it again.
        let ended = ended_holds(&memory.uploads, now);
        let confirm = matches!(freshness, Freshness::Since(_)) || !ended.is_empty();
        if confirm && let Err(error) = self.confirm(mirror, &ended, &mut files).await {
            return self.last_good_dist(mirror, project, memory, error, edition).await;
        }
        let read_at = match (&memory.read, confirm) {
            (_, true) => now,
            (Some(read), false) => read.at.max(occasion.snapshot.read_at().min(now)),
            (None, false) => occasion.snapshot.read_at().min(now),
        };
        let listing = Listing { files, status: known.status.clone(), ..Listing::default() };
        let unchanged = memory.known.is_some() && listing.files == as_listing(&known).files;
        let digest = Sha256::of(&serde_json::to_vec(&listing).unwrap_or_default());
        let used = self.used.remove(project).max(memory.read.as_ref().and_then(|read| read.used));
        let read = PageRead { at: read_at, digest, etag: None, last_modified: None, used };
        // Rule 11 speaks of a reading of the whole index in which the release was missing.
        let absent_until = occasion.before.map(Snapshot::read_at);
        let known_before = memory.known.as_ref().is_some_and(|before| before.origin == known.origin);
        let memory = if known_before { memory } else { Memory { known: Some(known), ..memory } };
        let said = if unchanged { Said::Nothing } else { Said::Page(listing) };
        let news = News { index: &mirror.index, said, read: Some(read), stale: None, absent_until, is_asked: false };
        self.take_in(project, memory, news, edition).await
    }

    /// The mirror did not answer: what is known stays, and time releases nothing.
    async fn last_good_dist(
        &self,
        mirror: &Mirror,
        project: &Project,
        memory: Memory,
        error: QuarantineError,
        edition: Edition,
    ) -> Result<Arc<View>, QuarantineError> {
        if memory.known.is_none() {
            return Err(error);
        }
        tracing::warn!(%project, %error, "what is known of the distribution stays as it is");
        let news = News {
            index: &mirror.index,
            said: Said::Nothing,
            read: None,
            stale: Some(error),
            absent_until: None,
            is_asked: false,
        };
        self.take_in(project, memory, news, edition).await
    }

    /// What the first index already had of a distribution: it stands for itself, by its age.
    async fn known_from_index(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        occasion: Occasion<'_>,
        project: &Project,
    ) -> Result<KnownProject, QuarantineError> {
        let snapshot = occasion.before.unwrap_or(occasion.snapshot);
        let taking_in = occasion.taking_in;
        let now = self.timekeeper.now();
        let first_seen = mirror.kept().await.baseline.unwrap_or(now).min(now);
        let mut files = Vec::new();
        for path in snapshot.paths_of(project) {
            let Ok(path) = AuthorPath::parse(path) else { continue };
            let provides = snapshot.provides(path.as_str());
            let announced = cpan.announced.get(path.as_str());
            let listed = match self.describe_release(mirror, &path, provides.clone(), announced).await {
                Ok(Some(listed)) => listed,
                Ok(None) => continue,
                Err(error) if taking_in => {
                    tracing::warn!(%path, %error, "its date is not known; its age counts from the first index");
                    match undated(mirror, &path, provides) {
                        Some(listed) => listed,
                        None => continue,
                    }
                }
                Err(error) => return Err(error),
            };
            if let Some(earlier) = self.sibling(cpan, mirror, &path, &listed).await {
                files.push(known_file(earlier, first_seen));
            }
            files.push(known_file(listed, first_seen));
        }
        Ok(KnownProject {
            project: project.clone(),
            origin: mirror.index.origin.clone(),
            files,
            hidden: Vec::new(),
            status: ProjectStatus::default(),
            first_read: first_seen,
            findings: Vec::new(),
            judged_under: None,
        })
    }

    /// For a release too young to be let in at first sight: the one before it, as CHECKSUMS lists it in the folder of its author
    /// or of somebody else who may upload it. Nothing else on a mirror says what an index had before.
    async fn sibling(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        path: &AuthorPath,
        listed: &ListedFile,
    ) -> Option<ListedFile> {
        let now = self.timekeeper.now();
        if listed.uploaded_at().is_some_and(|uploaded| now - uploaded > self.policy().longest_hold(Ecosystem::Cpan)) {
            return None;
        }
        let dist = dist_of(path.file())?;
        let is_later =
            |one: &AuthorPath, two: &AuthorPath| version_of(one).compare(&version_of(two), Ecosystem::Cpan).is_gt();
        let mut newest: Option<AuthorPath> = None;
        for home in cpan.homes(path, &dist.name) {
            let Ok(vouched) = self.checksums_of(mirror, &home).await else { continue };
            for file in vouched.checksums.entries.keys() {
                let is_release =
                    |other: &DistName<'_>| other.name == dist.name && !other.developer && other.version.is_some();
                let Some(other) = dist_of(file)
                    .filter(is_release)
                    .and_then(|_| AuthorPath::parse(&format!("{}/{file}", home.folder())).ok())
                else {
                    continue;
                };
                if is_later(path, &other) && newest.as_ref().is_none_or(|newest| is_later(&other, newest)) {
                    newest = Some(other);
                }
            }
        }
        let newest = newest?;
        let provides = self.provides_by_meta(mirror, &newest, listed).await;
        self.describe_release(mirror, &newest, provides, None).await.ok().flatten()
    }

    /// The packages of a release by its `.meta`; where that is silent, those of its successor that are named after the
    /// distribution.
    async fn provides_by_meta(&self, mirror: &Mirror, path: &AuthorPath, successor: &ListedFile) -> Vec<Provided> {
        let document = format!("authors/id/{}.meta", stem(path.as_str()));
        let since = self.timekeeper.wall() - time::Duration::days(1);
        if let Ok(document) = self.document(mirror, &document, since, LARGEST_META).await
            && let Ok(meta) = DistMeta::read(&document.body)
            && !meta.provides.is_empty()
        {
            let provided =
                |(package, version): (String, String)| Provided { package: package.into(), version: version.into() };
            return meta.provides.into_iter().map(provided).collect();
        }
        let version: Box<str> = version_of(path).as_str().into();
        let main = dist_of(path.file()).map(|dist| main_package(&dist.name));
        let of_main = successor.provides.iter().filter(|provided| Some(&*provided.package) == main.as_deref());
        of_main.map(|provided| Provided { package: provided.package.clone(), version: version.clone() }).collect()
    }

    /// What the page lists now: what is known and not gone, what the index has, and what clients asked for by its path.
    async fn listed_files(
        &self,
        cpan: &Cpan,
        mirror: &Mirror,
        occasion: Occasion<'_>,
        known: &KnownProject,
    ) -> Result<Vec<ListedFile>, QuarantineError> {
        let mut files: Vec<ListedFile> = Vec::new();
        let mut lists = Lists::new();
        for file in known.files.iter().filter(|file| file.vanished.is_none()) {
            let path = path_of(&file.file.filename);
            if path.as_ref().is_some_and(|path| cpan.is_deleted(path.as_str())) {
                continue;
            }
            let mut file = file.file.clone();
            // Rule 18: what is pinned stays, and what is promised now is laid beside it.
            if let Some(path) = path
                && let Some(promise) = self.promised_now(mirror, &path, &mut lists).await
                && file.promise.is_some()
            {
                file.promise = Some(promise);
            }
            files.push(file);
        }
        let mut listed: HashSet<FileName> = known.files.iter().map(|file| file.file.filename.clone()).collect();
        for path in occasion.snapshot.paths_of(&known.project) {
            let Ok(path) = AuthorPath::parse(path) else { continue };
            let Some(name) = name_of(&path) else { continue };
            let provides = occasion.snapshot.provides(path.as_str());
            if let Some(file) = files.iter_mut().find(|file| file.filename == name) {
                file.provides = also_before(provides, &file.provides);
            } else if let Some(back) = known.file(&name) {
                // It was gone, and the index still has it: only the mirror knows whether it is back.
                if !cpan.is_deleted(path.as_str()) && matches!(self.head_of(mirror, &path).await, Ok(Some(_))) {
                    files.push(ListedFile { provides, ..back.file.clone() });
                }
            } else if listed.insert(name) {
                let announced = cpan.announced.get(path.as_str());
                let described = self.describe_release(mirror, &path, provides.clone(), announced).await;
                match described {
                    Ok(Some(file)) => files.push(file),
                    // In the index, and not on this mirror yet or not to be asked about: held from now on, or the index would
                    // show what nobody may have.
                    Ok(None) | Err(_) => files.extend(undated(mirror, &path, provides)),
                }
            }
        }
        let unlisted = cpan.unlisted.get(&known.project);
        for name in unlisted.iter().flat_map(|names| names.iter()) {
            if !listed.insert(name.clone()) {
                continue;
            }
            let Some(path) = path_of(name) else { continue };
            match self.describe_release(mirror, &path, Vec::new(), None).await {
                Ok(described) => files.extend(described),
                Err(error) if occasion.taking_in => tracing::warn!(%path, %error, "looked for again later"),
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    /// What the CHECKSUMS that was read last promises of a release.
    async fn promised_now(&self, mirror: &Mirror, path: &AuthorPath, lists: &mut Lists) -> Option<Digest> {
        if !lists.contains_key(path.folder()) {
            let kept = mirror.documents.kept(&format!("authors/id/{}/CHECKSUMS", path.folder())).await;
            let read = kept.and_then(|document| Checksums::read(&document.body).ok());
            lists.insert(path.folder().to_owned(), read);
        }
        let checksums = lists.get(path.folder())?.as_ref()?;
        checksums.entries.get(path.file())?.sha256.map(Digest::from)
    }

    /// Asks the mirror again for what is about to be released.
    async fn confirm(
        &self,
        mirror: &Mirror,
        ended: &[FileName],
        files: &mut Vec<ListedFile>,
    ) -> Result<(), QuarantineError> {
        for name in ended {
            let Some(path) = path_of(name) else { continue };
            if self.head_of(mirror, &path).await?.is_none() {
                files.retain(|file| file.filename != *name);
                continue;
            }
            let Ok(vouched) = self.checksums_of(mirror, &path).await else { continue };
            let promised = vouched.entry(&path).and_then(|entry| entry.sha256);
            if let (Some(file), Some(promised)) = (files.iter_mut().find(|file| file.filename == *name), promised)
                && file.promise.is_some()
            {
                file.promise = Some(promised.into());
            }
        }
        Ok(())
    }
}

impl Cpan {
    /// Where releases of a distribution may be: beside this one, and with others who may upload it.
    fn homes(&self, path: &AuthorPath, dist: &str) -> Vec<AuthorPath> {
        let mut homes = vec![path.clone()];
        let Some(book) = self.permissions.load_full() else { return homes };
        for (pause_id, _) in book.permissions.of(&main_package(dist)).into_iter().take(MOST_HOMES) {
            let home = AuthorPath::parse_short(&format!("{pause_id}/{}", path.file()));
            homes.extend(home.ok().filter(|home| home.folder() != path.folder()));
        }
        homes
    }

    /// Somebody asked for a release that no index lists; says whether that is news.
    pub(super) fn remember_unlisted(&self, project: &Project, name: &FileName) -> bool {
        let names = self.unlisted.get(project).unwrap_or_default();
        if names.contains(name) || names.len() >= MOST_UNLISTED {
            return false;
        }
        let mut names = names.as_ref().clone();
        names.push(name.clone());
        self.unlisted.insert(project.clone(), names.into());
        true
    }

    /// Its mirror does not have it either.
    pub(super) fn forget_unlisted(&self, project: &Project, name: &FileName) {
        let Some(names) = self.unlisted.get(project) else { return };
        let left = names.iter().filter(|known| *known != name).cloned().collect();
        self.unlisted.insert(project.clone(), Arc::new(left));
    }
}

/// Held files whose time has come.
fn ended_holds(uploads: &[Upload], now: Timestamp) -> Vec<FileName> {
    uploads
        .iter()
        .filter(|upload| upload.state == State::Held && upload.hold_until.is_some_and(|until| until <= now))
        .map(|upload| upload.filename.clone())
        .collect()
}

fn known_file(file: ListedFile, first_seen: Timestamp) -> KnownFile {
    let clock_start = file.uploaded_at().filter(|uploaded| *uploaded <= first_seen).unwrap_or(first_seen);
    KnownFile { file, first_seen, clock_start, standing: Standing::Baseline, vanished: None, disputed: None }
}

/// What a release provides by the index, and what it did before: a package that moved to a release which is held is still had
/// from here.
fn also_before(mut now: Vec<Provided>, before: &[Provided]) -> Vec<Provided> {
    for provided in before {
        if !now.iter().any(|other| other.package == provided.package) {
            now.push(provided.clone());
        }
    }
    now
}

/// A release of which only the path is known: held from first sight.
fn undated(mirror: &Mirror, path: &AuthorPath, provides: Vec<Provided>) -> Option<ListedFile> {
    let url = super::evidence::release_url(mirror, path);
    Some(ListedFile { provides, ..ListedFile::at(name_of(path)?, version_of(path), url.as_str()) })
}

/// A release's path without what its packing adds: PAUSE puts `.meta` and `.readme` behind that.
pub(super) fn stem(path: &str) -> &str {
    const ENDINGS: [&str; 8] = [".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".zip", ".tar"];
    ENDINGS.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path)
}

impl Shelf {
    /// A distribution's releases as its view has them.
    pub(super) fn of(view: &View) -> Self {
        let releases = view.files().filter_map(|entry| {
            let path = path_of(&entry.file.file.filename)?;
            debug_assert_eq!(project_of(&path).as_ref(), Some(&view.project));
            Some(Shelved {
                path: path.as_str().into(),
                version: entry.file.file.version.clone(),
                first_seen: entry.file.first_seen,
                open: entry.is_open(),
                open_in: Mode::ALL.map(|mode| entry.under(mode).is_open()),
                at_hand: entry.file.vanished.is_none() || entry.is_kept(),
                provides: entry.file.file.provides.clone(),
            })
        });
        Self {
            project: view.project.clone(),
            private: view.known.as_ref().is_none_or(|known| !known.origin.is_public()),
            releases: releases.collect(),
        }
    }
}
