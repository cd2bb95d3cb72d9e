//! A bench for real clients: a clean environment, a virtual environment of its own, and output that can be compared.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use crate::common::normal;
use crate::common::sdists::MARKER;

/// The clients that are driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// The newest pip.
    PipNew,
    /// pip 23.2.1, which many machines still have.
    PipOld,
    /// uv.
    Uv,
    /// poetry.
    Poetry,
}

impl Client {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::PipNew, Self::PipOld, Self::Uv, Self::Poetry];

    /// Those that install into an environment without a project.
    pub(crate) const INSTALLERS: [Self; 3] = [Self::PipNew, Self::PipOld, Self::Uv];

    fn folder(self) -> &'static str {
        match self {
            Self::PipNew => "pip-new",
            Self::PipOld => "pip-old",
            Self::Uv => "uv",
            Self::Poetry => "poetry",
        }
    }
}

/// What a client did and said.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Whether it said that all went well.
    pub(crate) success: bool,
    /// All that it printed, without what differs from run to run.
    pub(crate) said: String,
}

impl Outcome {
    /// Fails the test unless the client succeeded.
    pub(crate) fn expect_success(self, what: impl std::fmt::Debug) -> Self {
        assert!(self.success, "{what:?} failed:\n{}", self.said);
        self
    }

    /// Fails the test unless the client failed; for a snapshot.
    pub(crate) fn expect_failure(self, what: impl std::fmt::Debug) -> String {
        assert!(!self.success, "{what:?} succeeded:\n{}", self.said);
        self.said
    }
}

/// One index, one folder, one virtual environment.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// Everything is in here.
    pub(crate) folder: tempfile::TempDir,
    index: String,
    extra: Vec<(&'static str, String)>,
}

impl Workshop {
    /// With an empty virtual environment, pointed at this index.
    pub(crate) async fn new(index: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let workshop = Self { folder, index: index.to_owned(), extra: Vec::new() };
        workshop.fresh_environment().await;
        workshop
    }

    /// A file or folder in here.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable for every client.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.extra.push((name, value.to_owned()));
        self
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// Throws the virtual environment away and makes another.
    pub(crate) async fn fresh_environment(&self) {
        let place = self.path("venv");
        let _ = std::fs::remove_dir_all(&place);
        self.make_environment(&place).await;
    }

    async fn make_environment(&self, place: &Path) {
        let python = tool(Client::PipNew, "python");
        let made = self.command(&python).args(["-m", "venv", "--without-pip"]).arg(place).output().await;
        let made = made.expect("python runs");
        assert!(made.status.success(), "python cannot make a virtual environment: {made:?}");
    }

    /// `pip install ARGUMENTS`, `uv pip install ARGUMENTS` or `poetry add ARGUMENTS`.
    pub(crate) async fn install(&self, client: Client, arguments: &[&str]) -> Outcome {
        match client {
            Client::PipNew | Client::PipOld => {
                let all = [&["install", "--index-url", &self.index], arguments].concat();
                self.pip(client, &all).await
            }
            Client::Uv => {
                let python = self.path("venv/bin/python").display().to_string();
                let all = [&["pip", "install", "--python", &python], arguments].concat();
                self.uv(&all).await
            }
            Client::Poetry => {
                self.project("");
                self.make_environment(&self.path(".venv")).await;
                self.poetry(&[&["add"], arguments].concat()).await
            }
        }
    }

    /// Any pip command, for the virtual environment.
    pub(crate) async fn pip(&self, which: Client, arguments: &[&str]) -> Outcome {
        let mut command = self.command(&tool(which, "pip"));
        command.arg("--python").arg(self.path("venv/bin/python"));
        command.args(["--disable-pip-version-check", "--no-input", "--no-color", "--quiet"]);
        command.args(arguments).args(["--no-cache-dir", "--progress-bar", "off"]);
        if arguments.first() == Some(&"install") {
            command.args(["--root-user-action", "ignore"]);
        }
        self.outcome(command).await
    }

    /// Any uv command.
    pub(crate) async fn uv(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command(&tool(Client::Uv, "uv"));
        command.args(["--no-config", "--no-progress", "--color", "never"]).args(arguments);
        self.outcome(command).await
    }

    /// Any poetry command in the project in the folder.
    pub(crate) async fn poetry(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command(&tool(Client::Poetry, "poetry"));
        command.args(["--no-ansi", "--no-interaction"]).args(arguments);
        self.outcome(command).await
    }

    /// A project with these dependencies, for poetry and uv.
    pub(crate) fn project(&self, dependencies: &str) {
        self.write(
            "pyproject.toml",
            &format!(
                "[project]\nname = \"app\"\nversion = \"0.1\"\nrequires-python = \">=3.11\"\ndependencies = [{dependencies}]\n\n\
                 [tool.poetry]\npackage-mode = false\n\n\
                 [[tool.poetry.source]]\nname = \"lazaret\"\nurl = \"{}\"\npriority = \"primary\"\n",
                self.index
            ),
        );
    }

    /// Which version of a package is installed; `None` if it is not.
    pub(crate) fn installed(&self, client: Client, package: &str) -> Option<String> {
        let environment = if client == Client::Poetry { ".venv" } else { "venv" };
        let module = format!("{}-", package.replace('-', "_"));
        let library = std::fs::read_dir(self.path(environment).join("lib")).ok()?.flatten().next()?.path();
        let names = std::fs::read_dir(library.join("site-packages")).ok()?.flatten();
        names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .find_map(|name| Some(name.strip_prefix(&module)?.strip_suffix(".dist-info")?.to_owned()))
    }

    /// Whether any `setup.py` ran.
    pub(crate) fn setup_ran(&self) -> bool {
        self.path("marker").exists()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = bare_command(program, self.folder.path());
        command
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("UV_CACHE_DIR", self.path("uv-cache"))
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_DEFAULT_INDEX", &self.index)
            .env("UV_PYTHON", tool(Client::PipNew, "python"))
            .env("POETRY_CACHE_DIR", self.path("poetry-cache"))
            .env("POETRY_CONFIG_DIR", self.path("poetry-config"))
            .env("POETRY_DATA_DIR", self.path("poetry-data"))
            .env("POETRY_VIRTUALENVS_IN_PROJECT", "true")
            .env("POETRY_KEYRING_ENABLED", "false")
            .env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
            .env("COLUMNS", "500")
            .env("NO_COLOR", "1")
            .env(MARKER, self.path("marker"))
            .envs(self.extra.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    async fn outcome(&self, command: Command) -> Outcome {
        let output = output_in_time(command).await;
        let text = [output.stdout, output.stderr].concat();
        let folder = self.folder.path().display().to_string();
        let tools = tools().display().to_string();
        let known = [(folder.as_str(), "[folder]"), (tools.as_str(), "[tools]")];
        let said = normal::durations(&normal::text(&String::from_utf8_lossy(&text), &known));
        // Which Python it was is this machine's matter.
        let about_python = |line: &&str| line.starts_with("Using Python ") || line.starts_with("Using CPython ");
        let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !about_python(line)).collect();
        Outcome { success: output.status.success(), said: lines.join("\n").trim().to_owned() }
    }
}

/// Only what a program needs to be found and to run; nothing of any client's own settings. Its home is in the folder.
pub(super) fn bare_command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "LANG", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.current_dir(folder).env("HOME", folder.join("home")).stdin(std::process::Stdio::null()).kill_on_drop(true);
    command
}

/// No client hangs for ever.
pub(super) async fn output_in_time(mut command: Command) -> Output {
    let limit = std::time::Duration::from_mins(3);
    let output = tokio::time::timeout(limit, command.output()).await;
    output.unwrap_or_else(|_| panic!("{command:?} took more than {limit:?}")).expect("the client runs")
}

fn tools() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("client-tools")
}

/// The pip of one of the two pips.
pub(super) fn pip_of(client: Client) -> PathBuf {
    tool(client, "pip")
}

/// A program of a client's virtual environment.
fn tool(client: Client, program: &str) -> PathBuf {
    let path = tools().join(client.folder()).join("bin").join(program);
    assert!(path.exists(), "{} is missing: run scripts/client-tools first (scripts/test does)", path.display());
    path
}
