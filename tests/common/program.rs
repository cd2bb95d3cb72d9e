//! The real `lazaret serve` as a process of its own, in front of some index, by the machine's clock.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Mutex, PoisonError};

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
    child: Mutex<Child>,
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
        Self::over(folder).await
    }

    /// Over a folder with a configuration, and whatever an earlier run left there.
    pub(crate) async fn over(folder: tempfile::TempDir) -> Self {
        let command = lazaret(folder.path());
        Self::run_by(command, folder).await
    }

    /// The same, started by this command, which may stand before the program and look at it.
    pub(crate) async fn run_by(mut command: tokio::process::Command, folder: tempfile::TempDir) -> Self {
        let (child, addresses, greeting) = start(&mut command, folder.path()).await;
        Self { child: Mutex::new(child), addresses, greeting, browser: Browser::new(), folder }
    }

    /// Dies without a chance to say goodbye, and is started again over the same folder.
    pub(crate) async fn killed_and_started_again(self) -> Self {
        Self::over(self.killed().await).await
    }

    /// Dies without a chance to say goodbye. What it leaves.
    pub(crate) async fn killed(self) -> tempfile::TempDir {
        let mut child = self.child.into_inner().unwrap_or_else(PoisonError::into_inner);
        child.kill().await.expect("killed");
        self.folder
    }

    /// Kills it while others still talk to it.
    pub(crate) fn kill(&self) {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).start_kill().expect("killed");
    }

    /// Where it runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The packages listener.
    pub(crate) fn packages(&self) -> String {
        self.address("packages")
    }

    /// The teapot listener.
    pub(crate) fn teapot(&self) -> String {
        self.address("teapot")
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

    /// The most memory that it ever had, of which nothing was on disk.
    pub(crate) fn peak_megabytes(&self) -> u64 {
        let process = self.child.lock().unwrap_or_else(PoisonError::into_inner).id().expect("it runs");
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
        let body = json!({"reason": format!("{verb} in a test")});
        let answer = self.api(Method::POST, &format!("/uploads/{target}/{verb}"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{verb} {target}: {}", answer.text());
    }

    /// The admin's token, as the program wrote it.
    pub(crate) fn admin_token(&self) -> String {
        let token = std::fs::read_to_string(self.folder.path().join("lazaret-data/admin.token")).expect("a token");
        token.trim().to_owned()
    }

    /// A request to the admin API, as the admin.
    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.api_as(&self.admin_token(), method, path, body).await
    }

    /// A request to the admin API with this token.
    pub(crate) async fn api_as(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("{}/api/v1{path}", self.address("admin"));
        let bearer = format!("Bearer {token}");
        self.browser.send(method, &url, &[("authorization", &bearer)], body).await
    }

    /// GET of a whole address.
    pub(crate) async fn fetch(&self, url: &str) -> Answer {
        self.browser.send(Method::GET, url, &[], None).await
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
async fn start(command: &mut tokio::process::Command, folder: &Path) -> (Child, Value, String) {
    let mut child = command
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
