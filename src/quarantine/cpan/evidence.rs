//! What CPAN's own records say of the releases of a distribution: CHECKSUMS, permissions, earlier uploaders.

use std::collections::BTreeMap;

use super::super::view::View;
use super::super::{Quarantine, QuarantineError};
use super::dates::Witnesses;
use super::permissions::{PermissionBook, letter};
use super::{Cpan, Mirror};
use crate::blob::Staged;
use crate::corpus::Corpus;
use crate::domain::{Digest, Ecosystem, FileName, KnownFile, KnownProject, ListedFile, Provided, Timestamp, Version};
use crate::registry::cpan::author_path::AuthorPath;
use crate::registry::cpan::checksums::{Checksum, Checksums};
use crate::registry::cpan::dist_name::{dist_of, main_package};
use crate::registry::cpan::signature::{SignatureVerdict, verify};
use crate::signals::{ChecksumsVerdict, CpanFacts, EarlierRelease, SignatureState};
use crate::upstream::{Head, HeadRequest};

/// A folder's CHECKSUMS is small; the largest of CPAN has a few hundred kilobytes.
const LARGEST_CHECKSUMS: u64 = 4 << 20;
/// How long a mirror may take to answer a HEAD.
const HEAD_DEADLINE: std::time::Duration = std::time::Duration::from_secs(15);
/// So many earlier releases stand in a dossier.
const MOST_EARLIER: usize = 20;

/// By file, what CPAN's records say.
pub(super) type Evidence = BTreeMap<FileName, CpanFacts>;

/// A folder's CHECKSUMS, read and checked.
#[derive(Debug, Clone)]
pub(super) struct Vouched {
    pub(super) checksums: std::sync::Arc<Checksums>,
    signature: SignatureState,
}

impl Vouched {
    pub(super) fn entry(&self, path: &AuthorPath) -> Option<&Checksum> {
        self.checksums.entries.get(path.file())
    }
}

/// The path that a file's name stands for.
pub(in crate::quarantine) fn path_of(filename: &FileName) -> Option<AuthorPath> {
    AuthorPath::parse_short(filename.as_str()).ok()
}

/// The name under which a release is known here.
pub(super) fn name_of(path: &AuthorPath) -> Option<FileName> {
    FileName::in_folders(path.short()).ok()
}

/// The version that a release's file name says; one that says none is `0`.
pub(super) fn version_of(path: &AuthorPath) -> Version {
    let text = dist_of(path.file()).and_then(|dist| dist.version);
    let parse = |text: &str| Version::parse(Ecosystem::Cpan, text).ok();
    text.as_deref().and_then(parse).unwrap_or_else(Version::zero)
}

impl Cpan {
    /// What the records say of every release of a public distribution.
    pub(in crate::quarantine) async fn evidence(&self, known: &KnownProject, corpus: &Corpus) -> Evidence {
        let mut evidence = Evidence::new();
        if !known.origin.is_public() {
            return evidence;
        }
        let Some(mirror) = self.mirror(&known.origin) else { return evidence };
        let book = self.permissions.load_full();
        let main = main_package(known.project.name.as_str());
        let mut releases: Vec<&KnownFile> = known.files.iter().collect();
        releases.sort_by_key(|file| std::cmp::Reverse(file.file.uploaded_at().unwrap_or(file.first_seen)));
        let neighbours = corpus.neighbours(&known.project.name);
        for file in &known.files {
            let Some(path) = path_of(&file.file.filename) else { continue };
            let others = releases.iter().filter(|other| other.file.filename != file.file.filename);
            let earlier = others.take(MOST_EARLIER).filter_map(|other| {
                Some(EarlierRelease {
                    pause_id: path_of(&other.file.filename)?.pause_id().into(),
                    version: other.file.version.as_str().into(),
                    published: other.file.uploaded_at(),
                })
            });
            let mut facts = CpanFacts {
                pause_id: path.pause_id().into(),
                main_package: main.as_str().into(),
                indexed: !file.file.provides.is_empty(),
                permissions_known: false,
                permission: None,
                owners: Vec::new(),
                permission_since: None,
                ownership_moved: None,
                adoption: None,
                earlier: earlier.collect(),
                uploader_name: None,
                owner_names: Vec::new(),
                holds_look_alike: Vec::new(),
                foreign_packages: Vec::new(),
                checksums: self.verdict_of(mirror, &path, &file.file).await,
            };
            if let Some(book) = &book {
                fill_in_permissions(&mut facts, book, neighbours.iter().map(|neighbour| neighbour.target.as_str()));
            }
            evidence.insert(file.file.filename.clone(), facts);
        }
        evidence
    }

    async fn verdict_of(&self, mirror: &Mirror, path: &AuthorPath, listed: &ListedFile) -> ChecksumsVerdict {
        let document = format!("authors/id/{}/CHECKSUMS", path.folder());
        let Some(kept) = mirror.documents.kept(&document).await else {
            return ChecksumsVerdict::NotRead { why: "the mirror has not shown it yet".to_owned() };
        };
        match self.vouch(&kept.body) {
            Ok(vouched) => verdict(&vouched, path, listed),
            Err(why) => ChecksumsVerdict::NotRead { why },
        }
    }

    /// Reads a CHECKSUMS file and checks its signature; the same bytes are read once.
    fn vouch(&self, bytes: &bytes::Bytes) -> Result<Vouched, String> {
        let checksums = Checksums::read(bytes).map_err(|error| error.to_string())?;
        let signature = match verify(&checksums, &self.settings.keyring) {
            SignatureVerdict::Unsigned => SignatureState::Unsigned,
            SignatureVerdict::Good { key } => SignatureState::Good { key },
            SignatureVerdict::CannotVerify { why } => SignatureState::CannotVerify { why },
            SignatureVerdict::Bad { why } => SignatureState::Bad { why },
        };
        Ok(Vouched { checksums: checksums.into(), signature })
    }
}

fn verdict(vouched: &Vouched, path: &AuthorPath, listed: &ListedFile) -> ChecksumsVerdict {
    let Some(entry) = vouched.entry(path) else { return ChecksumsVerdict::NotListed };
    if let Some(told) = entry.cpan_path.as_deref().filter(|told| *told != path.folder()) {
        return ChecksumsVerdict::Differs { why: format!("it speaks of the folder {told}") };
    }
    if let (Some(promised), Some(pinned)) = (entry.sha256, listed.promised_sha256())
        && promised != pinned
    {
        return ChecksumsVerdict::PromisesOthers { why: format!("{promised}, first seen was {pinned}") };
    }
    ChecksumsVerdict::Agrees { signature: vouched.signature.clone() }
}

fn fill_in_permissions<'a>(facts: &mut CpanFacts, book: &PermissionBook, look_alikes: impl Iterator<Item = &'a str>) {
    let granted = book.permissions.of(&facts.main_package);
    let own = granted.iter().find(|(pause_id, _)| *pause_id == &*facts.pause_id);
    facts.permissions_known = true;
    facts.permission = own.map(|(_, permission)| letter(*permission).into());
    facts.permission_since = book.since(&facts.main_package, &facts.pause_id);
    facts.ownership_moved = book.moved(&facts.main_package);
    facts.adoption = book.adoption(&facts.main_package).map(Into::into);
    let name = |pause_id: &str| book.people.as_ref().and_then(|people| people.name(pause_id)).map(Into::into);
    facts.uploader_name = name(&facts.pause_id);
    facts.owner_names = granted.iter().filter_map(|(pause_id, _)| name(pause_id)).collect();
    let holds = |target: &&str| {
        let granted = book.permissions.of(&main_package(target));
        granted.iter().any(|(pause_id, _)| *pause_id == &*facts.pause_id)
    };
    facts.holds_look_alike = look_alikes.filter(holds).map(Into::into).collect();
    facts.owners = granted.into_iter().map(|(pause_id, _)| pause_id.into()).collect();
}

impl Quarantine {
    /// Why CHECKSUMS speaks against bytes that no index promised anything about.
    pub(in crate::quarantine) async fn checksums_object(
        &self,
        view: &View,
        file: &KnownFile,
        staged: &Staged,
    ) -> Option<String> {
        let known = view.known.as_ref().filter(|known| known.project.ecosystem == Ecosystem::Cpan)?;
        let mirror = self.cpan.as_ref()?.mirror(&known.origin)?;
        let path = path_of(&file.file.filename)?;
        let vouched = self.checksums_of(mirror, &path).await.ok()?;
        let entry = vouched.entry(&path)?;
        if entry.sha256.is_some_and(|promised| promised != staged.sha256) {
            return Some(format!("the bytes of {path} are not the ones that CHECKSUMS promises"));
        }
        let other_size = entry.size.filter(|size| *size != staged.size)?;
        Some(format!("{path} has {} bytes, CHECKSUMS promises {other_size}", staged.size))
    }

    /// A release as its mirror has it now: size, digest, date. `None`: the mirror has no such file.
    pub(super) async fn describe_release(
        &self,
        mirror: &Mirror,
        path: &AuthorPath,
        provides: Vec<Provided>,
        announced: Option<Timestamp>,
    ) -> Result<Option<ListedFile>, QuarantineError> {
        let Some(filename) = name_of(path) else { return Ok(None) };
        let Some(head) = self.head_of(mirror, path).await? else { return Ok(None) };
        let vouched = self.checksums_of(mirror, path).await;
        let entry = vouched.as_ref().ok().and_then(|vouched| vouched.entry(path));
        let witnesses = Witnesses { announced, modified: head.modified, day: entry.and_then(|entry| entry.mtime) };
        let rfc3339 = time::format_description::well_known::Rfc3339;
        Ok(Some(ListedFile {
            promise: entry.and_then(|entry| entry.sha256).map(Digest::from),
            size: entry.and_then(|entry| entry.size).or(head.length),
            uploaded: witnesses.uploaded().and_then(|at| at.format(&rfc3339).ok()).map(Into::into),
            provides,
            ..ListedFile::at(filename, version_of(path), release_url(mirror, path).as_str())
        }))
    }

    /// Whether the mirror has a release now; `None` if it says that it has not.
    pub(super) async fn head_of(&self, mirror: &Mirror, path: &AuthorPath) -> Result<Option<Head>, QuarantineError> {
        let url = release_url(mirror, path);
        let hosts = mirror.index.allowed_hosts();
        let request = HeadRequest {
            url: &url,
            deadline: HEAD_DEADLINE,
            hosts: &hosts,
            credentials: mirror.index.credentials.as_ref(),
        };
        match self.upstream.head(request).await {
            Ok(head) => Ok(Some(head)),
            Err(error) if error.is_clean_miss() => Ok(None),
            Err(error) => Err(QuarantineError::Fetch(format!("{}: {path}: {error}", mirror.index.label()))),
        }
    }

    /// The CHECKSUMS of a release's folder, asked for anew.
    pub(super) async fn checksums_of(&self, mirror: &Mirror, path: &AuthorPath) -> Result<Vouched, String> {
        let document = format!("authors/id/{}/CHECKSUMS", path.folder());
        let since = self.timekeeper.wall();
        let document = self.document(mirror, &document, since, LARGEST_CHECKSUMS).await;
        let document = document.map_err(|error| error.to_string())?;
        let Some(cpan) = &self.cpan else { return Err("CPAN is not configured".to_owned()) };
        cpan.vouch(&document.body)
    }
}

/// Where a mirror has a release.
pub(super) fn release_url(mirror: &Mirror, path: &AuthorPath) -> url::Url {
    // A path has letters, digits and marks that mean nothing in an address: joining cannot leave the mirror.
    mirror.index.base.join(&format!("authors/id/{path}")).unwrap_or_else(|_| mirror.index.base.clone())
}
