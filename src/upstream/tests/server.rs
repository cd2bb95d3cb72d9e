//! A server on loopback that plays a script for each request, byte by byte where a test wants it so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What the server does next; at the end it closes the connection.
pub(super) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
}

/// Listens until the test's runtime ends.
pub(super) struct TestServer {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    /// Answers each request by its head and its number, counted from 1.
    pub(super) async fn start(answer: impl Fn(&str, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, seen) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
        let (answer, heads) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(play(connection, Arc::clone(&answer), Arc::clone(&heads)));
            }
        });
        Self { port, seen }
    }

    /// Always the same answer.
    pub(super) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, _| vec![Step::Send(answer.clone())]).await
    }

    pub(super) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    /// The heads of the requests so far, in lower case.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn play(
    mut connection: TcpStream,
    answer: Arc<impl Fn(&str, usize) -> Vec<Step>>,
    seen: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(head.clone());
        seen.len()
    };
    for step in answer(&head, number) {
        match step {
            Step::Send(bytes) => connection.write_all(&bytes).await?,
            Step::Pause(pause) => tokio::time::sleep(pause).await,
        }
    }
    connection.shutdown().await
}

/// An answer with its length.
pub(super) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
