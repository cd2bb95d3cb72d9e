//! `pylock.toml`, the [lock file of PEP 751](https://packaging.python.org/en/latest/specifications/pylock-toml/).

use super::reading::Reading;
use super::toml_file::{Table, TomlFile};
use super::{Entry, LockFileError, Place, Source, address};

/// Reads the file.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), LockFileError> {
    let file = TomlFile::parse(text, reading)?;
    let Some(version) = file.table().get("lock-version") else {
        return Err(reading.shape(1, "there is no `lock-version`"));
    };
    file.check_format(version, &["1"], "1.0", reading)?;
    if !matches!(version.get_ref().as_str(), Some("1.0" | "1")) {
        reading.remark(file.line(version), "a younger format than is known here: something may be missing");
    }
    for (line, package) in file.tables("packages", reading)? {
        read_package(&file, package, line, reading)?;
    }
    Ok(())
}

fn read_package(
    file: &TomlFile<'_>,
    package: &Table<'_>,
    line: usize,
    reading: &mut Reading,
) -> Result<(), LockFileError> {
    let Some(project) = file.project(package, line, reading) else { return Ok(()) };
    // The version of a source tree is not fixed, and left out.
    let version = file.text(package, "version", reading).and_then(|raw| reading.version(raw, line));
    let marker = file.text(package, "marker", reading).and_then(|raw| reading.marker(raw, line));
    let mut files = Vec::new();
    for key in ["archive", "sdist"] {
        if let Some(table) = file.inner(package, key, reading) {
            let one = file.file(table, "name", line, reading);
            reading.file_of(&mut files, one, line)?;
        }
    }
    if let Some(wheels) = package.get("wheels") {
        file.files("wheels", wheels, "name", &mut files, reading)?;
    }
    let source = read_source(file, package, reading);
    reading.entry(Entry { project, version, specifier: None, files, source, line, marker, package: None })
}

/// `vcs`, `directory` and `archive` exclude each other and an index.
fn read_source(file: &TomlFile<'_>, package: &Table<'_>, reading: &mut Reading) -> Source {
    let index = file.text(package, "index", reading).and_then(address::kept);
    for (key, at_address, on_machine) in [
        ("vcs", Place::Repository, Place::Repository),
        ("directory", Place::Folder, Place::Folder),
        ("archive", Place::Url, Place::File),
    ] {
        let Some(table) = file.inner(package, key, reading) else { continue };
        let url = file.text(table, "url", reading);
        let raw = url.or_else(|| file.text(table, "path", reading)).unwrap_or("(it does not say where)");
        let place = if url.is_some() { at_address } else { on_machine };
        let address = address::kept(raw).unwrap_or_else(|| "(not printable)".to_owned());
        return Source::Elsewhere { place, address };
    }
    Source::Index { address: index }
}
