//! Connections that are meant to wear a listener out: silence, drips, floods of headers, more of them than there are places.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lazaret::http::serve::{Bounds, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_millis(600);

struct Listener {
    address: SocketAddr,
    close: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Listener {
    async fn with(connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/", get(async || "here\n")).route(
            "/slow",
            get(async || {
                tokio::time::sleep(PATIENCE * 2).await;
                "done\n"
            }),
        );
        let (close, closing) = watch::channel(false);
        let bounds = Bounds { connections, header_time: PATIENCE, ..Bounds::default() };
        Self { address, close, serving: tokio::spawn(serve(listener, router, None, bounds, closing)) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    async fn ask(&self, head: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        rest(&mut stream).await
    }
}

/// Everything until the listener closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await.expect("it is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_finishes_a_request_is_cut_off() {
    let listener = Listener::with(100).await;
    for (what, said) in [
        ("nothing at all", ""),
        ("one letter", "G"),
        ("half a line", "GET / HT"),
        ("half a head", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        ("half of HTTP/2's greeting", "PRI * HTTP/2.0\r\n"),
        ("HTTP/2's greeting and nothing more", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let mut stream = listener.connect().await;
        stream.write_all(said.as_bytes()).await.expect("sent");
        let since = Instant::now();
        let answer = rest(&mut stream).await;
        assert!(since.elapsed() < PATIENCE * 5, "{what}: cut only after {:?}", since.elapsed());
        assert!(!answer.contains("200 OK"), "{what}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drips_headers_is_cut_off_although_something_always_comes() {
    let listener = Listener::with(100).await;
    let mut stream = listener.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").await.expect("sent");
    let since = Instant::now();
    let mut number = 0;
    while since.elapsed() < PATIENCE * 8 {
        if stream.write_all(format!("X-{number}: y\r\n").as_bytes()).await.is_err() {
            break;
        }
        number += 1;
        tokio::time::sleep(PATIENCE / 6).await;
    }
    assert!(since.elapsed() < PATIENCE * 5, "it dripped for {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_headers_and_too_long_ones_are_refused() {
    let listener = Listener::with(100).await;
    let with = |headers: &str| format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    assert!(listener.ask(&with(&many(90))).await.starts_with("HTTP/1.1 200"));
    assert!(listener.ask(&with(&many(200))).await.starts_with("HTTP/1.1 431"));
    let long = format!("X-Long: {}\r\n", "y".repeat(100_000));
    let answer = listener.ask(&with(&long)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(listener.ask(&with("")).await.ends_with("here\n"), "others are served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_there_are_places_wait_for_one() {
    let listener = Listener::with(2).await;
    let silent = [listener.connect().await, listener.connect().await];
    tokio::time::sleep(PATIENCE / 4).await;
    let since = Instant::now();
    let answer = listener.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("here\n"), "{answer}");
    assert!(since.elapsed() > PATIENCE / 4, "it was not served beside them");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_lets_requests_finish_and_waits_for_no_idler() {
    let listener = Listener::with(100).await;
    let mut busy = listener.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let _idle = listener.connect().await;
    tokio::time::sleep(PATIENCE / 4).await;
    let since = Instant::now();
    listener.close.send_replace(true);
    assert!(rest(&mut busy).await.ends_with("done\n"));
    listener.serving.await.expect("it ended");
    assert!(since.elapsed() < PATIENCE * 6, "{:?}", since.elapsed());
}
