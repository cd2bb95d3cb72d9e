//! Listeners: accept, shake hands, serve, drain. An accept loop of our own, so that connections are bounded, end gracefully, and
//! take a new certificate without being dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::tls::Certificates;
use super::visitor::Visitor;

/// What a listener puts up with.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// So many connections; more wait in the kernel's queue.
    pub connections: usize,
    /// A client that sends no complete header for so long is cut off.
    pub header_time: Duration,
    /// More header bytes than this are refused.
    pub header_bytes: u32,
    /// More headers than this are refused.
    pub headers: usize,
    /// A handshake that takes longer is cut.
    pub handshake_time: Duration,
    /// So long may requests take to finish when the house closes.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4_096,
            header_time: Duration::from_secs(20),
            header_bytes: 32 << 10,
            headers: 100,
            handshake_time: Duration::from_secs(10),
            drain: Duration::from_secs(20),
        }
    }
}

/// Connections over HTTP/2 that are silent for so long are asked whether they are still there, and given up if they are not.
const STILL_THERE: Duration = Duration::from_mins(1);

/// What all connections of a listener share.
#[derive(Debug)]
struct Listening {
    router: Router,
    certificates: Option<Arc<Certificates>>,
    builder: auto::Builder<TokioExecutor>,
    bounds: Bounds,
}

/// Serves until `closing` turns true, then lets running requests finish. With certificates, by TLS only.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificates: Option<Arc<Certificates>>,
    bounds: Bounds,
    mut closing: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(bounds.connections));
    let drain = bounds.drain;
    let listening = Arc::new(Listening { router, certificates, builder: builder(&bounds), bounds });
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, most likely: the next connection may find some.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = closed(&mut closing) => break,
        };
        let (listening, watcher, closing) = (listening.clone(), graceful.watcher(), closing.clone());
        tokio::spawn(async move {
            listening.attend(stream, peer, watcher, closing).await;
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(drain) => tracing::warn!("some requests did not finish in time"),
    }
}

/// Returns when the house closes.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the house is gone already.
    let _ = closing.wait_for(|closing| *closing).await;
}

fn builder(bounds: &Bounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_time)
        .max_buf_size(2 * bounds.header_bytes as usize)
        .max_headers(bounds.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(bounds.header_bytes)
        .keep_alive_interval(STILL_THERE)
        .keep_alive_timeout(bounds.header_time);
    builder
}

impl Listening {
    /// One connection, from its handshake to its end.
    async fn attend(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, mut closing: watch::Receiver<bool>) {
        // Small answers must not wait for a full packet.
        let _ = stream.set_nodelay(true);
        let Some(certificates) = &self.certificates else {
            return self.converse(stream, Visitor::at(peer, None), watcher).await;
        };
        let greeting = tokio::time::timeout(self.bounds.handshake_time, certificates.greet(stream));
        let greeted = tokio::select! {
            greeted = greeting => greeted,
            () = closed(&mut closing) => return,
        };
        match greeted {
            Ok(Ok((stream, name))) => self.converse(stream, Visitor::at(peer, name), watcher).await,
            Ok(Err(error)) => {
                metrics::counter!("lazaret_handshakes_failed_total").increment(1);
                tracing::debug!(%peer, %error, "a TLS handshake failed");
            }
            Err(_) => {
                metrics::counter!("lazaret_handshakes_failed_total").increment(1);
                tracing::debug!(%peer, "a TLS handshake took too long");
            }
        }
    }

    async fn converse<S>(&self, stream: S, visitor: Visitor, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let has_asked = Arc::new(AtomicBool::new(false));
        let service = TowerToHyperService::new(with_visitor(self.router.clone(), visitor, has_asked.clone()));
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut ending = std::pin::pin!(watcher.watch(connection.into_owned()));
        // hyper's own limit begins when it knows the protocol, and who says nothing at all keeps it waiting for that.
        tokio::select! {
            // A client that breaks off is its own business.
            _ = &mut ending => return,
            () = tokio::time::sleep(self.bounds.header_time) => {}
        }
        if has_asked.load(Ordering::Relaxed) {
            let _ = ending.await;
        }
    }
}

fn with_visitor(
    router: Router,
    visitor: Visitor,
    has_asked: Arc<AtomicBool>,
) -> impl tower::Service<
    http::Request<hyper::body::Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(visitor.clone());
        request.map(axum::body::Body::new)
    })
}
