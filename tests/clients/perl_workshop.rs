//! A bench for Perl's clients: a clean environment, a library of its own, and a fence around it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::workshop::{Outcome, bare_command, output_in_time};
use crate::common::HandClock;
use crate::common::loopback::{Loopback, Port, missing};
use crate::common::normal;
use crate::common::sdists::MARKER;

/// What cpanm fetches with: each of them treats errors, dates and broken tarballs in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// What Debian's cpanm takes where there is no LWP.
    Wget,
    /// Where there is no wget either.
    Curl,
    /// Where there is nothing.
    HttpTiny,
}

impl Backend {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Wget, Self::Curl, Self::HttpTiny];

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Wget => &["--no-lwp", "--no-curl"],
            Self::Curl => &["--no-lwp", "--no-wget"],
            Self::HttpTiny => &["--no-lwp", "--no-wget", "--no-curl"],
        }
    }
}

/// The clients that are driven; `ScriptedCpm` stands for cpm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PerlClient {
    /// cpanm with one of its back ends.
    Cpanm(Backend),
    /// perl's own cpan.
    Cpan,
    /// carton.
    Carton,
}

impl PerlClient {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Cpanm(Backend::Wget),
        Self::Cpanm(Backend::Curl),
        Self::Cpanm(Backend::HttpTiny),
        Self::Cpan,
        Self::Carton,
    ];
}

/// One mirror, one folder, one library (`local`), and the caches of the clients that ran in it.
#[derive(Debug)]
pub(crate) struct PerlWorkshop {
    /// Everything is in here.
    pub(crate) folder: tempfile::TempDir,
    root: String,
    /// The proxy for all that is not on this machine: it writes down what a client wants there, and answers 404.
    fence: Loopback,
    extra: Vec<(&'static str, String)>,
}

impl PerlWorkshop {
    /// With an empty library, pointed at this mirror's root.
    pub(crate) async fn new(root: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = root.trim_end_matches('/').to_owned();
        let fence = Port::open().await.serve(&HandClock::new(), |_| missing());
        let workshop = Self { folder, root, fence, extra: Vec::new() };
        workshop.write("home/.cpan/CPAN/MyConfig.pm", &workshop.cpan_config());
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

    /// Writes a file into the folder, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Installs modules as each client is normally told to: `cpanm MODULES`, `cpan MODULES`, or `carton install`
    /// with a cpanfile that names them (and no snapshot of an earlier run).
    pub(crate) async fn install(&self, client: PerlClient, modules: &[&str]) -> Outcome {
        match client {
            PerlClient::Cpanm(backend) => self.cpanm(backend, modules).await,
            PerlClient::Cpan => self.cpan(modules).await,
            PerlClient::Carton => {
                self.cpanfile(modules);
                let _ = std::fs::remove_file(self.path("cpanfile.snapshot"));
                self.carton(&["install"]).await
            }
        }
    }

    /// `cpanm --mirror ROOT --mirror-only ARGUMENTS`, into the library.
    pub(crate) async fn cpanm(&self, backend: Backend, arguments: &[&str]) -> Outcome {
        let all = [&["--mirror", &self.root, "--mirror-only"], arguments].concat();
        self.cpanm_as_is(backend, &all).await
    }

    /// `cpanm ARGUMENTS`, into the library: for pins by `--cpanmetadb`, and for `http_proxy`.
    pub(crate) async fn cpanm_as_is(&self, backend: Backend, arguments: &[&str]) -> Outcome {
        let mut command = self.command("cpanm");
        command.args(backend.options()).arg("--local-lib-contained").arg(self.path("local")).args(arguments);
        self.outcome(command).await
    }

    /// `cpan ARGUMENTS`.
    pub(crate) async fn cpan(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command("cpan");
        command.args(arguments);
        self.outcome(command).await
    }

    /// Lines for cpan's shell: `reload index`, `install Acme::Greet`.
    pub(crate) async fn cpan_shell(&self, lines: &[&str]) -> Outcome {
        let mut command = self.command("cpan");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cpan runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(format!("{}\n", lines.join("\n")).as_bytes()).await.expect("cpan reads");
        drop(input);
        let limit = std::time::Duration::from_mins(3);
        let output = tokio::time::timeout(limit, child.wait_with_output()).await;
        self.said(output.unwrap_or_else(|_| panic!("cpan took more than {limit:?}")).expect("cpan ends"))
    }

    /// Any carton command in the folder, where the cpanfile and its snapshot are.
    pub(crate) async fn carton(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command("carton");
        command.env("PERL_CARTON_MIRROR", &self.root).args(arguments);
        self.outcome(command).await
    }

    /// The cpanfile names these modules: `Acme::Greet`, `Acme::Greet@1.0`.
    pub(crate) fn cpanfile(&self, modules: &[&str]) {
        let line = |module: &&str| match module.split_once('@') {
            Some((module, version)) => format!("requires '{module}', '== {version}';\n"),
            None => format!("requires '{module}';\n"),
        };
        self.write("cpanfile", &modules.iter().map(line).collect::<String>());
    }

    /// Which version of a module is in the library; `None` if it is not there.
    pub(crate) fn installed(&self, module: &str) -> Option<String> {
        let path = self.path("local/lib/perl5").join(format!("{}.pm", module.replace("::", "/")));
        let text = std::fs::read_to_string(path).ok()?;
        let (_, rest) = text.split_once("our $VERSION = '")?;
        Some(rest.split_once('\'')?.0.to_owned())
    }

    /// Empties the library; what the clients remember of the index stays.
    pub(crate) fn forget_installed(&self) {
        for name in ["local", "home/.cpan/build", "marker"] {
            let path = self.path(name);
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }

    /// Where cpanm and carton keep this mirror's index, packed as it came and, beside it, unpacked.
    pub(crate) fn index_cache(&self, ending: &str) -> String {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        let folder: Vec<&str> = self.root.split(|letter| !plain(letter)).filter(|part| !part.is_empty()).collect();
        format!("home/.cpanm/sources/{}/02packages.details.txt{ending}", folder.join("%"))
    }

    /// Every `Makefile.PL` that ran and left a mark, in order: `Acme-Greet-1.0`.
    pub(crate) fn marks(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("marker")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What clients wanted from elsewhere: `GET http://host/path`, `CONNECT host:443`.
    pub(crate) fn strayed(&self) -> Vec<String> {
        self.fence.asked_for("")
    }

    /// All that cpan would ask in its first run is answered here. protocols/cpan.md, section 4: with `pushy_https`
    /// it would never come to us.
    fn cpan_config(&self) -> String {
        let home = self.path("home/.cpan");
        let home = home.display();
        format!(
            "$CPAN::Config = {{\n\
             {CPAN_SETTINGS}\
             'build_dir' => '{home}/build',\n\
             'cpan_home' => '{home}',\n\
             'histfile' => '{home}/histfile',\n\
             'keep_source_where' => '{home}/sources',\n\
             'makepl_arg' => 'INSTALL_BASE={local}',\n\
             'mbuildpl_arg' => '--install_base {local}',\n\
             'prefs_dir' => '{home}/prefs',\n\
             'urllist' => ['{root}/'],\n\
             }};\n1;\n",
            local = self.path("local").display(),
            root = self.root,
        )
    }

    fn command(&self, program: &str) -> Command {
        let path = Path::new("/usr/bin").join(program);
        assert!(path.exists(), "{} is missing: run scripts/client-tools first (scripts/test does)", path.display());
        let mut command = bare_command(&path, self.folder.path());
        let (local, fence) = (self.path("local"), self.fence.base());
        command
            .env("PERL5LIB", local.join("lib/perl5"))
            .env("PERL_MM_USE_DEFAULT", "1")
            .env("http_proxy", &fence)
            .env("https_proxy", &fence)
            .env("no_proxy", "127.0.0.1")
            .env(MARKER, self.path("marker"))
            .envs(self.extra.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    async fn outcome(&self, command: Command) -> Outcome {
        self.said(output_in_time(command).await)
    }

    fn said(&self, output: std::process::Output) -> Outcome {
        let text = [output.stdout, output.stderr].concat();
        let folder = self.folder.path().display().to_string();
        let said = normal::durations(&normal::text(&String::from_utf8_lossy(&text), &[(&folder, "[folder]")]));
        let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
        Outcome { success: output.status.success(), said: lines.join("\n").trim().to_owned() }
    }
}

const CPAN_SETTINGS: &str = "\
'auto_commit' => 0,
'build_cache' => 100,
'build_dir_reuse' => 0,
'build_requires_install_policy' => 'yes',
'bzip2' => '/bin/bzip2',
'cache_metadata' => 1,
'check_sigs' => 0,
'colorize_output' => 0,
'connect_to_internet_ok' => 1,
'curl' => '/usr/bin/curl',
'ftp_proxy' => '',
'gzip' => '/bin/gzip',
'halt_on_failure' => 0,
'http_proxy' => '',
'index_expire' => 1,
'inhibit_startup_message' => 1,
'load_module_verbosity' => 'none',
'make' => '/usr/bin/make',
'make_arg' => '',
'make_install_arg' => '',
'make_install_make_command' => '/usr/bin/make',
'mbuild_arg' => '',
'mbuild_install_arg' => '',
'mbuild_install_build_command' => './Build',
'no_proxy' => '127.0.0.1',
'pager' => '/bin/cat',
'perl5lib_verbosity' => 'none',
'prefer_installer' => 'MB',
'prerequisites_policy' => 'follow',
'pushy_https' => 0,
'recommends_policy' => 0,
'scan_cache' => 'never',
'shell' => '/bin/sh',
'tar' => '/bin/tar',
'term_ornaments' => 0,
'test_report' => 0,
'trust_test_report_history' => 0,
'use_prompt_default' => 1,
'use_sqlite' => 0,
'wget' => '/usr/bin/wget',
";
