//! `client-setup`: how to point a client here, and what would still bypass us. Prints commands, changes nothing.

use std::ffi::OsStr;
use std::path::Path;

use clap::ValueEnum;
use serde_json::json;
use url::{Host, Url};

use super::shell::Shell;
use super::{CliError, Format, Printing, address, perl_setup, text};
use crate::config::{Config, discover};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which client.
    client: Client,
    /// How to take it back.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    Pip,
    Uv,
    Poetry,
    Cpanm,
    Cpan,
    Cpm,
    Carton,
    Teacup,
}

impl Client {
    const fn is_perls(self) -> bool {
        matches!(self, Self::Cpanm | Self::Cpan | Self::Cpm | Self::Carton)
    }
}

/// What is printed.
#[derive(Debug, Default)]
pub(super) struct Setup {
    /// To run, or to write where a comment says so.
    pub(super) commands: Vec<String>,
    /// What still bypasses us, or will surprise.
    pub(super) warnings: Vec<String>,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let config = shell.load(config)?.config;
    let base = packages_url(shell, &config)?;
    let below = |path: &str| {
        base.join(path).map_err(|error| CliError::Refused(format!("{base} cannot be an address: {error}")))
    };
    let index = match arguments.client {
        Client::Teacup => archive_url(shell, &config)?,
        Client::Pip | Client::Uv | Client::Poetry => below("pypi/simple/")?,
        Client::Cpanm | Client::Cpan | Client::Cpm | Client::Carton => below("cpan")?,
    };
    let mut setup = match (arguments.client, arguments.undo) {
        (Client::Cpanm, false) => perl_setup::cpanm(index.as_str()),
        (Client::Cpanm, true) => undo(&["unset PERL_CPANM_OPT"]),
        (Client::Cpan, false) => perl_setup::cpan(index.as_str()),
        (Client::Cpan, true) => perl_setup::undo_cpan(),
        (Client::Cpm, false) => perl_setup::cpm(index.as_str()),
        (Client::Cpm, true) => undo(&["# nothing to undo: leave --no-default-resolvers and --resolver out"]),
        (Client::Carton, false) => perl_setup::carton(index.as_str()),
        (Client::Carton, true) => undo(&["unset PERL_CARTON_MIRROR"]),
        (Client::Pip, false) => pip(&index),
        (Client::Pip, true) => undo(&["pip config unset global.index-url", "pip config unset global.trusted-host"]),
        (Client::Uv, false) => uv(&index),
        (Client::Uv, true) => {
            undo(&["unset UV_DEFAULT_INDEX", "# and take the [[index]] out of uv.toml, if you wrote it there"])
        }
        (Client::Poetry, false) => poetry(&index),
        (Client::Poetry, true) => undo(&["poetry source remove lazaret", "poetry lock"]),
        (Client::Teacup, false) => teacup(&index),
        (Client::Teacup, true) => undo(&[
            &format!("teacup archive remove {}", without_slash(&index)),
            "teacup archive add http://teapot.activestate.com",
        ]),
    };
    if arguments.undo && arguments.client.is_perls() && config.cpan.forward_proxy {
        setup.commands.push("unset http_proxy".to_owned());
    }
    if !arguments.undo {
        if arguments.client.is_perls() {
            let (commands, warnings) = perl_setup::outer_fence(&base, config.cpan.forward_proxy);
            setup.commands.extend(commands);
            setup.warnings.extend(warnings);
        }
        if config.listen.require_token && arguments.client.is_perls() {
            setup.warnings.push(format!(
                "this proxy wants a token: write it into the address, as {}://token:TOKEN@host/cpan",
                base.scheme()
            ));
        } else if config.listen.require_token && arguments.client != Client::Teacup {
            setup.warnings.push(format!(
                "this proxy wants a token: put `machine {} login token password TOKEN` into ~/.netrc",
                index.host_str().unwrap_or_default()
            ));
        }
        setup.warnings.extend(overriding_variables(shell, arguments.client));
        if arguments.client == Client::Pip {
            setup.warnings.extend(overriding_settings(shell).await);
        }
    }
    if arguments.printing.format == Format::Json {
        let client = arguments.client.to_possible_value();
        let client = client.as_ref().map(clap::builder::PossibleValue::get_name);
        return shell.print_json(&json!({
            "client": client, "index": index, "commands": setup.commands, "warnings": setup.warnings,
        }));
    }
    shell.print(&setup.commands.join("\n"))?;
    for warning in setup.warnings {
        shell.note(&format!("warning: {}", text::line(&warning)));
    }
    Ok(())
}

/// The packages listener as clients reach it: `listen.public_url`, else where the proxy runs now, else where it will.
fn packages_url(shell: &Shell<'_>, config: &Config) -> Result<Url, CliError> {
    let data_dir = shell.directory.join(&config.store.data_dir);
    let running = address::read_addresses(&data_dir)?.and_then(|addresses| addresses.packages);
    let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
    let listening = || Url::parse(&format!("{scheme}://{}/", config.listen.packages));
    let base = match config.listen.public_url.clone().or(running) {
        Some(url) => Ok(url),
        None => listening(),
    };
    let mut base = base.map_err(|error| CliError::File {
        path: address::addresses_file(&data_dir),
        problem: format!("the packages address is not a URL ({error}); set listen.public_url"),
    })?;
    // From this machine, loopback is one of them.
    if is_anywhere(&base) && base.set_host(Some("127.0.0.1")).is_err() {
        return Err(CliError::Refused("set listen.public_url to the address that clients use".to_owned()));
    }
    Ok(base)
}

/// The teapot listener as clients reach it. teacup speaks plain HTTP, whatever stands before the packages.
fn archive_url(shell: &Shell<'_>, config: &Config) -> Result<Url, CliError> {
    let data_dir = shell.directory.join(&config.store.data_dir);
    let running = address::read_addresses(&data_dir)?.and_then(|addresses| addresses.teapot);
    let listening = || Url::parse(&format!("http://{}/", config.listen.teapot));
    let mut archive = running.map_or_else(listening, Ok).map_err(|error| CliError::File {
        path: address::addresses_file(&data_dir),
        problem: format!("the teapot address is not a URL ({error}); set listen.teapot"),
    })?;
    if is_anywhere(&archive) {
        let public = config.listen.public_url.as_ref().and_then(Url::host_str).unwrap_or("127.0.0.1");
        if archive.set_host(Some(public)).is_err() {
            return Err(CliError::Refused("set listen.teapot to the address that clients use".to_owned()));
        }
    }
    Ok(archive)
}

/// Whether it names "all addresses", to which nobody can connect.
fn is_anywhere(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        _ => false,
    }
}

fn without_slash(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

fn teacup(archive: &Url) -> Setup {
    let address = without_slash(archive);
    let (host, port) = (archive.host_str().unwrap_or_default(), archive.port().unwrap_or(80));
    Setup {
        commands: vec![
            format!("teacup archive add {address}"),
            "teacup archive remove http://teapot.activestate.com".to_owned(),
        ],
        warnings: vec![
            "teacup knows neither TLS nor passwords: between it and this address should be only a network that you trust"
                .to_owned(),
            "every other archive that `teacup archive list` shows (kept in ~/.teapot) bypasses this: remove it".to_owned(),
            "packages that redirect to another repository are not shown here; whoever installed one before has that \
             repository among the archives"
                .to_owned(),
            format!(
                "`teacup update-self`, and `install` with an address or a file, ask others whatever is set: only \
                 `teacup proxy {host} {port}` or a firewall keeps them in"
            ),
        ],
    }
}

fn pip(index: &Url) -> Setup {
    let mut setup = Setup { commands: vec![format!("pip config set global.index-url {index}")], ..Setup::default() };
    if let Some(host) = insecure_host(index) {
        setup.commands.push(format!("pip config set global.trusted-host {host}"));
    }
    setup.warnings.extend([
        "a requirements file with --index-url, --extra-index-url, --find-links or a direct URL bypasses this"
            .to_owned(),
        "pip asks every index it knows and takes the best version: it must know no other one than this".to_owned(),
    ]);
    setup
}

fn uv(index: &Url) -> Setup {
    let mut setup = Setup::default();
    setup.commands.push(format!("export UV_DEFAULT_INDEX={index}"));
    setup.commands.push("# or for good, in uv.toml in your configuration folder or beside pyproject.toml:".to_owned());
    setup.commands.push(format!("# [[index]]\n# url = \"{index}\"\n# default = true"));
    setup.warnings.extend([
        "[[tool.uv.index]] and [tool.uv.sources] in a pyproject.toml name other sources, which bypass this".to_owned(),
        "uv.lock holds the file addresses of the index it was made with: run `uv lock` again".to_owned(),
    ]);
    setup
}

fn poetry(index: &Url) -> Setup {
    Setup {
        commands: vec![
            "# in each project:".to_owned(),
            format!("poetry source add --priority=primary lazaret {index}"),
            "poetry lock".to_owned(),
        ],
        warnings: vec![
            "any other [[tool.poetry.source]] in pyproject.toml, and dependencies with `url` or `git`, bypass this"
                .to_owned(),
            "poetry installs itself and its plugins with pip: set up pip too".to_owned(),
        ],
    }
}

fn undo(commands: &[&str]) -> Setup {
    Setup { commands: commands.iter().map(|command| (*command).to_owned()).collect(), warnings: Vec::new() }
}

/// Where pip refuses plain HTTP unless told otherwise: everywhere but on loopback.
fn insecure_host(index: &Url) -> Option<String> {
    let loopback = match index.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    if index.scheme() == "https" || loopback {
        return None;
    }
    let host = index.host_str()?;
    Some(index.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Variables of this environment that would go around us. Only their names are shown: their values may hold passwords.
fn overriding_variables(shell: &Shell<'_>, client: Client) -> Vec<String> {
    let names: &[&str] = match client {
        Client::Pip => &["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE", "PIP_NO_INDEX"],
        Client::Uv => &["UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE"],
        Client::Poetry => &["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"],
        // What they read from the environment is what is set here.
        Client::Cpanm | Client::Cpan | Client::Cpm | Client::Carton => &[],
        Client::Teacup => &["http_proxy"],
    };
    let set = names.iter().filter(|name| shell.variable(name).is_some());
    set.map(|name| format!("{name} is set in this environment and goes around this: unset {name}")).collect()
}

/// Settings of this machine's pip that would go around us.
async fn overriding_settings(shell: &Shell<'_>) -> Vec<String> {
    let search_path = shell.variables.get(OsStr::new("PATH")).cloned();
    let settings = discover::pip_settings(search_path.as_deref()).await;
    let around = settings.into_iter().filter_map(|(key, _)| {
        let (section, option) = key.rsplit_once('.')?;
        let bypasses =
            matches!(option, "extra-index-url" | "find-links") || (option == "index-url" && section != "global");
        (bypasses && section != ":env:").then_some(key)
    });
    around.map(|key| format!("pip's setting {key} goes around this: pip config unset {key}")).collect()
}
