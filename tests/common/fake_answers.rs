//! What the fake index answers: pages, files, documents, and the faults that were ordered.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use lazaret::domain::Sha256;

use super::fake_pypi::{Asked, FakeFile, Manner, State, normalised};
use super::faults::Fault;
use super::index_pages;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Answers one request, after it was written down.
pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let fault = {
        let mut memory = state.memory();
        let asked = Asked { method: request.method().clone(), path: path.clone(), headers: request.headers().clone() };
        memory.asked.push(asked);
        memory.faults.iter().rev().find(|(text, _)| path.contains(text.as_str())).map(|(_, fault)| fault.clone())
    };
    state.asked.send_modify(|count| *count += 1);
    match &fault {
        Some(Fault::HangUp) => return Err(std::io::Error::other("hung up on order")),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::HeldBack(gate)) => gate.pass().await,
        _ => {}
    }
    let mut response = match &fault {
        Some(Fault::Status(status)) => {
            let body = "<html><body><h1>Something is wrong</h1></body></html>";
            let status = StatusCode::from_u16(*status).expect("a status");
            plain(status, "text/html", body.into())
        }
        Some(Fault::Redirect(to)) => {
            let mut response = plain(StatusCode::FOUND, "text/plain", Bytes::new());
            response.headers_mut().insert(header::LOCATION, to.parse().expect("a header"));
            response
        }
        Some(Fault::Garbage) => {
            plain(StatusCode::OK, "application/vnd.pypi.simple.v1+json", "{\"files\": [[[ garbage".into())
        }
        _ => state.page(&request),
    };
    let date = std::time::SystemTime::from(state.clock.true_time());
    response.headers_mut().insert(header::DATE, httpdate::fmt_http_date(date).parse().expect("a header"));
    let (head, body) = response.into_parts();
    let body = match fault {
        Some(Fault::CutAfter(bytes)) => cut(&body, bytes),
        _ => Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync(),
    };
    Ok(Response::from_parts(head, body))
}

/// The whole length is promised, then the connection breaks.
fn cut(body: &Bytes, after: usize) -> Body {
    let first = body.slice(..after.min(body.len()));
    let parts = [Ok(Frame::data(first)), Err(std::io::Error::other("cut on order"))];
    StreamBody::new(stream::iter(parts)).boxed_unsync()
}

fn plain(status: StatusCode, content_type: &str, body: Bytes) -> Response<Bytes> {
    let length = body.len();
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, content_type);
    response.header(header::CONTENT_LENGTH, length).body(body).expect("an answer")
}

fn missing() -> Response<Bytes> {
    plain(StatusCode::NOT_FOUND, "text/plain", "404 Not Found".into())
}

impl State {
    fn page(&self, request: &Request<Incoming>) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let response = match parts.as_slice() {
            ["simple"] => self.root(request),
            ["simple", name] => self.simple(name, request),
            ["files", project, filename] => self.file(project, filename, request),
            ["pypi", name, "json"] => self.document(name, None),
            ["pypi", name, version, "json"] if self.manner == Manner::Rich => self.document(name, Some(version)),
            _ => missing(),
        };
        if request.method() == Method::HEAD { response.map(|_| Bytes::new()) } else { response }
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
        let base = format!("http://{}", self.address);
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
            let mut response = plain(StatusCode::OK, kind, gzip(&text));
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

fn gzip(text: &str) -> Bytes {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("writing to memory");
    gzip.finish().expect("a finished gzip").into()
}
