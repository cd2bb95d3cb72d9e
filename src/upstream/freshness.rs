//! What an answer's headers say about time: how long it may be used, when to come back, and what the upstream's clock shows.

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::domain::Timestamp;

/// Longer promises are cut to this.
const LONGEST_FRESHNESS: Duration = Duration::from_hours(365 * 24);
/// A host that asks for more is asked again tomorrow all the same.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);
/// A cached answer older than this tells nothing about the present.
const OLDEST_ANSWER: Duration = Duration::from_hours(7 * 24);

/// For how long from now the upstream allows this answer to be used unasked (RFC 9111): `max-age` or `s-maxage` less `Age`; zero
/// for `no-store` and `no-cache`; `None` where it says nothing.
pub fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let mut bound: Option<u64> = None;
    let mut shared: Option<u64> = None;
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    for directive in values.flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = || seconds(value.trim().trim_matches('"')).unwrap_or(0);
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => bound = Some(seconds().min(bound.unwrap_or(u64::MAX))),
            "s-maxage" => shared = Some(seconds().min(shared.unwrap_or(u64::MAX))),
            _ => {}
        }
    }
    let bound = Duration::from_secs(shared.or(bound)?).min(LONGEST_FRESHNESS);
    Some(bound.saturating_sub(age(headers)))
}

/// What the upstream's clock shows: `Date`, plus `Age` where a cache kept the answer for a while.
pub fn upstream_clock(headers: &HeaderMap) -> Option<Timestamp> {
    let age = age(headers);
    if age > OLDEST_ANSWER {
        return None;
    }
    Timestamp::from(http_date(headers, &DATE)?).checked_add(age.try_into().ok()?)
}

/// How far the upstream's clock and ours are apart, whichever is ahead.
pub fn clock_skew(date: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    Some((now - date?).unsigned_abs())
}

/// `Retry-After`, in seconds or as a date, which is measured by the upstream's own clock.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(text) {
        Some(seconds) => Duration::from_secs(seconds),
        None => httpdate::parse_http_date(text).ok()?.duration_since(http_date(headers, &DATE)?).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

fn age(headers: &HeaderMap) -> Duration {
    let age = headers.get(AGE).and_then(|value| seconds(value.to_str().ok()?.trim()));
    Duration::from_secs(age.unwrap_or(0))
}

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// RFC 9111, section 1.2.2: digits, and a number too large to hold is the largest one.
fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn freshness(cache_control: &str) -> Option<u64> {
        fresh_for(&headers(&[(CACHE_CONTROL, cache_control)])).map(|bound| bound.as_secs())
    }

    #[test]
    fn an_upstream_says_how_long_its_page_lasts() {
        assert_eq!(freshness("max-age=600, public"), Some(600));
        assert_eq!(freshness("public, Max-Age=\"600\""), Some(600));
        assert_eq!(freshness("max-age=600, s-maxage=60"), Some(60));
        assert_eq!(freshness("max-age=600, max-age=5"), Some(5));
        assert_eq!(freshness("max-age=600, no-cache"), Some(0));
        assert_eq!(freshness("max-age=soon"), Some(0));
        assert_eq!(freshness("public"), None);
        assert_eq!(freshness("max-age=99999999999999999999999"), Some(LONGEST_FRESHNESS.as_secs()));
        assert_eq!(
            fresh_for(&headers(&[(CACHE_CONTROL, "max-age=600"), (AGE, "250")])),
            Some(Duration::from_secs(350))
        );
        assert_eq!(fresh_for(&headers(&[(CACHE_CONTROL, "max-age=600"), (AGE, "900")])), Some(Duration::ZERO));
    }

    #[test]
    fn an_old_answer_of_a_cache_is_no_wrong_clock() {
        let clock = upstream_clock(&headers(&[(DATE, "Sun, 06 Nov 1994 08:49:37 GMT"), (AGE, "1800")]));
        assert_eq!(clock, Some(datetime!(1994-11-06 09:19:37 UTC)));
        assert_eq!(clock_skew(clock, datetime!(1994-11-06 09:19:30 UTC)), Some(Duration::from_secs(7)));
        assert_eq!(clock_skew(clock, datetime!(1994-11-06 09:19:40 UTC)), Some(Duration::from_secs(3)));
        assert_eq!(clock_skew(None, Timestamp::UNIX_EPOCH), None);
        assert_eq!(upstream_clock(&headers(&[(DATE, "yesterday")])), None);
        assert_eq!(upstream_clock(&headers(&[(DATE, "Fri, 31 Dec 9999 23:59:59 GMT"), (AGE, "86400")])), None);
    }

    #[test]
    fn retry_after_comes_in_two_forms() {
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "120")])), Some(Duration::from_mins(2)));
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "4000000000")])), Some(LONGEST_RETRY_AFTER));
        let date = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        let later = (RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(retry_after(&headers(&[date.clone(), later.clone()])), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(&headers(&[later])), None);
        assert_eq!(retry_after(&headers(&[date, (RETRY_AFTER, "whenever")])), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_header_makes_it_panic_or_last_for_ever(text in "[ -~]{0,60}", age in "[0-9a-z-]{0,30}") {
            let headers = headers(&[(CACHE_CONTROL, &text), (AGE, &age), (DATE, &text), (RETRY_AFTER, &age)]);
            prop_assert!(fresh_for(&headers).is_none_or(|bound| bound <= LONGEST_FRESHNESS));
            prop_assert!(retry_after(&headers).is_none_or(|wait| wait <= LONGEST_RETRY_AFTER));
            upstream_clock(&headers);
        }
    }
}
