//! `score`: how likely names are meant to be mistaken for well-known ones, by the code, names and weights of the proxy.

use std::io::BufRead;
use std::path::Path;

use clap::ValueEnum;
use serde_json::json;

use super::CliError;
use super::shell::Shell;
use crate::corpus::{Corpus, NameSources, Neighbour, OwnNames};
use crate::domain::{Ecosystem, ProjectName};
use crate::policy::Policy;

/// A line that is longer than this is no name.
const LONGEST_LINE: usize = 4_096;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Whose names: pypi, cpan or teapot.
    #[arg(long)]
    ecosystem: Ecosystem,
    /// A line a name: NAME, SCORE, TARGET and KIND parted by tabs, or a JSON object with what the score is made of.
    #[arg(long, value_enum, default_value_t)]
    format: Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Lines {
    #[default]
    Tsv,
    Json,
}

/// What is said of one name.
struct Said {
    score: f64,
    kind: &'static str,
    neighbour: Option<Neighbour>,
}

/// Reads names from standard input, one a line.
pub(super) fn run(shell: &mut Shell<'_>, config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let stdin = std::io::stdin();
    score(shell, config, arguments, &mut stdin.lock())
}

pub(super) fn score(
    shell: &mut Shell<'_>,
    config: Option<&Path>,
    arguments: &Arguments,
    names: &mut dyn BufRead,
) -> Result<(), CliError> {
    let config = shell.load(config)?.config;
    let policy_file = config.policy.file.as_ref().map(|file| shell.directory.join(file));
    let policy = match &policy_file {
        Some(file) => Policy::load(file).map_err(|error| CliError::Refused(format!("policy.file: {error}")))?,
        None => Policy::built_in(),
    };
    let mut sources = NameSources::of_house(&shell.directory.join(&config.store.data_dir), policy_file.as_deref());
    // What the site uses stands in the store, which only the proxy opens.
    let own = OwnNames { internal: policy.namespaces.imitable(arguments.ecosystem), used: Vec::new() };
    sources.own.insert(arguments.ecosystem, own);
    let corpus = Corpus::load(arguments.ecosystem, &sources)?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if names.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let name = text.trim_end_matches(['\n', '\r']);
        if name.trim().is_empty() {
            continue;
        }
        let said = if line.len() > LONGEST_LINE { no_name() } else { say(&corpus, name) };
        let told = match arguments.format {
            Lines::Tsv => tsv(name, &said),
            Lines::Json => json_line(name, &said),
        };
        writeln!(shell.out, "{told}")?;
    }
    shell.out.flush()?;
    Ok(())
}

fn no_name() -> Said {
    Said { score: 0.0, kind: "no-name", neighbour: None }
}

fn say(corpus: &Corpus, name: &str) -> Said {
    let Ok(name) = ProjectName::parse(corpus.ecosystem(), name.trim()) else { return no_name() };
    // Known names are not scored: the proxy does not suspect them.
    if corpus.rank(&name).is_some() {
        return Said { score: 0.0, kind: "known", neighbour: None };
    }
    match corpus.neighbours(&name).into_iter().next() {
        Some(neighbour) => Said { score: neighbour.score, kind: neighbour.kind.as_str(), neighbour: Some(neighbour) },
        None => Said { score: 0.0, kind: "", neighbour: None },
    }
}

fn tsv(name: &str, said: &Said) -> String {
    let target = said.neighbour.as_ref().map_or("", |neighbour| neighbour.target.as_str());
    format!("{name}\t{:.6}\t{target}\t{}", said.score, said.kind)
}

fn json_line(name: &str, said: &Said) -> String {
    let neighbour = said.neighbour.as_ref();
    json!({
        "name": name,
        "score": said.score,
        "target": neighbour.map(|neighbour| &neighbour.target),
        "kind": said.kind,
        "rank": neighbour.map(|neighbour| neighbour.rank),
        "similarity": neighbour.map(|neighbour| neighbour.similarity),
        "sentence": neighbour.map(Neighbour::sentence),
        "signs": neighbour.map(|neighbour| &neighbour.signs),
    })
    .to_string()
}
