//! A client that costs next to nothing: one connection, requests as text, bodies counted and thrown away.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One connection that is kept open.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: usize,
    /// From the request's last byte to the body's first (or to the head's end, if there is no body).
    pub(crate) first_byte: Duration,
    /// To the body's last byte.
    pub(crate) total: Duration,
    pub(crate) etag: Option<String>,
    /// The body's first bytes, as many as came at once.
    pub(crate) start: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, buffer: vec![0; 1 << 20] }
    }

    /// Asks, and reads the whole answer. `headers` are complete lines.
    pub(crate) fn get(&mut self, path: &str, headers: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench.example.test\r\n{headers}\r\n");
        let asked = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut filled = 0;
        let head_end = loop {
            filled += self.read(filled);
            if let Some(end) = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8(self.buffer[..head_end].to_vec()).unwrap();
        let status = head[9..12].parse().unwrap();
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (field, value) = line.split_once(": ")?;
                field.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let length = if status == 304 { 0 } else { field("content-length").unwrap().parse().unwrap() };
        let mut first_byte = asked.elapsed();
        let mut start = self.buffer[head_end..filled].to_vec();
        let mut received = start.len();
        while received < length {
            let read = self.read(0);
            if received == 0 {
                first_byte = asked.elapsed();
                start = self.buffer[..read].to_vec();
            }
            received += read;
        }
        Answer { status, length, first_byte, total: asked.elapsed(), etag: field("etag"), start }
    }

    /// Asks for what must be there.
    pub(crate) fn fetch(&mut self, path: &str, headers: &str) -> Answer {
        let answer = self.get(path, headers);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.start));
        answer
    }

    fn read(&mut self, from: usize) -> usize {
        let read = self.stream.read(&mut self.buffer[from..]).unwrap();
        assert_ne!(read, 0, "the connection was closed");
        read
    }
}
