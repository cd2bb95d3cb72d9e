//! The commuter: from an old pip.conf to a recall, by the one script that a person runs too.

use std::path::Path;

use super::Client;
use super::workshop::{bare_command, output_in_time, pip_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commuter_gets_from_an_old_pip_conf_to_who_has_it() {
    for client in [Client::PipNew, Client::PipOld] {
        let folder = tempfile::tempdir().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/commuter");
        let mut command = bare_command(&script, folder.path());
        command.arg("--lazaret").arg(env!("CARGO_BIN_EXE_lazaret")).arg("--pip").arg(pip_of(client));
        let output = output_in_time(command).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{client:?}: {said}");
        assert!(said.trim_end().ends_with("== arrived"), "{said}");
    }
}
