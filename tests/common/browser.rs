//! A very small HTTP client that keeps everything an answer says, the reason phrase too.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// 0 if there was no answer.
    pub(crate) status: u16,
    /// The reason phrase; empty where it is the usual one.
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body broke off before its end.
    pub(crate) cut: bool,
}

impl Answer {
    /// A header's text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} {}: no JSON ({error}): {}", self.status, self.reason, self.text()))
    }
}

/// The client; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    client: Arc<Client<HttpConnector, Full<Bytes>>>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self { client: Arc::new(Client::builder(TokioExecutor::new()).build_http()) }
    }

    /// Sends one request and reads the whole answer, or what came of it.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Full::from(json.to_string())
            }
            None => Full::default(),
        };
        let request = request.body(body).unwrap_or_else(|error| panic!("{url}: {error}"));
        let response = match self.client.request(request).await {
            Ok(response) => response,
            // Closed without a word.
            Err(error) => {
                let (headers, body) = (HeaderMap::new(), Bytes::new());
                return Answer { status: 0, reason: format!("{error:?}"), headers, body, cut: true };
            }
        };
        let (head, mut incoming) = response.into_parts();
        let reason = head.extensions.get::<hyper::ext::ReasonPhrase>();
        let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned()).unwrap_or_default();
        let mut bytes = Vec::new();
        let mut cut = false;
        while let Some(frame) = incoming.frame().await {
            let Ok(frame) = frame else {
                cut = true;
                break;
            };
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        Answer { status: head.status.as_u16(), reason, headers: head.headers, body: bytes.into(), cut }
    }
}
