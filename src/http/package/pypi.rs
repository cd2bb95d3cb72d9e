//! The Simple API and the JSON API.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::super::error::ApiError;
use super::super::extract::{self, Segments};
use super::super::visitor::Visitor;
use crate::domain::{Project, ProjectName, Version};
use crate::quarantine::prepared::{Encoding, PreparedPage};
use crate::quarantine::refresh::Freshness;
use crate::quarantine::{Quarantine, QuarantineError};
use crate::registry::pypi::root::RootWriter;
use crate::registry::pypi::{Format, negotiate};

/// How long a client may keep a page: a released or recalled version shows after this at the latest.
const MAX_AGE: HeaderValue = HeaderValue::from_static("max-age=10");
const VARY: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding, Authorization");

/// `?format=` of PEP 691.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    format: Option<String>,
}

fn wanted_format(headers: &HeaderMap, asked: &Asked) -> Result<Format, ApiError> {
    negotiate(extract::text(headers, header::ACCEPT), asked.format.as_deref()).ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_ACCEPTABLE,
            "Not acceptable",
            "this page comes as application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html or text/html",
        )
    })
}

/// Relative, so that it holds behind a front end that puts us under another path.
fn moved(to: &str) -> Response {
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    if let Ok(location) = HeaderValue::try_from(to) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub(super) async fn to_root() -> Response {
    moved("simple/")
}

/// PEP 503: one address a project, with the normalised name and a slash.
pub(super) async fn to_page(Segments(raw): Segments<String>) -> Result<Response, ApiError> {
    let name = ProjectName::pypi(&raw).map_err(|error| ApiError::not_found(error.to_string()))?;
    Ok(moved(&format!("{name}/")))
}

/// A project's page: prepared bytes if they are ready, else one reading for everybody who waits.
pub(super) async fn page(
    State(quarantine): State<Arc<Quarantine>>,
    Segments(raw): Segments<String>,
    Query(asked): Query<Asked>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = ProjectName::pypi(&raw).map_err(|error| ApiError::not_found(error.to_string()))?;
    if name.as_str() != raw {
        return Ok(moved(&format!("../{name}/")));
    }
    let format = wanted_format(&headers, &asked)?;
    let encoding = extract::encoding(&headers);
    let project = Project::pypi(name);
    let view = if let Some(view) = quarantine.ready_view(&project) {
        view
    } else {
        let _waits = quarantine.precedence.client();
        quarantine.view(&project, Freshness::Usual).await?
    };
    let page = quarantine.page(&view, format, encoding, visitor.asker());
    if extract::matches(&headers, page.etag.to_str().unwrap_or_default()) {
        return Ok(not_modified(&page));
    }
    Ok(prepared(page, format, encoding))
}

fn prepared(page: PreparedPage, format: Format, encoding: Encoding) -> Response {
    let length = page.body.len();
    let compressed = page.compressed;
    let mut response = Response::new(Body::from(page.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(encoding) = encoding.as_str().filter(|_| compressed) {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(header::ETAG, page.etag);
    headers.insert(header::CACHE_CONTROL, MAX_AGE);
    headers.insert(header::VARY, VARY);
    response
}

fn not_modified(page: &PreparedPage) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, page.etag.clone());
    headers.insert(header::CACHE_CONTROL, MAX_AGE);
    headers.insert(header::VARY, VARY);
    response
}

/// The list of all names, streamed.
pub(super) async fn root(
    State(quarantine): State<Arc<Quarantine>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = wanted_format(&headers, &asked)?;
    let list = quarantine.root().await?;
    let mut writer = RootWriter::new(format);
    let chunks = list.stream(move |batch| {
        let mut chunk = if batch.is_first { writer.header() } else { Vec::new() };
        for name in batch.names {
            // The list holds normalised names only.
            if let Ok(name) = ProjectName::pypi(name) {
                chunk.extend_from_slice(&writer.entry(&name));
            }
        }
        if batch.is_last {
            chunk.extend_from_slice(&writer.footer());
        }
        Bytes::from(chunk)
    });
    let chunks = chunks.await.map_err(|error| QuarantineError::Fetch(error.to_string()))?;
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=600"));
    headers.insert(header::VARY, VARY);
    Ok(response)
}

pub(super) async fn document(
    State(quarantine): State<Arc<Quarantine>>,
    Segments(raw): Segments<String>,
    visitor: Visitor,
) -> Result<Response, ApiError> {
    let name = ProjectName::pypi(&raw).map_err(|error| ApiError::not_found(error.to_string()))?;
    if name.as_str() != raw {
        return Ok(moved(&format!("../{name}/json")));
    }
    Ok(json(quarantine.json_document(&name, None, visitor.asker()).await?))
}

pub(super) async fn version_document(
    State(quarantine): State<Arc<Quarantine>>,
    Segments((raw, version)): Segments<(String, String)>,
    visitor: Visitor,
) -> Result<Response, ApiError> {
    let name = ProjectName::pypi(&raw).map_err(|error| ApiError::not_found(error.to_string()))?;
    let version = Version::pypi(&version).map_err(|error| ApiError::not_found(error.to_string()))?;
    if name.as_str() != raw {
        return Ok(moved(&format!("../../{name}/{version}/json")));
    }
    Ok(json(quarantine.json_document(&name, Some(&version), visitor.asker()).await?))
}

fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, MAX_AGE);
    // A token may have a mode of its own.
    headers.insert(header::VARY, HeaderValue::from_static("Authorization"));
    response
}
