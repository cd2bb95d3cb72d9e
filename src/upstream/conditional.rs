//! Conditional requests (RFC 9110, section 13): what an upstream gave us to recognise its page again.

use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// No honest validator is longer; a longer one is not kept.
const LONGEST: usize = 512;

/// The validators of one answer, as the upstream wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validators {
    /// `ETag`, weak or strong, with its quotes.
    pub etag: Option<Box<str>>,
    /// `Last-Modified`.
    pub last_modified: Option<Box<str>>,
}

impl Validators {
    /// Those of an answer.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) }
    }

    /// Whether there is nothing to ask with.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Adds the question "unless it is still this one".
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        for (name, value) in [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)] {
            if let Some(value) = value.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<Box<str>> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty() && text.len() <= LONGEST).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_gave_is_asked_with_next_time() {
        let mut answer = HeaderMap::new();
        answer.insert(ETAG, HeaderValue::from_static("W/\"v1\""));
        answer.insert(LAST_MODIFIED, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        let mut question = HeaderMap::new();
        Validators::of(&answer).ask(&mut question);
        assert_eq!(question[IF_NONE_MATCH], "W/\"v1\"");
        assert_eq!(question[IF_MODIFIED_SINCE], "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn absurd_validators_are_not_kept() {
        let mut answer = HeaderMap::new();
        answer.insert(ETAG, HeaderValue::from_str(&"x".repeat(LONGEST + 1)).unwrap());
        answer.insert(LAST_MODIFIED, HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(Validators::of(&answer).is_empty());
        let mut question = HeaderMap::new();
        Validators { etag: Some("a\r\nX: y".into()), last_modified: None }.ask(&mut question);
        assert!(question.is_empty());
    }
}
