//! `lock rewrite`: leads a lock file through this proxy, or back to the public index. Addresses change, and not a byte more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::api_client::ApiClient;
use super::shell::Shell;
use super::{CliError, lock_file, text};
use crate::domain::{FileName, ProjectName, Sha256};
use crate::lockfile::addresses::{self, Address, AddressOf, NamedFile, addresses, is_plain, replaced};

/// So many files are asked about at once; the API takes 500.
const AT_ONCE: usize = 250;

/// How the proxy's index ends; its files are beside it.
const SIMPLE: &str = "/simple";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Point the addresses in a lock file at this proxy, or back at the public index; nothing else is changed.
    Rewrite(Arguments),
}

/// Where a lock file leads afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// Through this proxy.
    Proxy,
    /// To the public index.
    Public,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A requirements file, uv.lock, poetry.lock or pylock.toml. It is changed in its place.
    file: PathBuf,
    /// Where it shall lead.
    #[arg(long, value_enum)]
    to: To,
    /// The proxy's index as clients name it, `http://127.0.0.1:8080/pypi/simple/`; without it as the proxy says.
    #[arg(long, value_name = "URL", value_parser = index_of)]
    index: Option<Index>,
}

/// The address of the proxy's index, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Index(String);

fn index_of(text: &str) -> Result<Index, String> {
    let address = text.strip_suffix('/').unwrap_or(text);
    let url = url::Url::parse(address).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a lock file is no place for a password: leave it out".to_owned());
    }
    let is_index = matches!(url.scheme(), "http" | "https") && address.ends_with("/pypi/simple") && is_plain(address);
    if is_index {
        Ok(Index(address.to_owned()))
    } else {
        Err("write it as http://127.0.0.1:8080/pypi/simple/".to_owned())
    }
}

/// What the proxy said.
struct Known {
    /// Both without a slash at their end.
    public: Option<String>,
    proxy: String,
    files: HashMap<(ProjectName, FileName), Result<(String, Sha256), String>>,
}

/// What becomes of an address.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Changed(String),
    /// It leads there already.
    There,
    /// It comes from no index, as far as anybody knows.
    Elsewhere(String),
    /// Nobody knows what to write.
    Left(String),
}

pub(super) async fn run(shell: &mut Shell<'_>, config: Option<&Path>, command: &Command) -> Result<(), CliError> {
    let Command::Rewrite(arguments) = command;
    let path = shell.directory.join(&arguments.file);
    let name = text::line(&arguments.file.display().to_string());
    let bytes = lock_file::bytes(&path)?;
    let (_, found) = addresses(&name, &bytes, None).map_err(|error| CliError::Refused(error.to_string()))?;
    let api = ApiClient::find(shell, config)?;
    let known = ask(&api, &bytes, &found, arguments.index.as_ref()).await?;

    let outcomes: Vec<Outcome> = found
        .iter()
        .map(|address| match arguments.to {
            To::Proxy => known.to_proxy(written(&bytes, address), &address.of),
            To::Public => known.to_public(written(&bytes, address), &address.of),
        })
        .collect();
    let changes: Vec<_> = found
        .iter()
        .zip(&outcomes)
        .filter_map(|(address, outcome)| match outcome {
            Outcome::Changed(to) => Some((&address.span, to.as_str())),
            _ => None,
        })
        .collect();
    if !changes.is_empty() {
        let out = replaced(&bytes, changes.iter().copied());
        std::fs::write(&path, out).map_err(|error| CliError::File { path, problem: error.to_string() })?;
    }
    let mut left = 0;
    for (address, outcome) in found.iter().zip(&outcomes) {
        let (word, why) = match outcome {
            Outcome::Left(why) => ("left", why),
            Outcome::Elsewhere(why) => ("not from the public index", why),
            Outcome::Changed(_) | Outcome::There => continue,
        };
        left += usize::from(matches!(outcome, Outcome::Left(_)));
        let shown = addresses::shown(written(&bytes, address));
        shell.note(&text::line(&format!("{name}:{}: {word}: {shown}: {why}", address.line)));
    }
    let there = outcomes.iter().filter(|outcome| **outcome == Outcome::There).count();
    let there = if there > 0 { format!(", {there} led there already") } else { String::new() };
    shell.print(&format!("{name}: {} changed{there}\n", addresses_in_words(changes.len())))?;
    if left > 0 {
        return Err(CliError::Refused(format!(
            "{name}: {left} of {} could not be changed",
            addresses_in_words(found.len())
        )));
    }
    Ok(())
}

fn addresses_in_words(number: usize) -> String {
    if number == 1 { "1 address".to_owned() } else { format!("{number} addresses") }
}

fn written<'a>(bytes: &'a [u8], address: &Address) -> &'a str {
    bytes.get(address.span.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Asks about all files, under the name that each has in this file.
async fn ask(api: &ApiClient, bytes: &[u8], found: &[Address], index: Option<&Index>) -> Result<Known, CliError> {
    let named = |address: &Address| match &address.of {
        AddressOf::Index => None,
        AddressOf::File(file) | AddressOf::Perhaps(file) => {
            // What leads through a proxy says itself which bytes it means.
            let (project, sha256, filename) =
                of_proxy(written(bytes, address)).unwrap_or((file.project.clone(), None, file.filename.clone()));
            Some(NamedFile { project, filename, sha256: file.sha256.or(sha256) })
        }
    };
    let mut files: Vec<NamedFile> = found.iter().filter_map(named).collect();
    files.sort_by(|one, two| (&one.project, &one.filename).cmp(&(&two.project, &two.filename)));
    files.dedup();
    let mut known = Known { public: None, proxy: String::new(), files: HashMap::new() };
    let mut parts: Vec<&[NamedFile]> = files.chunks(AT_ONCE).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    for part in parts {
        let asked: Vec<Json> = part
            .iter()
            .map(|file| {
                let sha256 = file.sha256.map(|digest| digest.to_string());
                json!({ "project": format!("pypi:{}", file.project), "filename": file.filename, "sha256": sha256 })
            })
            .collect();
        let answer = api.post(&["addresses"], &json!({ "files": asked })).await?;
        let text_of = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
        let base = |key: &str| text_of(&answer, key).map(|url| url.trim_end_matches('/').to_owned());
        known.public = base("index").filter(|public| is_plain(public));
        known.proxy = base("proxy").filter(|proxy| index.is_none() && index_of(proxy).is_ok()).unwrap_or_default();
        let answers = answer.get("answers").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for (file, answer) in part.iter().zip(answers) {
            let found = text_of(answer, "url").zip(text_of(answer, "sha256").and_then(|hex| hex.parse().ok()));
            let why = || text_of(answer, "reason").unwrap_or_else(|| "the proxy does not say where it is".to_owned());
            let key = (file.project.clone(), file.filename.clone());
            let found = found.ok_or_else(why);
            // One name with two digests in one file: at least one of them is wrong, and nobody shall choose.
            let found = match known.files.get(&key) {
                Some(before) if *before != found => Err("the file names it with two hashes".to_owned()),
                _ => found,
            };
            known.files.insert(key, found);
        }
    }
    if let Some(Index(index)) = index {
        known.proxy.clone_from(index);
    }
    if known.proxy.is_empty() {
        return Err(CliError::Usage("the proxy does not say how clients reach it: add --index URL".to_owned()));
    }
    Ok(known)
}

/// Project, digest and file of an address at any lazaret: `.../pypi/files/{project}/{sha256}/{filename}`.
fn of_proxy(address: &str) -> Option<(ProjectName, Option<Sha256>, FileName)> {
    let (_, path) = address.rsplit_once("/pypi/files/")?;
    let mut parts = path.split('/');
    let (project, sha256, filename) = (parts.next()?, parts.next()?, parts.next()?);
    let sha256 = sha256.parse().ok()?;
    let file = (ProjectName::pypi(project).ok()?, Some(sha256), FileName::parse(filename).ok()?);
    parts.next().is_none().then_some(file)
}

impl Known {
    /// Where files are at the proxy.
    fn folder(&self) -> String {
        format!("{}/files/", self.proxy.strip_suffix(SIMPLE).unwrap_or(&self.proxy))
    }

    fn file_at_proxy(&self, file: &NamedFile, sha256: Sha256) -> String {
        format!("{}{}/{sha256}/{}", self.folder(), file.project, file.filename)
    }

    fn listed(&self, file: &NamedFile) -> Result<&(String, Sha256), String> {
        let found = self.files.get(&(file.project.clone(), file.filename.clone()));
        found.ok_or_else(|| "the proxy gave no answer for it".to_owned())?.as_ref().map_err(Clone::clone)
    }

    fn to_proxy(&self, written: &str, of: &AddressOf) -> Outcome {
        let (file, may_be_elsewhere) = match of {
            AddressOf::Index => return other_index(written, self.public.as_deref(), Some(&self.proxy)),
            AddressOf::File(file) => (file, false),
            AddressOf::Perhaps(file) => (file, true),
        };
        if written.starts_with(&self.folder()) {
            return Outcome::There;
        }
        match self.listed(file) {
            Ok((url, sha256)) if url == written => checked(self.file_at_proxy(file, *sha256)),
            _ if may_be_elsewhere => Outcome::Elsewhere("it stays as it is".to_owned()),
            // Otherwise the way back would lead elsewhere.
            Ok((url, _)) => Outcome::Left(format!("the public index has it at {}", addresses::shown(url))),
            Err(why) => Outcome::Left(why),
        }
    }

    fn to_public(&self, written: &str, of: &AddressOf) -> Outcome {
        let (file, may_be_elsewhere) = match of {
            AddressOf::Index => return other_index(written, Some(&self.proxy), self.public.as_deref()),
            AddressOf::File(file) => (file, false),
            AddressOf::Perhaps(file) => (file, true),
        };
        let listed = self.listed(file);
        if listed.as_ref().is_ok_and(|(url, _)| url == written) {
            return Outcome::There;
        }
        match listed {
            Ok((url, sha256)) if self.file_at_proxy(file, *sha256) == written => checked(url.clone()),
            _ if may_be_elsewhere && !written.starts_with(&self.folder()) => {
                Outcome::Elsewhere("it stays as it is".to_owned())
            }
            Ok(_) => Outcome::Left("it is no address of this proxy".to_owned()),
            Err(why) => Outcome::Left(why),
        }
    }
}

/// An index keeps its slash, or its lack of one.
fn other_index(written: &str, from: Option<&str>, to: Option<&str>) -> Outcome {
    let (bare, slash) = written.strip_suffix('/').map_or((written, ""), |bare| (bare, "/"));
    match (from, to) {
        (_, Some(to)) if bare == to => Outcome::There,
        (Some(from), Some(to)) if bare == from => checked(format!("{to}{slash}")),
        (Some(from), Some(_)) => Outcome::Left(format!("it is another index than {from}")),
        _ => Outcome::Left("the proxy has no public index".to_owned()),
    }
}

/// An address that could be read as something else is not written.
fn checked(address: String) -> Outcome {
    if is_plain(&address) {
        Outcome::Changed(address)
    } else {
        Outcome::Left(format!("{} cannot be written here", addresses::shown(&address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn file(name: &str) -> NamedFile {
        NamedFile { project: ProjectName::pypi("six").unwrap(), filename: FileName::parse(name).unwrap(), sha256: None }
    }

    fn known(url: &str) -> Known {
        let file = file("six-1.0.zip");
        Known {
            public: Some("https://index.test/simple".into()),
            proxy: "http://proxy.test/pypi/simple".into(),
            files: HashMap::from([((file.project, file.filename), Ok((url.into(), DIGEST.parse().unwrap())))]),
        }
    }

    #[test]
    fn an_address_is_changed_only_if_it_is_known_and_leads_back() {
        let ours = format!("http://proxy.test/pypi/files/six/{DIGEST}/six-1.0.zip");
        let listed = "https://files.test/six-1.0.zip";
        let six = AddressOf::File(file("six-1.0.zip"));
        let known_file = known(listed);
        let changed = |to: &str| Outcome::Changed(to.to_owned());
        assert_eq!(known_file.to_proxy(listed, &six), changed(&ours));
        assert_eq!(known_file.to_public(&ours, &six), changed(listed));
        assert_eq!(known_file.to_proxy(&ours, &six), Outcome::There);
        assert_eq!(known_file.to_public(listed, &six), Outcome::There);
        let left = |outcome| matches!(outcome, Outcome::Left(_));
        assert!(left(known_file.to_proxy("https://mirror.test/six-1.0.zip", &six)));
        assert!(left(known_file.to_proxy(listed, &AddressOf::File(file("six-2.0.zip")))));
        assert!(left(known_file.to_public(&ours.replace("ba78", "ba79"), &six)));
        assert!(left(known_file.to_public(&ours.replace("proxy.test", "evil.test"), &six)));
        let perhaps = AddressOf::Perhaps(file("six-1.0.zip"));
        assert!(matches!(known_file.to_proxy("https://mirror.test/six-1.0.zip", &perhaps), Outcome::Elsewhere(_)));
        assert!(left(known("https://files.test/\"\nevil = \"").to_public(&ours, &six)));
    }

    #[test]
    fn an_index_keeps_its_slash() {
        let known = known("https://files.test/six-1.0.zip");
        for (public, proxy) in [
            ("https://index.test/simple", "http://proxy.test/pypi/simple"),
            ("https://index.test/simple/", "http://proxy.test/pypi/simple/"),
        ] {
            assert_eq!(known.to_proxy(public, &AddressOf::Index), Outcome::Changed(proxy.to_owned()));
            assert_eq!(known.to_public(proxy, &AddressOf::Index), Outcome::Changed(public.to_owned()));
            assert_eq!(known.to_proxy(proxy, &AddressOf::Index), Outcome::There);
        }
        let other = known.to_proxy("https://ada:secret@index.test/simple", &AddressOf::Index);
        assert_eq!(other, Outcome::Left("it is another index than https://index.test/simple".to_owned()));
    }

    #[test]
    fn an_index_of_the_proxy_ends_as_clients_know_it_and_has_no_password() {
        assert_eq!(
            index_of("http://127.0.0.1:8080/pypi/simple/"),
            Ok(Index("http://127.0.0.1:8080/pypi/simple".into()))
        );
        for wrong in
            ["", "ftp://a/pypi/simple", "https://a/simple", "https://a:b@c/pypi/simple", "https://a/\"/pypi/simple"]
        {
            assert!(index_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_of_a_proxy_names_its_file() {
        let (project, sha256, filename) = of_proxy(&format!("http://x/a/pypi/files/Six/{DIGEST}/six-1.0.zip")).unwrap();
        assert_eq!((project.as_str(), sha256, filename.as_str()), ("six", DIGEST.parse().ok(), "six-1.0.zip"));
        for wrong in ["/pypi/files/six/00/a.zip", "https://x/six-1.0.zip", "/pypi/files/six"] {
            assert_eq!(of_proxy(wrong), None, "{wrong}");
        }
    }
}
