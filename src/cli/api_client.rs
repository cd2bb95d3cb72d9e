//! Asks the admin API of a running proxy.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value as Json;
use url::Url;

use super::shell::Shell;
use super::{CliError, address, text};
use crate::config::Config;

/// Hundred uploads with all their evidence have less.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// An approval may have to fetch the file first.
const TIME_LIMIT: Duration = Duration::from_mins(2);

/// What reads a whole store takes a while.
const PATIENT: Duration = Duration::from_hours(2);

/// Speaks HTTP/1.1, with TLS where the address wants it.
pub(super) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// An answer with everything that it says.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    /// The reason phrase, where it is not the usual one.
    pub(super) reason: Option<String>,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

/// Asks anybody, without a token, for a short answer.
pub(super) async fn fetch(
    client: &HttpClient,
    method: Method,
    url: &Url,
    headers: &[(header::HeaderName, String)],
    longest: usize,
    patience: Duration,
) -> Result<Fetched, String> {
    let mut builder = Request::builder().method(method).uri(url.as_str());
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(Full::default()).map_err(|error| error.to_string())?;
    let exchange = async {
        let (head, body) = client.request(request).await.map_err(|error| causes(&error))?.into_parts();
        let body = Limited::new(body, longest).collect().await.map_err(|error| causes(&*error))?.to_bytes();
        let reason = head.extensions.get::<hyper::ext::ReasonPhrase>();
        let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        Ok(Fetched { status: head.status, reason, headers: head.headers, body })
    };
    tokio::time::timeout(patience, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

/// A way to the admin API, with a token.
pub(super) struct ApiClient {
    base: Url,
    token: HeaderValue,
    client: HttpClient,
    limit: Duration,
}

impl ApiClient {
    /// Finds the proxy: `LAZARET_URL` and `LAZARET_TOKEN`, else what it wrote into its data folder.
    pub(super) fn find(shell: &Shell<'_>, config: Option<&Path>) -> Result<Self, CliError> {
        let url = shell.variable("LAZARET_URL").map(parse_url).transpose()?;
        let token = shell.variable("LAZARET_TOKEN");
        let config = match (shell.load(config), &url, token) {
            (Ok(loaded), ..) => loaded.config,
            // Whoever names both needs no configuration, so a broken one does not matter.
            (Err(_), Some(_), Some(_)) if config.is_none() => Config::default(),
            (Err(error), ..) => return Err(error),
        };
        let data_dir = shell.directory.join(&config.store.data_dir);
        let local = match (&url, token) {
            (Some(_), Some(_)) => None,
            _ => address::read_addresses(&data_dir)?.and_then(|addresses| addresses.admin),
        };
        let base =
            url.or_else(|| local.clone()).ok_or_else(|| CliError::NoAddress(address::addresses_file(&data_dir)))?;
        let token = match token {
            Some(token) => token.to_owned(),
            // The token in the data folder opens this proxy; it is not shown to another.
            None if local.as_ref().is_some_and(|local| local.origin() == base.origin()) => {
                address::read_admin_token(&data_dir)?
            }
            None => {
                let problem = "set it to a token for the proxy at LAZARET_URL".to_owned();
                return Err(CliError::Variable { name: "LAZARET_TOKEN", problem });
            }
        };
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| CliError::Variable {
            name: "LAZARET_TOKEN",
            problem: "a token has no spaces or control characters".to_owned(),
        })?;
        bearer.set_sensitive(true);
        Ok(Self { base, token: bearer, client: build(config.upstream.ca_file.as_deref())?, limit: TIME_LIMIT })
    }

    /// The same, for what takes long.
    pub(super) fn patient(self) -> Self {
        Self { limit: PATIENT, ..self }
    }

    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Json, CliError> {
        self.ask(Method::GET, path, query, None).await
    }

    pub(super) async fn post(&self, path: &[&str], body: &Json) -> Result<Json, CliError> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    pub(super) async fn delete(&self, path: &[&str], body: Option<&Json>) -> Result<Json, CliError> {
        self.ask(Method::DELETE, path, &[], body).await
    }

    /// POST whose answer is read as it comes.
    pub(super) async fn stream(&self, path: &[&str], body: &Json) -> Result<hyper::body::Incoming, CliError> {
        let request = self.request(Method::POST, path, &[], Some(body))?;
        let response = self.client.request(request).await.map_err(|error| self.broke_off(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| self.broke_off(&*error))?.to_bytes();
        match serde_json::from_slice::<Json>(&body) {
            Ok(problem) if problem.get("title").is_some() => Err(CliError::Refused(refusal(&problem))),
            _ => Err(CliError::BadAnswer { address: self.address(), problem: format!("status {status}") }),
        }
    }

    /// The connection is gone, or never was.
    pub(super) fn broke_off(&self, error: &(dyn std::error::Error + 'static)) -> CliError {
        CliError::Unreachable { address: self.address(), problem: causes(error) }
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Json>,
    ) -> Result<Json, CliError> {
        let request = self.request(method, path, query, body)?;
        let unreachable = |problem: String| CliError::Unreachable { address: self.address(), problem };
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(causes(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
            let body = body.map_err(|error| unreachable(causes(&*error)))?.to_bytes();
            Ok((status, body))
        };
        let answer = tokio::time::timeout(self.limit, exchange).await;
        let (status, body) = answer.unwrap_or_else(|_| Err(unreachable("no answer in time".to_owned())))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Json::Null);
        }
        let json = serde_json::from_slice::<Json>(&body);
        match (status.is_success(), json) {
            (true, Ok(json)) => Ok(json),
            (false, Ok(problem)) if problem.get("title").is_some() => Err(CliError::Refused(refusal(&problem))),
            (_, _) => Err(CliError::BadAnswer { address: self.address(), problem: format!("status {status}") }),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Json>,
    ) -> Result<Request<Full<Bytes>>, CliError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let builder = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, &self.token)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("lazaret/", env!("CARGO_PKG_VERSION")));
        let request = match body {
            Some(body) => builder.header(header::CONTENT_TYPE, "application/json").body(Full::from(body.to_string())),
            None => builder.body(Full::default()),
        };
        request.map_err(|error| CliError::Unreachable { address: self.address(), problem: error.to_string() })
    }

    fn address(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

fn parse_url(text: &str) -> Result<Url, CliError> {
    let problem = "write the admin listener's address, like http://127.0.0.1:8081".to_owned();
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none() =>
        {
            Ok(url)
        }
        _ => Err(CliError::Variable { name: "LAZARET_URL", problem }),
    }
}

/// An HTTP client that trusts the system's certificates and the configured ones.
pub(super) fn build(ca_file: Option<&Path>) -> Result<HttpClient, CliError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let problem = |error: rustls_pki_types::pem::Error| CliError::File {
            path: path.to_path_buf(),
            problem: format!("no PEM certificates can be read from it: {error}"),
        };
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(problem)?.collect();
        roots.add_parsable_certificates(certificates.map_err(problem)?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::Serve(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_secs(5)));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// An RFC 9457 problem in one sentence, and the uploads it is about below.
fn refusal(problem: &Json) -> String {
    let part = |key: &str| problem.get(key).and_then(Json::as_str).map(text::line).unwrap_or_default();
    let (title, detail) = (part("title"), part("detail"));
    let sentence = if detail.is_empty() { title } else { format!("{title}: {detail}") };
    let about = |item: &Json| {
        let of = |key: &str| item.get(key).and_then(Json::as_str).unwrap_or_default();
        text::line(&item.as_str().map_or_else(|| format!("{}  {}", of("id"), of("filename")), str::to_owned))
    };
    let lists = ["uploads", "items", "reasons"].into_iter().filter_map(|list| problem.get(list)?.as_array());
    let below = lists.flatten().map(|item| format!("\n  {}", about(item)));
    std::iter::once(sentence).chain(below).collect()
}

/// An error with what is below it; hyper's own texts say little.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = error.to_string();
        below = error.source();
    }
    text
}
