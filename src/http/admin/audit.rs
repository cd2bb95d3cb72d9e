//! The ledger, and whether its chain holds.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::error::ApiError;
use super::Desk;
use super::body::{Asked, EventBody, PageBody};
use crate::domain::audit::Head;
use crate::store::verify::Verification;

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// The last answer's `next`: events after this number.
    cursor: Option<u64>,
    /// At most 1000.
    limit: Option<usize>,
}

/// Events in their order.
#[utoipa::path(get, operation_id = "list_events", path = "/api/v1/audit", params(AuditQuery), security(("token" = ["viewer"])), responses((status = 200, body = PageBody<EventBody>)))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<PageBody<EventBody>>, ApiError> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let events = desk.quarantine.events(query.cursor.unwrap_or(0), limit).await?;
    let next = (events.len() == limit).then(|| events.last().map(|event| event.sequence.to_string())).flatten();
    Ok(Json(PageBody { items: events.iter().map(EventBody::from).collect(), next }))
}

/// Whether the chain holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerifyBody {
    ok: bool,
    /// How many events hold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    /// The first event that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_bad: Option<u64>,
    /// The end of the chain as NUMBER:HASH: note it, and ask later whether the chain still goes through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// The noted head that was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyQuery {
    /// A head that was noted earlier, as NUMBER:HASH: the chain must still go through it.
    from: Option<String>,
}

/// Reads the whole chain and checks every link.
#[utoipa::path(get, operation_id = "verify_ledger", path = "/api/v1/audit/verify", params(VerifyQuery), security(("token" = ["viewer"])), responses((status = 200, body = VerifyBody)))]
pub(super) async fn verify(
    State(desk): State<Desk>,
    Asked(query): Asked<VerifyQuery>,
) -> Result<Json<VerifyBody>, ApiError> {
    let noted: Option<Head> = query
        .from
        .map(|text| text.parse().map_err(|error| ApiError::bad_request(format!("from: {error}"))))
        .transpose()?;
    let from = noted.map(|head| head.to_string());
    Ok(Json(match desk.quarantine.verify_ledger(noted).await? {
        Verification::Whole(head) => {
            VerifyBody { ok: true, events: Some(head.sequence), first_bad: None, head: Some(head.to_string()), from }
        }
        Verification::Broken { first_bad } => {
            VerifyBody { ok: false, events: None, first_bad: Some(first_bad), head: None, from }
        }
    }))
}
