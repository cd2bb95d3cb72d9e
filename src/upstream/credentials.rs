//! The name and password for one index, which never leave for another host.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::{Origin, Url};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Basic authentication (RFC 7617) for one index.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub username: String,
    /// The password or token.
    pub password: Secret,
    origin: Origin,
}

impl Credentials {
    /// Credentials that are sent to this index's scheme, host and port and nowhere else, redirected or not.
    pub fn for_index(index: &Url, username: impl Into<String>, password: Secret) -> Self {
        Self { username: username.into(), password, origin: index.origin() }
    }

    /// The header to send to this address, if it is the index's.
    pub(super) fn header_for(&self, url: &Url) -> Option<HeaderValue> {
        if url.origin() != self.origin {
            return None;
        }
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password.expose()));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_to_its_own_index_and_into_no_log() {
        let index = Url::parse("https://index.example.test/simple/").unwrap();
        let credentials = Credentials::for_index(&index, "ada", Secret::new("hunter2"));
        let header = credentials.header_for(&index.join("foo/").unwrap()).unwrap();
        assert_eq!(header, "Basic YWRhOmh1bnRlcjI=");
        assert!(!format!("{credentials:?} {header:?}").contains("hunter2"));
        assert!(!format!("{header:?}").contains("YWRh"));
        for other in ["http://index.example.test/", "https://index.example.test:8443/", "https://evil.example.test/"] {
            assert!(credentials.header_for(&Url::parse(other).unwrap()).is_none(), "{other}");
        }
    }
}
