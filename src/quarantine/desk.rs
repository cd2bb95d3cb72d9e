//! The review desk: what people decide, within what the policy lets them decide (rule 13).

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::downloads::Reached;
use super::queue::note_decisions;
use super::refresh::Freshness;
use super::release::released;
pub use super::target::Target;
use super::view::View;
use super::{Quarantine, QuarantineError};
use crate::domain::{
    Actor, Decision, EventDraft, EventKind, KnownProject, Outcome, Pin, Project, Role, RuleKind, Scope, StandingRule,
    State, Timestamp, Upload,
};
use crate::policy;
use crate::store::{Change, StoreError};

/// How long an approval may wait for the exact pins of a version to be read.
const PINS_WAIT: Duration = Duration::from_secs(5);
/// How often a decision is tried, from the rows as they are then, while the house itself writes to them: it does not fail because
/// a file was just fetched. What another person decided first stands.
const ATTEMPTS: usize = 5;
/// The longest reason that is kept.
const LONGEST_REASON: usize = 2_000;

/// What somebody wants to be decided.
#[derive(Debug, Clone)]
pub struct Request {
    /// About what.
    pub target: Target,
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// How much it covers; a version written as such covers that version, everything else one file.
    pub scope: Option<Scope>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// What a decision changed.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The uploads as they are now.
    pub changed: Vec<Upload>,
    /// Versions that are pinned exactly by what was approved and are still held (rule 9).
    pub also_held: Vec<(Pin, Vec<Upload>)>,
    /// Whom the files that were taken back reached.
    pub reached: Vec<Reached>,
}

impl Quarantine {
    /// Lets held uploads in.
    pub async fn approve(self: &Arc<Self>, request: &Request) -> Result<Decided, QuarantineError> {
        let mut more = 1..ATTEMPTS;
        loop {
            match self.try_approve(request).await {
                Err(QuarantineError::Conflict { state: State::Held, .. }) if more.next().is_some() => {}
                decided => return decided,
            }
        }
    }

    async fn try_approve(self: &Arc<Self>, request: &Request) -> Result<Decided, QuarantineError> {
        let reason = checked_reason(&request.reason)?;
        // What was let in and is kept by a freeze may be approved in spite of it.
        let freezes = self.any_freeze();
        let wanted = |state| state == State::Held || (freezes && state == State::Released);
        let (project, scope, mut uploads) = self.covered(request, wanted).await?;
        if uploads.iter().any(|upload| upload.state == State::Held || self.frozen_since(upload).is_some()) {
            uploads.retain(|upload| upload.state != State::Released || self.frozen_since(upload).is_some());
        }
        if scope != Scope::Project && request.expires.is_some() {
            return Err(QuarantineError::BadRequest(format!(
                "expires: an approval with scope {scope} does not end; leave expires out, or take scope project"
            )));
        }
        if scope != Scope::Project
            && let Some(upload) =
                uploads.iter().find(|upload| upload.state != State::Held && self.frozen_since(upload).is_none())
        {
            return Err(match upload.state {
                State::Released => QuarantineError::Conflict { id: upload.id.clone(), state: upload.state },
                state => QuarantineError::Forbidden(format!(
                    "{} is {state}; an admin can reopen it (lazaret reopen), then it can be approved",
                    upload.filename
                )),
            });
        }
        let policy = self.policy();
        let now = self.timekeeper.now();
        for upload in &uploads {
            policy::may_approve(upload, &request.by, scope, request.expires, &policy, now)
                .map_err(|refusal| QuarantineError::Forbidden(refusal.to_string()))?;
        }
        let view = self.view(&project, Freshness::Usual).await?;
        for upload in &mut uploads {
            if upload.sha256.is_none() {
                *upload = self.hashed(&view, upload).await?;
                // The bytes may have shown more than the page did.
                policy::may_approve(upload, &request.by, scope, request.expires, &policy, now)
                    .map_err(|refusal| QuarantineError::Forbidden(refusal.to_string()))?;
            }
        }
        let mut change = Change::default();
        if scope == Scope::Project {
            let (rule, event) = waiver(&project, &uploads, request, &reason, now)?;
            change.rules.push(rule);
            change.events.push(event);
        }
        let mut changed = Vec::new();
        for upload in uploads {
            let (mut upload, event) = released(upload, request.by.clone(), reason.clone(), scope, now)?;
            if let Some(decision) = &mut upload.decision {
                decision.expires = request.expires;
            }
            change.events.push(event);
            change.uploads.push(upload.clone());
            changed.push(Upload { revision: upload.revision + 1, ..upload });
        }
        self.commit_decision(change, &project, scope == Scope::Project).await?;
        metrics::counter!("lazaret_released_total", "by" => "person").increment(changed.len() as u64);
        note_decisions("person", &changed, now);
        let also_held = self.also_held(&view, &changed).await;
        Ok(Decided { changed, also_held, reached: Vec::new() })
    }

    /// Refuses held uploads for good.
    pub async fn reject(self: &Arc<Self>, request: &Request) -> Result<Decided, QuarantineError> {
        self.close(request, State::Held, State::Rejected, EventKind::Rejected).await
    }

    /// Takes released uploads back.
    pub async fn recall(self: &Arc<Self>, request: &Request) -> Result<Decided, QuarantineError> {
        self.close(request, State::Released, State::Recalled, EventKind::Recalled).await
    }

    /// Undoes a rejection or a recall: the upload is held again, and the policy or a person decides anew. Admins only.
    pub async fn reopen(self: &Arc<Self>, request: &Request) -> Result<Decided, QuarantineError> {
        let final_states = |state| matches!(state, State::Rejected | State::Recalled);
        let reason = checked_reason(&request.reason)?;
        let (project, _, uploads) = self.covered(request, final_states).await?;
        let uploads: Vec<Upload> = uploads.into_iter().filter(|upload| final_states(upload.state)).collect();
        let mut decided = {
            let _turn = self.editions.turn(&project).await;
            // What spoke against it may not speak any more: it is judged anew, and a person decides about what is true now.
            let unjudged = |known| KnownProject { judged_under: None, ..known };
            let listing = self.store.project(&project).await?.map(unjudged).map(Arc::new);
            let change = Change { listing, ..Change::default() };
            self.reopen_rows(&project, uploads, &request.by, &reason, change).await?
        };
        self.judge_known(&project).await?;
        for upload in &mut decided.changed {
            if let Some(judged) = self.store.get(&upload.id).await? {
                *upload = judged;
            }
        }
        Ok(decided)
    }

    async fn close(
        self: &Arc<Self>,
        request: &Request,
        from: State,
        to: State,
        kind: EventKind,
    ) -> Result<Decided, QuarantineError> {
        let mut more = 1..ATTEMPTS;
        loop {
            match self.try_close(request, from, to, kind).await {
                Err(QuarantineError::Conflict { state, .. }) if state == from && more.next().is_some() => {}
                decided => return decided,
            }
        }
    }

    async fn try_close(
        self: &Arc<Self>,
        request: &Request,
        from: State,
        to: State,
        kind: EventKind,
    ) -> Result<Decided, QuarantineError> {
        require(&request.by, Role::Reviewer)?;
        let reason = checked_reason(&request.reason)?;
        let (project, scope, uploads) = self.covered(request, |state| state == from).await?;
        if let Some(upload) = uploads.iter().find(|upload| upload.state != from) {
            return Err(QuarantineError::Conflict { id: upload.id.clone(), state: upload.state });
        }
        let now = self.timekeeper.now();
        let mut change = Change::default();
        let mut changed = Vec::new();
        for mut upload in uploads {
            from.may_move(to, &request.by)?;
            upload.state = to;
            upload.hold_until = None;
            upload.decision =
                Some(Decision { by: request.by.clone(), reason: reason.clone(), at: now, scope, expires: None });
            let mut event = EventDraft::new(now, request.by.clone(), kind, reason.clone()).of_move(&upload, Some(from));
            event.details = json!({ "filename": upload.filename, "version": upload.version, "sha256": upload.sha256, "scope": scope });
            change.events.push(event);
            change.uploads.push(upload.clone());
            changed.push(Upload { revision: upload.revision + 1, ..upload });
        }
        self.commit_decision(change, &project, false).await?;
        if from == State::Held {
            note_decisions("person", &changed, now);
        }
        let reached = if from == State::Released { self.reached_by(&changed).await? } else { Vec::new() };
        Ok(Decided { changed, also_held: Vec::new(), reached })
    }

    pub(super) async fn reopen_rows(
        &self,
        project: &Project,
        uploads: Vec<Upload>,
        by: &Actor,
        reason: &str,
        mut change: Change,
    ) -> Result<Decided, QuarantineError> {
        let now = self.timekeeper.now();
        let mut changed = Vec::new();
        for mut upload in uploads {
            let from = upload.state;
            from.may_move(State::Held, by)?;
            upload.state = State::Held;
            upload.decision = None;
            // The policy has not spoken again yet: no time is set, so nothing leaves before the next judging.
            upload.hold_until = None;
            upload.verdict.outcome = Outcome::Review;
            format!("reopened: {reason}").clone_into(&mut upload.verdict.reason);
            let event =
                EventDraft::new(now, by.clone(), EventKind::Reopened, reason.to_owned()).of_move(&upload, Some(from));
            change.events.push(event);
            change.uploads.push(upload.clone());
            changed.push(Upload { revision: upload.revision + 1, ..upload });
        }
        self.commit_decision(change, project, true).await?;
        Ok(Decided { changed, also_held: Vec::new(), reached: Vec::new() })
    }

    pub(super) async fn commit_decision(
        &self,
        mut change: Change,
        project: &Project,
        rules: bool,
    ) -> Result<(), QuarantineError> {
        self.add_blast_radius(&mut change.events, &change.uploads).await?;
        let first = change.uploads.first().map(|upload| upload.id.clone());
        match self.store.commit(change).await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) if first.is_some() => {
                let id = first.ok_or_else(|| QuarantineError::BadRequest("nothing to decide".into()))?;
                let state = self.store.get(&id).await?.map_or(State::Held, |upload| upload.state);
                return Err(QuarantineError::Conflict { id, state });
            }
            Err(error) => return Err(error.into()),
        }
        if rules {
            self.outdate_all();
        }
        self.outdate(project);
        Ok(())
    }

    /// Judges a known project again under the present rules, from the last good page.
    pub(super) async fn judge_known(self: &Arc<Self>, project: &Project) -> Result<(), QuarantineError> {
        if self.store.project(project).await?.is_some() {
            self.view(project, Freshness::Since(self.timekeeper.now())).await?;
        }
        Ok(())
    }

    /// Rule 13: no digest known, so the bytes are fetched before anybody vouches for them.
    async fn hashed(self: &Arc<Self>, view: &Arc<View>, upload: &Upload) -> Result<Upload, QuarantineError> {
        let fetch = self.fetch(view, &upload.filename).await?;
        match fetch.settled(Duration::from_mins(1)).await {
            Some(outcome) => Ok(outcome?.as_ref().clone()),
            None => Err(QuarantineError::Fetch(format!("{} was not fetched in time, try again", upload.filename))),
        }
    }

    async fn also_held(self: &Arc<Self>, view: &Arc<View>, changed: &[Upload]) -> Vec<(Pin, Vec<Upload>)> {
        let Some(upload) = changed.first() else { return Vec::new() };
        let asked = tokio::time::timeout(PINS_WAIT, self.held_pins(view, &upload.version)).await;
        // The approval stands; a hint that cannot be had in time is not worth failing for.
        asked.ok().and_then(Result::ok).unwrap_or_default()
    }
}

fn waiver(
    project: &Project,
    uploads: &[Upload],
    request: &Request,
    reason: &str,
    now: Timestamp,
) -> Result<(StandingRule, EventDraft), QuarantineError> {
    let expires = request.expires.ok_or_else(|| {
        QuarantineError::BadRequest("an approval of a whole project must expire: give expires".into())
    })?;
    let mut signals: Vec<String> = vec!["age".to_owned()];
    signals
        .extend(uploads.iter().flat_map(|upload| &upload.verdict.findings).map(|finding| finding.signal.to_string()));
    signals.retain(|signal| !policy::is_hard(signal) && ![policy::OVERRIDE, policy::OWN].contains(&&**signal));
    signals.sort();
    signals.dedup();
    let mut event = EventDraft::new(now, request.by.clone(), EventKind::WaiverGranted, reason.to_owned());
    event.project = Some(project.clone());
    event.details = json!({ "signals": signals, "expires": crate::domain::moment(expires) });
    let rule = StandingRule {
        project: project.clone(),
        kind: RuleKind::Waiver { signals, expires },
        by: request.by.clone(),
        reason: reason.to_owned(),
        at: now,
    };
    Ok((rule, event))
}

pub(super) fn require(by: &Actor, role: Role) -> Result<(), QuarantineError> {
    match by.role() {
        Some(has) if has >= role => Ok(()),
        _ => Err(QuarantineError::Forbidden(format!("this takes the role {role}"))),
    }
}

/// A reason is one line: it is shown in pages, headers and terminals, and what would steer one of them says nothing to people.
pub(super) fn checked_reason(reason: &str) -> Result<String, QuarantineError> {
    let reason: String = reason.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(QuarantineError::BadRequest("reason: say why, it is kept in the ledger".into()));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(QuarantineError::BadRequest(format!("reason: at most {LONGEST_REASON} characters")));
    }
    Ok(reason.to_owned())
}
