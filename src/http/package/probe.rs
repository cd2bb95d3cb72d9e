//! Answers that are known beforehand, for `lazaret doctor --via`: a refusal, a file and a page as a load balancer in front must
//! let them through. They touch neither store nor cellar nor upstream, and say nothing of this house.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::super::error::ApiError;
use super::super::extract::{self, Wanted};
use super::file::if_range_holds;
use crate::domain::{Sha256, State as UploadState, probe};
use crate::quarantine::prepared::Encoding;
use crate::quarantine::{Quarantine, Refusal};

/// Bytes that are always the same, with their validator.
struct Known {
    body: Bytes,
    etag: String,
}

impl Known {
    fn of(body: Bytes) -> Self {
        let etag = format!("\"{}\"", Sha256::of(&body));
        Self { body, etag }
    }
}

static FILE: LazyLock<Known> = LazyLock::new(|| Known::of(probe::file()));
static PAGE: LazyLock<Known> = LazyLock::new(|| Known::of(probe::page()));
static PACKED_PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    // Writing to memory does not fail; if it did, the page would go out plain.
    let packed = encoder.write_all(&probe::page()).and_then(|()| encoder.finish());
    packed.map(Bytes::from).unwrap_or_default()
});

/// A refusal, with its reason phrase and its body.
pub(super) async fn refusal(State(quarantine): State<Arc<Quarantine>>) -> Response {
    let refusal = Refusal {
        id: None,
        what: probe::REFUSED.to_owned(),
        state: UploadState::Held,
        why: probe::WHY.to_owned(),
        until: None,
        reasons: Vec::new(),
    };
    ApiError::refusal(&refusal, quarantine.public_url())
}

/// A file, whole or in part.
pub(super) async fn file(method: Method, headers: HeaderMap) -> Response {
    let size = FILE.body.len() as u64;
    let wanted = match method {
        Method::GET if if_range_holds(&headers, &FILE.etag) => extract::range(&headers, size),
        _ => Wanted::Whole,
    };
    let range = match wanted {
        Wanted::Whole => 0..size,
        Wanted::Part(range) => range,
        Wanted::Unsatisfiable => {
            let mut response = answer(StatusCode::RANGE_NOT_SATISFIABLE, &FILE.etag, Bytes::new());
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    if extract::matches(&headers, &FILE.etag) {
        return answer(StatusCode::NOT_MODIFIED, &FILE.etag, Bytes::new());
    }
    let is_part = range != (0..size);
    let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let [start, end] = [range.start, range.end].map(|place| usize::try_from(place).unwrap_or(usize::MAX));
    let mut response = answer(status, &FILE.etag, FILE.body.slice(start..end.min(FILE.body.len())));
    if is_part {
        set(&mut response, header::CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    response
}

/// A page, packed where the client takes that.
pub(super) async fn page(headers: HeaderMap) -> Response {
    let etag = format!("W/{}", PAGE.etag);
    if extract::matches(&headers, &etag) {
        return answer(StatusCode::NOT_MODIFIED, &etag, Bytes::new());
    }
    let packed = !PACKED_PAGE.is_empty() && matches!(extract::encoding(&headers), Encoding::Gzip);
    let body = if packed { PACKED_PAGE.clone() } else { PAGE.body.clone() };
    let mut response = answer(StatusCode::OK, &etag, body);
    if packed {
        set(&mut response, header::CONTENT_ENCODING, "gzip");
    }
    set(&mut response, header::CONTENT_TYPE, "application/vnd.pypi.simple.v1+json");
    set(&mut response, header::VARY, "Accept, Accept-Encoding");
    response
}

fn answer(status: StatusCode, etag: &str, body: Bytes) -> Response {
    let digest = Sha256::of(&body).to_string();
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    set(&mut response, header::ETAG, etag);
    set(&mut response, header::CACHE_CONTROL, probe::CACHE_CONTROL);
    if status != StatusCode::NOT_MODIFIED {
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
        set(&mut response, HeaderName::from_static(probe::DIGEST_HEADER), &digest);
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
