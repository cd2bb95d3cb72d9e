//! What several records say together, and what changes when records do.

use serde_json::{Value, json};

use super::{index, osv_name, project, range, read, record, version};
use crate::advisory::{Advisories, AdvisoryKind, Database};
use crate::domain::Ecosystem;

fn with_aliases(mut record: Value, aliases: &[&str]) -> Value {
    record["aliases"] = json!(aliases);
    record
}

/// A record about a PyPI project with one range.
fn vulnerability(id: &str, name: &str, events: &str, aliases: &[&str]) -> Value {
    let ranges = json!([range("ECOSYSTEM", events)]);
    with_aliases(record(id, &format!("pypi:{name}"), ranges, json!([])), aliases)
}

#[test]
fn a_version_is_asked_about_and_answered() {
    let advisories = index(&[
        vulnerability("GHSA-1", "thing", "introduced 0, fixed 1.2", &[]),
        vulnerability("GHSA-2", "thing", "introduced 1.1, fixed 1.5", &[]),
        vulnerability("GHSA-3", "other", "introduced 0", &[]),
    ]);
    let thing = project("pypi:Thing");
    let ids = |raw: &str| {
        let affecting = advisories.affecting(&thing, &version(Ecosystem::Pypi, raw));
        affecting.iter().map(|advisory| advisory.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("1.0"), ["GHSA-1"]);
    assert_eq!(ids("1.1"), ["GHSA-1", "GHSA-2"]);
    assert_eq!(ids("1.5"), [""; 0]);
    assert_eq!(advisories.of(&project("cpan:thing")).len(), 0);
    assert_eq!((advisories.count(), advisories.projects().count()), (3, 2));
    assert_eq!(format!("{advisories:?}"), "Advisories(3 about 2 projects)");
    assert_eq!(Advisories::default().count(), 0);
}

#[test]
fn records_of_the_same_thing_are_joined_however_they_come() {
    let mut records = vec![
        vulnerability("PYSEC-2026-1", "thing", "introduced 0, fixed 1.2", &["CVE-2026-1"]),
        vulnerability("GHSA-aaaa", "thing", "introduced 0, fixed 1.2, introduced 2.0, fixed 2.1", &["CVE-2026-1"]),
        // Joined by two steps: it and the others name nothing in common but through a fourth.
        vulnerability("SNYK-1", "thing", "introduced 3.0, last_affected 3.1", &["OSV-1"]),
        vulnerability("OSV-1", "thing", "", &["PYSEC-2026-1"]),
        // The same alias elsewhere is another project's.
        vulnerability("GHSA-bbbb", "other", "introduced 0", &["CVE-2026-1"]),
        // And this one has nothing to do with it.
        vulnerability("GHSA-cccc", "thing", "introduced 0", &["CVE-2026-2"]),
    ];
    records[0]["summary"] = Value::Null;
    records[0]["published"] = "2025-01-01T00:00:00Z".into();
    let first = index(&records);
    let thing = project("pypi:thing");
    let [joined, apart] = first.of(&thing) else { panic!("{:?}", first.of(&thing)) };
    assert_eq!(joined.id, "GHSA-aaaa");
    assert_eq!(joined.aliases, ["CVE-2026-1", "OSV-1", "PYSEC-2026-1", "SNYK-1"]);
    assert_eq!(
        joined.sources().iter().map(Database::as_str).collect::<Vec<_>>(),
        ["GHSA", "OSV", "PYSEC", "SNYK"],
        "a CVE is only named by them"
    );
    assert_eq!(joined.affected_versions().collect::<Vec<_>>(), ["<1.2", ">=2.0,<2.1", ">=3.0,<=3.1"]);
    assert_eq!(joined.summary.as_deref(), Some("What GHSA-aaaa says"));
    assert_eq!(joined.published.unwrap().year(), 2025);
    assert_eq!(apart.id, "GHSA-cccc");
    assert_eq!(first.of(&project("pypi:other"))[0].aliases, ["CVE-2026-1"]);

    records.reverse();
    records.rotate_left(2);
    let again = index(&records);
    assert_eq!(again.digest(), first.digest());
    assert_eq!(again.changed_since(&first), []);
}

#[test]
fn malware_and_its_advisory_are_malware() {
    let advisories = index(&[
        vulnerability("GHSA-aaaa", "evil", "introduced 1.5, last_affected 1.6", &[]),
        with_aliases(record("MAL-2026-7", "pypi:evil", json!([]), json!(["1.4", "1.5"])), &["GHSA-aaaa"]),
    ]);
    let [evil] = advisories.of(&project("pypi:evil")) else { panic!() };
    assert_eq!((evil.id.as_str(), evil.kind), ("MAL-2026-7", AdvisoryKind::Malware));
    assert_eq!(evil.affected_versions().collect::<Vec<_>>(), [">=1.5,<=1.6", "==1.4"]);
}

#[test]
fn what_was_withdrawn_is_not_there_and_takes_nothing_along() {
    let mut taken_back = vulnerability("GHSA-old", "thing", "introduced 0", &["CVE-1"]);
    taken_back["withdrawn"] = "2026-11-03T00:00:00Z".into();
    let advisories =
        index(&[taken_back.clone(), vulnerability("GHSA-new", "thing", "introduced 0, fixed 1.0", &["CVE-1"])]);
    let [left] = advisories.of(&project("pypi:thing")) else { panic!() };
    assert_eq!((left.id.as_str(), left.aliases.as_slice()), ("GHSA-new", &["CVE-1".to_owned()][..]));
    assert!(!left.whole_project());
    assert_eq!(index(&[taken_back]).projects().count(), 0);
}

#[test]
fn a_record_may_be_about_several_projects() {
    let package = |ecosystem, name: &str| json!({ "ecosystem": osv_name(ecosystem), "name": name });
    let record = json!({ "id": "GHSA-1", "affected": [
        { "package": package(Ecosystem::Pypi, "one"), "versions": ["1.0"] },
        { "package": package(Ecosystem::Cpan, "Two"), "versions": ["2.0"] },
        { "package": package(Ecosystem::Pypi, "one"), "versions": ["3.0"] },
    ] });
    let advisories = index(&[record]);
    assert_eq!(advisories.count(), 2);
    assert_eq!(advisories.of(&project("pypi:one"))[0].affected_versions().collect::<Vec<_>>(), ["==1.0", "==3.0"]);
    assert_eq!(advisories.of(&project("cpan:Two"))[0].affected_versions().collect::<Vec<_>>(), ["==2.0"]);
}

#[test]
fn only_projects_of_which_something_else_is_known_have_changed() {
    let old = [
        vulnerability("GHSA-1", "stays", "introduced 0, fixed 1.0", &[]),
        vulnerability("GHSA-2", "widens", "introduced 0, fixed 1.0", &[]),
        vulnerability("GHSA-3", "goes", "introduced 0, fixed 1.0", &[]),
        vulnerability("GHSA-4", "gets-a-fix", "introduced 0, limit 1.0", &[]),
    ];
    let mut new = vec![
        vulnerability("GHSA-1", "stays", "introduced 0, fixed 1.0", &[]),
        vulnerability("GHSA-2", "widens", "introduced 0, fixed 1.1", &[]),
        vulnerability("GHSA-4", "gets-a-fix", "introduced 0, fixed 1.0", &[]),
        vulnerability("GHSA-5", "comes", "introduced 0", &[]),
    ];
    // Exported again, and nothing else.
    new[0]["modified"] = "2026-11-25T00:00:00Z".into();
    let (before, now) = (index(&old), index(&new));
    let changed: Vec<String> = now.changed_since(&before).iter().map(ToString::to_string).collect();
    assert_eq!(changed, ["pypi:comes", "pypi:gets-a-fix", "pypi:goes", "pypi:widens"]);
    assert_eq!(before.changed_since(&now), now.changed_since(&before));
    assert_eq!(now.digest_of(&project("pypi:stays")), before.digest_of(&project("pypi:stays")));
    assert_eq!(now.digest_of(&project("pypi:goes")), None);
    assert_ne!(now.digest(), before.digest());
    assert_eq!(now.changed_since(&Advisories::default()).len(), 4);
}

#[test]
fn a_crowd_of_records_about_one_project_is_joined_in_no_time() {
    // A chain: each names the next, so that all are one.
    let link = |at: usize| {
        vulnerability(&format!("OSV-{at}"), "thing", "introduced 1, fixed 2", &[&format!("OSV-{}", at + 1)])
    };
    let records: Vec<Value> = (0..3_000).rev().map(link).collect();
    let advisories = Advisories::of_documents(records.iter().map(read));
    let [one] = advisories.of(&project("pypi:thing")) else { panic!("{advisories:?}") };
    assert_eq!(one.aliases.len(), 3_000);
    assert_eq!(one.affected_versions().collect::<Vec<_>>(), [">=1,<2"]);
}
