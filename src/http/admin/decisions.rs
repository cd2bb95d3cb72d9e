//! Decisions of people: approve, reject, recall, reopen.

use axum::Json;
use axum::extract::{Extension, State};

use super::super::error::ApiError;
use super::super::extract::Segments;
use super::Desk;
use super::body::{AlsoHeld, Body, DecidedBody, DecisionRequest, ReachedBody, UploadBody};
use crate::domain::Actor;
use crate::quarantine::Reached;
use crate::quarantine::desk::{Decided, Request};

/// So many of those whom a file reached are told at once.
const MOST_REACHED: usize = 1_000;

async fn request(desk: &Desk, actor: Actor, id: &str, asked: DecisionRequest) -> Result<Request, ApiError> {
    let target = desk.quarantine.target(id).await?;
    Ok(Request { target, by: actor, reason: asked.reason, scope: asked.scope, expires: asked.expires })
}

fn told(decided: &Decided) -> Json<DecidedBody> {
    let also_held = decided
        .also_held
        .iter()
        .filter_map(|(pin, uploads)| {
            let first = uploads.first()?;
            Some(AlsoHeld {
                id: first.id.to_string(),
                project: pin.project.to_string(),
                version: pin.version.to_string(),
                why: first.verdict.reason.clone(),
            })
        })
        .collect();
    let reached = decided.reached.iter().take(MOST_REACHED).map(|Reached { filename, download }| ReachedBody {
        filename: filename.to_string(),
        actor: download.actor.clone(),
        day: download.day.clone(),
        count: download.count,
    });
    Json(DecidedBody {
        changed: decided.changed.iter().map(UploadBody::from).collect(),
        also_held,
        reached: reached.collect(),
    })
}

/// Lets held uploads in.
#[utoipa::path(post, operation_id = "approve", path = "/api/v1/uploads/{id}/approve", params(("id" = String, Path)), request_body = DecisionRequest, security(("token" = ["reviewer"])), responses((status = 200, body = DecidedBody), (status = 403, description = "the policy forbids it, and why"), (status = 404), (status = 409, description = "it is in another state now")))]
pub(super) async fn approve(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Body(asked): Body<DecisionRequest>,
) -> Result<Json<DecidedBody>, ApiError> {
    let request = request(&desk, actor, &id, asked).await?;
    Ok(told(&desk.quarantine.approve(&request).await?))
}

/// Refuses held uploads for good.
#[utoipa::path(post, operation_id = "reject", path = "/api/v1/uploads/{id}/reject", params(("id" = String, Path)), request_body = DecisionRequest, security(("token" = ["reviewer"])), responses((status = 200, body = DecidedBody), (status = 404), (status = 409)))]
pub(super) async fn reject(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Body(asked): Body<DecisionRequest>,
) -> Result<Json<DecidedBody>, ApiError> {
    let request = request(&desk, actor, &id, asked).await?;
    Ok(told(&desk.quarantine.reject(&request).await?))
}

/// Takes released uploads back.
#[utoipa::path(post, operation_id = "recall", path = "/api/v1/uploads/{id}/recall", params(("id" = String, Path)), request_body = DecisionRequest, security(("token" = ["reviewer"])), responses((status = 200, body = DecidedBody), (status = 404), (status = 409)))]
pub(super) async fn recall(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Body(asked): Body<DecisionRequest>,
) -> Result<Json<DecidedBody>, ApiError> {
    let request = request(&desk, actor, &id, asked).await?;
    Ok(told(&desk.quarantine.recall(&request).await?))
}

/// Undoes a rejection or a recall; the uploads are held again.
#[utoipa::path(post, operation_id = "reopen", path = "/api/v1/uploads/{id}/reopen", params(("id" = String, Path)), request_body = DecisionRequest, security(("token" = ["admin"])), responses((status = 200, body = DecidedBody), (status = 403), (status = 404)))]
pub(super) async fn reopen(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Body(asked): Body<DecisionRequest>,
) -> Result<Json<DecidedBody>, ApiError> {
    let request = request(&desk, actor, &id, asked).await?;
    Ok(told(&desk.quarantine.reopen(&request).await?))
}
