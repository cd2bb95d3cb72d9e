//! Errors become responses here, and only here: a reason phrase for pip, problem+json for uv and for the API.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use hyper::ext::ReasonPhrase;
use serde::Serialize;
use serde_json::json;

use crate::domain::Timestamp;
use crate::quarantine::{QuarantineError, Refusal, printable};
use crate::store::StoreError;

/// How a client is asked for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    /// As installers know it: a token is the password.
    Basic,
    /// As the API wants it.
    Bearer,
}

/// An error on its way out, as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) wants it.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    status: StatusCode,
    title: &'static str,
    detail: String,
    retry_after: Option<u64>,
    challenge: Option<Challenge>,
    more: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    more: &'a serde_json::Map<String, serde_json::Value>,
}

impl ApiError {
    /// An error with this status, a title and one sentence.
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), retry_after: None, challenge: None, more: serde_json::Map::new() }
    }

    /// The request makes no sense.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// A token is missing or wrong.
    pub(super) fn unauthorized(challenge: Challenge, detail: impl Into<String>) -> Self {
        Self { challenge: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, "Who are you?", detail) }
    }

    /// Ask again after so many seconds.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A refusal at the file gate (promise 8).
    pub(super) fn refusal(refusal: &Refusal, public_url: &str) -> Response {
        let mut error = Self::new(StatusCode::FORBIDDEN, "Quarantined", refusal.sentence(public_url));
        let text = |time: Timestamp| time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
        error.more.insert("upload_id".into(), json!(refusal.id));
        error.more.insert("state".into(), json!(refusal.state));
        error.more.insert("hold_until".into(), json!(refusal.until.map(text)));
        error.more.insert("reasons".into(), json!(refusal.reasons));
        if let Some(link) = refusal.link(public_url) {
            error.more.insert("instance".into(), json!(link));
        }
        let phrase = refusal.phrase(public_url);
        error.respond(&phrase)
    }

    fn respond(&self, phrase: &str) -> Response {
        let problem = Problem {
            r#type: "about:blank",
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            more: &self.more,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // What was asked for is named in the detail: no browser may take that for a page.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            let challenge = match challenge {
                Challenge::Basic => "Basic realm=\"lazaret\", charset=\"UTF-8\"",
                Challenge::Bearer => "Bearer realm=\"lazaret\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        // Rule 7: printable ASCII only, at most 100 characters.
        if let Ok(phrase) = ReasonPhrase::try_from(printable(phrase, 100).into_bytes()) {
            response.extensions_mut().insert(phrase);
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.respond(&self.detail)
    }
}

impl From<QuarantineError> for ApiError {
    fn from(error: QuarantineError) -> Self {
        let detail = error.to_string();
        let answer = match &error {
            QuarantineError::NotFound(_) | QuarantineError::NoSuch(_) => Self::not_found(detail),
            QuarantineError::Unanswered { source, index, project } => {
                let detail = format!("{index} did not answer for {}: {}", project.name, source.short());
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Upstream unavailable", detail)
            }
            QuarantineError::NoIndex => Self::new(StatusCode::SERVICE_UNAVAILABLE, "No index configured", detail),
            QuarantineError::Unreadable { .. } | QuarantineError::Fetch(_) => {
                Self::new(StatusCode::BAD_GATEWAY, "Upstream failure", detail)
            }
            QuarantineError::AskedTooMuch { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail)
            }
            QuarantineError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "Not possible now", detail),
            QuarantineError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "Forbidden", detail),
            QuarantineError::BadRequest(_) => Self::bad_request(detail),
            error if error.is_disk_full() => Self::new(StatusCode::INSUFFICIENT_STORAGE, "Disk full", detail),
            error if error.is_disk_refusing() => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Disk read-only", detail),
            // Another export is under way.
            QuarantineError::Store(refused) if matches!(**refused, StoreError::Refused(_)) => {
                Self::new(StatusCode::CONFLICT, "Not possible now", detail)
            }
            QuarantineError::Store(_) | QuarantineError::Blob(_) | QuarantineError::Seal(_) => {
                tracing::error!(%error, "a request failed inside");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", detail)
            }
        };
        match error.retry_after() {
            Some(wait) => answer.retry_after(wait.as_secs()),
            None => answer,
        }
    }
}

impl From<crate::store::StoreError> for ApiError {
    fn from(error: crate::store::StoreError) -> Self {
        QuarantineError::from(error).into()
    }
}
