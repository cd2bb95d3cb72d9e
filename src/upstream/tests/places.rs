//! Where questions go: redirects, names that lead inside, proxies, encrypted connections, passwords.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use hyper::service::service_fn;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use url::Url;

use super::server::{Step, TestServer, answer};
use super::{body, client, hosts, names, page, request};
use crate::upstream::resolver::{Lookup, system_lookup};
use crate::upstream::{
    AllowedHosts, ClientSettings, Credentials, PageAnswer, PageRequest, Secret, Upstream, UpstreamError,
};

fn moved_to(location: &str) -> Vec<u8> {
    answer("302 Found", &format!("Location: {location}\r\n"), "")
}

#[tokio::test]
async fn a_redirect_is_followed_where_the_index_may_lead_and_passwords_stay_at_home() {
    let files = TestServer::saying(answer("200 OK", "", "moved here")).await;
    let target = files.url("/elsewhere/");
    let index = TestServer::start(move |head, _| {
        let first = head.starts_with("get /simple/foo ");
        vec![Step::Send(if first { moved_to("foo/") } else { moved_to(target.as_str()) })]
    })
    .await;
    let url = index.url("/simple/foo");
    let credentials = Credentials::for_index(&url, "ada", &Secret::new("hunter2"));
    let (alone, client) = (hosts(&url), client());
    let ask = |hosts| client.page(PageRequest { credentials: Some(&credentials), ..request(&url, hosts) });

    let error = ask(&alone).await.unwrap_err();
    assert!(matches!(error, UpstreamError::HostNotAllowed { .. }), "{error:?}");
    assert!(files.seen().is_empty());

    let PageAnswer::Fresh(page) = ask(&alone.clone().with_host(&files.url("/"))).await.unwrap() else {
        panic!("no page")
    };
    assert_eq!((page.body.as_ref(), page.url), (b"moved here".as_slice(), files.url("/elsewhere/")));
    assert!(index.seen().iter().all(|head| head.contains("authorization: basic ")));
    assert!(files.seen().iter().all(|head| !head.contains("authorization")));
}

#[tokio::test]
async fn a_redirect_leads_neither_in_circles_nor_to_an_unencrypted_place_nor_inside() {
    let server = TestServer::saying(moved_to("/simple/foo/")).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TooManyRedirects { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 6);
    for location in
        ["http://169.254.169.254/latest/", "file:///etc/passwd", "gopher://x/", "http://[", "//evil.example.test/"]
    {
        let server = TestServer::saying(moved_to(location)).await;
        let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
        assert!(
            matches!(error, UpstreamError::HostNotAllowed { .. } | UpstreamError::BadAnswer { .. }),
            "{error:?} for {location}"
        );
    }
}

#[tokio::test]
async fn a_miss_by_somebody_else_is_not_a_clean_one() {
    let other = TestServer::saying(answer("404 Not Found", "", "please sign in")).await;
    let port = other.port;
    let index =
        TestServer::start(move |_, _| vec![Step::Send(moved_to(&format!("http://localhost:{port}/sign-in")))]).await;
    let url = index.url("/simple/foo/");
    let hosts = hosts(&url).with_host(&Url::parse(&format!("http://localhost:{port}/")).unwrap());
    let error = client().page(request(&url, &hosts)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::BadAnswer { .. }) && !error.is_clean_miss(), "{error:?}");
}

fn with_names(lookup: Lookup) -> Upstream {
    Upstream::with(ClientSettings::default(), lookup, Matcher::builder().build()).unwrap()
}

#[tokio::test]
async fn a_public_index_leads_inside_by_no_name() {
    let server = TestServer::saying(answer("200 OK", "", "secrets")).await;
    let client = with_names(names(&[
        ("index.example.test", "192.0.2.1"),
        ("files.example.test", "127.0.0.1"),
        ("metadata.example.test", "169.254.169.254"),
        ("inner.example.test", "127.0.0.1"),
    ]));
    let at = |name: &str| Url::parse(&format!("http://{name}:{}/x", server.port)).unwrap();
    let public = AllowedHosts::for_index(&at("index.example.test"), &[])
        .with_host(&at("files.example.test"))
        .with_host(&at("metadata.example.test"));
    for name in ["files.example.test", "metadata.example.test"] {
        let error = client.page(request(&at(name), &public)).await.unwrap_err();
        assert!(matches!(error, UpstreamError::HostNotAllowed { .. }), "{error:?}");
    }
    assert!(server.seen().is_empty());

    let inner = AllowedHosts::for_index(&at("inner.example.test"), &[])
        .with_host(&at("files.example.test"))
        .with_host(&at("metadata.example.test"));
    assert_eq!(body(client.page(request(&at("files.example.test"), &inner)).await.unwrap()), b"secrets");
    let error = client.page(request(&at("metadata.example.test"), &inner)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::HostNotAllowed { .. }), "{error:?}");
    assert!(
        client.breakers().iter().all(|(_, state)| state.as_str() == "closed"),
        "our own rules are no fault of the host"
    );
}

#[tokio::test]
async fn a_public_name_that_turns_inward_is_not_followed() {
    let server = TestServer::saying(answer("200 OK", "", "secrets")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let turning: Lookup = {
        let asked = Arc::clone(&asked);
        Arc::new(move |_| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            let address = if first { "192.0.2.1" } else { "127.0.0.1" };
            std::future::ready(Ok(vec![address.parse().unwrap()])).boxed()
        })
    };
    let client = with_names(turning);
    let url = Url::parse(&format!("http://index.example.test:{}/simple/", server.port)).unwrap();
    for _ in 0..3 {
        let error = page(&client, &url).await.unwrap_err();
        assert!(matches!(error, UpstreamError::HostNotAllowed { .. }), "{error:?}");
    }
    assert!(server.seen().is_empty());
    assert_eq!(asked.load(Ordering::SeqCst), 4, "once to learn where the index is, then once for each connection");
}

#[tokio::test]
async fn through_a_proxy_the_name_is_the_proxys_business() {
    let proxy = TestServer::start(|head, _| {
        vec![Step::Send(if head.starts_with("connect") {
            answer("403 Not Through Here", "", "")
        } else {
            answer("200 OK", "", "by proxy")
        })]
    })
    .await;
    let matcher =
        Matcher::builder().all(format!("http://ada:hunter2@127.0.0.1:{}", proxy.port)).no("direct.example.test");
    let client = Upstream::with(ClientSettings::default(), names(&[]), matcher.build()).unwrap();
    let plain = Url::parse("http://index.example.test/simple/foo/").unwrap();
    assert_eq!(body(page(&client, &plain).await.unwrap()), b"by proxy");
    let seen = proxy.seen().remove(0);
    assert!(seen.starts_with("get http://index.example.test/simple/foo/ http/1.1\r\n"), "{seen}");
    assert!(seen.contains("proxy-authorization: basic ywrhomh1bnrlcji="), "{seen}");

    let encrypted = Url::parse("https://index.example.test/simple/foo/").unwrap();
    let error = page(&client, &encrypted).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable { .. }), "{error:?}");
    let seen = proxy.seen().remove(1);
    assert!(seen.starts_with("connect index.example.test:443 http/1.1\r\n"), "{seen}");
    assert!(seen.contains("proxy-authorization: basic "), "{seen}");

    let heard = proxy.seen().len();
    let here = TestServer::saying(answer("200 OK", "", "direct")).await;
    assert_eq!(body(page(&client, &here.url("/")).await.unwrap()), b"direct");
    assert!(page(&client, &Url::parse("http://direct.example.test/").unwrap()).await.is_err());
    assert_eq!(proxy.seen().len(), heard, "neither this machine nor NO_PROXY is asked through it");
}

/// An encrypted server that answers with the HTTP version it was asked in, and its CA's certificate as PEM.
async fn encrypted_server() -> (u16, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(connection) = acceptor.accept(connection).await else { return };
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    let body = format!("{:?} {}", request.version(), request.uri().path());
                    Ok::<_, std::convert::Infallible>(http::Response::new(body))
                });
                let _ =
                    auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await;
            });
        }
    });
    (port, authority.pem())
}

#[tokio::test]
async fn a_company_ca_is_trusted_by_ca_file_and_http_2_is_spoken() {
    let (port, pem) = encrypted_server().await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let settings = ClientSettings { ca_file: Some(ca_file.clone()), ..ClientSettings::default() };
    let trusting = Upstream::with(settings, system_lookup(), Matcher::builder().build()).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let url = Url::parse(&format!("https://{host}:{port}/simple/foo/")).unwrap();
        assert_eq!(body(page(&trusting, &url).await.unwrap()), b"HTTP/2.0 /simple/foo/");
        let error = page(&client(), &url).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Tls { .. }), "{error:?}");
    }
    std::fs::write(&ca_file, "no certificate").unwrap();
    let settings = ClientSettings { ca_file: Some(ca_file), ..ClientSettings::default() };
    assert!(matches!(Upstream::new(settings), Err(UpstreamError::Setup { .. })));
}

#[test]
fn settings_that_cannot_be_headers_are_refused() {
    for via in ["", "two words", "a,b", "a\r\nb", "é"] {
        let settings = ClientSettings { via: via.to_owned(), ..ClientSettings::default() };
        assert!(matches!(Upstream::new(settings), Err(UpstreamError::Setup { .. })), "{via:?}");
    }
}
