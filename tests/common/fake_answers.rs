//! What the fake index answers: pages, files, documents.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use lazaret::domain::Sha256;

use super::fake_pypi::{FakeFile, Manner, State, normalised};
use super::index_pages;
use super::loopback::{gzip, missing, plain};

impl State {
    /// Answers one request.
    pub(super) fn page(&self, request: &Request<Incoming>) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["simple"] => self.root(request),
            ["simple", name] => self.simple(name, request),
            ["files", project, filename] => self.file(project, filename, request),
            ["pypi", name, "json"] => self.document(name, None),
            ["pypi", name, version, "json"] if self.manner == Manner::Rich => self.document(name, Some(version)),
            _ => match self.memory().elsewhere.get(&path) {
                Some(bytes) => plain(StatusCode::OK, "application/octet-stream", bytes.clone()),
                None => missing(),
            },
        }
    }

    fn root(&self, request: &Request<Incoming>) -> Response<Bytes> {
        let as_json = self.wants_json(request);
        let memory = self.memory();
        let kind = if as_json { "application/vnd.pypi.simple.v1+json" } else { "text/html" };
        plain(StatusCode::OK, kind, index_pages::root(memory.projects.keys(), as_json).into())
    }

    fn wants_json(&self, request: &Request<Incoming>) -> bool {
        let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        self.manner != Manner::HtmlOnly && accept.contains("v1+json")
    }

    fn simple(&self, raw: &str, request: &Request<Incoming>) -> Response<Bytes> {
        let name = normalised(raw);
        if name != raw && self.manner == Manner::Rich {
            let mut response = plain(StatusCode::MOVED_PERMANENTLY, "text/plain", Bytes::new());
            response.headers_mut().insert(header::LOCATION, format!("/simple/{name}/").parse().expect("a header"));
            return response;
        }
        let memory = self.memory();
        let Some(project) = memory.projects.get(&name) else { return missing() };
        // As who asks knows it: there may be something in between.
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let base = host.map_or_else(|| format!("http://{}", self.address), |host| format!("http://{host}"));
        let (kind, text) = if self.wants_json(request) {
            ("application/vnd.pypi.simple.v1+json", index_pages::json(&name, project, self.manner, &base))
        } else {
            ("text/html; charset=utf-8", index_pages::html(&name, project, self.manner, &base))
        };
        if self.manner != Manner::Rich {
            return plain(StatusCode::OK, kind, text.into());
        }
        let etag = format!("\"{}\"", Sha256::of(text.as_bytes()));
        let sent = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let mut response = if sent(header::IF_NONE_MATCH) == Some(etag.as_str()) {
            let mut response = plain(StatusCode::NOT_MODIFIED, kind, Bytes::new());
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response
        } else if sent(header::ACCEPT_ENCODING).is_some_and(|accepted| accepted.contains("gzip")) {
            let mut response = plain(StatusCode::OK, kind, gzip(text.as_bytes()));
            response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
            response
        } else {
            plain(StatusCode::OK, kind, text.into())
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, etag.parse().expect("a header"));
        headers.insert(header::VARY, header::HeaderValue::from_static("Accept, Accept-Encoding"));
        headers.insert("x-pypi-last-serial", project.serial.into());
        response
    }

    fn file(&self, project: &str, filename: &str, request: &Request<Incoming>) -> Response<Bytes> {
        let memory = self.memory();
        let Some(project) = memory.projects.get(project) else { return missing() };
        let named = |name: &str| project.files.iter().find(|file| file.built.filename == name);
        if let Some(file) = named(filename) {
            return ranged(&file.built.bytes, request);
        }
        // Only a rich index has them.
        let metadata = filename.strip_suffix(".metadata").filter(|_| self.manner == Manner::Rich);
        match metadata.and_then(named).and_then(FakeFile::metadata) {
            Some(bytes) => plain(StatusCode::OK, "application/octet-stream", bytes.clone()),
            None => missing(),
        }
    }

    fn document(&self, name: &str, version: Option<&str>) -> Response<Bytes> {
        let name = normalised(name);
        let memory = self.memory();
        let base = format!("http://{}", self.address);
        let document =
            memory.projects.get(&name).and_then(|project| index_pages::document(&name, project, version, &base));
        match document {
            Some(text) => plain(StatusCode::OK, "application/json", text.into()),
            None => missing(),
        }
    }
}

/// The whole file, or the one range that was asked for.
fn ranged(bytes: &Bytes, request: &Request<Incoming>) -> Response<Bytes> {
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = range else {
        return plain(StatusCode::OK, "application/octet-stream", bytes.clone());
    };
    let first: usize = first.parse().unwrap_or(0).min(bytes.len());
    let last: usize = last.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
    let mut response = plain(StatusCode::PARTIAL_CONTENT, "application/octet-stream", bytes.slice(first..last));
    let range = format!("bytes {first}-{}/{}", last.saturating_sub(1), bytes.len());
    response.headers_mut().insert(header::CONTENT_RANGE, range.parse().expect("a header"));
    response
}
