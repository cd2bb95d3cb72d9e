//! A socket and the very bytes that go over it: for requests that no client library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Who is still sent something after so long is not being answered.
const PATIENCE: Duration = Duration::from_secs(20);
/// A server that says nothing for so long and keeps the connection has nothing more to say.
const QUIET: Duration = Duration::from_millis(700);

/// Everything that came back.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) bytes: Vec<u8>,
    /// Whether the server closed the connection.
    pub(crate) closed: bool,
}

impl Raw {
    /// As text, whatever it is.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The status of the first answer; 0 if there was none.
    pub(crate) fn status(&self) -> u16 {
        self.text().split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// How many answers there are.
    pub(crate) fn answers(&self) -> usize {
        self.text().matches("HTTP/1.1 ").count() + self.text().matches("HTTP/1.0 ").count()
    }

    /// The first answer's status line and headers.
    pub(crate) fn head(&self) -> String {
        self.text().split("\r\n\r\n").next().unwrap_or_default().to_owned()
    }
}

/// Sends these bytes to an address like `http://127.0.0.1:8080` and reads what comes until it ends or is quiet.
pub(crate) async fn send(address: &str, bytes: &[u8]) -> Raw {
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await.expect("connected");
    // A server that closes in the middle of a flood is right to do so.
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await.expect("taken or refused in time");
    let mut answer = Vec::new();
    loop {
        match tokio::time::timeout(QUIET, stream.read_buf(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return Raw { bytes: answer, closed: true },
            Ok(Ok(_)) => {}
            Err(_) => return Raw { bytes: answer, closed: false },
        }
    }
}
