//! Intake: what a page says now is compared with what is known, and becomes one change. Pure: time and rules are arguments.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

mod changes;
mod judging;
mod merge;
mod rows;

use self::merge::{Moments, merge};
use super::assess::Bench;
use crate::archive::Walk;
use crate::domain::{
    EventDraft, FileName, KnownProject, ListedFile, Listing, Origin, Outcome, Project, ReleaseKey, Standing, State,
    Timestamp, Upload, UploadId, Verdict,
};
use crate::signals::ProjectFacts;
use crate::store::StoreError;

/// What intake compares.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Whose page.
    pub project: &'a Project,
    /// Which index showed it.
    pub origin: &'a Origin,
    /// The page; an index that says 404 shows an empty one.
    pub listing: Listing,
    /// What was known before.
    pub known: Option<KnownProject>,
    /// Whether that page was read now; else it is what is known, to be judged again.
    pub is_page: bool,
    /// The project's rows.
    pub uploads: Vec<Upload>,
    /// What examining bytes showed, for the rows that were.
    pub contents: &'a dyn Contents,
    /// The last complete read before this one.
    pub previous_read: Option<Timestamp>,
    /// The last complete read in which what is new now was missing (rule 11).
    pub absent_until: Option<Timestamp>,
    /// What an undated file's age counts from: the latest that any clock says, so that no wrong clock shortens a hold.
    pub first_sight: Timestamp,
    /// Whether files without a date are trusted at the first read (rule 12).
    pub trusted: bool,
    /// Whether its files may be overwritten.
    pub volatile: bool,
}

/// What examining the bytes of a row showed: it stands in the row's dossier, and is read only where it is needed.
pub trait Contents: fmt::Debug {
    /// What reading the bytes of this row showed; `None` if nobody has read them.
    fn walk(&self, upload: &Upload) -> Result<Option<Walk>, StoreError>;
}

/// What intake found out.
#[derive(Debug)]
pub struct Intake {
    /// What is known now.
    pub known: KnownProject,
    /// Whether the packed row differs from before.
    pub rewritten: bool,
    /// The project's rows now.
    pub uploads: HashMap<UploadId, Upload>,
    /// Which of them are new or changed.
    pub changed: Vec<UploadId>,
    /// Dossiers of the new verdicts, to be stored.
    pub dossiers: Vec<(UploadId, Vec<u8>)>,
    /// What the ledger must say.
    pub events: Vec<EventDraft>,
}

/// Compares a page with what is known.
pub fn take_in(arrival: Arrival<'_>, bench: &Bench<'_>) -> Result<Intake, StoreError> {
    let mut uploads: HashMap<UploadId, Upload> =
        arrival.uploads.into_iter().map(|upload| (upload.id.clone(), upload)).collect();
    let mut work = Work {
        bench,
        project_findings: Vec::new(),
        changed: Vec::new(),
        dossiers: Vec::new(),
        events: Vec::new(),
        gone: Vec::new(),
        contents: arrival.contents,
    };

    let moved_in = arrival.known.as_ref().is_some_and(|known| known.origin != *arrival.origin);
    if moved_in {
        work.name_changed_owner(arrival.project, arrival.origin);
    }
    work.settle_strangers(arrival.project, arrival.origin, &arrival.listing, &mut uploads);
    let known_before = arrival.known.filter(|_| !moved_in);
    let first_read = known_before.is_none();
    let mut known = known_before.clone().unwrap_or_else(|| KnownProject {
        project: arrival.project.clone(),
        origin: arrival.origin.clone(),
        files: Vec::new(),
        hidden: Vec::new(),
        status: arrival.listing.status.clone(),
        first_read: bench.now,
        findings: Vec::new(),
        judged_under: None,
    });

    let moments = Moments {
        now: bench.now,
        first_sight: arrival.first_sight,
        absent_until: arrival.absent_until.filter(|_| !first_read),
        is_page: arrival.is_page,
    };
    let merged = merge(&mut known, arrival.listing, moments, arrival.volatile);
    let facts = bench.facts(&known);
    let findings = bench.project_findings(&facts);
    let digest = bench.digest(&known.project);
    let judge_all = known.judged_under != Some(digest) || known.findings != findings;
    work.project_findings.clone_from(&findings);
    known.findings = findings;
    known.judged_under = Some(digest);

    for index in &merged.returned {
        let file = &mut known.files[*index];
        let was_let_in = match uploads.get(&id_of(&facts, &file.file)) {
            Some(upload) => upload.state == State::Released,
            None => file.standing == Standing::Baseline,
        };
        // Rule 11: nobody saw it while it was away, so what it spent hidden does not count.
        if !was_let_in && let Some(read) = moments.absent_until {
            file.clock_start = file.clock_start.max(read.min(bench.now));
        }
    }
    for listed in merged.other_promises {
        work.promise_changed(&facts, &known, listed, &mut uploads);
    }
    for index in &merged.vanished {
        work.vanished(&facts, &mut known.files[*index], &mut uploads)?;
    }
    work.tell_vanished(&facts);
    work.tell_ended_waivers(&facts, arrival.previous_read.filter(|_| !first_read));
    let trusted = arrival.trusted && first_read;
    let added: HashSet<usize> = merged.added.iter().copied().collect();
    for members in versions(&known, |index| judge_all || added.contains(&index) || merged.revived.contains(&index)) {
        work.judge_version(&facts, &mut known, &members, &added, trusted, &mut uploads)?;
    }
    work.tell_baseline(&known, &added, first_read, &uploads);

    let rewritten = known_before.as_ref() != Some(&known);
    let Work { mut changed, dossiers, events, .. } = work;
    changed.sort();
    changed.dedup();
    Ok(Intake { known, rewritten, uploads, changed, dossiers, events })
}

/// The places of the files of each version in which at least one file needs judging.
fn versions(known: &KnownProject, needs: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<ReleaseKey, (bool, Vec<usize>)> = BTreeMap::new();
    for (index, file) in known.files.iter().enumerate() {
        let group = groups.entry(file.file.version.release(known.project.ecosystem)).or_default();
        group.0 |= needs(index);
        group.1.push(index);
    }
    groups.into_values().filter(|(needed, _)| *needed).map(|(_, members)| members).collect()
}

/// The work of one intake: rows change, dossiers and events pile up.
struct Work<'a> {
    bench: &'a Bench<'a>,
    project_findings: Vec<crate::domain::Finding>,
    changed: Vec<UploadId>,
    dossiers: Vec<(UploadId, Vec<u8>)>,
    events: Vec<EventDraft>,
    gone: Vec<FileName>,
    contents: &'a dyn Contents,
}

/// The row's time: for a hold its end, for what may go already now, for everything else none. What may go has to be read again after
/// its time (rule 10), so once that has come, `before`, it does not come again: else each judging would put it off.
pub fn hold_until(verdict: &Verdict, before: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    match verdict.outcome {
        // A review with an end asks a person, and ends all the same.
        Outcome::Hold | Outcome::Review => verdict.until,
        Outcome::Release => Some(before.filter(|end| *end <= now).unwrap_or_else(|| verdict.until.unwrap_or(now))),
        Outcome::Reject => None,
    }
}

/// The id of a listed file.
pub fn id_of(facts: &ProjectFacts, file: &ListedFile) -> UploadId {
    UploadId::of(&facts.project, &file.filename, file.promise.as_ref())
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;
    use crate::domain::Upload;

    const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);

    #[test]
    fn a_time_that_has_come_is_not_put_off_by_being_judged_again() {
        let row = Upload::sample(NOON);
        let may_go = Verdict { outcome: Outcome::Release, ..row.verdict.clone() };
        let first = hold_until(&may_go, None, NOON);
        assert_eq!(first, Some(NOON));
        let later = NOON + Duration::MINUTE;
        assert_eq!(hold_until(&may_go, first, later), first);
        assert_eq!(hold_until(&may_go, Some(NOON + Duration::DAY), later), Some(later), "it may go sooner now");
        let end = Some(NOON + Duration::HOUR);
        let waits = Verdict { outcome: Outcome::Hold, until: end, ..may_go };
        assert_eq!(hold_until(&waits, first, later), end, "it has to wait again");
    }
}
