//! The ledger's head is signed each hour; who keeps one elsewhere sees what was cut off or written anew.

use std::path::Path;
use std::process::Output;

use http::Method;
use lazaret::domain::Event;
use lazaret::domain::audit::Head;
use lazaret::seal::SignedHead;
use lazaret::store::record;

use crate::common::clock::{HOUR, MINUTE};
use crate::common::test_house::{TestHouse, lazaret};

/// What the command line says of the data folder of a house that does not run any more.
async fn verified(folder: &Path, from: &[&str]) -> Output {
    let mut command = lazaret(folder);
    command.env("LAZARET__STORE__DATA_DIR", "data").args(["audit", "verify", "--offline"]);
    command.args(from).output().await.expect("lazaret runs")
}

fn heads_of(file: &Path) -> Vec<SignedHead> {
    let text = std::fs::read_to_string(file).expect("heads");
    text.lines().map(|line| line.parse().expect("a head")).collect()
}

/// What somebody with the disk does: keeps the first events as `change` leaves them, and makes the chain fit again.
fn written_anew(data_dir: &Path, keep: usize, change: impl Fn(&mut Event)) {
    let store = sled::open(data_dir.join("store")).expect("opened");
    let (ledger, facts) = (store.open_tree("ledger").expect("a tree"), store.open_tree("facts").expect("a tree"));
    let mut head = Head::EMPTY;
    for (place, row) in ledger.iter().map(|row| row.expect("a row")).collect::<Vec<_>>().into_iter().enumerate() {
        if place >= keep {
            ledger.remove(&row.0).expect("removed");
            continue;
        }
        let mut event: Event = record::decode("ledger", &row.1).expect("an event");
        change(&mut event);
        let (event, next) = head.seal(event.draft);
        head = next;
        ledger.insert(&row.0, record::encode(&event).expect("a row")).expect("written");
    }
    facts.insert("head", record::encode(&head).expect("a row")).expect("written");
    store.flush().expect("flushed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_was_kept_elsewhere_shows_truncation_and_rewriting() {
    let house = TestHouse::start().await;
    house.pass(MINUTE).await;
    for version in ["1.0", "2.0", "3.0"] {
        house.pypi.publish("quaymaster", version).wheel();
        house.pages_expire().await;
        house.page("quaymaster").await;
        house.pass(HOUR).await;
    }
    let kept = house.folder.path().join("kept.jsonl");
    std::fs::copy(house.data_dir().join("heads.jsonl"), &kept).expect("copied");
    let heads = heads_of(&kept);
    assert!(heads.len() >= 4, "one an hour: {}", heads.len());
    let key = house.api(Method::GET, "/audit/heads?limit=2", None).await.json();
    assert_eq!(key["items"].as_array().map(Vec::len), Some(2), "{key}");
    for head in &heads {
        head.verify().expect("genuine");
        assert_eq!(head.key.to_string(), key["key"].as_str().unwrap_or_default());
    }
    let printed = house.cli(&["audit", "head"]).await;
    let printed = String::from_utf8(printed.stdout).expect("text");
    let now: SignedHead = printed.trim().parse().expect("a signed head");
    now.verify().expect("genuine");
    let online = house.cli(&["audit", "verify", "--from", "kept.jsonl"]).await;
    assert!(online.status.success(), "{online:?}");
    let online = house.cli(&["audit", "verify", "--from", printed.trim()]).await;
    assert!(online.status.success(), "{online:?}");

    let TestHouse { house, folder, .. } = house;
    house.stop().await;
    let (data_dir, folder_path) = (folder.path().join("data"), folder.path());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(data_dir.join("ledger.key")).expect("a key").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert!(verified(folder_path, &["--from", "kept.jsonl"]).await.status.success());

    // The last event is cut off, and the chain fits again.
    let count = usize::try_from(now.head.sequence).expect("few");
    written_anew(&data_dir, count - 1, |_| {});
    assert!(verified(folder_path, &[]).await.status.success(), "by itself the ledger does not know");
    for from in [printed.trim().to_owned(), now.head.to_string()] {
        let cut = verified(folder_path, &["--from", &from]).await;
        assert_eq!(cut.status.code(), Some(1), "{cut:?}");
        let told = String::from_utf8_lossy(&cut.stderr).into_owned();
        assert!(told.contains(&format!("at event {count}")), "{told}");
    }
    // An early event is written anew, and all that follows is sealed again.
    written_anew(&data_dir, count, |event| {
        if event.sequence == 2 {
            event.draft.summary = "nothing happened".to_owned();
        }
    });
    assert!(verified(folder_path, &[]).await.status.success());
    assert_eq!(verified(folder_path, &["--from", "kept.jsonl"]).await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_were_forged_or_disagree_are_refused() {
    let house = TestHouse::start().await;
    house.pass(MINUTE).await;
    let file = house.data_dir().join("heads.jsonl");
    let genuine = heads_of(&file).remove(0);
    let forged = genuine.to_string().replace("\"instance\":\"", "\"instance\":\"x");
    let other = format!("{}:{}", genuine.head.sequence, "0".repeat(64));
    let check = async |text: String| {
        std::fs::write(house.folder.path().join("kept"), text).expect("written");
        let output = house.cli(&["audit", "verify", "--from", "kept"]).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = check(format!("{forged}\n")).await;
    assert!(code == Some(1) && told.contains("the signature does not hold"), "{told}");
    let (code, told) = check(format!("{genuine}\n{other}\n")).await;
    assert!(code == Some(1) && told.contains("disagree"), "{told}");
    let (code, told) = check("\u{0}\u{1b}[2J{{{{\n".to_owned()).await;
    assert!(code == Some(1) && told.contains("no head in it") && !told.contains('\u{1b}'), "{told}");
    let (code, told) = check(format!("{genuine}\n{}", &genuine.to_string()[..40])).await;
    assert!(code == Some(0) && told.contains("cut off"), "{told}");
    let output = house.cli(&["audit", "verify", "--from", "nowhere"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
