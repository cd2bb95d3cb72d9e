//! Health: alive is alive; ready means that listeners, store and cellar work. Upstreams are reported, not required.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::domain::{Ecosystem, Mode, Sha256, Timestamp};
use crate::quarantine::Quarantine;

pub(in crate::http) async fn live() -> &'static str {
    "alive\n"
}

pub(in crate::http) async fn ready(State(quarantine): State<Arc<Quarantine>>) -> Response {
    let store = quarantine.counts().await;
    let cellar = quarantine.blobs().size(&Sha256::of(b"")).await;
    let ready = store.is_ok() && cellar.is_ok();
    let room = quarantine.check_room().await;
    let clock = quarantine.timekeeper.check();
    let upstreams: Vec<_> = quarantine
        .upstream()
        .breakers()
        .into_iter()
        .map(|(host, state)| json!({ "host": host, "state": state.as_str() }))
        .collect();
    let modes: BTreeMap<&str, Mode> =
        Ecosystem::ALL.into_iter().map(|ecosystem| (ecosystem.as_str(), quarantine.mode_of(ecosystem))).collect();
    let enforce_from = quarantine.enforces_from().map(in_words);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let words = |result: Result<(), String>| result.err().unwrap_or_else(|| "ok".to_owned());
    let body = json!({
        "ready": ready,
        "store": words(store.map(|_| ()).map_err(|error| error.to_string())),
        "blobs": words(cellar.map(|_| ()).map_err(|error| error.to_string())),
        "disk": words(room.map_err(|error| error.to_string())),
        "clock": words(clock.map_err(|trouble| trouble.to_string())),
        "upstreams": upstreams,
        "policy": quarantine.policy_trouble().map_or_else(|| "ok".to_owned(), |trouble| trouble.to_string()),
        "modes": modes,
        "break_glass": quarantine.glass().is_open(),
        "enforce_from": enforce_from,
    });
    (status, Json(body)).into_response()
}

fn in_words(time: Timestamp) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
