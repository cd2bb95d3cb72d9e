//! Whole small bodies: index pages and the documents beside them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::bounded_body::BoundedBody;
use super::client::{Answered, Question, count_spoiled, settle};
use super::error::host_of;
use super::freshness::{fresh_for, upstream_clock};
use super::inflate::{Coding, Reading, read_whole};
use super::lanes::Lane;
use super::retry::Attempts;
use super::{AllowedHosts, Credentials, Phase, Upstream, UpstreamError, Validators};
use crate::domain::Timestamp;

/// A page to read.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// `Accept`.
    pub accept: &'a str,
    /// Those of the page that we have: it is sent only if it changed.
    pub validators: Option<&'a Validators>,
    /// More, unpacked, is refused.
    pub max_bytes: u64,
    /// For everything together, retries and body included.
    pub deadline: Duration,
    /// Where its index may lead us.
    pub hosts: &'a AllowedHosts,
    /// For its index.
    pub credentials: Option<&'a Credentials>,
    /// Whether the connection ends with the answer: some old servers say no length and wait.
    pub close: bool,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum PageAnswer {
    /// A page.
    Fresh(FreshPage),
    /// The page that we have is still the one.
    NotModified {
        /// The upstream's clock.
        date: Option<Timestamp>,
    },
    /// A clean 404 or 410, by the very host that was asked: there is no such page.
    Missing {
        /// The upstream's clock.
        date: Option<Timestamp>,
    },
}

/// A page as it was sent.
#[derive(Debug, Clone)]
pub struct FreshPage {
    /// Unpacked.
    pub body: Bytes,
    /// `Content-Type`, or nothing.
    pub content_type: String,
    /// To recognise it by next time.
    pub validators: Validators,
    /// The upstream's clock: `Date`, plus `Age` where a cache answered.
    pub date: Option<Timestamp>,
    /// For how long the upstream allows it to be used unasked, if it says so.
    pub fresh_for: Option<Duration>,
    /// Where it came from after redirects: what its relative links start from.
    pub url: Url,
    /// Kept while the page is: a large one must be dealt with before others come.
    _lane: Lane,
}

/// A page that was read whole and makes no sense is counted beside those that broke off.
pub fn count_unreadable(page: &Url) {
    let error = UpstreamError::BadAnswer { host: host_of(page), why: "it makes no sense", source: None };
    count_spoiled(&host_of(page), &error);
}

impl Upstream {
    /// Reads a page, if need be three times.
    pub async fn page(&self, request: PageRequest<'_>) -> Result<PageAnswer, UpstreamError> {
        let deadline = Instant::now() + request.deadline;
        let question = Question {
            method: Method::GET,
            url: request.url,
            headers: question_headers(&request)?,
            hosts: request.hosts,
            credentials: request.credentials,
            deadline: Some(deadline),
        };
        let mut attempts = Attempts::until(deadline);
        let mut failure_before = None;
        loop {
            match (self.page_once(&request, &question, deadline).await, failure_before.take()) {
                // A retry that ran into the breaker says less than the failure before it.
                (Err(UpstreamError::BreakerOpen { .. }), Some(before)) => return Err(before),
                (Err(error), _) => match attempts.pause_after(&error) {
                    Some(pause) => {
                        failure_before = Some(error);
                        sleep(pause).await;
                    }
                    None => return Err(error),
                },
                (Ok(answer), _) => return Ok(answer),
            }
        }
    }

    async fn page_once(
        &self,
        request: &PageRequest<'_>,
        question: &Question<'_>,
        deadline: Instant,
    ) -> Result<PageAnswer, UpstreamError> {
        let Answered { response, url, permit } = self.ask(question).await?;
        let host = host_of(&url);
        let result = match timeout_at(deadline, self.read_page(request, response, url, deadline)).await {
            Ok(result) => result,
            Err(_) => Err(UpstreamError::Timeout { host: host.clone(), phase: Phase::Body }),
        };
        if let Err(error) = &result {
            count_spoiled(&host, error);
        }
        settle(permit, result.as_ref().map(drop));
        result
    }

    async fn read_page(
        &self,
        request: &PageRequest<'_>,
        response: http::Response<Incoming>,
        url: Url,
        deadline: Instant,
    ) -> Result<PageAnswer, UpstreamError> {
        let host = host_of(&url);
        let bad = |why| Err(UpstreamError::BadAnswer { host: host.clone(), why, source: None });
        let (head, body) = response.into_parts();
        let date = upstream_clock(&head.headers);
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if request.validators.is_some_and(|validators| !validators.is_empty()) => {
                return Ok(PageAnswer::NotModified { date });
            }
            StatusCode::NOT_FOUND | StatusCode::GONE if url.host() == request.url.host() => {
                return Ok(PageAnswer::Missing { date });
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return bad("a miss by another host than the one that was asked");
            }
            _ => return bad("its status does not fit the question"),
        }
        let Some(coding) = Coding::of(&head.headers) else {
            return bad("it is packed in a way that was not asked for");
        };
        let body = BoundedBody::new(body, &host, request.max_bytes, self.idle_timeout())?;
        let reading = Reading { coding, limit: request.max_bytes, host: &host, lanes: self.lanes(), deadline };
        let (body, lane) = read_whole(body, reading).await?;
        Ok(PageAnswer::Fresh(FreshPage {
            body,
            content_type: text(&head.headers, &header::CONTENT_TYPE),
            validators: Validators::of(&head.headers),
            date,
            fresh_for: fresh_for(&head.headers),
            url,
            _lane: lane,
        }))
    }
}

fn question_headers(request: &PageRequest<'_>) -> Result<HeaderMap, UpstreamError> {
    let accept = HeaderValue::from_str(request.accept).map_err(|error| UpstreamError::Setup {
        what: "accept is not a header's value".to_owned(),
        source: Some(std::sync::Arc::new(error)),
    })?;
    let gzip = HeaderValue::from_static("gzip");
    let mut headers = HeaderMap::from_iter([(header::ACCEPT, accept), (header::ACCEPT_ENCODING, gzip)]);
    if let Some(validators) = request.validators {
        validators.ask(&mut headers);
    }
    if request.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(headers)
}

/// A header as text; one that is not printable ASCII, or absurdly long, is as good as none.
fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text.len() <= 256 { text.to_owned() } else { String::new() }
}
