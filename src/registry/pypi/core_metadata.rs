//! [Core metadata](https://packaging.python.org/en/latest/specifications/core-metadata/): what a release says of itself in
//! METADATA or PKG-INFO.

use std::str::FromStr;

use pep440_rs::{Operator, VersionSpecifier};
use serde::{Deserialize, Serialize};

use crate::domain::{ProjectName, Version};
use crate::registry::ReadError;

use super::listing::BYTE_ORDER_MARK;

/// Largest METADATA that is read; the description is in it.
pub const LARGEST_METADATA: usize = 10 * 1024 * 1024;

/// Most values kept of a field that may stand several times.
const MOST_VALUES: usize = 10_000;

/// Most versions that one requirement is compared with.
const MOST_SPECIFIERS: usize = 100;

/// Characters kept of a field for people.
const LONGEST_TEXT: usize = 2_000;

/// The fields that we judge by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// `Metadata-Version`.
    pub metadata_version: String,
    /// `Name`, as written.
    pub name: String,
    /// `Version`, as written.
    pub version: String,
    /// `Requires-Dist`, as written.
    pub requires_dist: Vec<String>,
    /// `Requires-Python`.
    pub requires_python: Option<String>,
    /// `Summary`.
    pub summary: Option<String>,
    /// `Author`.
    pub author: Option<String>,
    /// `Author-email`.
    pub author_email: Option<String>,
    /// `Maintainer`.
    pub maintainer: Option<String>,
    /// `Maintainer-email`.
    pub maintainer_email: Option<String>,
    /// `Home-page`.
    pub home_page: Option<String>,
    /// `Project-URL`: label and address.
    pub project_urls: Vec<(String, String)>,
    /// `Dynamic`: fields that a build may change ([PEP 643](https://peps.python.org/pep-0643/)).
    pub dynamic: Vec<String>,
}

/// A dependency on exactly one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// On what.
    pub project: ProjectName,
    /// In which version.
    pub version: Version,
}

/// Reads METADATA. As in Python's own reader, the fields end at the first line that is none.
pub fn read(bytes: &[u8]) -> Result<Metadata, ReadError> {
    if bytes.len() > LARGEST_METADATA {
        return Err(ReadError::TooLarge { what: "METADATA in bytes", limit: LARGEST_METADATA });
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let mut metadata = Metadata::default();
    let (mut name, mut version) = (None, None);
    for (key, value) in (Fields { lines: text.lines().peekable() }) {
        match &*key.to_ascii_lowercase() {
            "name" => once(&mut name, value, "Name")?,
            "version" => once(&mut version, value, "Version")?,
            "metadata-version" => metadata.metadata_version = short(&value),
            "requires-dist" => push(&mut metadata.requires_dist, value, "Requires-Dist")?,
            "dynamic" => push(&mut metadata.dynamic, value, "Dynamic")?,
            "project-url" => {
                let (label, address) = value.split_once(',').unwrap_or(("", &value));
                push(&mut metadata.project_urls, (short(label), short(address)), "Project-URL")?;
            }
            "requires-python" => first(&mut metadata.requires_python, &value),
            "summary" => first(&mut metadata.summary, &value),
            "author" => first(&mut metadata.author, &value),
            "author-email" => first(&mut metadata.author_email, &value),
            "maintainer" => first(&mut metadata.maintainer, &value),
            "maintainer-email" => first(&mut metadata.maintainer_email, &value),
            "home-page" => first(&mut metadata.home_page, &value),
            _ => {}
        }
    }
    metadata.name = name.ok_or(ReadError::Field("Name"))?;
    metadata.version = version.ok_or(ReadError::Field("Version"))?;
    Ok(metadata)
}

/// The fields of the header, continuation lines joined by a space.
struct Fields<'a> {
    lines: std::iter::Peekable<std::str::Lines<'a>>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, first) = self.lines.next()?.split_once(':')?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut value = first.trim().to_owned();
        while let Some(line) = self.lines.next_if(|line| line.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(line.trim());
        }
        Some((key, value))
    }
}

/// Two different names or versions: readers would disagree about which file this is.
fn once(slot: &mut Option<String>, value: String, field: &'static str) -> Result<(), ReadError> {
    if value.is_empty() || value.len() > LONGEST_TEXT || slot.as_ref().is_some_and(|known| *known != value) {
        return Err(ReadError::Field(field));
    }
    *slot = Some(value);
    Ok(())
}

fn first(slot: &mut Option<String>, value: &str) {
    if slot.is_none() && !value.is_empty() {
        *slot = Some(short(value));
    }
}

fn push<T>(list: &mut Vec<T>, value: T, what: &'static str) -> Result<(), ReadError> {
    if list.len() == MOST_VALUES {
        return Err(ReadError::TooLarge { what, limit: MOST_VALUES });
    }
    list.push(value);
    Ok(())
}

fn short(text: &str) -> String {
    text.trim().chars().take(LONGEST_TEXT).collect()
}

/// The dependencies on exactly one version: `==1.0` and `===1.0`, not `==1.*`. Extras and markers are ignored on purpose: a
/// marker may be true somewhere. What cannot be read as a requirement pins nothing.
pub fn exact_pins(metadata: &Metadata) -> Vec<Pin> {
    metadata.requires_dist.iter().flat_map(|line| pins_of(line)).collect()
}

/// Reads the name and the versions of a requirement by hand: `pep508_rs` 0.9 panics on names like `a-[b]`, and keeps every
/// marker it ever saw in memory.
fn pins_of(line: &str) -> Vec<Pin> {
    let requirement = line.split(';').next().unwrap_or_default().trim();
    let is_of_name = |each: char| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_');
    let end = requirement.find(|each| !is_of_name(each)).unwrap_or(requirement.len());
    let (name, rest) = requirement.split_at(end);
    let Ok(project) = ProjectName::pypi(name) else { return Vec::new() };
    let rest = rest.trim_start();
    let versions = rest.strip_prefix('[').map_or(Some(rest), |extras| Some(extras.split_once(']')?.1));
    let Some(versions) = versions.map(|versions| versions.trim_matches([' ', '\t', '(', ')'])) else {
        return Vec::new();
    };
    versions
        .split(',')
        .take(MOST_SPECIFIERS)
        .filter_map(|specifier| VersionSpecifier::from_str(specifier.trim()).ok())
        .filter(|specifier| matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual))
        .filter_map(|specifier| Version::pypi(&specifier.version().to_string()).ok())
        .map(|version| Pin { project: project.clone(), version })
        .collect()
}

/// Whether METADATA speaks of the release that the file's name says.
pub fn agrees(filename_project: &ProjectName, filename_version: &Version, metadata: &Metadata) -> bool {
    ProjectName::pypi(&metadata.name).is_ok_and(|name| name == *filename_project)
        && Version::pypi(&metadata.version).is_ok_and(|version| version.is_same_release(filename_version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METADATA: &str = "\
Metadata-Version: 2.4
Name: Sample_Project
Version: 1.2.0
Summary: A sample,
        on two lines
Author-email: Ada <ada@example.test>
Project-URL: Homepage, https://sample.example.test/
Project-URL: https://no-label.example.test/
Requires-Python: >=3.9
requires-dist: child==2.0
Requires-Dist: Other_Child[fast] (===1.0.post1) ; python_version < '3'
Requires-Dist: loose>=1,<2
Requires-Dist: family==3.*
Requires-Dist: direct @ https://files.example.test/direct-1.0.zip
Requires-Dist: what is this
Dynamic: License

Name: not a field any more
";

    #[test]
    fn the_fields_are_read_until_the_description() {
        let metadata = read(METADATA.as_bytes()).unwrap();
        insta::assert_json_snapshot!(metadata, @r#"
        {
          "metadata_version": "2.4",
          "name": "Sample_Project",
          "version": "1.2.0",
          "requires_dist": [
            "child==2.0",
            "Other_Child[fast] (===1.0.post1) ; python_version < '3'",
            "loose>=1,<2",
            "family==3.*",
            "direct @ https://files.example.test/direct-1.0.zip",
            "what is this"
          ],
          "requires_python": ">=3.9",
          "summary": "A sample, on two lines",
          "author": null,
          "author_email": "Ada <ada@example.test>",
          "maintainer": null,
          "maintainer_email": null,
          "home_page": null,
          "project_urls": [
            [
              "Homepage",
              "https://sample.example.test/"
            ],
            [
              "",
              "https://no-label.example.test/"
            ]
          ],
          "dynamic": [
            "License"
          ]
        }
        "#);
        assert_eq!(read(METADATA.replace('\n', "\r\n").as_bytes()).unwrap(), metadata);
    }

    #[test]
    fn only_exact_versions_pin() {
        let pins = exact_pins(&read(METADATA.as_bytes()).unwrap());
        let pins: Vec<String> = pins.iter().map(|pin| format!("{} {}", pin.project, pin.version)).collect();
        assert_eq!(pins, ["child 2.0", "other-child 1.0.post1"]);
        for line in ["a-[b]==1", "a[b==1", "a @ https://b.example.test/==1", "==1", "a ==", "a ==1.*", "a == one", "a"]
        {
            assert_eq!(pins_of(line), [], "{line}");
        }
        assert_eq!(pins_of("a[b,c](<3,==2.0+local,what)").len(), 1);
    }

    #[test]
    fn it_agrees_with_its_file_name_or_not() {
        let metadata = read(METADATA.as_bytes()).unwrap();
        let agrees =
            |name, version| agrees(&ProjectName::pypi(name).unwrap(), &Version::pypi(version).unwrap(), &metadata);
        assert!(agrees("sample.project", "1.2"));
        assert!(!agrees("sample.project", "1.2.1"));
        assert!(!agrees("sample", "1.2"));
    }

    #[test]
    fn broken_metadata_is_refused() {
        let refused = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        insta::assert_snapshot!(refused("Name: a\n\nVersion: 1"), @"METADATA does not have exactly one Version: the file is broken, do not install it");
        assert!(matches!(read(b"Name: a\nName: b\nVersion: 1\n"), Err(ReadError::Field("Name"))));
        assert!(read(b"Name: a\nName: a\nVersion: 1\n").is_ok());
        assert!(matches!(read(b""), Err(ReadError::Field("Name"))));
        let many = format!("Name: a\nVersion: 1\n{}", "Requires-Dist: b\n".repeat(MOST_VALUES + 1));
        assert!(matches!(read(many.as_bytes()), Err(ReadError::TooLarge { .. })));
        assert!(matches!(read(&vec![b'a'; LARGEST_METADATA + 1]), Err(ReadError::TooLarge { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in ".{0,60}",
            near in r"[a-z]{1,3}(\[[a-z,]{0,3}\]?)? ?\(?[=<>~!]{0,3}[0-9a-z.*+!-]{0,6},?[=<>]{0,3}[0-9.*]{0,3}\)? ?@? ?;?.{0,5}") {
            let _ = read(&bytes);
            let _ = read(format!("Name: a\nVersion: 1\nRequires-Dist: {line}\n").as_bytes()).map(|read| exact_pins(&read));
            let _ = pins_of(&near);
        }
    }
}
