//! Everything that must survive leaves a running house in one file, and becomes a house again.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use http::Method;
use serde_json::{Value, json};

use crate::common::clock::HOUR;
use crate::common::test_house::TestHouse;
use crate::common::wheels::Built;

const PASSPHRASE: &str = "a ship waits off the island";

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A house with decisions: let in, kept out and taken back.
async fn decided() -> (TestHouse, [Built; 3]) {
    let house = TestHouse::start().await;
    let released = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    let rejected = house.pypi.publish("quaymaster", "2.0").wheel();
    let recalled = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &released).await.status, 200);
    assert_eq!(house.get_file("quaylamp", &recalled).await.status, 200);
    house.house.run_due_jobs().await;
    assert_eq!(house.decide("reject", &rejected.filename).await.status, 200);
    assert_eq!(house.decide("recall", &recalled.filename).await.status, 200);
    let block = json!({ "target": "pypi:evilquay", "reason": "a rumour" });
    assert_eq!(house.api(Method::POST, "/blocks", Some(block)).await.status, 200);
    house.pass(HOUR).await;
    (house, [released, rejected, recalled])
}

async fn states(house: &TestHouse, files: &[Built; 3]) -> Vec<u16> {
    let mut states = Vec::new();
    for (project, file) in ["quaymaster", "quaymaster", "quaylamp"].iter().zip(files) {
        states.push(house.get_file(project, file).await.status);
    }
    states
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_is_exported_while_it_runs_and_an_import_is_the_same_house() {
    let (house, files) = decided().await;
    std::fs::write(house.folder.path().join("passphrase"), format!("{PASSPHRASE}\n")).expect("written");
    let exported = house.cli(&["export", "backup.jsonl", "--passphrase-file", "passphrase", "--format", "json"]).await;
    assert!(exported.status.success(), "{}", told(&exported));
    let summary: Value = serde_json::from_slice(&exported.stdout).expect("JSON");
    let file = house.folder.path().join("backup.jsonl");
    let text = std::fs::read_to_string(&file).expect("an export");
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(house.data_dir().join("ledger.key")).expect("a key");
    assert!(!text.contains(house.house.admin_token().trim()), "tokens only as hashes");
    assert!(!text.contains(secret.trim().trim_start_matches("ed25519 ")), "the key only encrypted");
    assert!(text.contains(&format!("{{\"blob\":{{\"sha256\":\"{}\"", files[0].sha256())));
    let before = house.api(Method::GET, "/audit/verify", None).await.json();
    // What happens after the export is not in it.
    assert_eq!(house.decide("reopen", &files[1].filename).await.status, 200);

    let imported = house.offline("fresh", &["import", "backup.jsonl", "--passphrase-file", "passphrase"]).await;
    assert!(imported.status.success(), "{}", told(&imported));
    let said = told(&imported);
    assert!(
        said.contains("the signing key is restored") && said.contains(summary["signer"].as_str().unwrap()),
        "{said}"
    );
    let verified =
        house.offline("fresh", &["audit", "verify", "--offline", "--from", before["head"].as_str().unwrap()]).await;
    assert!(verified.status.success(), "{}", told(&verified));

    // The bytes are not in an export: of these three, the cellar of the new house has one.
    let name = files[0].sha256().to_string();
    let place = format!("blobs/sha256/{}/{}", &name[..2], &name[2..4]);
    let fresh = house.folder.path().join("fresh");
    std::fs::create_dir_all(fresh.join(&place)).expect("a folder");
    std::fs::copy(house.data_dir().join(&place).join(&name), fresh.join(&place).join(&name)).expect("copied");
    let admin = std::fs::read(house.data_dir().join("admin.token")).expect("a token");
    std::fs::write(fresh.join("admin.token"), admin).expect("written");
    let house = house.restart_with(move |config| config.store.data_dir = fresh).await;
    assert_eq!(states(&house, &files).await, [200, 403, 403]);
    let blocks = house.api(Method::GET, "/blocks", None).await.text();
    assert!(blocks.contains("evilquay"), "{blocks}");
    let events = house.events().await;
    assert!(events.iter().any(|event| event["kind"] == "imported"), "it is told");
    assert_eq!(house.api(Method::GET, "/audit/verify", None).await.json()["ok"], true);
    let heads = house.api(Method::GET, "/audit/heads", None).await.json();
    assert_eq!(heads["key"], summary["signer"], "the same hand signs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_export_changes_nothing() {
    let (house, _) = decided().await;
    let exported = house.cli(&["export", "backup.jsonl"]).await;
    assert!(
        exported.status.success() && told(&exported).contains("the signing key is not in it"),
        "{}",
        told(&exported)
    );
    let folder = house.folder.path().to_owned();
    let whole = std::fs::read_to_string(folder.join("backup.jsonl")).expect("an export");
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| lines.iter().flat_map(|line| [*line, "\n"]).collect::<String>();
    let attacks = [
        ("half", joined(&lines[..lines.len() / 2]), "half an export"),
        ("cut", whole[..whole.len() - 3].to_owned(), "half an export"),
        ("changed", whole.replace("a rumour", "a rumouR"), "the export"),
        ("newer", whole.replace("\"format\":1", "\"format\":99"), "use the newer one"),
        ("other", "PK\u{3}\u{4} not ours\n".to_owned(), "no export"),
        ("missing", joined(&[&lines[..3], &lines[4..]].concat()), "export"),
        ("climbs", whole.replacen("\"quaymaster\"", "\"../../../etc\"", 1), "export"),
    ];
    for (name, text, expected) in &attacks {
        std::fs::write(folder.join(name), text).expect("written");
        let refused = house.offline("fresh", &["import", name]).await;
        assert_eq!(refused.status.code(), Some(1), "{name}: {}", told(&refused));
        assert!(told(&refused).contains(expected), "{name}: {}", told(&refused));
    }
    assert!(!folder.join("fresh/store").exists(), "nothing was begun");
    let running = house.offline("data", &["import", "backup.jsonl", "--replace"]).await;
    assert!(told(&running).contains("in use by another lazaret"), "{}", told(&running));

    assert!(house.offline("fresh", &["import", "backup.jsonl"]).await.status.success());
    let again = house.offline("fresh", &["import", "backup.jsonl"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("--replace"), "{}", told(&again));
    let replaced = house.offline("fresh", &["import", "backup.jsonl", "--replace"]).await;
    assert!(replaced.status.success(), "{}", told(&replaced));
    assert!(house.offline("fresh", &["audit", "verify", "--offline"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_travels_only_under_a_passphrase_and_only_admins_export() {
    let (house, _) = decided().await;
    let short = house.api(Method::POST, "/export", Some(json!({ "passphrase": "short" }))).await;
    assert_eq!(short.status, 400, "{}", short.text());
    let token = house.api(Method::POST, "/tokens", Some(json!({ "name": "rob", "role": "reviewer" }))).await.json();
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    assert_eq!(house.api_with(&bearer, Method::POST, "/export", Some(json!({}))).await.status, 403);

    let exported = house.api(Method::POST, "/export", Some(json!({ "passphrase": PASSPHRASE }))).await;
    assert_eq!(exported.status, 200);
    std::fs::write(house.folder.path().join("backup.jsonl"), &exported.body).expect("written");
    std::fs::write(house.folder.path().join("wrong"), "another passphrase").expect("written");
    let refused = house.offline("fresh", &["import", "backup.jsonl", "--passphrase-file", "wrong"]).await;
    assert!(told(&refused).contains("the passphrase does not open the key"), "{}", told(&refused));
    assert!(!house.folder.path().join("fresh/store").exists());
    let without = house.offline("fresh", &["import", "backup.jsonl"]).await;
    assert!(without.status.success() && told(&without).contains("stays in the export"), "{}", told(&without));
}
