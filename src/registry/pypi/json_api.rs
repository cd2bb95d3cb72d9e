//! The JSON API, `/pypi/{project}/json`: a second index of the same files, rewritten by the same verdicts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::domain::{FileKind, FileName, ListedFile, ProjectName, Sha256, Version, Yanked};
use crate::registry::ReadError;

use super::core_metadata::Metadata;
use super::members::{Members, push_object};
use super::render::{PageFile, quote};
use super::value::{List, Value};

/// Largest document that is read; litellm's has 2.6 MB.
pub const LARGEST_DOCUMENT: usize = 64 * 1024 * 1024;

/// Weaknesses kept of a version; the weakest releases have some fifty.
const MOST_WEAKNESSES: usize = 100;
/// Names and fixed versions kept of each.
const MOST_NAMES: usize = 20;
/// Accounts kept of a project; the largest teams have some thirty.
const MOST_ROLES: usize = 100;
/// Characters kept of an account's name, of the name of a weakness; PyPI allows 50 for an account.
const LONGEST_NAME: usize = 100;
/// Characters kept of what a weakness is about.
const LONGEST_WEAKNESS: usize = 300;

/// Characters kept of a fact.
const LONGEST_TEXT: usize = 2_000;

/// Where the client finds a file that it may have; `None` for a file that is not shown.
pub type Keep<'k> = dyn Fn(&FileName, Option<Sha256>) -> Option<String> + 'k;

/// A project's document, opened: what we do not look at is passed on as it came.
#[derive(Debug)]
pub struct ProjectDocument<'a> {
    members: Members<'a>,
}

/// A document fit for our clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewriteOutcome {
    /// The bytes to serve.
    pub body: Vec<u8>,
    /// Whether `info` and `urls` are about the newest version that clients may have. If not, they need that version's own
    /// document, or a [synthesised](synthesise) one.
    pub newest_matches: bool,
}

/// Who may change a project, as the index shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OwnerRole {
    /// `Owner` or `Maintainer`.
    pub role: String,
    /// The account's name.
    pub user: String,
}

/// A known weakness of the version that the document is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vulnerability {
    /// `PYSEC-...` or `GHSA-...`.
    pub id: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// One line, perhaps empty.
    pub summary: String,
    /// The versions that mend it.
    pub fixed_in: Vec<Version>,
}

/// What a document says that pages do not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectFacts {
    /// Which version the facts are about.
    pub version: Option<Version>,
    /// `Requires-Dist` of that version.
    pub requires_dist: Vec<String>,
    /// One line.
    pub summary: Option<String>,
    /// `Home-page`.
    pub home_page: Option<String>,
    /// Label and address.
    pub project_urls: Vec<(String, String)>,
    /// `Author`.
    pub author: Option<String>,
    /// `Author-email`.
    pub author_email: Option<String>,
    /// `Maintainer`.
    pub maintainer: Option<String>,
    /// `Maintainer-email`.
    pub maintainer_email: Option<String>,
    /// The organisation that owns the project.
    pub organization: Option<String>,
    /// `None`: unknown. An organisation's projects can show an empty list, which is unknown too, not "nobody".
    pub roles: Option<Vec<OwnerRole>>,
    /// What is known to be wrong with that version; withdrawn warnings are left out.
    pub vulnerabilities: Vec<Vulnerability>,
}

impl ProjectFacts {
    /// What the version's METADATA would say, as far as the document tells.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            requires_dist: self.requires_dist.clone(),
            summary: self.summary.clone(),
            author: self.author.clone(),
            author_email: self.author_email.clone(),
            maintainer: self.maintainer.clone(),
            maintainer_email: self.maintainer_email.clone(),
            home_page: self.home_page.clone(),
            project_urls: self.project_urls.clone(),
            ..Metadata::default()
        }
    }
}

/// Opens and rewrites a document; see [`ProjectDocument::rewrite`].
pub fn rewrite(body: &[u8], keep: &Keep<'_>, newest: Option<&Version>) -> Result<RewriteOutcome, ReadError> {
    ProjectDocument::read(body)?.rewrite(keep, newest)
}

/// Opens a document for its facts; see [`ProjectDocument::facts`].
pub fn facts(body: &[u8]) -> Result<ProjectFacts, ReadError> {
    ProjectDocument::read(body)?.facts()
}

impl<'a> ProjectDocument<'a> {
    /// Opens a document.
    pub fn read(body: &'a [u8]) -> Result<Self, ReadError> {
        if body.len() > LARGEST_DOCUMENT {
            return Err(ReadError::TooLarge { what: "the project's JSON document in bytes", limit: LARGEST_DOCUMENT });
        }
        let members: Members<'a> = serde_json::from_slice(body)?;
        if members.get("info").is_none() {
            return Err(ReadError::NotAnIndexPage);
        }
        Ok(Self { members })
    }

    /// Drops the files that `keep` does not want, and releases without files; points the others at our addresses. Everything
    /// else (vulnerabilities, ownership, `last_serial`) stays as it came.
    pub fn rewrite(&self, keep: &Keep<'_>, newest: Option<&Version>) -> Result<RewriteOutcome, ReadError> {
        let mut body = Vec::new();
        push_object(&mut body, &self.members, |out, key, raw| match key {
            "urls" => push_files(out, raw, keep).map(drop),
            "releases" => push_releases(out, raw, keep),
            _ => {
                out.extend_from_slice(raw.get().as_bytes());
                Ok(())
            }
        })?;
        let version = self.info()?.version();
        let newest_matches = newest.zip(version).is_some_and(|(newest, version)| newest.is_same_release(&version));
        Ok(RewriteOutcome { body, newest_matches })
    }

    /// What the signals want to know.
    pub fn facts(&self) -> Result<ProjectFacts, ReadError> {
        let info = self.info()?;
        let ownership = match self.members.get("ownership") {
            Some(raw) => serde_json::from_str::<Option<Ownership<'_>>>(raw.get())?.unwrap_or_default(),
            None => Ownership::default(),
        };
        let vulnerabilities = match self.members.get("vulnerabilities") {
            Some(raw) => serde_json::from_str::<List<Weakness<'_>>>(raw.get())?.0,
            None => Vec::new(),
        };
        let mut roles: Vec<OwnerRole> = ownership.roles.0.into_iter().filter_map(Role::read).collect();
        if roles.len() > MOST_ROLES {
            // Owners first, and in order, so that the same accounts are kept however they are listed.
            roles.sort_unstable_by(|one, two| (&two.role, &one.user).cmp(&(&one.role, &two.user)));
            roles.dedup();
            roles.truncate(MOST_ROLES);
        }
        Ok(ProjectFacts {
            version: info.version(),
            requires_dist: info.requires_dist.list().iter().map(|line| short(line)).collect(),
            summary: text(info.summary),
            home_page: text(info.home_page),
            project_urls: info
                .project_urls
                .table()
                .iter()
                .map(|(label, address)| (short(label), short(address)))
                .collect(),
            author: text(info.author),
            author_email: text(info.author_email),
            maintainer: text(info.maintainer),
            maintainer_email: text(info.maintainer_email),
            vulnerabilities: vulnerabilities.into_iter().take(MOST_WEAKNESSES).filter_map(Weakness::read).collect(),
            organization: text(ownership.organization),
            roles: (!roles.is_empty()).then_some(roles),
        })
    }

    fn info(&self) -> Result<Info<'a>, ReadError> {
        let raw = self.members.get("info").ok_or(ReadError::NotAnIndexPage)?;
        Ok(serde_json::from_str(raw.get())?)
    }
}

fn text(value: Value<'_>) -> Option<String> {
    value.text().filter(|text| !text.is_empty()).map(|text| short(&text))
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

/// A name, which is no text.
fn name(value: Value<'_>) -> Option<String> {
    text(value).map(|text| text.chars().take(LONGEST_NAME).collect())
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow, default)]
    version: Value<'a>,
    #[serde(borrow, default)]
    requires_dist: Value<'a>,
    #[serde(borrow, default)]
    summary: Value<'a>,
    #[serde(borrow, default)]
    home_page: Value<'a>,
    #[serde(borrow, default)]
    project_urls: Value<'a>,
    #[serde(borrow, default)]
    author: Value<'a>,
    #[serde(borrow, default)]
    author_email: Value<'a>,
    #[serde(borrow, default)]
    maintainer: Value<'a>,
    #[serde(borrow, default)]
    maintainer_email: Value<'a>,
}

impl Info<'_> {
    fn version(&self) -> Option<Version> {
        if let Value::Text(version) = &self.version { Version::pypi(version).ok() } else { None }
    }
}

#[derive(Deserialize, Default)]
struct Ownership<'a> {
    #[serde(borrow, default)]
    organization: Value<'a>,
    #[serde(borrow, default)]
    roles: List<Role<'a>>,
}

#[derive(Deserialize)]
struct Role<'a> {
    #[serde(borrow, default)]
    role: Value<'a>,
    #[serde(borrow, default)]
    user: Value<'a>,
}

impl Role<'_> {
    fn read(self) -> Option<OwnerRole> {
        Some(OwnerRole { role: name(self.role)?, user: name(self.user)? })
    }
}

#[derive(Deserialize)]
struct Weakness<'a> {
    #[serde(borrow, default)]
    id: Value<'a>,
    #[serde(borrow, default)]
    aliases: Value<'a>,
    #[serde(borrow, default)]
    summary: Value<'a>,
    #[serde(borrow, default)]
    fixed_in: Value<'a>,
    #[serde(borrow, default)]
    withdrawn: Value<'a>,
}

impl Weakness<'_> {
    fn read(self) -> Option<Vulnerability> {
        if self.withdrawn != Value::Nothing {
            return None;
        }
        let id = name(self.id)?;
        let aliases = self.aliases.list();
        let aliases = aliases.iter().filter(|alias| alias.chars().count() <= LONGEST_NAME).take(MOST_NAMES);
        let aliases = aliases.map(ToString::to_string).collect();
        let fixed_in = self.fixed_in.list();
        let fixed_in = fixed_in.iter().take(MOST_NAMES).filter_map(|raw| Version::pypi(raw).ok());
        Some(Vulnerability {
            id,
            aliases,
            summary: text(self.summary).unwrap_or_default().chars().take(LONGEST_WEAKNESS).collect(),
            fixed_in: fixed_in.collect(),
        })
    }
}

/// The releases that still have a file.
fn push_releases(out: &mut Vec<u8>, raw: &RawValue, keep: &Keep<'_>) -> Result<(), ReadError> {
    let releases: Members<'_> = serde_json::from_str::<Option<_>>(raw.get())?.unwrap_or_default();
    out.push(b'{');
    let start = out.len();
    for (version, files) in &releases.0 {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        quote(out, version);
        out.push(b':');
        if push_files(out, files, keep)? == 0 {
            out.truncate(before);
        }
    }
    out.push(b'}');
    Ok(())
}

/// The kept files of a list; returns how many.
fn push_files(out: &mut Vec<u8>, raw: &RawValue, keep: &Keep<'_>) -> Result<usize, ReadError> {
    let files: List<Members<'_>> = serde_json::from_str(raw.get())?;
    let mut kept = 0;
    out.push(b'[');
    for file in &files.0 {
        let Some(url) = our_address(file, keep) else { continue };
        if kept > 0 {
            out.push(b',');
        }
        push_object(out, file, |out, key, raw| {
            if key == "url" {
                quote(out, &url);
            } else {
                out.extend_from_slice(raw.get().as_bytes());
            }
            Ok(())
        })?;
        kept += 1;
    }
    out.push(b']');
    Ok(kept)
}

fn our_address(file: &Members<'_>, keep: &Keep<'_>) -> Option<String> {
    let filename = FileName::parse(&file.value("filename").text()?).ok()?;
    let digests = file.value("digests");
    let sha256 = digests.table().iter().find(|(name, _)| name == "sha256").and_then(|(_, hex)| hex.parse().ok());
    keep(&filename, sha256)
}

/// A document from what we know ourselves, for when the upstream's is about a version that clients may not have.
pub fn synthesise(
    project: &ProjectName,
    newest: &Version,
    metadata: Option<&Metadata>,
    files: &[PageFile<'_>],
    url_of: &dyn Fn(&ListedFile, &Sha256) -> String,
) -> Vec<u8> {
    let mut releases: BTreeMap<&str, Vec<serde_json::Value>> = BTreeMap::new();
    let mut urls = Vec::new();
    for shown in files {
        let entry = file_entry(shown, &url_of(shown.file, &shown.sha256));
        if shown.file.version.is_same_release(newest) {
            urls.push(entry.clone());
        }
        releases.entry(shown.file.version.as_str()).or_default().push(entry);
    }
    let yanked = !urls.is_empty() && urls.iter().all(|entry| entry["yanked"] == true);
    let known = metadata.cloned().unwrap_or_default();
    let project_urls: BTreeMap<String, String> = known.project_urls.into_iter().collect();
    let document = json!({
        "info": {
            "name": if known.name.is_empty() { project.as_str() } else { &known.name },
            "version": newest,
            "summary": known.summary,
            "author": known.author,
            "author_email": known.author_email,
            "maintainer": known.maintainer,
            "maintainer_email": known.maintainer_email,
            "home_page": known.home_page,
            "project_urls": if project_urls.is_empty() { None } else { Some(project_urls) },
            "requires_dist": if known.requires_dist.is_empty() { None } else { Some(known.requires_dist) },
            "requires_python": known.requires_python,
            "dynamic": if known.dynamic.is_empty() { None } else { Some(known.dynamic) },
            "yanked": yanked,
            "yanked_reason": if yanked { urls[0]["yanked_reason"].clone() } else { serde_json::Value::Null },
        },
        "last_serial": 0,
        "releases": releases,
        "urls": urls,
        "vulnerabilities": [],
    });
    document.to_string().into_bytes()
}

fn file_entry(shown: &PageFile<'_>, url: &str) -> serde_json::Value {
    let file = shown.file;
    let reason = if let Yanked::Because(reason) = &shown.yanked { Some(reason) } else { None };
    json!({
        "filename": file.filename,
        "url": url,
        "digests": { "sha256": shown.sha256 },
        "size": file.size.unwrap_or_default(),
        "packagetype": match file.kind {
            FileKind::Wheel => "bdist_wheel",
            FileKind::Source => "sdist",
            FileKind::Legacy => "bdist_dumb",
        },
        "requires_python": file.requires_python,
        "upload_time_iso_8601": file.uploaded,
        "yanked": shown.yanked != Yanked::No,
        "yanked_reason": reason,
    })
}

#[cfg(test)]
mod tests;
