//! TOML with line numbers, read without believing any of its types.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use toml_parser::lexer::TokenKind;

use super::reading::{Reading, best};
use super::text::{Lines, shown};
use super::{LockFileError, LockedFile, address};
use crate::domain::{FileName, Project};

/// Most values in a file, counted by the signs that come with each: `=`, `,`, `[`, `{`. A `uv.lock` has one for each 27 bytes
/// of text. A parsed key with its value was measured to take up to 470 bytes, so that the worst file takes 470 MB.
const MOST_VALUES: usize = 1_000_000;

/// Most points in a key, or in any value that is no text. The deepest key of a known format is `packages.wheels.hashes`.
const MOST_POINTS: usize = 8;

/// A table of the file.
pub(super) type Table<'a> = DeTable<'a>;

/// A value of the file and where it stands.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A parsed file.
#[derive(Debug)]
pub(super) struct TomlFile<'a> {
    table: Table<'a>,
    lines: Lines,
}

impl<'a> TomlFile<'a> {
    /// Parses a text.
    pub(super) fn parse(text: &'a str, reading: &Reading) -> Result<Self, LockFileError> {
        let lines = Lines::of(text);
        check_tokens(text, &lines, reading)?;
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { table: table.into_inner(), lines }),
            Err(error) => {
                let line = error.span().map_or(1, |span| lines.line_of(span.start));
                Err(LockFileError::Syntax { file: reading.file(), line, why: shown(error.message()) })
            }
        }
    }

    /// The whole file.
    pub(super) fn table(&self) -> &Table<'a> {
        &self.table
    }

    /// Where a value stands.
    pub(super) fn line(&self, value: &Value<'_>) -> usize {
        self.lines.line_of(value.span().start)
    }

    /// Refuses a format that is not of this generation. `known` is `1`, or what it begins with up to a dot.
    pub(super) fn check_format(
        &self,
        key: &Value<'_>,
        known: &[&str],
        told: &'static str,
        reading: &Reading,
    ) -> Result<(), LockFileError> {
        let found = match key.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            other => return Err(reading.shape(self.line(key), format!("the format is of type {}", other.type_str()))),
        };
        let major = found.split('.').next().unwrap_or_default();
        if known.contains(&major) { Ok(()) } else { Err(reading.other_format(self.line(key), &found, told)) }
    }

    /// The tables of `[[key]]`, each with its line; none if there is no such key.
    pub(super) fn tables(&self, key: &str, reading: &mut Reading) -> Result<Vec<(usize, &Table<'a>)>, LockFileError> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let Some(array) = value.get_ref().as_array() else {
            return Err(reading.shape(self.line(value), format!("`{key}` is no list of tables")));
        };
        let mut tables = Vec::new();
        for value in array {
            match value.get_ref().as_table() {
                Some(table) => tables.push((self.line(value), table)),
                None => reading.remark(self.line(value), format!("not checked: one of `{key}` is no table")),
            }
        }
        Ok(tables)
    }

    /// Whom a package's table is about; without a good name, a remark.
    pub(super) fn project(&self, package: &Table<'_>, line: usize, reading: &mut Reading) -> Option<Project> {
        let Some(name) = self.text(package, "name", reading) else {
            reading.remark(line, "not checked: a package without a name");
            return None;
        };
        reading.pypi(name, line)
    }

    /// A text of a table; another type is a remark.
    pub(super) fn text<'t>(&self, table: &'t Table<'_>, key: &str, reading: &mut Reading) -> Option<&'t str> {
        let value = table.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a text", reading);
        }
        text
    }

    /// A table of a table; another type is a remark.
    pub(super) fn inner<'t>(&self, table: &'t Table<'a>, key: &str, reading: &mut Reading) -> Option<&'t Table<'a>> {
        let value = table.get(key)?;
        let inner = value.get_ref().as_table();
        if inner.is_none() {
            self.wrong_type(key, value, "a table", reading);
        }
        inner
    }

    /// A list of a table; another type is a remark.
    pub(super) fn list<'t>(&self, table: &'t Table<'a>, key: &str, reading: &mut Reading) -> Option<&'t DeArray<'a>> {
        let value = table.get(key)?;
        let list = value.get_ref().as_array();
        if list.is_none() {
            self.wrong_type(key, value, "a list", reading);
        }
        list
    }

    pub(super) fn wrong_type(&self, key: &str, value: &Value<'_>, wanted: &str, reading: &mut Reading) {
        let found = value.get_ref().type_str();
        reading.remark(
            self.line(value),
            format!("`{key}` is no {}, but of type {found}: it is left out", wanted.trim_start_matches("a ")),
        );
    }

    /// A file described by a table with a name (under this key), an address or path, and hashes.
    pub(super) fn file(&self, table: &Table<'a>, name: &str, line: usize, reading: &mut Reading) -> LockedFile {
        let url = self.text(table, "url", reading);
        let path = self.text(table, "path", reading);
        let written = self.text(table, name, reading);
        let filename = match written {
            Some(written) => FileName::parse(written).ok(),
            None => url.or(path).and_then(address::file_name),
        };
        if filename.is_none() && (written.or(url).or(path)).is_some() {
            let written = written.or(url.or(path).map(|address| address.rsplit('/').next().unwrap_or(address)));
            reading.remark(
                line,
                format!(
                    "{} is no plain file name: this file is known by its hash only",
                    shown(written.unwrap_or_default())
                ),
            );
        }
        let digest = match table.get("hash").map(Value::get_ref) {
            Some(DeValue::String(hash)) => reading.digest(hash, line),
            Some(_) => None,
            None => self.hashes(table, line, reading),
        };
        LockedFile { filename, digest, url: url.and_then(address::kept) }
    }

    /// The files in a list of tables, which stands under `key`; see [`TomlFile::file`].
    pub(super) fn files(
        &self,
        key: &str,
        list: &Value<'a>,
        name: &str,
        files: &mut Vec<LockedFile>,
        reading: &mut Reading,
    ) -> Result<(), LockFileError> {
        let Some(array) = list.get_ref().as_array() else {
            self.wrong_type(key, list, "a list", reading);
            return Ok(());
        };
        for value in array {
            let Some(table) = value.get_ref().as_table() else {
                self.wrong_type(key, value, "a table", reading);
                continue;
            };
            let line = self.line(value);
            let one = self.file(table, name, line, reading);
            reading.file_of(files, one, line)?;
        }
        Ok(())
    }

    /// The best of `hashes = { sha256 = "..." }`.
    fn hashes(&self, table: &Table<'a>, line: usize, reading: &mut Reading) -> Option<crate::domain::Digest> {
        let hashes = self.inner(table, "hashes", reading)?;
        let mut known = Vec::new();
        for (algorithm, hex) in hashes {
            match hex.get_ref().as_str() {
                Some(hex) => known.extend(reading.digest_of(algorithm.get_ref(), hex, line)),
                None => self.wrong_type("hashes", hex, "a text", reading),
            }
        }
        best(known)
    }
}

/// Counts what costs memory and depth before anything is built.
///
/// The parser goes 80 brackets deep and takes keys of 80 parts, but in each of those brackets: 6,400 tables in one another
/// overflow the small stack of a worker. With short keys it is some 700.
fn check_tokens(text: &str, lines: &Lines, reading: &Reading) -> Result<(), LockFileError> {
    let (mut values, mut points) = (0, 0);
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => points += 1,
            TokenKind::Equals | TokenKind::Comma | TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                values += 1;
                points = 0;
            }
            TokenKind::Newline => points = 0,
            _ => {}
        }
        let line = || lines.line_of(token.span().start());
        if points > MOST_POINTS {
            return Err(reading.too_many(line(), "points in one key", MOST_POINTS));
        }
        if values > MOST_VALUES {
            return Err(reading.too_many(line(), "values", MOST_VALUES));
        }
    }
    Ok(())
}
