//! The admin listener: the review desk's API, health and metrics. For tokens only, and never for a stranger's web page.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;

use super::error::ApiError;
use super::porter::{Door, Porter};
use super::{layers, package};
use crate::quarantine::Quarantine;

mod artifacts;
mod audit;
mod baselines;
mod blocks;
mod body;
mod checks;
mod corrections;
mod decisions;
mod exports;
mod garbage;
mod glass;
mod guard;
mod heads;
mod openapi;
mod operations;
mod reports;
mod tokens;
mod trials;
mod uploads;

use self::operations::Operations;
pub use openapi::document as openapi_document;
pub use operations::UndeclaredError;

/// Reasons are text, not archives.
const LONGEST_BODY: usize = 64 << 10;

/// What the admin routes share.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The quarantine behind the desk.
    pub quarantine: Arc<Quarantine>,
    /// Who looks at tokens.
    pub porter: Arc<Porter>,
    /// Host names under which the desk may be addressed (against DNS rebinding).
    pub hosts: Arc<Vec<String>>,
    /// Renders the metrics.
    pub metrics: fn() -> String,
}

/// All routes of the admin listener, as one flat list. An operation's address, method and role stand in the attribute of its
/// handler, and nowhere else.
pub fn router(desk: Desk) -> Result<Router, UndeclaredError> {
    let operations = Operations::of(&openapi_document())
        .serve("openapi", openapi::serve)
        .serve("metrics", uploads::metrics)
        .serve("list_uploads", uploads::list)
        .serve("show_upload", uploads::one)
        .serve("report", reports::report)
        .serve("why", uploads::why)
        .serve("approve", decisions::approve)
        .serve("reject", decisions::reject)
        .serve("recall", decisions::recall)
        .serve("reopen", decisions::reopen)
        .serve("unpin", corrections::unpin)
        .serve("give_back_private_name", corrections::give_back)
        .serve("show_artifact", artifacts::one)
        .serve("list_events", audit::list)
        .serve("verify_ledger", audit::verify)
        .serve("sign_head", heads::sign)
        .serve("list_heads", heads::list)
        .serve("export_store", exports::export)
        .serve("collect_garbage", garbage::collect)
        .serve("list_blocks", blocks::list)
        .serve("block", blocks::block)
        .serve("unblock", blocks::unblock)
        .serve("try_policy", trials::try_policy)
        .serve("remedies", trials::remedies)
        .serve_long("check", checks::check, checks::LONGEST_BODY)
        .serve_long("addresses", checks::addresses, checks::LONGEST_BODY)
        .serve_long("baseline", baselines::baseline, baselines::LONGEST_BODY)
        .serve("break_glass_status", glass::status)
        .serve("break_glass_open", glass::open)
        .serve("break_glass_confirm", glass::confirm)
        .serve("break_glass_close", glass::close)
        .serve("list_tokens", tokens::list)
        .serve("create_token", tokens::create)
        .serve("revoke_token", tokens::revoke);
    let health = Router::new()
        .route("/livez", get(package::live))
        .route("/readyz", get(package::ready))
        .with_state(desk.quarantine.clone());
    let routes = Router::new()
        .merge(operations.router()?)
        .layer(middleware::from_fn_with_state(desk.clone(), guard::sign_in))
        .merge(health)
        .fallback(|| async { ApiError::not_found("there is nothing at this address; the API is under /api/v1/") })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(desk.clone(), guard::only_here))
        .layer(middleware::from_fn_with_state(Door::of_desk(&desk.porter), layers::observe))
        .with_state(desk);
    Ok(routes)
}
