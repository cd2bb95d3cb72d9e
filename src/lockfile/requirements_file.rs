//! pip's [requirements file](https://pip.pypa.io/en/stable/reference/requirements-file-format/), read as pip reads it: lines
//! end where Python's `splitlines` ends them, a `\` continues one, a `#` after a blank starts a comment.

use super::address;
use super::reading::Reading;
use super::requirement::Requirement;
use super::text::{self, shown};
use super::{Entry, LONGEST_LINE, LockFileError, LockedFile, Source};
use crate::domain::{Digest, Project, Version};

/// Algorithms of hashes in an address, what bytes are named by here first.
const IN_FRAGMENTS: [&str; 5] = ["sha256", "sha512", "sha384", "sha1", "md5"];

/// Longest specifier that is kept, in bytes; a longer one says nothing to a person.
const LONGEST_SPECIFIER: usize = 1_000;

/// Reads the file.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), LockFileError> {
    // The lines that the current one continues, and where they begin.
    let mut continued: Option<(usize, String)> = None;
    for (line, (content, end)) in (1..).zip(physical_lines(text)) {
        if end.is_some_and(|end| !matches!(end, '\n' | '\r')) {
            reading.remark(
                line,
                "pip ends a line at the character at its end, other tools and editors do not: write a plain one",
            );
        }
        let is_comment = content.trim_start().starts_with('#');
        let (first, mut joined) = continued.take().unwrap_or((line, String::new()));
        if joined.len() + content.len() > LONGEST_LINE {
            return Err(LockFileError::LongLine { file: reading.file(), line: first });
        }
        if is_comment {
            joined.push(' ');
        }
        if content.ends_with('\\') && !is_comment {
            joined.push_str(content.trim_matches('\\'));
            continued = Some((first, joined));
        } else {
            joined.push_str(content);
            logical_line(&joined, first, reading)?;
        }
    }
    continued.map_or(Ok(()), |(first, joined)| logical_line(&joined, first, reading))
}

/// The lines as Python cuts them, and what ended each.
pub(super) fn physical_lines(text: &str) -> impl Iterator<Item = (&str, Option<char>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let here = rest?;
        let Some((at, end)) = here.char_indices().find(|(_, letter)| ends_a_line(*letter)) else {
            rest = None;
            return (!here.is_empty()).then_some((here, None));
        };
        let (line, after) = here.split_at(at);
        let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix(end));
        rest = after;
        Some((line, Some(end)))
    })
}

/// [`str.splitlines`](https://docs.python.org/3/library/stdtypes.html#str.splitlines)
fn ends_a_line(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn logical_line(joined: &str, line: usize, reading: &mut Reading) -> Result<(), LockFileError> {
    let said = without_comment(joined).trim();
    if said.is_empty() {
        return Ok(());
    }
    if said.contains("${") {
        reading.remark(line, "a variable of the environment is not filled in: it is read as it is written");
    }
    let (what, options) = split_options(said);
    let hashes = read_options(options, line, reading)?;
    if what.is_empty() { Ok(()) } else { requirement(what, &hashes, line, reading) }
}

/// A line without what follows a `#` at its start or after a blank.
pub(super) fn without_comment(line: &str) -> &str {
    let mut after_blank = true;
    for (at, letter) in line.char_indices() {
        if letter == '#' && after_blank {
            return &line[..at];
        }
        after_blank = letter.is_whitespace();
    }
    line
}

/// The options of a line begin with its first word that begins with a dash.
fn split_options(said: &str) -> (&str, &str) {
    let mut after_blank = true;
    for (at, letter) in said.char_indices() {
        if letter == '-' && after_blank {
            let (what, options) = said.split_at(at);
            return (what.trim_end(), options);
        }
        after_blank = letter.is_whitespace();
    }
    (said, "")
}

/// Words as a shell cuts them, as far as quotes go.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for letter in options.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, _) if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Follows nothing, keeps what is about the installer, and returns the hashes.
fn read_options(options: &str, line: usize, reading: &mut Reading) -> Result<Vec<Digest>, LockFileError> {
    let mut hashes = Vec::new();
    let mut words = words(options).into_iter().peekable();
    while let Some(word) = words.next() {
        let (name, value) = split_option(&word);
        let value = value.or_else(|| words.next_if(|next| !next.starts_with('-')));
        match (name, value) {
            ("--hash", Some(value)) => hashes.extend(reading.digest(&value, line)),
            ("-r" | "--requirement", Some(value)) => {
                reading.remark(
                    line,
                    format!("the requirements in {} are not followed: check that file too", clean(&value)),
                );
            }
            ("-c" | "--constraint", Some(value)) => {
                reading.remark(line, format!("the constraints in {} are not followed", clean(&value)));
            }
            ("-e" | "--editable", Some(value)) => requirement(&value, &[], line, reading)?,
            (name, value) => {
                let value = value.map(|value| address::kept(&value).unwrap_or_else(|| "(not printable)".to_owned()));
                let text = value.map_or_else(|| name.to_owned(), |value| format!("{name} {value}"));
                reading.option(line, text::kept(&text, text.len()).map_or_else(|| shown(&text), ToOwned::to_owned))?;
            }
        }
    }
    Ok(hashes)
}

/// `--name=value`, and `-rvalue` for the options of one letter.
fn split_option(word: &str) -> (&str, Option<String>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned())));
    }
    match word.char_indices().nth(2) {
        Some((at, _)) => (&word[..at], Some(word[at..].trim_start_matches('=').to_owned())),
        None => (word, None),
    }
}

/// Foreign text for a remark.
fn clean(text: &str) -> String {
    shown(&address::without_password(text))
}

fn requirement(what: &str, hashes: &[Digest], line: usize, reading: &mut Reading) -> Result<(), LockFileError> {
    let first = what.split([' ', '\t', ';', '[']).next().unwrap_or(what);
    let looks_like_address = first.contains(['/', '\\']) || first.starts_with('.') || address::is_archive(first);
    match Requirement::parse(what) {
        // `a.zip` could be a name; pip takes it as a file.
        Ok(read) if !address::is_archive(first) || read.url().is_some() => of_requirement(&read, hashes, line, reading),
        Err(_) | Ok(_) if looks_like_address => of_address(what, hashes, line, reading),
        Err(error) => {
            let (what, why) = (clean(what), clean(&error.to_string()));
            reading.remark(line, format!("not understood and not checked: {what}: {why}"));
            Ok(())
        }
        Ok(read) => of_requirement(&read, hashes, line, reading),
    }
}

fn of_requirement(
    read: &Requirement,
    hashes: &[Digest],
    line: usize,
    reading: &mut Reading,
) -> Result<(), LockFileError> {
    let project = Project::pypi(read.name().clone());
    let marker = read.marker().and_then(|marker| reading.marker(marker, line));
    if let Some(url) = read.url() {
        let version = address::file_name(url)
            .and_then(|name| address::named_by(&name))
            .and_then(|(name, version)| (name == project.name).then_some(version));
        return push(project, version, url, marker, hashes, line, reading);
    }
    let version = read.version().cloned();
    let specifier = read.specifier().filter(|_| version.is_none());
    let specifier =
        specifier.map(|specifier| text::kept(specifier, LONGEST_SPECIFIER).unwrap_or("(too long)").to_owned());
    let mut files = Vec::new();
    for digest in hashes {
        let file = LockedFile { filename: None, digest: Some(digest.clone()), url: None };
        reading.file_of(&mut files, file, line)?;
    }
    let source = Source::Index { address: None };
    reading.entry(Entry { project, version, specifier, files, source, line, marker, package: None })
}

/// An address or a path alone: whose it is says its fragment or its file name.
fn of_address(what: &str, hashes: &[Digest], line: usize, reading: &mut Reading) -> Result<(), LockFileError> {
    let (address, marker) = what
        .split_once(" ;")
        .map_or((what, None), |(address, marker)| (address.trim_end(), reading.marker(marker, line)));
    let file = address::file_name(address);
    let by_file = file.and_then(|name| address::named_by(&name));
    let egg = address::from_fragment(address, "egg").map(|egg| egg.split('[').next().unwrap_or(egg));
    let (project, version) = match (egg, by_file) {
        (Some(egg), by_file) => {
            let Some(project) = reading.pypi(egg, line) else { return Ok(()) };
            let version = by_file.and_then(|(name, version)| (name == project.name).then_some(version));
            (project, version)
        }
        (None, Some((name, version))) => (Project::pypi(name), Some(version)),
        (None, None) => {
            let address = address::kept(address).unwrap_or_else(|| "an address".to_owned());
            reading.remark(
                line,
                format!(
                    "{} does not say which project it is, and is not checked: write NAME @ ADDRESS",
                    shown(&address)
                ),
            );
            return Ok(());
        }
    };
    push(project, version, address, marker, hashes, line, reading)
}

/// What comes from an address: any of the hashes may be that of the file which it names.
fn push(
    project: Project,
    version: Option<Version>,
    address: &str,
    marker: Option<String>,
    hashes: &[Digest],
    line: usize,
    reading: &mut Reading,
) -> Result<(), LockFileError> {
    let Some(source) = address::source_of(address) else {
        reading.remark(line, format!("{project} is not checked: its address is too long or not printable"));
        return Ok(());
    };
    let promised = IN_FRAGMENTS.into_iter().find_map(|algorithm| {
        let hex = address::from_fragment(address, algorithm)?;
        Digest::new(crate::domain::DigestAlgorithm::from_name(algorithm)?, hex)
    });
    let named = address::locked_file(address);
    let mut files = Vec::new();
    if hashes.is_empty() {
        reading.file_of(&mut files, LockedFile { digest: promised, ..named }, line)?;
    } else {
        for digest in hashes {
            reading.file_of(&mut files, LockedFile { digest: Some(digest.clone()), ..named.clone() }, line)?;
        }
    }
    reading.entry(Entry { project, version, specifier: None, files, source, line, marker, package: None })
}
