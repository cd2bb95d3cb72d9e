//! What a walk has seen so far; zip and tar report to it entry by entry.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::rc::Rc;

use sha2::Digest as _;

use super::meter::{Halt, Meter};
use super::notes::Notes;
use super::perl::{self, PerlSurvey};
use super::tree::{Key, Node, Tree};
use super::{Entry, EntryKind, Limits, Objection, Walk, names};
use crate::domain::{Ecosystem, FileKind, Sha256};

/// Objections kept of each severity; the walk goes on without writing more down.
const OBJECTIONS_KEPT: usize = 50;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// What an entry claims to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim<'r> {
    File,
    Folder,
    SymbolicLink(&'r [u8]),
    HardLink(&'r [u8]),
    Special(&'static str),
}

/// An entry that was met and has a place in the tree.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) shown: String,
    pub(super) key: Key,
    pub(super) repeated: bool,
    role: Role,
}

/// Files whose bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    Metadata(Form),
    Record,
    Perl(perl::Place),
}

/// How metadata is written; the first is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// The only form that there is, or META.json.
    Usual,
    /// META.yml.
    Older,
}

/// What reading an entry to its end showed.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) digest: Option<Sha256>,
}

/// The walk so far.
pub(super) struct Survey<'a> {
    pub(super) meter: Rc<Meter<'a>>,
    kind: FileKind,
    ecosystem: Ecosystem,
    perl: Option<PerlSurvey>,
    tree: Tree,
    notes: Notes,
    walk: Walk,
    metadata_path: Option<(Form, String)>,
    record: Option<Vec<u8>>,
    contents: HashMap<Key, Sha256>,
    buffer: Vec<u8>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(kind: FileKind, ecosystem: Ecosystem, meter: Rc<Meter<'a>>) -> Self {
        Self {
            meter,
            kind,
            ecosystem,
            perl: (ecosystem == Ecosystem::Cpan).then(PerlSurvey::default),
            tree: Tree::default(),
            notes: Notes::default(),
            walk: Walk::default(),
            metadata_path: None,
            record: None,
            contents: HashMap::new(),
            buffer: vec![0; CHUNK],
        }
    }

    pub(super) fn limits(&self) -> &'a Limits {
        self.meter.limits
    }

    pub(super) fn object(&mut self, objection: Objection) {
        let fatal = objection.is_fatal();
        let kept = self.walk.objections.iter().filter(|kept| kept.is_fatal() == fatal).count();
        if kept < OBJECTIONS_KEPT {
            self.walk.objections.push(objection);
        }
    }

    /// Counts an entry, looks at its path and notes it. `None`: the path is objectionable and has no place.
    pub(super) fn meet(&mut self, raw: &[u8], claim: Claim<'_>, size: u64) -> Result<Option<Met>, Halt> {
        self.meter.check_time()?;
        let limits = self.limits();
        self.walk.entries += 1;
        // Implied folders cost memory too.
        if self.walk.entries > limits.entries || self.tree.len() > limits.entries.saturating_mul(2) {
            return Err(Objection::TooManyEntries { limit: limits.entries }.into());
        }
        let parts = match names::parts(raw, limits) {
            Ok(parts) => parts,
            Err(objection) => {
                self.object(objection);
                return Ok(None);
            }
        };
        let shown = names::shown(&parts.join(&b'/'));
        if raw.iter().any(u8::is_ascii_control) {
            self.object(Objection::ControlCharacters { path: shown.clone() });
        }
        if parts.is_empty() && !matches!(claim, Claim::Folder) {
            self.object(Objection::BadName { path: names::shown(raw), why: "names no file".into() });
            return Ok(None);
        }
        self.notes.meet(&Entry { path: shown.clone(), size, kind: entry_kind(claim) }, self.kind);
        if let Some(perl) = &mut self.perl {
            let target = match claim {
                Claim::SymbolicLink(target) | Claim::HardLink(target) => Some(target),
                Claim::File | Claim::Folder | Claim::Special(_) => None,
            };
            perl.meet(&parts, target);
        }
        if let Some(objection) = self.object_to_claim(claim, &parts, &shown) {
            self.object(objection);
        }
        let node = match claim {
            Claim::Folder => Node::Folder,
            Claim::SymbolicLink(_) => Node::Link,
            Claim::File | Claim::HardLink(_) | Claim::Special(_) => Node::File,
        };
        match self.tree.place(&parts, node, &shown) {
            Ok(place) => {
                let role = if node == Node::File { role_of(self.kind, self.ecosystem, &parts) } else { Role::Plain };
                Ok(Some(Met { shown, key: place.key, repeated: place.repeated, role }))
            }
            Err(objection) => {
                self.object(objection);
                Ok(None)
            }
        }
    }

    fn object_to_claim(&self, claim: Claim<'_>, parts: &[&[u8]], path: &str) -> Option<Objection> {
        let limits = self.limits();
        let outside = |target| Objection::LinkOutside { path: path.to_owned(), target: names::shown(target) };
        match claim {
            Claim::File | Claim::Folder => None,
            Claim::SymbolicLink(target) => {
                (!names::stays_inside(target, parts.len().saturating_sub(1), limits)).then(|| outside(target))
            }
            // A hard link names a file from the archive's root, one that was unpacked before.
            Claim::HardLink(target) => {
                let found = names::parts(target, limits).ok().and_then(|parts| self.tree.node(&parts));
                (found != Some(Node::File)).then(|| outside(target))
            }
            Claim::Special(what) => Some(Objection::SpecialFile { path: path.to_owned(), what: what.to_owned() }),
        }
    }

    /// Reads an entry to its end. `hash`: also compute the digest, to compare entries that share a path.
    pub(super) fn read(
        &mut self,
        reader: &mut dyn Read,
        met: Option<&Met>,
        hash: bool,
        blame: impl FnOnce(std::io::Error) -> Objection,
    ) -> Result<Content, Halt> {
        let limits = self.limits();
        let role = met.map_or(Role::Plain, |met| met.role);
        let keep_at_most = match role {
            Role::Plain => 0,
            Role::Metadata(_) => limits.metadata_bytes,
            Role::Record => limits.directory_bytes,
            Role::Perl(_) => perl::LONGEST_EXAMINED,
        };
        let mut kept = Vec::new();
        let mut size = 0_u64;
        let mut crc = flate2::Crc::new();
        let mut hasher = hash.then(sha2::Sha256::new);
        loop {
            let read = match reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.meter.explain(error, blame)),
            };
            let bytes = &self.buffer[..read];
            size += read as u64;
            self.walk.unpacked_bytes += read as u64;
            if size > limits.entry_bytes {
                let what = met.map_or_else(|| "an entry".to_owned(), |met| format!("{:?}", met.shown));
                return Err(Objection::TooLarge { what, limit: limits.entry_bytes }.into());
            }
            crc.update(bytes);
            if let Some(hasher) = &mut hasher {
                hasher.update(bytes);
            }
            if size <= keep_at_most || matches!(role, Role::Perl(_)) {
                let room = usize::try_from(keep_at_most).unwrap_or(usize::MAX).saturating_sub(kept.len());
                kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
        }
        if let Some(met) = met.filter(|met| met.role != Role::Plain) {
            if let (Role::Perl(place), Some(perl)) = (met.role, &mut self.perl) {
                perl.examine(&met.shown, place, &kept, size <= keep_at_most);
                self.meter.check_time()?;
            } else if size > keep_at_most {
                self.object(Objection::TooLarge { what: format!("{:?}", met.shown), limit: keep_at_most });
            } else {
                self.keep(met, kept);
            }
        }
        let digest = hasher.map(|hasher| Sha256::from_bytes(hasher.finalize().into()));
        Ok(Content { size, crc: crc.sum(), digest })
    }

    fn keep(&mut self, met: &Met, bytes: Vec<u8>) {
        if met.role == Role::Record {
            self.record = Some(bytes);
            return;
        }
        let Role::Metadata(form) = met.role else { return };
        if let Some(perl) = &mut self.perl {
            perl.has_metadata(form == Form::Usual);
        }
        match &self.metadata_path {
            Some((first, path)) if *first == form && *path != met.shown => {
                let objection = Objection::SeveralMetadata { first: path.clone(), second: met.shown.clone() };
                self.object(objection);
            }
            Some((first, _)) if *first < form => {}
            _ => {
                self.metadata_path = Some((form, met.shown.clone()));
                self.walk.metadata = Some(bytes);
            }
        }
    }

    /// Compares a file with an earlier one at the same path, if there was one.
    pub(super) fn compare(&mut self, met: &Met, digest: Sha256) {
        if let Some(earlier) = self.contents.insert(met.key, digest) {
            self.object(Objection::DuplicateEntry { path: met.shown.clone(), identical: earlier == digest });
        } else if met.repeated {
            // Something without contents of its own, a hard link, stood there.
            self.object(Objection::DuplicateEntry { path: met.shown.clone(), identical: false });
        }
    }

    /// The paths that the wheel's RECORD lists; `None` where there is none.
    pub(super) fn recorded(&mut self) -> Option<HashSet<Key>> {
        let record = self.record.take()?;
        Some(super::record::listed(&record, self.limits()))
    }

    pub(super) fn finish(mut self) -> Walk {
        self.walk.noted = self.notes.into_entries();
        self.walk.perl = self.perl.map(PerlSurvey::finish);
        self.walk
    }
}

fn entry_kind(claim: Claim<'_>) -> EntryKind {
    match claim {
        Claim::File => EntryKind::File,
        Claim::Folder => EntryKind::Directory,
        Claim::SymbolicLink(target) | Claim::HardLink(target) => EntryKind::Link { target: names::shown(target) },
        Claim::Special(_) => EntryKind::Other,
    }
}

/// Where each kind of archive keeps its metadata: [wheels](https://packaging.python.org/en/latest/specifications/binary-distribution-format/)
/// in their one `.dist-info` folder, source archives and eggs in PKG-INFO of their one folder.
/// Perl distributions have META.json, META.yml or both in their one folder.
fn role_of(kind: FileKind, ecosystem: Ecosystem, parts: &[&[u8]]) -> Role {
    if ecosystem == Ecosystem::Cpan {
        return match parts {
            [b"META.json"] | [_, b"META.json"] => Role::Metadata(Form::Usual),
            [b"META.yml"] | [_, b"META.yml"] => Role::Metadata(Form::Older),
            _ => perl::place_of(parts).map_or(Role::Plain, Role::Perl),
        };
    }
    match (kind, parts) {
        (FileKind::Wheel, [folder, name]) if folder.ends_with(b".dist-info") => match *name {
            b"METADATA" => Role::Metadata(Form::Usual),
            b"RECORD" => Role::Record,
            _ => Role::Plain,
        },
        (FileKind::Source, [_, b"PKG-INFO"]) | (FileKind::Legacy, [b"EGG-INFO", b"PKG-INFO"]) => {
            Role::Metadata(Form::Usual)
        }
        _ => Role::Plain,
    }
}
