//! A CPAN mirror: the index, the releases, the files beside them, and the index service that resolves pins.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::error::ApiError;
use super::super::extract::{self, Segments, Wanted};
use super::super::visitor::Visitor;
use super::file::{if_range_holds, kept, not_yet};
use crate::domain::{Ecosystem, Timestamp};
use crate::quarantine::cpan::gate::ReleaseAnswer;
use crate::quarantine::cpan::served::ServedIndex;
use crate::quarantine::file_gate::Want;
use crate::quarantine::{Quarantine, QuarantineError};
use crate::registry::cpan::author_path::AuthorPath;

/// How long a client waits for the first index there ever is. wget waits for 15 minutes; an error in place of the index would
/// stay in cpanm's and Carton's caches.
const PATIENCE: Duration = Duration::from_mins(10);
/// Whether something is still released is asked at each request.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// A token may have a mode of its own.
const VARY: HeaderValue = HeaderValue::from_static("Authorization");
const GZIP: HeaderValue = HeaderValue::from_static("application/x-gzip");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// How the index is asked for, by client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// The client has this generation.
    Same,
    /// All of it, dated.
    Dated,
    /// All of it, without a date: its copy is poisoned, or would be.
    Undated,
}

pub(super) async fn packed_index(
    State(quarantine): State<Arc<Quarantine>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let index = index(&quarantine, &visitor).await?;
    Ok(match freshness(&headers, &index) {
        Freshness::Same => without_body(&index),
        freshness => with_body(&index, index.gzip.clone(), GZIP, freshness),
    })
}

pub(super) async fn plain_index(
    State(quarantine): State<Arc<Quarantine>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let index = index(&quarantine, &visitor).await?;
    let freshness = freshness(&headers, &index);
    if freshness == Freshness::Same {
        return Ok(without_body(&index));
    }
    let packed = index.clone();
    // No client asks for the plain text; it is not kept for those who look.
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut text = Vec::with_capacity(usize::try_from(packed.plain_length).unwrap_or_default());
        flate2::read::GzDecoder::new(&*packed.gzip).read_to_end(&mut text).map(|_| text)
    });
    let failed = |error: &dyn std::fmt::Display| ApiError::from(QuarantineError::Fetch(error.to_string()));
    let text = unpacking.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(with_body(&index, text.into(), TEXT, freshness))
}

async fn index(quarantine: &Arc<Quarantine>, visitor: &Visitor) -> Result<Arc<ServedIndex>, ApiError> {
    quarantine.cpan_side()?;
    let index = quarantine.cpan_index(PATIENCE, visitor.asker()).await;
    index.ok_or_else(|| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No index yet",
            "no CPAN mirror has answered since lazaret was started; try again later",
        )
        .retry_after(60)
    })
}

/// cpanm takes a file's date for its age and keeps what it has: it never gets a date. The others ask with the date of their
/// copy; one that is newer than ours is no copy of ours.
fn freshness(headers: &HeaderMap, index: &ServedIndex) -> Freshness {
    let agent = extract::text(headers, header::USER_AGENT).unwrap_or_default();
    if agent.starts_with("cpanminus/") {
        return Freshness::Undated;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        let same = extract::matches(headers, index.etag.to_str().unwrap_or_default());
        return if same { Freshness::Same } else { Freshness::Dated };
    }
    let copy = extract::text(headers, header::IF_MODIFIED_SINCE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .map(Timestamp::from);
    match copy.map(|copy| copy.cmp(&index.modified)) {
        None | Some(std::cmp::Ordering::Less) => Freshness::Dated,
        Some(std::cmp::Ordering::Equal) => Freshness::Same,
        Some(std::cmp::Ordering::Greater) => Freshness::Undated,
    }
}

fn without_body(index: &ServedIndex) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.insert(header::LAST_MODIFIED, index.last_modified.clone());
    headers.insert(header::ETAG, index.etag.clone());
    headers.insert(header::VARY, VARY);
    response
}

fn with_body(index: &ServedIndex, body: Bytes, content_type: HeaderValue, freshness: Freshness) -> Response {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    headers.insert(header::VARY, VARY);
    if freshness == Freshness::Dated {
        headers.insert(header::LAST_MODIFIED, index.last_modified.clone());
        headers.insert(header::ETAG, index.etag.clone());
    }
    response
}

/// Everything below `authors/id/`: releases, what PAUSE took out of them, and the lists of their digests.
pub(super) async fn author_file(
    State(quarantine): State<Arc<Quarantine>>,
    visitor: Visitor,
    Segments(path): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let nowhere = || ApiError::not_found("there is no such file on this mirror");
    if let Some(folder) = path.strip_suffix("/CHECKSUMS") {
        // Parsed with a file in it, because a folder alone is no release's path.
        let parsed = AuthorPath::parse(&format!("{folder}/CHECKSUMS")).map_err(|_| nowhere())?;
        let body = quarantine.cpan_checksums(parsed.folder()).await?;
        return Ok(small(body, TEXT));
    }
    let parsed = AuthorPath::parse(&path).map_err(|_| nowhere())?;
    for ending in [".meta", ".readme"] {
        if path.ends_with(ending) {
            return Ok(match quarantine.cpan_companion(&parsed, ending, visitor.asker()).await? {
                Ok(body) => small(body, TEXT),
                Err(refusal) => ApiError::refusal(&refusal, quarantine.public_url()),
            });
        }
    }
    let part_wanted = headers.contains_key(header::RANGE);
    let want = match (&method, part_wanted) {
        (&Method::HEAD, _) => Want::Head,
        (_, true) => Want::Part,
        (_, false) => Want::Whole,
    };
    match quarantine.cpan_release(&parsed, want, visitor.asker()).await? {
        ReleaseAnswer::Refused(refusal) => {
            if want != Want::Head {
                quarantine.note_refusal(Ecosystem::Cpan, &refusal, visitor.fetcher());
            }
            Ok(ApiError::refusal(&refusal, quarantine.public_url()))
        }
        ReleaseAnswer::NotYet { retry_after } => Err(not_yet(retry_after)),
        ReleaseAnswer::Known { size, published } => {
            let mut response = Response::new(Body::empty());
            if let Some(size) = size {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            }
            dated(&mut response, published);
            Ok(response)
        }
        ReleaseAnswer::Ready { sha256, size, published, leave } => {
            quarantine.note_download(sha256, visitor.fetcher());
            quarantine.note_lenience(&leave, visitor.fetcher());
            let part_wanted = part_wanted && if_range_holds(&headers, &format!("\"{sha256}\""));
            let wanted = if part_wanted { extract::range(&headers, size) } else { Wanted::Whole };
            let mut response = kept(&quarantine, sha256, size, wanted, leave).await?;
            dated(&mut response, published);
            Ok(response)
        }
    }
}

/// A path names a release, not its bytes: clients ask again.
fn dated(response: &mut Response, published: Option<Timestamp>) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let date = published.map(|published| httpdate::fmt_http_date(published.into()));
    if let Some(Ok(date)) = date.map(HeaderValue::try_from) {
        headers.insert(header::LAST_MODIFIED, date);
    }
}

/// The other documents of a mirror.
pub(super) async fn document(
    State(quarantine): State<Arc<Quarantine>>,
    Segments(path): Segments<String>,
) -> Result<Response, ApiError> {
    let body = quarantine.cpan_document(&path).await?;
    let content_type = if body.starts_with(&[0x1f, 0x8b]) { GZIP } else { TEXT };
    Ok(small(body, content_type))
}

pub(super) async fn package(
    State(quarantine): State<Arc<Quarantine>>,
    visitor: Visitor,
    Segments(module): Segments<String>,
) -> Result<Response, ApiError> {
    Ok(small(
        quarantine.cpan_package(&module, visitor.asker()).await?.into(),
        HeaderValue::from_static("text/yaml; charset=utf-8"),
    ))
}

pub(super) async fn history(
    State(quarantine): State<Arc<Quarantine>>,
    visitor: Visitor,
    Segments(module): Segments<String>,
) -> Result<Response, ApiError> {
    Ok(small(quarantine.cpan_history(&module, visitor.asker()).await?.into(), TEXT))
}

fn small(body: Bytes, content_type: HeaderValue) -> Response {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    response
}
