//! Baselines: what is in use already is let in at once, by its SHA-256.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::{Body, UploadBody};
use super::checks::{WantedBody, wanted};
use crate::domain::Actor;
use crate::quarantine::baseline::Left;

/// So many entries are one decision.
const MOST_ENTRIES: usize = 5_000;
/// So many files of them; a package with wheels for every platform has some dozens.
const MOST_FILES: usize = 50_000;
/// So many files with name and hash, in bytes.
pub(super) const LONGEST_BODY: usize = 16 << 20;

/// What is in use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BaselineRequest {
    /// Kept in the ledger.
    reason: String,
    /// At most 5,000, with at most 50,000 files. An entry without files names the files of its version that are known now.
    entries: Vec<WantedBody>,
}

/// What that changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BaselineBody {
    released: Vec<UploadBody>,
    not_released: Vec<LeftBody>,
}

/// Something that was not let in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftBody {
    /// pypi:NAME==VERSION, as far as it was said.
    package: String,
    /// Its file's name or hash, if one was said or is known.
    file: Option<String>,
    /// already-released, other-bytes, unknown, rejected, forbidden or unavailable.
    why: String,
    reason: String,
    upload_id: Option<String>,
}

impl From<&Left> for LeftBody {
    fn from(left: &Left) -> Self {
        Self {
            package: left.what.clone(),
            file: left.file.clone(),
            why: left.why.as_str().to_owned(),
            reason: left.reason.clone(),
            upload_id: left.id.as_ref().map(ToString::to_string),
        }
    }
}

/// Lets in what is in use already, as one decision with one event. What nobody may approve, and other bytes, stay.
#[utoipa::path(post, operation_id = "baseline", path = "/api/v1/baseline", request_body = BaselineRequest, security(("token" = ["admin"])), responses((status = 200, body = BaselineBody), (status = 400), (status = 403)))]
pub(super) async fn baseline(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Body(asked): Body<BaselineRequest>,
) -> Result<Json<BaselineBody>, ApiError> {
    if asked.entries.len() > MOST_ENTRIES {
        return Err(ApiError::bad_request(format!("entries: at most {MOST_ENTRIES} at once")));
    }
    let baselined = desk.quarantine.baseline(&wanted(&asked.entries, MOST_FILES)?, &actor, &asked.reason).await?;
    Ok(Json(BaselineBody {
        released: baselined.released.iter().map(UploadBody::from).collect(),
        not_released: baselined.left.iter().map(LeftBody::from).collect(),
    }))
}
