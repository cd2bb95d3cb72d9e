//! Our own packages on the public index: what our workflow has signed does not wait, and nothing else is spared.

use serde_json::Value;

use crate::common::Manner;
use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::test_house::TestHouse;

const DIGEST: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";
const GENUINE: &[u8] = include_bytes!("../../testdata/attestations/pypi_attestations-0.0.19.tar.gz.provenance");
const PROJECT: &str = "pypi-attestations";

fn policy(repository: &str, workflow: &str) -> String {
    format!(
        "[[own]]\nprojects = [\"{PROJECT}\"]\nrepository = \"https://github.com/{repository}\"\nworkflow = \"{workflow}\"\n"
    )
}

/// A release that was published an hour ago, with this attestation; and what became of it when the house has looked.
async fn released(policy: &str, digest: &str, attested: bool) -> (TestHouse, Value) {
    let house = TestHouse::furnish().index(Manner::Rich).policy(policy).start().await;
    let address = house.pypi.lay("/integrity/pypi-attestations", GENUINE);
    house.pypi.publish(PROJECT, "0.0.18").at(house.days_ago(90)).sdist();
    let release = house.pypi.publish(PROJECT, "0.0.19").at(house.hours_ago(1)).digest_only("sha256", digest);
    let file = if attested { release.attested(&address).sdist() } else { release.sdist() };
    house.page(PROJECT).await;
    for _ in 0..3 {
        house.pass(MINUTE * 2).await;
        house.page(PROJECT).await;
    }
    let upload = house.upload(PROJECT, &file.filename).await;
    (house, upload)
}

fn told(upload: &Value) -> String {
    let findings = upload["findings"].as_array().expect("findings");
    let own = findings.iter().find(|finding| finding["signal"] == "own-package");
    own.unwrap_or_else(|| panic!("{upload:#}"))["summary"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_workflow_signed_leaves_as_soon_as_that_is_proved() {
    let (house, upload) = released(&policy("trailofbits/pypi-attestations", "release.yml"), DIGEST, true).await;
    assert_eq!(
        (upload["state"].as_str(), upload["verdict"].as_str()),
        (Some("released"), Some("release")),
        "{upload:#}"
    );
    assert_eq!(told(&upload), "It is ours: release.yml of trailofbits/pypi-attestations on GitHub has signed it.");
    assert!(house.page(PROJECT).await.iter().any(|file| file == "pypi_attestations-0.0.19.tar.gz"));
    let elsewhere = house.pypi.asked_for("integrity");
    assert!(!elsewhere.is_empty(), "read behind the client's back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_proved_waits_as_everybodys_does_and_says_why() {
    let right = policy("trailofbits/pypi-attestations", "release.yml");
    for (policy, digest, attested, why) in [
        (policy("acme/pypi-attestations", "release.yml"), DIGEST, true, "built by release.yml of trailofbits"),
        (policy("trailofbits/pypi-attestations", "publish.yml"), DIGEST, true, "built by release.yml of trailofbits"),
        (right.clone(), DIGEST, false, "no attestation of this file was verified"),
        (right.clone(), &DIGEST.replace('9', "8"), true, "does not prove who built it"),
    ] {
        let (house, upload) = released(&policy, digest, attested).await;
        assert_eq!(upload["state"], "held", "{upload:#}");
        assert!(told(&upload).contains(why), "{}", told(&upload));
        if upload["verdict"] == "hold" {
            house.pass(DAY * 3 + HOUR).await;
            let filename = upload["filename"].as_str().expect("a name");
            assert_eq!(house.upload(PROJECT, filename).await["state"], "released", "when its hold is over");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_beside_one_that_is_proved_keeps_the_version_waiting() {
    let house =
        TestHouse::furnish().index(Manner::Rich).policy(&policy("trailofbits/pypi-attestations", "release.yml"));
    let house = house.start().await;
    let address = house.pypi.lay("/integrity/pypi-attestations", GENUINE);
    let hour = house.hours_ago(1);
    house.pypi.publish(PROJECT, "0.0.18").at(house.days_ago(90)).sdist();
    let signed =
        house.pypi.publish(PROJECT, "0.0.19").at(hour).attested(&address).digest_only("sha256", DIGEST).sdist();
    let beside = house.pypi.publish(PROJECT, "0.0.19").at(hour).wheel();
    house.page(PROJECT).await;
    for _ in 0..3 {
        house.pass(MINUTE * 2).await;
        house.page(PROJECT).await;
    }
    for file in [&signed, &beside] {
        assert_eq!(house.upload(PROJECT, &file.filename).await["state"], "held", "{}", file.filename);
    }
}
