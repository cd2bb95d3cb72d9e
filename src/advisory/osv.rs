//! One record in [OSV's format](https://ossf.github.io/osv-schema/) (the parts of schema 1.7 that say which versions are
//! affected), read from bounded bytes.
//!
//! Only what cannot be missing is insisted on: an object with an id. What is optional and has a wrong type counts as
//! missing, unknown fields are skipped, and of other ecosystems nothing is kept.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;

use super::line::line;
use super::span::{EventKind, Events, Place, Span};
use super::{Advisory, AdvisoryError, AdvisoryKind, Database};
use crate::domain::{Ecosystem, Project, ProjectName, Timestamp};

/// Longest record read, in bytes; the longest real ones have half a megabyte.
pub const LONGEST_RECORD: usize = 4 << 20;

/// Longest summary kept, in characters.
pub const LONGEST_SUMMARY: usize = 300;

const MOST_AFFECTED: usize = 10_000;
/// Projects of ours in one record: each gets a copy of what the record says.
const MOST_PROJECTS: usize = 1_000;
const MOST_RANGES: usize = 1_000;
const MOST_EVENTS: usize = 10_000;
/// Of one package; the projects with the most releases have some 6,000.
const MOST_VERSIONS: usize = 50_000;
const MOST_ALIASES: usize = 200;
const MOST_SEVERITIES: usize = 50;
const LONGEST_ID: usize = 128;
const LONGEST_SEVERITY: usize = 160;

/// A record, by the projects of ours that it speaks of.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// When it last changed: of two with one id the later counts.
    pub modified: Option<Timestamp>,
    /// When it was taken back.
    pub withdrawn: Option<Timestamp>,
    /// What it says of each project of PyPI and CPAN.
    pub advisories: Vec<Advisory>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    aliases: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    severity: Option<&'a RawValue>,
    #[serde(borrow)]
    published: Option<&'a RawValue>,
    #[serde(borrow)]
    modified: Option<&'a RawValue>,
    #[serde(borrow)]
    withdrawn: Option<&'a RawValue>,
    #[serde(borrow)]
    affected: Option<&'a RawValue>,
    #[serde(borrow)]
    database_specific: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Affected<'a> {
    #[serde(borrow)]
    package: Option<&'a RawValue>,
    #[serde(borrow)]
    severity: Option<&'a RawValue>,
    #[serde(borrow)]
    ranges: Option<&'a RawValue>,
    #[serde(borrow)]
    versions: Option<&'a RawValue>,
    #[serde(borrow)]
    ecosystem_specific: Option<&'a RawValue>,
    #[serde(borrow)]
    database_specific: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Package<'a> {
    #[serde(borrow)]
    ecosystem: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Range<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    introduced: Option<&'a RawValue>,
    #[serde(borrow)]
    fixed: Option<&'a RawValue>,
    #[serde(borrow)]
    last_affected: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Score<'a> {
    #[serde(borrow)]
    score: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Specific<'a> {
    #[serde(borrow)]
    severity: Option<&'a RawValue>,
    #[serde(borrow, rename = "malicious-packages-origins")]
    origins: Option<&'a RawValue>,
}

/// Reads a record. A record of other ecosystems alone is one without advisories.
///
/// # Errors
/// [`AdvisoryError::NotOsv`] and [`AdvisoryError::TooLarge`].
pub fn read(bytes: &[u8]) -> Result<Document, AdvisoryError> {
    if bytes.len() > LONGEST_RECORD {
        return Err(AdvisoryError::TooLarge { what: "bytes", most: LONGEST_RECORD });
    }
    let not_osv = |why: String| AdvisoryError::NotOsv { why };
    let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(|error| not_osv(error.to_string()))?;
    // serde takes a list for an object's fields in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(not_osv("it is a list".to_owned()));
    }
    let id = wire.id.and_then(id_of).ok_or_else(|| not_osv("it has no id".to_owned()))?;
    let aliases = list(wire.aliases, MOST_ALIASES, "aliases")?.into_iter().filter_map(id_of).collect();
    let withdrawn = time(wire.withdrawn);
    let modified = time(wire.modified);
    let specific = wire.database_specific.and_then(object::<Specific<'_>>);
    let kind = kind_of(&id, specific.as_ref());
    let severity = match specific.and_then(|specific| severity_word(specific.severity)) {
        Some(word) => Some(word),
        None => first_score(wire.severity)?,
    };
    let summary = wire.summary.and_then(text).and_then(|summary| line(&summary, LONGEST_SUMMARY));
    // Some databases write details alone.
    let summary = summary.or_else(|| first_line(&text(wire.details?)?));

    let mut found: HashMap<Project, Entry> = HashMap::new();
    for affected in list(wire.affected, MOST_AFFECTED, "affected packages")? {
        let Some(affected) = object::<Affected<'_>>(affected) else { continue };
        let Some(project) = affected.package.and_then(project_of) else { continue };
        let ecosystem = project.ecosystem;
        found.entry(project).or_default().add(&affected, ecosystem)?;
        if found.len() > MOST_PROJECTS {
            return Err(AdvisoryError::TooLarge { what: "projects", most: MOST_PROJECTS });
        }
    }
    let advisory = |(project, entry): (Project, Entry)| {
        let mut advisory = Advisory {
            project,
            id: id.clone(),
            aliases: Vec::clone(&aliases),
            kind,
            summary: summary.clone(),
            severity: severity.clone().or(entry.severity),
            published: time(wire.published),
            modified,
            withdrawn,
            recorded_by: Database::of_id(&id).into_iter().collect(),
            spans: entry.spans,
            versions: entry.versions,
        };
        if kind == AdvisoryKind::Malware && !entry.names_versions && advisory.spans.is_empty() {
            advisory.spans.push(Span::EVERYTHING);
        }
        advisory.tidy();
        advisory
    };
    let mut advisories: Vec<Advisory> = found.into_iter().map(advisory).collect();
    advisories.sort_by(|one, two| one.project.cmp(&two.project));
    Ok(Document { id, modified, withdrawn, advisories })
}

/// What the entries of one project say together.
#[derive(Default)]
struct Entry {
    spans: Vec<Span>,
    versions: Vec<Place>,
    /// Versions are listed, if only such as nobody can read.
    names_versions: bool,
    severity: Option<String>,
}

impl Entry {
    fn add(&mut self, affected: &Affected<'_>, ecosystem: Ecosystem) -> Result<(), AdvisoryError> {
        let listed = list(affected.versions, MOST_VERSIONS, "versions")?;
        let listed: Vec<String> = listed.into_iter().filter_map(text_or_number).collect();
        self.names_versions |= !listed.is_empty();
        let versions: Vec<Place> = listed.iter().filter_map(|raw| Place::read(ecosystem, raw)).collect();
        for range in list(affected.ranges, MOST_RANGES, "ranges")? {
            let Some(events) = events_of(range, ecosystem)? else { continue };
            // A range that cannot be read well says less than the list of the same versions.
            if !events.is_vague || versions.is_empty() {
                self.spans.extend(events.into_spans());
            }
        }
        self.versions.extend(versions);
        if self.versions.len() > MOST_VERSIONS {
            return Err(AdvisoryError::TooLarge { what: "versions", most: MOST_VERSIONS });
        }
        let specific = [affected.database_specific, affected.ecosystem_specific];
        let word = specific.into_iter().flatten().find_map(|raw| severity_word(object::<Specific<'_>>(raw)?.severity));
        if self.severity.is_none() {
            self.severity = match word {
                Some(word) => Some(word),
                None => first_score(affected.severity)?,
            };
        }
        Ok(())
    }
}

/// The events of a range in the ecosystem's order; `None` for commits and for what is no range.
fn events_of(range: &RawValue, ecosystem: Ecosystem) -> Result<Option<Events>, AdvisoryError> {
    let Some(range) = object::<Range<'_>>(range) else { return Ok(None) };
    let kind = range.kind.and_then(text).unwrap_or_default();
    // PyPI has no semantic versions of its own; where a record says so, its numbers are ordered as PyPI's are.
    if !matches!(kind.as_str(), "ECOSYSTEM" | "SEMVER") {
        return Ok(None);
    }
    let mut events = Events::default();
    for event in list(range.events, MOST_EVENTS, "events")? {
        let Some(event) = object::<Event<'_>>(event) else { continue };
        let said = [
            (EventKind::Introduced, event.introduced),
            (EventKind::Fixed, event.fixed),
            (EventKind::LastAffected, event.last_affected),
            (EventKind::Limit, event.limit),
        ];
        for (kind, raw) in said {
            if let Some(version) = raw.and_then(text_or_number) {
                events.add(ecosystem, kind, &version);
            }
        }
    }
    Ok(Some(events))
}

/// The project of a package of ours.
fn project_of(raw: &RawValue) -> Option<Project> {
    let package: Package<'_> = object(raw)?;
    let ecosystem = text(package.ecosystem?)?;
    // A part after the colon names a repository or a release of the ecosystem.
    let ecosystem = match ecosystem.split(':').next()? {
        name if name.eq_ignore_ascii_case("PyPI") => Ecosystem::Pypi,
        name if name.eq_ignore_ascii_case("CPAN") => Ecosystem::Cpan,
        _ => return None,
    };
    let name = ProjectName::parse(ecosystem, text(package.name?)?.trim()).ok()?;
    Some(Project { ecosystem, name })
}

fn kind_of(id: &str, specific: Option<&Specific<'_>>) -> AdvisoryKind {
    let has_origins =
        |specific: &Specific<'_>| specific.origins.and_then(items).is_some_and(|origins| !origins.is_empty());
    if id.starts_with("MAL-") || specific.is_some_and(has_origins) {
        AdvisoryKind::Malware
    } else {
        AdvisoryKind::Vulnerability
    }
}

fn severity_word(raw: Option<&RawValue>) -> Option<String> {
    line(&text(raw?)?, LONGEST_SEVERITY)
}

/// The first vector or score of a `severity` list.
fn first_score(raw: Option<&RawValue>) -> Result<Option<String>, AdvisoryError> {
    let scores = list(raw, MOST_SEVERITIES, "severities")?;
    Ok(scores
        .into_iter()
        .find_map(|score| line(&text_or_number(object::<Score<'_>>(score)?.score?)?, LONGEST_SEVERITY)))
}

/// The first line of the details that says something.
fn first_line(details: &str) -> Option<String> {
    let says_something = |text: &&str| text.chars().any(char::is_alphanumeric);
    line(details.lines().find(says_something)?, LONGEST_SUMMARY)
}

/// An id: a bounded word without spaces.
fn id_of(raw: &RawValue) -> Option<String> {
    text(raw).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn time(raw: Option<&RawValue>) -> Option<Timestamp> {
    Timestamp::parse(&text(raw?)?, &Rfc3339).ok()
}

/// An object of this shape; `None` for anything else.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    if raw.get().starts_with('{') { serde_json::from_str(raw.get()).ok() } else { None }
}

fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A text, or a number as it is written: versions that went through YAML lose their quotes.
fn text_or_number(raw: &RawValue) -> Option<String> {
    let written = raw.get();
    let is_number = written.starts_with(|first: char| first.is_ascii_digit());
    if is_number { Some(written.to_owned()) } else { text(raw) }
}

/// The items of a list, which may not be there, or be something else.
fn list<'a>(raw: Option<&'a RawValue>, most: usize, what: &'static str) -> Result<Vec<&'a RawValue>, AdvisoryError> {
    let items = raw.and_then(items).unwrap_or_default();
    if items.len() > most { Err(AdvisoryError::TooLarge { what, most }) } else { Ok(items) }
}
