//! The API's own description, under a snapshot test: every change of the API is seen in review.

use axum::Json;
use utoipa::OpenApi;

use super::{artifacts, audit, baselines, blocks, checks, corrections, decisions, tokens, trials, uploads};

#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "lazaret",
        description = "The review desk. Send a token as `Authorization: Bearer ...`. Errors are problem+json."
    ),
    paths(
        uploads::list,
        uploads::one,
        uploads::why,
        decisions::approve,
        decisions::reject,
        decisions::recall,
        decisions::reopen,
        artifacts::one,
        audit::list,
        audit::verify,
        baselines::baseline,
        blocks::list,
        blocks::block,
        blocks::unblock,
        corrections::unpin,
        corrections::give_back,
        trials::try_policy,
        trials::remedies,
        checks::check,
        checks::addresses,
        tokens::list,
        tokens::create,
        tokens::revoke,
    )
)]
struct Document;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
