//! What every request passes: an id, a deadline for the first byte, a count, and a log line where somebody should look.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, Version};

use super::error::ApiError;
use super::framing;
use super::porter::Door;

/// The longest wait for an answer's head; long waits inside have shorter limits of their own.
const DEADLINE: Duration = Duration::from_secs(90);

/// CPAN's index is never answered with an error: a client that asks before there is one waits for it.
const INDEX_DEADLINE: Duration = Duration::from_mins(15);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, counts it, sees who sent it, and answers for it if nobody else does in time.
pub async fn observe(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let id = RequestId::next();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let uri = request.uri().clone();
    let is_index = uri.path().starts_with("/cpan/modules/02packages");
    let deadline = if is_index { INDEX_DEADLINE } else { DEADLINE };
    let (version, framed) = (request.version(), framing::check(&request));
    let is_last = framed.is_err() || framing::is_last(version, request.headers());
    let answering = async {
        if let Err(refused) = framed {
            return refused.into_response();
        }
        match door.admit(&mut request).await {
            Ok(Some(toll)) => toll.cover(next.run(request)).await,
            Ok(None) => next.run(request).await,
            Err(refused) => refused.into_response(),
        }
    };
    let mut response = match tokio::time::timeout(deadline, answering).await {
        Ok(response) => response,
        Err(_) => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "Too slow", "the answer took too long; try again")
            .into_response(),
    };
    let status = response.status();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str).to_owned();
    metrics::counter!("lazaret_requests_total", "route" => route, "status" => status.as_str().to_owned()).increment(1);
    let path = uri.path();
    if status.is_server_error() {
        tracing::warn!(request = %id, %method, path, status = status.as_u16(), "request failed");
    } else if status == StatusCode::FORBIDDEN {
        tracing::info!(request = %id, %method, path, "request refused");
    } else {
        tracing::debug!(request = %id, %method, path, status = status.as_u16(), "request answered");
    }
    if is_last && version < Version::HTTP_2 {
        framing::close(&mut response);
    }
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

/// Tells requests apart in logs and reports: which run of the program, and which request of it.
#[derive(Debug, Clone, Copy)]
struct RequestId(u64);

impl RequestId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Asking the system for randomness at each request would cost as much as finding the answer.
        static RUN: LazyLock<u32> = LazyLock::new(rand::random);
        write!(f, "{:08x}-{}", *RUN, self.0)
    }
}

/// Our name in `Via`: a lazaret that is set to use itself as its upstream recognises it (rule 17).
#[derive(Debug, Clone)]
pub struct Via(HeaderValue);

impl Via {
    /// With this pseudonym.
    pub fn named(pseudonym: &str) -> Self {
        Self(
            HeaderValue::try_from(format!("1.1 {pseudonym}"))
                .unwrap_or_else(|_| HeaderValue::from_static("1.1 lazaret")),
        )
    }
}

/// Says that the answer came through us.
pub async fn via(State(Via(via)): State<Via>, mut response: Response) -> Response {
    response.headers_mut().insert(http::header::VIA, via);
    response
}
