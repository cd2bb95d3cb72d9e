//! The API's own description, under a snapshot test: every change of the API is seen in review.

use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    artifacts, audit, baselines, blocks, checks, corrections, decisions, exports, garbage, glass, heads, reports,
    tokens, trials, uploads,
};

/// The scheme whose roles the operations declare.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

#[derive(Debug, OpenApi)]
#[openapi(
    modifiers(&Tokens),
    info(
        title = "lazaret",
        description = "The review desk. Send a token as `Authorization: Bearer ...`. Errors are problem+json. Each operation names the role that it takes; admin includes reviewer, and that viewer."
    ),
    paths(
        uploads::list,
        uploads::one,
        uploads::why,
        uploads::metrics,
        serve,
        decisions::approve,
        decisions::reject,
        decisions::recall,
        decisions::reopen,
        artifacts::one,
        audit::list,
        audit::verify,
        heads::sign,
        heads::list,
        baselines::baseline,
        blocks::list,
        blocks::block,
        blocks::unblock,
        corrections::unpin,
        corrections::give_back,
        exports::export,
        garbage::collect,
        trials::try_policy,
        trials::remedies,
        checks::check,
        checks::addresses,
        reports::report,
        glass::status,
        glass::open,
        glass::confirm,
        glass::close,
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

/// This document.
#[utoipa::path(get, operation_id = "openapi", path = "/api/v1/openapi.json", security(("token" = ["viewer"])), responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
