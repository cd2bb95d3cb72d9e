//! Which public index this machine's pip uses, so that a first start needs no configuration.
//!
//! pip merges environment, command and global settings itself; `pip config list` prints the result. Where nothing is set its
//! built-in default counts, and that is read from pip too: no registry's address is written in this program.
#![expect(clippy::disallowed_methods, reason = "this is the room that asks other programs, here pip")]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use url::Url;

use super::{Listen, Secret};

/// Asking pip takes a second; a pip that hangs must not keep us from starting.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// pip's help has 20 kB; settings are shorter.
const OUTPUT_LIMIT: u64 = 256 * 1024;

/// How pip is called, the likeliest first.
const CALLS: [&[&str]; 4] = [&["pip"], &["pip3"], &["python3", "-m", "pip"], &["python", "-m", "pip"]];

/// What this machine's pip uses.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// The index, without credentials.
    pub url: Url,
    /// The user in pip's URL; empty if there is none.
    pub username: String,
    /// The password in pip's URL.
    pub password: Option<Secret>,
    /// Whom we asked, for people: `pip config global.index-url`.
    pub from: String,
}

/// Why there is no public index.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// No pip answered.
    #[error(
        "no Python index is known: pypi.upstream is not set and no pip on this machine could be asked ({0}); set \
         pypi.upstream (or LAZARET__PYPI__UPSTREAM) to the address of a Simple API"
    )]
    NoPip(String),
    /// pip uses something that we cannot ask.
    #[error(
        "no Python index is known: {0} is not an http or https address; set pypi.upstream (or \
         LAZARET__PYPI__UPSTREAM) to the address of a Simple API"
    )]
    NotHttp(String),
    /// pip uses what the configuration calls private.
    #[error(
        "no public Python index is known: {from} is the private index {name:?}; set pypi.upstream (or \
         LAZARET__PYPI__UPSTREAM) to the public index"
    )]
    Private {
        /// Whom we asked.
        from: String,
        /// The private index.
        name: String,
    },
}

/// Asks the first pip on the search path (`None`: this process's own) which index it uses. One that is ourselves is passed
/// over: whoever points pip at lazaret still wants the index behind it.
pub async fn pypi(listen: &Listen, search_path: Option<&OsStr>) -> Result<Discovered, DiscoverError> {
    ask_each(listen, search_path, TIME_LIMIT).await
}

async fn ask_each(listen: &Listen, search_path: Option<&OsStr>, limit: Duration) -> Result<Discovered, DiscoverError> {
    let pips = Pips::new(search_path);
    let limit = tokio::time::Instant::now() + limit;
    let mut failures = Vec::new();
    for call in CALLS {
        let asked = tokio::time::timeout_at(limit, pips.ask(call, listen)).await;
        match asked.unwrap_or_else(|_| Err(Failure::Silent("gave no answer in time".to_owned()))) {
            Ok(discovered) => return Ok(discovered),
            Err(Failure::NotHttp(from)) => return Err(DiscoverError::NotHttp(from)),
            Err(Failure::Silent(why)) => failures.push(format!("{} {why}", call.join(" "))),
        }
    }
    Err(DiscoverError::NoPip(failures.join("; ")))
}

/// What the first pip that answers is set to, `key` to `value`, the strongest last: `global.index-url`, `:env:.find-links`.
/// Empty if none answers.
pub async fn pip_settings(search_path: Option<&OsStr>) -> Vec<(String, String)> {
    answered_settings(search_path).await.unwrap_or_default()
}

/// [`pip_settings`], or `None` if no pip answers.
pub(super) async fn answered_settings(search_path: Option<&OsStr>) -> Option<Vec<(String, String)>> {
    let pips = Pips::new(search_path);
    let limit = tokio::time::Instant::now() + TIME_LIMIT;
    for call in CALLS {
        if let Ok(Ok(output)) = tokio::time::timeout_at(limit, pips.run(call, &["config", "list"], &[])).await {
            return Some(settings(&output));
        }
    }
    None
}

/// What a client prints, if it is there, ends well and in time.
pub(super) async fn said_by(search_path: Option<&OsStr>, call: &[&str]) -> Option<String> {
    let machine = Pips::new(search_path);
    tokio::time::timeout(TIME_LIMIT, machine.run(call, &[], &[])).await.ok()?.ok()
}

enum Failure {
    /// Try the next pip.
    Silent(String),
    /// It answered, but with an index that is not on the web.
    NotHttp(String),
}

/// The folders in which pip, and what else we ask, may be.
struct Pips {
    search_path: OsString,
}

impl Pips {
    fn new(search_path: Option<&OsStr>) -> Self {
        let own = || std::env::var_os("PATH").unwrap_or_default();
        Self { search_path: search_path.map_or_else(own, OsStr::to_os_string) }
    }

    async fn ask(&self, call: &[&str], listen: &Listen) -> Result<Discovered, Failure> {
        // pip before 10 cannot list its settings; its built-in default is still worth knowing.
        let configured = self.run(call, &["config", "list"], &[]).await.unwrap_or_default();
        for (key, value) in strongest_first(settings(&configured)) {
            let from = format!("pip's setting {key}");
            let discovered = read(&value, &from).ok_or(Failure::NotHttp(from))?;
            if !listen.is_own(&discovered.url) {
                return Ok(discovered);
            }
        }
        // --isolated leaves out the environment and the user's file, an empty PIP_CONFIG_FILE the machine's; a wide
        // terminal keeps the address on one line.
        let quiet = [("PIP_CONFIG_FILE", "/dev/null"), ("COLUMNS", "2000")];
        let help = self.run(call, &["--isolated", "install", "--help"], &quiet).await.map_err(Failure::Silent)?;
        built_in_default(&help)
            .and_then(|address| read(address, "pip's built-in default"))
            .ok_or_else(|| Failure::Silent("does not say which index is its default".to_owned()))
    }

    /// Runs one command and returns what it prints.
    async fn run(&self, call: &[&str], arguments: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
        let (name, rest) = call.split_first().ok_or("is no command")?;
        let program = self.find(name).ok_or("was not found")?;
        let mut command = Command::new(program);
        command.args(rest).args(arguments).env("PATH", &self.search_path);
        // pip needs its environment, but not our secrets.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LAZARET_") {
                command.env_remove(name);
            }
        }
        command
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PYTHONIOENCODING", "utf-8")
            .envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("could not be started: {error}"))?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let read = stdout.take(OUTPUT_LIMIT).read_to_end(&mut output).await;
            read.map_err(|error| format!("could not be read: {error}"))?;
        }
        let status = child.wait().await.map_err(|error| format!("was lost: {error}"))?;
        if status.success() {
            Ok(String::from_utf8_lossy(&output).into_owned())
        } else {
            Err(format!("failed ({status})"))
        }
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.search_path).map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

/// Reads `key='value'` lines; pip writes the values as Python literals.
fn settings(output: &str) -> Vec<(String, String)> {
    output
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(key, value)| (key.to_owned(), unquote(value)))
        .collect()
}

/// The index settings that count for `pip install`, in pip's own order: environment, then command, then global.
fn strongest_first(settings: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    let strength =
        |key: &str| [":env:.index-url", "install.index-url", "global.index-url"].iter().position(|known| *known == key);
    let mut found: Vec<_> =
        settings.into_iter().filter_map(|(key, value)| strength(&key).map(|place| (place, (key, value)))).collect();
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, setting)| setting)
}

/// A Python string literal's text; escapes that no address has are left as they are.
fn unquote(literal: &str) -> String {
    let literal = literal.trim();
    let inner = ['\'', '"'].into_iter().find_map(|quote| literal.strip_prefix(quote)?.strip_suffix(quote));
    inner.map_or_else(|| literal.to_owned(), |text| text.replace("\\'", "'").replace("\\\\", "\\"))
}

/// The address in `-i, --index-url <url>  Base URL of the Python Package Index (default ADDRESS).`
fn built_in_default(help: &str) -> Option<&str> {
    let option = help.split("--index-url").nth(1)?;
    // Up to the next option only: that has a default of its own.
    let option = option.split("\n  -").next()?;
    let (_, default) = option.split_once("(default")?;
    let (address, _) = default.split_once(')')?;
    let address = address.trim_start_matches(':').trim();
    (!address.is_empty()).then_some(address)
}

/// An index's address without its credentials, which are kept apart.
pub(super) fn read(address: &str, from: &str) -> Option<Discovered> {
    let mut url = Url::parse(address.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let decode = |text: &str| {
        let pair = format!("x={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, text)| text.into_owned())
    };
    let username = decode(url.username());
    let password = url.password().map(|text| Secret::new(&decode(text)));
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(Discovered { url, username, password, from: from.to_owned() })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    /// The folders of a machine on which these programs are installed.
    fn machine(programs: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, script) in programs {
            // Another process writes it: a test that starts a program just now would inherit our open file, and a file that
            // somebody can still write is not started (ETXTBSY).
            let write = ["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"];
            let mut shell = std::process::Command::new("sh");
            let status = shell.args(write).arg(folder.path().join(name)).arg(script).status().unwrap();
            assert!(status.success());
        }
        folder
    }

    /// A pip with these settings and its usual help, its default wrapped as on a narrow terminal.
    fn pip(settings: &str) -> String {
        format!(
            "case \"$*\" in\n\"config list\") printf '%s\\n' {settings};;\n\
             *--isolated*help) [ -n \"$PIP_CONFIG_FILE\" ] || exit 9\n\
             printf '%s\\n' 'Package Index Options:' '  -i, --index-url <url>  Base URL of the index (default' \
             '          https://built-in.example.test/simple). This should point' '  --extra-index-url <url>  More (default x)';;\n\
             *) exit 2;;\nesac"
        )
    }

    async fn discover(programs: &[(&str, &str)]) -> Result<Discovered, DiscoverError> {
        discover_behind(&Listen::default(), programs).await
    }

    async fn discover_behind(listen: &Listen, programs: &[(&str, &str)]) -> Result<Discovered, DiscoverError> {
        let machine = machine(programs);
        pypi(listen, Some(machine.path().as_os_str())).await
    }

    #[tokio::test]
    async fn the_index_that_pip_is_set_to_use_is_ours_too() {
        let settings = "\"global.index-url='https://global.example.test/simple'\" \
                        \":env:.index-url='https://environment.example.test/simple'\" \"install.timeout='9'\"";
        let found = discover(&[("pip", &pip(settings))]).await.unwrap();
        assert_eq!(found.url.as_str(), "https://environment.example.test/simple/");
        assert_eq!(found.from, "pip's setting :env:.index-url");
        assert_eq!(found.username, "");
    }

    #[tokio::test]
    async fn where_nothing_is_set_pip_names_its_own_default() {
        let found = discover(&[("pip3", &pip("''"))]).await.unwrap();
        assert_eq!(found.url.as_str(), "https://built-in.example.test/simple/");
        assert_eq!(found.from, "pip's built-in default");
    }

    #[tokio::test]
    async fn pip_as_a_module_counts_and_a_broken_pip_does_not() {
        let module = format!("[ \"$1 $2\" = '-m pip' ] || exit 3\nshift 2\n{}", pip("''"));
        let found = discover(&[("pip", "exit 1"), ("python3", &module)]).await.unwrap();
        assert_eq!(found.url.as_str(), "https://built-in.example.test/simple/");
    }

    #[tokio::test]
    async fn pip_that_points_at_us_does_not_make_us_ask_ourselves() {
        let ours = "\"global.index-url='http://localhost:8080/pypi/simple/'\"";
        let found = discover(&[("pip", &pip(ours))]).await.unwrap();
        assert_eq!(found.url.as_str(), "https://built-in.example.test/simple/");

        let public = "\":env:.index-url='https://lazaret.example.test/pypi/simple'\" \
                      \"global.index-url='https://company.example.test/simple'\"";
        let public_url = Some(Url::parse("https://lazaret.example.test/").unwrap());
        let listen = Listen { public_url, ..Listen::default() };
        let found = discover_behind(&listen, &[("pip", &pip(public))]).await.unwrap();
        assert_eq!(found.url.as_str(), "https://company.example.test/simple/");
    }

    #[tokio::test]
    async fn credentials_are_kept_apart_and_never_shown() {
        let settings = "\"install.index-url='https://reader:p%40ss+word@index.example.test/simple?x=1'\"";
        let found = discover(&[("pip", &pip(settings))]).await.unwrap();
        assert_eq!(found.url.as_str(), "https://index.example.test/simple/");
        assert_eq!(found.username, "reader");
        assert_eq!(found.password.as_ref().unwrap().expose(), "p@ss+word");
        assert!(!format!("{found:?}").contains("p@ss"));
    }

    #[tokio::test]
    async fn without_pip_the_error_names_the_key() {
        let error = discover(&[("pip", "exit 1")]).await.unwrap_err();
        assert_snapshot!(error, @r#"no Python index is known: pypi.upstream is not set and no pip on this machine could be asked (pip failed (exit status: 1); pip3 was not found; python3 -m pip was not found; python -m pip was not found); set pypi.upstream (or LAZARET__PYPI__UPSTREAM) to the address of a Simple API"#);
        let error = discover(&[("pip", &pip("\"global.index-url='file:///srv/packages'\""))]).await.unwrap_err();
        assert_snapshot!(error, @r#"no Python index is known: pip's setting global.index-url is not an http or https address; set pypi.upstream (or LAZARET__PYPI__UPSTREAM) to the address of a Simple API"#);
    }

    /// On a machine with pip; elsewhere nothing is shown.
    #[tokio::test]
    async fn the_real_pip_is_understood() {
        match pypi(&Listen::default(), None).await {
            Ok(found) => assert!(found.url.has_host() && found.url.path().ends_with('/'), "{found:?}"),
            Err(error) => assert!(error.to_string().contains("pypi.upstream"), "{error}"),
        }
    }

    #[tokio::test]
    async fn a_pip_that_talks_for_ever_is_cut_off() {
        let chatter = "while :; do echo \"noise='noise noise noise noise noise noise noise noise noise'\"; done";
        let error = discover(&[("pip", chatter)]).await.unwrap_err();
        assert!(error.to_string().contains("pip failed"), "{error}");
    }

    #[tokio::test]
    async fn a_pip_that_hangs_does_not_keep_us_from_starting() {
        let machine = machine(&[("pip", "while :; do :; done")]);
        let limit = Duration::from_millis(200);
        let error = ask_each(&Listen::default(), Some(machine.path().as_os_str()), limit).await.unwrap_err();
        assert!(error.to_string().contains("gave no answer in time"), "{error}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_pip_prints_is_survived(output in "[-a-z=' \"\\\\\n(:/.)<>]{0,200}") {
            strongest_first(settings(&output)).for_each(|(_, value)| drop(read(&value, "")));
            let _ = built_in_default(&format!("--index-url{output}")).map(|address| read(address, ""));
        }
    }
}
