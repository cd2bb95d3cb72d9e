//! A teapot repository on loopback, as the original server was seen to behave, with the traps that it sets for clients.
//!
//! It answers what a proxy asks of it: status, index, lists and files. It wants a User-Agent, and after the 404 for a file it
//! neither says a length nor closes, unless it was asked to close.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use md5::Digest as _;
use rusqlite::Connection;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::faults::{Fault, Gate};

/// The tables of the original, to the letter.
const TABLES: &str = "
    CREATE TABLE teapot (name TEXT NOT NULL, version TEXT NOT NULL, rcsid TEXT NOT NULL);
    INSERT INTO teapot VALUES ('TEAPOT', '0.2', '$Id$');
    CREATE TABLE instances (type TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, platform TEXT NOT NULL,
        isprofile INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (type,name, version, platform), UNIQUE (file));
    CREATE TABLE meta (file TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (file, key));
    CREATE INDEX meta_file ON meta (file);";

/// When its first index was made.
const FIRST_IMTIME: i64 = 1_795_345_775;

/// `{kind, name, version, platform}`.
pub(crate) type Words = [String; 4];

#[derive(Debug, Clone)]
struct Stored {
    words: Words,
    payload: Bytes,
    /// What a file request sends, where that is not the payload.
    sent: Option<Bytes>,
    meta: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Memory {
    stored: Vec<Stored>,
    imtime: i64,
    /// A SQLite file to send in place of its own.
    other_index: Option<Vec<u8>>,
    /// What `db/index` sends, whatever the status says.
    other_packed: Option<Vec<u8>>,
    /// What `db/status` says in place of the truth.
    other_status: Option<String>,
    /// Whether the status tells sizes and digests; older servers do not.
    tells_integrity: bool,
    /// Whether answers say their length.
    says_lengths: bool,
    faults: Vec<(String, Fault)>,
    asked: Vec<String>,
}

/// The repository.
#[derive(Debug)]
pub(crate) struct FakeTeapot {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl FakeTeapot {
    /// Opens a port and answers on it; the repository is empty.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let memory = Memory { imtime: FIRST_IMTIME, tells_integrity: true, says_lengths: true, ..Memory::default() };
        let memory = Arc::new(Mutex::new(memory));
        let answering = memory.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away is no failure of the test.
                let memory = answering.clone();
                tokio::spawn(async move { serve(stream, &memory).await.ok() });
            }
        });
        Self { address, memory, accepting }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes a pure Tcl package with what its header should say besides its name: `("require", "{Tcl -require 8.5}")`.
    pub(crate) fn package(&self, name: &str, version: &str, meta: &[(&str, &str)]) -> Bytes {
        self.module("package", name, version, "tcl", meta)
    }

    /// Publishes a module of any kind.
    pub(crate) fn module(&self, kind: &str, name: &str, version: &str, platform: &str, meta: &[(&str, &str)]) -> Bytes {
        let keyword = format!("{}{}", kind[..1].to_uppercase(), &kind[1..]);
        let lines: String =
            meta.iter().fold(String::new(), |text, (key, value)| text + &format!("# Meta {key} {value}\n"));
        let script = format!(
            "# @@ Meta Begin\n# {keyword} {{{name}}} {version}\n# Meta platform {platform}\n{lines}# @@ Meta End\n\
             package provide {{{name}}} {version}\n"
        );
        self.file([kind, name, version, platform], script.into(), meta)
    }

    /// Publishes a file. One of an instance that is there already is replaced, as the original does.
    pub(crate) fn file(&self, words: [&str; 4], payload: Bytes, meta: &[(&str, &str)]) -> Bytes {
        let meta = meta.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let stored = Stored { words: words.map(str::to_owned), payload: payload.clone(), sent: None, meta };
        let mut memory = self.memory();
        memory.stored.retain(|other| other.words != stored.words);
        memory.stored.push(stored);
        memory.imtime = memory.imtime.saturating_add(1);
        payload
    }

    /// Takes an instance out of the repository.
    pub(crate) fn remove(&self, words: [&str; 4]) {
        let mut memory = self.memory();
        memory.stored.retain(|stored| stored.words != words);
        memory.imtime += 1;
    }

    /// From now on its file has other bytes than the index says.
    pub(crate) fn send_other_bytes(&self, words: [&str; 4], bytes: Bytes) {
        let mut memory = self.memory();
        let found = memory.stored.iter_mut().find(|stored| stored.words == words);
        found.expect("an instance of the fake teapot").sent = Some(bytes);
    }

    /// From now on its index is this file, and the status goes with it.
    pub(crate) fn send_other_index(&self, sqlite: Vec<u8>) {
        let mut memory = self.memory();
        memory.other_index = Some(sqlite);
        memory.imtime += 1;
    }

    /// From now on `db/index` sends these bytes; the status goes on promising the right ones.
    pub(crate) fn send_other_packed(&self, packed: Vec<u8>) {
        let mut memory = self.memory();
        memory.other_packed = Some(packed);
        memory.imtime += 1;
    }

    /// From now on `db/status` says this.
    pub(crate) fn send_other_status(&self, list: &str) {
        self.memory().other_status = Some(list.to_owned());
    }

    /// The time of its index, as its status tells it, is another one from now on.
    pub(crate) fn set_imtime(&self, imtime: i64) {
        self.memory().imtime = imtime;
    }

    /// An older server: the status has four elements.
    pub(crate) fn tell_no_integrity(&self) {
        self.memory().tells_integrity = false;
    }

    /// Answers end where the connection ends.
    pub(crate) fn say_no_lengths(&self) {
        self.memory().says_lengths = false;
    }

    /// From now on this happens to every request whose path contains the text.
    pub(crate) fn fault(&self, path_contains: &str, fault: Fault) {
        self.memory().faults.push((path_contains.to_owned(), fault));
    }

    /// Answers to requests whose path contains the text wait until the gate is opened.
    pub(crate) fn hold_back(&self, path_contains: &str) -> Gate {
        let gate = Gate::closed();
        self.fault(path_contains, Fault::HeldBack(gate.clone()));
        gate
    }

    /// Nothing goes wrong any more, and the index is its own again.
    pub(crate) fn heal(&self) {
        let mut memory = self.memory();
        memory.faults.clear();
        memory.other_index = None;
        memory.other_packed = None;
        memory.other_status = None;
        memory.imtime = memory.imtime.saturating_add(1);
    }

    /// Everything it was asked, in order: `GET /db/status`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.memory().asked.clone()
    }

    /// Everything it was asked about paths that contain the text.
    pub(crate) fn asked_for(&self, path_contains: &str) -> Vec<String> {
        self.asked().into_iter().filter(|asked| asked.contains(path_contains)).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }
}

impl Drop for FakeTeapot {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What goes back: the reason phrase, headers beside the length, the body; no body at all for the 404 of a file.
struct Reply {
    status: String,
    headers: String,
    body: Option<Bytes>,
}

impl Reply {
    fn fine(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status: "200 OK".to_owned(),
            headers: format!("Content-Type: {content_type}\r\n"),
            body: Some(body.into()),
        }
    }
}

/// One connection, request after request.
async fn serve(stream: TcpStream, memory: &Mutex<Memory>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let lower = head.to_ascii_lowercase();
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (fault, says_lengths) = {
            let mut memory = lock(memory);
            memory.asked.push(format!("{method} {path}"));
            let fault = memory.faults.iter().rev().find(|(text, _)| path.contains(text.as_str()));
            (fault.map(|(_, fault)| fault.clone()), memory.says_lengths)
        };
        // POST and the journal are never answered.
        if !["GET", "HEAD"].contains(&method) || path == "/db/journal" {
            std::future::pending::<()>().await;
        }
        let mut cut_after = None;
        let mut reply = if lower.contains("\r\nuser-agent:") {
            lock(memory).reply(path)
        } else {
            Reply {
                status: "500 can't read \"r(user-agent)\": no such element in array".to_owned(),
                ..Reply::fine("text/html", "")
            }
        };
        match fault {
            Some(Fault::HangUp) => return Ok(()),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::HeldBack(gate)) => gate.pass().await,
            Some(Fault::Status(status)) => {
                reply = Reply {
                    status: format!("{status} Wrong"),
                    ..Reply::fine("text/html", "<h1>Something is wrong</h1>")
                };
            }
            Some(Fault::Redirect(to)) => {
                reply = Reply {
                    status: "302 Found".to_owned(),
                    headers: format!("Location: {to}\r\n"),
                    body: Some(Bytes::new()),
                };
            }
            Some(Fault::Garbage) => reply = Reply::fine("text/html", "<h1>Sign in</h1>"),
            Some(Fault::CutAfter(bytes)) => cut_after = Some(bytes),
            None => {}
        }
        let closes = lower.contains("\r\nconnection: close");
        let mut answer =
            format!("HTTP/1.1 {}\r\nServer: TPM Web API 0.1\r\n{}", reply.status, reply.headers).into_bytes();
        let has_length = reply.body.is_some() && says_lengths;
        if let Some(body) = reply.body.as_ref().filter(|_| has_length) {
            write!(answer, "Content-Length: {}\r\n", body.len())?;
        }
        answer.extend(b"\r\n");
        if let Some(body) = reply.body.filter(|_| method == "GET") {
            answer.extend(&body[..cut_after.unwrap_or(body.len()).min(body.len())]);
        }
        stream.write_all(&answer).await?;
        stream.flush().await?;
        if closes || cut_after.is_some() || (!has_length && !reply.status.starts_with("404")) {
            stream.shutdown().await?;
            // What the client still sends is taken, so that it is not told of a reset.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return Ok(());
        }
    }
}

impl Memory {
    fn reply(&self, path: &str) -> Reply {
        let path = path.split('?').next().unwrap_or_default();
        match path.trim_start_matches('/') {
            "version" => Reply::fine("text/plain", "\nApplication teapot 0.0 (tcl)\n\n"),
            "db/status" => {
                let status = self.status();
                Reply::fine("text/html", page(&status, &format!("<pre>{status}</pre>")))
            }
            "db/index" => Reply::fine("application/octet-stream", self.packed()),
            "list" => Reply::fine("text/html", page(&self.list(None), "")),
            other => match other.strip_suffix("/list") {
                Some(kind) if !kind.contains('/') => Reply::fine("text/html", page(&self.list(Some(kind)), "")),
                _ => self.of_instance(other),
            },
        }
    }

    fn of_instance(&self, path: &str) -> Reply {
        let parts: Vec<String> = path.split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let [kind, "name", name, "ver", version, "arch", platform, what] = *parts else { return unknown() };
        let found = self.stored.iter().find(|stored| stored.words == [kind, name, version, platform]);
        match (what, found) {
            ("xfile", Some(stored)) => {
                let sent = stored.sent.as_ref().unwrap_or(&stored.payload);
                let head = format!("{} {}\n", sent.len(), md5_of(sent));
                Reply::fine(content_type(sent), [head.as_bytes(), sent].concat())
            }
            ("file" | "file.tm" | "file.zip" | "file.kit" | "file.exe" | "file.dat", Some(stored)) => {
                let sent = stored.sent.as_ref().unwrap_or(&stored.payload);
                Reply::fine(content_type(sent), sent.clone())
            }
            ("xfile", None) => no_file("FILE: /tmp/somewhere\r\nContent-Type: text/plain\r\n"),
            ("file" | "file.tm" | "file.zip" | "file.kit" | "file.exe" | "file.dat", None) => {
                no_file("Content-Type: text/plain\r\nCHAN: \r\n")
            }
            _ => unknown(),
        }
    }

    fn list(&self, kind: Option<&str>) -> String {
        let listed = self.stored.iter().filter(|stored| kind.is_none_or(|kind| stored.words[0] == kind));
        let elements: Vec<String> = listed
            .map(|stored| {
                let [kind, name, version, platform] = &stored.words;
                let is_profile = u8::from(kind == "profile");
                format!("{{{kind} {name} {version} {platform} {is_profile}}}")
            })
            .collect();
        elements.join(" ")
    }

    fn status(&self) -> String {
        if let Some(other) = &self.other_status {
            return other.clone();
        }
        let (imtime, plain) = (self.imtime, self.plain());
        let packed = zlib(&plain);
        let journal = format!("{{{FIRST_IMTIME} 0}} {{{imtime} 7}}");
        let integrity = format!("{{{} {} {} {}}}", md5_of(&plain), plain.len(), md5_of(&packed), packed.len());
        if self.tells_integrity {
            format!("{imtime} {imtime} {journal} {integrity}")
        } else {
            format!("{imtime} {imtime} {journal}")
        }
    }

    fn packed(&self) -> Vec<u8> {
        self.other_packed.clone().unwrap_or_else(|| zlib(&self.plain()))
    }

    fn plain(&self) -> Vec<u8> {
        if let Some(other) = &self.other_index {
            return other.clone();
        }
        let mut database = Connection::open_in_memory().expect("memory");
        database.execute_batch(TABLES).expect("tables");
        for stored in &self.stored {
            let [kind, name, version, platform] = &stored.words;
            let file = signature(&stored.payload);
            let row = (kind, name, version, platform, kind == "profile", &file);
            database.execute("INSERT INTO instances VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row).expect("a row");
            let own = [("entity", kind), ("name", name), ("version", version), ("platform", platform)];
            let own = own.map(|(key, value)| (key.to_owned(), value.clone()));
            for (key, value) in own.iter().chain(&stored.meta) {
                database.execute("INSERT INTO meta VALUES (?1, ?2, ?3)", (&file, key, value)).expect("a row");
            }
        }
        database.serialize("main").expect("bytes").to_vec()
    }
}

fn page(result: &str, decoration: &str) -> String {
    format!("<html><head>\n</head><body>\n<!-- [[TPM[[{result}]]MPT]] -->\n{decoration}\n</body></html>\n\n")
}

fn unknown() -> Reply {
    let body = "<h1>Bad Request</h1>\n<table>\n<tr>r<th></th> <th></th></tr>\n</table>\n";
    Reply { status: "404 Not Found".to_owned(), ..Reply::fine("text/html", body) }
}

fn no_file(headers: &str) -> Reply {
    Reply { status: "404 Not Found".to_owned(), headers: headers.to_owned(), body: None }
}

fn content_type(payload: &[u8]) -> &'static str {
    if payload.starts_with(b"PK") { "application/x-zip" } else { "text/plain" }
}

/// MD5 and size in 32 digits: the name of a file in the index.
pub(crate) fn signature(payload: &[u8]) -> String {
    let mut bytes = md5::Md5::digest(payload).to_vec();
    bytes.extend(u32::try_from(payload.len()).expect("a small file").to_be_bytes());
    data_encoding::BASE32HEX_NOPAD.encode(&bytes).to_ascii_lowercase()
}

/// MD5 in lower-case hexadecimal digits.
pub(crate) fn md5_of(bytes: &[u8]) -> String {
    HEXLOWER.encode(&md5::Md5::digest(bytes))
}

/// Deflates as the original does.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(bytes).expect("writing to memory");
    zlib.finish().expect("a finished stream")
}

fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|digits| HEXLOWER.decode(&digits.to_ascii_lowercase()).ok());
        bytes.push(code.as_ref().map_or(*first, |code| code[0]));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    // The original knows one byte per character.
    bytes.into_iter().map(char::from).collect()
}
