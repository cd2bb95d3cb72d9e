//! Who may speak to the desk: known tokens, from pages of our own.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use super::super::error::ApiError;
use super::super::extract;
use super::Desk;
use crate::domain::{Actor, Role, Sha256};

/// Refuses requests for another host (DNS rebinding) and from other sites' pages.
pub(super) async fn only_here(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = extract::text(headers, header::HOST)
        .map(str::to_owned)
        .or_else(|| request.uri().authority().map(|authority| authority.as_str().to_owned()))
        .unwrap_or_default();
    let name = host_name(&host);
    if !desk.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)) {
        let detail = "this host name is not lazaret's; use the address that it printed at its start";
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, "Unknown host", detail).into_response();
    }
    if let Some(origin) = extract::text(headers, header::ORIGIN) {
        let site = origin.split_once("://").map_or(origin, |(_, site)| site);
        if site != host {
            let detail = "requests from other sites' pages are not taken";
            return ApiError::new(StatusCode::FORBIDDEN, "Foreign origin", detail).into_response();
        }
    }
    next.run(request).await
}

fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

/// Finds out who is asking.
pub(super) async fn sign_in(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    match actor(&desk, request.headers()).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn actor(desk: &Desk, headers: &HeaderMap) -> Result<Actor, ApiError> {
    let refused = || {
        metrics::counter!("lazaret_sign_ins_failed_total").increment(1);
        ApiError::new(StatusCode::UNAUTHORIZED, "Who are you?", "send a valid token as Authorization: Bearer ...")
    };
    let sent = extract::text(headers, header::AUTHORIZATION).ok_or_else(refused)?;
    let (scheme, token) = sent.split_once(' ').ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    // Looked up by its hash: how long that takes tells nothing about other tokens.
    let digest = Sha256::of(token.trim().as_bytes());
    let now = desk.quarantine.timekeeper.wall();
    match desk.quarantine.token(&digest).await? {
        Some(token) if token.revoked.is_none() && token.expires.is_none_or(|expires| expires > now) => {
            Ok(Actor::Token { name: token.name, role: token.role })
        }
        _ => Err(refused()),
    }
}

/// Refuses an actor whose role does not reach.
pub(super) fn require(actor: &Actor, role: Role) -> Result<(), ApiError> {
    if actor.role().is_some_and(|has| has >= role) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "Not allowed", format!("this takes a token with the role {role}")))
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
    }
}
