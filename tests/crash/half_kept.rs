//! An end between two files that belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::clock::HOUR;
use crate::common::teapot_house::package;
use crate::common::{FakeTeapot, TeapotHouse};

/// The files of a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| (path.clone(), std::fs::read(&path).expect("a file"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_teapot_index_that_was_half_kept_does_not_make_the_next_one_a_first_one() {
    let upstream = FakeTeapot::start().await;
    upstream.package("acme::greet", "1.0", &[]);
    let house = TeapotHouse::before(upstream).await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    let folder = house.house.data_dir().join("teapot");
    let before = files(&folder);

    house.clock().advance(HOUR);
    house.upstream.package("acme::greet", "2.0", &[]);
    house.poll().await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    // Killed after the new index was written, and before the file that speaks of it was: nothing old was removed yet.
    for (path, bytes) in before {
        if !path.exists() || path.ends_with("state.json") {
            std::fs::write(path, bytes).expect("a file");
        }
    }
    house.upstream.package("acme::greet", "3.0", &[]);
    house.upstream.package("acme::wave", "1.0", &[]);

    let house = Box::pin(house.restart()).await;
    house.poll().await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"], "what came since is held");
    assert!(house.versions("acme::wave").await.is_empty(), "a new name too");
    house.refusal(&package("acme::greet", "3.0")).await;
    house.refusal(&package("acme::wave", "1.0")).await;
}
