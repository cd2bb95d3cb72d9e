//! The configuration and the policy as text, with a comment for each thing that a person should look at.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use url::Url;

use super::names::Shown;
use super::papers::Paper;
use super::{Place, text};
use crate::config::clients::Clients;
use crate::config::{Cpan, Discovered, Teapot};
use crate::domain::{ProjectName, Timestamp};

/// With more names in common, a further index is a mirror of the public one and not a vendor's.
const MOST_IN_COMMON: usize = 200;
/// More names are not written out one by one.
const MOST_NAMES: usize = 1_000;
/// A private index's name is not longer.
const LONGEST_NAME: usize = 40;

/// What the configuration is made of.
pub(super) struct Draft<'a> {
    pub(super) clients: &'a Clients,
    /// Of each further index.
    pub(super) shown: &'a [Shown],
    pub(super) today: Timestamp,
    pub(super) place: &'a Place,
}

/// The text, and what it says in a few words.
pub(super) struct Configuration {
    pub(super) text: String,
    pub(super) sources: Vec<Source>,
    /// Names that only private indexes have, for the policy's example.
    pub(super) internal: BTreeSet<ProjectName>,
}

/// One index, for the person at the terminal: never the whole address, which may hold a token in its path.
pub(super) struct Source {
    pub(super) ecosystem: &'static str,
    pub(super) host: String,
    pub(super) role: String,
    pub(super) from: String,
}

impl Draft<'_> {
    /// The configuration; passwords go to papers of their own.
    pub(super) fn configuration(&self, papers: &mut Vec<Paper>) -> Configuration {
        let mut made = Configuration { text: String::new(), sources: Vec::new(), internal: BTreeSet::new() };
        let date = self.today.date();
        made.line(&format!(
            "# lazaret's configuration, written by `lazaret init` on {date} from what the clients of this machine were set to use."
        ));
        made.line("# deploy/lazaret.toml shows every key with its default; `lazaret check-config` prints what is in force, and why.");
        made.line("");
        made.line("[listen]");
        made.line(
            "# Loopback until you decide otherwise: then give messages an address to link to, and look at [tls].",
        );
        made.line("# packages = \"127.0.0.1:8080\"");
        made.line("# public_url = \"https://lazaret.example.test/\"");
        made.line("");
        made.line("[store]");
        made.line("# Facts and files. Back it up: it holds every decision.");
        made.line("# data_dir = \"lazaret-data\"");
        self.upstream(&mut made);
        self.pypi(&mut made, papers);
        self.cpan(&mut made);
        self.teapot(&mut made);
        made.line("");
        made.line("[policy]");
        made.line("# What waits, how long, and whether it is refused yet. SIGHUP reads it again.");
        made.line(&format!("file = {}", quoted(&self.place.named(&self.place.policy()))));
        made
    }

    fn upstream(&self, made: &mut Configuration) {
        let Some((path, from)) = &self.clients.ca_file else { return };
        made.line("");
        made.line("[upstream]");
        made.line(&format!("# {}: trusted beside the system's own.", comment(from)));
        made.line(&format!("ca_file = {}", quoted(&path.display().to_string())));
    }

    fn pypi(&self, made: &mut Configuration, papers: &mut Vec<Paper>) {
        made.line("");
        made.line("[pypi]");
        match &self.clients.index {
            Ok(index) => {
                made.line(&format!("# From {}. Everything new from here waits.", comment(&index.from)));
                made.line(&format!("upstream = {}", quoted(index.url.as_str())));
                self.sign_in(made, papers, "pypi", index);
                made.tell("PyPI", &index.url, "public: what is new waits", &index.from);
            }
            Err(error) => {
                made.line(&format!("# {}", comment(&error.to_string())));
                made.line("# upstream = \"https://packages.example.test/simple/\"");
            }
        }
        let mut names = BTreeSet::from(["pypi".to_owned()]);
        for (index, shown) in self.clients.extra.iter().zip(self.shown) {
            let name = name_for(&index.url, &mut names);
            self.private(made, papers, &name, index, shown);
        }
    }

    fn private(
        &self,
        made: &mut Configuration,
        papers: &mut Vec<Paper>,
        name: &str,
        index: &Discovered,
        shown: &Shown,
    ) {
        made.line("");
        made.line(&format!(
            "# From {}. Asked first: what it has is never taken from anywhere else.",
            comment(&index.from)
        ));
        made.line("[[pypi.private]]");
        made.line(&format!("name = {}", quoted(name)));
        made.line(&format!("index = {}", quoted(index.url.as_str())));
        self.sign_in(made, papers, name, index);
        let role = match shown {
            Shown::OnlyOwn => {
                made.line("# On the day this was written it listed nothing that the public index lists too.");
                "private: all its names".to_owned()
            }
            Shown::Unknown(why) => {
                made.line(&format!("# Which of its names the public index has too is not known: {}.", comment(why)));
                made.line("# As it stands, whatever it has is taken from it alone. If it also lists public names (a vendor's index, a");
                made.line("# mirror), those come past the hold: write here the ones that you want from it.");
                made.line("# names = [\"acme-*\"]");
                "private: all its names; its list could not be compared, see the comment".to_owned()
            }
            Shown::Both { own, both } => vendor(made, own, both),
        };
        if let Shown::Both { own, .. } = shown {
            made.internal.extend(own.iter().take(MOST_NAMES).cloned());
        }
        made.line("# hold = \"72h\"             # its new files wait too; without this they need not");
        made.tell("PyPI", &index.url, &role, &index.from);
    }

    fn cpan(&self, made: &mut Configuration) {
        made.line("");
        made.line("[cpan]");
        let Some((first, others)) = self.clients.mirrors.split_first() else {
            let default = Cpan::default().upstream.map(String::from).unwrap_or_default();
            made.line("# No client here is set to a mirror: the default.");
            made.line(&format!("# upstream = {}", quoted(&default)));
            return;
        };
        made.line(&format!("# From {}.", comment(&first.from)));
        made.left_out(first);
        made.line(&format!("upstream = {}", quoted(first.url.as_str())));
        made.tell("CPAN", &first.url, "public: what is new waits", &first.from);
        for (place, mirror) in others.iter().enumerate() {
            made.line("");
            made.line(&format!(
                "# From {}. If this is a DarkPAN, it is asked first and trusted:",
                comment(&mirror.from)
            ));
            made.left_out(mirror);
            made.line("# [[cpan.private]]");
            made.line(&format!("# name = \"darkpan-{}\"", place + 1));
            made.line(&format!("# index = {}", quoted(mirror.url.as_str())));
            made.tell("CPAN", &mirror.url, "left as a comment: a DarkPAN, or one more mirror?", &mirror.from);
        }
    }

    fn teapot(&self, made: &mut Configuration) {
        made.line("");
        made.line("[teapot]");
        // Plain http is all that teacup speaks.
        let Some((first, others)) = self.clients.archives.split_first() else {
            let default = Teapot::default().upstream.map(String::from).unwrap_or_default();
            made.line("# No teacup here, or no archive of its own: the default.");
            made.line(&format!("# upstream = {}", quoted(&default)));
            return;
        };
        made.line(&format!("# From {}.", comment(&first.from)));
        made.left_out(first);
        made.line(&format!("upstream = {}", quoted(first.url.as_str())));
        made.tell("teapot", &first.url, "public: what is new waits", &first.from);
        for archive in others {
            made.line(&format!("# {} is set too; lazaret stands before one repository.", quoted(archive.url.as_str())));
            made.tell("teapot", &archive.url, "left as a comment: one repository only", &archive.from);
        }
    }

    /// Credentials of an address go into a file of their own.
    fn sign_in(&self, made: &mut Configuration, papers: &mut Vec<Paper>, name: &str, index: &Discovered) {
        let (username, secret) = match (&index.password, index.username.as_str()) {
            (None, "") => return,
            (Some(password), username) => (username, password.expose()),
            (None, only) => {
                made.line("# Its address had one word before the @, which in most cases is a token: it is in the file below. If it was a");
                made.line("# user's name, write it here and take the password out.");
                ("token", only)
            }
        };
        let username = if username.is_empty() { "token" } else { username };
        if secret.is_empty() {
            made.line(&format!("username = {}", quoted(username)));
            return;
        }
        let path = self.place.password(name);
        made.line(&format!("username = {}", quoted(username)));
        made.line(&format!("password = {{ file = {} }}", quoted(&self.place.named(&path))));
        papers.push(Paper { path, text: format!("{secret}\n"), secret: true });
    }
}

impl Configuration {
    fn line(&mut self, line: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn left_out(&mut self, found: &Discovered) {
        if found.password.is_some() || !found.username.is_empty() {
            self.line("# Its address had credentials, which were left out: only a [[cpan.private]] takes a username and a password.");
        }
    }

    fn tell(&mut self, ecosystem: &'static str, url: &Url, role: &str, from: &str) {
        let host = url.origin().ascii_serialization();
        self.sources.push(Source { ecosystem, host, role: role.to_owned(), from: from.to_owned() });
    }

    fn names(&mut self, names: &BTreeSet<ProjectName>) {
        for name in names {
            self.line(&format!("    {},", quoted(name.as_str())));
        }
    }
}

/// An index that also lists public names: whose each name is must be written down.
fn vendor(made: &mut Configuration, own: &BTreeSet<ProjectName>, both: &BTreeSet<ProjectName>) -> String {
    let count = |names: &BTreeSet<ProjectName>| text::count(names.len() as u64, "name");
    if own.len() > MOST_NAMES {
        made.line(&format!(
            "# It lists {} of its own and {} of the public index: too many to write down.",
            count(own),
            count(both)
        ));
        made.line("# As it stands, all of them come past the hold. Write here the ones that you want from it.");
        made.line("# names = [\"acme-*\"]");
        return format!(
            "private: all its {}, {} public ones among them: see the comment",
            own.len() + both.len(),
            both.len()
        );
    }
    made.line("# It also lists public names, so it is asked only for these. A name that comes later must be added, or it is public.");
    made.line("names = [");
    if !own.is_empty() {
        made.line("    # Listed by it alone.");
        made.names(own);
    }
    if both.len() > MOST_IN_COMMON {
        made.line(&format!(
            "    # And {} that the public index has too, as a mirror would: they come from there, and wait.",
            count(both)
        ));
    } else {
        made.line("    # Listed on both sides: from here they need not wait. Take out what should come from the public index.");
        made.names(both);
    }
    made.line("]");
    match both.len() {
        more if more > MOST_IN_COMMON => {
            format!("private: {}; {} public ones come from the public index", count(own), both.len())
        }
        _ => format!("vendor: {}, {} of them on both sides", count_both(own, both), both.len()),
    }
}

fn count_both(own: &BTreeSet<ProjectName>, both: &BTreeSet<ProjectName>) -> String {
    text::count((own.len() + both.len()) as u64, "name")
}

/// The policy over the built-in one: observing until then, or not at all.
pub(super) fn policy(enforce_from: Option<Timestamp>, internal: &BTreeSet<ProjectName>) -> String {
    let mut lines =
        vec!["# lazaret's policy, over the built-in one. policies/README.md explains every key.".to_owned()];
    match enforce_from {
        None => lines.push("mode = \"enforce\"".to_owned()),
        Some(from) => {
            lines.push(
                "# Everything is decided and written down, and only what breaks a hard rule is refused. `lazaret report` says each day"
                    .to_owned(),
            );
            lines.push("# what would have been refused; `lazaret baseline` lets in what you use already.".to_owned());
            lines.push("mode = \"observe\"".to_owned());
            lines.push("# From here on what is held is refused. Earlier: write mode = \"enforce\".".to_owned());
            lines.push(format!("enforce_from = {}", text::rfc3339(from)));
        }
    }
    lines.push(String::new());
    lines.push("[namespaces]".to_owned());
    lines.push("# Names of yours, which are never asked of a public index.".to_owned());
    let example = internal.first().map_or("acme-*", ProjectName::as_str);
    lines.push(format!("# pypi = [{}]", quoted(example)));
    lines.join("\n") + "\n"
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A text within a comment: one line, printable.
fn comment(text: &str) -> String {
    super::text::line(text)
}

/// A private index is called by its host.
fn name_for(url: &Url, names: &mut BTreeSet<String>) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '-' };
    let host = url.host_str().unwrap_or("private").trim_matches(['[', ']']);
    let mut name: String = host.chars().map(plain).take(LONGEST_NAME - 4).collect();
    if name.is_empty() {
        "private".clone_into(&mut name);
    }
    let mut candidate = name.clone();
    let mut number = 2;
    while !names.insert(candidate.clone()) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[test]
    fn what_is_written_is_a_policy() {
        for from in [None, Some(time::macros::datetime!(2026-12-11 00:00 UTC))] {
            Policy::parse(&policy(from, &BTreeSet::new()), "test").unwrap();
        }
    }

    #[test]
    fn indexes_are_called_by_their_hosts_each_by_its_own_name() {
        let mut names = BTreeSet::new();
        let mut name = |url: &str| name_for(&Url::parse(url).unwrap(), &mut names);
        assert_eq!(name("https://pypi.corp.example/simple/"), "pypi.corp.example");
        assert_eq!(name("https://pypi.corp.example/other/"), "pypi.corp.example-2");
        assert_eq!(name("http://[::1]:8080/simple/"), "--1");
        assert_eq!(name(&format!("https://{}.test/", "a".repeat(60))).len(), 36);
    }
}
