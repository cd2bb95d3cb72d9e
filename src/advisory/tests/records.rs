//! What a record says, and what it may not do.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{only, project, range, read, record, version};
use crate::advisory::osv::{self, LONGEST_RECORD};
use crate::advisory::{AdvisoryError, AdvisoryKind};
use crate::domain::Ecosystem;

#[test]
fn a_usual_record_is_read_as_it_is_written() {
    let record = json!({
        "schema_version": "1.7.4",
        "id": "GHSA-g3rq-g295-4j3m",
        "modified": "2025-02-21T05:31:46.317Z",
        "published": "2021-03-19T21:28:05Z",
        "aliases": ["CVE-2020-28493", "PYSEC-2021-66", "SNYK-PYTHON-JINJA2-1012994"],
        "related": ["OTHER-1"],
        "summary": "Regular Expression Denial of Service (ReDoS) in\nJinja2",
        "details": "long",
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L" }],
        "affected": [
            {
                "package": { "ecosystem": "PyPI", "name": "Jinja2", "purl": "pkg:pypi/jinja2" },
                "ranges": [range("ECOSYSTEM", "introduced 0, fixed 2.11.3")],
                "versions": ["2.0", "2.0rc1", "2.11.2"],
            },
            { "package": { "ecosystem": "npm", "name": "jinja2" }, "ranges": [range("SEMVER", "introduced 0")] },
            { "package": { "ecosystem": "PyPI:https://elsewhere", "name": "jinja2-fork" }, "versions": ["1.0"] },
        ],
        "database_specific": { "severity": "MODERATE", "cwe_ids": ["CWE-400"] },
        "something_new": [1, 2, { "three": 3 }],
    });
    let document = read(&record);
    let projects: Vec<String> = document.advisories.iter().map(|advisory| advisory.project.to_string()).collect();
    assert_eq!(projects, ["pypi:jinja2", "pypi:jinja2-fork"]);
    let advisory = &document.advisories[0];
    assert_eq!((advisory.id.as_str(), advisory.kind), ("GHSA-g3rq-g295-4j3m", AdvisoryKind::Vulnerability));
    assert_eq!(advisory.summary.as_deref(), Some("Regular Expression Denial of Service (ReDoS) in Jinja2"));
    assert_eq!(advisory.severity.as_deref(), Some("MODERATE"));
    assert_eq!(advisory.published.unwrap().year(), 2021);
    assert_eq!((advisory.modified.unwrap().year(), advisory.withdrawn), (2025, None));
    let sources: Vec<String> = advisory.sources().iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["GHSA"], "what it calls its aliases may be anything");
    // What the range covers is not listed again.
    assert_eq!(advisory.affected_versions().collect::<Vec<_>>(), ["<2.11.3"]);
}

#[test]
fn severity_is_a_word_or_else_what_is_scored() {
    let with = |change: fn(&mut Value)| {
        let mut record = record("GHSA-1", "pypi:thing", json!([]), json!(["1.0"]));
        change(&mut record);
        only(&record).severity
    };
    assert_eq!(with(|_| {}), None);
    let vector = |record: &mut Value| record["severity"] = json!([{ "type": "CVSS_V4", "score": "CVSS:4.0/AV:N" }]);
    assert_eq!(with(vector).as_deref(), Some("CVSS:4.0/AV:N"));
    assert_eq!(with(|record| record["severity"] = json!([{ "score": 7.5 }])).as_deref(), Some("7.5"));
    let own = |record: &mut Value| record["affected"][0]["ecosystem_specific"] = json!({ "severity": "HIGH" });
    assert_eq!(with(own).as_deref(), Some("HIGH"));
    assert_eq!(with(|record| record["database_specific"] = json!({ "severity": ["HIGH"] })), None);
}

#[test]
fn a_record_without_a_summary_says_its_details_first_line() {
    let mut record = record("PYSEC-2021-66", "pypi:thing", json!([]), json!(["1.0"]));
    record["summary"] = Value::Null;
    record["details"] = "\n---\n## Source: someone\nThe rest".into();
    assert_eq!(only(&record).summary.as_deref(), Some("## Source: someone"));
    record["details"] = "x".repeat(1000).into();
    assert_eq!(only(&record).summary.unwrap().chars().count(), 300);
    record["details"] = "\n---\n".into();
    assert_eq!(only(&record).summary, None);
}

#[test]
fn malware_without_versions_is_the_whole_project() {
    let everything = json!([range("ECOSYSTEM", "introduced 0")]);
    let some = json!([range("ECOSYSTEM", "introduced 1.0, fixed 1.2")]);
    let commits = json!([range("GIT", "introduced 0")]);
    for (ranges, versions, whole) in [
        (json!([]), json!([]), true),
        (Value::Null, Value::Null, true),
        (everything.clone(), json!(["1.0"]), true),
        (commits.clone(), json!([]), true),
        (some, json!([]), false),
        (json!([]), json!(["5.20.4"]), false),
        (commits, json!(["5.20.4"]), false),
        // Versions that nobody could ask for are versions all the same.
        (json!([]), json!(["not a version"]), false),
    ] {
        let malware = only(&record("MAL-2026-1", "pypi:evil", ranges.clone(), versions.clone()));
        assert_eq!(malware.kind, AdvisoryKind::Malware);
        assert_eq!(malware.whole_project(), whole, "{ranges} {versions}");
        assert_eq!(malware.affects(&version(Ecosystem::Pypi, "77.0")), whole);
    }
    // A vulnerability without versions says nothing of any.
    assert!(!only(&record("GHSA-1", "pypi:thing", json!([]), json!([]))).whole_project());
    assert!(only(&record("GHSA-1", "pypi:thing", everything, json!([]))).whole_project());
}

#[test]
fn malware_is_known_by_its_id_or_its_origins() {
    let mut record = record("RLMA-2026-1", "pypi:evil", json!([]), json!([]));
    assert_eq!(only(&record).kind, AdvisoryKind::Vulnerability);
    record["database_specific"] = json!({ "malicious-packages-origins": [] });
    assert_eq!(only(&record).kind, AdvisoryKind::Vulnerability);
    record["database_specific"] =
        json!({ "malicious-packages-origins": [{ "source": "someone", "versions": ["1.0"] }] });
    assert_eq!(only(&record).kind, AdvisoryKind::Malware);
}

#[test]
fn a_withdrawn_record_says_nothing_any_more() {
    let mut record = record("MAL-2026-1", "pypi:evil", json!([range("ECOSYSTEM", "introduced 0, fixed 2")]), json!([]));
    let one = version(Ecosystem::Pypi, "1.0");
    assert!(only(&record).affects(&one));
    for not_a_date in [json!(true), json!("yes"), Value::Null] {
        record["withdrawn"] = not_a_date;
        assert!(only(&record).affects(&one), "{record}");
    }
    record["withdrawn"] = "2026-11-20T00:00:00Z".into();
    let advisory = only(&record);
    assert!(!advisory.affects(&one) && !advisory.whole_project() && advisory.fixed_after(&one).is_none());
}

#[test]
fn what_is_optional_may_have_any_type() {
    for wrong in [json!(1), json!("text"), json!([[], {}, null, 1]), json!({ "a": 1 }), json!(true), Value::Null] {
        let record = json!({
            "id": "GHSA-1", "aliases": wrong, "summary": wrong, "details": wrong, "severity": wrong, "published": wrong,
            "modified": wrong, "withdrawn": wrong, "database_specific": wrong,
            "affected": [
                wrong,
                { "package": wrong },
                { "package": { "ecosystem": wrong, "name": wrong } },
                { "package": { "ecosystem": "PyPI", "name": "thing" }, "ranges": wrong, "versions": ["1.0", wrong],
                  "severity": wrong, "ecosystem_specific": wrong, "database_specific": wrong },
                { "package": { "ecosystem": "PyPI", "name": "thing" },
                  "ranges": [wrong, { "type": wrong }, { "type": "ECOSYSTEM", "events": wrong },
                             { "type": "ECOSYSTEM", "events": [wrong, { "introduced": wrong }, { "introduced": "2" }] }] },
            ],
        });
        let advisory = only(&record);
        assert!(advisory.affects(&version(Ecosystem::Pypi, "1.0")), "{record}");
        assert!(advisory.affects(&version(Ecosystem::Pypi, "2.1")), "{record}");
    }
    let unquoted = json!([{ "type": "ECOSYSTEM", "events": [{ "introduced": 0 }, { "fixed": 1.2 }] }]);
    let advisory = only(&record("GHSA-1", "pypi:thing", unquoted, json!([3])));
    assert_eq!(advisory.affected_versions().collect::<Vec<_>>(), ["<1.2", "==3"]);
}

#[test]
fn names_that_are_none_and_other_ecosystems_are_passed_over() {
    for (ecosystem, name, expected) in [
        ("PyPI", "Friendly.Bard", Some("pypi:friendly-bard")),
        ("pypi", "thing", Some("pypi:thing")),
        ("CPAN", "Try::Tiny", Some("cpan:Try-Tiny")),
        ("CPAN", "Try-Tiny", Some("cpan:Try-Tiny")),
        ("PyPI", "", None),
        ("PyPI", "../../etc", None),
        ("PyPI", "a\nb", None),
        ("CPAN", "a\u{0}b", None),
        ("PyPIx", "thing", None),
        ("npm", "thing", None),
        ("", "thing", None),
    ] {
        let record = json!({ "id": "MAL-1", "affected": [{ "package": { "ecosystem": ecosystem, "name": name } }] });
        let projects: Vec<_> = read(&record).advisories.into_iter().map(|advisory| advisory.project).collect();
        assert_eq!(projects, expected.map(project).into_iter().collect::<Vec<_>>(), "{ecosystem}:{name}");
    }
    let long = json!({ "id": "MAL-1", "affected": [{ "package": { "ecosystem": "PyPI", "name": "x".repeat(201) } }] });
    assert!(read(&long).advisories.is_empty());
}

#[test]
fn what_is_no_record_is_refused() {
    let refused = |text: &str| match osv::read(text.as_bytes()) {
        Err(error @ (AdvisoryError::NotOsv { .. } | AdvisoryError::TooLarge { .. })) => error.to_string(),
        other => panic!("{text:.80}: {other:?}"),
    };
    for text in
        ["", "[]", "3", "{", "{}", "\u{feff}{}", r#"{"id":""}"#, r#"{"id":1}"#, r#"{"id":"a b"}"#, "{\"id\":\"x\"}}"]
    {
        refused(text);
    }
    assert_eq!(refused(r#"{"id":null}"#), "this is no OSV record: it has no id");
    refused(&json!({ "id": "x".repeat(129) }).to_string());
    // A hundred thousand levels, closed or not, where they are skipped and where they are looked at.
    for place in ["affected", "whatever", "aliases", "database_specific"] {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        refused(&format!(r#"{{"id":"MAL-1","{place}":{open}"#));
        let read = osv::read(format!(r#"{{"id":"MAL-1","{place}":{open}{close}}}"#).as_bytes());
        assert!(read.unwrap().advisories.is_empty());
    }
    assert!(osv::read(&vec![b' '; LONGEST_RECORD + 1]).is_err());
    assert!(osv::read(b"{\"id\":\"MAL-1\",\"summary\":\"\xff\"}").is_err());
}

#[test]
fn a_record_has_a_bounded_number_of_everything() {
    let package = json!({ "ecosystem": "PyPI", "name": "thing" });
    let with = |key: &str, value: Value| json!({ "id": "MAL-1", "affected": [{ "package": package, key: value }] });
    let events = vec![json!({ "introduced": "0" }); 10_001];
    let projects = (0..1_001).map(|at| json!({ "package": { "ecosystem": "PyPI", "name": format!("p{at}") } }));
    let projects: Vec<Value> = projects.collect();
    for record in [
        json!({ "id": "MAL-1", "aliases": vec!["CVE-1"; 201] }),
        json!({ "id": "MAL-1", "affected": vec![json!({ "package": package }); 10_001] }),
        json!({ "id": "MAL-1", "affected": projects }),
        with("versions", vec!["1"; 50_001].into()),
        with("ranges", vec![json!({}); 1_001].into()),
        with("ranges", json!([{ "type": "ECOSYSTEM", "events": events }])),
        with("severity", vec![json!({}); 51].into()),
    ] {
        let error = osv::read(record.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, AdvisoryError::TooLarge { .. }), "{error}");
    }
}

/// JSON of every shape, with the words that matter.
fn anything() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "PyPI",
        "CPAN",
        "thing",
        "0",
        "1.0",
        "*",
        "ECOSYSTEM",
        "2026-01-01T00:00:00Z",
        "é\u{202e}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "aliases",
        "affected",
        "package",
        "ecosystem",
        "name",
        "ranges",
        "type",
        "events",
        "introduced",
        "fixed",
        "last_affected",
        "limit",
        "versions",
        "severity",
        "score",
        "database_specific",
        "withdrawn",
        "summary",
    ]);
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let object = prop::collection::hash_map(key.clone(), inner.clone(), 0..6);
        let object = object.prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        prop_oneof![prop::collection::vec(inner, 0..5).prop_map(Value::from), object.prop_map(Value::Object)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_record_makes_it_panic(
        mut affected in prop::collection::vec(anything(), 0..4),
        versions in prop::collection::vec("\\PC{0,10}|[0-9.v_+!a-c-]{0,12}", 0..4),
        cut in any::<prop::sample::Index>(),
        asked in "[0-9.v_+a]{1,6}",
    ) {
        affected.push(json!({
            "package": { "ecosystem": "CPAN", "name": "thing" },
            "versions": versions,
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": versions.first(), "fixed": versions.last() }] }],
        }));
        let text = json!({ "id": "GHSA-1", "affected": affected }).to_string().into_bytes();
        let document = osv::read(&text).unwrap();
        for advisory in &document.advisories {
            if let Ok(asked) = crate::domain::Version::parse(advisory.project.ecosystem, &asked) {
                let affected = advisory.affects(&asked);
                prop_assert!(affected || advisory.fixed_after(&asked).is_none());
            }
        }
        let end = cut.index(text.len());
        prop_assert!(osv::read(&text[..end]).is_err());
    }
}
