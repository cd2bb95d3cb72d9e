//! The client: one question to another index, wherever its redirects lead, and an honest account of what came of it.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use url::{Origin, Url};

use super::address::Place;
use super::allowed_hosts::Home;
use super::breaker::{Breakers, Permit};
use super::dial::{Exchange, Pool, Proxies, trust};
use super::error::{cause_of, host_of};
use super::freshness::retry_after;
use super::lanes::Lanes;
use super::resolver::{LedInside, Lookup, Reach, system_lookup};
use super::{AllowedHosts, BreakerState, Credentials, Phase, UpstreamError};

/// Further redirects are not followed.
const MOST_REDIRECTS: usize = 5;

/// How other indexes are asked.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificates that we show, each to one index.
    pub identities: Vec<ClientIdentity>,
    /// For name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the question to the head of the answer.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body.
    pub idle_timeout: Duration,
    /// Our pseudonym in `Via` (RFC 9110, section 7.6.3), sent with every request: an answer that carries it is our own.
    pub via: String,
    /// `User-Agent`.
    pub user_agent: String,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            identities: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(20),
            via: "lazaret".to_owned(),
            user_agent: concat!("lazaret/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A certificate that says who we are, to one index's scheme, host and port and to nobody else.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// Whose.
    pub index: Url,
    /// PEM: the certificate, and those above it.
    pub certificate: PathBuf,
    /// PEM; it may be the same file.
    pub key: PathBuf,
}

/// Asks other indexes. Cheap to clone: the clones share connections and breakers.
#[derive(Clone)]
pub struct Upstream {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ClientSettings,
    headers: HeaderMap,
    lookup: Lookup,
    proxies: Proxies,
    /// For whom we show no certificate.
    unknown: Pools,
    /// For each index that wants to see one.
    identified: HashMap<Origin, Pools>,
    /// Where the named indexes were found to be at first.
    homes: Mutex<HashMap<Box<str>, Reach>>,
    breakers: Breakers,
    lanes: Lanes,
}

/// Connections that show the same certificate, or none.
struct Pools {
    outside: Pool,
    inside: Pool,
}

/// One question, without the breaker and the retries.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) headers: HeaderMap,
    pub(super) hosts: &'a AllowedHosts,
    pub(super) credentials: Option<&'a Credentials>,
    pub(super) deadline: Option<Instant>,
}

/// The head of the last answer; its host's breaker still waits for the verdict.
pub(super) struct Answered<'a> {
    pub(super) response: Response<Incoming>,
    pub(super) url: Url,
    pub(super) permit: Permit<'a>,
}

impl Upstream {
    /// A client that trusts, finds and reaches what the system and its environment say.
    pub fn new(settings: ClientSettings) -> Result<Self, UpstreamError> {
        Self::with(settings, system_lookup(), Matcher::from_env())
    }

    pub(super) fn with(settings: ClientSettings, lookup: Lookup, proxies: Matcher) -> Result<Self, UpstreamError> {
        let ca_file = settings.ca_file.as_deref();
        let proxies = Proxies::new(proxies);
        let connect_timeout = settings.connect_timeout;
        let exchange = Exchange {
            lookup: Arc::clone(&lookup),
            proxies: proxies.clone(),
            tls: trust(ca_file, None)?,
            connect_timeout,
        };
        let pools = |tls: &rustls::ClientConfig| Pools {
            outside: exchange.pool(Reach::Public, tls),
            inside: exchange.pool(Reach::Inside, tls),
        };
        let mut identified = HashMap::new();
        for identity in &settings.identities {
            let tls = trust(ca_file, Some((&identity.certificate, &identity.key)))?;
            identified.insert(identity.index.origin(), pools(&tls));
        }
        let shared = Shared {
            headers: standing_headers(&settings)?,
            settings,
            unknown: pools(&exchange.tls),
            identified,
            lookup,
            proxies,
            homes: Mutex::default(),
            breakers: Breakers::default(),
            lanes: Lanes::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How every host asked so far is doing.
    pub fn breakers(&self) -> Vec<(String, BreakerState)> {
        self.shared.breakers.states()
    }

    /// For large answers.
    pub(super) fn lanes(&self) -> &Lanes {
        &self.shared.lanes
    }

    /// Between two pieces of a body.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.shared.settings.idle_timeout
    }

    /// Asks, and follows redirects within what the index allows. Only statuses that answer the question come back: 200, 206, 304, 404,
    /// 410 and 416.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answered<'_>, UpstreamError> {
        let mut url = question.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            // Counted for who sent us there: what it names is its own choice, and no label's.
            question.hosts.check(&url).inspect_err(|error| count_spoiled(&host_of(question.url), error))?;
            let (response, permit) = self.ask_once(&url, question).await?;
            if !is_redirect(response.status()) {
                return Ok(Answered { response, url, permit });
            }
            permit.succeeded();
            url = redirect_target(&url, response.headers())?;
        }
        Err(UpstreamError::TooManyRedirects { host: host_of(&url) })
    }

    async fn ask_once(
        &self,
        url: &Url,
        question: &Question<'_>,
    ) -> Result<(Response<Incoming>, Permit<'_>), UpstreamError> {
        let host = host_of(url);
        let permit = match self.shared.breakers.admit(&host) {
            Ok(permit) => permit,
            Err(retry_in) => {
                count(&host, "breaker-open");
                return Err(UpstreamError::BreakerOpen { host, retry_in });
            }
        };
        let started = Instant::now();
        let mut result = self.exchange(url, &host, question).await;
        // A token may have ended before its time: another one, once.
        if let (Err(UpstreamError::Forbidden { status: 401, .. }), Some(credentials)) = (&result, question.credentials)
            && credentials.refused(url).await
        {
            result = self.exchange(url, &host, question).await;
        }
        count(&host, result.as_ref().map_or_else(UpstreamError::outcome, |response| outcome(response.status())));
        metrics::histogram!("lazaret_upstream_request_seconds", "host" => host.to_string())
            .record(started.elapsed().as_secs_f64());
        match result {
            Ok(response) => Ok((response, permit)),
            Err(error) => {
                tracing::debug!(%host, %error, cause = cause_text(&error), "upstream request failed");
                settle(permit, Err(&error));
                Err(error)
            }
        }
    }

    /// One request and the head of its answer.
    async fn exchange(
        &self,
        url: &Url,
        host: &str,
        question: &Question<'_>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let uri = wire_uri(url)?;
        let reach = self.reach_of(question.hosts, &uri).await;
        // By the very address that is asked now: nobody to whom we are led on sees a certificate meant for another.
        let pools = self.shared.identified.get(&url.origin()).unwrap_or(&self.shared.unknown);
        let pool = if reach == Reach::Inside { &pools.inside } else { &pools.outside };
        let mut request = Request::new(Empty::<Bytes>::new());
        request.method_mut().clone_from(&question.method);
        let headers = request.headers_mut();
        headers.clone_from(&self.shared.headers);
        headers.extend(question.headers.clone());
        if let Some(credentials) = question.credentials
            && let Some(authorization) = credentials.header_for(url).await?
        {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        if let Some(authorization) = self.shared.proxies.authorization_for(&uri) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        *request.uri_mut() = uri;
        let response = self.head_of(pool, request, host, question.deadline).await?;
        if passed_through(response.headers(), &self.shared.settings.via) {
            return Err(UpstreamError::Ourselves { host: host.into() });
        }
        judge(&response, host)?;
        Ok(response)
    }

    /// Waits for a connection and then for the head of the answer, each for its own time and never past the deadline.
    async fn head_of(
        &self,
        pool: &Pool,
        mut request: Request<Empty<Bytes>>,
        host: &str,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let within = |limit: Duration| deadline.map_or(Instant::now() + limit, |by| by.min(Instant::now() + limit));
        let too_slow = |phase| UpstreamError::Timeout { host: host.into(), phase };
        let settings = &self.shared.settings;
        let mut connected = capture_connection(&mut request);
        let mut answer = pin!(pool.request(request));
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(|error| explain(error, host)),
            () = async { drop(connected.wait_for_connection_metadata().await) } => {}
            () = sleep_until(within(settings.connect_timeout)) => return Err(too_slow(Phase::Connect)),
        }
        match timeout_at(within(settings.first_byte_timeout), answer).await {
            Ok(answer) => answer.map_err(|error| explain(error, host)),
            Err(_) => Err(too_slow(Phase::FirstByte)),
        }
    }

    /// How far an index may lead us. One given by name is looked up once and stays what it was found to be: a public index whose name
    /// later points inside gains nothing by it.
    async fn reach_of(&self, hosts: &AllowedHosts, uri: &Uri) -> Reach {
        let name = match hosts.home() {
            Home::At(Place::Public) => return Reach::Public,
            Home::At(Place::Inside | Place::Special) => return Reach::Inside,
            Home::Named(name) => name,
        };
        let known = || self.shared.homes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.proxies.on_the_way_to(uri).is_some() {
            // The proxy resolves the name, and perhaps only it can.
            return Reach::Public;
        }
        if let Some(reach) = known().get(name) {
            return *reach;
        }
        match timeout(self.shared.settings.connect_timeout, (self.shared.lookup)(name.to_string())).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                let inside = addresses.into_iter().all(|address| Place::of(address) == Place::Inside);
                let reach = if inside { Reach::Inside } else { Reach::Public };
                *known().entry(name.clone()).or_insert(reach)
            }
            // Not remembered: the connection will fail for the same reason and say so.
            _ => Reach::Public,
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// Tells the breaker what a request said about its host.
pub(super) fn settle(permit: Permit<'_>, result: Result<(), &UpstreamError>) {
    match result {
        Err(UpstreamError::Throttled { retry_after, .. }) => permit.asked_to_pause(*retry_after),
        Err(error) if error.blames_host() => permit.failed(),
        _ => permit.succeeded(),
    }
}

fn standing_headers(settings: &ClientSettings) -> Result<HeaderMap, UpstreamError> {
    let value = |setting: &str, text: &str| {
        HeaderValue::from_str(text).map_err(|error| UpstreamError::Setup {
            what: format!("{setting} is not a header's value"),
            source: Some(Arc::new(error)),
        })
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
    if settings.via.is_empty() || !settings.via.bytes().all(token) {
        return Err(UpstreamError::Setup {
            what: "via is not one word of letters and digits".to_owned(),
            source: None,
        });
    }
    let via = value("via", &format!("1.1 {}", settings.via))?;
    Ok(HeaderMap::from_iter([(header::VIA, via), (header::USER_AGENT, value("user_agent", &settings.user_agent)?)]))
}

/// The address as it goes over the wire: without user, password and fragment.
fn wire_uri(url: &Url) -> Result<Uri, UpstreamError> {
    let path_and_query = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(path_and_query).build().map_err(|error| {
        UpstreamError::BadAnswer {
            host: host_of(url),
            why: "it leads to an address that cannot be asked for",
            source: Some(Arc::new(error)),
        }
    })
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, UpstreamError> {
    let bad = |why| UpstreamError::BadAnswer { host: host_of(from), why, source: None };
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = from.join(location.ok_or_else(|| bad("a redirect without a readable Location"))?);
    let target = target.map_err(|_| bad("a redirect to something that is no address"))?;
    if from.scheme() == "https" && target.scheme() != "https" {
        let why = "an encrypted address redirects to an unencrypted one";
        return Err(UpstreamError::HostNotAllowed { host: host_of(&target), why });
    }
    Ok(target)
}

/// Whether `Via` names us: `received-protocol received-by`, separated by commas.
fn passed_through(headers: &HeaderMap, pseudonym: &str) -> bool {
    let values = headers.get_all(header::VIA).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|hop| hop.split_ascii_whitespace().nth(1).is_some_and(|by| by.eq_ignore_ascii_case(pseudonym)))
}

fn judge(response: &Response<Incoming>, host: &str) -> Result<(), UpstreamError> {
    let host = || host.into();
    match response.status().as_u16() {
        200 | 206 | 304 | 404 | 410 | 416 | 301 | 302 | 303 | 307 | 308 => Ok(()),
        status @ (401 | 403) => Err(UpstreamError::Forbidden { host: host(), status }),
        429 => Err(UpstreamError::Throttled { host: host(), retry_after: retry_after(response.headers()) }),
        status => Err(UpstreamError::Status { host: host(), status }),
    }
}

/// Why there was no head of an answer.
fn explain(error: legacy::Error, host: &str) -> UpstreamError {
    let host: Box<str> = host.into();
    if cause_of::<LedInside>(&error).is_some() {
        let why = "its name leads to an inner address, and the index was found outside";
        return UpstreamError::HostNotAllowed { host, why };
    }
    let timed_out = cause_of::<std::io::Error>(&error).is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut);
    let (encryption, connecting) = (cause_of::<rustls::Error>(&error).is_some(), error.is_connect());
    let (unreadable, cut) = match cause_of::<hyper::Error>(&error) {
        Some(error) => (error.is_parse() || error.is_parse_too_large(), error.is_incomplete_message()),
        None => (false, false),
    };
    let source = Arc::new(error);
    match () {
        () if encryption => UpstreamError::Tls { host, source },
        () if connecting && timed_out => UpstreamError::Timeout { host, phase: Phase::Connect },
        () if unreadable => UpstreamError::BadAnswer { host, why: "it is not HTTP", source: Some(source) },
        () if cut => UpstreamError::Truncated { host, source: Some(source) },
        () => UpstreamError::Unreachable { host, source },
    }
}

/// The innermost cause, for the log.
fn cause_text(error: &UpstreamError) -> Option<String> {
    let mut cause = std::error::Error::source(error)?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Some(cause.to_string())
}

fn outcome(status: StatusCode) -> &'static str {
    match status.as_u16() {
        304 => "not-modified",
        404 | 410 => "missing",
        416 => "range",
        status if (300..400).contains(&status) => "redirect",
        _ => "ok",
    }
}

/// Hosts come from configuration, so the label's values are few.
fn count(host: &str, outcome: &'static str) {
    metrics::counter!("lazaret_upstream_requests_total", "host" => host.to_owned(), "outcome" => outcome).increment(1);
}

/// An answer that began well and cannot be used.
pub(super) fn count_spoiled(host: &str, error: &UpstreamError) {
    let outcome = error.outcome();
    metrics::counter!("lazaret_upstream_answers_spoiled_total", "host" => host.to_owned(), "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_address_never_redirects_to_a_plain_one() {
        let from = Url::parse("https://index.example.test/simple/Foo/").unwrap();
        let target = |location: &'static str| {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            redirect_target(&from, &headers).map(String::from)
        };
        assert_eq!(target("../foo/").unwrap(), "https://index.example.test/simple/foo/");
        assert_eq!(target("//files.example.test/f").unwrap(), "https://files.example.test/f");
        assert!(matches!(target("http://index.example.test/"), Err(UpstreamError::HostNotAllowed { .. })));
        assert!(matches!(redirect_target(&from, &HeaderMap::new()), Err(UpstreamError::BadAnswer { .. })));
    }

    #[test]
    fn no_password_and_no_fragment_goes_over_the_wire() {
        let wire = |text| wire_uri(&Url::parse(text).unwrap()).unwrap().to_string();
        assert_eq!(wire("https://ada:secret@h.example.test:8443/a%20b?c=d#e"), "https://h.example.test:8443/a%20b?c=d");
        assert_eq!(wire("http://[::1]:80"), "http://[::1]/");
        assert_eq!(wire("http://h.example.test/{a}|b?\"q"), "http://h.example.test/%7Ba%7D|b?%22q");
    }
}
