//! What requests carry, parsed once at the door.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use super::error::ApiError;
use crate::domain::{FileName, ProjectName, Sha256};
use crate::quarantine::prepared::Encoding;

/// The variable parts of a path, percent-decoded; what cannot be decoded is nowhere.
#[derive(Debug)]
pub(super) struct Segments<T>(pub(super) T);

#[expect(clippy::disallowed_types, reason = "this is the room that wraps it")]
impl<S: Send + Sync, T: serde::de::DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        parsed.map(|path| Self(path.0)).map_err(|_| ApiError::not_found("there is nothing at this address"))
    }
}

/// A file's address: `/pypi/files/{project}/{sha256}/{filename}`.
#[derive(Debug)]
pub(super) struct FileAddress {
    pub(super) project: ProjectName,
    pub(super) sha256: Sha256,
    /// As written, perhaps with `.metadata` or `.provenance` behind.
    pub(super) filename: FileName,
}

impl<S: Send + Sync> FromRequestParts<S> for FileAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let nowhere = || ApiError::not_found("no file has this address");
        let Segments((project, sha256, filename)) =
            Segments::<(String, String, String)>::from_request_parts(parts, state).await?;
        Ok(Self {
            project: ProjectName::pypi(&project).map_err(|_| nowhere())?,
            sha256: sha256.parse().map_err(|_| nowhere())?,
            filename: FileName::parse(&filename).map_err(|_| nowhere())?,
        })
    }
}

/// A header's text; `None` if it is absent or not text.
pub(super) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The best encoding that the client takes: zstd, else gzip, else none.
pub(super) fn encoding(headers: &HeaderMap) -> Encoding {
    let accepted = text(headers, header::ACCEPT_ENCODING).unwrap_or_default();
    let takes = |name: &str| {
        accepted.split(',').any(|item| {
            let mut parts = item.split(';');
            let is_it = parts.next().is_some_and(|coding| coding.trim().eq_ignore_ascii_case(name));
            let refused = parts.any(|part| {
                part.trim()
                    .strip_prefix("q=")
                    .is_some_and(|weight| weight.trim().trim_end_matches(['0', '.']).is_empty())
            });
            is_it && !refused
        })
    };
    if takes("zstd") {
        Encoding::Zstd
    } else if takes("gzip") {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// Whether `If-None-Match` names this validator; weak comparison, RFC 9110 section 13.1.2.
pub(super) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.trim().trim_start_matches("W/")
    }
    text(headers, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == opaque(etag)))
}

/// What a `Range` header asks of a body of this size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: no range, or one that we may ignore (RFC 9110 section 14.2).
    Whole,
    /// This part.
    Part(std::ops::Range<u64>),
    /// Nothing that exists.
    Unsatisfiable,
}

/// Reads `Range`; several ranges are answered with the whole.
pub(super) fn range(headers: &HeaderMap, size: u64) -> Wanted {
    let Some(ranges) = text(headers, header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = ranges.split_once('-') else { return Wanted::Whole };
    if ranges.contains(',') {
        return Wanted::Whole;
    }
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => Wanted::Whole,
        (Ok(first), _) if first >= size => Wanted::Unsatisfiable,
        (Ok(first), Ok(last)) => Wanted::Part(first..last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.trim().is_empty() => Wanted::Part(first..size),
        (Err(_), Ok(suffix)) if first.trim().is_empty() && (suffix == 0 || size == 0) => Wanted::Unsatisfiable,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => Wanted::Part(size.saturating_sub(suffix)..size),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn ranges_are_read_by_rfc_9110() {
        let read = |value| range(&with(header::RANGE, value), 1_000);
        assert_eq!(read("bytes=0-99"), Wanted::Part(0..100));
        assert_eq!(read("bytes=990-2000"), Wanted::Part(990..1_000));
        assert_eq!(read("bytes=-100"), Wanted::Part(900..1_000));
        assert_eq!(read("bytes=-5000"), Wanted::Part(0..1_000));
        assert_eq!(read("bytes=5-"), Wanted::Part(5..1_000));
        assert_eq!(read("bytes=1000-"), Wanted::Unsatisfiable);
        assert_eq!(read("bytes=-0"), Wanted::Unsatisfiable);
        for ignored in
            ["bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=-", "bytes=18446744073709551616-"]
        {
            assert_eq!(read(ignored), Wanted::Whole, "{ignored}");
        }
        for wanted in ["bytes=-5", "bytes=0-", "bytes=0-0"] {
            assert_eq!(range(&with(header::RANGE, wanted), 0), Wanted::Unsatisfiable, "{wanted} of nothing");
        }
    }

    #[test]
    fn encodings_respect_a_weight_of_zero() {
        let read = |value| encoding(&with(header::ACCEPT_ENCODING, value));
        assert_eq!(read("gzip, deflate"), Encoding::Gzip);
        assert_eq!(read("gzip, deflate, zstd"), Encoding::Zstd);
        assert_eq!(read("gzip;q=0, identity"), Encoding::Identity);
        assert_eq!(read("zstd;q=0.000, gzip;q=0.5"), Encoding::Gzip);
        assert_eq!(encoding(&HeaderMap::new()), Encoding::Identity);
    }

    #[test]
    fn validators_compare_weakly() {
        assert!(matches(&with(header::IF_NONE_MATCH, "\"a\", W/\"b\""), "\"b\""));
        assert!(matches(&with(header::IF_NONE_MATCH, "*"), "\"b\""));
        assert!(!matches(&with(header::IF_NONE_MATCH, "\"a\""), "\"b\""));
    }
}
