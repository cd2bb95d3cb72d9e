//! Who may speak to the desk: known tokens, from pages of our own.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use super::super::error::{ApiError, Challenge};
use super::super::extract;
use super::super::visitor::{Visitor, token_digest};
use super::Desk;
use crate::domain::Actor;

/// Refuses requests for another host (DNS rebinding) and from other sites' pages.
pub(super) async fn only_here(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A request may name its host twice, as a header and in its address: each must be ours.
    let named = extract::text(headers, header::HOST).map(str::to_owned);
    let addressed = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let ours = |host: &String| desk.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host_name(host)));
    let host = named.clone().or_else(|| addressed.clone()).unwrap_or_default();
    if host.is_empty() || ![named, addressed].iter().flatten().all(ours) {
        let detail = "this host name is not lazaret's; use the address that it printed at its start";
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, "Unknown host", detail).into_response();
    }
    for origin in headers.get_all(header::ORIGIN) {
        let site = origin.to_str().unwrap_or_default();
        let site = site.split_once("://").map_or(site, |(_, site)| site);
        if site != host {
            let detail = "requests from other sites' pages are not taken";
            return ApiError::new(StatusCode::FORBIDDEN, "Foreign origin", detail).into_response();
        }
    }
    next.run(request).await
}

fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) => &host[..colon],
        _ => host,
    }
}

/// Finds out who is asking. A certificate names nobody here: what one may do, a token says.
pub(super) async fn sign_in(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    match actor(&desk, request.headers(), request.extensions().get()).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            // What a client just got is known here.
            desk.quarantine.put_away().await;
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn actor(desk: &Desk, headers: &HeaderMap, visitor: Option<&Visitor>) -> Result<Actor, ApiError> {
    let Some(sent) = headers.get(header::AUTHORIZATION) else {
        let detail = "send a valid token as Authorization: Bearer ...";
        return Err(ApiError::unauthorized(Challenge::Bearer, detail));
    };
    // A password is for installers: a browser that was once given one would send it along with everything.
    let is_bearer = sent.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    let digest = token_digest(sent).filter(|_| is_bearer);
    // Looked up by its hash: how long that takes tells nothing about other tokens.
    if let Some(digest) = digest
        && let Some(token) = desk.porter.token_in_force(&digest).await?
    {
        return Ok(Actor::Token { name: token.name.clone(), role: token.role });
    }
    Err(desk.porter.failed(visitor, digest, Challenge::Bearer))
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn a_port_is_not_part_of_a_name() {
        assert_eq!(host_name("127.0.0.1:8081"), "127.0.0.1");
        assert_eq!(host_name("localhost"), "localhost");
        assert_eq!(host_name("[::1]:8081"), "[::1]");
        assert_eq!(host_name("[::1]"), "[::1]");
        assert_eq!(host_name("127.0.0.1:8081@evil.test"), "127.0.0.1:8081@evil.test");
    }
}
