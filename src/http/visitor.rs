//! Who is at the door: an address, and where it says so with proof, a name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::ApiError;
use crate::domain::{Network, Sha256};
use crate::quarantine::{Asker, Fetcher};
use crate::store::Token;

/// More hops than this are no way that a request came.
const MOST_HOPS: usize = 32;

/// Who sent a request. The connection puts it into each of them; the door adds what the request itself proves.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Where it comes from; behind a trusted proxy, where that says it comes from.
    pub(super) address: IpAddr,
    /// The name in the certificate that the client showed, if it is signed by one of `tls.client_ca`.
    pub(super) certificate: Option<Arc<str>>,
    /// The token it sent, if it is one of ours and in force.
    pub(super) token: Option<Arc<Token>>,
}

impl Visitor {
    /// As a connection knows it.
    pub(super) fn at(peer: SocketAddr, certificate: Option<Arc<str>>) -> Self {
        Self { address: peer.ip().to_canonical(), certificate, token: None }
    }

    /// Under which name its downloads are noted: its token's, else its certificate's, else its address.
    pub(super) fn fetcher(&self) -> Fetcher {
        match (&self.token, &self.certificate) {
            (Some(token), _) => Fetcher::Named(token.name.as_str().into()),
            (None, Some(name)) => Fetcher::Named(name.clone()),
            (None, None) => Fetcher::Address(self.address),
        }
    }

    /// For whom the gate is asked: its token may have a mode of its own.
    pub(super) fn asker(&self) -> Asker {
        Asker::with(self.token.as_ref().and_then(|token| token.mode))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let unknown = || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", "nobody knows who asks");
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

/// Where a request comes from: the peer, or if that is a trusted proxy, the right-most address in `X-Forwarded-For` that is not
/// one. What stands left of that was written by the client, who may write what it likes.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut nearest = peer;
    let lists = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lists.flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(MOST_HOPS) {
        let Some(address) = hop_address(hop.trim()) else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// `192.0.2.1`, `2001:db8::1`, and both with a port, as some proxies write them.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The hash of the token in `Authorization: Bearer TOKEN` or, as Basic password, `user:TOKEN`; `None` if it is neither.
pub(super) fn token_digest(authorization: &HeaderValue) -> Option<Sha256> {
    let (scheme, sent) = authorization.to_str().ok()?.trim().split_once(' ')?;
    let sent = sent.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Sha256::of(sent.as_bytes()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    // Some clients leave the padding out.
    let pair = data_encoding::BASE64_NOPAD.decode(sent.trim_end_matches('=').as_bytes()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(Sha256::of(pair.get(colon + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_header_makes_it_panic_and_strangers_are_who_they_are(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let _ = token_digest(&value);
            let headers: HeaderMap = [(http::HeaderName::from_static("x-forwarded-for"), value)].into_iter().collect();
            let peer = IpAddr::from([192, 0, 2, 1]);
            prop_assert_eq!(origin(peer, &headers, &["10.0.0.0/8".parse().unwrap()]), peer);
            let _ = origin(peer, &headers, &["0.0.0.0/0".parse().unwrap()]);
        }
    }

    fn origin_of(peer: &str, sent: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/64".parse().unwrap()];
        let values = sent.iter().map(|list| (http::HeaderName::from_static("x-forwarded-for"), *list));
        let headers = values.map(|(name, list)| (name, HeaderValue::from_static(list))).collect();
        origin(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_for_whom_they_ask() {
        for (peer, sent, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.3.3.3"], "198.51.100.7"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("2001:db8::9", &["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
            ("2001:db8::9", &["[2001:db8:1::7]"], "2001:db8:1::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, <script>, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            assert_eq!(origin_of(peer, sent), expected, "{peer} {sent:?}");
        }
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_basic_password() {
        let digest = |text: &str| token_digest(&HeaderValue::try_from(text).unwrap());
        let token = Some(Sha256::of(b"lzr_secret"));
        let basic = |pair: &str| format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
        assert_eq!(digest("Bearer lzr_secret"), token);
        assert_eq!(digest("bearer  lzr_secret "), token);
        assert_eq!(digest(&basic("token:lzr_secret")), token);
        assert_eq!(digest(&basic(":lzr_secret")), token);
        assert_eq!(digest(basic("t:lzr_secret").trim_end_matches('=')), token);
        for wrong in ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest username=\"a\"", "lzr_secret", ""] {
            assert_eq!(digest(wrong), None, "{wrong:?}");
        }
        assert_ne!(digest(&basic("token:other")), token);
    }
}
