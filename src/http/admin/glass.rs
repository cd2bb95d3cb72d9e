//! Breaking the glass: two admins, a few hours, and what left meanwhile.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::{Body, UploadBody};
use crate::domain::{Actor, BreakGlass, Timestamp};
use crate::quarantine::break_glass::GlassReport;

/// What the first of two asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GlassRequest {
    /// Kept in the ledger.
    reason: String,
    /// For how long from the second yes on: `2h`; one hour if nothing is said, four at most.
    #[serde(default, rename = "for")]
    lasting: Option<String>,
}

/// Who closes it may say why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseRequest {
    /// Kept in the ledger.
    #[serde(default)]
    reason: Option<String>,
}

/// Where the glass is, and what left while it was broken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GlassBody {
    /// closed, asked or open.
    state: &'static str,
    /// Who asked for it.
    asked_by: Option<String>,
    /// Who agreed.
    confirmed_by: Option<String>,
    reason: Option<String>,
    /// When what was asked for lapses, or what is broken mends by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// What left since it was broken last, to be reviewed.
    passed: Vec<UploadBody>,
}

impl From<GlassReport> for GlassBody {
    fn from(report: GlassReport) -> Self {
        let until = report.glass.ends();
        let (state, asked_by, confirmed_by, reason) = match report.glass {
            BreakGlass::Closed => ("closed", None, None, None),
            BreakGlass::Asked { by, reason, .. } => ("asked", Some(by), None, Some(reason)),
            BreakGlass::Open { by, confirmed_by, reason, .. } => ("open", Some(by), Some(confirmed_by), Some(reason)),
        };
        let passed = report.passed.iter().map(UploadBody::from).collect();
        Self { state, asked_by, confirmed_by, reason, until, passed }
    }
}

/// Where the glass is.
#[utoipa::path(get, operation_id = "break_glass_status", path = "/api/v1/break-glass", security(("token" = ["viewer"])), responses((status = 200, body = GlassBody)))]
pub(super) async fn status(State(desk): State<Desk>) -> Result<Json<GlassBody>, ApiError> {
    Ok(Json(desk.quarantine.glass_report().await?.into()))
}

/// One admin asks for the glass to be broken.
#[utoipa::path(post, operation_id = "break_glass_open", path = "/api/v1/break-glass/open", security(("token" = ["admin"])), request_body = GlassRequest, responses((status = 200, body = GlassBody), (status = 403)))]
pub(super) async fn open(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<GlassRequest>,
) -> Result<Json<GlassBody>, ApiError> {
    let lasting: Option<Duration> = match &asked.lasting {
        Some(text) => Some(
            humantime::parse_duration(text)
                .map_err(|error| ApiError::bad_request(format!("for: {error}; write a duration such as 2h")))?,
        ),
        None => None,
    };
    Ok(Json(desk.quarantine.ask_for_glass(&actor, &asked.reason, lasting).await?.into()))
}

/// A second admin agrees: what is held leaves from now on, unless it is known to be bad.
#[utoipa::path(post, operation_id = "break_glass_confirm", path = "/api/v1/break-glass/confirm", security(("token" = ["admin"])), responses((status = 200, body = GlassBody), (status = 403)))]
pub(super) async fn confirm(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<GlassBody>, ApiError> {
    Ok(Json(desk.quarantine.confirm_glass(&actor).await?.into()))
}

/// An admin puts the glass back, or says no to who asked; answers with what left.
#[utoipa::path(post, operation_id = "break_glass_close", path = "/api/v1/break-glass/close", security(("token" = ["admin"])), request_body = CloseRequest, responses((status = 200, body = GlassBody), (status = 403)))]
pub(super) async fn close(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<CloseRequest>,
) -> Result<Json<GlassBody>, ApiError> {
    Ok(Json(desk.quarantine.close_glass(&actor, asked.reason.as_deref()).await?.into()))
}
