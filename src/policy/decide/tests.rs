//! Verdicts as tables, and what holds for all of them.

use proptest::prelude::*;
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::policy::Policy;

const START: Timestamp = datetime!(2026-11-25 14:00 UTC);

fn finding(signal: &'static str, severity: Severity, confidence: Confidence, points: u8) -> Finding {
    let summary = format!("The {signal} signal saw something.");
    let family = Family::ALL[signal.len() % Family::ALL.len()];
    Finding { signal: signal.into(), family, severity, confidence, points, summary, evidence: json!({}) }
}

fn unavailable(signal: &'static str) -> Finding {
    let evidence = json!({ UNAVAILABLE: true });
    Finding { evidence, ..finding(signal, Severity::High, Confidence::High, 90) }
}

fn project() -> Project {
    "pypi:six".parse().unwrap()
}

/// A verdict on a public file, so many hours after its clock started.
fn at(hours: i64, findings: &[Finding], policy: &Policy) -> Verdict {
    let project = project();
    decide(&public(&project), findings, policy, START + time::Duration::hours(hours))
}

fn public(project: &Project) -> Case<'_> {
    Case {
        project,
        origin: &Origin::Public,
        clock_start: START,
        waived: &[],
        blocked: None,
        proof: None,
        private_hold: None,
        fix: None,
    }
}

fn policy(text: &str) -> Policy {
    Policy::parse(text, "test").unwrap()
}

#[test]
fn a_new_upload_waits_three_days() {
    let policy = Policy::built_in();
    let verdict = at(0, &[], &policy);
    assert_eq!((verdict.outcome, verdict.until), (Outcome::Hold, Some(datetime!(2026-11-28 14:00 UTC))));
    assert_eq!(verdict.reason, "new upload, held until 2026-11-28 14:00 UTC");
    assert_eq!(verdict.policy, policy.digest);
    assert_eq!(at(71, &[], &policy).outcome, Outcome::Hold);
    let released = at(72, &[], &policy);
    assert_eq!((released.outcome, released.until), (Outcome::Release, None));
}

#[test]
fn the_table_of_single_findings() {
    use Confidence::{High as Sure, Low as Unsure, Medium as Likely};
    use Severity::{Critical, High, Info, Low, Medium};
    let policy = Policy::built_in();
    for (signal, severity, confidence, points, outcome, days) in [
        ("other", Info, Sure, 0, Outcome::Hold, Some(3)),
        ("other", Low, Sure, 29, Outcome::Hold, Some(3)),
        ("other", Medium, Sure, 30, Outcome::Hold, Some(7)),
        ("other", Medium, Sure, 69, Outcome::Hold, Some(7)),
        ("other", Medium, Sure, 70, Outcome::Review, None),
        ("other", High, Likely, 40, Outcome::Hold, Some(7)),
        ("other", High, Sure, 0, Outcome::Review, None),
        ("other", Critical, Unsure, 0, Outcome::Review, None),
        ("other", Critical, Likely, 100, Outcome::Review, None),
        ("other", Critical, Sure, 0, Outcome::Reject, None),
        ("digest-changed", Critical, Sure, 100, Outcome::Reject, None),
        ("upstream-status", High, Unsure, 0, Outcome::Review, None),
        ("upstream-status", Info, Sure, 0, Outcome::Hold, Some(3)),
        ("withdrawn", High, Likely, 40, Outcome::Review, None),
        ("vanished", High, Likely, 0, Outcome::Review, None),
        ("dependencies-held", High, Unsure, 0, Outcome::Review, None),
        ("dependencies-held", Medium, Unsure, 0, Outcome::Hold, Some(3)),
    ] {
        let verdict = at(0, &[finding(signal, severity, confidence, points)], &policy);
        let until = days.map(|days| START + time::Duration::days(days));
        assert_eq!((verdict.outcome, verdict.until), (outcome, until), "{signal} {severity} {confidence} {points}");
        assert!(verdict.reason.is_ascii() && verdict.reason.len() < 100);
        // Time releases holds and nothing else.
        let later = at(24 * 3650, &[finding(signal, severity, confidence, points)], &policy);
        let expected = if outcome == Outcome::Hold { Outcome::Release } else { outcome };
        assert_eq!(later.outcome, expected, "{signal} {severity} {confidence} {points}");
    }
}

#[test]
fn reasons_are_sentences_for_developers() {
    let policy = Policy::built_in();
    let mut typosquat = finding("typosquat", Severity::High, Confidence::Medium, 90);
    typosquat.summary = "name resembles requests (transposition)".into();
    assert_eq!(
        at(0, &[typosquat.clone()], &policy).reason,
        "name resembles requests (transposition), waits for a reviewer"
    );
    typosquat.points = 40;
    assert_eq!(
        at(0, &[typosquat.clone()], &policy).reason,
        "name resembles requests (transposition), held until 2026-12-02 14:00 UTC"
    );
    assert_eq!(
        at(24 * 7, &[typosquat], &policy).reason,
        "name resembles requests (transposition), but nothing more was found in time"
    );
}

#[test]
fn the_heaviest_finding_comes_first_and_weak_ones_add_up() {
    let policy = Policy::built_in();
    let weak = |signal| finding(signal, Severity::Low, Confidence::Low, 20);
    let verdict = at(0, &[weak("one"), finding("two", Severity::Medium, Confidence::Low, 25)], &policy);
    assert_eq!(verdict.score, Score::hundredths(48));
    assert_eq!(verdict.until, Some(START + time::Duration::days(7)));
    assert_eq!(verdict.findings.iter().map(|finding| &*finding.signal).collect::<Vec<_>>(), ["two", "one"]);
    let many: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(weak).into();
    assert_eq!(at(0, &many, &policy).outcome, Outcome::Review);
}

#[test]
fn waived_signals_drop_out_but_never_the_hard_ones() {
    let policy = Policy::built_in();
    let project = project();
    let waived: Vec<String> =
        ["typosquat", "malware", "digest-changed", "internal-name", "integrity"].map(String::from).into();
    let case = Case { waived: &waived, ..public(&project) };
    let typosquat = finding("typosquat", Severity::High, Confidence::High, 95);
    let verdict = decide(&case, &[typosquat], &policy, START);
    assert_eq!((verdict.outcome, verdict.score), (Outcome::Hold, Score::NONE));
    assert_eq!(verdict.findings, []);
    for hard in super::super::HARD {
        let verdict = decide(&case, &[finding(hard, Severity::Critical, Confidence::High, 100)], &policy, START);
        assert_eq!(verdict.outcome, Outcome::Reject, "{hard}");
    }
}

#[test]
fn a_waiver_of_age_lets_new_files_in_at_once_unless_something_else_speaks_against_them() {
    let policy = Policy::built_in();
    let project = project();
    let waived = ["age".to_owned()];
    let case = Case { waived: &waived, ..public(&project) };
    let age = finding("age", Severity::Info, Confidence::High, 0);
    assert_eq!(decide(&case, std::slice::from_ref(&age), &policy, START).outcome, Outcome::Release);
    let other = finding("other", Severity::Medium, Confidence::Medium, 40);
    let verdict = decide(&case, &[age, other], &policy, START);
    assert_eq!((verdict.outcome, verdict.until), (Outcome::Hold, Some(START + time::Duration::days(7))));
}

#[test]
fn a_blocked_name_is_rejected_with_the_words_of_whoever_blocked_it() {
    let project = project();
    let case = Case { blocked: Some("abandoned, use urllib3"), ..public(&project) };
    let verdict = decide(&case, &[], &Policy::built_in(), START + time::Duration::days(100));
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (Outcome::Reject, "blocked: abandoned, use urllib3"));
}

#[test]
fn private_files_wait_for_their_index_alone_and_names_do_not_count() {
    let policy = Policy::built_in();
    let project = project();
    let origin = Origin::Private("corp".into());
    let case = Case { origin: &origin, ..public(&project) };
    let names = ["typosquat", "internal-name", "private-namesake", "huge-first-version", "age"]
        .map(|signal| finding(signal, Severity::Critical, Confidence::High, 100));
    let verdict = decide(&case, &names, &policy, START);
    assert_eq!((verdict.outcome, verdict.findings.len()), (Outcome::Release, 0));
    let case = Case { private_hold: Some(Duration::from_hours(1)), ..case };
    assert_eq!(decide(&case, &names, &policy, START).until, Some(START + time::Duration::HOUR));
    let changed = finding("digest-changed", Severity::Critical, Confidence::High, 100);
    assert_eq!(decide(&case, &[changed], &policy, START).outcome, Outcome::Reject);
}

#[test]
fn signals_can_be_switched_off_and_weighed() {
    let text = "[signals.load-time]\nenabled = false\n[signals.install-script]\npoints = 50\n[signals.copied-identity]\nreview = true\n";
    let policy = policy(text);
    let off = finding("load-time", Severity::Critical, Confidence::High, 100);
    assert_eq!(at(72, &[off], &policy).outcome, Outcome::Release);
    let weighed = at(0, &[finding("install-script", Severity::Low, Confidence::Low, 1)], &policy);
    assert_eq!((weighed.score, weighed.findings[0].points), (Score::hundredths(50), 50));
    assert_eq!(
        at(0, &[finding("copied-identity", Severity::High, Confidence::Low, 1)], &policy).outcome,
        Outcome::Review
    );
}

#[test]
fn a_signal_that_could_not_run_means_what_the_policy_says_and_is_shown() {
    let policy = policy("[signals.checksums]\nmissing = \"open\"\n[signals.foreign-files]\nmissing = \"deny\"\n");
    let open = at(72, &[unavailable("checksums")], &policy);
    assert_eq!((open.outcome, open.findings.len(), open.score), (Outcome::Release, 1, Score::NONE));
    assert_eq!(at(72, &[unavailable("hold")], &policy).until, Some(START + time::Duration::days(7)));
    assert_eq!(at(1000, &[unavailable("foreign-files")], &policy).outcome, Outcome::Review);
}

#[test]
fn what_our_workflow_signed_waits_neither_for_its_age_nor_for_its_name() {
    let own =
        "[[own]]\nprojects = [\"six\"]\nrepository = \"https://github.com/acme/six\"\nworkflow = \"release.yml\"\n";
    let policy = policy(own);
    let proof = Proof {
        kind: "GitHub".into(),
        repository: Some("acme/six".into()),
        workflow: Some("release.yml".into()),
        unproved: None,
    };
    let project = project();
    let signed = Case { proof: Some(&proof), ..public(&project) };
    let of = |signal, family| Finding { family, ..finding(signal, Severity::High, Confidence::High, 90) };
    let at_once = |findings: &[Finding], case: &Case<'_>| decide(case, findings, &policy, START).outcome;
    let name = of("typosquat", Family::Name);
    assert_eq!(at_once(std::slice::from_ref(&name), &signed), Outcome::Release);
    assert_eq!(at_once(std::slice::from_ref(&name), &public(&project)), Outcome::Review, "nothing proves it");
    assert_eq!(at_once(&[], &public(&project)), Outcome::Hold);
    assert_eq!(at_once(&[of("startup-hook", Family::Content)], &signed), Outcome::Review);
    let told = decide(&signed, &[name], &policy, START);
    assert_eq!(told.findings.len(), 1);
    assert_eq!((told.findings[0].signal.as_ref(), told.reason.as_str()), ("own-package", explain::ours().as_str()));
    for hard in super::super::HARD {
        let hard = Finding { severity: Severity::Critical, ..of(hard, Family::Name) };
        assert_eq!(at_once(&[hard], &signed), Outcome::Reject, "a hard rule is a hard rule");
    }
    let private = Origin::Private("corp".into());
    let inside = Case { origin: &private, ..signed };
    assert!(decide(&inside, &[], &policy, START).findings.is_empty(), "it speaks of the public index");
}

#[test]
fn no_override_makes_a_hard_rule_milder_and_one_that_holds_is_told() {
    let text = "[[override]]\necosystem = \"pypi\"\nprojects = [\"six\"]\nhold = \"0s\"\nthresholds = { medium = 1.0, high = 1.0 }\nmode = \"observe\"\nreason = \"ours\"\n";
    let policy = policy(text);
    let quick = at(0, &[finding("other", Severity::Low, Confidence::Low, 60)], &policy);
    assert_eq!((quick.outcome, quick.policy), (Outcome::Release, policy.digest));
    assert_eq!(quick.findings.last().unwrap().summary, "An override of the policy holds for it: ours");
    let other: Project = "pypi:seven".parse().unwrap();
    assert_eq!(decide(&public(&other), &[], &policy, START).outcome, Outcome::Hold);
    for hard in super::super::HARD {
        let hard = finding(hard, Severity::Critical, Confidence::High, 100);
        assert_eq!(at(0, &[hard], &policy).outcome, Outcome::Reject);
    }
}

#[test]
fn observing_changes_nothing_about_the_verdict() {
    let observe = policy("mode = \"observe\"");
    let hard = finding("malware", Severity::Critical, Confidence::High, 100);
    assert_eq!(at(0, &[hard], &observe).outcome, Outcome::Reject);
    assert_eq!(at(0, &[], &observe).outcome, Outcome::Hold);
}

#[test]
fn a_hold_past_the_end_of_time_does_not_end() {
    let project = project();
    let origin = Origin::Private("corp".into());
    let case = Case { origin: &origin, private_hold: Some(Duration::MAX), ..public(&project) };
    assert_eq!(decide(&case, &[], &Policy::built_in(), START).outcome, Outcome::Hold);
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let signals =
        ["age", "typosquat", "malware", "internal-name", "withdrawn", "other", "checksums", "foreign-files", "burst"];
    let severities = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let confidences = [Confidence::Low, Confidence::Medium, Confidence::High];
    let parts =
        (0..signals.len(), 0..severities.len(), 0..confidences.len(), 0..=120_u8, proptest::bool::weighted(0.2));
    parts.prop_map(move |(signal, severity, confidence, points, missing)| {
        let evidence = json!({ UNAVAILABLE: missing });
        Finding { evidence, ..finding(signals[signal], severities[severity], confidences[confidence], points) }
    })
}

#[test]
fn findings_that_differ_only_in_their_evidence_have_one_order_too() {
    let [one, two] = [true, false].map(|missing| Finding {
        evidence: json!({ UNAVAILABLE: missing }),
        ..finding("other", Severity::Low, Confidence::Low, 0)
    });
    let policy = Policy::built_in();
    assert_eq!(at(0, &[one.clone(), two.clone()], &policy), at(0, &[two, one], &policy));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn more_findings_never_make_the_outcome_milder(
        few in proptest::collection::vec(any_finding(), 0..6),
        more in proptest::collection::vec(any_finding(), 0..6),
        hours in 0_i64..200,
        private in any::<bool>(),
        waived in proptest::collection::vec(prop_oneof!["age", "typosquat", "malware"], 0..3),
    ) {
        let text = "[signals.checksums]\nmissing = \"open\"\n[signals.foreign-files]\nmissing = \"deny\"\n[signals.burst]\nenabled = false\n";
        let policy = policy(text);
        let project = project();
        let origin = if private { Origin::Private("corp".into()) } else { Origin::Public };
        let private_hold = private.then_some(Duration::from_hours(24));
        let case = Case { origin: &origin, waived: &waived, private_hold, ..public(&project) };
        let now = START + time::Duration::hours(hours);
        let milder = decide(&case, &few, &policy, now);
        let mut all = [more, few].concat();
        let stricter = decide(&case, &all, &policy, now);
        prop_assert!(stricter.outcome >= milder.outcome);
        prop_assert!(stricter.score >= milder.score);
        if stricter.outcome == Outcome::Hold && milder.outcome == Outcome::Hold {
            prop_assert!(stricter.until >= milder.until);
        }
        prop_assert!(stricter.reason.is_ascii() && stricter.reason.len() < 100);
        // The order in which signals report changes nothing.
        all.reverse();
        prop_assert_eq!(decide(&case, &all, &policy, now), stricter);
    }
}
