//! `names refresh`: another list of popular names, checked and kept in the data folder.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::shell::Shell;
use super::{CliError, text};
use crate::config::Config;
use crate::corpus::{LONGEST_LIST, NameSources, read_list, shipped_list};
use crate::domain::Ecosystem;
use crate::durable;
use crate::upstream::{AllowedHosts, ClientSettings, PageAnswer, PageRequest, Upstream};

/// For the whole list, retries included.
const DEADLINE: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Replace the list of popular names of one ecosystem.
    Refresh(Refresh),
}

#[derive(Debug, clap::Args)]
pub(super) struct Refresh {
    /// Whose names: pypi, cpan or teapot.
    #[arg(long, default_value_t = Ecosystem::Pypi)]
    ecosystem: Ecosystem,
    /// A file, or an http:// or https:// address: one name a line, most popular first; or JSON, {"rows": [{"project": NAME}]}.
    #[arg(long, value_name = "FILE|URL")]
    from: String,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, command: &Command) -> Result<(), CliError> {
    let Command::Refresh(arguments) = command;
    let config = shell.load(config)?.config;
    let body = match Url::parse(&arguments.from) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => download(&config, &url).await?,
        _ => read(&shell.directory.join(&arguments.from))?,
    };
    let list = String::from_utf8(body)
        .map_err(|_| CliError::Refused(format!("{}: this is no text in UTF-8", text::line(&arguments.from))))?;
    let names = read_list(arguments.ecosystem, &list, &arguments.from)?;
    let path = NameSources::list_of(&shell.directory.join(&config.store.data_dir), arguments.ecosystem);
    let before: HashSet<String> = match std::fs::read_to_string(&path) {
        Ok(old) => old.lines().map(str::to_owned).collect(),
        Err(_) => shipped_list(arguments.ecosystem).map(str::to_owned).collect(),
    };
    let new = names.iter().filter(|name| !before.contains(*name)).count();
    write(&path, &names).map_err(|error| file_error(&path, &error.to_string()))?;
    shell.print(&format!(
        "{} names of {} are now the popular ones, {new} of them new; kept in {}",
        names.len(),
        arguments.ecosystem,
        path.display()
    ))?;
    shell.note("a running lazaret takes them up on SIGHUP");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut body = Vec::new();
    let opened = std::fs::File::open(path);
    let done = opened.and_then(|file| file.take(LONGEST_LIST + 1).read_to_end(&mut body));
    done.map_err(|error| file_error(path, &error.to_string()))?;
    if body.len() as u64 > LONGEST_LIST {
        return Err(file_error(path, "it is longer than any list of names"));
    }
    Ok(body)
}

/// Reads an address as an index would be read: within a time and a size, and with redirects only within its own host.
async fn download(config: &Config, url: &Url) -> Result<Vec<u8>, CliError> {
    let refused = |why: String| CliError::Refused(format!("{url}: {why}"));
    // A second provider is not wanted; if there is one already, it is this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = ClientSettings { ca_file: config.upstream.ca_file.clone(), ..ClientSettings::default() };
    let upstream = Upstream::new(settings).map_err(|error| refused(error.to_string()))?;
    let hosts = AllowedHosts::for_index(url, &[]);
    let answer = upstream.page(PageRequest {
        url,
        accept: "text/plain, application/json;q=0.9, */*;q=0.1",
        validators: None,
        max_bytes: LONGEST_LIST,
        deadline: DEADLINE,
        hosts: &hosts,
        credentials: None,
        close: false,
    });
    match answer.await.map_err(|error| refused(error.to_string()))? {
        PageAnswer::Fresh(page) => Ok(page.body.to_vec()),
        PageAnswer::NotModified { .. } | PageAnswer::Missing { .. } => {
            Err(refused("there is nothing there".to_owned()))
        }
    }
}

/// Writes a list beside the old one and then in its place, so that nobody reads half of it.
fn write(path: &Path, names: &[String]) -> std::io::Result<()> {
    let text: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
    durable::write_whole(path, text.as_bytes())
}

fn file_error(path: &Path, problem: &str) -> CliError {
    CliError::File { path: path.to_owned(), problem: problem.to_owned() }
}
