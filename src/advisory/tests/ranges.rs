//! Which versions are affected, and which have the fix.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{only, range, record, version};
use crate::advisory::Advisory;
use crate::domain::{Ecosystem, Version};

/// An advisory about one project with ranges as `introduced 0, fixed 1.2; introduced 2, fixed 2.1` and versions.
fn advisory(ecosystem: Ecosystem, ranges: &str, versions: &[&str]) -> Advisory {
    let ranges: Vec<Value> =
        ranges.split(';').filter(|text| !text.is_empty()).map(|text| range("ECOSYSTEM", text)).collect();
    only(&record("GHSA-1", &format!("{ecosystem}:thing"), ranges.into(), json!(versions)))
}

/// Of each row: ranges, listed versions, those affected, those not.
type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);

fn check(ecosystem: Ecosystem, rows: &[Row<'_>]) {
    for (ranges, versions, affected, fine) in rows {
        let advisory = advisory(ecosystem, ranges, versions);
        for (list, expected) in [(affected, true), (fine, false)] {
            for raw in *list {
                let shown: Vec<String> = advisory.affected_versions().collect();
                assert_eq!(
                    advisory.affects(&version(ecosystem, raw)),
                    expected,
                    "{raw} by {ranges} {versions:?}: {shown:?}"
                );
            }
        }
    }
}

#[test]
fn python_versions_are_in_ranges_by_pep_440() {
    check(
        Ecosystem::Pypi,
        &[
            ("introduced 0", &[], &["0", "0.dev0", "1.0", "99!1"], &[]),
            (
                "introduced 0, fixed 2.11.3",
                &[],
                &["0", "2.11.2", "2.11.3rc1", "2.11.3.dev0"],
                &["2.11.3", "2.11.3.post1", "3.0"],
            ),
            (
                "introduced 1.0, fixed 1.2, introduced 2.0, fixed 2.5",
                &[],
                &["1.0", "1.0.0", "1.1", "2.0", "2.4.9"],
                &["0.9", "1.2", "1.9", "2.0rc1", "2.5"],
            ),
            (
                "introduced 1.0, fixed 1.2; introduced 1.1, last_affected 3",
                &[],
                &["1.0", "1.5", "3", "3.0.0"],
                &["0.9", "3.0.1"],
            ),
            // Written in no order.
            ("fixed 2.5, introduced 0, introduced 2.0, fixed 1.2", &[], &["1.1", "2.4"], &["1.2", "2.5"]),
            ("introduced 1.0, last_affected 1.2", &[], &["1.2", "1.2.0"], &["1.2.post1", "1.2.1"]),
            ("introduced 1.0, last_affected 1.0", &[], &["1.0"], &["0.9", "1.0.1"]),
            ("introduced 1.0, limit 2.0", &[], &["1.0", "1.9"], &["2.0", "3.0"]),
            ("introduced 0, fixed 3.0, limit 1.0, limit 2.0", &[], &["1.5"], &["2.0", "2.5", "3.0"]),
            ("introduced 0, fixed 3.0, limit *", &[], &["2.5"], &["3.0"]),
            ("introduced 2.0, limit 1.0", &[], &[], &["0.5", "1.5", "2.0"]),
            // Epochs.
            ("introduced 0, fixed 1!1.0", &[], &["2021.1", "1!0.9"], &["1!1.0", "2!0"]),
            ("introduced 1!0", &[], &["1!0.1"], &["2021.1"]),
            // A build of a version is that version, unless the record speaks of builds.
            ("introduced 0, last_affected 1.13.1", &[], &["1.13.1", "1.13.1+cpu"], &["1.13.2+cpu"]),
            ("introduced 0, fixed 1.13.1", &[], &["1.13.0+cpu"], &["1.13.1+cpu"]),
            ("introduced 0, fixed 1.0+patched.2", &[], &["1.0", "1.0+patched.1"], &["1.0+patched.2", "1.0.1"]),
            ("", &["1.0+cpu"], &["1.0+cpu", "1.0+CPU"], &["1.0", "1.0+cu118"]),
            ("", &["1.0"], &["1.0+cpu"], &["1.0.1"]),
            // Versions one by one, in any spelling.
            ("", &["1.0.0", "v2.0-RC1", "not a version"], &["1", "1.0", "2.0rc1"], &["2.0", "1.0.1"]),
            ("introduced 2.0, fixed 3.0", &["0.5", "2.5"], &["0.5", "2.0", "2.5"], &["0.6", "3.0"]),
            ("", &[], &[], &["0", "1.0"]),
        ],
    );
}

#[test]
fn perl_versions_are_in_ranges_by_version_pm() {
    check(
        Ecosystem::Cpan,
        &[
            (
                "introduced 0, fixed 1.10",
                &[],
                &["0", "1.09", "1.0999", "1.09_01", "undef", "junk"],
                &["1.1", "1.10", "1.100", "v1.100.0", "1.9"],
            ),
            ("introduced 1.1, fixed 1.9", &[], &["1.10", "1.1", "1.89"], &["1.09", "1.90", "v1.10.0"]),
            (
                "introduced v1.2.3, fixed v1.10.0",
                &[],
                &["1.002003", "v1.9.0", "v1.2.3"],
                &["v1.2.2", "1.010", "v1.10.0"],
            ),
            ("introduced 0.5, last_affected 1.643", &[], &["1.643", "1.642", "v1.643.0"], &["1.6431", "0.4"]),
            ("introduced 0, fixed 2.0", &[], &["2.0-TRIAL", "1.9999"], &["2.0", "2.00", "v2.0.0"]),
            ("", &["1.10", "v3.0.0"], &["1.1", "3", "3.000000"], &["1.01", "3.0001"]),
        ],
    );
}

#[test]
fn what_cannot_be_read_makes_a_range_wider_unless_versions_are_listed() {
    check(
        Ecosystem::Pypi,
        &[
            ("introduced what, fixed 1.5", &[], &["0.1", "1.4"], &["1.5"]),
            ("introduced 1.0, fixed the-fix", &[], &["1.0", "9.9"], &["0.9"]),
            ("introduced 1.0, fixed the-fix", &["1.0", "1.1"], &["1.0", "1.1"], &["0.9", "9.9"]),
            ("introduced 1.0, limit nowhere", &[], &["1.0", "9.9"], &["0.9"]),
            // Without a beginning there is no range, as in OSV's evaluation.
            ("fixed 1.5", &[], &[], &["1.4", "1.6"]),
        ],
    );
    check(Ecosystem::Cpan, &[("introduced 1.0, fixed junk", &[], &["1.0", "9.9"], &["0.9"])]);
}

#[test]
fn commits_are_no_versions_and_semantic_versions_are_ordered_as_the_ecosystem_does() {
    let ranges = json!([
        range("GIT", "introduced 0, fixed 3f38f73218e5e782fe411ccbb3b44a793c0b343a"),
        range("SEMVER", "introduced 1.0.0, fixed 1.0.2"),
        range("SOMETHING", "introduced 0"),
    ]);
    let advisory = only(&record("GHSA-1", "pypi:thing", ranges, json!([])));
    assert_eq!(advisory.affected_versions().collect::<Vec<_>>(), [">=1.0.0,<1.0.2"]);
    assert!(advisory.affects(&version(Ecosystem::Pypi, "1.0.1")) && !advisory.whole_project());
}

#[test]
fn the_fix_is_the_lowest_one_that_is_no_problem_itself() {
    let rows: [(&str, &[&str], &str, Option<&str>); 13] = [
        ("introduced 0, fixed 1.2", &[], "1.0", Some("1.2")),
        ("introduced 0, fixed 1.2", &[], "1.2", None),
        ("introduced 0", &[], "1.0", None),
        ("introduced 0, last_affected 1.2", &[], "1.0", None),
        ("introduced 0, fixed 1.2, introduced 2.0, fixed 2.5", &[], "2.1", Some("2.5")),
        ("introduced 0, fixed 1.2, introduced 2.0, fixed 2.5", &[], "1.0", Some("1.2")),
        // A fix elsewhere is none of a version that no range covers.
        ("introduced 2.0, fixed 2.5", &["1.0"], "1.0", None),
        // The first end is in the next range.
        ("introduced 0, fixed 1.5; introduced 1.4, fixed 1.8", &[], "1.0", Some("1.8")),
        ("introduced 0, fixed 1.8; introduced 0, fixed 1.5", &[], "1.0", Some("1.8")),
        ("introduced 0, fixed 1.5", &["1.5"], "1.0", None),
        ("introduced 0, last_affected 3; introduced 0, fixed 2", &[], "1.0", None),
        ("introduced 0, fixed 1.5", &[], "1.4+cpu", Some("1.5")),
        ("introduced 0, fixed 3.0, limit 2.0", &[], "1.0", None),
    ];
    for (ranges, versions, from, fixed) in rows {
        let found = advisory(Ecosystem::Pypi, ranges, versions).fixed_after(&version(Ecosystem::Pypi, from));
        assert_eq!(found.as_ref().map(Version::as_str), fixed, "{from} by {ranges} {versions:?}");
    }
    let perl = advisory(Ecosystem::Cpan, "introduced 0, fixed 1.10", &[]);
    assert_eq!(perl.fixed_after(&version(Ecosystem::Cpan, "1.09")).unwrap().as_str(), "1.10");
    assert_eq!(perl.fixed_after(&version(Ecosystem::Cpan, "1.1")), None);
}

/// OSV's own evaluation, word for word, for versions without local labels.
fn by_the_book(ranges: &[Vec<(&str, String)>], asked: &Version, ecosystem: Ecosystem) -> bool {
    let order = |raw: &str| {
        let other = version(ecosystem, raw);
        let same = match ecosystem {
            Ecosystem::Pypi => asked.is_same_release(&other),
            _ => crate::domain::perl_version::is_same_value(asked.as_str(), other.as_str()),
        };
        if same { std::cmp::Ordering::Equal } else { asked.compare(&other, ecosystem) }
    };
    ranges.iter().any(|events| {
        let limits: Vec<_> = events.iter().filter(|(kind, _)| *kind == "limit").collect();
        if !limits.is_empty() && !limits.iter().any(|(_, limit)| order(limit).is_lt()) {
            return false;
        }
        let mut sorted: Vec<_> = events.iter().filter(|(kind, _)| *kind != "limit").collect();
        let key = |raw: &str| version(ecosystem, raw).release(ecosystem);
        sorted.sort_by(|(one, v), (two, w)| {
            let first = |kind: &str, raw: &str| !(kind == "introduced" && raw == "0");
            (first(one, v), key(v)).cmp(&(first(two, w), key(w)))
        });
        let mut vulnerable = false;
        for (kind, raw) in sorted {
            match *kind {
                "introduced" if raw == "0" || order(raw).is_ge() => vulnerable = true,
                "fixed" if order(raw).is_ge() => vulnerable = false,
                "last_affected" if order(raw).is_gt() => vulnerable = false,
                _ => {}
            }
        }
        vulnerable
    })
}

/// Events of one range about versions that differ, so that their order is one.
fn events() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let kind = prop::sample::select(vec!["introduced", "introduced", "fixed", "fixed", "last_affected", "limit"]);
    let event = (kind, 0_u8..4, 1_u8..9).prop_map(|(kind, major, minor)| (kind, format!("{major}.{minor}")));
    (prop::collection::vec(event, 1..7), any::<bool>()).prop_map(|(mut events, from_zero)| {
        let mut seen = std::collections::HashSet::new();
        events.retain(|(_, version)| seen.insert(version.clone()));
        if from_zero && let Some(first) = events.first_mut() {
            *first = ("introduced", "0".to_owned());
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_answer_is_that_of_osv(ranges in prop::collection::vec(events(), 1..4), cpan in any::<bool>()) {
        let ecosystem = if cpan { Ecosystem::Cpan } else { Ecosystem::Pypi };
        let written = |events: &Vec<(&str, String)>| {
            range("ECOSYSTEM", &events.iter().map(|(kind, raw)| format!("{kind} {raw}")).collect::<Vec<_>>().join(","))
        };
        let ranges_json: Vec<Value> = ranges.iter().map(written).collect();
        let advisory = only(&record("GHSA-1", &format!("{ecosystem}:thing"), ranges_json.into(), json!([])));
        for (major, minor) in (0..4).flat_map(|major| (0..10).map(move |minor| (major, minor))) {
            let asked = version(ecosystem, &format!("{major}.{minor}"));
            let expected = by_the_book(&ranges, &asked, ecosystem);
            prop_assert_eq!(advisory.affects(&asked), expected, "{} by {:?}", asked, ranges);
        }
    }

    #[test]
    fn a_fix_is_above_and_fixed(
        ranges in prop::collection::vec("(introduced|fixed|last_affected|limit) [0-3](\\.[0-9])?((a|\\.post|\\.dev|\\+l)[0-2])?(, (introduced|fixed) [0-4]\\.[0-9]){0,3}", 1..4),
        versions in prop::collection::vec("[0-3]\\.[0-9](rc1)?", 0..3),
        asked in "[0-3](\\.[0-9])?((a|rc|\\.post|\\.dev|\\+l)[0-2])?",
        cpan in any::<bool>(),
    ) {
        let ecosystem = if cpan { Ecosystem::Cpan } else { Ecosystem::Pypi };
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        let advisory = advisory(ecosystem, &ranges.join(";"), &versions);
        let asked = version(ecosystem, &asked);
        if let Some(fixed) = advisory.fixed_after(&asked) {
            prop_assert!(advisory.affects(&asked));
            prop_assert!(!advisory.affects(&fixed), "{} still has it: {:?}", fixed, ranges);
            prop_assert!(fixed.compare(&asked, ecosystem).is_gt(), "{} is not above {}", fixed, asked);
        }
    }
}
