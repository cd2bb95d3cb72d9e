//! Requests in absolute form: a client that uses us as its HTTP proxy. cpanm's own defaults are http addresses, so this is the
//! only way in which everything that it does passes the gate.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, Uri, Version};
use url::Url;

use super::super::error::ApiError;

/// Hosts that cpanm, cpm and Carton ask by themselves, and what of ours answers in their place.
const MIRRORS: [&str; 6] =
    ["www.cpan.org", "cpan.org", "cpan.metacpan.org", "backpan.perl.org", "backpan.cpantesters.org", "search.cpan.org"];
/// The index service, which says the same as ours under another name.
const INDEX_SERVICE: &str = "cpanmetadb.plackperl.org";
/// Asked when the index service knows nothing: it must know nothing either.
const SEARCH: &str = "fastapi.metacpan.org";

/// Whether and for whom requests in absolute form are answered.
#[derive(Debug, Clone, Default)]
pub struct Forwarding {
    /// `cpan.forward_proxy`.
    pub on: bool,
    /// The mirror that the house itself uses.
    pub upstream: Option<Url>,
    /// Under which names clients know us.
    pub own: Vec<String>,
}

/// Puts the proxy in front of the routes; requests of the usual form pass it untouched.
pub(super) fn in_front_of(routes: Router, forwarding: Forwarding) -> Router {
    Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(Arc::new(forwarding), forward))
}

async fn forward(State(forwarding): State<Arc<Forwarding>>, mut request: Request, next: Next) -> Response {
    if request.method() == Method::CONNECT {
        return refusal(
            StatusCode::FORBIDDEN,
            "lazaret tunnels nothing: use http addresses through it, or point the client at it",
        );
    }
    // In HTTP/2 every request names scheme and authority, and none of them is meant for a proxy.
    let for_proxy = request.version() < Version::HTTP_2 && request.uri().scheme().is_some();
    let Some(authority) = request.uri().authority().filter(|_| for_proxy).cloned() else {
        return next.run(request).await;
    };
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let to = match forwarding.destination(authority.host(), authority.as_str(), path) {
        Ok(to) => to,
        Err(Refused(status, why)) => return refusal(status, why),
    };
    match to.parse::<Uri>() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return refusal(StatusCode::BAD_REQUEST, "this address makes no sense"),
    }
    next.run(request).await
}

/// Why an address is not answered.
#[derive(Debug)]
struct Refused(StatusCode, &'static str);

impl Forwarding {
    /// The path here that answers for an address elsewhere.
    fn destination(&self, host: &str, authority: &str, path: &str) -> Result<String, Refused> {
        let host = host.to_ascii_lowercase();
        if self.own.iter().any(|own| own.eq_ignore_ascii_case(authority)) {
            return Ok(path.to_owned());
        }
        if !self.on {
            return Err(Refused(
                StatusCode::FORBIDDEN,
                "lazaret is no HTTP proxy here: set cpan.forward_proxy, or point the client at /cpan",
            ));
        }
        if host == INDEX_SERVICE {
            return Ok(format!("/cpan{path}"));
        }
        if host == SEARCH {
            return Err(Refused(StatusCode::NOT_FOUND, "lazaret answers no searches"));
        }
        if let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.host_str() == Some(host.as_str()))
            && let Some(below) = path.strip_prefix(upstream.path())
        {
            return Ok(format!("/cpan/{below}"));
        }
        if MIRRORS.contains(&host.as_str()) {
            return Ok(format!("/cpan{path}"));
        }
        Err(Refused(StatusCode::FORBIDDEN, "lazaret stands in for CPAN's hosts only"))
    }
}

fn refusal(status: StatusCode, why: &'static str) -> Response {
    ApiError::new(status, status.canonical_reason().unwrap_or("Refused"), why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpans_hosts_are_answered_from_here_and_no_others() {
        let forwarding = Forwarding {
            on: true,
            upstream: Url::parse("http://mirror.example.test/pub/CPAN/").ok(),
            own: vec!["127.0.0.1:8080".to_owned()],
        };
        let to = |host: &str, path: &str| {
            let name = host.split(':').next().unwrap_or_default();
            forwarding.destination(name, host, path).map_err(|Refused(status, _)| status.as_u16())
        };
        assert_eq!(to("cpanmetadb.plackperl.org", "/v1.0/package/Foo").as_deref(), Ok("/cpan/v1.0/package/Foo"));
        assert_eq!(to("WWW.cpan.org", "/authors/id/A/AA/AA/x").as_deref(), Ok("/cpan/authors/id/A/AA/AA/x"));
        assert_eq!(to("mirror.example.test", "/pub/CPAN/modules/x").as_deref(), Ok("/cpan/modules/x"));
        assert_eq!(to("127.0.0.1:8080", "/pypi/simple/").as_deref(), Ok("/pypi/simple/"));
        assert_eq!(to("fastapi.metacpan.org", "/v1/download_url/Foo"), Err(404));
        assert_eq!(to("example.test", "/"), Err(403));
        assert_eq!(to("127.0.0.1:9000", "/"), Err(403));
    }

    #[test]
    fn switched_off_it_only_knows_itself() {
        let forwarding = Forwarding { on: false, upstream: None, own: vec!["localhost:8080".to_owned()] };
        assert!(forwarding.destination("localhost", "localhost:8080", "/livez").is_ok());
        assert!(forwarding.destination("www.cpan.org", "www.cpan.org", "/").is_err());
    }
}
