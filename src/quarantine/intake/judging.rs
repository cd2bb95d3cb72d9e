//! Judging: each file of a version that something new is known of gets its standing, its row and its verdict.

use std::collections::{HashMap, HashSet};

use super::super::version_hold::{self, Member};
use super::{Work, hold_until, id_of};
use crate::domain::{
    Decision, Ecosystem, EventKind, Examination, KnownFile, KnownProject, Outcome, RuleKind, Scope, Standing,
    StandingRule, State, Timestamp, Upload, UploadId,
};
use crate::signals::ProjectFacts;
use crate::store::StoreError;

/// A release is news for so long; most malicious ones are found and removed within this time.
const NEWS: time::Duration = time::Duration::days(14);

impl Work<'_> {
    pub(super) fn judge_version(
        &mut self,
        facts: &ProjectFacts,
        known: &mut KnownProject,
        members: &[usize],
        added: &HashSet<usize>,
        trusted: bool,
        uploads: &mut HashMap<UploadId, Upload>,
    ) -> Result<(), StoreError> {
        let rows: Vec<(usize, UploadId)> = members
            .iter()
            .filter(|index| known.files[**index].vanished.is_none())
            .map(|index| (*index, id_of(facts, &known.files[*index].file)))
            .collect();
        let members: Vec<Member> = rows
            .iter()
            .map(|(index, id)| {
                let file = &known.files[*index];
                let released = match uploads.get(id) {
                    Some(upload) => upload.state == State::Released,
                    None => file.standing == Standing::Baseline,
                };
                Member { clock_start: file.clock_start, kind: file.file.kind, released }
            })
            .collect();
        let starts = version_hold::starts(&members);
        for ((index, id), start) in rows.into_iter().zip(starts) {
            let is_new = added.contains(&index);
            match uploads.get_mut(&id) {
                Some(upload) => self.judge_again(facts, &known.files[index], start, upload)?,
                None => self.judge_unwritten(facts, &mut known.files[index], start, (is_new, trusted), id, uploads),
            }
        }
        Ok(())
    }

    /// A file without a row: new, or on the page since the baseline.
    pub(super) fn judge_unwritten(
        &mut self,
        facts: &ProjectFacts,
        file: &mut KnownFile,
        start: Timestamp,
        (is_new, trusted): (bool, bool),
        id: UploadId,
        uploads: &mut HashMap<UploadId, Upload>,
    ) {
        let mut verdict = self.bench.decide(facts, &file.file.version, start, &self.project_findings);
        let has_records = self.bench.evidence.cpan.is_some() || self.bench.evidence.teapot.is_some();
        let is_news = self.deserves_a_closer_look(facts, file, start);
        let mut judged = (has_records || is_news).then(|| self.bench.judged(facts, file, start, None));
        if let Some((_, whole)) = &judged {
            // On CPAN and teapot the records of a release speak for or against it before its bytes do. What an index listed for years is
            // not held for them any more, unless they break a hard rule; what no index lists has nothing else to stand for it.
            let is_all_there_is = whole.outcome == Outcome::Reject || file.file.provides.is_empty();
            // What its page and its records show weighs as soon as it is seen; what is older has been installed everywhere.
            if (has_records && is_all_there_is) || (is_news && whole.outcome > verdict.outcome) {
                verdict = whole.clone();
            }
        }
        let undated = file.file.uploaded_at().is_none();
        // Rule 12: what the first read trusted is not taken back when the policy is read again.
        let trusted = trusted || (!is_new && file.is_trusted_from_the_first(facts.first_read));
        // On teapot everything is undated: what the first index had is trusted whatever looks like what, but for hard rules.
        let harmless = match self.bench.evidence.teapot {
            Some(_) => verdict.outcome != Outcome::Reject,
            None => verdict.outcome == Outcome::Hold,
        };
        let trusted = trusted && undated && harmless;
        if verdict.outcome == Outcome::Release || trusted {
            file.standing = Standing::Baseline;
            return;
        }
        if !is_new && file.standing == Standing::Tracked && file.first_seen < self.bench.now {
            tracing::warn!(file = %file.file.filename, "a tracked file has no row; it is held again");
        }
        file.standing = Standing::Tracked;
        let judged = judged.take().unwrap_or_else(|| self.bench.judged(facts, file, start, None));
        let mut upload = self.row(facts, file, start, id, judged);
        if upload.verdict.outcome == Outcome::Reject {
            upload.state = State::Rejected;
        }
        self.changed.push(upload.id.clone());
        // A page read for the first time is told as one event (see `tell_baseline`).
        if facts.first_read < self.bench.now {
            let kind = if upload.state == State::Rejected { EventKind::Rejected } else { EventKind::Held };
            self.tell(kind, &upload, None, upload.verdict.reason.clone());
        }
        uploads.insert(upload.id.clone(), upload);
    }

    /// A Python release that is news, or that an advisory calls malware.
    fn deserves_a_closer_look(&self, facts: &ProjectFacts, file: &KnownFile, start: Timestamp) -> bool {
        let is_python = facts.project.ecosystem == Ecosystem::Pypi;
        let is_news = is_python && facts.origin.is_public() && self.bench.now - start <= NEWS;
        is_news || self.bench.evidence.advice.is_malware(&facts.project, &file.file.version)
    }

    /// A file with a row: only what the house decided may be decided again by the house.
    pub(super) fn judge_again(
        &mut self,
        facts: &ProjectFacts,
        file: &KnownFile,
        start: Timestamp,
        upload: &mut Upload,
    ) -> Result<(), StoreError> {
        // What was let in is judged by what its page shows: its bytes had their say when they were read.
        let walk = if upload.state == State::Held { self.contents.walk(upload)? } else { None };
        let dossier = self.bench.dossier(facts, file, start, None, walk);
        let verdict = self.bench.judge(&dossier);
        let outcome = verdict.outcome;
        match upload.state {
            // What its bytes showed weighs more than what the page shows.
            State::Held if outcome != Outcome::Reject && matches!(upload.examination, Examination::Failed { .. }) => {}
            State::Held if upload.decision.is_none() => {
                let until = hold_until(&verdict, upload.hold_until, self.bench.now);
                // Put off by what no page tells: it waits for what it requires, and says so.
                let put_off = |until: &Timestamp| *until > self.bench.now && upload.verdict.until != Some(*until);
                if outcome == Outcome::Release && upload.hold_until.as_ref().is_some_and(put_off) {
                    return Ok(());
                }
                if upload.verdict == verdict && upload.hold_until == until && upload.clock_start == start {
                    return Ok(());
                }
                upload.hold_until = until;
                upload.clock_start = start;
                upload.verdict = verdict;
                self.keep_dossier(upload, &dossier);
                if outcome == Outcome::Reject {
                    self.decide(upload, State::Rejected, EventKind::Rejected);
                }
                self.changed.push(upload.id.clone());
            }
            State::Held if outcome == Outcome::Reject => {
                upload.verdict = verdict;
                self.keep_dossier(upload, &dossier);
                self.decide(upload, State::Rejected, EventKind::Rejected);
                self.changed.push(upload.id.clone());
            }
            State::Released if outcome == Outcome::Reject => {
                self.judge_whole(facts, file, start, upload)?;
                self.decide(upload, State::Recalled, EventKind::Recalled);
                self.changed.push(upload.id.clone());
            }
            // Rule 13: what a waiver let in and is still too young is held again when the waiver ends.
            State::Released if outcome != Outcome::Release && self.waiver_ended(upload) => {
                self.judge_whole(facts, file, start, upload)?;
                let until = hold_until(&upload.verdict, None, self.bench.now);
                self.decide(upload, State::Held, EventKind::Suspended);
                upload.hold_until = until;
                upload.decision = None;
                self.changed.push(upload.id.clone());
            }
            State::Released
                if outcome == Outcome::Review
                    && !upload.decided_by_person()
                    && !file.is_trusted_from_the_first(facts.first_read)
                    && file.file.yanked == crate::domain::Yanked::No =>
            {
                self.judge_whole(facts, file, start, upload)?;
                self.decide(upload, State::Held, EventKind::Suspended);
                self.changed.push(upload.id.clone());
            }
            State::Held | State::Released | State::Rejected | State::Recalled => {}
        }
        Ok(())
    }

    /// Judges what was let in and is taken back, by everything: its new verdict stands on the dossier that is stored with it
    /// (promise 9), and what its bytes showed is not forgotten.
    fn judge_whole(
        &mut self,
        facts: &ProjectFacts,
        file: &KnownFile,
        start: Timestamp,
        upload: &mut Upload,
    ) -> Result<(), StoreError> {
        let walk = self.contents.walk(upload)?;
        let dossier = self.bench.dossier(facts, file, start, None, walk);
        upload.verdict = self.bench.judge(&dossier);
        self.keep_dossier(upload, &dossier);
        Ok(())
    }

    pub(super) fn waiver_ended(&self, upload: &Upload) -> bool {
        let by_waiver = |decision: &&Decision| decision.scope == Scope::Project;
        let expires = upload.decision.as_ref().filter(by_waiver).and_then(|decision| decision.expires);
        let ended = |expires: Timestamp| expires <= self.bench.now;
        // What appeared while the waiver ran was let in by it without a decision of its own.
        let let_in_by = |rule: &StandingRule| match rule.kind {
            RuleKind::Waiver { expires, .. } => {
                ended(expires) && rule.at <= upload.first_seen && upload.first_seen < expires
            }
            RuleKind::Block { .. } => false,
        };
        expires.is_some_and(ended) || (upload.decision.is_none() && self.bench.rules.iter().any(let_in_by))
    }
}
