//! `cpanfile.snapshot`, as [Carton writes and reads it](https://metacpan.org/dist/Carton/source/lib/Carton/Snapshot/Parser.pm):
//! two blanks before a distribution, four before what is said of it, six before each line of a list.

use super::kind::SNAPSHOT_HEAD;
use super::reading::Reading;
use super::text::{kept, shown};
use super::{Entry, LockFileError, LockedFile, MOST_FILES, Source};
use crate::domain::{Ecosystem, FileName, Project, ProjectName, Version};

/// Longest distribution, path or package that is looked at.
const LONGEST_WORD: usize = 255;

/// What has been said of a distribution so far.
struct Distribution<'a> {
    written: &'a str,
    line: usize,
    path: Option<&'a str>,
    provides: Vec<(&'a str, &'a str)>,
    list: &'a str,
}

/// Reads the file.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), LockFileError> {
    let mut lines = (1..).zip(text.lines());
    let Some(format) = lines.next().and_then(|(_, first)| first.trim_end().strip_prefix(SNAPSHOT_HEAD)) else {
        return Err(reading.shape(1, format!("it does not begin with `{SNAPSHOT_HEAD}1.0`")));
    };
    if format != "1.0" {
        return Err(reading.other_format(1, format, "1.0"));
    }
    let mut current: Option<Distribution<'_>> = None;
    for (line, content) in lines {
        let content = content.trim_end();
        let said = content.trim_start_matches(' ');
        if said.is_empty() || said.starts_with('#') || content == "DISTRIBUTIONS" {
            continue;
        }
        match (content.len() - said.len(), current.as_mut()) {
            (2, _) => {
                let next = Distribution { written: said, line, path: None, provides: Vec::new(), list: "" };
                if let Some(done) = current.replace(next) {
                    take(&done, reading)?;
                }
            }
            (4, Some(of)) => match said.split_once(':') {
                Some(("pathname", path)) => of.path = Some(path.trim()),
                Some((list @ ("provides" | "requirements"), "")) => of.list = list,
                _ => reading.remark(line, format!("not understood: {}", shown(said))),
            },
            (6, Some(of)) if of.list == "provides" => {
                if of.provides.len() == MOST_FILES {
                    return Err(reading.too_many(line, "packages of one distribution", MOST_FILES));
                }
                of.provides.extend(said.split_once(' '));
            }
            (6, Some(of)) if of.list == "requirements" => {}
            _ => reading.remark(line, format!("not understood: {}", shown(said))),
        }
    }
    current.map_or(Ok(()), |done| take(&done, reading))
}

fn take(of: &Distribution<'_>, reading: &mut Reading) -> Result<(), LockFileError> {
    let line = of.line;
    let Some(written) = kept(of.written, LONGEST_WORD).filter(|written| !written.contains(' ')) else {
        reading.remark(line, format!("not checked: {} is no name of a distribution", shown(of.written)));
        return Ok(());
    };
    let filename = of.path.and_then(release_name);
    let stem = filename.as_ref().map(FileName::base).map(|base| stem_of(base).unwrap_or(base));
    match stem {
        Some(stem) if stem != written => {
            let (written, stem) = (shown(written), shown(stem));
            reading.remark(line, format!("{written} is installed from {stem}, another release: that one is read"));
        }
        Some(_) => {}
        None => reading.remark(line, format!("{} does not say which file it is", shown(written))),
    }
    // Carton installs what the path says.
    let (raw_name, raw_version) = split_version(stem.unwrap_or(written));
    let Ok(name) = ProjectName::parse(Ecosystem::Cpan, raw_name) else {
        reading.remark(line, format!("not checked: {} is no name of a distribution", shown(written)));
        return Ok(());
    };
    let version = raw_version.and_then(|raw| Version::parse(Ecosystem::Cpan, raw).ok());
    if version.is_none() {
        reading.remark(line, format!("{} has no version: it is known by its file only", shown(written)));
    }
    let package = package_of(name.as_str(), raw_version, &of.provides);
    let mut files = Vec::new();
    reading.file_of(&mut files, LockedFile { filename, digest: None, url: None }, line)?;
    reading.entry(Entry {
        project: Project { ecosystem: Ecosystem::Cpan, name },
        version,
        specifier: None,
        files,
        source: Source::Index { address: None },
        line,
        marker: None,
        package,
    })
}

/// Name and version of `Foo-Bar-1.02`: the version begins at the last dash before a digit, or before a `v` and a digit, and
/// what follows a version (`-TRIAL`) is of it.
///
/// Names of twenty years have more exceptions than that; the file's name, which is told too, is what a proxy knows them by.
fn split_version(written: &str) -> (&str, Option<&str>) {
    let is_version = |rest: &str| {
        let digits = rest.strip_prefix('v').unwrap_or(rest);
        digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && digits.contains(|each: char| each.is_ascii_digit())
    };
    written
        .rmatch_indices('-')
        .map(|(at, _)| (&written[..at], &written[at + 1..]))
        .find(|(name, rest)| !name.is_empty() && is_version(rest))
        .map_or((written, None), |(name, version)| (name, Some(version)))
}

/// `E/ET/ETHER/Try-Tiny-0.32.tar.gz` without the folders that say the uploader's first letters.
fn release_name(path: &str) -> Option<FileName> {
    let mut parts = path.splitn(3, '/');
    let (first, second, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let uploader = rest.split('/').next()?;
    let is_plain = first.len() == 1 && second.len() == 2 && second.starts_with(first) && uploader.starts_with(second);
    // A release beside no uploader is none.
    FileName::in_folders(rest).ok().filter(|_| is_plain && rest.contains('/'))
}

/// `Foo-1.0` of `Foo-1.0.tar.gz`.
fn stem_of(file: &str) -> Option<&str> {
    [".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.Z"].into_iter().find_map(|ending| file.strip_suffix(ending))
}

/// The package to ask for: the one that the distribution is named after, else the shortest, but only one that carries the
/// distribution's version, so that a later one can be asked for by it.
fn package_of(name: &str, version: Option<&str>, provides: &[(&str, &str)]) -> Option<String> {
    let main = name.replace('-', "::");
    let alike = |one: &str, two: &str| one.trim_start_matches('v') == two.trim_start_matches('v');
    let fitting = provides.iter().filter(|(_, of)| version.is_some_and(|version| alike(of.trim(), version)));
    let (package, _) = fitting.min_by_key(|(package, _)| (*package != main, package.len(), *package))?;
    kept(package, LONGEST_WORD).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_a_name_and_a_version() {
        let shapes = [
            ("Try-Tiny-0.32", "Try-Tiny", Some("0.32")),
            ("podlators-v6.0.2", "podlators", Some("v6.0.2")),
            ("Foo-1.0-TRIAL", "Foo", Some("1.0-TRIAL")),
            ("Acme-24-0.03", "Acme-24", Some("0.03")),
            ("Foo-.99", "Foo", Some(".99")),
            ("SOAP-Lite-0.60a", "SOAP-Lite", Some("0.60a")),
            ("Net-SSLeay-1.93_05", "Net-SSLeay", Some("1.93_05")),
            ("Foo-Bar", "Foo-Bar", None),
            ("Foo-vBar", "Foo-vBar", None),
            ("-1.0", "-1.0", None),
        ];
        for (written, name, version) in shapes {
            assert_eq!(split_version(written), (name, version), "{written}");
        }
    }

    #[test]
    fn a_path_names_a_release_of_an_uploader() {
        let name = |path| release_name(path).map(|name| name.as_str().to_owned());
        assert_eq!(name("E/ET/ETHER/Try-Tiny-0.32.tar.gz").unwrap(), "ETHER/Try-Tiny-0.32.tar.gz");
        assert_eq!(name("E/ET/ETHER/old/Try-Tiny-0.32.tar.gz").unwrap(), "ETHER/old/Try-Tiny-0.32.tar.gz");
        for path in [
            "",
            "Try-Tiny-0.32.tar.gz",
            "E/ET/../../etc/passwd",
            "X/ET/ETHER/a.zip",
            "E/ET/ETHER",
            "E/ET/ETHER/",
            "//E/a",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[test]
    fn the_package_to_ask_for_carries_the_version() {
        let of = |name, version, provides: &[_]| package_of(name, Some(version), provides);
        assert_eq!(of("Try-Tiny", "0.32", &[("Try::Tiny", "0.32"), ("A", "0.32")]).unwrap(), "Try::Tiny");
        assert_eq!(
            of("libwww-perl", "6.77", &[("LWP::Debug", "undef"), ("LWP::UserAgent", "6.77"), ("LWP", "6.77")]).unwrap(),
            "LWP"
        );
        assert_eq!(of("podlators", "v6.0.2", &[("Pod::Man", "v6.0.2"), ("Pod::Text", "6.0.2")]).unwrap(), "Pod::Man");
        assert_eq!(of("Foo", "1.0", &[("Foo", "undef")]), None);
    }
}
