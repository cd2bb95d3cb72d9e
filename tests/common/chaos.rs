//! A TCP proxy between the house and an upstream, in which any weather can be ordered: it is where networks fail.
//!
//! One request a connection. What is passed on is the upstream's own bytes, cut, slowed, spoiled or replaced on their way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What is wrong.
#[derive(Debug, Clone)]
pub(crate) enum Weather {
    /// Nothing.
    Fair,
    /// Nobody listens.
    Refused,
    /// Packets are lost: nobody answers to a connection.
    NoRoute,
    /// Connections are taken, and nothing is ever said.
    BlackHole,
    /// So many bytes of the body at a time, with pauses.
    Drip(usize, Duration),
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// One bit of the body is another one, far from its start.
    Flipped,
    /// The body comes under another type.
    Typed(&'static str),
    /// Somebody else answers.
    Instead(Instead),
}

/// An answer that is not the upstream's.
#[derive(Debug, Clone)]
pub(crate) struct Instead {
    /// Status line and headers, without the empty line.
    pub(crate) head: String,
    /// Sent again and again.
    pub(crate) piece: Bytes,
    /// So often.
    pub(crate) times: usize,
}

impl Weather {
    /// An answer with this status and an unfriendly page.
    pub(crate) fn status(line: &str) -> Self {
        let piece = Bytes::from_static(b"<html><body><h1>Something is wrong</h1></body></html>");
        let head = format!("HTTP/1.1 {line}\r\nContent-Type: text/html\r\nContent-Length: {}", piece.len());
        Self::Instead(Instead { head, piece, times: 1 })
    }

    /// 200 MB that claim to be this type, and no length.
    pub(crate) fn garbage(content_type: &str) -> Self {
        Self::flood(content_type, Bytes::from(vec![b'['; 64 << 10]), 3_200)
    }

    /// So many pieces that claim to be this type, and no length.
    pub(crate) fn flood(content_type: &str, piece: Bytes, times: usize) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close");
        Self::Instead(Instead { head, piece, times })
    }

    /// A body of one megabyte that unpacks to 64 GB.
    pub(crate) fn bomb(content_type: &str) -> Self {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Encoding: gzip\r\nConnection: close");
        Self::Instead(Instead { head, piece: zeros(), times: 1_000 })
    }
}

/// A gzip member of 64 MB of nothing. Members that follow each other are one stream.
pub(crate) fn zeros() -> Bytes {
    super::loopback::gzip(&vec![0; 64 << 20])
}

/// The proxy.
#[derive(Debug)]
pub(crate) struct Chaos {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Mutex<Serving>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    /// The weather on paths that contain a text.
    weather: Mutex<(String, Weather)>,
    connections: std::sync::atomic::AtomicUsize,
}

#[derive(Debug, Default)]
struct Serving {
    accepting: Option<JoinHandle<()>>,
    /// Keeps a listener's queue full, so that whoever comes next is not answered.
    deaf: Option<(TcpListener, Vec<TcpStream>)>,
}

impl Chaos {
    /// In front of this upstream; the weather is fair.
    pub(crate) async fn before(base: &str) -> Self {
        let upstream = base.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream,
            weather: Mutex::new((String::new(), Weather::Fair)),
            connections: std::sync::atomic::AtomicUsize::new(0),
        });
        let accepting = Some(tokio::spawn(accept(listener, shared.clone())));
        Self { address, shared, serving: Mutex::new(Serving { accepting, deaf: None }) }
    }

    /// An address behind it.
    pub(crate) fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://{}{path}", self.address)).expect("a URL")
    }

    /// As metrics call it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// How many connections were taken.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// From now on, on every path.
    pub(crate) async fn weather(&self, weather: Weather) {
        self.weather_on("", weather).await;
    }

    /// From now on, on paths that contain the text; it is fair on others.
    pub(crate) async fn weather_on(&self, path_contains: &str, weather: Weather) {
        *locked(&self.shared.weather) = (path_contains.to_owned(), weather.clone());
        let before = std::mem::take(&mut *locked(&self.serving));
        if let Some(accepting) = before.accepting {
            accepting.abort();
            // The port is free once the task is gone.
            let _ = accepting.await;
        }
        drop(before.deaf);
        let now = match weather {
            Weather::Refused => Serving::default(),
            Weather::NoRoute => Serving { accepting: None, deaf: Some(deaf(self.address).await) },
            _ => {
                let listener = listen(self.address, 1_024);
                Serving { accepting: Some(tokio::spawn(accept(listener, self.shared.clone()))), deaf: None }
            }
        };
        *locked(&self.serving) = now;
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if let Some(accepting) = &locked(&self.serving).accepting {
            accepting.abort();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(address: SocketAddr, queue: u32) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("set");
    socket.bind(address).expect("its port again");
    socket.listen(queue).expect("listening")
}

/// A listener that nobody accepts from and whose queue is full: the kernel drops what asks for a connection.
async fn deaf(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let listener = listen(address, 1);
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queue.push(stream);
    }
    (listener, queue)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the task: a change of weather ends what is under way.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let shared = shared.clone();
        connections.spawn(async move {
            // A side that goes away is no failure of the test.
            let _ = pass_on(stream, &shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn pass_on(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (question, _) = head(&mut client).await?;
    let path = question.split(' ').nth(1).unwrap_or_default().to_owned();
    let (on, weather) = locked(&shared.weather).clone();
    let weather = if path.contains(&on) { weather } else { Weather::Fair };
    match weather {
        Weather::BlackHole => return std::future::pending().await,
        Weather::Instead(Instead { head, piece, times }) => {
            client.write_all(format!("{head}\r\n\r\n").as_bytes()).await?;
            for _ in 0..times {
                client.write_all(&piece).await?;
            }
            return client.shutdown().await;
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(shared.upstream).await?;
    upstream.write_all(question.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).await?;
    let (mut answer, mut body) = head(&mut upstream).await?;
    if let Weather::Typed(content_type) = weather {
        answer = retyped(&answer, content_type);
    }
    client.write_all(answer.as_bytes()).await?;
    upstream.read_to_end(&mut body).await?;
    match weather {
        Weather::CutAfter(bytes) => client.write_all(&body[..bytes.min(body.len())]).await?,
        Weather::Drip(bytes, pause) => {
            for piece in body.chunks(bytes) {
                client.write_all(piece).await?;
                tokio::time::sleep(pause).await;
            }
        }
        Weather::Flipped => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
            client.write_all(&body).await?;
        }
        _ => client.write_all(&body).await?,
    }
    client.shutdown().await
}

/// A head with its empty line, and what came behind it.
async fn head(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn retyped(head: &str, content_type: &str) -> String {
    let others = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("content-type:"));
    let lines: Vec<&str> = others.collect();
    lines.join("\r\n").replacen("\r\n", &format!("\r\ncontent-type: {content_type}\r\n"), 1)
}
