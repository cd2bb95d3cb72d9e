//! From the name of a file to the name of its distribution, by the rules of
//! [CPAN::DistnameInfo](https://github.com/gbarr/CPAN-DistnameInfo), which PAUSE, its mirrors and the clients share.
//!
//! They were learnt from twenty years of uploads: a name ends where something that looks like a version begins.

/// Longest file name that is looked at.
const LONGEST_FILE: usize = 255;

/// The archives that `CPAN::DistnameInfo` knows.
const EXTENSIONS: [&str; 5] = ["tar.gz", "tar.bz2", "tar.z", "zip", "tgz"];

/// What the name of an archive says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistName<'a> {
    /// `Foo-Bar` of `Foo-Bar-1.02.tar.gz`.
    pub name: String,
    /// `1.02`; some files have none.
    pub version: Option<String>,
    /// A release for developers, which PAUSE does not index: `1.02_03`, `-TRIAL`, an odd perl.
    pub developer: bool,
    /// `tar.gz`, as written.
    pub extension: &'a str,
}

/// Reads the name of a file; `None` for what is no archive.
pub fn dist_of(file: &str) -> Option<DistName<'_>> {
    let file = file.rsplit('/').next().unwrap_or(file);
    if file.len() > LONGEST_FILE || file.chars().any(char::is_control) {
        return None;
    }
    let (stem, extension) = split_extension(file)?;
    let Some(end) = end_of_name(stem.as_bytes()) else {
        return Some(DistName { name: stem.to_owned(), version: None, developer: false, extension });
    };
    let (name, version) = split_version(stem, end);
    let developer = !version.is_empty() && is_developer(stem, &version);
    Some(DistName { name, version: Some(version).filter(|version| !version.is_empty()), developer, extension })
}

/// The package that a distribution is named after: `Foo::Bar` for `Foo-Bar`.
pub fn main_package(name: &str) -> String {
    name.replace('-', "::")
}

fn split_extension(file: &str) -> Option<(&str, &str)> {
    EXTENSIONS.iter().find_map(|extension| {
        let at = file.len().checked_sub(extension.len())?;
        let (stem, found) = (file.get(..at)?, file.get(at..)?);
        let stem = stem.strip_suffix('.').filter(|stem| !stem.is_empty())?;
        found.eq_ignore_ascii_case(extension).then_some((stem, found))
    })
}

/// Where the name ends and the rest, mostly a version, begins; `None` if there is no name.
///
/// The name is a chain of words, each as long as can be. A word may begin with `-`, `+` or `.`, goes on with letters and
/// digits and underscores that are not between two digits, and ends with a letter before a non-letter or a digit before a
/// dash; a lone `v` does not end one.
fn end_of_name(stem: &[u8]) -> Option<usize> {
    let mut end = 0;
    while let Some(next) = end_of_word(stem, end) {
        end = next;
    }
    (end > 0).then_some(end)
}

fn end_of_word(stem: &[u8], start: usize) -> Option<usize> {
    let first = (start..stem.len()).find(|at| !matches!(stem[*at], b'-' | b'+' | b'.'))?;
    let is_of_word = |at: &usize| {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        match stem[*at] {
            b'_' => {
                let before = at.checked_sub(1).and_then(|before| stem.get(before));
                let after = stem.get(at + 1);
                (before.is_some() && !is_digit(before)) || (after.is_some() && !is_digit(after))
            }
            byte => byte.is_ascii_alphanumeric(),
        }
    };
    let stop = (first..stem.len()).find(|at| !is_of_word(at)).unwrap_or(stem.len());
    (first + 1..=stop).rev().find(|end| {
        let (last, next) = (stem[end - 1], stem.get(*end));
        let is_lone_v = matches!(last, b'v' | b'V') && *end >= 2 && matches!(stem[end - 2], b'.' | b'_' | b'-');
        let ends = (last.is_ascii_alphabetic() && !next.is_some_and(u8::is_ascii_alphabetic))
            || (last.is_ascii_digit() && next == Some(&b'-'));
        ends && !is_lone_v
    })
}

/// The exceptions, in the order in which they were learnt.
fn split_version(stem: &str, end: usize) -> (String, String) {
    let (name, rest) = stem.split_at(end);
    let (mut name, mut version) = (name.to_owned(), rest.strip_suffix("-withoutworldwriteables").unwrap_or(rest));
    if version.is_empty()
        && let Some(defined) = name.strip_suffix("-undef")
    {
        name.truncate(defined.len());
    }
    // Unicode-Collate-Standard-V3_1_1-0.1: the V3_1_1 is of the name.
    if version.starts_with("-V") || version.starts_with("-v") {
        move_to_name(&mut name, &mut version, 2);
    }
    // Task-Deprecations5_14-1.00: the 5_14 is of the name; in libao-perl_0.03-1, which begins with it, nothing is.
    if let Some(at) = version.get(1..).and_then(|rest| rest.find('_')) {
        move_to_name(&mut name, &mut version, at + 2);
    }
    // CGI.pm-1.23
    if let Some(module) = name.strip_suffix(".pm") {
        name.truncate(module.len());
    }
    let mut version = version.to_owned();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if version.is_empty()
        && let Some((before, last)) = name.rsplit_once('-')
    {
        let digits = last.len().saturating_sub(1);
        let is_version = digits > 0
            && last.as_bytes().iter().take(digits).all(u8::is_ascii_digit)
            && last.bytes().last().is_some_and(is_word);
        if is_version {
            last.clone_into(&mut version);
            name.truncate(before.len());
        }
    }
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    if is_number
        && let Some((before, last)) = name.rsplit_once('-')
        && !last.is_empty()
        && last.bytes().all(is_word)
    {
        version.insert_str(0, last);
        name.truncate(before.len());
    }
    let has_point = version
        .as_bytes()
        .windows(3)
        .any(|three| three[0].is_ascii_digit() && three[1] == b'.' && three[2].is_ascii_digit());
    let trimmed =
        if has_point { version.trim_start_matches(['-', '_', '.']) } else { version.trim_start_matches(['-', '_']) };
    (name, trimmed.to_owned())
}

/// Moves what stands before the last `-` and digit, which must be `from` or later, into the name.
fn move_to_name(name: &mut String, version: &mut &str, from: usize) {
    let bytes = version.as_bytes();
    let is_start = |at: &usize| bytes[*at] == b'-' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    if let Some(at) = (from..bytes.len()).rev().find(is_start) {
        name.push_str(&version[..at]);
        *version = &version[at + 1..];
    }
}

fn is_developer(stem: &str, version: &str) -> bool {
    perl_is_developer(stem).unwrap_or_else(|| {
        let bytes = version.as_bytes();
        let is_underscored = |at: usize| {
            // A digit, something that is none, digits, an underscore, a digit: 1.02_03
            let after = bytes[at + 2..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let underscore = at + 2 + after;
            bytes[at].is_ascii_digit()
                && !bytes[at + 1].is_ascii_digit()
                && after > 0
                && bytes.get(underscore) == Some(&b'_')
                && bytes.get(underscore + 1).is_some_and(u8::is_ascii_digit)
        };
        version.contains("-TRIAL") || (0..bytes.len().saturating_sub(2)).any(is_underscored)
    })
}

/// Perl itself: odd versions above 5.6, patch levels from 50 on, and release candidates are for developers. `None` if the
/// file is no perl.
fn perl_is_developer(stem: &str) -> Option<bool> {
    let rest = stem.strip_prefix("perl")?;
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let (_, rest) = take_digits(rest)?;
    let (minor, rest) = take_digits(rest.strip_prefix('.')?)?;
    let mut letters = rest.chars();
    let patched = match letters.next() {
        Some(separator) if !separator.is_ascii_digit() => take_digits(letters.as_str()),
        _ => None,
    };
    let (patch, rest) = patched.unwrap_or(("0", rest));
    let candidate = match rest {
        "" => false,
        rest => {
            let number = rest.strip_prefix("-TRIAL").or_else(|| rest.strip_prefix("-RC"))?;
            if take_digits(number)?.1.is_empty() { true } else { return None }
        }
    };
    let number = |digits: &str| digits.parse().unwrap_or(u64::MAX);
    Some(candidate || number(patch) >= 50 || (number(minor) > 6 && minor.ends_with(['1', '3', '5', '7', '9'])))
}

fn take_digits(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// File, name, version (empty for none), for developers: as `CPAN::DistnameInfo` 0.12 answers.
    const SHAPES: &[(&str, &str, &str, bool)] = &[
        ("Foo-Bar-1.02.tar.gz", "Foo-Bar", "1.02", false),
        ("Foo-1.0-TRIAL.tar.gz", "Foo", "1.0-TRIAL", true),
        ("perl-5.36.0.tar.gz", "perl", "5.36.0", false),
        ("perl-5.37.1.tar.gz", "perl", "5.37.1", true),
        ("perl-5.36.0-RC2.tar.gz", "perl", "5.36.0-RC2", true),
        ("perl5.005_03.tar.gz", "perl", "5.005_03", false),
        ("perl5.004_75.tar.gz", "perl", "5.004_75", true),
        ("perl-5.6.1-TRIAL1.tar.gz", "perl", "5.6.1-TRIAL1", true),
        ("Foo.pm-1.0.tar.gz", "Foo", "1.0", false),
        ("CGI.pm-3.0.tar.gz", "CGI", "3.0", false),
        ("libwww-perl-6.0.tar.gz", "libwww-perl", "6.0", false),
        ("Foo-v1.2.3.tar.gz", "Foo", "v1.2.3", false),
        ("Foo-Bar-v1.2.3_4.tar.gz", "Foo-Bar", "v1.2.3_4", true),
        ("Foo-1.02_03.tar.gz", "Foo", "1.02_03", true),
        ("Foo-Bar.tar.gz", "Foo-Bar", "", false),
        ("Try-Tiny-0.32.tar.gz", "Try-Tiny", "0.32", false),
        ("libao-perl_0.03-1.tar.gz", "libao-perl", "0.03-1", false),
        ("Task-Deprecations5_14-1.00.tar.gz", "Task-Deprecations5_14", "1.00", false),
        ("Unicode-Collate-Standard-V3_1_1-0.1.tar.gz", "Unicode-Collate-Standard-V3_1_1", "0.1", false),
        ("Moose-2.2206.tar.gz", "Moose", "2.2206", false),
        ("Mojolicious-9.35.tar.gz", "Mojolicious", "9.35", false),
        ("Text-CSV_XS-1.54.tgz", "Text-CSV_XS", "1.54", false),
        ("GD-2.78.tar.gz", "GD", "2.78", false),
        ("Net-SSLeay-1.93_05.tar.gz", "Net-SSLeay", "1.93_05", true),
        ("Math-BigInt-GMP-1.7003.tar.gz", "Math-BigInt-GMP", "1.7003", false),
        ("DBD-mysql-5.004.tar.gz", "DBD-mysql", "5.004", false),
        ("Perl-Tidy-20240202.tar.gz", "Perl-Tidy", "20240202", false),
        ("IO-Socket-SSL-2.085.tar.gz", "IO-Socket-SSL", "2.085", false),
        ("Crypt-OpenSSL-X509-1.915.zip", "Crypt-OpenSSL-X509", "1.915", false),
        ("App-cpanminus-1.7047.tar.gz", "App-cpanminus", "1.7047", false),
        ("Tk-804.036_503.tar.gz", "Tk", "804.036_503", true),
        ("SOAP-Lite-0.60a.tar.gz", "SOAP-Lite", "0.60a", false),
        ("bioperl-1.4.tar.gz", "bioperl", "1.4", false),
        ("BioPerl-1.7.8.tar.gz", "BioPerl", "1.7.8", false),
        ("Foo-12a.tar.gz", "Foo", "12a", false),
        ("podlators-v6.0.2.tar.gz", "podlators", "v6.0.2", false),
        ("version-0.9930.tar.gz", "version", "0.9930", false),
        ("Win32-API-0.84.tar.gz", "Win32-API", "0.84", false),
        ("MIME-Base64-3.16.tar.gz", "MIME-Base64", "3.16", false),
        ("HTML-Parser-3.82.tar.gz", "HTML-Parser", "3.82", false),
        ("XML-LibXML-2.0210.tar.gz", "XML-LibXML", "2.0210", false),
        ("Foo-undef.tar.gz", "Foo", "", false),
        ("Foo-1.0-withoutworldwriteables.tar.gz", "Foo", "1.0", false),
        ("lib-Foo_Bar-0.1.tar.bz2", "lib-Foo_Bar", "0.1", false),
        ("Config-Model-2.153-TRIAL.tar.gz", "Config-Model", "2.153-TRIAL", true),
        ("PPI-1.277.tar.Z", "PPI", "1.277", false),
        ("ExtUtils-MakeMaker-7.70.tar.gz", "ExtUtils-MakeMaker", "7.70", false),
        ("UTF8BOM-1.02.tgz", "UTF8BOM", "1.02", false),
        ("Acme-24-0.03.tar.gz", "Acme-24", "0.03", false),
        ("Perl6-Form-0.04.tar.gz", "Perl6-Form", "0.04", false),
        ("Bundle-Foo_1.tar.gz", "Bundle-Foo", "1", false),
        ("DateTime-TimeZone-2.62.tar.gz", "DateTime-TimeZone", "2.62", false),
        ("Sys-Info-Driver-Linux-0.7905.tar.gz", "Sys-Info-Driver-Linux", "0.7905", false),
        ("Foo-.99.tar.gz", "Foo", ".99", false),
        ("Module-Build-0.42_34.tar.gz", "Module-Build", "0.42_34", true),
        ("0.5.tar.gz", "0.5", "", false),
    ];

    #[test]
    fn files_of_real_life_have_their_known_names() {
        for (file, name, version, developer) in SHAPES {
            let dist = dist_of(file).unwrap();
            assert_eq!((&*dist.name, dist.version.as_deref().unwrap_or_default()), (*name, *version), "{file}");
            assert_eq!(dist.developer, *developer, "{file}");
            assert!(file.ends_with(dist.extension));
        }
    }

    #[test]
    fn what_is_no_archive_has_no_name() {
        for file in
            ["README.txt", "Foo-Bar-1.02.readme", "Foo-1.0.tar.gz.asc", ".tar.gz", "tar.gz", "", "Foo\n-1.tar.gz"]
        {
            assert_eq!(dist_of(file), None, "{file:?}");
        }
        assert_eq!(dist_of("E/ET/ETHER/Try-Tiny-0.32.tar.gz").unwrap().name, "Try-Tiny");
    }

    #[test]
    fn a_distribution_is_named_after_its_main_package() {
        assert_eq!(main_package("Foo-Bar"), "Foo::Bar");
        assert_eq!(main_package("CGI"), "CGI");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_name_can_be_asked(file in "([a-zA-Z0-9._+v-]|perl|-undef|\\PC){0,20}(\\.tar\\.gz|\\.zip|)") {
            if let Some(dist) = dist_of(&file) {
                prop_assert!(dist.name.len() + dist.version.map_or(0, |version| version.len()) < file.len());
            }
        }
    }
}
