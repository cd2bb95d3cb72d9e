//! What the API says and takes, as its document describes it.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use crate::domain::{Ecosystem, Event, Finding, Scope, Timestamp, Upload};
use crate::quarantine::teapot::stock::instance_named;
use crate::registry::cpan::author_path::AuthorPath;

/// A body of JSON; what is wrong with it is said with the field's name.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::bad_request(error.body_text())),
            Err(error) => Err(ApiError::new(error.status(), "Bad request", error.body_text())),
        }
    }
}

/// A query; likewise.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => Err(ApiError::bad_request(error.body_text())),
            Err(error) => Err(ApiError::bad_request(error.to_string())),
        }
    }
}

/// An upload as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadBody {
    /// 26 characters.
    id: String,
    /// pypi, cpan or teapot.
    ecosystem: String,
    /// Normalised.
    project: String,
    version: String,
    filename: String,
    /// On teapot: type, name, version and platform, as a Tcl list.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// On CPAN, where a mirror has it below `authors/id/`: two people may upload one file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Which index it comes from: public, or the private one's name.
    origin: String,
    sha256: Option<String>,
    size: Option<u64>,
    /// held, released, rejected or recalled.
    state: String,
    /// none, passed or failed.
    examination: String,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    published: Option<Timestamp>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    hold_until: Option<Timestamp>,
    /// 0 to 1.
    score: f64,
    /// release, hold, review or reject.
    verdict: String,
    /// What decided, in one sentence.
    reason: String,
    findings: Vec<FindingBody>,
    /// Digest of the stored facts that the verdict was made from.
    dossier: Option<String>,
    /// Digest of the policy that it was made under.
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionBody>,
    /// When it left through the broken glass, if nobody has looked at it since.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    to_review: Option<Timestamp>,
}

/// What a signal saw.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FindingBody {
    signal: String,
    /// name, confusion, identity, behaviour, content or record.
    family: String,
    /// info, low, medium, high or critical.
    severity: String,
    /// low, medium or high.
    confidence: String,
    /// 0 to 100.
    points: u8,
    summary: String,
    evidence: serde_json::Value,
}

/// Who brought an upload to its present state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionBody {
    by: String,
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    scope: String,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
}

impl From<&Finding> for FindingBody {
    fn from(finding: &Finding) -> Self {
        Self {
            signal: finding.signal.to_string(),
            family: finding.family.to_string(),
            severity: finding.severity.to_string(),
            confidence: finding.confidence.to_string(),
            points: finding.points,
            summary: finding.summary.clone(),
            evidence: finding.evidence.clone(),
        }
    }
}

impl From<&Upload> for UploadBody {
    fn from(upload: &Upload) -> Self {
        let decision = upload.decision.as_ref().map(|decision| DecisionBody {
            by: decision.by.to_string(),
            reason: decision.reason.clone(),
            at: decision.at,
            scope: decision.scope.to_string(),
            expires: decision.expires,
        });
        let mut findings: Vec<&Finding> = upload.verdict.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.points));
        Self {
            id: upload.id.to_string(),
            ecosystem: upload.project.ecosystem.to_string(),
            project: upload.project.name.to_string(),
            version: upload.version.to_string(),
            filename: match upload.project.ecosystem {
                // The whole name says whose file it is; on CPAN the path beside it does.
                Ecosystem::Pypi | Ecosystem::Teapot => upload.filename.to_string(),
                Ecosystem::Cpan => upload.filename.base().to_owned(),
            },
            path: path_on_mirror(upload),
            instance: match upload.project.ecosystem {
                Ecosystem::Teapot => instance_named(&upload.filename),
                Ecosystem::Pypi | Ecosystem::Cpan => None,
            },
            origin: match &upload.origin {
                crate::domain::Origin::Public => "public".to_owned(),
                crate::domain::Origin::Private(name) => name.to_string(),
            },
            sha256: upload.sha256.map(|digest| digest.to_string()),
            size: upload.size,
            state: upload.state.to_string(),
            examination: upload.examination.as_str().to_owned(),
            published: upload.published,
            first_seen: upload.first_seen,
            hold_until: upload.hold_until,
            score: upload.verdict.score.as_fraction(),
            verdict: upload.verdict.outcome.to_string(),
            reason: upload.verdict.reason.clone(),
            findings: findings.into_iter().map(FindingBody::from).collect(),
            dossier: upload.dossier.map(|digest| digest.to_string()),
            policy: upload.verdict.policy.to_string(),
            decision,
            to_review: upload.awaits_review(),
        }
    }
}

/// Where a CPAN mirror has a release.
fn path_on_mirror(upload: &Upload) -> Option<String> {
    let is_release = upload.project.ecosystem == Ecosystem::Cpan;
    let path = is_release.then(|| AuthorPath::parse_short(upload.filename.as_str()).ok())?;
    path.map(|path| path.to_string())
}

/// An event of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventBody {
    sequence: u64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    actor: String,
    kind: serde_json::Value,
    project: Option<String>,
    upload: Option<String>,
    from: Option<String>,
    to: Option<String>,
    summary: String,
    details: serde_json::Value,
    previous: String,
    hash: String,
}

impl From<&Event> for EventBody {
    fn from(event: &Event) -> Self {
        let draft = &event.draft;
        Self {
            sequence: event.sequence,
            at: draft.at,
            actor: draft.actor.to_string(),
            kind: serde_json::to_value(draft.kind).unwrap_or_default(),
            project: draft.project.as_ref().map(ToString::to_string),
            upload: draft.upload.as_ref().map(ToString::to_string),
            from: draft.moved.and_then(|(from, _)| from).map(|state| state.to_string()),
            to: draft.moved.map(|(_, to)| to.to_string()),
            summary: draft.summary.clone(),
            details: draft.details.clone(),
            previous: event.previous.to_string(),
            hash: event.hash.to_string(),
        }
    }
}

/// A page of a list; `next` is the cursor of the following one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageBody<T: ToSchema> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// A decision to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRequest {
    /// Kept in the ledger.
    pub(super) reason: String,
    /// file (this digest), version (the digests known now) or project (a waiver that must expire).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) scope: Option<Scope>,
    /// RFC 3339.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) expires: Option<Timestamp>,
}

/// What a decision changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedBody {
    pub(super) changed: Vec<UploadBody>,
    /// Versions that the approved one pins exactly and that are still held: approve them too, or it cannot be installed.
    pub(super) also_held: Vec<AlsoHeld>,
    /// Who has fetched what was taken back, at most 1,000 lines; `/artifacts/{sha256}` has them all.
    pub(super) reached: Vec<ReachedBody>,
}

/// Somebody who has a file that was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReachedBody {
    pub(super) filename: String,
    /// A token's name or an address.
    pub(super) actor: String,
    /// `2026-11-22`, UTC.
    pub(super) day: String,
    /// How often.
    pub(super) count: u64,
}

/// A held version that something approved needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlsoHeld {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) version: String,
    pub(super) why: String,
}
