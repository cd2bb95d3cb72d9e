//! Where a request ends and whom it is for: what two servers could read in two ways is read by nobody.
//!
//! hyper refuses most of it before we see it (lengths that differ, codings that are not chunked, folded lines). What it lets
//! through by the letter of RFC 9112 is decided here, at all doors.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};

use super::error::ApiError;

/// Refuses what is addressed to several hosts, or to none where one must be named (RFC 9112, section 3.2), and what says its
/// length in two ways (section 6.3).
pub(super) fn check(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    let nameless = hosts == 0 && request.version() == Version::HTTP_11;
    if hosts > 1 || nameless {
        return Err(bad("a request names one host"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(bad("a request says its length in one way"));
    }
    Ok(())
}

/// Whether the connection must end with the answer. A front end that reads lengths otherwise than we do takes what follows a
/// chunked body for part of it, or part of it for what follows (section 6.1): nothing follows.
pub(super) fn is_last(version: Version, headers: &HeaderMap) -> bool {
    version < Version::HTTP_2 && headers.contains_key(header::TRANSFER_ENCODING)
}

/// Says so in the answer, and hyper acts upon it.
pub(super) fn close(response: &mut Response) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

fn bad(why: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "Bad request", why)
}
