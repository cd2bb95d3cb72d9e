//! The admin listener: the review desk's API, health and metrics. For tokens only, and never for a stranger's web page.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

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
mod guard;
mod openapi;
mod tokens;
mod trials;
mod uploads;

pub use openapi::document as openapi_document;

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

/// All routes of the admin listener, as one flat list.
pub fn router(desk: Desk) -> Router {
    let api = Router::new()
        .route("/uploads", get(uploads::list))
        .route("/uploads/{id}", get(uploads::one))
        .route("/uploads/{id}/approve", post(decisions::approve))
        .route("/uploads/{id}/reject", post(decisions::reject))
        .route("/uploads/{id}/recall", post(decisions::recall))
        .route("/uploads/{id}/reopen", post(decisions::reopen))
        .route("/uploads/{id}/unpin", post(corrections::unpin))
        .route("/artifacts/{sha256}", get(artifacts::one))
        .route("/audit", get(audit::list))
        .route("/audit/verify", get(audit::verify))
        .route("/why", get(uploads::why))
        .route("/blocks", get(blocks::list).post(blocks::block).delete(blocks::unblock))
        .route("/policy/try", post(trials::try_policy))
        .route("/remedies", post(trials::remedies))
        .route("/addresses", post(checks::addresses).layer(checks::long_body()))
        .route("/baseline", post(baselines::baseline).layer(baselines::longer_body()))
        .route("/check", post(checks::check).layer(checks::long_body()))
        .route("/private-names", axum::routing::delete(corrections::give_back))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{name}", axum::routing::delete(tokens::revoke))
        .route("/openapi.json", get(openapi::serve));
    let health = Router::new()
        .route("/livez", get(package::live))
        .route("/readyz", get(package::ready))
        .with_state(desk.quarantine.clone());
    Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(uploads::metrics))
        .layer(middleware::from_fn_with_state(desk.clone(), guard::sign_in))
        .merge(health)
        .fallback(|| async { ApiError::not_found("there is nothing at this address; the API is under /api/v1/") })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(desk.clone(), guard::only_here))
        .layer(middleware::from_fn_with_state(Door::of_desk(&desk.porter), layers::observe))
        .with_state(desk)
}
