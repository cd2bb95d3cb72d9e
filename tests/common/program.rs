//! The real `lazaret serve` as a process of its own, in front of some index, by the machine's clock.

use std::path::Path;
use std::process::{Output, Stdio};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::browser::{Answer, Browser};
use super::fake_pypi::FakePypi;
use super::test_house::lazaret;

/// A running program and its folder.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    addresses: Value,
    greeting: String,
    browser: Browser,
    folder: tempfile::TempDir,
}

impl Program {
    /// In front of a fake index.
    pub(crate) async fn before(pypi: &FakePypi) -> Self {
        Self::with(&Self::settings(pypi), "").await
    }

    /// Free ports and this index.
    pub(crate) fn settings(pypi: &FakePypi) -> String {
        format!("{ANY_PORTS}[pypi]\nupstream = \"{}\"\n", pypi.simple())
    }

    /// With this configuration; a policy only if there is one.
    pub(crate) async fn with(settings: &str, policy: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = settings.to_owned();
        if !policy.is_empty() {
            std::fs::write(folder.path().join("policy.toml"), policy).expect("a file");
            text.push_str("\n[policy]\nfile = \"policy.toml\"\n");
        }
        std::fs::write(folder.path().join("lazaret.toml"), text).expect("a file");
        let (child, addresses, greeting) = start(folder.path()).await;
        Self { child, addresses, greeting, browser: Browser::new(), folder }
    }

    /// Dies without a chance to say goodbye, and is started again over the same folder.
    pub(crate) async fn killed_and_started_again(mut self) -> Self {
        self.child.kill().await.expect("killed");
        let (child, addresses, greeting) = start(self.folder.path()).await;
        Self { child, addresses, greeting, browser: Browser::new(), folder: self.folder }
    }

    /// The packages listener.
    pub(crate) fn packages(&self) -> String {
        self.address("packages")
    }

    fn address(&self, listener: &str) -> String {
        self.addresses[listener].as_str().expect("an address").trim_end_matches('/').to_owned()
    }

    /// GET on the packages listener.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.browser.send(Method::GET, &format!("{}{path}", self.packages()), &[], None).await
    }

    /// What it printed before it was ready.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// What monitors see of this name and these labels.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let bearer = format!("Bearer {}", self.admin_token());
        let url = format!("{}/metrics", self.address("admin"));
        let answer = self.browser.send(Method::GET, &url, &[("authorization", &bearer)], None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        super::metrics::value(&answer.text(), name, labels)
    }

    fn admin_token(&self) -> String {
        let file = self.folder.path().join("lazaret-data/admin.token");
        std::fs::read_to_string(file).expect("a token").trim().to_owned()
    }

    /// The most memory that it ever had, of which nothing was on disk.
    pub(crate) fn peak_megabytes(&self) -> u64 {
        let process = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") / 1_024
    }

    /// A project's page in JSON.
    pub(crate) async fn page(&self, project: &str) -> Value {
        let url = format!("{}/pypi/simple/{project}/", self.packages());
        self.browser.send(Method::GET, &url, &[super::test_house::JSON], None).await.json()
    }

    /// The admin decides.
    pub(crate) async fn decide(&self, verb: &str, target: &str) {
        let url = format!("{}/api/v1/uploads/{target}/{verb}", self.address("admin"));
        let bearer = format!("Bearer {}", self.admin_token());
        let body = json!({"reason": format!("{verb} in a test")});
        let answer = self.browser.send(Method::POST, &url, &[("authorization", &bearer)], Some(&body)).await;
        assert_eq!(answer.status, 200, "{verb} {target}: {}", answer.text());
    }

    /// Runs another command in the same folder, as a person beside the machine would.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        lazaret(self.folder.path()).args(arguments).output().await.expect("lazaret runs")
    }
}

/// Free ports for all three listeners.
pub(crate) const ANY_PORTS: &str =
    "[listen]\npackages = \"127.0.0.1:0\"\nteapot = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n";

/// Starts the program and waits for its `ready` line; the addresses are read from `addresses.json`.
async fn start(folder: &Path) -> (Child, Value, String) {
    let mut child = lazaret(folder)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(std::fs::File::create(folder.join("log")).expect("a file")))
        .spawn()
        .expect("lazaret starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut greeting = String::new();
    loop {
        match lines.next_line().await.expect("its output") {
            Some(line) if line.starts_with("ready ") => break,
            Some(line) => greeting.push_str(&format!("{line}\n")),
            None => {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                panic!("lazaret ended before it was ready:\n{log}");
            }
        }
    }
    // What it prints later is not read, but must not block it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let text = std::fs::read_to_string(folder.join("lazaret-data/addresses.json")).expect("addresses.json");
    (child, serde_json::from_str(&text).expect("JSON"), greeting)
}
