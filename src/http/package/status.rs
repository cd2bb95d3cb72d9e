//! The public status page of an upload: what, why, until when, whom to ask. No evidence, no token.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use super::super::error::ApiError;
use super::super::extract::{self, Segments};
use crate::domain::{State as UploadState, Timestamp, Upload, moment};
use crate::quarantine::Quarantine;

#[derive(Debug, Serialize, Template)]
#[template(
    ext = "html",
    source = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ project }} {{ version }} is {{ state }}</title>
<style>body{font:16px/1.5 sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#222}code{background:#f2f2f2;padding:.1rem .3rem}dt{font-weight:600;margin-top:.8rem}dd{margin:0}</style>
</head><body>
<h1>{{ project }} {{ version }} is {{ state }}</h1>
<p>{{ why }}</p>
<dl>
<dt>File</dt><dd><code>{{ filename }}</code></dd>
{% if let Some(published) = published %}<dt>Published</dt><dd>{{ Self::words(published) }}</dd>{% endif %}
<dt>First seen here</dt><dd>{{ Self::words(self.first_seen) }}</dd>
{% if let Some(until) = hold_until %}<dt>Held until</dt><dd>{{ Self::words(until) }}, if the index still shows it unchanged then</dd>{% endif %}
<dt>Whom to ask</dt><dd>{{ ask }}</dd>
</dl>
</body></html>
"#
)]
struct Status {
    id: String,
    ecosystem: String,
    project: String,
    version: String,
    filename: String,
    state: UploadState,
    why: String,
    #[serde(with = "time::serde::rfc3339::option")]
    published: Option<Timestamp>,
    #[serde(with = "time::serde::rfc3339")]
    first_seen: Timestamp,
    #[serde(with = "time::serde::rfc3339::option")]
    hold_until: Option<Timestamp>,
    ask: String,
}

impl Status {
    /// A time for people; the template passes references.
    fn words(time: &Timestamp) -> String {
        moment(*time)
    }

    fn of(upload: &Upload) -> Self {
        let held = upload.state == UploadState::Held;
        let why = match (&upload.decision, upload.state) {
            (Some(decision), _) => decision.reason.clone(),
            (None, UploadState::Released) => "released by age".to_owned(),
            (None, _) => upload.verdict.reason.clone(),
        };
        Self {
            id: upload.id.to_string(),
            ecosystem: upload.project.ecosystem.to_string(),
            project: upload.project.name.to_string(),
            version: upload.version.to_string(),
            filename: upload.filename.base().to_owned(),
            state: upload.state,
            why,
            published: upload.published,
            first_seen: upload.first_seen,
            hold_until: upload.hold_until.filter(|_| held),
            ask: match (upload.state, &upload.id) {
                (UploadState::Released, _) => "nobody: it may be installed".to_owned(),
                (UploadState::Held, id) => {
                    format!(
                        "a reviewer of this lazaret, who can run: lazaret show {id} and lazaret approve {id} --reason ..."
                    )
                }
                (_, id) => {
                    format!(
                        "an admin of this lazaret, who can run: lazaret show {id} and lazaret reopen {id} --reason ..."
                    )
                }
            },
        }
    }
}

pub(super) async fn page(
    State(quarantine): State<Arc<Quarantine>>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let upload = quarantine.find_by_prefix(&id).await?;
    let mut status = Status::of(&upload);
    if let Some(since) = quarantine.frozen_since(&upload) {
        status.why = format!("frozen since {}: until that is lifted, nothing that came later is served", moment(since));
        "an admin of this lazaret, who can lift the freeze, or a reviewer, who can approve this file"
            .clone_into(&mut status.ask);
    }
    let accept = extract::text(&headers, header::ACCEPT).unwrap_or_default();
    let mut response = if accept.contains("json") {
        Json(status).into_response()
    } else {
        let page = status.render().map_err(|error| ApiError::bad_request(error.to_string()))?;
        Html(page).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
