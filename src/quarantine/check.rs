//! `lazaret check`: whether this proxy would serve exactly what a lock file names, now, by the verdicts of the file gate.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::file_gate::internal_name;
use super::locked::{ABREAST, Listed, Mismatch, Wanted, WantedFile};
use super::view::{Entry, View};
use super::{Quarantine, QuarantineError, Refusal, explain, printable};
use crate::domain::{Ecosystem, State, Timestamp, UploadId};

/// The longest reason told, in characters.
const LONGEST_REASON: usize = 500;

/// Why something would not be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// In one sentence of printable ASCII.
    pub why: String,
    /// Until when, where time will end it.
    pub until: Option<Timestamp>,
    /// The upload, where there is one.
    pub id: Option<UploadId>,
}

/// What was found of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It would be served.
    Serve,
    /// It would not.
    Refuse(Obstacle),
    /// It names neither a version nor a file, so nobody knows what will be installed.
    Unpinned,
}

/// The answer for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Of the entry: refused if one of its files is.
    pub verdict: Verdict,
    /// Of each of its files, in their order.
    pub files: Vec<Verdict>,
}

impl Obstacle {
    fn new(why: &str) -> Self {
        Self { why: printable(why, LONGEST_REASON), until: None, id: None }
    }
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        Self { until: refusal.until, id: refusal.id, ..Self::new(&refusal.why) }
    }
}

impl Checked {
    fn refused(obstacle: Obstacle, wanted: &Wanted) -> Self {
        let files = wanted.files.iter().map(|_| Verdict::Refuse(obstacle.clone())).collect();
        Self { verdict: Verdict::Refuse(obstacle), files }
    }
}

impl Quarantine {
    /// Judges what a lock file wants, in its order. Changes nothing but what reading a page changes.
    pub async fn check(self: &Arc<Self>, asked: Vec<Wanted>) -> Result<Vec<Checked>, QuarantineError> {
        let each = |wanted: Wanted| {
            let house = self.clone();
            async move { house.check_one(&wanted).await }
        };
        stream::iter(asked).map(each).buffered(ABREAST).try_collect().await
    }

    async fn check_one(self: &Arc<Self>, wanted: &Wanted) -> Result<Checked, QuarantineError> {
        if wanted.files.is_empty() && wanted.version.is_none() {
            return Ok(Checked { verdict: Verdict::Unpinned, files: Vec::new() });
        }
        let view = match self.view_of(wanted).await {
            Ok(view) => view,
            Err(QuarantineError::NotFound(_)) => {
                let why = Mismatch::Unlisted(wanted.display()).to_string();
                return Ok(Checked::refused(Obstacle::new(&why), wanted));
            }
            Err(error @ (QuarantineError::Store(_) | QuarantineError::Blob(_))) => return Err(error),
            // What cannot be had now is not served now.
            Err(error) => return Ok(Checked::refused(Obstacle::new(&error.to_string()), wanted)),
        };
        if view.known.is_none() {
            return Ok(Checked::refused(internal_name(&view.project).into(), wanted));
        }
        let listed = Listed::of(&view);
        let mut files = Vec::with_capacity(wanted.files.len());
        for file in &wanted.files {
            files.push(match listed.find(wanted, file) {
                Ok(entry) => judged(&entry, &view),
                Err(mismatch) => Verdict::Refuse(self.told(&mismatch, wanted, file).await?),
            });
        }
        let verdict = match &wanted.version {
            Some(version) if files.is_empty() => {
                of_version(view.version(version).map(|entry| judged(&entry, &view)), wanted)
            }
            _ => of_files(&files, wanted),
        };
        Ok(Checked { verdict, files })
    }

    /// Other bytes may be known: rejected, recalled, or of another index. Then that is the reason, as at the file gate.
    async fn told(&self, mismatch: &Mismatch, wanted: &Wanted, file: &WantedFile) -> Result<Obstacle, QuarantineError> {
        let sha256 = file.digest.as_ref().and_then(crate::domain::Digest::sha256);
        if let (Mismatch::OtherBytes | Mismatch::Unlisted(_), Some(sha256)) = (mismatch, sha256) {
            let uploads = self.store.of(&wanted.project).await?;
            let same = |name: &crate::domain::FileName| file.filename.as_ref().is_none_or(|meant| meant == name);
            let known = uploads.into_iter().find(|upload| {
                upload.sha256 == Some(sha256) && upload.state != State::Released && same(&upload.filename)
            });
            if let Some(upload) = known {
                return Ok(explain::refusal(&upload, upload.display_version()).into());
            }
        }
        Ok(Obstacle::new(&mismatch.to_string()))
    }
}

/// Whether the gate would let this file out.
fn judged(entry: &Entry<'_>, view: &View) -> Verdict {
    if let Some(refusal) = entry.refusal(&view.project) {
        return Verdict::Refuse(refusal.into());
    }
    if entry.file.vanished.is_some() && !entry.is_kept() {
        return Verdict::Refuse(Obstacle::new("the index does not list it any more, and its bytes were not kept"));
    }
    // A release of CPAN is asked for by its path; it is hashed on its way in.
    if view.project.ecosystem == Ecosystem::Pypi && entry.sha256().is_none() {
        return Verdict::Refuse(Obstacle::new("its bytes were not read here yet, and the index promises no SHA-256"));
    }
    Verdict::Serve
}

/// A version is served if any of its files is: installers take one of them.
fn of_version(verdicts: impl Iterator<Item = Verdict>, wanted: &Wanted) -> Verdict {
    let mut first: Option<Obstacle> = None;
    for verdict in verdicts {
        match verdict {
            Verdict::Serve | Verdict::Unpinned => return Verdict::Serve,
            Verdict::Refuse(obstacle) => {
                let until = first.as_ref().map_or(obstacle.until, |first| first.until.max(obstacle.until));
                first = Some(Obstacle { until, ..first.unwrap_or(obstacle) });
            }
        }
    }
    let unlisted = || Obstacle::new(&Mismatch::Unlisted(wanted.display()).to_string());
    Verdict::Refuse(first.unwrap_or_else(unlisted))
}

/// An entry is refused if one of its files is: which of them an installer takes says the machine that it runs on.
fn of_files(files: &[Verdict], wanted: &Wanted) -> Verdict {
    let refused: Vec<(usize, &Obstacle)> = files
        .iter()
        .enumerate()
        .filter_map(|(place, verdict)| match verdict {
            Verdict::Refuse(obstacle) => Some((place, obstacle)),
            Verdict::Serve | Verdict::Unpinned => None,
        })
        .collect();
    let Some((place, first)) = refused.first() else { return Verdict::Serve };
    let name = wanted.files.get(*place).and_then(|file| file.filename.as_ref());
    let name = name.filter(|name| !first.why.contains(name.as_str())).map(|name| format!("{name}: "));
    let name = name.unwrap_or_default();
    let more = match refused.len() {
        1 => String::new(),
        number => format!(" ({number} of {} files are refused)", files.len()),
    };
    // It can be had when the last of its files can; never, if one of them waits for something else than time.
    let until = refused.iter().map(|(_, obstacle)| obstacle.until).collect::<Option<Vec<_>>>();
    Verdict::Refuse(Obstacle {
        why: printable(&format!("{name}{}{more}", first.why), LONGEST_REASON),
        until: until.and_then(|times| times.into_iter().max()),
        id: first.id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::{FileName, Project};

    fn wanted(files: &[&str]) -> Wanted {
        let file = |name: &&str| WantedFile { filename: FileName::parse(name).ok(), digest: None };
        let project: Project = "pypi:six".parse().unwrap();
        Wanted { project, version: None, files: files.iter().map(file).collect() }
    }

    fn held(day: Option<u8>) -> Verdict {
        let until = day.map(|day| datetime!(2026-11-01 12:00 UTC).replace_day(day).unwrap());
        Verdict::Refuse(Obstacle { until, ..Obstacle::new("held") })
    }

    #[test]
    fn an_entry_waits_for_the_last_of_its_files() {
        let of = |files: &[Verdict]| of_files(files, &wanted(&["a.whl", "b.whl", "c.whl"]));
        assert_eq!(of(&[Verdict::Serve, Verdict::Serve]), Verdict::Serve);
        let Verdict::Refuse(one) = of(&[Verdict::Serve, held(Some(3))]) else { panic!("refused") };
        assert_eq!((one.why.as_str(), one.until.map(Timestamp::day)), ("b.whl: held", Some(3)));
        let Verdict::Refuse(two) = of(&[held(Some(3)), Verdict::Serve, held(Some(5))]) else { panic!("refused") };
        assert_eq!(two.why, "a.whl: held (2 of 3 files are refused)");
        assert_eq!(two.until.map(Timestamp::day), Some(5));
        let Verdict::Refuse(never) = of(&[held(Some(3)), held(None)]) else { panic!("refused") };
        assert_eq!(never.until, None, "one of them waits for a person");
    }

    #[test]
    fn a_version_is_served_if_one_of_its_files_is() {
        let of = |verdicts: Vec<Verdict>| of_version(verdicts.into_iter(), &wanted(&[]));
        assert_eq!(of(vec![held(None), Verdict::Serve]), Verdict::Serve);
        let Verdict::Refuse(held) = of(vec![held(Some(3)), held(Some(5))]) else { panic!("refused") };
        assert_eq!(held.until.map(Timestamp::day), Some(5));
        let Verdict::Refuse(unlisted) = of(Vec::new()) else { panic!("refused") };
        assert_eq!(unlisted.why, "no index that lazaret asks lists pypi:six");
    }
}
