//! How a connection is made: directly by the guarded resolver, or through the proxy that the environment names; then TLS.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Uri};
use http_body_util::Empty;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

use super::UpstreamError;
use super::allowed_hosts::is_localhost;
use super::resolver::{GuardedResolver, Lookup, Reach};

/// A pool of connections that reach equally far.
pub(super) type Pool = Client<HttpsConnector<Dialer>, Empty<Bytes>>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// No honest head of an answer is longer.
const LONGEST_HEAD: usize = 64 * 1024;
/// Kept for the next request so long.
const IDLE_CONNECTION: Duration = Duration::from_mins(1);
/// Kept for the next request so many, per host.
const IDLE_CONNECTIONS: usize = 16;
/// A shared HTTP/2 connection that does not answer a ping for so long is dead, and is not given to the next request.
const PING: Duration = Duration::from_secs(10);

/// The proxies that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
#[derive(Debug, Clone)]
pub(super) struct Proxies(Arc<Matcher>);

impl Proxies {
    pub(super) fn new(matcher: Matcher) -> Self {
        Self(Arc::new(matcher))
    }

    /// The proxy on the way there, if any; this machine itself is never asked through one.
    pub(super) fn on_the_way_to(&self, uri: &Uri) -> Option<Intercept> {
        let host = uri.host()?.trim_matches(['[', ']']);
        let here = is_localhost(host) || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if here { None } else { self.0.intercept(uri) }
    }

    /// What a plain request must carry to be let through; encrypted ones prove it when the tunnel is made.
    pub(super) fn authorization_for(&self, uri: &Uri) -> Option<HeaderValue> {
        let plain = uri.scheme_str() == Some("http");
        if plain { self.on_the_way_to(uri)?.basic_auth().cloned() } else { None }
    }
}

/// Everything that pools of connections are made of.
pub(super) struct Exchange {
    pub(super) lookup: Lookup,
    pub(super) proxies: Proxies,
    /// Without a certificate of ours: for proxies too.
    pub(super) tls: ClientConfig,
    pub(super) connect_timeout: Duration,
}

impl Exchange {
    /// A pool whose names lead only so far, and that shows upstreams what this configuration says.
    pub(super) fn pool(&self, reach: Reach, tls: &ClientConfig) -> Pool {
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(self.tcp(Reach::Anywhere));
        let dialer = Dialer { direct: self.tcp(reach), to_proxy, proxies: self.proxies.clone() };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dialer);
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(LONGEST_HEAD)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .build(connector)
    }

    fn tcp(&self, reach: Reach) -> HttpConnector<GuardedResolver> {
        let mut tcp = HttpConnector::new_with_resolver(GuardedResolver::new(Arc::clone(&self.lookup), reach));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.connect_timeout));
        tcp
    }
}

/// Whom we trust: the system's store (`SSL_CERT_FILE` honoured) and the certificates in `ca_file`; and who we say we are, by a
/// certificate and its key.
pub(super) fn trust(ca_file: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<ClientConfig, UpstreamError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let unusable = |source: Option<super::error::Cause>| {
            let what = format!("ca_file {} holds no usable PEM certificate", path.display());
            UpstreamError::Setup { what, source }
        };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unusable(Some(Arc::new(error))))?;
        if certificates.is_empty() {
            return Err(unusable(None));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| unusable(Some(Arc::new(error))))?;
        }
    }
    if roots.is_empty() {
        tracing::warn!(errors = ?system.errors, "no certificate authority is trusted: encrypted upstreams will fail; set ca_file or SSL_CERT_FILE");
    }
    // The provider is named here, so that nothing depends on which one main() installed.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| UpstreamError::Setup {
        what: "TLS cannot be set up".to_owned(),
        source: Some(Arc::new(error)),
    })?;
    let builder = builder.with_root_certificates(roots);
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |path: &Path, source: super::error::Cause| UpstreamError::Setup {
        what: format!("client_certificate: {} holds no usable PEM certificate or key", path.display()),
        source: Some(source),
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable(certificate, Arc::new(error)))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, Arc::new(error)))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| unusable(certificate, Arc::new(error)))
}

/// Makes connections, directly or through a proxy.
#[derive(Clone)]
pub(super) struct Dialer {
    direct: HttpConnector<GuardedResolver>,
    to_proxy: HttpsConnector<HttpConnector<GuardedResolver>>,
    proxies: Proxies,
}

impl Service<Uri> for Dialer {
    type Response = Line;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Line, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Self { direct, to_proxy, proxies } = self.clone();
        let dialing = async move {
            let Some(proxy) = proxies.on_the_way_to(&target) else {
                let stream = direct.oneshot(target).await?;
                return Ok(Line { stream: MaybeHttpsStream::Http(stream), proxied: false });
            };
            if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
                return Err(
                    io::Error::other("this kind of proxy is not supported: name an http:// or https:// one").into()
                );
            }
            if target.scheme_str() == Some("https") {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
                if let Some(authorization) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                return Ok(Line { stream: tunnel.oneshot(target).await?, proxied: false });
            }
            let stream = to_proxy.oneshot(proxy.uri().clone()).await?;
            Ok(Line { stream, proxied: true })
        };
        dialing.boxed()
    }
}

/// A connection; one to a proxy that is asked for whole addresses says so.
#[derive(Debug)]
pub(super) struct Line {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    proxied: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.proxied)
    }
}

impl Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
