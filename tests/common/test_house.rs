//! A whole house on loopback with a fake index behind it and a clock moved by hand.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use lazaret::config::{Config, PrivateIndex};
use lazaret::corpus::{Corpora, Corpus};
use lazaret::disk::{Disk, SystemDisk};
use lazaret::domain::{Project, ProjectName, Timestamp};
use lazaret::house::House;
use lazaret::policy::Policy;
use serde_json::{Value, json};

use super::browser::{Answer, Browser};
use super::clock::{DAY, HandClock, MINUTE};
use super::fake_pypi::{FakePypi, Manner};
use super::wheels::Built;

/// What pip sends with a request for a page.
pub(crate) const JSON: (&str, &str) = ("accept", "application/vnd.pypi.simple.v1+json");

/// The house and everything around it.
#[derive(Debug)]
pub(crate) struct TestHouse {
    /// Moved by hand.
    pub(crate) clock: Arc<HandClock>,
    /// The public index.
    pub(crate) pypi: FakePypi,
    /// What is tested.
    pub(crate) house: House,
    /// Talks to it.
    pub(crate) browser: Browser,
    token: String,
    config: Config,
    disk: Arc<dyn Disk>,
    pub(crate) folder: tempfile::TempDir,
}

type Adjust = Box<dyn FnOnce(&mut Config) + Send>;

/// A house that is being furnished.
pub(crate) struct Furnishing {
    clock: Arc<HandClock>,
    manner: Manner,
    policy: Option<String>,
    adjust: Vec<Adjust>,
    disk: Arc<dyn Disk>,
}

impl Furnishing {
    /// With this clock, which others use too.
    pub(crate) fn clock(mut self, clock: &Arc<HandClock>) -> Self {
        self.clock = clock.clone();
        self
    }

    /// In front of such an index.
    pub(crate) fn index(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// With this policy file.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policy = Some(text.to_owned());
        self
    }

    /// With a private index that is asked first.
    pub(crate) fn private(self, name: &str, index: &FakePypi) -> Self {
        let private = PrivateIndex {
            name: name.to_owned(),
            index: index.simple(),
            names: Vec::new(),
            hold: Duration::ZERO,
            username: String::new(),
            password: None,
            client_certificate: None,
            client_key: None,
            volatile: Vec::new(),
        };
        self.config(move |config| config.pypi.private.push(private))
    }

    /// On this disk.
    pub(crate) fn disk(mut self, disk: &Arc<impl Disk + 'static>) -> Self {
        self.disk = disk.clone();
        self
    }

    /// With another configuration.
    pub(crate) fn config(mut self, adjust: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.adjust.push(Box::new(adjust));
        self
    }

    /// Opens the house.
    pub(crate) async fn start(self) -> TestHouse {
        let folder = tempfile::tempdir().expect("a folder");
        let pypi = FakePypi::start(&self.clock, self.manner).await;
        let mut config = Config::default();
        let any_port = "127.0.0.1:0".parse().expect("an address");
        config.listen.packages = any_port;
        config.listen.teapot = any_port;
        config.listen.admin = any_port;
        config.store.data_dir = folder.path().join("data");
        config.pypi.upstream = Some(pypi.simple());
        if let Some(text) = self.policy {
            let file = folder.path().join("policy.toml");
            std::fs::write(&file, text).expect("a policy file");
            config.policy.file = Some(file);
        }
        for adjust in self.adjust {
            adjust(&mut config);
        }
        let house = House::start_on(config.clone(), self.clock.clone(), self.disk.clone()).await.expect("a house");
        let token = house.admin_token().trim().to_owned();
        TestHouse { clock: self.clock, pypi, house, browser: Browser::new(), token, config, disk: self.disk, folder }
    }
}

impl TestHouse {
    /// A house with the built-in policy in front of a poor index, such as the tests can reach today.
    pub(crate) async fn start() -> Self {
        Self::furnish().start().await
    }

    /// A house that differs.
    pub(crate) fn furnish() -> Furnishing {
        Furnishing {
            clock: HandClock::new(),
            manner: Manner::Poor,
            policy: None,
            adjust: Vec::new(),
            disk: Arc::new(SystemDisk),
        }
    }

    /// So many days before now.
    pub(crate) fn days_ago(&self, days: u32) -> Timestamp {
        self.clock.true_time() - DAY * days
    }

    /// So many hours before now.
    pub(crate) fn hours_ago(&self, hours: i64) -> Timestamp {
        self.clock.true_time() - time::Duration::hours(hours)
    }

    /// Time passes, and the house does what is due.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.house.run_due_jobs().await;
    }

    /// Long enough for every page to be read again.
    pub(crate) async fn pages_expire(&self) {
        self.pass(MINUTE * 2).await;
    }

    /// The packages listener's address.
    pub(crate) fn packages(&self) -> &str {
        self.house.addresses().packages.trim_end_matches('/')
    }

    /// The Simple API that clients are pointed at.
    pub(crate) fn index_url(&self) -> String {
        format!("{}/pypi/simple/", self.packages())
    }

    /// Where a file is served.
    pub(crate) fn file_path(project: &str, file: &Built) -> String {
        format!("/pypi/files/{project}/{}/{}", file.sha256(), file.filename)
    }

    /// GET on the packages listener.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    /// Any request on the packages listener.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.browser.send(method, &format!("{}{path}", self.packages()), headers, None).await
    }

    /// GET of a file.
    pub(crate) async fn get_file(&self, project: &str, file: &Built) -> Answer {
        self.get(&Self::file_path(project, file)).await
    }

    /// A project's page in JSON.
    pub(crate) async fn page_json(&self, project: &str) -> Value {
        let answer = self.send(Method::GET, &format!("/pypi/simple/{project}/"), &[JSON]).await;
        assert_eq!(answer.status, 200, "{project}: {} {}", answer.reason, answer.text());
        answer.json()
    }

    /// What a page lists: file names, and the reason behind those that are yanked.
    pub(crate) async fn page(&self, project: &str) -> Vec<String> {
        let page = self.page_json(project).await;
        let files = page["files"].as_array().expect("files");
        let line = |file: &Value| {
            let name = file["filename"].as_str().unwrap_or_default();
            match &file["yanked"] {
                Value::String(reason) => format!("{name} yanked: {}", self.quiet(reason)),
                Value::Bool(true) => format!("{name} yanked"),
                _ => name.to_owned(),
            }
        };
        files.iter().map(line).collect()
    }

    /// Waits until background work has made a page list so many files.
    pub(crate) async fn until_listed(&self, project: &str, files: usize) {
        let mut news = self.house.quarantine().changes();
        let limit = Duration::from_secs(10);
        while self.page(project).await.len() != files {
            let heard = tokio::time::timeout(limit, news.recv()).await;
            assert!(heard.is_ok(), "{project} does not list {files} files");
        }
    }

    /// A text without what differs from run to run: ports, ids, folders.
    pub(crate) fn quiet(&self, text: &str) -> String {
        super::normal::text(text, &[(&self.folder.path().display().to_string(), "[folder]")])
    }

    /// A request to the admin API, as the admin.
    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        self.api_with(&bearer, method, path, body).await
    }

    /// A request to the admin API with this `Authorization`.
    pub(crate) async fn api_with(
        &self,
        authorization: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let url = format!("{}/api/v1{path}", self.house.addresses().admin.trim_end_matches('/'));
        self.browser.send(method, &url, &[("authorization", authorization)], body.as_ref()).await
    }

    /// The admin decides about an upload's id, `pypi:NAME==VERSION` or a file's name.
    pub(crate) async fn decide(&self, verb: &str, target: &str) -> Answer {
        let target = target.replace('=', "%3D").replace(':', "%3A").replace('/', "%2F");
        let body = json!({"reason": format!("{verb} in a test")});
        self.api(Method::POST, &format!("/uploads/{target}/{verb}"), Some(body)).await
    }

    /// The admin lets something in.
    pub(crate) async fn approve(&self, target: &str) -> Value {
        let answer = self.decide("approve", target).await;
        assert_eq!(answer.status, 200, "approve {target}: {}", answer.text());
        answer.json()
    }

    /// All uploads of a project as the API shows them.
    pub(crate) async fn uploads(&self, project: &str) -> Vec<Value> {
        let answer = self.api(Method::GET, &format!("/uploads?ecosystem=pypi&project={project}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().cloned().expect("items")
    }

    /// A file's upload as the API shows it.
    pub(crate) async fn upload(&self, project: &str, filename: &str) -> Value {
        let uploads = self.uploads(project).await;
        let found = uploads.iter().find(|upload| upload["filename"] == filename);
        found.cloned().unwrap_or_else(|| panic!("no upload of {filename} among {uploads:#?}"))
    }

    /// All kinds of events in the ledger, in order.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let answer = self.api(Method::GET, "/audit?limit=1000", None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().cloned().expect("items")
    }

    /// What monitors see of this name and these labels; all houses of a process are counted together.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let url = format!("{}/metrics", self.house.addresses().admin.trim_end_matches('/'));
        let bearer = format!("Bearer {}", self.token);
        let answer = self.browser.send(Method::GET, &url, &[("authorization", &bearer)], None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        super::metrics::value(&answer.text(), name, labels)
    }

    /// Runs the real `lazaret` program against this house.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Output {
        lazaret(self.folder.path())
            .args(arguments)
            .env("LAZARET_URL", &self.house.addresses().admin)
            .env("LAZARET_TOKEN", &self.token)
            .output()
            .await
            .expect("lazaret runs")
    }

    /// The metrics, as Prometheus fetches them.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.house.addresses().admin.trim_end_matches('/'));
        let bearer = format!("Bearer {}", self.token);
        self.browser.send(Method::GET, &url, &[("authorization", &bearer)], None).await.text()
    }

    /// Runs the real `lazaret` program on a data folder that no house uses.
    pub(crate) async fn offline(&self, data_dir: &str, arguments: &[&str]) -> Output {
        let mut command = lazaret(self.folder.path());
        command.env("LAZARET__STORE__DATA_DIR", data_dir).args(arguments);
        command.output().await.expect("lazaret runs")
    }

    /// Where the house keeps everything.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.config.store.data_dir.clone()
    }

    /// Puts another policy into force.
    pub(crate) fn set_policy(&self, text: &str) {
        let policy = Policy::parse(text, "test").expect("a policy");
        let corpora =
            Corpora::each(|ecosystem| Corpus::with_internal(ecosystem, &policy.namespaces.imitable(ecosystem)));
        self.house.quarantine().set_policy(policy, corpora);
    }

    /// The hold of a project's files is looked at now.
    pub(crate) async fn release_due(&self, project: &str) {
        let project = Project::pypi(ProjectName::pypi(project).expect("a name"));
        // What it could not do shows in what is served.
        let _ = self.house.quarantine().release_due(&project).await;
    }

    /// Stops the house and opens it again over the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| ()).await
    }

    /// Likewise, with another configuration.
    pub(crate) async fn restart_with(self, adjust: impl FnOnce(&mut Config)) -> Self {
        let Self { clock, pypi, house, browser, token, mut config, disk, folder } = self;
        adjust(&mut config);
        house.stop().await;
        let house = House::start_on(config.clone(), clock.clone(), disk.clone()).await.expect("the house opens again");
        let token = if house.admin_token().is_empty() { token } else { house.admin_token() };
        Self { clock, pypi, house, browser, token, config, disk, folder }
    }
}

/// The real program, with nothing of this process's settings.
pub(crate) fn lazaret(folder: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lazaret"));
    command.current_dir(folder).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LAZARET_") {
            command.env_remove(name);
        }
    }
    command
}
