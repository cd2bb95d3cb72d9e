//! What can go wrong when another index is asked. Messages name the host, never a path, a query or a password.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::FlightLost;

/// The cause of an error; shared, because everybody who waited for the same answer gets it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// An upstream gave no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, or it broke before an answer.
    #[error("{host} cannot be reached: check the network, the proxy settings and the address")]
    Unreachable {
        /// Who.
        host: Box<str>,
        /// Why.
        source: Cause,
    },
    /// Too slow.
    #[error("{host} was too slow ({phase}): try again later")]
    Timeout {
        /// Who.
        host: Box<str>,
        /// While what.
        phase: Phase,
    },
    /// A status that is no answer to the question.
    #[error("{host} answered with status {status}: try again later, or look at that server")]
    Status {
        /// Who.
        host: Box<str>,
        /// Which.
        status: u16,
    },
    /// 401 or 403.
    #[error("{host} refuses us (status {status}): check the credentials of this index")]
    Forbidden {
        /// Who.
        host: Box<str>,
        /// Which.
        status: u16,
    },
    /// There is nothing to sign in with.
    #[error("there is no password for {host}: {why}")]
    NoPassword {
        /// Whose.
        host: Box<str>,
        /// Why, without what it may have been.
        why: String,
    },
    /// 429: we ask too much.
    #[error("{host} asks us to slow down: try again later")]
    Throttled {
        /// Who.
        host: Box<str>,
        /// Not before this time has passed, if it said so.
        retry_after: Option<Duration>,
    },
    /// More bytes than we are willing to read.
    #[error("the answer of {host} is larger than {limit} bytes: raise the limit if that is right")]
    TooLarge {
        /// Who.
        host: Box<str>,
        /// The limit.
        limit: u64,
    },
    /// A place that this index may not lead us to.
    #[error("{host} is not asked: {why}; add it to file_hosts if it belongs to the index")]
    HostNotAllowed {
        /// Who.
        host: Box<str>,
        /// The rule.
        why: &'static str,
    },
    /// Redirected in circles, or very far.
    #[error("{host} redirects too often: configure the address that it leads to")]
    TooManyRedirects {
        /// The last one.
        host: Box<str>,
    },
    /// It failed too often lately to be asked now.
    #[error("{host} failed repeatedly and is asked again in {} s", .retry_in.as_secs().saturating_add(1))]
    BreakerOpen {
        /// Who.
        host: Box<str>,
        /// When it is worth asking again.
        retry_in: Duration,
    },
    /// Others are being read that are as large.
    #[error("the answer of {host} is large, and other large ones are being read: try again")]
    Busy {
        /// Who.
        host: Box<str>,
    },
    /// The encrypted connection could not be made.
    #[error("no trusted encrypted connection to {host}: check its certificate, or name its CA in ca_file")]
    Tls {
        /// Who.
        host: Box<str>,
        /// Why.
        source: Cause,
    },
    /// The answer ended before its end.
    #[error("the answer of {host} was cut off: try again")]
    Truncated {
        /// Who.
        host: Box<str>,
        /// Why, where known.
        source: Option<Cause>,
    },
    /// A part was asked for, and something else came.
    #[error("{host} does not serve parts of files: ask for the whole")]
    RangeNotHonoured {
        /// Who.
        host: Box<str>,
    },
    /// The upstream is this very house.
    #[error("{host} is lazaret itself: configure the index behind it")]
    Ourselves {
        /// Who.
        host: Box<str>,
    },
    /// Not what HTTP or the question demands.
    #[error("the answer of {host} cannot be used: {why}")]
    BadAnswer {
        /// Who.
        host: Box<str>,
        /// What is wrong with it.
        why: &'static str,
        /// Details, where known.
        source: Option<Cause>,
    },
    /// The client could not be made.
    #[error("the upstream client cannot start: {what}")]
    Setup {
        /// What is wrong with which setting.
        what: String,
        /// Why, where known.
        source: Option<Cause>,
    },
    /// The shared work ended without a result.
    #[error(transparent)]
    FlightLost(#[from] FlightLost),
}

/// What we were waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name, TCP and TLS.
    Connect,
    /// The head of the answer.
    FirstByte,
    /// More of the body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "first byte",
            Self::Body => "body",
        })
    }
}

impl UpstreamError {
    /// Whether the host asked said plainly that it does not have it (404 or 410).
    pub fn is_clean_miss(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }

    /// A few words of printable ASCII, at most 80, for a client's eyes.
    pub fn short(&self) -> String {
        let what = match self {
            Self::Unreachable { .. } => "cannot be reached".to_owned(),
            Self::Timeout { phase, .. } => format!("timed out ({phase})"),
            Self::Status { status, .. } | Self::Forbidden { status, .. } => format!("answered {status}"),
            Self::NoPassword { .. } => "gets no password from here".to_owned(),
            Self::Throttled { .. } => "asks us to slow down".to_owned(),
            Self::TooLarge { .. } => "sent too much".to_owned(),
            Self::HostNotAllowed { .. } => "may not be asked".to_owned(),
            Self::TooManyRedirects { .. } => "redirects too often".to_owned(),
            Self::BreakerOpen { retry_in, .. } => {
                format!("is down, retry in {} s", retry_in.as_secs().saturating_add(1))
            }
            Self::Busy { .. } => "sends much, and others do too".to_owned(),
            Self::Tls { .. } => "has no trusted certificate".to_owned(),
            Self::Truncated { .. } => "cut its answer off".to_owned(),
            Self::RangeNotHonoured { .. } => "serves no parts of files".to_owned(),
            Self::Ourselves { .. } => "is lazaret itself".to_owned(),
            Self::BadAnswer { .. } => "gave an unusable answer".to_owned(),
            Self::Setup { .. } => "client cannot start".to_owned(),
            Self::FlightLost(_) => "request was lost, try again".to_owned(),
        };
        let room = LONGEST_SHORT - what.len() - 1;
        let host = self.host().unwrap_or("upstream");
        let host: String = host.chars().filter(char::is_ascii_graphic).take(room).collect();
        format!("{host} {what}")
    }

    /// The host that it is about, with its port unless that is the usual one.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Unreachable { host, .. }
            | Self::Timeout { host, .. }
            | Self::Status { host, .. }
            | Self::Forbidden { host, .. }
            | Self::NoPassword { host, .. }
            | Self::Throttled { host, .. }
            | Self::TooLarge { host, .. }
            | Self::HostNotAllowed { host, .. }
            | Self::TooManyRedirects { host }
            | Self::BreakerOpen { host, .. }
            | Self::Busy { host }
            | Self::Tls { host, .. }
            | Self::Truncated { host, .. }
            | Self::RangeNotHonoured { host }
            | Self::Ourselves { host }
            | Self::BadAnswer { host, .. } => Some(host),
            Self::Setup { .. } | Self::FlightLost(_) => None,
        }
    }

    /// The word under which it is counted.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Status { status: 404 | 410, .. } => "missing",
            Self::Status { .. } => "status",
            Self::Forbidden { .. } => "forbidden",
            Self::NoPassword { .. } => "no-password",
            Self::Throttled { .. } => "throttled",
            Self::TooLarge { .. } => "too-large",
            Self::HostNotAllowed { .. } => "not-allowed",
            Self::TooManyRedirects { .. } => "redirects",
            Self::BreakerOpen { .. } => "breaker-open",
            Self::Busy { .. } => "busy",
            Self::Tls { .. } => "tls",
            Self::Truncated { .. } => "truncated",
            Self::RangeNotHonoured { .. } => "range",
            Self::Ourselves { .. } => "ourselves",
            Self::BadAnswer { .. } => "bad-answer",
            Self::Setup { .. } => "setup",
            Self::FlightLost(_) => "lost",
        }
    }

    /// When asking again may help, where the host or its breaker says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            Self::BreakerOpen { retry_in, .. } => Some(*retry_in),
            _ => None,
        }
    }

    /// Whether it says that the host is ill, rather than that the question or our rules were in the way.
    pub(super) fn blames_host(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. }
            | Self::Truncated { .. }
            | Self::TooLarge { .. } => true,
            Self::BadAnswer { source, .. } => source.is_some(),
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether the same question may well succeed a moment later.
    pub(super) fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Truncated { .. } | Self::Timeout { phase: Phase::Connect, .. } => true,
            Self::Status { status, .. } => matches!(status, 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// As many characters as a client's message has room for.
const LONGEST_SHORT: usize = 80;

/// The host of an address as it is shown and counted: with its port unless that is the scheme's own.
pub(super) fn host_of(url: &Url) -> Box<str> {
    let host = url.host_str().unwrap_or("no host");
    url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}").into())
}

/// Looks for a cause of one type through a chain of causes, also inside I/O errors.
pub(super) fn cause_of<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An io::Error's source is its content's source: the content itself would be skipped.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_message_is_short_and_printable() {
        let long = "a".repeat(300);
        for host in ["index.example.test", &long, "ex\u{e4}mple\r\nSet-Cookie: x", ""] {
            let host: Box<str> = host.into();
            for error in [
                UpstreamError::Timeout { host: host.clone(), phase: Phase::FirstByte },
                UpstreamError::BreakerOpen { host: host.clone(), retry_in: Duration::MAX / 2 },
                UpstreamError::Tls { host: host.clone(), source: Arc::new(std::io::Error::other("secret")) },
                UpstreamError::FlightLost(FlightLost),
            ] {
                let short = error.short();
                assert!(short.len() <= LONGEST_SHORT, "{short}");
                assert!(short.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{short}");
            }
        }
        let error = UpstreamError::Timeout { host: "index.example.test".into(), phase: Phase::FirstByte };
        assert_eq!(error.short(), "index.example.test timed out (first byte)");
    }

    #[test]
    fn a_cause_is_found_inside_an_io_error() {
        let wrapped = std::io::Error::other(std::io::Error::other(FlightLost));
        assert_eq!(cause_of::<FlightLost>(&wrapped), Some(&FlightLost));
    }
}
