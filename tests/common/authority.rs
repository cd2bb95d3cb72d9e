//! Certificates made to order, and a client that speaks TLS over one connection that it keeps.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;

use super::browser::Answer;

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// For `localhost`, under this name.
    pub(crate) fn signs(&self, common_name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority, and shows its own certificate if it has one.
    pub(crate) fn client(&self, shows: Option<&Pair>, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_root_certificates(roots);
        let mut config = match shows {
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![certificate], key).expect("a pair")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Pair {
    /// As the files that `[tls]` names.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::write(folder.join("certificate.pem"), &self.certificate).expect("written");
        std::fs::write(folder.join("key.pem"), &self.key).expect("written");
    }
}

enum Sender {
    One(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Two(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

/// One connection by TLS.
pub(crate) struct Line {
    sender: Sender,
    /// What both sides agreed to speak.
    pub(crate) protocol: String,
    /// What the server showed.
    pub(crate) shown: CertificateDer<'static>,
}

impl Line {
    /// Connects to a listener's address (`https://127.0.0.1:1234`).
    pub(crate) async fn open(url: &str, client: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let address = url.strip_prefix("https://").expect("an https address").trim_end_matches('/');
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = tokio_rustls::TlsConnector::from(client.clone()).connect(name, stream).await?;
        let session = stream.get_ref().1;
        let protocol = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()).into_owned();
        let shown = session.peer_certificates().expect("a certificate")[0].clone().into_owned();
        let io = TokioIo::new(stream);
        let sender = if protocol == "h2" {
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
            tokio::spawn(connection);
            Sender::Two(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            Sender::One(sender)
        };
        Ok(Self { sender, protocol, shown })
    }

    /// GET over this connection; status 0 if it is closed.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = "localhost";
        let uri = match self.sender {
            Sender::One(_) => path.to_owned(),
            Sender::Two(_) => format!("https://{host}{path}"),
        };
        let mut request = Request::get(uri);
        if matches!(self.sender, Sender::One(_)) {
            request = request.header(header::HOST, host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).expect("a request");
        // The end of the last answer may not have been noticed yet.
        let response = match &mut self.sender {
            Sender::One(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Sender::Two(sender) => sender.send_request(request).await,
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let (headers, body) = (HeaderMap::new(), Bytes::new());
                return Answer { status: 0, reason: format!("{error:?}"), headers, body, cut: true };
            }
        };
        let (head, body) = response.into_parts();
        let (body, reason) = match body.collect().await {
            Ok(body) => (body.to_bytes(), String::new()),
            Err(error) => (Bytes::new(), format!("{error:?}")),
        };
        let cut = !reason.is_empty();
        Answer { status: head.status.as_u16(), reason, headers: head.headers, body, cut }
    }
}
