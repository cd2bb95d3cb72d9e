//! Files: GET, HEAD, Range and `.metadata`, all through the one gate.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::error::ApiError;
use super::super::extract::{self, FileAddress, Wanted};
use super::super::visitor::Visitor;
use crate::blob::StageRead;
use crate::domain::{Ecosystem, FileName, Sha256};
use crate::quarantine::fetch::Running;
use crate::quarantine::file_gate::{FileAnswer, Want};
use crate::quarantine::{Leave, Quarantine, QuarantineError, Refusal};

/// A digest names the bytes, so they never change. Whether they may still leave is asked at each request, so no shared cache may
/// answer in our place.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// How much of a file on its way in is read at a time.
const CHUNK: usize = 128 << 10;

pub(super) async fn file(
    State(quarantine): State<Arc<Quarantine>>,
    address: FileAddress,
    visitor: Visitor,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asker = visitor.asker();
    if let Some(owner) = owner_of(&address.filename, ".metadata") {
        let answer = quarantine.metadata(&address.project, address.sha256, &owner, asker).await?;
        if let Err(refusal) = &answer {
            quarantine.note_refusal(Ecosystem::Pypi, refusal, visitor.fetcher());
        }
        return Ok(small(answer, "application/octet-stream", &quarantine));
    }
    if let Some(owner) = owner_of(&address.filename, ".provenance") {
        let answer = quarantine.provenance(&address.project, address.sha256, &owner, asker).await?;
        return Ok(small(answer, "application/vnd.pypi.integrity.v1+json", &quarantine));
    }
    let etag = format!("\"{}\"", address.sha256);
    let part_wanted = headers.contains_key(header::RANGE) && if_range_holds(&headers, &etag);
    let want = if method == Method::HEAD {
        Want::Head
    } else if part_wanted {
        Want::Part
    } else {
        Want::Whole
    };
    match quarantine.file(&address.project, address.sha256, &address.filename, want, asker).await? {
        FileAnswer::Refused(refusal) => {
            if want != Want::Head {
                quarantine.note_refusal(Ecosystem::Pypi, &refusal, visitor.fetcher());
            }
            Ok(ApiError::refusal(&refusal, quarantine.public_url()))
        }
        FileAnswer::NotYet { retry_after } => Err(not_yet(retry_after)),
        FileAnswer::Known { sha256, size } => {
            let unchanged = extract::matches(&headers, &etag);
            Ok(if unchanged {
                head(StatusCode::NOT_MODIFIED, sha256, None)
            } else {
                head(StatusCode::OK, sha256, size)
            })
        }
        FileAnswer::Streaming { sha256, size, fetch, leave } => {
            quarantine.note_download(sha256, visitor.fetcher());
            quarantine.note_lenience(&leave, visitor.fetcher());
            Ok(streaming(sha256, size, &fetch, leave))
        }
        FileAnswer::Ready { sha256, size, leave } => {
            if extract::matches(&headers, &etag) {
                return Ok(head(StatusCode::NOT_MODIFIED, sha256, None));
            }
            quarantine.note_download(sha256, visitor.fetcher());
            quarantine.note_lenience(&leave, visitor.fetcher());
            let wanted = if part_wanted { extract::range(&headers, size) } else { Wanted::Whole };
            kept(&quarantine, sha256, size, wanted, leave).await
        }
    }
}

/// The file that a companion (`.metadata`) belongs to.
fn owner_of(filename: &FileName, ending: &str) -> Option<FileName> {
    FileName::parse(filename.as_str().strip_suffix(ending)?).ok()
}

/// `If-Range` with another validator: the whole body, RFC 9110 section 13.1.5.
pub(super) fn if_range_holds(headers: &HeaderMap, etag: &str) -> bool {
    extract::text(headers, header::IF_RANGE).is_none_or(|validator| validator == etag)
}

pub(super) fn not_yet(retry_after: Duration) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not verified yet",
        "the file is being fetched and verified; try again in a moment",
    )
    .retry_after(retry_after.as_secs())
}

fn head(status: StatusCode, sha256: Sha256, length: Option<u64>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    if let Ok(etag) = HeaderValue::try_from(format!("\"{sha256}\"")) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

pub(super) async fn kept(
    quarantine: &Quarantine,
    sha256: Sha256,
    size: u64,
    wanted: Wanted,
    leave: Leave,
) -> Result<Response, ApiError> {
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => {
            let mut response = head(StatusCode::RANGE_NOT_SATISFIABLE, sha256, Some(0));
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(response);
        }
    };
    let mut response = head(status, sha256, Some(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::try_from(format!("bytes {}-{}/{size}", range.start, range.end - 1))
    {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    let body = quarantine.blobs().read(&sha256, range).await.map_err(QuarantineError::from)?;
    *response.body_mut() =
        Body::from_stream(futures_util::stream::try_unfold((body, leave), |(mut body, mut leave)| async move {
            let Some(bytes) = body.next().await else { return Ok(None) };
            let bytes = bytes.map_err(std::io::Error::other)?;
            leave.check().await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(Some((bytes, (body, leave))))
        }));
    Ok(response)
}

/// A wheel on its way in. Its last bytes come only when they are verified; else the connection is cut.
fn streaming(sha256: Sha256, size: u64, fetch: &Running, leave: Leave) -> Response {
    let reader = fetch.reader.clone();
    let body = futures_util::stream::try_unfold((reader, leave, 0_u64), |(reader, mut leave, offset)| async move {
        match reader.read_at(offset, CHUNK).await {
            StageRead::Data(bytes) => {
                let next = offset + bytes.len() as u64;
                leave.check().await.map_err(std::io::Error::other)?;
                Ok(Some((bytes, (reader, leave, next))))
            }
            StageRead::End => Ok(None),
            StageRead::Failed(why) => Err(std::io::Error::other(why.to_string())),
        }
    });
    let mut response = head(StatusCode::OK, sha256, Some(size));
    *response.body_mut() = Body::from_stream(body);
    response
}

fn small(answer: Result<Bytes, Refusal>, content_type: &'static str, quarantine: &Quarantine) -> Response {
    match answer {
        Err(refusal) => ApiError::refusal(&refusal, quarantine.public_url()),
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(header::CACHE_CONTROL, IMMUTABLE);
            response
        }
    }
}
