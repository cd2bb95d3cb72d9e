//! Garbage: what nothing refers to is thrown away on request too, not only once a day.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::Body;
use crate::quarantine::Garbage;

/// What to do with it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GarbageRequest {
    /// Only say what would be thrown away.
    #[serde(default)]
    dry_run: bool,
}

/// What was thrown away, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GarbageBody {
    dry_run: bool,
    /// Cached bytes that no upload refers to.
    blobs: u64,
    blob_bytes: u64,
    /// Evidence that no upload and no event refers to.
    dossiers: u64,
    dossier_bytes: u64,
    /// Files of fetches that did not come to an end.
    stages: u64,
    stage_bytes: u64,
}

/// Throws away what nothing refers to. What is younger than an hour stays: its row may not be written yet.
#[utoipa::path(post, operation_id = "collect_garbage", path = "/api/v1/gc", security(("token" = ["admin"])), request_body = GarbageRequest, responses((status = 200, body = GarbageBody), (status = 403)))]
pub(super) async fn collect(
    State(desk): State<Desk>,
    Body(asked): Body<GarbageRequest>,
) -> Result<Json<GarbageBody>, ApiError> {
    let Garbage { blobs, blob_bytes, dossiers, dossier_bytes, stages, stage_bytes } =
        desk.quarantine.collect_garbage(asked.dry_run).await?;
    let dry_run = asked.dry_run;
    Ok(Json(GarbageBody { dry_run, blobs, blob_bytes, dossiers, dossier_bytes, stages, stage_bytes }))
}
