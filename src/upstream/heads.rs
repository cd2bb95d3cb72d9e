//! What an upstream says of a file without sending it: whether it is there, how long it is, since when.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::client::{Answered, Question, settle};
use super::error::host_of;
use super::{AllowedHosts, Credentials, Upstream, UpstreamError};
use crate::domain::Timestamp;

/// A file to ask about.
#[derive(Debug, Clone, Copy)]
pub struct HeadRequest<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// For the whole question.
    pub deadline: Duration,
    /// Where its index may lead us.
    pub hosts: &'a AllowedHosts,
    /// For its index.
    pub credentials: Option<&'a Credentials>,
}

/// What is said of a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Bytes, if the upstream says so.
    pub length: Option<u64>,
    /// `Last-Modified`.
    pub modified: Option<Timestamp>,
}

impl Upstream {
    /// Asks about a file. A plain "there is no such file" is an error with `is_clean_miss`.
    pub async fn head(&self, request: HeadRequest<'_>) -> Result<Head, UpstreamError> {
        let question = Question {
            method: Method::HEAD,
            url: request.url,
            headers: HeaderMap::from_iter([
                (header::ACCEPT, HeaderValue::from_static("*/*")),
                (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            ]),
            hosts: request.hosts,
            credentials: request.credentials,
            deadline: Some(Instant::now() + request.deadline),
        };
        let Answered { response, url, permit } = self.ask(&question).await?;
        settle(permit, Ok(()));
        let host = host_of(&url);
        match response.status() {
            StatusCode::OK | StatusCode::NO_CONTENT => {}
            StatusCode::NOT_FOUND | StatusCode::GONE if url.host() != request.url.host() => {
                let why = "a miss by another host than the one that was asked";
                return Err(UpstreamError::BadAnswer { host, why, source: None });
            }
            status => return Err(UpstreamError::Status { host, status: status.as_u16() }),
        }
        let length = text(response.headers(), &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let modified = text(response.headers(), &header::LAST_MODIFIED)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .map(OffsetDateTime::from);
        Ok(Head { length, modified })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
