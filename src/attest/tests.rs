//! Provenance as it is recorded, and as it must not be; `testdata/attestations/README.md` says where it is from.

use serde_json::{Value, json};

use super::*;
use crate::domain::FileName;

#[cfg(feature = "attestations")]
mod verifying;

const GITHUB: &str = include_str!("../../testdata/attestations/pypi_attestations-0.0.19.tar.gz.provenance");
const GITHUB_FILE: &str = "pypi_attestations-0.0.19.tar.gz";
const GITHUB_DIGEST: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";

/// What is done to a genuine document.
type Change = fn(&mut Value);

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn read(document: &Value) -> Result<Provenance, AttestError> {
    Provenance::read(document.to_string().as_bytes())
}

fn verdict(document: &Value, file: &str, digest: &str) -> Verdict {
    let provenance = read(document).expect("a provenance object");
    verify(&provenance, &FileName::parse(file).unwrap(), digest.parse().unwrap(), &TrustRoot::embedded().unwrap())
}

mod reading {
    use super::*;

    #[test]
    fn a_provenance_object_says_who_published_the_file() {
        let provenance = read(&parsed(GITHUB)).unwrap();
        let told = "GitHub repository trailofbits/pypi-attestations, workflow release.yml";
        assert_eq!(provenance.publisher().to_string(), told);
        assert_eq!(provenance.bundles().map(|bundle| bundle.attestations.len()).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn what_is_no_provenance_object_is_refused_and_says_why() {
        let wrong: [(&str, Change); 10] = [
            ("version 2", |it| it["version"] = json!(2)),
            ("version 2", |it| *it = json!({ "version": 2, "statements": [] })),
            ("an attestation is of version 7", |it| {
                it["attestation_bundles"][0]["attestations"][0]["version"] = json!(7);
            }),
            ("missing field `version`", |it| *it = json!({ "error": "not found" })),
            ("no publisher", |it| it["attestation_bundles"] = json!([])),
            ("no attestation", |it| it["attestation_bundles"][0]["attestations"] = json!([])),
            ("no entry of a transparency log", |it| {
                it["attestation_bundles"][0]["attestations"][0]["verification_material"]["transparency_entries"] =
                    json!([]);
            }),
            ("base64", |it| it["attestation_bundles"][0]["attestations"][0]["envelope"]["signature"] = json!("ä")),
            ("more than 20 items", |it| {
                it["attestation_bundles"] = vec![it["attestation_bundles"][0].clone(); 21].into();
            }),
            ("kind of a publisher", |it| it["attestation_bundles"][0]["publisher"]["kind"] = json!(["GitHub"])),
        ];
        for (expected, change) in wrong {
            let mut document = parsed(GITHUB);
            change(&mut document);
            let error = read(&document).expect_err(expected).to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_or_too_long_is_refused() {
        for end in (0..GITHUB.len()).step_by(97) {
            let error = Provenance::read(&GITHUB.as_bytes()[..end]).expect_err("cut off");
            assert!(matches!(error, AttestError::Json(_)), "{end}: {error}");
        }
        let long = vec![b' '; LARGEST_PROVENANCE + 1];
        assert!(matches!(Provenance::read(&long), Err(AttestError::TooLarge { .. })));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!(r#"{{"version":1,"attestation_bundles":{}"#, "[".repeat(100_000));
        assert!(matches!(Provenance::read(deep.as_bytes()), Err(AttestError::Json(_))));
    }
}

#[cfg(not(feature = "attestations"))]
#[test]
fn without_the_feature_nothing_is_believed() {
    let verdict = verdict(&parsed(GITHUB), GITHUB_FILE, GITHUB_DIGEST);
    let Verdict::Unverified { publisher, why } = verdict else { panic!("{verdict:?}") };
    assert_eq!(&*publisher.kind, "GitHub");
    assert_eq!(why.to_string(), "this lazaret was built without the feature attestations");
    assert!(!why.is_contradiction());
}
