//! Addresses in lock files: what file they name, and what of them may be kept.

use super::text;
use super::{LockedFile, Place, Source};
use crate::domain::{FileName, ProjectName, Version};

/// Longest address kept, in bytes.
const LONGEST_ADDRESS: usize = 4_096;

/// How the addresses of repositories begin, as pip and uv write them.
const REPOSITORIES: [&str; 4] = ["git+", "hg+", "svn+", "bzr+"];

/// How the names of files end that pip installs.
const ARCHIVES: [&str; 8] = [".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".tbz"];

/// An address without user and password; `None` if it is too long or not printable.
pub(super) fn kept(raw: &str) -> Option<String> {
    text::kept(raw, LONGEST_ADDRESS).map(without_password)
}

/// A text without user and password in the addresses in it.
pub(super) fn without_password(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end =
            after.find(|each: char| matches!(each, '/' | '?' | '#') || each.is_whitespace()).unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        clean.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = path;
    }
    clean.push_str(rest);
    clean
}

/// The file that an address or path names, if its last part is a plain file name.
pub(super) fn file_name(address: &str) -> Option<FileName> {
    let path = address.split(['?', '#']).next()?;
    let last = path.rsplit(['/', '\\']).next()?;
    FileName::parse(&decoded(last)?).ok()
}

/// Undoes `%2B`; `None` for what is not text then.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(rest.next())? << 4 | digit(rest.next())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a text ends like a file that pip installs.
pub(super) fn is_archive(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let ends = |ending: &&str| {
        path.len()
            .checked_sub(ending.len())
            .and_then(|at| path.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    ARCHIVES.iter().any(ends)
}

/// A value from the fragment: `#egg=NAME&sha256=DIGITS`.
pub(super) fn from_fragment<'a>(address: &'a str, key: &str) -> Option<&'a str> {
    let (_, fragment) = address.split_once('#')?;
    fragment.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

/// What an address that is given instead of a version is.
pub(super) fn source_of(raw: &str) -> Option<Source> {
    let lower = raw.get(..5).unwrap_or(raw).to_ascii_lowercase();
    let place = if REPOSITORIES.iter().any(|start| lower.starts_with(start)) {
        Place::Repository
    } else if lower.starts_with("file:") || !raw.contains("://") {
        if is_archive(raw) { Place::File } else { Place::Folder }
    } else {
        Place::Url
    };
    Some(Source::Elsewhere { place, address: kept(raw)? })
}

/// The file that an address which stands for an entry names, with nothing known of its bytes.
pub(super) fn locked_file(raw: &str) -> LockedFile {
    let filename = file_name(raw).filter(|name| is_archive(name.as_str()));
    let url = filename.as_ref().filter(|_| raw.contains("://")).and_then(|_| kept(raw));
    LockedFile { filename, digest: None, url }
}

/// Project and version in the name of a wheel, or of a source archive whose name has no dash but the one before its version.
pub(super) fn named_by(name: &FileName) -> Option<(ProjectName, Version)> {
    let name = name.as_str();
    let (project, version) = match name.strip_suffix(".whl") {
        Some(stem) => {
            let mut parts = stem.split('-');
            (parts.next()?, parts.next()?)
        }
        None => ARCHIVES.iter().find_map(|ending| name.strip_suffix(ending))?.rsplit_once('-')?,
    };
    Some((ProjectName::pypi(project).ok()?, Version::pypi(version).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_not_kept() {
        let shapes = [
            ("https://ada:secret@index.example.test/simple", "https://index.example.test/simple"),
            ("https://ada:s@e@index.example.test", "https://index.example.test"),
            ("git+ssh://git@code.example.test/a.git@main#egg=a", "git+ssh://code.example.test/a.git@main#egg=a"),
            ("https://index.example.test/a@b", "https://index.example.test/a@b"),
            ("../a", "../a"),
            (
                "a @ https://b:c@d.example.test https://e:f@g.example.test/",
                "a @ https://d.example.test https://g.example.test/",
            ),
        ];
        for (raw, clean) in shapes {
            assert_eq!(kept(raw).unwrap(), clean);
        }
        assert_eq!(kept("https://a.example.test/\nb"), None);
        assert_eq!(kept(&format!("https://a.example.test/{}", "a".repeat(LONGEST_ADDRESS))), None);
    }

    #[test]
    fn an_address_names_a_file_or_none() {
        let shapes = [
            (
                "https://files.example.test/a/torch-2.0%2Bcpu-cp311-none-any.whl#sha256=00",
                Some("torch-2.0+cpu-cp311-none-any.whl"),
            ),
            ("file:///home/ada/six-1.16.0.tar.gz", Some("six-1.16.0.tar.gz")),
            (r"C:\wheels\six-1.16.0.zip", Some("six-1.16.0.zip")),
            ("https://files.example.test/%2e%2e%2fpasswd", None),
            ("https://files.example.test/a%0ab", None),
            ("https://files.example.test/%zz", None),
            ("https://files.example.test/%c3", None),
            ("https://files.example.test/..", None),
            ("https://files.example.test/", None),
            ("", None),
        ];
        for (address, name) in shapes {
            assert_eq!(file_name(address).as_ref().map(FileName::as_str), name, "{address}");
        }
    }

    #[test]
    fn an_address_says_what_kind_of_place_it_is() {
        let shapes = [
            ("git+https://code.example.test/a.git@v1", Place::Repository),
            ("HG+file:///a", Place::Repository),
            ("https://files.example.test/a-1.zip", Place::Url),
            ("file:///a/b-1.zip", Place::File),
            ("file:///a/b", Place::Folder),
            ("../b", Place::Folder),
            ("b-1.WHL", Place::File),
        ];
        for (raw, place) in shapes {
            assert!(matches!(source_of(raw), Some(Source::Elsewhere { place: found, .. }) if found == place), "{raw}");
        }
    }

    #[test]
    fn a_file_name_says_what_it_is_of() {
        let named =
            |name: &str| named_by(&FileName::parse(name).unwrap()).map(|(name, version)| format!("{name} {version}"));
        assert_eq!(named("typing_extensions-4.9.0-py3-none-any.whl").unwrap(), "typing-extensions 4.9.0");
        assert_eq!(named("six-1.16.0.tar.gz").unwrap(), "six 1.16.0");
        for name in ["six.whl", "six.zip", "six-one.zip", "six-1.txt"] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(raw in ".{0,40}", near in "[a-z+]{0,4}:?/{0,3}[a-z@:%#&=?.-]{0,20}(\\.whl|\\.zip)?") {
            for raw in [&raw, &near] {
                let _ = (file_name(raw), source_of(raw), from_fragment(raw, "egg"), locked_file(raw));
                if let Some(name) = file_name(raw) {
                    prop_assert!(!name.as_str().contains('/'));
                    let _ = named_by(&name);
                }
            }
        }
    }
}
