//! What may stand in front of a house: an honest load balancer, and ones that each break one thing.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it does to answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Nothing.
    Honest,
    /// Writes the usual reason phrase.
    DropsReasons,
    /// Asks for whole files only.
    IgnoresRanges,
    /// Knows only GET.
    HasNoHead,
    /// Has error pages of its own.
    ReplacesErrors,
    /// Unpacks pages and packs them again.
    RepacksPages,
    /// Packs what was sent as it is, whatever is said against it.
    PacksFiles,
    /// Makes validators weak.
    WeakensValidators,
    /// Never asks conditionally.
    DropsConditions,
    /// Writes its own rules for caches.
    ReplacesCacheControl,
    /// Leads to somewhere else.
    Elsewhere,
}

/// It listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Balancer {
    /// In front of this address.
    pub(crate) async fn before(target: &str, habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let target: Uri = target.parse().expect("an address");
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (target, client) = (target.clone(), client.clone());
                let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (target, client) = (target.clone(), client.clone());
                    async move { Ok::<_, Infallible>(pass(request, &target, &client, habit).await) }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn pass(
    request: Request<Incoming>,
    target: &Uri,
    client: &Client<HttpConnector, Full<Bytes>>,
    habit: Habit,
) -> Response<Full<Bytes>> {
    let (mut head, _) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let is_head = head.method == Method::HEAD;
    head.uri = format!("http://{}{path}", target.authority().expect("a host")).parse().expect("an address");
    match habit {
        Habit::IgnoresRanges => drop(head.headers.remove(header::RANGE)),
        Habit::DropsConditions => drop(head.headers.remove(header::IF_NONE_MATCH)),
        Habit::HasNoHead if is_head => {
            return Response::builder().status(404).body(Full::default()).expect("an answer");
        }
        Habit::Elsewhere => return Response::builder().status(200).body("hello".into()).expect("an answer"),
        _ => {}
    }
    let accepts_gzip =
        head.headers.get(header::ACCEPT_ENCODING).is_some_and(|value| value.as_bytes().starts_with(b"gzip"));
    let answer = client.request(Request::from_parts(head, Full::default())).await.expect("an answer from behind");
    let (mut head, body) = answer.into_parts();
    let mut body = body.collect().await.expect("a body from behind").to_bytes();
    let is_packed = head.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
    match habit {
        Habit::DropsReasons => drop(head.extensions.remove::<ReasonPhrase>()),
        Habit::ReplacesErrors if head.status == StatusCode::FORBIDDEN => {
            body = Bytes::from_static(b"<h1>403 Forbidden</h1>");
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            head.headers.remove(header::CONTENT_LENGTH);
        }
        Habit::RepacksPages if is_packed => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("gzip");
            body = gzip(&plain);
            head.headers.remove(header::CONTENT_LENGTH);
        }
        Habit::PacksFiles if accepts_gzip && !is_packed && !is_head => {
            body = gzip(&body);
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            head.headers.remove(header::CONTENT_LENGTH);
        }
        Habit::WeakensValidators => {
            if let Some(etag) = head.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()) {
                let weak = format!("W/{}", etag.trim_start_matches("W/"));
                head.headers.insert(header::ETAG, weak.parse().expect("a header"));
            }
        }
        Habit::ReplacesCacheControl => {
            head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        }
        _ => {}
    }
    Response::from_parts(head, Full::from(body))
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory").into()
}
