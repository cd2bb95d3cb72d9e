//! `init`: a first configuration, from what this machine's clients are set to use. What pip mixes today gets an owner for each
//! name; what is refused is only written down until a day two weeks ahead.

mod configuration;
mod names;
mod papers;

use std::path::{Path, PathBuf};

use serde_json::json;
use url::Url;

use self::configuration::{Draft, Source};
use self::names::{Lists, Shown};
use self::papers::{Paper, write_all};
use super::shell::Shell;
use super::{CliError, Format, Printing, address, text};
use crate::config::clients::{Clients, Machine};
use crate::config::{DEFAULT_FILE, Listen};
use crate::policy::Policy;

/// How long a new house only observes.
const OBSERVED: time::Duration = time::Duration::days(14);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Refuse what is held from the first day on, in place of only writing it down for two weeks.
    #[arg(long)]
    enforce: bool,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let file = config.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_path_buf);
    let place = Place::of(shell, &file)?;
    let listen = own_addresses(shell)?;
    let clients = Machine::with(&shell.variables).clients(&listen).await;
    let shown = compare(&clients).await?;
    let draft = Draft { clients: &clients, shown: &shown, today: shell.now(), place: &place };
    let from = (!arguments.enforce).then(|| midnight_after(shell));
    let mut papers = Vec::new();
    let configuration = draft.configuration(&mut papers);
    papers.push(Paper {
        path: place.policy(),
        text: configuration::policy(from, &configuration.internal),
        secret: false,
    });
    papers.push(Paper { path: place.file.clone(), text: configuration.text, secret: false });
    let policy = papers.iter().find(|paper| paper.path == place.policy()).map(|paper| paper.text.as_str());
    // What serve would refuse is not written.
    Policy::parse(policy.unwrap_or_default(), "the policy that init wrote")
        .map_err(|error| CliError::Refused(error.to_string()))?;
    write_all(&papers)?;
    if let Err(error) = shell.load(Some(&file)) {
        return Err(CliError::Refused(format!("what was written needs a person: {error}")));
    }
    let serve =
        config.map_or_else(|| "lazaret serve".to_owned(), |file| format!("lazaret serve --config {}", file.display()));
    report(shell, &papers, &configuration.sources, &clients.remarks, (from, &serve), arguments)
}

/// Where the files go: the configuration where it was named, the others beside it.
#[derive(Debug)]
pub(super) struct Place {
    /// The configuration.
    file: PathBuf,
    /// As the configuration names what is beside it: nothing in the working directory, else the whole way there.
    beside: Option<PathBuf>,
    stem: String,
}

impl Place {
    fn of(shell: &Shell<'_>, file: &Path) -> Result<Self, CliError> {
        let refused = |problem: &str| CliError::File { path: file.to_path_buf(), problem: problem.to_owned() };
        let stem = file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| !stem.is_empty());
        let stem = stem.ok_or_else(|| refused("name a file, like lazaret.toml"))?.to_owned();
        let path = shell.directory.join(file);
        let mut beside = None;
        if file.parent().is_some_and(|folder| !folder.as_os_str().is_empty()) {
            // Paths in a configuration begin in the directory in which lazaret is started.
            let folder = path.parent().map(std::fs::canonicalize).and_then(Result::ok);
            beside = Some(folder.ok_or_else(|| refused("its folder is not there; make it first"))?);
        }
        Ok(Self { file: path, beside, stem })
    }

    fn policy(&self) -> PathBuf {
        self.file.with_file_name(format!("{}-policy.toml", self.stem))
    }

    fn password(&self, name: &str) -> PathBuf {
        self.file.with_file_name(format!("{}-{name}.password", self.stem))
    }

    /// As the configuration names a file beside itself.
    fn named(&self, path: &Path) -> String {
        let name = path.file_name().unwrap_or_default();
        self.beside.as_ref().map_or_else(|| PathBuf::from(name), |folder| folder.join(name)).display().to_string()
    }
}

/// Our own listeners, as they will be, or where a lazaret runs already: a client that is set to use them says nothing about the
/// index behind.
fn own_addresses(shell: &Shell<'_>) -> Result<Listen, CliError> {
    let mut listen = Listen::default();
    let data_dir = shell.directory.join(crate::config::Config::default().store.data_dir);
    let Some(running) = address::read_addresses(&data_dir)? else { return Ok(listen) };
    let socket = |url: Option<Url>| url?.socket_addrs(|| None).ok()?.first().copied();
    listen.packages = socket(running.packages).unwrap_or(listen.packages);
    listen.teapot = socket(running.teapot).unwrap_or(listen.teapot);
    Ok(listen)
}

async fn compare(clients: &Clients) -> Result<Vec<Shown>, CliError> {
    if clients.extra.is_empty() {
        return Ok(Vec::new());
    }
    let ca_file = clients.ca_file.as_ref().map(|(path, _)| path.as_path());
    let lists = Lists::new(ca_file).map_err(|error| CliError::Refused(error.to_string()))?;
    Ok(lists.compare(clients.index.as_ref().ok(), &clients.extra).await)
}

/// The beginning of the day two weeks ahead.
fn midnight_after(shell: &Shell<'_>) -> crate::domain::Timestamp {
    (shell.now() + OBSERVED).to_offset(time::UtcOffset::UTC).replace_time(time::Time::MIDNIGHT)
}

fn report(
    shell: &mut Shell<'_>,
    papers: &[Paper],
    sources: &[Source],
    remarks: &[String],
    (from, serve): (Option<crate::domain::Timestamp>, &str),
    arguments: &Arguments,
) -> Result<(), CliError> {
    let paths: Vec<String> = papers.iter().rev().map(|paper| paper.path.display().to_string()).collect();
    let from_text = from.map(text::rfc3339);
    if arguments.printing.format == Format::Json {
        let sources: Vec<_> = sources
            .iter()
            .map(|source| json!({"ecosystem": source.ecosystem, "host": source.host, "role": source.role, "from": source.from}))
            .collect();
        return shell.print_json(&json!({
            "files": paths, "sources": sources, "mode": if from.is_some() { "observe" } else { "enforce" },
            "enforce_from": from_text, "remarks": remarks,
        }));
    }
    let mut lines = vec![format!("wrote {}", text::line(&paths.join(", ")))];
    let mut table = text::Table::default();
    for source in sources {
        let from = format!("(from {})", source.from);
        table.row([source.ecosystem.to_owned(), source.host.clone(), source.role.clone(), from]);
    }
    lines.push(table.render(0).trim_end().to_owned());
    lines.push(match from {
        None => "what is held is refused from the start".to_owned(),
        Some(from) => format!("nothing but the hard rules refuses until {}", text::moment(from)),
    });
    let serve = text::line(serve);
    lines.push(format!("next: {serve}, and beside it lazaret client-setup pip; then lazaret report each day"));
    shell.print(&lines.join("\n"))?;
    for remark in remarks {
        shell.note(&format!("warning: {}", text::line(remark)));
    }
    Ok(())
}
