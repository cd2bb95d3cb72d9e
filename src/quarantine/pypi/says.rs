//! What a release says of itself, out of its core metadata: who made it, where its source is, what it requires.

use std::collections::BTreeSet;

use url::Url;

use crate::domain::Version;
use crate::lockfile::requirement::Requirement as Line;
use crate::registry::pypi::core_metadata::Metadata;
use crate::signals::{ReleaseSays, Requirement};

/// Most people and addresses of one release that are compared.
const MOST: usize = 50;
/// Most projects that it requires.
const MOST_REQUIRED: usize = 300;
/// Most lines of requirements and addresses that are read; those with extras for everything have a thousand.
const MOST_LINES: usize = 2_000;
/// Characters kept of each.
const LONGEST: usize = 200;
/// Characters kept of its one line; PyPI allows 512.
const LONGEST_SUMMARY: usize = 512;

/// Hosts of source code, where a project has an address of the form `host/account/name`.
const FORGES: [&str; 7] =
    ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht", "gitee.com", "salsa.debian.org"];
/// What the address of the source is called among a project's addresses
/// ([well-known labels](https://packaging.python.org/en/latest/specifications/well-known-project-urls/)); likeliest first.
const LABELS: [&str; 10] =
    ["source", "sourcecode", "sourcerepository", "repository", "repo", "code", "git", "github", "homepage", "home"];

/// What METADATA says, as far as it is compared.
pub fn says(version: &Version, metadata: &Metadata) -> ReleaseSays {
    let lists = [&metadata.author, &metadata.maintainer, &metadata.author_email, &metadata.maintainer_email];
    let (mut people, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for entry in lists.into_iter().flatten().flat_map(|list| list.split(',')).take(MOST) {
        let (name, address) = mailbox(entry);
        people.extend(name);
        addresses.extend(address);
    }
    let mut requires: Vec<Requirement> =
        metadata.requires_dist.iter().take(MOST_LINES).filter_map(|line| requirement(line)).collect();
    // Of several lines about one project the one that says most against it.
    requires.sort_by(|one, two| {
        let key = |it: &Requirement| (it.project.clone(), !it.direct, it.bounded, it.written.clone());
        key(one).cmp(&key(two))
    });
    requires.dedup_by(|one, two| one.project == two.project);
    requires.truncate(MOST_REQUIRED);
    ReleaseSays {
        version: Some(version.clone()),
        summary: metadata.summary.as_ref().map(|text| text.chars().take(LONGEST_SUMMARY).collect()),
        people: people.into_iter().collect(),
        addresses: addresses.into_iter().collect(),
        repository: repository(metadata),
        requires,
    }
}

/// `Ada Lovelace <ada@example.test>`, either part alone, or nothing: name and address in lower case.
fn mailbox(entry: &str) -> (Option<String>, Option<String>) {
    let plain = |text: &str| {
        let text: String = text.trim().trim_matches('"').trim().to_lowercase().chars().take(LONGEST).collect();
        (!text.is_empty() && text != "unknown").then_some(text)
    };
    match entry.split_once('<') {
        Some((name, address)) => (plain(name), plain(address.split('>').next().unwrap_or_default())),
        None if entry.contains('@') && !entry.trim().contains(' ') => (None, plain(entry)),
        None => (plain(entry), None),
    }
}

fn requirement(line: &str) -> Option<Requirement> {
    let read = Line::parse(line).ok()?;
    Some(Requirement {
        project: read.name().clone(),
        written: line.trim().chars().take(LONGEST).collect(),
        direct: read.url().is_some(),
        bounded: read.url().is_some() || read.specifier().is_some(),
    })
}

/// Where the source is, as `host/account/name`: the likeliest of the addresses that lead to a forge.
fn repository(metadata: &Metadata) -> Option<String> {
    let plain = |label: &str| -> String {
        label.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let rank = |label: &str| {
        let label = plain(label);
        LABELS.iter().position(|known| *known == label).unwrap_or(LABELS.len())
    };
    let home = metadata.home_page.iter().map(|address| ("homepage", address.as_str()));
    let others = metadata.project_urls.iter().map(|(label, address)| (label.as_str(), address.as_str()));
    let found =
        home.chain(others).take(MOST_LINES).filter_map(|(label, address)| Some((rank(label), place_of(address)?)));
    found.min_by_key(|(rank, _)| *rank).map(|(_, place)| place)
}

/// `https://www.github.com/Ada/Greet.git#readme` is `github.com/ada/greet`; an address that is no repository is none.
fn place_of(address: &str) -> Option<String> {
    let url = Url::parse(address.trim().trim_start_matches("git+")).ok()?;
    let host = url.host_str()?.trim_start_matches("www.").to_ascii_lowercase();
    if !FORGES.contains(&&*host) {
        return None;
    }
    let mut parts = url.path_segments()?.filter(|part| !part.is_empty());
    let (account, name) = (parts.next()?, parts.next()?);
    if matches!(account, "sponsors" | "orgs" | "users" | "about") {
        return None;
    }
    let name = name.strip_suffix(".git").unwrap_or(name);
    Some(format!("{host}/{account}/{name}").to_lowercase().chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::pypi::core_metadata;

    fn read(text: &str) -> ReleaseSays {
        let metadata = core_metadata::read(format!("Name: greet\nVersion: 1.0\n{text}").as_bytes()).unwrap();
        says(&Version::pypi("1.0").unwrap(), &metadata)
    }

    #[test]
    fn people_and_addresses_are_told_apart_however_they_are_written() {
        let says = read(
            "Author: Ada Lovelace\nAuthor-email: \"Ada Lovelace\" <Ada@Figlief.example>, rob@mail.example\nMaintainer: UNKNOWN\n",
        );
        assert_eq!(says.people, ["ada lovelace"]);
        assert_eq!(says.addresses, ["ada@figlief.example", "rob@mail.example"]);
        assert_eq!(says.domains(), ["figlief.example", "mail.example"]);
    }

    #[test]
    fn the_repository_is_where_the_labels_say_and_in_one_spelling() {
        let says = read(
            "Project-URL: Documentation, https://greet.readthedocs.example/\nProject-URL: Source Code, git+https://www.GitHub.com/Ada/Greet.git\nHome-page: https://github.com/ada/website\n",
        );
        assert_eq!(says.repository.as_deref(), Some("github.com/ada/greet"));
        assert_eq!(
            read("Home-page: http://github.com/ada/greet/tree/main#readme\n").repository.as_deref(),
            Some("github.com/ada/greet")
        );
        assert_eq!(read("Home-page: https://ada.example/greet\n").repository, None);
        assert_eq!(read("Project-URL: Funding, https://github.com/sponsors/ada\n").repository, None);
    }

    #[test]
    fn requirements_say_what_bounds_them() {
        let says = read(
            "Requires-Dist: rope>=1\nRequires-Dist: Sail\nRequires-Dist: net @ https://net.example/n.zip\nRequires-Dist: ?\n",
        );
        let told: Vec<_> = says.requires.iter().map(|it| (it.project.as_str(), it.direct, it.bounded)).collect();
        assert_eq!(told, [("net", true, true), ("rope", false, true), ("sail", false, false)]);
    }

    #[test]
    fn each_project_is_required_once_and_what_says_most_against_it_counts() {
        let lines: Vec<String> =
            (0..900).map(|number| format!("Requires-Dist: rope>={number}; extra == 'e{number}'")).collect();
        let last = "Requires-Dist: rope @ https://rope.example/r.zip\nRequires-Dist: zeal\n";
        let says = read(&format!("{}\n{last}Summary: {}\n", lines.join("\n"), "s".repeat(1_900)));
        let told: Vec<_> = says.requires.iter().map(|it| (it.project.as_str(), it.direct)).collect();
        assert_eq!(told, [("rope", true), ("zeal", false)], "the last line is read too");
        assert_eq!(says.summary.map(|summary| summary.len()), Some(LONGEST_SUMMARY));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_panics(author in "\\PC{0,60}", url in "\\PC{0,60}", line in "\\PC{0,60}") {
            let metadata = Metadata {
                author_email: Some(author),
                project_urls: vec![("Source".into(), url)],
                requires_dist: vec![line],
                ..Metadata::default()
            };
            let _ = says(&Version::zero(), &metadata);
        }
    }
}
