//! Files: streamed, whole or in part, and never asked for twice once bytes flow.

use std::ops::Range;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use super::client::{Answered, Question, count_spoiled, settle};
use super::error::host_of;
use super::freshness::upstream_clock;
use super::{AllowedHosts, Credentials, FileBody, Upstream, UpstreamError};
use crate::domain::Timestamp;

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct FileRequest<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// `Accept`.
    pub accept: &'a str,
    /// Only these bytes of it.
    pub range: Option<Range<u64>>,
    /// More is refused.
    pub max_bytes: u64,
    /// Where its index may lead us.
    pub hosts: &'a AllowedHosts,
    /// For its index; not sent elsewhere.
    pub credentials: Option<&'a Credentials>,
    /// Whether the connection ends with the answer: some old servers say no length and wait.
    pub close: bool,
}

/// A file that is on its way.
#[derive(Debug)]
pub struct FileAnswer {
    /// How many bytes will come, if the upstream says so.
    pub length: Option<u64>,
    /// `Content-Type`, or nothing.
    pub content_type: String,
    /// The upstream's clock.
    pub date: Option<Timestamp>,
    /// The bytes.
    pub body: FileBody,
}

impl Upstream {
    /// Starts to fetch a file. A plain "there is no such file" is an error with `is_clean_miss`.
    pub async fn file(&self, request: FileRequest<'_>) -> Result<FileAnswer, UpstreamError> {
        let question = Question {
            method: Method::GET,
            url: request.url,
            headers: question_headers(&request)?,
            hosts: request.hosts,
            credentials: request.credentials,
            deadline: None,
        };
        let Answered { response, url, permit } = self.ask(&question).await?;
        // A file may take minutes: its head is verdict enough for the breaker.
        settle(permit, Ok(()));
        let host = host_of(&url);
        match (response.status(), &request.range) {
            (StatusCode::OK, None) => {}
            (StatusCode::PARTIAL_CONTENT, Some(wanted)) if is_start_of(wanted, response.headers()) => {}
            (StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => {
                return Err(UpstreamError::RangeNotHonoured { host });
            }
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) if url.host() != request.url.host() => {
                let why = "a miss by another host than the one that was asked";
                return Err(UpstreamError::BadAnswer { host, why, source: None });
            }
            (status, _) => return Err(UpstreamError::Status { host, status: status.as_u16() }),
        }
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let date = upstream_clock(response.headers());
        // A Content-Encoding is left alone, as pip does: servers that label a .tar.gz so send its very bytes, and the digest decides.
        let most = request.range.map_or(request.max_bytes, |range| request.max_bytes.min(range.end - range.start));
        let body = FileBody::new(response.into_body(), &host, most, self.idle_timeout())
            .inspect_err(|error| count_spoiled(&host, error))?
            .counted();
        Ok(FileAnswer { length: body.promised(), content_type, date, body })
    }
}

fn question_headers(request: &FileRequest<'_>) -> Result<HeaderMap, UpstreamError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, accept(request.accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if request.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(range) = &request.range {
        if range.is_empty() {
            return Err(UpstreamError::RangeNotHonoured { host: host_of(request.url) });
        }
        let range = HeaderValue::try_from(format!("bytes={}-{}", range.start, range.end - 1));
        headers.extend(range.ok().map(|range| (header::RANGE, range)));
    }
    Ok(headers)
}

fn accept(wanted: &str) -> HeaderValue {
    HeaderValue::try_from(wanted).unwrap_or_else(|_| HeaderValue::from_static("*/*"))
}

/// Whether `Content-Range: bytes first-last/length` starts where it should and ends no later; a shorter file may end earlier.
fn is_start_of(wanted: &Range<u64>, headers: &HeaderMap) -> bool {
    let sent = || {
        let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
        let (first, last) = text.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
        Some((first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?))
    };
    sent().is_some_and(|(first, last)| first == wanted.start && (first..wanted.end).contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_part_than_the_one_asked_for_is_noticed() {
        let sent = |text: &'static str| HeaderMap::from_iter([(header::CONTENT_RANGE, HeaderValue::from_static(text))]);
        let wanted = 10..20;
        for good in ["bytes 10-19/100", "bytes 10-19/*", "bytes 10-14/15"] {
            assert!(is_start_of(&wanted, &sent(good)), "{good}");
        }
        for bad in
            ["bytes 0-9/100", "bytes 10-20/100", "bytes 10-9/100", "bytes */100", "items 10-19/100", "bytes 10", ""]
        {
            assert!(!is_start_of(&wanted, &sent(bad)), "{bad}");
        }
        assert!(!is_start_of(&wanted, &HeaderMap::new()));
    }
}
