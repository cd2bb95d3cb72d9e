//! Stories of advisories, of honest ones and of others.

mod index;
mod loading;
mod ranges;
mod records;

use serde_json::{Value, json};

use super::osv::{self, Document};
use super::{Advisories, Advisory};
use crate::domain::{Ecosystem, Project, Version};

fn project(text: &str) -> Project {
    text.parse().unwrap()
}

fn version(ecosystem: Ecosystem, raw: &str) -> Version {
    Version::parse(ecosystem, raw).unwrap()
}

/// What OSV calls it.
fn osv_name(ecosystem: Ecosystem) -> &'static str {
    if ecosystem == Ecosystem::Pypi { "PyPI" } else { "CPAN" }
}

/// A record about one package with these ranges and versions.
#[expect(clippy::needless_pass_by_value, reason = "json! is written in place")]
fn record(id: &str, package: &str, ranges: Value, versions: Value) -> Value {
    let project = project(package);
    let package = json!({ "ecosystem": osv_name(project.ecosystem), "name": project.name });
    json!({
        "schema_version": "1.7.4",
        "id": id,
        "modified": "2026-11-02T10:00:00Z",
        "published": "2026-11-01T10:00:00Z",
        "summary": format!("What {id} says"),
        "affected": [{ "package": package, "ranges": ranges, "versions": versions }],
    })
}

/// A range of this type from `introduced 1.0, fixed 1.2, ...`.
fn range(kind: &str, events: &str) -> Value {
    let event = |text: &str| {
        let (name, version) = text.trim().split_once(' ').unwrap();
        json!({ name: version })
    };
    let events: Vec<Value> = events.split(',').filter(|text| !text.is_empty()).map(event).collect();
    json!({ "type": kind, "events": events })
}

fn read(record: &Value) -> Document {
    osv::read(record.to_string().as_bytes()).unwrap()
}

/// The only advisory of a record about one package.
fn only(record: &Value) -> Advisory {
    let [advisory] = <[Advisory; 1]>::try_from(read(record).advisories).unwrap();
    advisory
}

fn index(records: &[Value]) -> Advisories {
    Advisories::of_documents(records.iter().map(read))
}
