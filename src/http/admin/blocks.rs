//! Blocks: names and versions that are rejected before they are ever seen.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::{Body, UploadBody};
use crate::domain::{Actor, RuleKind, StandingRule, Timestamp};
use crate::quarantine::desk::Target;

/// What to block or unblock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockRequest {
    /// pypi:NAME, pypi:NAME==VERSION, cpan:NAME or cpan:NAME@VERSION.
    target: String,
    /// Kept in the ledger.
    reason: String,
}

/// What that changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockedBody {
    target: String,
    changed: Vec<UploadBody>,
}

/// A standing block.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockBody {
    target: String,
    by: String,
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

fn block_body(rule: StandingRule) -> Option<BlockBody> {
    let target = match &rule.kind {
        RuleKind::Block { version: None } => rule.project.to_string(),
        RuleKind::Block { version: Some(version) } => format!("{}=={version}", rule.project),
        RuleKind::Waiver { .. } => return None,
    };
    Some(BlockBody { target, by: rule.by.to_string(), reason: rule.reason, at: rule.at })
}

/// All standing blocks.
#[utoipa::path(get, operation_id = "list_blocks", path = "/api/v1/blocks", security(("token" = ["viewer"])), responses((status = 200, body = Vec<BlockBody>)))]
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Vec<BlockBody>>, ApiError> {
    Ok(Json(desk.quarantine.rules().await?.into_iter().filter_map(block_body).collect()))
}

/// Rejects a name or a version before it is ever seen, and recalls what was let in of it.
#[utoipa::path(post, operation_id = "block", path = "/api/v1/blocks", request_body = BlockRequest, security(("token" = ["admin"])), responses((status = 200, body = BlockedBody)))]
pub(super) async fn block(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<BlockRequest>,
) -> Result<Json<BlockedBody>, ApiError> {
    let target: Target = asked.target.parse()?;
    let changed = desk.quarantine.block(&target, &actor, &asked.reason).await?;
    Ok(Json(BlockedBody { target: asked.target, changed: changed.iter().map(UploadBody::from).collect() }))
}

/// Lifts a block; what it rejected is held again.
#[utoipa::path(delete, operation_id = "unblock", path = "/api/v1/blocks", request_body = BlockRequest, security(("token" = ["admin"])), responses((status = 200, body = BlockedBody), (status = 404)))]
pub(super) async fn unblock(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<BlockRequest>,
) -> Result<Json<BlockedBody>, ApiError> {
    let target: Target = asked.target.parse()?;
    let changed = desk.quarantine.unblock(&target, &actor, &asked.reason).await?;
    Ok(Json(BlockedBody { target: asked.target, changed: changed.iter().map(UploadBody::from).collect() }))
}
