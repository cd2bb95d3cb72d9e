//! The queue and its uploads.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::error::ApiError;
use super::super::extract::Segments;
use super::Desk;
use super::artifacts::DownloadBody;
use super::body::{Asked, EventBody, PageBody, UploadBody};
use crate::domain::{Ecosystem, Project, ProjectName, State as UploadState, Upload};
use crate::quarantine::desk::Target;
use crate::quarantine::why::Why;
use crate::store::UploadQuery;

const PAGE: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// held, released, rejected or recalled.
    state: Option<String>,
    /// pypi, cpan or teapot.
    ecosystem: Option<String>,
    /// A project's name.
    project: Option<String>,
    /// At most 100.
    limit: Option<usize>,
    /// The last answer's `next`.
    cursor: Option<String>,
}

/// Uploads, by state, ecosystem or project.
#[utoipa::path(get, operation_id = "list_uploads", path = "/api/v1/uploads", params(ListQuery), security(("token" = ["viewer"])), responses((status = 200, body = PageBody<UploadBody>)))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<PageBody<UploadBody>>, ApiError> {
    let bad = |field: &str, error: &dyn std::fmt::Display| ApiError::bad_request(format!("{field}: {error}"));
    let ecosystem: Option<Ecosystem> =
        query.ecosystem.map(|text| text.parse().map_err(|error| bad("ecosystem", &error))).transpose()?;
    let project = query
        .project
        .map(|text| {
            if ecosystem.is_none() && text.contains(':') {
                return text.parse().map_err(|error| bad("project", &error));
            }
            let ecosystem = ecosystem.unwrap_or(Ecosystem::Pypi);
            // A name of Perl or Tcl has colons of its own.
            let rest = text.strip_prefix(ecosystem.as_str()).and_then(|rest| rest.strip_prefix(':'));
            let name = rest.filter(|name| !name.starts_with(':')).unwrap_or(&text);
            let name = ProjectName::parse(ecosystem, name).map_err(|error| bad("project", &error))?;
            Ok(Project { ecosystem, name })
        })
        .transpose()?;
    let state: Option<UploadState> =
        query.state.map(|text| text.parse().map_err(|error| bad("state", &error))).transpose()?;
    let cursor = query.cursor.map(|text| text.parse().map_err(|error| bad("cursor", &error))).transpose()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = desk.quarantine.uploads(&UploadQuery { state, ecosystem, project, limit, cursor }).await?;
    let next = (found.len() == limit).then(|| found.last().map(|upload| upload.id.to_string())).flatten();
    Ok(Json(PageBody { items: found.iter().map(UploadBody::from).collect(), next }))
}

/// So many downloads are told with an upload.
const MOST_DOWNLOADS: usize = 500;
/// So many other files; numpy has a hundred.
const MOST_SIBLINGS: usize = 300;

/// An upload with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadWithHistory {
    #[serde(flatten)]
    upload: UploadBody,
    history: Vec<EventBody>,
    /// Who fetched its bytes, the latest first; `GET /api/v1/artifacts/{sha256}` has all of them.
    downloads: Vec<DownloadBody>,
    /// The other files of its version.
    siblings: Vec<SiblingBody>,
}

/// Another file of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiblingBody {
    id: String,
    filename: String,
    state: String,
}

impl From<&Upload> for SiblingBody {
    fn from(upload: &Upload) -> Self {
        Self { id: upload.id.to_string(), filename: upload.filename.base().to_owned(), state: upload.state.to_string() }
    }
}

/// One upload: findings with evidence, verdict, history, downloads, the other files of its version.
#[utoipa::path(get, operation_id = "show_upload", path = "/api/v1/uploads/{id}", params(("id" = String, Path, description = "an id, its first characters, pypi:NAME==VERSION, cpan:NAME@VERSION or a file name")), security(("token" = ["viewer"])), responses((status = 200, body = UploadWithHistory), (status = 404)))]
pub(super) async fn one(
    State(desk): State<Desk>,
    Segments(id): Segments<String>,
) -> Result<Json<UploadWithHistory>, ApiError> {
    let upload = desk.quarantine.find(&id).await?;
    let history = desk.quarantine.history(&upload.id).await?;
    let downloads = match &upload.sha256 {
        Some(digest) => desk.quarantine.downloads_of(digest).await?,
        None => Vec::new(),
    };
    let siblings = desk.quarantine.siblings(&upload).await?;
    Ok(Json(UploadWithHistory {
        upload: UploadBody::from(&upload),
        history: history.iter().map(EventBody::from).collect(),
        siblings: siblings.iter().take(MOST_SIBLINGS).map(SiblingBody::from).collect(),
        downloads: downloads.into_iter().take(MOST_DOWNLOADS).map(DownloadBody::from).collect(),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyQuery {
    /// pypi:NAME, pypi:NAME==VERSION, cpan:NAME or cpan:NAME@VERSION.
    target: String,
}

/// What this proxy would serve of a name now, what not, why and until when.
#[utoipa::path(get, operation_id = "why", path = "/api/v1/why", params(WhyQuery), security(("token" = ["viewer"])), responses((status = 200, body = Why)))]
pub(super) async fn why(State(desk): State<Desk>, Asked(query): Asked<WhyQuery>) -> Result<Json<Why>, ApiError> {
    let target: Target = query.target.parse()?;
    Ok(Json(desk.quarantine.why(&target).await?))
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", security(("token" = ["viewer"])), responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(desk): State<Desk>) -> Result<Response, ApiError> {
    for (state, count) in desk.quarantine.counts().await? {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^52 uploads")]
        metrics::gauge!("lazaret_uploads", "state" => state.as_str()).set(count as f64);
    }
    let mut response = (desk.metrics)().into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
