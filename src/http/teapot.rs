//! The teapot listener: a repository as teacup knows it, from one filtered index; files pass the gate.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use hyper::ext::ReasonPhrase;

use super::layers::{self, Via};
use super::package::{live, ready};
use super::porter::Door;
use super::visitor::Visitor;
use crate::domain::Ecosystem;
use crate::quarantine::teapot::gate::InstanceAnswer;
use crate::quarantine::{Quarantine, QuarantineError, in_seconds, printable};
use crate::registry::teapot::{Answer, FileForm, Instance, Request, content_type_of, xfile_head};

/// How long a client waits for the first index there ever is. teacup itself would wait for ever.
const PATIENCE: Duration = Duration::from_mins(1);
/// The same repository is served here too, for who prefers a path of its own.
const PREFIX: &str = "/teapot";
/// How much of a file is looked at to tell its content type.
const LOOK_AT: u64 = 64 << 10;
/// The longest sentence that a refusal says; teacup wraps it at 64 columns.
const LONGEST_SENTENCE: usize = 400;

/// All routes of the teapot listener.
pub fn router(quarantine: Arc<Quarantine>, door: Door, via: &str) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .fallback(get(answer))
        .layer(middleware::map_response_with_state(Via::named(via), layers::via))
        .layer(middleware::from_fn_with_state(door, layers::observe))
        .with_state(quarantine)
}

async fn answer(State(quarantine): State<Arc<Quarantine>>, visitor: Visitor, method: Method, uri: Uri) -> Response {
    // The path as it came: a name may hold a slash, which is only told apart while it is encoded.
    let (prefix, path) = match uri.path().strip_prefix(PREFIX) {
        Some(path) if path.is_empty() || path.starts_with('/') => (PREFIX, path),
        _ => ("", uri.path()),
    };
    let request = Request::read(path);
    match &request {
        Request::Unknown | Request::Journal => respond(Answer::sentence(404, "There is nothing here."), &method),
        Request::File { instance, form } => match file(&quarantine, instance, *form, &visitor, &method).await {
            Ok(response) => response,
            Err(error) => failed(&error, *form),
        },
        _ => {
            let unread = "lazaret has not read the teapot repository yet. Try again in a moment.";
            let published = quarantine.teapot_view(PATIENCE).await;
            let answer = published.map(|published| published.answer(&request).under(prefix));
            respond(answer.unwrap_or_else(|| Answer::sentence(503, unread)), &method)
        }
    }
}

fn respond(answer: Answer, method: &Method) -> Response {
    let length = answer.body.len();
    let mut response = Response::new(if method == Method::HEAD { Body::empty() } else { Body::from(answer.body) });
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // A sentence may repeat the name that was asked for: no browser may take it for a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(Ok(location)) = answer.location.map(HeaderValue::try_from) {
        headers.insert(header::LOCATION, location);
    }
    if let Some(Ok(reason)) = answer.reason.map(|reason| ReasonPhrase::try_from(printable(&reason, 100).into_bytes())) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// teacup shows the body of a refused `file` and nothing of a refused `xfile`, after which it asks for `file`.
fn refused(status: u16, sentence: &str, form: FileForm) -> Response {
    let answer = match form {
        FileForm::Xfile => Answer::sentence(404, ""),
        FileForm::File(_) => Answer::sentence(status, &printable(sentence, LONGEST_SENTENCE)),
    };
    respond(answer, &Method::GET)
}

fn failed(error: &QuarantineError, form: FileForm) -> Response {
    match error {
        QuarantineError::NotFound(what) => refused(404, &format!("{what} is not in this repository."), form),
        QuarantineError::AskedTooMuch { wait } => {
            let mut response = refused(429, &format!("{error}."), form);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(in_seconds(*wait)));
            response
        }
        error => refused(503, &format!("{error}; try again later."), form),
    }
}

async fn file(
    quarantine: &Arc<Quarantine>,
    instance: &Instance,
    form: FileForm,
    visitor: &Visitor,
    method: &Method,
) -> Result<Response, QuarantineError> {
    match quarantine.teapot_file(instance).await? {
        InstanceAnswer::Refused(refusal) => {
            // teacup asks for the same again as `file` after `xfile`.
            if matches!(form, FileForm::File(_)) {
                quarantine.note_refusal(Ecosystem::Teapot, &refusal, visitor.fetcher());
            }
            Ok(refused(403, &refusal.sentence(quarantine.public_url()), form))
        }
        InstanceAnswer::NotYet { retry_after } => {
            let sentence =
                format!("{instance} is being fetched and verified, try again in {} s.", retry_after.as_secs());
            Ok(refused(503, &sentence, form))
        }
        InstanceAnswer::Ready { sha256, signature, leave } => {
            quarantine.note_download(sha256, visitor.fetcher());
            quarantine.note_lenience(&leave, visitor.fetcher());
            let size = u64::from(signature.size());
            let blobs = quarantine.blobs();
            let mut beginning = Vec::new();
            let mut first = blobs.read(&sha256, 0..size.min(LOOK_AT)).await?;
            while let Some(chunk) = first.next().await {
                beginning.extend_from_slice(&chunk?);
            }
            let content_type = content_type_of(&beginning);
            let head = match form {
                FileForm::Xfile => xfile_head(&signature),
                FileForm::File(_) => String::new(),
            };
            let length = head.len() as u64 + size;
            let body = if method == Method::HEAD {
                Body::empty()
            } else {
                let start = [Bytes::from(head), Bytes::from(beginning)];
                let start = stream::iter(start.into_iter().filter(|bytes| !bytes.is_empty()).map(Ok));
                let rest = if size > LOOK_AT { Some(blobs.read(&sha256, LOOK_AT..size).await?) } else { None };
                let rest = stream::iter(rest).flatten().map(|chunk| chunk.map_err(std::io::Error::other));
                let whole = start.chain(rest).boxed();
                Body::from_stream(stream::try_unfold((whole, leave), |(mut whole, mut leave)| async move {
                    let Some(bytes) = whole.next().await else { return Ok(None) };
                    let bytes: Bytes = bytes?;
                    leave.check().await.map_err(std::io::Error::other)?;
                    Ok::<_, std::io::Error>(Some((bytes, (whole, leave))))
                }))
            };
            let mut response = Response::new(body);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Ok(response)
        }
    }
}
