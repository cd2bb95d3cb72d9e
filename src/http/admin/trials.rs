//! Questions that change nothing: what another policy would decide, and what mends pinned versions.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::Body;
use crate::domain::{Project, Timestamp, Verdict, Version};
use crate::quarantine::policy_trial::TrialChange;
use crate::quarantine::remedies::{Remedies, severity_of};

/// So many pins are answered at once.
const MOST_PINS: usize = 500;
/// So many findings of a change are told.
const MOST_REASONS: usize = 5;

/// A policy to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialRequest {
    /// The policy file's text: TOML over the built-in policy.
    policy: String,
    /// What errors call it.
    #[serde(default)]
    name: Option<String>,
}

/// What it would change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialBody {
    /// Digest of the policy that was tried.
    policy: String,
    /// Uploads that were judged under both.
    judged: u64,
    /// Uploads whose facts were not kept, because age alone let them in.
    without_facts: u64,
    /// Uploads that a person decided; no policy changes that.
    decided_by_people: u64,
    /// How many would go from one outcome to another.
    counts: Vec<TrialCount>,
    /// The first 500 of them.
    changes: Vec<TrialChangeBody>,
}

/// So many would go from one outcome to another.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialCount {
    /// release, hold, review or reject.
    from: String,
    to: String,
    uploads: u64,
}

/// One that would be judged otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialChangeBody {
    id: String,
    project: String,
    version: String,
    filename: String,
    state: String,
    from: TrialVerdict,
    to: TrialVerdict,
    /// What weighs most, in sentences.
    reasons: Vec<String>,
}

/// A verdict in brief.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialVerdict {
    outcome: String,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    score: f64,
    reason: String,
}

impl From<&Verdict> for TrialVerdict {
    fn from(verdict: &Verdict) -> Self {
        Self {
            outcome: verdict.outcome.to_string(),
            until: verdict.until,
            score: verdict.score.as_fraction(),
            reason: verdict.reason.clone(),
        }
    }
}

impl From<&TrialChange> for TrialChangeBody {
    fn from(change: &TrialChange) -> Self {
        Self {
            id: change.upload.id.to_string(),
            project: change.upload.project.to_string(),
            version: change.upload.version.to_string(),
            filename: change.upload.filename.to_string(),
            state: change.upload.state.to_string(),
            from: (&change.now).into(),
            to: (&change.then).into(),
            reasons: change.findings().take(MOST_REASONS).map(|finding| finding.summary.clone()).collect(),
        }
    }
}

/// Judges the stored facts under another policy and says what it would change. Changes nothing.
#[utoipa::path(post, operation_id = "try_policy", path = "/api/v1/policy/try", request_body = TrialRequest, security(("token" = ["reviewer"])), responses((status = 200, body = TrialBody), (status = 400)))]
pub(super) async fn try_policy(
    State(desk): State<Desk>,
    Body(asked): Body<TrialRequest>,
) -> Result<Json<TrialBody>, ApiError> {
    let name: String = asked.name.as_deref().unwrap_or("the policy").chars().take(200).collect();
    let trial = desk.quarantine.try_policy(&asked.policy, &name).await?;
    let count = |((from, to), uploads): (&(_, _), &u64)| TrialCount {
        from: crate::domain::Outcome::to_string(from),
        to: crate::domain::Outcome::to_string(to),
        uploads: *uploads,
    };
    Ok(Json(TrialBody {
        policy: trial.policy.to_string(),
        judged: trial.judged,
        without_facts: trial.without_facts,
        decided_by_people: trial.decided_by_people,
        counts: trial.counts.iter().map(count).collect(),
        changes: trial.changes.iter().map(TrialChangeBody::from).collect(),
    }))
}

/// Pinned versions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemedyRequest {
    /// At most 500.
    pins: Vec<PinBody>,
}

/// One pinned version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinBody {
    /// pypi:NAME or cpan:NAME.
    project: String,
    version: String,
}

/// What is known of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemedyBody {
    /// read, not-offered, or why the list of advisories could not be read.
    feed: serde_json::Value,
    /// In the order of the question.
    answers: Vec<RemedyAnswer>,
}

/// What is known of one pinned version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemedyAnswer {
    project: String,
    version: String,
    advisories: Vec<AdvisoryBody>,
    /// Versions that are released here and that no advisory affects, ascending.
    fixed: Vec<String>,
}

/// An advisory in brief.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdvisoryBody {
    id: String,
    summary: String,
    /// info, low, medium, high or critical.
    severity: String,
    malware: bool,
    /// The independent databases that know it.
    sources: Vec<String>,
}

impl From<&Remedies> for RemedyAnswer {
    fn from(remedies: &Remedies) -> Self {
        let advisories = remedies.advisories.iter().map(|fact| AdvisoryBody {
            id: fact.id.clone(),
            summary: fact.summary.clone(),
            severity: severity_of(fact.severity.as_deref()).to_string(),
            malware: fact.malware,
            sources: fact.sources.clone(),
        });
        Self {
            project: remedies.project.to_string(),
            version: remedies.version.to_string(),
            advisories: advisories.collect(),
            fixed: remedies.fixed.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Which advisories affect these versions, and which released versions mend them.
#[utoipa::path(post, operation_id = "remedies", path = "/api/v1/remedies", request_body = RemedyRequest, security(("token" = ["viewer"])), responses((status = 200, body = RemedyBody), (status = 400)))]
pub(super) async fn remedies(
    State(desk): State<Desk>,
    Body(asked): Body<RemedyRequest>,
) -> Result<Json<RemedyBody>, ApiError> {
    if asked.pins.len() > MOST_PINS {
        return Err(ApiError::bad_request(format!("pins: at most {MOST_PINS} at once")));
    }
    let mut pins = Vec::with_capacity(asked.pins.len());
    for pin in &asked.pins {
        let project: Project =
            pin.project.parse().map_err(|error| ApiError::bad_request(format!("project: {error}")))?;
        let version = Version::parse(project.ecosystem, &pin.version)
            .map_err(|error| ApiError::bad_request(format!("version: {error}")))?;
        pins.push((project, version));
    }
    let answers = desk.quarantine.remedies(pins).await?;
    let feed = serde_json::to_value(desk.quarantine.advisory_feed()).unwrap_or_default();
    Ok(Json(RemedyBody { feed, answers: answers.iter().map(RemedyAnswer::from).collect() }))
}
