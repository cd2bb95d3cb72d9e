//! Genuine attestations hold, and changed ones do not.

use data_encoding::BASE64;
use proptest::prelude::*;

use super::*;
use crate::domain::Sha256;

const SLSA: &str = include_str!("../../../testdata/attestations/pypi_attestations-0.0.19.tar.gz.slsa.attestation");
const GITLAB: &str =
    include_str!("../../../testdata/attestations/gitlab_oidc_project-0.0.3.tar.gz.publish.attestation");
const GITLAB_FILE: &str = "gitlab_oidc_project-0.0.3.tar.gz";
const GITLAB_DIGEST: &str = "c1ca9b0d85df1606451098233018534497bf584362e10e4a8c21dfaea92c02a8";
const GOOGLE: &str = include_str!("../../../testdata/attestations/gcb_attestation_test-0.0.0.tar.gz.provenance");
const GOOGLE_FILE: &str = "gcb_attestation_test-0.0.0.tar.gz";
const GOOGLE_DIGEST: &str = "461317362419124b6012e855423a9078d6de8aed3e74fa78cc74d669b23dc6cf";
const CIRCLECI: &str = include_str!(
    "../../../testdata/attestations/circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl.provenance"
);
const CIRCLECI_FILE: &str = "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl";
const CIRCLECI_DIGEST: &str = "8cb34da1e27336f11a2c43f3f9c7433bd76f24f470c904724f06ad7f131d9e9f";
const STAGING: &str = include_str!("../../../testdata/attestations/rfc8785-0.1.2-py3-none-any.whl.publish.attestation");
const STAGING_FILE: &str = "rfc8785-0.1.2-py3-none-any.whl";
const STAGING_DIGEST: &str = "c4e92e9ecc828bef2aa7dba1de8ac983511f7532a0df11c770d39099a25cf201";

/// A provenance object of a single attestation.
fn provenance(publisher: &Value, attestations: &[&str]) -> Value {
    let attestations: Vec<Value> = attestations.iter().map(|json| parsed(json)).collect();
    json!({ "version": 1, "attestation_bundles": [{ "publisher": publisher, "attestations": attestations }] })
}

fn gitlab() -> Value {
    let publisher = json!({
        "kind": "GitLab", "repository": "facutuesca/gitlab-oidc-project", "workflow_filepath": ".gitlab-ci.yml",
    });
    provenance(&publisher, &[GITLAB])
}

fn doubt(document: &Value, file: &str, digest: &str) -> Doubt {
    match verdict(document, file, digest) {
        Verdict::Unverified { why, .. } => why,
        Verdict::Verified { publisher, .. } => panic!("believed: {publisher}"),
    }
}

/// Changes the genuine GitHub provenance, which must not be believed then.
fn changed(change: impl FnOnce(&mut Value)) -> Doubt {
    let mut document = parsed(GITHUB);
    change(&mut document);
    doubt(&document, GITHUB_FILE, GITHUB_DIGEST)
}

fn attestation(document: &mut Value) -> &mut Value {
    &mut document["attestation_bundles"][0]["attestations"][0]
}

fn publisher(document: &mut Value) -> &mut Value {
    &mut document["attestation_bundles"][0]["publisher"]
}

/// Changes bytes that are written in base64.
fn decoded(text: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap();
    change(&mut bytes);
    *text = json!(BASE64.encode(&bytes));
}

#[test]
fn genuine_attestations_of_every_service_hold() {
    for (document, file, digest, sentence) in [
        (
            parsed(GITHUB),
            GITHUB_FILE,
            GITHUB_DIGEST,
            "GitHub repository trailofbits/pypi-attestations, workflow release.yml",
        ),
        (
            gitlab(),
            GITLAB_FILE,
            GITLAB_DIGEST,
            "GitLab repository facutuesca/gitlab-oidc-project, workflow .gitlab-ci.yml",
        ),
        (
            parsed(GOOGLE),
            GOOGLE_FILE,
            GOOGLE_DIGEST,
            "Google account 919436158236-compute@developer.gserviceaccount.com",
        ),
        (
            parsed(CIRCLECI),
            CIRCLECI_FILE,
            CIRCLECI_DIGEST,
            "CircleCI project fdd9283f-e619-46af-8f9c-851f7d3e8b2b, pipeline 8e4f8ab2-8d7c-4827-9f15-de076d6d647f, \
             repository github.com/CircleCI-Public/sign-and-publish-examples, reference refs/heads/pypi",
        ),
    ] {
        let verdict = verdict(&document, file, digest);
        let Verdict::Verified { publisher, predicates } = &verdict else { panic!("{file}: {verdict:?}") };
        assert_eq!(publisher.to_string(), sentence);
        assert_eq!(predicates, &[Predicate::Publish]);
    }
}

#[test]
fn what_was_built_and_published_by_one_workflow_holds_together() {
    let mut document = parsed(GITHUB);
    let attestations = document["attestation_bundles"][0]["attestations"].as_array_mut().unwrap();
    attestations.push(parsed(SLSA));
    let verdict = verdict(&document, GITHUB_FILE, GITHUB_DIGEST);
    let Verdict::Verified { predicates, .. } = &verdict else { panic!("{verdict:?}") };
    assert_eq!(predicates, &[Predicate::Publish, Predicate::SlsaProvenance]);
}

#[test]
fn another_spelling_of_the_name_is_the_same_file() {
    let verdict = verdict(&parsed(GITHUB), "pypi-attestations-0.0.19.tar.gz", GITHUB_DIGEST);
    assert!(matches!(verdict, Verdict::Verified { .. }), "{verdict:?}");
}

#[test]
fn an_attestation_vouches_for_one_file_only() {
    let why = doubt(&parsed(GITHUB), GITHUB_FILE, &GITHUB_DIGEST.replace('9', "8"));
    assert_eq!(why, Doubt::OtherDigest { named: GITHUB_DIGEST.into() });
    for other in ["pypi_attestations-0.0.20.tar.gz", "pypi-attestation-0.0.19.tar.gz", "pypi_attestations-0.0.19.zip"] {
        let why = doubt(&parsed(GITHUB), other, GITHUB_DIGEST);
        assert_eq!(why, Doubt::OtherFile { named: GITHUB_FILE.into() });
        assert!(why.is_contradiction());
    }
}

#[test]
fn the_index_cannot_name_another_publisher() {
    let signer = |expected: &str, found: &str| Doubt::OtherSigner { expected: expected.into(), found: found.into() };
    let repository = "https://github.com/trailofbits/pypi-attestations";
    assert_eq!(
        changed(|it| publisher(it)["repository"] = json!("trailofbits/pypi-attestation")),
        signer("https://github.com/trailofbits/pypi-attestation", repository)
    );
    assert_eq!(
        changed(|it| publisher(it)["workflow"] = json!("test.yml")),
        signer(
            &format!("{repository}/.github/workflows/test.yml"),
            &format!("{repository}/.github/workflows/release.yml@refs/tags/v0.0.19")
        )
    );
    // The beginning of the right one is another one.
    assert!(matches!(changed(|it| publisher(it)["workflow"] = json!("release.y")), Doubt::OtherSigner { .. }));
    let gitlab = json!({ "kind": "GitLab", "repository": "trailofbits/pypi-attestations", "workflow": "release.yml" });
    assert_eq!(
        changed(|it| *publisher(it) = gitlab),
        signer("https://gitlab.com", "https://token.actions.githubusercontent.com")
    );
    let google = json!({ "kind": "Google", "email": "someone@example.test" });
    assert!(matches!(changed(|it| *publisher(it) = google), Doubt::OtherSigner { .. }));
    let mut document = parsed(GOOGLE);
    publisher(&mut document)["email"] = json!("someone@example.test");
    assert_eq!(
        doubt(&document, GOOGLE_FILE, GOOGLE_DIGEST),
        signer("email someone@example.test", "919436158236-compute@developer.gserviceaccount.com")
    );
    for (fact, value) in [
        ("pipeline_definition_id", "fdd9283f-e619-46af-8f9c-851f7d3e8b2b"),
        ("vcs_origin", "github.com/CircleCI-Public/other"),
        ("vcs_ref", "refs/heads/other"),
    ] {
        let mut document = parsed(CIRCLECI);
        publisher(&mut document)[fact] = json!(value);
        let why = doubt(&document, CIRCLECI_FILE, CIRCLECI_DIGEST);
        assert!(matches!(&why, Doubt::OtherSigner { expected, .. } if expected.contains(value)), "{fact}: {why}");
    }
}

#[test]
fn a_publisher_that_could_be_anybody_is_nobody() {
    let incomplete = |missing: &str| Doubt::Incomplete { missing: missing.into() };
    for (missing, value) in [
        ("repository", json!(null)),
        ("repository", json!("")),
        ("repository", json!("trailofbits")),
        ("repository", json!("trailofbits/../pypi-attestations")),
        ("repository", json!("trailofbits/pypi-attestations/x")),
        ("repository", json!("trailofbits/pypi-attestations?x")),
        ("workflow", json!(null)),
        ("workflow", json!("release.yml@refs/tags/v0.0.19")),
        ("workflow", json!("../release.yml")),
        ("workflow", json!(["release.yml"])),
    ] {
        assert_eq!(changed(|it| publisher(it)[missing] = value.clone()), incomplete(missing), "{value}");
    }
    assert_eq!(changed(|it| *publisher(it) = json!({ "kind": "Google" })), incomplete("account"));
    assert_eq!(changed(|it| *publisher(it) = json!({ "kind": "CircleCI" })), incomplete("project"));
    let why = changed(|it| *publisher(it) = json!({ "kind": "ActiveState", "organization": "o", "actor": 5 }));
    assert_eq!(why, Doubt::UnknownKind { kind: "ActiveState".into() });
    assert!(!why.is_contradiction());
}

#[test]
fn a_second_publisher_is_one_too_many() {
    let why = changed(|it| {
        let mut other = it["attestation_bundles"][0].clone();
        other["publisher"]["repository"] = json!("other/pypi-attestations");
        it["attestation_bundles"].as_array_mut().unwrap().push(other);
    });
    let other = "GitHub repository other/pypi-attestations, workflow release.yml".into();
    assert_eq!(why, Doubt::SeveralPublishers { other });
}

#[test]
fn one_attestation_that_does_not_hold_spoils_the_rest() {
    let why = changed(|it| {
        let attestations = it["attestation_bundles"][0]["attestations"].as_array_mut().unwrap();
        attestations.push(parsed(GITLAB));
    });
    assert!(matches!(why, Doubt::OtherDigest { .. }), "{why}");
}

#[test]
fn signed_bytes_cannot_be_changed() {
    let statement = |change: fn(String) -> String| {
        changed(|it| {
            decoded(&mut attestation(it)["envelope"]["statement"], |bytes| {
                *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes();
            });
        })
    };
    let why = statement(|text| text.replace(r#""predicate":null"#, r#""predicate":true"#));
    assert!(matches!(why, Doubt::BadSignature { .. }), "{why}");
    let why = statement(|text| {
        let (start, end) = (text.find('[').unwrap() + 1, text.find(']').unwrap());
        format!("{},{}", &text[..end], &text[start..])
    });
    assert_eq!(why, Doubt::Subjects { number: 2 });
    let why = changed(|it| {
        decoded(&mut attestation(it)["envelope"]["signature"], |bytes| *bytes.last_mut().unwrap() ^= 1);
    });
    assert!(matches!(why, Doubt::BadSignature { .. }), "{why}");
    // Another genuine signature of the same workflow.
    let why = changed(|it| {
        let other = parsed(SLSA);
        attestation(it)["envelope"]["signature"] = other["envelope"]["signature"].clone();
    });
    assert!(matches!(why, Doubt::BadSignature { .. }), "{why}");
}

#[test]
fn certificates_cannot_be_changed_or_exchanged() {
    // The name of the repository in the certificate: what another repository would want to have there.
    let why = changed(|it| {
        publisher(it)["repository"] = json!("trailofbitz/pypi-attestations");
        decoded(&mut attestation(it)["verification_material"]["certificate"], |bytes| {
            let (from, to) = (b"trailofbits", b"trailofbitz");
            for at in 0..bytes.len() - from.len() {
                if bytes[at..].starts_with(from) {
                    bytes[at..at + to.len()].copy_from_slice(to);
                }
            }
        });
    });
    assert!(matches!(why, Doubt::Untrusted { .. }), "{why}");
    let why = changed(|it| {
        let other = parsed(SLSA);
        attestation(it)["verification_material"]["certificate"] = other["verification_material"]["certificate"].clone();
    });
    assert!(matches!(why, Doubt::Untrusted { .. } | Doubt::BadSignature { .. }), "{why}");
    let why = changed(|it| {
        decoded(&mut attestation(it)["verification_material"]["certificate"], |bytes| bytes.truncate(100));
    });
    assert!(matches!(why, Doubt::Malformed { .. }), "{why}");
}

#[test]
fn an_attestation_is_in_the_log_or_worth_nothing() {
    let told: [(&str, Change); 9] = [
        ("CertNotValidYet", |it| *it = parsed(SLSA)["verification_material"]["transparency_entries"][0].clone()),
        ("SET verification failed", |it| it["integratedTime"] = json!("1733354042")),
        ("SET verification failed", |it| it["logIndex"] = json!("153454664")),
        ("no verified timestamp", |it| it["inclusionPromise"] = json!(null)),
        ("must have an inclusion proof", |it| it["inclusionProof"] = json!(null)),
        ("expected 13 proof hashes, got 0", |it| it["inclusionProof"]["hashes"] = json!([])),
        ("has no checkpoint", |it| it["inclusionProof"]["checkpoint"]["envelope"] = json!("")),
        ("No log key valid", |it| {
            it["logId"]["keyId"] = json!("0y8wo8MtY5wrdiIFohx7sHeI5oKDpK5vQhGHI6G+pJY=");
        }),
        ("a log entry: invalid type", |it| *it = json!("nothing")),
    ];
    for (expected, change) in told {
        let why =
            changed(|it| change(&mut attestation(it)["verification_material"]["transparency_entries"][0])).to_string();
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

#[test]
fn another_root_trusts_others() {
    let google = json!({ "kind": "Google", "email": "william@yossarian.net" });
    let staging = provenance(&google, &[STAGING]);
    let why = doubt(&staging, STAGING_FILE, STAGING_DIGEST);
    assert!(matches!(why, Doubt::Untrusted { .. }), "{why}");
    assert!(!why.is_contradiction());

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sigstore_verify::trust_root::SIGSTORE_STAGING_TRUSTED_ROOT).unwrap();
    let root = TrustRoot::load(file.path()).unwrap();
    let about = |document: &Value, file: &str, digest: &str| {
        verify(&read(document).unwrap(), &FileName::parse(file).unwrap(), digest.parse().unwrap(), &root)
    };
    // Under the root that it was signed under, only the person does not fit: no publisher is a person at GitHub.
    let verdict = about(&staging, STAGING_FILE, STAGING_DIGEST);
    let Verdict::Unverified { why: Doubt::OtherSigner { expected, found }, .. } = &verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!((expected.as_str(), found.as_str()), ("https://accounts.google.com", "https://github.com/login/oauth"));
    let verdict = about(&parsed(GITHUB), GITHUB_FILE, GITHUB_DIGEST);
    assert!(matches!(verdict, Verdict::Unverified { why: Doubt::Untrusted { .. }, .. }), "{verdict:?}");
    assert_ne!(root.digest(), TrustRoot::embedded().unwrap().digest());
}

#[test]
fn a_root_that_trusts_nobody_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        TrustRoot::load(&path).expect_err(name).to_string()
    };
    assert!(told("empty", "").contains("empty is not a Sigstore trusted root (failed to parse JSON"));
    let none = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    assert!(told("none", none).contains("it has no certificate authority"));
    assert!(told("long", &" ".repeat(2 << 20)).contains("exceeds the limit"));
    let mut root = parsed(sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT);
    root["tlogs"][0]["publicKey"]["rawBytes"] = json!("AAAA");
    assert!(told("key", &root.to_string()).contains("key is not a Sigstore trusted root"));
    assert!(TrustRoot::load(&folder.path().join("missing")).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn verdicts_are_stored_and_read_again() {
    let why = Doubt::OtherFile { named: "a-1.zip".into() };
    for verdict in [
        verdict(&parsed(GITHUB), GITHUB_FILE, GITHUB_DIGEST),
        Verdict::Unverified { publisher: Publisher { kind: "GitHub".into(), ..Publisher::default() }, why },
    ] {
        let stored = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&stored).unwrap(), verdict, "{stored}");
    }
}

/// Whatever was changed: nothing panics, and what is believed is what was signed.
fn believed_is_signed(root: &TrustRoot, bytes: &[u8]) {
    let Ok(provenance) = Provenance::read(bytes) else { return };
    let file = FileName::parse(GITHUB_FILE).unwrap();
    if let Verdict::Verified { publisher, predicates } =
        verify(&provenance, &file, GITHUB_DIGEST.parse::<Sha256>().unwrap(), root)
    {
        assert_eq!(predicates, [Predicate::Publish]);
        assert_eq!(publisher.repository.as_deref(), Some("trailofbits/pypi-attestations"));
        assert_eq!(publisher.workflow.as_deref(), Some("release.yml"));
    }
}

/// The value at a place that the numbers choose, at most so many steps down.
fn place<'a>(document: &'a mut Value, steps: &[usize]) -> &'a mut Value {
    let mut here = document;
    for step in steps {
        let children = match here {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        if children == 0 {
            break;
        }
        here = match here {
            Value::Array(items) => &mut items[step % children],
            Value::Object(members) => members.values_mut().nth(step % children).unwrap(),
            other => other,
        };
    }
    here
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_bytes_neither_panic_nor_convince(
        changes in prop::collection::vec((0..GITHUB.len(), any::<u8>()), 1..4)
    ) {
        let root = TrustRoot::embedded().unwrap();
        let mut bytes = GITHUB.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        believed_is_signed(&root, &bytes);
    }

    #[test]
    fn changed_values_neither_panic_nor_convince(
        steps in prop::collection::vec(any::<usize>(), 0..9),
        value in prop_oneof![
            Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!("")), Just(json!(-1)),
            Just(json!(u64::MAX)), Just(json!(1e300)), "[A-Za-z0-9+/=\\n]{0,40}".prop_map(Value::from),
        ]
    ) {
        let root = TrustRoot::embedded().unwrap();
        let mut document = parsed(GITHUB);
        *place(&mut document, &steps) = value;
        believed_is_signed(&root, document.to_string().as_bytes());
    }

    #[test]
    fn changed_certificates_logs_and_statements_neither_panic_nor_convince(
        part in 0..4_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let root = TrustRoot::embedded().unwrap();
        let mut document = parsed(GITHUB);
        let attestation = attestation(&mut document);
        let text = match part {
            0 => &mut attestation["verification_material"]["certificate"],
            1 => &mut attestation["verification_material"]["transparency_entries"][0]["canonicalizedBody"],
            2 => &mut attestation["envelope"]["statement"],
            _ => &mut attestation["envelope"]["signature"],
        };
        decoded(text, |bytes| {
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
        });
        believed_is_signed(&root, document.to_string().as_bytes());
    }
}
