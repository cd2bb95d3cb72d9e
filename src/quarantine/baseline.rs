//! `lazaret baseline`: what is in use already is let in by its SHA-256, as one decision of a person and one event.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::desk::{checked_reason, require};
use super::locked::{ABREAST, Listed, Mismatch, Wanted, WantedFile};
use super::release::released;
use super::view::{Entry, View};
use super::{Asker, Quarantine, QuarantineError, explain, printable};
use crate::domain::{Actor, Digest, EventDraft, EventKind, Project, Role, Scope, Sha256, State, Upload, UploadId};
use crate::policy;
use crate::store::{Change, StoreError};

/// So many files are let in by one decision; an event names each.
pub const MOST_RELEASED: usize = 5_000;
/// The longest reason told, in characters.
const LONGEST_REASON: usize = 500;
/// Somebody may decide about one of many files meanwhile; then all are looked at again.
const ATTEMPTS: usize = 3;

/// Why something was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is served already.
    Already,
    /// The index promises other bytes.
    OtherBytes,
    /// No index lists it, or nobody knows what is meant.
    Unknown,
    /// It was rejected or recalled, and an admin would have to reopen it.
    Rejected,
    /// No person may let it in: a hard rule, or one person is not enough.
    Forbidden,
    /// It could not be looked at now.
    Unavailable,
}

impl Why {
    /// The word used in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Already => "already-released",
            Self::OtherBytes => "other-bytes",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Something that was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// `pypi:six==1.16.0`, as far as it was said.
    pub what: String,
    /// Its file's name or hash, if one was said.
    pub file: Option<String>,
    /// Why not.
    pub why: Why,
    /// In one sentence of printable ASCII.
    pub reason: String,
    /// The upload, where there is one.
    pub id: Option<UploadId>,
}

/// What a baseline came to.
#[derive(Debug, Clone, Default)]
pub struct Baselined {
    /// The uploads that were let in, as they are now.
    pub released: Vec<Upload>,
    /// Everything else that was asked for.
    pub left: Vec<Left>,
}

/// What was found of one entry.
#[derive(Debug, Default)]
struct Found {
    held: Vec<Upload>,
    left: Vec<Left>,
}

impl Quarantine {
    /// Lets in what is named by its SHA-256, or where only a version is named, the files of it that are known now. Whatever
    /// [`policy::may_approve`] refuses stays where it is. All of it is one change with one event.
    pub async fn baseline(
        self: &Arc<Self>,
        asked: &[Wanted],
        by: &Actor,
        reason: &str,
    ) -> Result<Baselined, QuarantineError> {
        require(by, Role::Admin)?;
        let reason = checked_reason(reason)?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.try_baseline(asked, by, &reason).await {
                Err(QuarantineError::Store(error)) if matches!(*error, StoreError::Conflict(_)) => {
                    // The rows of what was decided meanwhile are in the store, not in the views.
                    for wanted in asked {
                        self.outdate(&wanted.project);
                    }
                    last = Some(QuarantineError::Store(error));
                }
                answer => return answer,
            }
        }
        Err(last.unwrap_or_else(|| QuarantineError::Fetch("too much changed meanwhile, try again".into())))
    }

    async fn try_baseline(
        self: &Arc<Self>,
        asked: &[Wanted],
        by: &Actor,
        reason: &str,
    ) -> Result<Baselined, QuarantineError> {
        let each = |wanted: Wanted| {
            let (house, by) = (self.clone(), by.clone());
            async move { house.find_held(&wanted, &by).await }
        };
        let found: Vec<Found> = stream::iter(asked.to_vec()).map(each).buffered(ABREAST).try_collect().await?;
        let mut baselined = Baselined::default();
        let mut change = Change::default();
        let mut seen = HashSet::new();
        let now = self.timekeeper.now();
        for Found { held, left } in found {
            baselined.left.extend(left);
            for upload in held.into_iter().filter(|upload| seen.insert(upload.id.clone())) {
                // Its own event is left out: the one of the baseline names it.
                let (upload, _) = released(upload, by.clone(), reason.to_owned(), Scope::File, now)?;
                change.uploads.push(upload.clone());
                baselined.released.push(Upload { revision: upload.revision + 1, ..upload });
            }
        }
        if baselined.released.len() > MOST_RELEASED {
            return Err(QuarantineError::BadRequest(format!(
                "{} files would be let in at once, {MOST_RELEASED} is the most: do it in parts",
                baselined.released.len()
            )));
        }
        if baselined.released.is_empty() {
            return Ok(baselined);
        }
        change.events.push(self.event_of(&baselined, by, reason));
        self.store.commit(change).await?;
        let projects: HashSet<&Project> = baselined.released.iter().map(|upload| &upload.project).collect();
        for project in projects {
            self.outdate(project);
        }
        metrics::counter!("lazaret_released_total", "by" => "baseline").increment(baselined.released.len() as u64);
        Ok(baselined)
    }

    /// The event names every file that it let in, and counts what it did not.
    fn event_of(&self, baselined: &Baselined, by: &Actor, reason: &str) -> EventDraft {
        let mut event =
            EventDraft::new(self.timekeeper.now(), by.clone(), EventKind::BaselineReleased, reason.to_owned());
        let one = |upload: &Upload| {
            json!({
                "upload": upload.id,
                "project": upload.project.to_string(),
                "version": upload.version,
                "filename": upload.filename,
                "sha256": upload.sha256,
                "score": upload.verdict.score,
                "policy": upload.verdict.policy,
            })
        };
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for left in &baselined.left {
            *counts.entry(left.why.as_str()).or_default() += 1;
        }
        let files: Vec<serde_json::Value> = baselined.released.iter().map(one).collect();
        event.details = json!({ "scope": Scope::File, "files": files, "not_released": counts });
        event
    }

    /// The held rows that one entry names and that this person may let in.
    async fn find_held(self: &Arc<Self>, wanted: &Wanted, by: &Actor) -> Result<Found, QuarantineError> {
        let left = |file, why, reason: &str, id| Left {
            what: wanted.display(),
            file,
            why,
            reason: printable(reason, LONGEST_REASON),
            id,
        };
        let all = |why, reason: &str| {
            let names = wanted.files.iter().map(|file| Some(name_of(file)));
            let names: Vec<Option<String>> = if wanted.files.is_empty() { vec![None] } else { names.collect() };
            Found { held: Vec::new(), left: names.into_iter().map(|file| left(file, why, reason, None)).collect() }
        };
        let view = match self.view_of(wanted).await {
            Ok(view) => view,
            Err(QuarantineError::NotFound(_)) => {
                return Ok(all(Why::Unknown, &Mismatch::Unlisted(wanted.display()).to_string()));
            }
            Err(error @ (QuarantineError::Store(_) | QuarantineError::Blob(_))) => return Err(error),
            Err(error) => return Ok(all(Why::Unavailable, &error.to_string())),
        };
        if view.known.is_none() {
            return Ok(all(Why::Forbidden, &super::file_gate::internal_name(&view.project).why));
        }
        let mut found = Found::default();
        let (entries, missing) = named(&view, wanted);
        for (file, mismatch) in missing {
            let why = match mismatch {
                Mismatch::OtherBytes | Mismatch::OtherVersion(_) => Why::OtherBytes,
                _ => Why::Unknown,
            };
            found.left.push(left(file, why, &mismatch.to_string(), None));
        }
        let policy = self.policy();
        let now = self.timekeeper.now();
        for (entry, sha256) in entries {
            let file = Some(entry.file.file.filename.to_string());
            if entry.row.is_none() && entry.is_open() {
                found.left.push(left(file, Why::Already, "it is served already", None));
                continue;
            }
            // From the store: since the view was made somebody may have decided.
            let upload = self.row_for(&view, entry.file).await?;
            let id = Some(upload.id.clone());
            let no = match upload.state {
                State::Released if self.may_leave(&upload, Asker::ANYBODY) => {
                    Some((Why::Already, "it is served already".to_owned()))
                }
                State::Rejected | State::Recalled => {
                    let refusal = explain::refusal(&upload, String::new());
                    Some((Why::Rejected, format!("{}; an admin can reopen it (lazaret reopen)", refusal.why)))
                }
                State::Released | State::Held => obstacle(&entry, &upload, sha256).or_else(|| {
                    let may = policy::may_approve(&upload, by, Scope::File, None, &policy, now);
                    may.err().map(|refusal| (Why::Forbidden, refusal.to_string()))
                }),
            };
            match no {
                Some((why, reason)) => found.left.push(left(file, why, &reason, id)),
                None => found.held.push(upload),
            }
        }
        Ok(found)
    }
}

/// Why a held file is not the one that is in use, or not the one that the index has now.
fn obstacle(entry: &Entry<'_>, upload: &Upload, meant: Option<Sha256>) -> Option<(Why, String)> {
    if entry.file.disputed.is_some() {
        return Some((Why::OtherBytes, "the index promises other bytes than when it was first seen".to_owned()));
    }
    if entry.file.vanished.is_some() && !entry.is_kept() {
        return Some((Why::Unknown, "the index does not list it any more".to_owned()));
    }
    match (upload.sha256, meant) {
        (None, _) => Some((Why::Unknown, Mismatch::Unhashed.to_string())),
        (Some(is), Some(meant)) if is != meant => Some((Why::OtherBytes, Mismatch::OtherBytes.to_string())),
        _ => None,
    }
}

/// The listed files that are meant, each with the hash by which it is, and what is meant and is not listed.
#[expect(clippy::type_complexity, reason = "two lists that are made together and used at once")]
fn named<'a>(
    view: &'a View,
    wanted: &'a Wanted,
) -> (Vec<(Entry<'a>, Option<Sha256>)>, Vec<(Option<String>, Mismatch)>) {
    let (mut entries, mut missing) = (Vec::new(), Vec::new());
    match &wanted.version {
        Some(version) if wanted.files.is_empty() => {
            entries.extend(view.version(version).map(|entry| (entry, None)));
            if entries.is_empty() {
                missing.push((None, Mismatch::Unlisted(wanted.display())));
            }
        }
        None if wanted.files.is_empty() => missing.push((None, Mismatch::Nameless)),
        _ => {
            let listed = Listed::of(view);
            for file in &wanted.files {
                let sha256 = file.digest.as_ref().and_then(Digest::sha256);
                let found = match (sha256, &file.digest) {
                    (Some(_), _) => listed.find(wanted, file),
                    (None, Some(digest)) => Err(Mismatch::Incomparable(digest.algorithm)),
                    (None, None) => Err(Mismatch::NoHash),
                };
                match found {
                    Ok(entry) => entries.push((entry, sha256)),
                    Err(mismatch) => missing.push((Some(name_of(file)), mismatch)),
                }
            }
        }
    }
    (entries, missing)
}

fn name_of(file: &WantedFile) -> String {
    let digest = || file.digest.as_ref().map(ToString::to_string);
    file.filename.as_ref().map(ToString::to_string).or_else(digest).unwrap_or_default()
}
