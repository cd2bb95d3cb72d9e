//! Corrections that only an admin makes: digests unpinned, private names given back.

use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::super::extract::Segments;
use super::Desk;
use super::body::{Body, DecidedBody, UploadBody};
use crate::domain::{Actor, Project};

/// Why a digest is unpinned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnpinRequest {
    /// Kept in the ledger.
    reason: String,
}

/// Which name is given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GiveBackRequest {
    /// pypi:NAME.
    target: String,
    /// Kept in the ledger.
    reason: String,
}

/// Forgets a wrong first digest: what the index promises now is met like a new file, and held.
#[utoipa::path(post, operation_id = "unpin", path = "/api/v1/uploads/{id}/unpin", params(("id" = String, Path)), request_body = UnpinRequest, security(("token" = ["admin"])), responses((status = 200, body = DecidedBody), (status = 400, description = "the index has not changed its promise"), (status = 404)))]
pub(super) async fn unpin(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Body(asked): Body<UnpinRequest>,
) -> Result<Json<DecidedBody>, ApiError> {
    let target = desk.quarantine.target(&id).await?;
    let changed = desk.quarantine.unpin(&target, &actor, &asked.reason).await?;
    Ok(Json(DecidedBody {
        changed: changed.iter().map(UploadBody::from).collect(),
        also_held: Vec::new(),
        reached: Vec::new(),
    }))
}

/// Lets a name that a private index once showed be taken from a public one again.
#[utoipa::path(delete, operation_id = "give_back_private_name", path = "/api/v1/private-names", request_body = GiveBackRequest, security(("token" = ["admin"])), responses((status = 204), (status = 400, description = "no private index has shown this name")))]
pub(super) async fn give_back(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<GiveBackRequest>,
) -> Result<http::StatusCode, ApiError> {
    let project: Project = asked.target.parse().map_err(|error| ApiError::bad_request(format!("target: {error}")))?;
    desk.quarantine.give_back(&project, &actor, &asked.reason).await?;
    Ok(http::StatusCode::NO_CONTENT)
}
