//! All that is known of some bytes, by their digest.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::super::extract::Segments;
use super::Desk;
use super::body::UploadBody;
use crate::domain::Sha256;
use crate::store::Download;

/// Some bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArtifactBody {
    sha256: String,
    size: Option<u64>,
    /// What kind of file it is, by its name.
    mime_type: &'static str,
    /// What a wheel's name says it runs on.
    platform: Option<String>,
    /// Whether the bytes are in the cellar.
    kept: bool,
    /// What the upstreams promised about them.
    checksums: Vec<String>,
    /// Versions that they require exactly.
    dependencies: Vec<String>,
    /// Where they came from, under which names, and what became of them.
    uploads: Vec<UploadBody>,
    downloads: Vec<DownloadBody>,
}

/// Who fetched them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DownloadBody {
    actor: String,
    day: String,
    count: u64,
}

impl From<Download> for DownloadBody {
    fn from(download: Download) -> Self {
        Self { actor: download.actor, day: download.day, count: download.count }
    }
}

/// All that is known of the bytes with this digest.
#[utoipa::path(get, operation_id = "show_artifact", path = "/api/v1/artifacts/{sha256}", params(("sha256" = String, Path)), security(("token" = ["viewer"])), responses((status = 200, body = ArtifactBody), (status = 404)))]
pub(super) async fn one(
    State(desk): State<Desk>,
    Segments(sha256): Segments<String>,
) -> Result<Json<ArtifactBody>, ApiError> {
    let digest: Sha256 = sha256.parse().map_err(|error| ApiError::bad_request(format!("sha256: {error}")))?;
    let artifact = desk.quarantine.artifact(&digest).await?;
    let first = artifact.uploads.first();
    let name = first.map(|upload| upload.filename.as_str()).unwrap_or_default();
    let mut checksums: Vec<String> = artifact
        .uploads
        .iter()
        .filter_map(|upload| upload.promise.as_ref().map(ToString::to_string))
        .chain([format!("sha256:{digest}")])
        .collect();
    checksums.sort();
    checksums.dedup();
    let pins = artifact.uploads.iter().filter_map(|upload| upload.pins.as_ref()).flatten();
    let mut dependencies: Vec<String> = pins.map(|pin| format!("{}=={}", pin.project, pin.version)).collect();
    dependencies.sort();
    dependencies.dedup();
    Ok(Json(ArtifactBody {
        sha256: digest.to_string(),
        size: artifact.size.or_else(|| first.and_then(|upload| upload.size)),
        mime_type: mime_type(name),
        platform: platform(name),
        kept: artifact.size.is_some(),
        checksums,
        dependencies,
        uploads: artifact.uploads.iter().map(UploadBody::from).collect(),
        downloads: artifact.downloads.into_iter().map(DownloadBody::from).collect(),
    }))
}

fn mime_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("whl" | "zip" | "egg") => "application/zip",
        Some("gz" | "tgz") => "application/gzip",
        Some("bz2") => "application/x-bzip2",
        Some("xz") => "application/x-xz",
        _ => "application/octet-stream",
    }
}

/// The platform tag: the last part of a wheel's name, PEP 427.
fn platform(name: &str) -> Option<String> {
    name.strip_suffix(".whl")?.rsplit('-').next().map(str::to_owned)
}
