//! Signed heads of the ledger, to be kept elsewhere.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::error::ApiError;
use super::Desk;
use super::body::Asked;
use crate::domain::Timestamp;
use crate::seal::SignedHead;

const USUAL: usize = 100;

/// The end of the ledger at a time, signed by this house. As JSON on one line this is a line of `heads.jsonl`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeadBody {
    /// NUMBER:HASH.
    head: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Which store it is of.
    instance: String,
    /// The Ed25519 key, 64 hexadecimal digits.
    key: String,
    /// Of four lines, each with its line end: `lazaret head 1`, head, at, instance.
    signature: String,
}

impl From<&SignedHead> for HeadBody {
    fn from(signed: &SignedHead) -> Self {
        Self {
            head: signed.head.to_string(),
            at: signed.at,
            instance: signed.instance.clone(),
            key: signed.key.to_string(),
            signature: signed.signature.to_string(),
        }
    }
}

/// Heads that were written down.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeadsBody {
    /// By whose signature they are known.
    key: String,
    /// Oldest first.
    items: Vec<HeadBody>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadsQuery {
    /// At most 1000, the last ones.
    limit: Option<usize>,
}

/// Signs the present end of the ledger.
#[utoipa::path(get, operation_id = "sign_head", path = "/api/v1/audit/head", security(("token" = ["viewer"])), responses((status = 200, body = HeadBody)))]
pub(super) async fn sign(State(desk): State<Desk>) -> Result<Json<HeadBody>, ApiError> {
    Ok(Json(HeadBody::from(&desk.quarantine.sign_head().await?)))
}

/// The heads that were signed each hour, as `heads.jsonl` has them.
#[utoipa::path(get, operation_id = "list_heads", path = "/api/v1/audit/heads", security(("token" = ["viewer"])), params(HeadsQuery), responses((status = 200, body = HeadsBody)))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(query): Asked<HeadsQuery>,
) -> Result<Json<HeadsBody>, ApiError> {
    let heads = desk.quarantine.heads(query.limit.unwrap_or(USUAL)).await?;
    let key = desk.quarantine.public_key().to_string();
    Ok(Json(HeadsBody { key, items: heads.iter().map(HeadBody::from).collect() }))
}
