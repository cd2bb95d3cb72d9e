//! The porter: sees who comes, lets in who may, and counts who tries too often.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use http::{StatusCode, header};
use tokio::sync::watch;

use super::error::{ApiError, Challenge};
use super::visitor::{self, Visitor};
use crate::domain::{Network, Sha256};
use crate::quarantine::toll::{Toll, Tolls, neighbourhood};
use crate::quarantine::{Meter, Quarantine, in_seconds};
use crate::store::Token;

/// How often the memory of clients is tidied up.
const TIDY_EVERY: Duration = Duration::from_secs(30);
/// What answers without a token: health, where a refusal's link leads, and what shows that the way here changes no answer.
const OPEN_TO_ALL: [&str; 6] = ["/livez", "/readyz", "/uploads/{id}", "/probe/refusal", "/probe/file", "/probe/page"];

/// The rules of the doors.
#[derive(Debug, Clone, Default)]
pub struct HouseRules {
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// Packages only for known tokens.
    pub require_token: bool,
    /// Requests in a minute that make us ask an upstream, for each address and each token.
    pub cold_misses_per_minute: u32,
    /// Wrong tokens in a minute, for each address and each token.
    pub failed_sign_ins_per_minute: u32,
}

/// One porter for all doors: who tries too often at one has tried at each.
#[derive(Debug)]
pub struct Porter {
    rules: HouseRules,
    quarantine: Arc<Quarantine>,
    tolls: Arc<Tolls>,
    failed_by_address: Meter<IpAddr>,
    failed_by_token: Meter<Sha256>,
}

/// A door, and who keeps it.
#[derive(Debug, Clone)]
pub struct Door {
    porter: Arc<Porter>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Packages,
    Teapot,
    Desk,
}

impl Door {
    /// Where packages are fetched: a token names who fetches, and may be wanted.
    pub fn of_packages(porter: &Arc<Porter>) -> Self {
        Self { porter: porter.clone(), kind: Kind::Packages }
    }

    /// Where teacup comes, which has no token to send.
    pub fn of_teapot(porter: &Arc<Porter>) -> Self {
        Self { porter: porter.clone(), kind: Kind::Teapot }
    }

    /// Where decisions are made. The desk asks for tokens by itself, and may ask upstreams as often as it has to.
    pub fn of_desk(porter: &Arc<Porter>) -> Self {
        Self { porter: porter.clone(), kind: Kind::Desk }
    }

    /// Sees who asks, notes it in the request, and gives out what covers the questions that the request makes us ask.
    pub(super) async fn admit(&self, request: &mut Request) -> Result<Option<Toll>, ApiError> {
        let porter = &self.porter;
        let trusted = &porter.rules.trusted_proxies;
        if !trusted.is_empty() {
            let came_from = request.extensions().get::<Visitor>().map(|visitor| visitor.address);
            let origin = came_from.map(|peer| visitor::origin(peer, request.headers(), trusted));
            if let (Some(origin), Some(visitor)) = (origin, request.extensions_mut().get_mut::<Visitor>()) {
                // The certificate is the proxy's, and says nothing of who is behind it.
                if origin != visitor.address {
                    visitor.certificate = None;
                }
                visitor.address = origin;
            }
        }
        if self.kind == Kind::Packages
            && let Some(digest) = porter.token_sent(request)?
        {
            let token = porter.token_in_force(&digest).await?;
            match (token, request.extensions_mut().get_mut::<Visitor>()) {
                (None, visitor) => return Err(porter.failed(visitor.as_deref(), Some(digest), Challenge::Basic)),
                (token, Some(visitor)) => visitor.token = token,
                (Some(_), None) => {}
            }
        }
        if self.kind == Kind::Desk {
            return Ok(None);
        }
        let visitor = request.extensions().get::<Visitor>();
        let address = visitor.map_or(IpAddr::from([0; 4]), |visitor| visitor.address);
        let token = visitor.and_then(|visitor| visitor.token.as_ref()).map(|token| token.digest);
        Ok(Some(Toll::new(porter.tolls.clone(), address, token)))
    }
}

impl Porter {
    /// With these rules.
    pub fn new(rules: HouseRules, quarantine: Arc<Quarantine>) -> Arc<Self> {
        Arc::new(Self {
            tolls: Arc::new(Tolls::per_minute(rules.cold_misses_per_minute)),
            failed_by_address: Meter::per_minute(rules.failed_sign_ins_per_minute),
            failed_by_token: Meter::per_minute(rules.failed_sign_ins_per_minute),
            rules,
            quarantine,
        })
    }

    /// Forgets clients that were not heard of for a while, until the house closes: there are more addresses than memory.
    pub async fn tidy_up(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        while tokio::time::timeout(TIDY_EVERY, closing.wait_for(|closing| *closing)).await.is_err() {
            self.tolls.forget_the_idle();
            self.failed_by_address.forget_the_idle();
            self.failed_by_token.forget_the_idle();
        }
    }

    /// The hash of the token of a request for packages. One that is sent must be right, also where none is wanted.
    fn token_sent(&self, request: &Request) -> Result<Option<Sha256>, ApiError> {
        let headers = request.headers();
        // Where we are the client's proxy, it signs in as to a proxy.
        let sent = headers.get(header::AUTHORIZATION).or_else(|| headers.get(header::PROXY_AUTHORIZATION));
        if sent.is_none() && !self.rules.require_token {
            return Ok(None);
        }
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        if route.is_some_and(|route| OPEN_TO_ALL.contains(&route)) {
            return Ok(None);
        }
        let Some(sent) = sent else {
            let detail = "send a token of this lazaret as the password of your index's address";
            return Err(ApiError::unauthorized(Challenge::Basic, detail));
        };
        let digest = visitor::token_digest(sent);
        digest.map(Some).ok_or_else(|| self.failed(request.extensions().get(), None, Challenge::Basic))
    }

    /// The token with this hash, unless it is revoked or over.
    pub(super) async fn token_in_force(&self, digest: &Sha256) -> Result<Option<Arc<Token>>, ApiError> {
        let now = self.quarantine.timekeeper.wall();
        let token = self.quarantine.token(digest).await?;
        Ok(token.filter(|token| token.revoked.is_none() && token.expires.is_none_or(|expires| expires > now)))
    }

    /// The answer to a wrong token. Right ones are never kept out: 256 bits are not guessed, and a stranger must not be able to
    /// lock out whoever shares an address with him.
    pub(super) fn failed(&self, visitor: Option<&Visitor>, token: Option<Sha256>, challenge: Challenge) -> ApiError {
        metrics::counter!("lazaret_sign_ins_failed_total").increment(1);
        let address = visitor.map_or(IpAddr::from([0; 4]), |visitor| visitor.address);
        let mut spent = self.failed_by_address.spend(&neighbourhood(address));
        if let Some(token) = token {
            spent = spent.and(self.failed_by_token.spend(&token));
        }
        match spent {
            Ok(()) => {
                let certificate = visitor.and_then(|visitor| visitor.certificate.as_deref());
                tracing::warn!(%address, certificate, "somebody tried a token that is wrong, revoked or over");
                let detail = "this token is wrong, revoked or over; ask an admin of this lazaret for another";
                ApiError::unauthorized(challenge, detail)
            }
            Err(wait) => {
                metrics::counter!("lazaret_limited_total", "what" => "sign-in").increment(1);
                let seconds = in_seconds(wait);
                let detail = format!("too many wrong tokens in a minute; try again in {seconds} s");
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail).retry_after(seconds)
            }
        }
    }
}
