//! A machine as it was before: clients with settings of their own, and the real program beside them.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::test_house::lazaret;

/// Its folder: `bin` is all of its search path, `home` its user's.
#[derive(Debug)]
pub(crate) struct OldMachine {
    pub(crate) folder: tempfile::TempDir,
}

impl OldMachine {
    /// With a pip that is set to this, one `key='value'` a line, as `pip config list` says it.
    pub(crate) fn with_pip(settings: &[String]) -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir_all(machine.path("bin")).expect("a folder");
        std::fs::create_dir_all(machine.path("home")).expect("a folder");
        machine.program(
            "pip",
            &format!(
                "case \"$*\" in\n\"config list\") cat <<'END'\n{}\nEND\n;;\n\
                 *) echo '  -i, --index-url <url>  Base URL (default https://built-in.example.test/simple).';;\nesac",
                settings.join("\n")
            ),
        );
        machine
    }

    /// Puts a program on its search path.
    pub(crate) fn program(&self, name: &str, script: &str) {
        // Another process writes it: a file that somebody can still write is not started (ETXTBSY).
        let write = ["-c", "printf '%s\\n' '#!/bin/sh' 'PATH=/usr/bin:/bin' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"];
        let mut shell = std::process::Command::new("sh");
        let status = shell.args(write).arg(self.path("bin").join(name)).arg(script).status();
        assert!(status.expect("sh runs").success());
    }

    /// A file or folder of it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// A file's text.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs `lazaret` on it.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().await.expect("lazaret runs")
    }

    /// Runs `lazaret serve` on free ports until the child is dropped.
    pub(crate) async fn serve(&self) -> Child {
        let mut command = self.command();
        for listener in ["PACKAGES", "TEAPOT", "ADMIN"] {
            command.env(format!("LAZARET__LISTEN__{listener}"), "127.0.0.1:0");
        }
        let log = std::fs::File::create(self.path("log")).expect("a file");
        let mut child = command.arg("serve").stdout(Stdio::piped()).stderr(log).spawn().expect("lazaret starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        loop {
            match lines.next_line().await.expect("its output") {
                Some(line) if line.starts_with("ready ") => break,
                Some(_) => {}
                None => panic!("lazaret ended before it was ready:\n{}", self.read("log")),
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        child
    }

    fn command(&self) -> Command {
        let mut command = lazaret(self.folder.path());
        command.env_clear().env("PATH", self.path("bin")).env("HOME", self.path("home"));
        command
    }

    /// A text without what differs from run to run.
    pub(crate) fn quiet(&self, text: &str) -> String {
        super::normal::text(text, &[(&self.folder.path().display().to_string(), "[folder]")])
    }
}
