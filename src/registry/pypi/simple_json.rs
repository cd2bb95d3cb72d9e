//! The JSON form of a project's page: [PEP 691](https://peps.python.org/pep-0691/) and its later minor versions.

use std::borrow::Cow;

use serde::Deserialize;
use url::Url;

use crate::domain::{CoreMetadata, Listing, ProjectName, ProjectStatus, Yanked};
use crate::registry::ReadError;

use super::listing::{Collector, RawFile, check_api_version, fact, promise, short};
use super::value::{List, Value};

pub(super) fn read(body: &[u8], page: &Url, project: &ProjectName) -> Result<Listing, ReadError> {
    let document: Document<'_> = serde_json::from_slice(body)?;
    if let Some(version) = document.meta.api_version.text() {
        check_api_version(&version)?;
    }
    if let Some(name) = document.name.text()
        && ProjectName::pypi(&name).as_ref() != Ok(project)
    {
        return Err(ReadError::OtherProject(short(&name)));
    }
    let mut collector = Collector::new(project, page);
    for file in document.files.0 {
        collector.add(file.into_raw())?;
    }
    let listing = &mut collector.listing;
    listing.status = match document.status {
        Value::Nothing => status(document.meta.status.text(), document.meta.status_reason.text()),
        Value::Table(members) => status(member(&members, "status"), member(&members, "reason")),
        other => status(other.text(), None),
    };
    listing.serial = match document.meta.last_serial {
        Value::Number(number) => Some(number.to_string().into()),
        other => other.text().and_then(|text| fact(&text)),
    };
    listing.tracks = facts(document.meta.tracks);
    listing.alternate_locations = facts(document.alternate_locations);
    Ok(collector.listing)
}

fn status(status: Option<Cow<'_, str>>, reason: Option<Cow<'_, str>>) -> ProjectStatus {
    ProjectStatus {
        status: status.and_then(|text| fact(&text)).unwrap_or_default(),
        reason: reason.and_then(|text| fact(&text)),
    }
}

fn member<'a>(members: &[(Cow<'a, str>, Cow<'a, str>)], name: &str) -> Option<Cow<'a, str>> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

fn facts(value: Value<'_>) -> Vec<Box<str>> {
    value.list().iter().filter_map(|text| fact(text)).collect()
}

/// The whole page. Without `files` it is something else: an error in JSON must not look like a project that lost its files.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    meta: Meta<'a>,
    #[serde(borrow, default)]
    name: Value<'a>,
    #[serde(borrow)]
    files: List<File<'a>>,
    #[serde(borrow, default, rename = "project-status")]
    status: Value<'a>,
    #[serde(borrow, default, rename = "alternate-locations")]
    alternate_locations: Value<'a>,
}

/// [PEP 792](https://peps.python.org/pep-0792/)'s prose puts the status at the top level, its own example in here: both are
/// read.
#[derive(Deserialize, Default)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "api-version")]
    api_version: Value<'a>,
    #[serde(borrow, default, rename = "_last-serial")]
    last_serial: Value<'a>,
    #[serde(borrow, default)]
    tracks: Value<'a>,
    #[serde(borrow, default, rename = "project-status")]
    status: Value<'a>,
    #[serde(borrow, default, rename = "project-status-reason")]
    status_reason: Value<'a>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    filename: Value<'a>,
    #[serde(borrow, default)]
    url: Value<'a>,
    #[serde(borrow, default)]
    hashes: Value<'a>,
    #[serde(borrow, default)]
    size: Value<'a>,
    #[serde(borrow, default, rename = "requires-python")]
    requires_python: Value<'a>,
    #[serde(borrow, default)]
    yanked: Value<'a>,
    #[serde(borrow, default, rename = "upload-time")]
    upload_time: Value<'a>,
    #[serde(borrow, default, rename = "core-metadata")]
    core_metadata: Value<'a>,
    #[serde(borrow, default, rename = "dist-info-metadata")]
    dist_info_metadata: Value<'a>,
    #[serde(borrow, default, rename = "data-dist-info-metadata")]
    data_dist_info_metadata: Value<'a>,
    #[serde(borrow, default, rename = "gpg-sig")]
    gpg_sig: Value<'a>,
    #[serde(borrow, default)]
    provenance: Value<'a>,
}

impl<'a> File<'a> {
    fn into_raw(self) -> RawFile<'a> {
        // [PEP 714](https://peps.python.org/pep-0714/): the new name first, then the name meant before, then the one in use.
        let core_metadata = [self.core_metadata, self.dist_info_metadata, self.data_dist_info_metadata]
            .into_iter()
            .find(|value| *value != Value::Nothing)
            .unwrap_or_default();
        RawFile {
            filename: self.filename.text().unwrap_or_default(),
            url: self.url.text().unwrap_or_default(),
            promise: promise(self.hashes.table().iter().map(|(name, hex)| (&**name, &**hex))),
            size: self.size.number(),
            uploaded: self.upload_time.text(),
            requires_python: self.requires_python.text(),
            yanked: yanked(self.yanked),
            core_metadata: read_core_metadata(&core_metadata),
            gpg_signature: self.gpg_sig.flag(),
            provenance: self.provenance.text(),
        }
    }
}

/// What is true or a text that is not empty withdraws the file.
fn yanked(value: Value<'_>) -> Yanked {
    match value {
        Value::Flag(true) => Yanked::Yes,
        Value::Text(reason) if !reason.is_empty() => Yanked::Because(reason.into()),
        _ => Yanked::No,
    }
}

fn read_core_metadata(value: &Value<'_>) -> CoreMetadata {
    match value {
        Value::Flag(true) => CoreMetadata::Yes,
        Value::Table(hashes) if !hashes.is_empty() => {
            let sha256 = hashes.iter().find(|(name, _)| name == "sha256").and_then(|(_, hex)| hex.parse().ok());
            sha256.map_or(CoreMetadata::Yes, CoreMetadata::Digest)
        }
        _ => CoreMetadata::No,
    }
}
