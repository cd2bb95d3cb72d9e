//! Version N reads what version N-1 wrote: `testdata/stores/` has data folders as earlier versions left them.

use std::path::Path;

use http::Method;
use lazaret::domain::Sha256;
use lazaret::store::StoreError;
use lazaret::store::record;
use lazaret::store::sled::SledStore;

use crate::common::clock::{DAY, HOUR};
use crate::common::faults::Fault;
use crate::common::test_house::TestHouse;

/// Writes the folder that the other tests here read. Run by hand, by the version whose store is to be kept:
/// `LAZARET_FIXTURE=testdata/stores/v1.tar.gz cargo test --test integration writes_the_store_of_this_version -- --ignored`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a fixture"]
async fn writes_the_store_of_this_version() {
    let target = std::env::var("LAZARET_FIXTURE").expect("LAZARET_FIXTURE names the file");
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    let approved = house.pypi.publish("quaymaster", "2.0").wheel();
    let rejected = house.pypi.publish("quaymaster", "3.0").wheel();
    let recalled = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    house.pypi.publish("quaylamp", "1.1").wheel();
    house.page("quaymaster").await;
    house.page("quaylamp").await;
    for (project, file) in [("quaymaster", &old), ("quaylamp", &recalled)] {
        assert_eq!(house.get_file(project, file).await.status, 200);
    }
    house.house.run_due_jobs().await;
    house.approve(&approved.filename).await;
    assert_eq!(house.get_file("quaymaster", &approved).await.status, 200);
    assert_eq!(house.decide("reject", &rejected.filename).await.status, 200);
    assert_eq!(house.decide("recall", &recalled.filename).await.status, 200);
    let block = serde_json::json!({ "target": "pypi:evilquay", "reason": "a rumour" });
    assert_eq!(house.api(Method::POST, "/blocks", Some(block)).await.status, 200);
    let token = serde_json::json!({ "name": "alice", "role": "reviewer" });
    assert_eq!(house.api(Method::POST, "/tokens", Some(token)).await.status, 200);
    house.pass(HOUR).await;
    let data_dir = house.data_dir();
    let folder = house.folder;
    house.house.stop().await;
    pack(&data_dir, Path::new(&target));
    drop(folder);
}

fn pack(data_dir: &Path, target: &Path) {
    let file = std::fs::File::create(target).expect("a file");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::best()));
    for part in ["store", "blobs", "instance.json", "admin.token"] {
        let path = data_dir.join(part);
        if path.is_dir() {
            tar.append_dir_all(part, &path).expect("packed");
        } else {
            tar.append_path_with_name(&path, part).expect("packed");
        }
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("packed");
}

fn unpack(fixture: &str, data_dir: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/stores").join(fixture);
    let file = std::fs::File::open(path).expect("a fixture");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in tar.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let target = data_dir.join(entry.path().expect("a path"));
        if entry.header().entry_type().is_dir() {
            std::fs::create_dir_all(target).expect("a folder");
        } else {
            std::io::copy(&mut entry, &mut std::fs::File::create(target).expect("a file")).expect("unpacked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_an_earlier_version_is_opened_and_served() {
    for fixture in ["v1.tar.gz"] {
        let house = TestHouse::start().await;
        house.clock.advance(DAY);
        // Its index is not there any more: what was known is served.
        house.pypi.fault("/", Fault::HangUp);
        let folder = house.folder.path().join("older");
        std::fs::create_dir_all(&folder).expect("a folder");
        unpack(fixture, &folder);
        let house = house.restart_with(move |config| config.store.data_dir = folder).await;
        assert_eq!(house.page("quaymaster").await.len(), 2, "{fixture}");
        let mut served = Vec::new();
        for project in ["quaymaster", "quaylamp"] {
            for upload in house.uploads(project).await {
                let text = |key: &str| upload[key].as_str().unwrap_or_default();
                let answer = house.get(&format!("/pypi/files/{project}/{}/{}", text("sha256"), text("filename"))).await;
                if answer.status == 200 {
                    assert_eq!(Sha256::of(&answer.body).to_string(), text("sha256"), "{fixture}");
                }
                served.push(format!("{} {} {}", text("filename"), text("state"), answer.status));
            }
        }
        served.sort();
        insta::assert_snapshot!(served.join("\n"), @r"
        quaylamp-1.0-py3-none-any.whl recalled 403
        quaylamp-1.1-py3-none-any.whl held 403
        quaymaster-1.0-py3-none-any.whl released 200
        quaymaster-2.0-py3-none-any.whl released 200
        quaymaster-3.0-py3-none-any.whl rejected 403
        ");
        let verified = house.api(Method::GET, "/audit/verify", None).await.json();
        assert_eq!(verified["ok"], true, "{fixture}: {verified}");
        assert!(house.api(Method::GET, "/tokens", None).await.text().contains("alice"));
        assert!(house.api(Method::GET, "/blocks", None).await.text().contains("evilquay"));
        // It goes on being a store: decisions are made, kept and exported.
        assert_eq!(house.decide("recall", "quaymaster-2.0-py3-none-any.whl").await.status, 200);
        let house = house.restart().await;
        let upload = house.upload("quaymaster", "quaymaster-2.0-py3-none-any.whl").await;
        assert_eq!(upload["state"], "recalled");
        assert!(house.cli(&["export", "backup.jsonl"]).await.status.success());
        assert!(house.offline("fresh", &["import", "backup.jsonl"]).await.status.success());
    }
}

#[test]
fn a_store_of_the_future_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(SledStore::open(folder.path()).expect("founded"));
    let facts = sled::open(folder.path()).and_then(|store| store.open_tree("facts")).expect("opened");
    assert_eq!(facts.insert("rows", &[record::VERSION + 1]).expect("written").as_deref(), Some(&[record::VERSION][..]));
    facts.flush().expect("flushed");
    drop(facts);
    let refused = SledStore::open(folder.path()).expect_err("it is newer");
    assert!(matches!(refused, StoreError::TooNew { .. }), "{refused}");
    assert!(refused.to_string().contains("start the newer one"), "{refused}");
}
