//! What a file name says, so that two spellings of one name are equal: PEP 740 compares a statement's subject with a file by
//! the parts of its name, since indexes once stored other spellings than were signed.

use std::collections::BTreeSet;

use crate::domain::{Ecosystem, ProjectName, ReleaseKey, Version};

/// A wheel's or a source archive's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Distribution {
    /// [Binary distributions](https://packaging.python.org/en/latest/specifications/binary-distribution-format/).
    Wheel { project: ProjectName, release: ReleaseKey, build: Option<String>, tags: [BTreeSet<String>; 3] },
    /// [Source distributions](https://packaging.python.org/en/latest/specifications/source-distribution-format/).
    Source { project: ProjectName, release: ReleaseKey, ending: &'static str },
}

impl Distribution {
    /// `None` for what an index takes no attestation for.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some(stem) = name.strip_suffix(".whl") {
            return wheel(stem);
        }
        let (stem, ending) =
            [".tar.gz", ".zip"].into_iter().find_map(|ending| name.strip_suffix(ending).map(|stem| (stem, ending)))?;
        let (project, version) = stem.rsplit_once('-')?;
        Some(Self::Source { project: ProjectName::pypi(project).ok()?, release: release(version)?, ending })
    }
}

/// `project-version[-build]-python-abi-platform`, where each tag may be several, joined by dots, in any order.
fn wheel(stem: &str) -> Option<Distribution> {
    let parts: Vec<&str> = stem.split('-').collect();
    let (project, version, build, tags) = match *parts {
        [project, version, python, abi, platform] => (project, version, None, [python, abi, platform]),
        [project, version, build, python, abi, platform] => (project, version, Some(build), [python, abi, platform]),
        _ => return None,
    };
    if build.is_some_and(|build| !build.starts_with(|first: char| first.is_ascii_digit())) {
        return None;
    }
    Some(Distribution::Wheel {
        project: ProjectName::pypi(project).ok()?,
        release: release(version)?,
        build: build.map(str::to_ascii_lowercase),
        tags: tags.map(|tag| tag.split('.').map(str::to_ascii_lowercase).collect()),
    })
}

fn release(version: &str) -> Option<ReleaseKey> {
    Version::pypi(version).ok().map(|version| version.release(Ecosystem::Pypi))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (one, two) in [
            ("foo_bar-1.0-py3-none-any.whl", "Foo.Bar-1.0.0-py3-none-any.whl"),
            ("a-1-py2.py3-none-any.whl", "a-1-py3.py2-none-any.whl"),
            (
                "spt3g-1.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                "spt3g-1.0-cp310-cp310-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            ),
            ("foo-bar-1.0.tar.gz", "foo_bar-1.0.tar.gz"),
            ("a-1.0rc1.zip", "a-1.0.RC.1.zip"),
        ] {
            assert!(Distribution::parse(one).is_some(), "{one}");
            assert_eq!(Distribution::parse(one), Distribution::parse(two), "{one} {two}");
        }
    }

    #[test]
    fn other_files_are_not() {
        for (one, two) in [
            ("a-1-py3-none-any.whl", "b-1-py3-none-any.whl"),
            ("a-1-py3-none-any.whl", "a-1.1-py3-none-any.whl"),
            ("a-1-py3-none-any.whl", "a-1-1-py3-none-any.whl"),
            ("a-1-py3-none-any.whl", "a-1-py2-none-any.whl"),
            ("a-1-py3-none-any.whl", "a-1-py3-none-win32.whl"),
            ("a-1-cp310.cp311-none-any.whl", "a-1-cp310-cp311-any.whl"),
            ("a-1.tar.gz", "a-1.zip"),
            ("a-1.tar.gz", "a-1.post1.tar.gz"),
        ] {
            assert_ne!(Distribution::parse(one), Distribution::parse(two), "{one} {two}");
        }
    }

    #[test]
    fn what_no_index_takes_an_attestation_for_has_no_name() {
        for name in
            ["", "a.whl", "a-1.whl", "a-1-py3-none.whl", "a-1-b-py3-none-any.whl", "a-x.tar.gz", "a-1.egg", "a-1.tgz"]
        {
            assert_eq!(Distribution::parse(name), None, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_name_panics(name in r"[a-zA-Zä._-]{0,8}(-[a-z0-9._+!ß]{0,6}){0,6}(\.whl|\.tar\.gz|\.zip|)") {
            prop_assert_eq!(Distribution::parse(&name), Distribution::parse(&name));
        }
    }
}
