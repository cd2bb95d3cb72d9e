//! What a file's name says: whose it is, which version, and what an installer would do with it.

use crate::domain::{FileKind, FileName, ProjectName, Version};

use super::WhyHidden;

/// What pip and uv build from, and `.tar.Z`, which PyPI once took.
const SOURCE_ENDINGS: [&str; 13] = [
    ".tar.gz",
    ".tgz",
    ".zip",
    ".tar.bz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tar.zst",
    ".tar.lz",
    ".tlz",
    ".tar.lzma",
    ".tar",
    ".tar.Z",
];

/// What PyPI once took and no installer asks for any more.
const LEGACY_ENDINGS: [&str; 6] = [".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg"];

/// How the platform starts in the name of a `bdist_dumb` archive, which ends like a source archive.
const PLATFORMS: [&str; 6] = [".linux-", ".macosx-", ".win32", ".win-", ".freebsd-", ".cygwin-"];

/// What a file of this project's page is. It must belong to the project and have a valid version, else it is hidden.
pub fn parse(project: &ProjectName, name: &FileName) -> Result<(Version, FileKind), WhyHidden> {
    let is_ours = |raw: &str| ProjectName::pypi(raw).is_ok_and(|found| found == *project);
    let (stem, ending) = split_ending(name.as_str()).ok_or(WhyHidden::UnknownEnding)?;
    if ending == ".whl" {
        let (raw_project, raw_version) = wheel_parts(stem).ok_or(WhyHidden::NotAWheelName)?;
        if !is_ours(raw_project) {
            return Err(WhyHidden::OtherProject);
        }
        let version = Version::pypi(raw_version).map_err(|_| WhyHidden::NoVersion)?;
        return Ok((version, FileKind::Wheel));
    }
    let (_, rest) = dashes(stem).find(|(before, _)| is_ours(before)).ok_or(WhyHidden::OtherProject)?;
    read_version(rest, ending).ok_or(WhyHidden::NoVersion)
}

/// What a file is when no page says whose: exact for wheels, the best guess for others (`foo-1-2.zip` could be two things).
pub fn project_of(name: &FileName) -> Option<(ProjectName, Version, FileKind)> {
    let (stem, ending) = split_ending(name.as_str())?;
    if ending == ".whl" {
        let (raw_project, raw_version) = wheel_parts(stem)?;
        return Some((ProjectName::pypi(raw_project).ok()?, Version::pypi(raw_version).ok()?, FileKind::Wheel));
    }
    dashes(stem).filter(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit())).find_map(
        |(before, rest)| {
            let (version, kind) = read_version(rest, ending)?;
            Some((ProjectName::pypi(before).ok()?, version, kind))
        },
    )
}

/// Whether a link with this name is worth looking at.
pub(super) fn has_known_ending(name: &str) -> bool {
    split_ending(name).is_some()
}

fn split_ending(name: &str) -> Option<(&str, &'static str)> {
    std::iter::once(".whl")
        .chain(SOURCE_ENDINGS)
        .chain(LEGACY_ENDINGS)
        .find_map(|ending| name.strip_suffix(ending).map(|stem| (stem, ending)))
}

/// Project and version in a wheel's name, whose parts have no dashes of their own.
fn wheel_parts(stem: &str) -> Option<(&str, &str)> {
    let mut parts = stem.split('-');
    let (project, version) = (parts.next()?, parts.next()?);
    let tags: Vec<&str> = parts.take(5).collect();
    let build_is_fine = match tags.len() {
        3 => true,
        4 => tags.first().is_some_and(|build| build.starts_with(|first: char| first.is_ascii_digit())),
        _ => false,
    };
    (build_is_fine && tags.iter().all(|tag| !tag.is_empty())).then_some((project, version))
}

/// Every way to cut a name in two at a dash.
fn dashes(stem: &str) -> impl Iterator<Item = (&str, &str)> {
    stem.match_indices('-').map(|(at, _)| (&stem[..at], &stem[at + 1..]))
}

/// The version at the start of what follows the project's name.
fn read_version(rest: &str, ending: &str) -> Option<(Version, FileKind)> {
    if LEGACY_ENDINGS.contains(&ending) {
        // An rpm is named version-release.arch.
        let rest = if ending == ".rpm" { rest.rsplit_once('-')?.0 } else { rest };
        return Some((leading_version(rest)?, FileKind::Legacy));
    }
    if let Ok(version) = Version::pypi(rest) {
        return Some((version, FileKind::Source));
    }
    let platform = PLATFORMS.iter().find_map(|platform| rest.find(platform))?;
    Some((Version::pypi(&rest[..platform]).ok()?, FileKind::Legacy))
}

/// `1.0` in `1.0.win32-py2.7`: the longest beginning, up to a dot or dash, that is a version.
fn leading_version(text: &str) -> Option<Version> {
    let mut text = text;
    loop {
        if let Ok(version) = Version::pypi(text) {
            return Some(version);
        }
        text = &text[..text.rfind(['.', '-'])?];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(project: &str, name: &str) -> Result<String, WhyHidden> {
        let (version, kind) = parse(&ProjectName::pypi(project).unwrap(), &FileName::parse(name).unwrap())?;
        Ok(format!("{version} {kind:?}"))
    }

    fn guess(name: &str) -> Option<String> {
        project_of(&FileName::parse(name).unwrap())
            .map(|(project, version, kind)| format!("{project} {version} {kind:?}"))
    }

    #[test]
    fn wheels_are_read_by_their_parts() {
        assert_eq!(read("foo-bar", "foo_bar-1.0-py3-none-any.whl"), Ok("1.0 Wheel".into()));
        assert_eq!(
            read("foo-bar", "Foo.Bar-1.0.0rc1-2build-cp312-cp312-manylinux_2_17_x86_64.whl").unwrap(),
            "1.0.0rc1 Wheel"
        );
        assert_eq!(read("foo", "foo-1.0+cpu.1-py2.py3-none-any.whl"), Ok("1.0+cpu.1 Wheel".into()));
        assert_eq!(read("foo", "foo-1.0-py3-none.whl"), Err(WhyHidden::NotAWheelName));
        assert_eq!(read("foo", "foo-1.0-build-py3-none-any.whl"), Err(WhyHidden::NotAWheelName));
        assert_eq!(read("foo", "foo-1.0-1-2-py3-none-any.whl"), Err(WhyHidden::NotAWheelName));
        assert_eq!(read("foo", "foo-1.0--none-any.whl"), Err(WhyHidden::NotAWheelName));
        assert_eq!(read("foo", "food-1.0-py3-none-any.whl"), Err(WhyHidden::OtherProject));
        assert_eq!(read("foo", "foo-latest-py3-none-any.whl"), Err(WhyHidden::NoVersion));
    }

    #[test]
    fn the_known_project_decides_where_a_source_archives_version_starts() {
        assert_eq!(read("foo-bar", "foo_bar-1.0.tar.gz"), Ok("1.0 Source".into()));
        assert_eq!(read("foo-bar", "Foo.Bar-1.0.tar.gz"), Ok("1.0 Source".into()));
        assert_eq!(read("foo-bar", "foo-bar-1.0-2.zip"), Ok("1.0.post2 Source".into()));
        assert_eq!(read("foo-2", "foo-2-1.0.tar.gz"), Ok("1.0 Source".into()));
        assert_eq!(read("foo", "foo-2-1.0.tar.gz"), Err(WhyHidden::NoVersion));
        assert_eq!(read("foo", "foo-bar-1.0.tar.gz"), Err(WhyHidden::NoVersion));
        assert_eq!(read("foo", "bar-1.0.tar.gz"), Err(WhyHidden::OtherProject));
        assert_eq!(read("foo", "foo.tar.gz"), Err(WhyHidden::OtherProject));
        // pip would take this for 1.0 on Python 3.12 only; nothing honest is named so.
        assert_eq!(read("foo", "foo-1.0-py3.12.tar.gz"), Err(WhyHidden::NoVersion));
        assert_eq!(read("foo", "foo-1.0.tar.gz.asc"), Err(WhyHidden::UnknownEnding));
    }

    #[test]
    fn what_pypi_once_took_is_legacy() {
        for name in [
            "foo_bar-1.0-py2.7.egg",
            "foo-bar-1.0-py2.7-linux-x86_64.egg",
            "foo-bar-1.0.win32-py2.7.exe",
            "foo-bar-1.0.win-amd64.msi",
            "foo-bar-1.0-1.noarch.rpm",
            "foo-bar-1.0.linux-x86_64.tar.gz",
            "foo-bar-1.0.macosx-10.9-x86_64.zip",
        ] {
            assert_eq!(read("foo-bar", name), Ok("1.0 Legacy".into()), "{name}");
        }
        assert_eq!(read("foo", "foo-1.noarch.rpm"), Err(WhyHidden::NoVersion));
    }

    #[test]
    fn a_name_alone_is_guessed() {
        assert_eq!(guess("foo_bar-1.0-py3-none-any.whl").unwrap(), "foo-bar 1.0 Wheel");
        assert_eq!(guess("foo_bar-1.0.tar.gz").unwrap(), "foo-bar 1.0 Source");
        assert_eq!(guess("foo-bar-1.0-2.zip").unwrap(), "foo-bar 1.0.post2 Source");
        assert_eq!(guess("foo-2-1.0.tar.gz").unwrap(), "foo-2 1.0 Source");
        assert_eq!(guess("foo-bar-1.0.win32-py2.7.exe").unwrap(), "foo-bar 1.0 Legacy");
        assert_eq!(guess("foo.tar.gz"), None);
        assert_eq!(guess("readme.txt"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_name_panics_and_a_guess_agrees_with_its_project(
            name in r"[a-zA-Z][a-z0-9._]{0,6}(-[a-z0-9._+!]{0,6}){0,6}(\.whl|\.tar\.gz|\.zip|\.egg|\.rpm|\.exe|)"
        ) {
            if let Ok(name) = FileName::parse(&name)
                && let Some((project, version, kind)) = project_of(&name)
            {
                prop_assert_eq!(parse(&project, &name), Ok((version, kind)));
            }
        }
    }
}
