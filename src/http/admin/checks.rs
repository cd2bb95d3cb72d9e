//! Questions about lock files: would what they name be served, and where does the public index have it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::Desk;
use super::body::Body;
use crate::domain::{Digest, DigestAlgorithm, Ecosystem, FileName, Project, Timestamp, Version};
use crate::quarantine::addresses::FileAddress;
use crate::quarantine::check::{Checked, Verdict};
use crate::quarantine::locked::{Wanted, WantedFile};

/// So many entries are judged at once.
const MOST_ENTRIES: usize = 500;
/// So many files of them: what one entry of a lock file may have.
const MOST_FILES: usize = 10_000;
/// So many files with name and hash, in bytes.
pub(super) const LONGEST_BODY: usize = 4 << 20;

/// What a lock file wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    /// At most 500, with at most 10,000 files.
    entries: Vec<WantedBody>,
}

/// One thing to install.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedBody {
    /// pypi:NAME or cpan:NAME.
    project: String,
    /// In exactly this version.
    #[serde(default)]
    version: Option<String>,
    /// The files that may be used; none: those of the version.
    #[serde(default)]
    files: Vec<WantedFileBody>,
}

/// A file that may be used: its name, its hash, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedFileBody {
    #[serde(default)]
    filename: Option<String>,
    /// sha256:DIGITS, or another algorithm's.
    #[serde(default)]
    hash: Option<String>,
}

/// What this proxy would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckBody {
    /// In the order of the question.
    answers: Vec<CheckAnswer>,
}

/// The verdict on one entry: refused if one of its files is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckAnswer {
    #[serde(flatten)]
    entry: VerdictBody,
    /// The verdicts on its files, in their order.
    files: Vec<VerdictBody>,
}

/// A verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerdictBody {
    /// serve, refuse, or unpinned where neither version nor file is named.
    verdict: String,
    /// Why it is refused.
    reason: Option<String>,
    /// When time will release it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    hold_until: Option<Timestamp>,
    /// The upload that keeps it, for `lazaret show`.
    upload_id: Option<String>,
}

impl From<&Verdict> for VerdictBody {
    fn from(verdict: &Verdict) -> Self {
        let (word, obstacle) = match verdict {
            Verdict::Serve => ("serve", None),
            Verdict::Refuse(obstacle) => ("refuse", Some(obstacle)),
            Verdict::Unpinned => ("unpinned", None),
        };
        Self {
            verdict: word.to_owned(),
            reason: obstacle.map(|obstacle| obstacle.why.clone()),
            hold_until: obstacle.and_then(|obstacle| obstacle.until),
            upload_id: obstacle.and_then(|obstacle| obstacle.id.as_ref()).map(ToString::to_string),
        }
    }
}

impl From<&Checked> for CheckAnswer {
    fn from(checked: &Checked) -> Self {
        let files = checked.files.iter().map(VerdictBody::from).collect();
        Self { entry: VerdictBody::from(&checked.verdict), files }
    }
}

/// Parses once, at the door.
pub(super) fn wanted(entries: &[WantedBody], most_files: usize) -> Result<Vec<Wanted>, ApiError> {
    let bad = |field: &str, error: &dyn std::fmt::Display| ApiError::bad_request(format!("{field}: {error}"));
    if entries.iter().map(|entry| entry.files.len()).sum::<usize>() > most_files {
        return Err(bad("files", &format!("at most {most_files} at once")));
    }
    let file = |body: &WantedFileBody| {
        let filename = body.filename.as_deref().map(FileName::in_folders).transpose();
        Ok::<_, ApiError>(WantedFile {
            filename: filename.map_err(|error| bad("filename", &error))?,
            digest: body.hash.as_deref().map(digest).transpose()?,
        })
    };
    let one = |body: &WantedBody| {
        let project: Project = body.project.parse().map_err(|error| bad("project", &error))?;
        let version = body.version.as_deref().map(|raw| Version::parse(project.ecosystem, raw)).transpose();
        let version = version.map_err(|error| bad("version", &error))?;
        Ok(Wanted { project, version, files: body.files.iter().map(file).collect::<Result<_, _>>()? })
    };
    entries.iter().map(one).collect()
}

fn digest(text: &str) -> Result<Digest, ApiError> {
    text.split_once(':')
        .and_then(|(algorithm, hex)| Digest::new(DigestAlgorithm::from_name(algorithm)?, hex))
        .ok_or_else(|| ApiError::bad_request("hash: write ALGORITHM:DIGITS, as in sha256:0123..."))
}

/// Whether this proxy would serve exactly these versions and files now. Changes nothing.
#[utoipa::path(post, operation_id = "check", path = "/api/v1/check", request_body = CheckRequest, security(("token" = ["viewer"])), responses((status = 200, body = CheckBody), (status = 400)))]
pub(super) async fn check(
    State(desk): State<Desk>,
    Body(asked): Body<CheckRequest>,
) -> Result<Json<CheckBody>, ApiError> {
    if asked.entries.len() > MOST_ENTRIES {
        return Err(ApiError::bad_request(format!("entries: at most {MOST_ENTRIES} at once")));
    }
    let answers = desk.quarantine.check(wanted(&asked.entries, MOST_FILES)?).await?;
    Ok(Json(CheckBody { answers: answers.iter().map(CheckAnswer::from).collect() }))
}

/// Files whose addresses are asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressesRequest {
    /// At most 500.
    files: Vec<NamedFileBody>,
}

/// A file on PyPI.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedFileBody {
    /// pypi:NAME
    project: String,
    filename: String,
    /// What its bytes must be.
    #[serde(default)]
    sha256: Option<String>,
}

/// Where the public index and this proxy have them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddressesBody {
    /// The public index, if there is one.
    index: Option<String>,
    /// The same here.
    proxy: String,
    /// In the order of the question.
    answers: Vec<AddressAnswer>,
}

/// Where one file is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddressAnswer {
    /// As the public index lists it.
    url: Option<String>,
    sha256: Option<String>,
    /// Why there is no address.
    reason: Option<String>,
}

impl From<Result<FileAddress, String>> for AddressAnswer {
    fn from(answer: Result<FileAddress, String>) -> Self {
        match answer {
            Ok(found) => Self { url: Some(found.url), sha256: Some(found.sha256.to_string()), reason: None },
            Err(reason) => Self { url: None, sha256: None, reason: Some(reason) },
        }
    }
}

/// Where the public index has files, as it lists them. Changes nothing.
#[utoipa::path(post, operation_id = "addresses", path = "/api/v1/addresses", request_body = AddressesRequest, security(("token" = ["viewer"])), responses((status = 200, body = AddressesBody), (status = 400)))]
pub(super) async fn addresses(
    State(desk): State<Desk>,
    Body(asked): Body<AddressesRequest>,
) -> Result<Json<AddressesBody>, ApiError> {
    if asked.files.len() > MOST_ENTRIES {
        return Err(ApiError::bad_request(format!("files: at most {MOST_ENTRIES} at once")));
    }
    let entry = |file: NamedFileBody| {
        let hash = file.sha256.map(|hex| format!("sha256:{hex}"));
        let files = vec![WantedFileBody { filename: Some(file.filename), hash }];
        WantedBody { project: file.project, version: None, files }
    };
    let entries: Vec<WantedBody> = asked.files.into_iter().map(entry).collect();
    let wanted = wanted(&entries, MOST_FILES)?;
    if wanted.iter().any(|wanted| wanted.project.ecosystem != Ecosystem::Pypi) {
        return Err(ApiError::bad_request("project: only files of pypi have addresses here"));
    }
    let answers = desk.quarantine.addresses(wanted).await?;
    Ok(Json(AddressesBody {
        index: desk.quarantine.public_index(),
        proxy: format!("{}/pypi/simple/", desk.quarantine.public_url().trim_end_matches('/')),
        answers: answers.into_iter().map(AddressAnswer::from).collect(),
    }))
}
