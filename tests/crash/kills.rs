//! `kill -9` at random moments of a mixed load, and of the start itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::Rng as _;
use tempfile::TempDir;
use tokio::time::Instant;

use super::harbour::Harbour;
use super::inspection::inspect;
use super::load::Load;
use super::witness::Witness;
use crate::common::program::Program;
use crate::common::test_house::lazaret;

/// How long it runs under load before it is killed, at most.
const LONGEST_RUN: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_03_nothing_that_was_acknowledged_is_lost_by_kill_9_at_any_moment() {
    let mut chance = super::chance();
    let (harbour, witness) = (Arc::new(Harbour::open().await), Arc::new(Witness::default()));
    let mut folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("lazaret.toml"), harbour.settings()).expect("a file");
    super::know_few_names(folder.path());
    let mut slowest = Duration::ZERO;
    for cycle in 0..super::cycles() {
        harbour.tick();
        if cycle % 5 == 4 {
            killed_while_it_starts(&folder, chance.random_range(Duration::ZERO..slowest.min(LONGEST_RUN))).await;
        }
        let program = ready(folder, &mut slowest).await;
        for (place, happened) in inspect(&program, &harbour, &witness, SystemTime::now(), &mut chance).await {
            witness.found(place, happened);
        }
        let program = Arc::new(program);
        let load = Load::on(&program, &harbour, &witness, &mut chance);
        tokio::time::sleep(chance.random_range(Duration::ZERO..LONGEST_RUN)).await;
        program.kill();
        load.stop().await;
        folder = Arc::into_inner(program).expect("nobody else has it").killed().await;
    }

    let program = ready(folder, &mut slowest).await;
    inspect(&program, &harbour, &witness, SystemTime::now(), &mut chance).await;
    let verified = program.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
    let (deeds, files) = (witness.deeds(), witness.files());
    println!("{} deeds, {files} files, slowest start {slowest:?}", deeds.len());
    for verb in ["approve", "reject", "recall", "token"] {
        let done = deeds.iter().filter(|deed| deed.verb == verb && deed.acknowledged.is_some()).count();
        println!("{verb}: {done} acknowledged");
        assert!(done > 0, "no {verb} was acknowledged: this was no mixed load");
    }
    assert!(files > 0, "no file was fetched: this was no mixed load");
}

/// Starts it and waits until it is ready, which nobody has to help with.
async fn ready(folder: TempDir, slowest: &mut Duration) -> Program {
    let begun = Instant::now();
    let program = tokio::time::timeout(super::A_START, Program::over(folder)).await.expect("ready within seconds");
    *slowest = (*slowest).max(begun.elapsed());
    program
}

async fn killed_while_it_starts(folder: &TempDir, after: Duration) {
    let mut child = lazaret(folder.path())
        .arg("serve")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("lazaret starts");
    tokio::time::sleep(after).await;
    child.kill().await.expect("killed");
}
