//! `poetry.lock`: `[[package]]` with name, version, `files`, and `[package.source]` for what is not from the default index.
//!
//! Before format 2 the files were apart, under `[metadata.files]` by name, and before poetry 1.0 only hashes were kept. The format is
//! documented by [poetry's source](https://github.com/python-poetry/poetry/blob/main/src/poetry/packages/locker.py).

use std::collections::HashMap;

use super::reading::Reading;
use super::toml_file::{Table, TomlFile, Value};
use super::{Entry, LockFileError, Place, Source, address};
use crate::domain::ProjectName;

/// Reads the file.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), LockFileError> {
    let file = TomlFile::parse(text, reading)?;
    let metadata = file.inner(file.table(), "metadata", reading);
    let Some(metadata) = metadata else {
        return Err(reading.shape(1, "there is no `[metadata]`, which poetry writes at the end"));
    };
    if let Some(version) = metadata.get("lock-version") {
        file.check_format(version, &["1", "2"], "1 and 2", reading)?;
    }
    let apart = read_apart(&file, metadata, reading);
    for (line, package) in file.tables("package", reading)? {
        read_package(&file, package, &apart, line, reading)?;
    }
    Ok(())
}

/// The lists of `[metadata.files]`, by project.
fn read_apart<'t, 'a>(
    file: &TomlFile<'a>,
    metadata: &'t Table<'a>,
    reading: &mut Reading,
) -> HashMap<ProjectName, &'t Value<'a>> {
    let mut apart = HashMap::new();
    let Some(lists) = file.inner(metadata, "files", reading) else { return apart };
    for (name, list) in lists {
        let line = file.line(list);
        if let Some(project) = reading.pypi(name.get_ref(), line)
            && apart.insert(project.name, list).is_some()
        {
            reading.remark(line, "the files of this project are listed twice: only these count");
        }
    }
    apart
}

fn read_package(
    file: &TomlFile<'_>,
    package: &Table<'_>,
    apart: &HashMap<ProjectName, &Value<'_>>,
    line: usize,
    reading: &mut Reading,
) -> Result<(), LockFileError> {
    let Some(project) = file.project(package, line, reading) else { return Ok(()) };
    let version = file.text(package, "version", reading).and_then(|raw| reading.version(raw, line));
    let list = package.get("files").or_else(|| apart.get(&project.name).copied());
    let mut files = Vec::new();
    if let Some(list) = list {
        file.files("files", list, "file", &mut files, reading)?;
    }
    let source = match file.inner(package, "source", reading) {
        Some(source) => read_source(file, source, line, reading),
        None => Source::Index { address: None },
    };
    let marker = read_marker(file, package, line, reading);
    reading.entry(Entry { project, version, specifier: None, files, source, line, marker, package: None })
}

/// `type` is `legacy` for an index that was given in the project, else a place.
fn read_source(file: &TomlFile<'_>, source: &Table<'_>, line: usize, reading: &mut Reading) -> Source {
    let address = file.text(source, "url", reading).and_then(address::kept);
    let place = match file.text(source, "type", reading) {
        Some("legacy") => return Source::Index { address },
        Some("git") => Place::Repository,
        Some("url") => Place::Url,
        Some("file") => Place::File,
        Some("directory") => Place::Folder,
        _ => {
            reading.remark(line, "this type of source is not known here: taken as from an index");
            return Source::Index { address };
        }
    };
    Source::Elsewhere { place, address: address.unwrap_or_else(|| "(not printable)".to_owned()) }
}

/// Since poetry 2: one condition, or one for each group of dependencies, of which any will do.
fn read_marker(file: &TomlFile<'_>, package: &Table<'_>, line: usize, reading: &mut Reading) -> Option<String> {
    let value = package.get("markers")?;
    if let Some(marker) = value.get_ref().as_str() {
        return reading.marker(marker, line);
    }
    let Some(groups) = value.get_ref().as_table() else {
        file.wrong_type("markers", value, "a text or a table", reading);
        return None;
    };
    let markers: Option<Vec<&str>> = groups.values().map(|marker| marker.get_ref().as_str()).collect();
    // A group without a condition is always wanted; poetry leaves it out of the table.
    if groups.len() < file.list(package, "groups", reading).map_or(0, |all| all.len()) {
        return None;
    }
    let joined: Vec<String> = markers?.into_iter().map(|marker| format!("({marker})")).collect();
    reading.marker(&joined.join(" or "), line)
}
