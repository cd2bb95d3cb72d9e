//! The package listener: what Python's and Perl's installers talk to.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use http::{HeaderValue, StatusCode, header};

use super::error::ApiError;
use super::layers::{self, Via};
use super::porter::Door;
use crate::quarantine::Quarantine;

mod cpan;
mod file;
mod forward;
pub(in crate::http) mod health;
mod probe;
mod pypi;
mod status;

pub use forward::Forwarding;
pub(in crate::http) use health::{live, ready};

/// All routes of the package listener, as one flat list.
pub fn router(quarantine: Arc<Quarantine>, door: Door, via: &str, forwarding: Forwarding) -> Router {
    let routes = Router::new()
        // What installers use.
        .route("/pypi/simple", get(pypi::to_root))
        .route("/pypi/simple/", get(pypi::root))
        .route("/pypi/simple/{project}", get(pypi::to_page))
        .route("/pypi/simple/{project}/", get(pypi::page))
        .route("/pypi/files/{project}/{sha256}/{filename}", get(file::file))
        .route("/pypi/pypi/{project}/json", get(pypi::document))
        .route("/pypi/pypi/{project}/{version}/json", get(pypi::version_document))
        .route("/cpan/modules/02packages.details.txt.gz", get(cpan::packed_index))
        .route("/cpan/modules/02packages.details.txt", get(cpan::plain_index))
        .route("/cpan/v1.0/package/{module}", get(cpan::package))
        .route("/cpan/v1.0/history/{module}", get(cpan::history))
        .route("/cpan/authors/id/{*path}", get(cpan::author_file))
        .route("/cpan/{*path}", get(cpan::document))
        // What uploaders try.
        .route("/pypi/legacy/", any(not_here))
        // What people and monitors read.
        .route("/uploads/{id}", get(status::page))
        .route("/probe/refusal", get(probe::refusal))
        .route("/probe/file", get(probe::file))
        .route("/probe/page", get(probe::page))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(not_here)
        .fallback(|| async {
            ApiError::not_found("there is nothing at this address; packages are under /pypi/simple/ and /cpan/")
        })
        .layer(middleware::map_response_with_state(Via::named(via), layers::via))
        .layer(middleware::from_fn_with_state(door, layers::observe))
        .with_state(quarantine);
    forward::in_front_of(routes, forwarding)
}

/// The teapot listener, until there is a teapot behind it.
pub fn not_yet_router() -> Router {
    Router::new().fallback(|| async { ApiError::not_found("lazaret serves no teapot repository yet") })
}

/// lazaret only reads: uploads go to the index itself.
async fn not_here() -> Response {
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method not allowed",
        "lazaret serves packages and takes none; upload to the index itself",
    );
    let mut response = error.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
