//! A server on loopback which remembers what it was asked and fails on order; every fake upstream stands on one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::clock::HandClock;
use super::faults::{Fault, Gate};

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What somebody asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// With the query; all of it where the client took this server for a proxy.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// A header's text; empty if it was not sent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Shared {
    clock: Arc<HandClock>,
    faults: Mutex<Vec<(String, Fault)>>,
    asked: Mutex<Vec<Asked>>,
    count: watch::Sender<usize>,
}

/// A port that is open already, so that its address is known, and that nobody answers on yet.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Opens a free one.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self { listener, address }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request with this; `Date` is the clock's true time.
    pub(crate) fn serve<A>(self, clock: &Arc<HandClock>, answer: A) -> Loopback
    where
        A: Fn(&Request<Incoming>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            faults: Mutex::default(),
            asked: Mutex::default(),
            count: watch::channel(0).0,
        });
        let (answering, answer) = (shared.clone(), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                let (shared, answer) = (answering.clone(), answer.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let (shared, answer) = (shared.clone(), answer.clone());
                        async move { shared.respond(&request, || answer(&request)).await }
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A client that goes away, or a fault that closes the connection, is no failure of the test.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Loopback { address: self.address, shared, accepting }
    }
}

/// The server; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Loopback {
    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its `Date` says.
    pub(crate) fn clock(&self) -> &HandClock {
        &self.shared.clock
    }

    /// From now on this happens to every request whose path contains the text.
    pub(crate) fn fault(&self, path_contains: &str, fault: Fault) {
        locked(&self.shared.faults).push((path_contains.to_owned(), fault));
    }

    /// Answers to requests whose path contains the text wait until the gate is opened.
    pub(crate) fn hold_back(&self, path_contains: &str) -> Gate {
        let gate = Gate::closed();
        self.fault(path_contains, Fault::HeldBack(gate.clone()));
        gate
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        locked(&self.shared.faults).clear();
    }

    /// Everything it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        locked(&self.shared.asked).clone()
    }

    /// Everything it was asked about paths that contain the text: `GET /simple/demo/`.
    pub(crate) fn asked_for(&self, path_contains: &str) -> Vec<String> {
        let asked = locked(&self.shared.asked);
        let about = asked.iter().filter(|asked| asked.path.contains(path_contains));
        about.map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    /// Waits until somebody has asked for a path that contains the text.
    pub(crate) async fn until_asked_for(&self, path_contains: &str) {
        let mut count = self.shared.count.subscribe();
        while self.asked_for(path_contains).is_empty() {
            count.changed().await.expect("the server is alive");
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    /// Answers one request, after it was written down, unless a fault was ordered for it.
    async fn respond(
        &self,
        request: &Request<Incoming>,
        answer: impl FnOnce() -> Response<Bytes>,
    ) -> Result<Response<Body>, std::io::Error> {
        let uri = request.uri();
        let path = match uri.scheme() {
            Some(_) => uri.to_string(),
            None => uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string),
        };
        let faults = locked(&self.faults).clone();
        let fault = faults.into_iter().rev().find(|(text, _)| path.contains(text.as_str())).map(|(_, fault)| fault);
        let asked = Asked { method: request.method().clone(), path, headers: request.headers().clone() };
        locked(&self.asked).push(asked);
        self.count.send_modify(|count| *count += 1);
        match &fault {
            Some(Fault::HangUp) => return Err(std::io::Error::other("hung up on order")),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::HeldBack(gate)) => gate.pass().await,
            _ => {}
        }
        let mut response = match &fault {
            Some(Fault::Status(status)) => {
                let body = "<html><body><h1>Something is wrong</h1></body></html>";
                plain(StatusCode::from_u16(*status).expect("a status"), "text/html", body.into())
            }
            Some(Fault::Redirect(to)) => {
                let mut response = plain(StatusCode::FOUND, "text/plain", Bytes::new());
                response.headers_mut().insert(header::LOCATION, to.parse().expect("a header"));
                response
            }
            Some(Fault::Garbage) => {
                let right = answer();
                let kind = right.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                plain(StatusCode::OK, kind.unwrap_or("text/plain"), "{\"files\": [[[ garbage".into())
            }
            _ => answer(),
        };
        let date = std::time::SystemTime::from(self.clock.true_time());
        response.headers_mut().insert(header::DATE, httpdate::fmt_http_date(date).parse().expect("a header"));
        let (head, body) = response.into_parts();
        let body = match fault {
            Some(Fault::CutAfter(bytes)) => cut(&body, bytes),
            _ if request.method() == Method::HEAD => whole(Bytes::new()),
            _ => whole(body),
        };
        Ok(Response::from_parts(head, body))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The whole length is promised, then the connection breaks; not before the client has got what there is.
fn cut(body: &Bytes, after: usize) -> Body {
    let first = body.slice(..after.min(body.len()));
    let broken = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("cut on order"))
    });
    StreamBody::new(stream::iter([Ok(Frame::data(first))]).chain(broken)).boxed_unsync()
}

/// An answer with a type and a length.
pub(super) fn plain(status: StatusCode, content_type: &str, body: Bytes) -> Response<Bytes> {
    let length = body.len();
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, content_type);
    response.header(header::CONTENT_LENGTH, length).body(body).expect("an answer")
}

/// 404.
pub(crate) fn missing() -> Response<Bytes> {
    plain(StatusCode::NOT_FOUND, "text/plain", "404 Not Found".into())
}

/// Packed with a fixed header: the same text gives the same bytes.
pub(super) fn gzip(text: &[u8]) -> Bytes {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).expect("writing to memory");
    gzip.finish().expect("a finished gzip").into()
}
