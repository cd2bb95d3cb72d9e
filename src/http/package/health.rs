//! Health: alive is alive; ready means that listeners, store and cellar work. Upstreams are reported, not required.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

use crate::domain::Sha256;
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
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let words = |result: Result<(), String>| result.err().unwrap_or_else(|| "ok".to_owned());
    let body = json!({
        "ready": ready,
        "store": words(store.map(|_| ()).map_err(|error| error.to_string())),
        "blobs": words(cellar.map(|_| ()).map_err(|error| error.to_string())),
        "disk": words(room.map_err(|error| error.to_string())),
        "clock": words(clock.map_err(|trouble| trouble.to_string())),
        "upstreams": upstreams,
    });
    (status, Json(body)).into_response()
}
