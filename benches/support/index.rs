//! A made-up index: pages the size of boto3's, small pages, and wheels, all made before anybody asks.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use lazaret::domain::{Clock as _, Sha256, SystemClock, Timestamp};
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;

/// As many as boto3 has: a wheel and a source archive of each of its versions.
pub(crate) const BOTO3_FILES: usize = 4_312;
/// As many as a middling project has.
pub(crate) const SMALL_FILES: usize = 24;
/// A release a day, as boto3 has it, so that the newest few are still held.
const DAY: time::Duration = time::Duration::DAY;

/// Answers by path, and how many pages were asked for.
#[derive(Default)]
pub(crate) struct Index {
    answers: RwLock<HashMap<String, Prepared>>,
    pages_read: AtomicUsize,
}

#[derive(Clone)]
struct Prepared {
    content_type: &'static str,
    identity: Bytes,
    gzip: Option<Bytes>,
}

impl Index {
    /// How many pages were asked for so far.
    pub(crate) fn pages_read(&self) -> usize {
        self.pages_read.load(Ordering::SeqCst)
    }

    /// Lists a project with so many files that nobody will fetch. Says where the page is.
    pub(crate) fn add_page(&self, name: &str, files: usize) -> String {
        let page = page(name, (0..files / 2).flat_map(|number| listed_release(name, number, files / 2)));
        self.add(name, page)
    }

    /// Lists a project with one old wheel of this many bytes. Says where the house serves it, and where this index does.
    pub(crate) fn add_wheel(&self, name: &str, size: usize) -> (String, String) {
        let stem = name.replace('-', "_");
        let filename = format!("{stem}-1.0-py3-none-any.whl");
        let (wheel, metadata) = wheel(name, &stem, size);
        let (digest, metadata_digest) = (Sha256::of(&wheel), Sha256::of(metadata.as_bytes()));
        let path = format!("/packages/{name}/{filename}");
        let file = format!(
            r#"{{"core-metadata":{{"sha256":"{metadata_digest}"}},"filename":"{filename}","hashes":{{"sha256":"{digest}"}},"requires-python":">=3.9","size":{},"upload-time":"2020-02-02T20:02:02.000000Z","url":"{path}","yanked":false}}"#,
            wheel.len()
        );
        self.add(name, page(name, std::iter::once(file)));
        let prepared = Prepared { content_type: "application/octet-stream", identity: wheel.into(), gzip: None };
        self.answers.write().unwrap().insert(path.clone(), prepared);
        (format!("/pypi/files/{name}/{digest}/{filename}"), path)
    }

    /// The bytes at a path of this index.
    pub(crate) fn body(&self, path: &str) -> Bytes {
        self.answers.read().unwrap()[path].identity.clone()
    }

    fn add(&self, name: &str, page: String) -> String {
        let path = format!("/simple/{name}/");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(page.as_bytes()).unwrap();
        let prepared = Prepared {
            content_type: "application/vnd.pypi.simple.v1+json",
            identity: page.into(),
            gzip: Some(encoder.finish().unwrap().into()),
        };
        self.answers.write().unwrap().insert(path.clone(), prepared);
        path
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        if path.starts_with("/simple/") {
            self.pages_read.fetch_add(1, Ordering::SeqCst);
        }
        let Some(prepared) = self.answers.read().unwrap().get(path).cloned() else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let accepts_gzip =
            headers.get(header::ACCEPT_ENCODING).is_some_and(|value| value.as_bytes().starts_with(b"gzip"));
        let content_type = (header::CONTENT_TYPE, prepared.content_type);
        match prepared.gzip.filter(|_| accepts_gzip) {
            Some(gzip) => ([content_type, (header::CONTENT_ENCODING, "gzip")], gzip).into_response(),
            None => ([content_type], prepared.identity).into_response(),
        }
    }
}

/// Serves the index on a free port of loopback.
pub(crate) async fn serve(index: Arc<Index>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |State(index): State<Arc<Index>>, request: Request| async move {
        index.answer(request.uri().path(), request.headers())
    };
    let router = Router::new().fallback(answer).with_state(index);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn page(name: &str, files: impl Iterator<Item = String>) -> String {
    let mut page = format!(r#"{{"meta":{{"api-version":"1.4","_last-serial":31415926}},"name":"{name}","files":["#);
    for (place, file) in files.enumerate() {
        page.push_str(if place == 0 { "" } else { "," });
        page.push_str(&file);
    }
    page.push_str(r#"],"versions":[]}"#);
    page
}

/// A source archive and a wheel, the newest of `releases` uploaded half a day ago.
fn listed_release(name: &str, number: usize, releases: usize) -> [String; 2] {
    let stem = name.replace('-', "_");
    let version = format!("1.{}.{}", number / 100, number % 100);
    let age = DAY * i32::try_from(releases - number).unwrap() - DAY / 2;
    let uploaded: Timestamp = SystemClock::new().now() - age;
    let uploaded = uploaded.format(&Rfc3339).unwrap();
    ["{stem}-{version}.tar.gz", "{stem}-{version}-py3-none-any.whl"].map(|pattern| {
        let filename = pattern.replace("{stem}", &stem).replace("{version}", &version);
        let digest = Sha256::of(filename.as_bytes()).to_string();
        let mut file = String::with_capacity(512);
        write!(
            file,
            r#"{{"filename":"{filename}","hashes":{{"sha256":"{digest}"}},"requires-python":">=3.9","size":{},"upload-time":"{uploaded}","url":"/packages/{}/{filename}","yanked":false"#,
            130_000 + number,
            &digest[..20],
        )
        .unwrap();
        if number >= releases * 3 / 4 && pattern.ends_with("any.whl") {
            let metadata = Sha256::of(digest.as_bytes());
            write!(file, r#","core-metadata":{{"sha256":"{metadata}"}}"#).unwrap();
        }
        file.push('}');
        file
    })
}

/// A wheel with one module of noise, and its METADATA.
fn wheel(name: &str, stem: &str, size: usize) -> (Vec<u8>, String) {
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::with_capacity(size + 2_000)));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut noise = vec![0; size];
    rand::fill(&mut noise[..]);
    let info = format!("{stem}-1.0.dist-info");
    let members: [(String, &[u8]); 4] = [
        (format!("{stem}.bin"), &noise),
        (format!("{info}/METADATA"), metadata.as_bytes()),
        (format!("{info}/WHEEL"), b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        (format!("{info}/RECORD"), b""),
    ];
    for (member, bytes) in members {
        zip.start_file(member, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    (zip.finish().unwrap().into_inner(), metadata)
}
