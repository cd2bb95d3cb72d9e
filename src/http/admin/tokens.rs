//! Tokens: made here, shown once, kept as hashes.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::super::extract::Segments;
use super::Desk;
use super::body::Body;
use crate::domain::{Actor, Mode, Role, Timestamp};
use crate::store::Token;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// Who or what it is for.
    name: String,
    /// viewer, reviewer or admin.
    #[schema(value_type = String)]
    role: Role,
    /// RFC 3339.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    /// enforce or observe: how its client is served, whatever the policy's mode is.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenBody {
    name: String,
    #[schema(value_type = String)]
    role: Role,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
    /// enforce or observe, if it has a mode of its own.
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> Self {
        let Token { name, role, created, expires, revoked, mode, digest: _ } = token;
        Self { name, role, created, expires, revoked, mode }
    }
}

/// A token with its secret: this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewToken {
    #[serde(flatten)]
    row: TokenBody,
    /// The secret. It is not kept: note it down now.
    token: String,
}

/// All tokens, without secrets.
#[utoipa::path(get, operation_id = "list_tokens", path = "/api/v1/tokens", security(("token" = ["admin"])), responses((status = 200, body = Vec<TokenBody>)))]
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Vec<TokenBody>>, ApiError> {
    Ok(Json(desk.quarantine.tokens().await?.into_iter().map(TokenBody::from).collect()))
}

/// Makes a token.
#[utoipa::path(post, operation_id = "create_token", path = "/api/v1/tokens", request_body = TokenRequest, security(("token" = ["admin"])), responses((status = 200, body = NewToken), (status = 409)))]
pub(super) async fn create(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<TokenRequest>,
) -> Result<Json<NewToken>, ApiError> {
    let TokenRequest { name, role, expires, mode } = asked;
    let (row, token) = desk.quarantine.create_token_in_mode(&name, role, expires, mode, &actor).await?;
    Ok(Json(NewToken { row: row.into(), token }))
}

/// Revokes a token, at once.
#[utoipa::path(delete, operation_id = "revoke_token", path = "/api/v1/tokens/{name}", params(("name" = String, Path)), security(("token" = ["admin"])), responses((status = 200, body = TokenBody), (status = 404)))]
pub(super) async fn revoke(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
) -> Result<Json<TokenBody>, ApiError> {
    Ok(Json(desk.quarantine.revoke_token(&name, &actor).await?.into()))
}
