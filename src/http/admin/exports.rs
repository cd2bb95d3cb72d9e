//! An export of the store, as a stream of lines.

use axum::body::Body as Stream;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::Body;
use crate::seal::Passphrase;

/// What is to be in it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportRequest {
    /// The signing key is in it only under a passphrase, of at least 12 characters. It is not kept.
    #[serde(default)]
    passphrase: Option<String>,
}

/// Everything that must survive, of this moment, while the house goes on: facts, ledger, rules, tokens as hashes, and a list of cached files.
/// Whole only with its last line, `{"end":…}`, which has the number of lines and the SHA-256 of all before it, signed.
#[utoipa::path(post, operation_id = "export_store", path = "/api/v1/export", security(("token" = ["admin"])), request_body = ExportRequest, responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 403), (status = 409)))]
pub(super) async fn export(State(desk): State<Desk>, Body(asked): Body<ExportRequest>) -> Result<Response, ApiError> {
    let passphrase = asked.passphrase.as_deref().map(Passphrase::new).transpose();
    let passphrase = passphrase.map_err(|error| ApiError::bad_request(format!("passphrase: {error}")))?;
    let lines = desk.quarantine.export(passphrase).await?;
    let mut response = Response::new(Stream::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
