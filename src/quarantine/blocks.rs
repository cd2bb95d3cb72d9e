//! Blocks: names and versions that are rejected before they are ever seen.

use std::sync::Arc;

use serde_json::json;

use super::desk::{checked_reason, require};
use super::target::Target;
use super::{Quarantine, QuarantineError};
use crate::domain::{
    Actor, EventDraft, EventKind, Project, Role, RuleKind, Severity, StandingRule, State, Timestamp, Upload, Version,
};
use crate::store::Change;

impl Quarantine {
    /// Rejects a name, or one version of it, before it is ever seen. Released files of it are recalled.
    pub async fn block(
        self: &Arc<Self>,
        target: &Target,
        by: &Actor,
        reason: &str,
    ) -> Result<Vec<Upload>, QuarantineError> {
        require(by, Role::Admin)?;
        let reason = checked_reason(reason)?;
        let (project, version) = named(target)?;
        let now = self.timekeeper.now();
        let rule = StandingRule {
            project: project.clone(),
            kind: RuleKind::Block { version: version.clone() },
            by: by.clone(),
            reason: reason.clone(),
            at: now,
        };
        let event = told((now, by, EventKind::Blocked, reason), &project, version.as_ref());
        self.commit_decision(Change { rules: vec![rule], events: vec![event], ..Change::default() }, &project, true)
            .await?;
        self.judge_known(&project).await?;
        let uploads = self.store.of(&project).await?;
        Ok(uploads.into_iter().filter(|upload| is_about(version.as_ref(), upload)).collect())
    }

    /// Lifts a block; what it rejected is held again and leaves by the usual rules.
    pub async fn unblock(
        self: &Arc<Self>,
        target: &Target,
        by: &Actor,
        reason: &str,
    ) -> Result<Vec<Upload>, QuarantineError> {
        require(by, Role::Admin)?;
        let reason = checked_reason(reason)?;
        let (project, version) = named(target)?;
        let rules = self.store.rules_of(&project).await?;
        let lifted = rules.iter().find(|rule| rule.kind == RuleKind::Block { version: version.clone() });
        let Some(rule) = lifted else {
            return Err(QuarantineError::NoSuch(format!(
                "block of {project}{}",
                version.map(|version| format!("=={version}")).unwrap_or_default()
            )));
        };
        let told_as = (self.timekeeper.now(), by, EventKind::Unblocked, reason.clone());
        let event = told(told_as, &project, version.as_ref());
        let change = Change { lifted: vec![rule.key()], events: vec![event], ..Change::default() };
        let still_bad =
            |upload: &Upload| upload.verdict.findings.iter().any(|finding| finding.severity == Severity::Critical);
        let uploads = self.store.of(&project).await?;
        let closed_by_house = uploads
            .into_iter()
            .filter(|upload| matches!(upload.state, State::Rejected | State::Recalled) && !upload.decided_by_person())
            .filter(|upload| is_about(version.as_ref(), upload))
            .filter(|upload| !still_bad(upload))
            .collect();
        let decided = self.reopen_rows(&project, closed_by_house, by, &reason, change).await?;
        self.judge_known(&project).await?;
        Ok(decided.changed)
    }
}

/// The event of a block, or of its end.
fn told(
    (now, by, kind, reason): (Timestamp, &Actor, EventKind, String),
    project: &Project,
    version: Option<&Version>,
) -> EventDraft {
    let mut event = EventDraft::new(now, by.clone(), kind, reason);
    event.project = Some(project.clone());
    event.details = json!({ "version": version });
    event
}

/// Whether a block of this version, or of all of them, is about this upload.
fn is_about(version: Option<&Version>, upload: &Upload) -> bool {
    version.is_none_or(|version| upload.version.is_same_release(version))
}

fn named(target: &Target) -> Result<(Project, Option<Version>), QuarantineError> {
    match target {
        Target::Project(project) => Ok((project.clone(), None)),
        Target::Version(project, version) => Ok((project.clone(), Some(version.clone()))),
        Target::Upload(_) | Target::File(_) => {
            let forms = "pypi:NAME, pypi:NAME==VERSION, cpan:NAME or cpan:NAME@VERSION";
            Err(QuarantineError::BadRequest(format!("a block takes {forms}")))
        }
    }
}
