//! The way to the packages listener: whether what stands in front lets reason phrases, parts of files, HEAD, bodies of refusals,
//! validators and packed pages through as they are. Without these pip and uv break, or say nothing when something is held.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value as Json;
use url::Url;

use super::super::api_client::{self, Fetched};
use super::{CliError, Lines};
use crate::domain::{Sha256, probe};

/// For each question.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nothing under `/probe/` is longer.
const LONGEST: usize = 1 << 20;
/// uv asks for the end of a wheel.
const TAIL: usize = 16 << 10;

/// The address of a load balancer, without a password: it would stand in the list of processes.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let hint = "write the address that clients use, like https://lazaret.example.test/";
    let mut url = Url::parse(text).map_err(|_| hint.to_owned())?;
    let bare = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !bare {
        return Err(hint.to_owned());
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Asks all questions; what does not answer ends them.
pub(super) async fn look(base: &Url, ca_file: Option<&Path>) -> Result<Lines, CliError> {
    let way = Way { base, client: api_client::build(ca_file)? };
    let mut lines = Lines::default();
    let Some(refused) = way.get(&mut lines, "refusal", Method::GET, "probe/refusal", &[]).await else {
        return Ok(lines);
    };
    refusal(&mut lines, &refused);
    way.head(&mut lines).await;
    way.file(&mut lines).await;
    way.range(&mut lines).await;
    way.validators(&mut lines).await;
    way.pages(&mut lines).await;
    Ok(lines)
}

struct Way<'a> {
    base: &'a Url,
    client: api_client::HttpClient,
}

impl Way<'_> {
    async fn get(
        &self,
        lines: &mut Lines,
        check: &str,
        method: Method,
        path: &str,
        headers: &[(header::HeaderName, String)],
    ) -> Option<Fetched> {
        let url = self.base.join(path).ok()?;
        match api_client::fetch(&self.client, method, &url, headers, LONGEST, PATIENCE).await {
            Ok(fetched) => Some(fetched),
            Err(why) => {
                lines.fail(check, format!("no whole answer: {why}"), "look whether it leads to the packages listener");
                None
            }
        }
    }

    async fn head(&self, lines: &mut Lines) {
        let Some(head) = self.get(lines, "HEAD", Method::HEAD, "probe/file", &[]).await else { return };
        let length = text(&head.headers, header::CONTENT_LENGTH);
        if head.status == StatusCode::OK && length == probe::file().len().to_string() {
            lines.ok("HEAD", "is answered with the length");
        } else {
            let what = format!("answers {} with the length {:?}", head.status.as_u16(), length);
            lines.fail("HEAD", what, "let HEAD through: uv and pip ask for the size with it");
        }
    }

    async fn file(&self, lines: &mut Lines) {
        let accepts = [(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd".to_owned())];
        let Some(whole) = self.get(lines, "files", Method::GET, "probe/file", &accepts).await else { return };
        let next = "switch compression off for this service: digests and ranges are of the bytes as they are";
        let packed = text(&whole.headers, header::CONTENT_ENCODING);
        if !packed.is_empty() {
            lines.fail("files", format!("are packed on the way ({packed})"), next);
        } else if whole.status != StatusCode::OK || whole.body != probe::file() {
            lines.fail("files", format!("arrive changed (status {})", whole.status.as_u16()), next);
        } else {
            lines.ok("files", "arrive byte for byte");
        }
        if text(&whole.headers, header::CACHE_CONTROL).contains("no-transform") {
            lines.ok("no-transform", "arrives");
        } else {
            lines.fail(
                "no-transform",
                "Cache-Control arrives changed",
                "let the header through: caches further on heed it",
            );
        }
    }

    async fn range(&self, lines: &mut Lines) {
        let file = probe::file();
        let size = file.len();
        let parts = [(format!("bytes=-{TAIL}"), size - TAIL..size), ("bytes=100-299".to_owned(), 100..300)];
        for (asked, expected) in parts {
            let headers = [(header::RANGE, asked.clone())];
            let Some(part) = self.get(lines, "Range", Method::GET, "probe/file", &headers).await else { return };
            let place = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            let is_it = part.status == StatusCode::PARTIAL_CONTENT
                && text(&part.headers, header::CONTENT_RANGE) == place
                && part.body == file.slice(expected);
            if !is_it {
                let what = format!("{asked} is answered with {} and {} bytes", part.status.as_u16(), part.body.len());
                lines.fail(
                    "Range",
                    what,
                    "let Range and 206 through: uv reads the end of a wheel, and cut downloads go on",
                );
                return;
            }
        }
        lines.ok("Range", "parts arrive as they were asked for");
    }

    async fn validators(&self, lines: &mut Lines) {
        let etag = format!("\"{}\"", Sha256::of(&probe::file()));
        let next = "let ETag and If-None-Match through unchanged: pages are asked again by them";
        let headers = [(header::IF_NONE_MATCH, etag.clone())];
        let Some(whole) = self.get(lines, "ETag", Method::GET, "probe/file", &[]).await else { return };
        let Some(again) = self.get(lines, "If-None-Match", Method::GET, "probe/file", &headers).await else { return };
        if text(&whole.headers, header::ETAG) == etag {
            lines.ok("ETag", "arrives unchanged");
        } else {
            lines.fail("ETag", format!("arrives as {:?}", text(&whole.headers, header::ETAG)), next);
        }
        if again.status == StatusCode::NOT_MODIFIED && again.body.is_empty() {
            lines.ok("If-None-Match", "is answered with 304");
        } else {
            lines.fail("If-None-Match", format!("is answered with {}", again.status.as_u16()), next);
        }
    }

    async fn pages(&self, lines: &mut Lines) {
        let next = "let Accept-Encoding and Content-Encoding through, and do not pack again: pages are prepared packed";
        let accepts = [(header::ACCEPT_ENCODING, "gzip".to_owned())];
        let Some(packed) = self.get(lines, "gzip", Method::GET, "probe/page", &accepts).await else { return };
        let Some(plain) = self.get(lines, "gzip", Method::GET, "probe/page", &[]).await else { return };
        let digest = packed.headers.get(probe::DIGEST_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if text(&packed.headers, header::CONTENT_ENCODING) != "gzip" {
            lines.fail("gzip", "a page that was asked for packed arrives unpacked", next);
        } else if digest != Sha256::of(&packed.body).to_string() {
            lines.fail("gzip", "a packed page arrives as other bytes", next);
        } else if !text(&plain.headers, header::CONTENT_ENCODING).is_empty() || plain.body != probe::page() {
            lines.fail("gzip", "a page arrives packed or changed where nobody asked for it", next);
        } else {
            lines.ok("gzip", "packed pages arrive as they were sent");
        }
    }
}

/// The phrase and the body of a refusal.
fn refusal(lines: &mut Lines, refused: &Fetched) {
    if refused.status != StatusCode::FORBIDDEN {
        let what = format!("/probe/refusal answers {} in the place of 403", refused.status.as_u16());
        lines.fail("refusal", what, "lead all paths to the packages listener, and let its statuses through");
    }
    if refused.reason.as_deref() == Some(probe::phrase().as_str()) {
        lines.ok("reason phrase", "arrives unchanged: pip prints why");
    } else {
        let what = match &refused.reason {
            Some(_) => "another one arrives",
            None => "it does not arrive",
        };
        let next = "speak HTTP/1.1 to clients and let the phrase through; without it pip prints no reason";
        lines.fail("reason phrase", what, next);
    }
    let is_problem = text(&refused.headers, header::CONTENT_TYPE).starts_with("application/problem+json");
    let said = serde_json::from_slice::<Json>(&refused.body).ok();
    let detail = said.as_ref().and_then(|said| said.get("detail")?.as_str()).unwrap_or_default();
    if is_problem && detail.contains(probe::WHY) {
        lines.ok("body of a 403", "arrives unchanged: uv prints it");
    } else {
        lines.fail(
            "body of a 403",
            "another one arrives",
            "switch error pages of the balancer's own off for this service",
        );
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
