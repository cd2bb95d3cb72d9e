//! `uv.lock`: `[[package]]` with name, version, source, `sdist` and `wheels`.
//!
//! Its format is uv's own and documented by [its source](https://github.com/astral-sh/uv/blob/main/crates/uv-resolver/src/lock/mod.rs);
//! `version` changes when older readers would get it wrong, `revision` when they would not.

use super::reading::Reading;
use super::toml_file::{Table, TomlFile};
use super::{Entry, LockFileError, Place, Source, address};

/// Reads the file.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), LockFileError> {
    let file = TomlFile::parse(text, reading)?;
    let Some(version) = file.table().get("version") else {
        return Err(reading.shape(1, "there is no `version`"));
    };
    file.check_format(version, &["1"], "1", reading)?;
    for (line, package) in file.tables("package", reading)? {
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
    // A project whose version is made by its build has none here.
    let version = file.text(package, "version", reading).and_then(|raw| reading.version(raw, line));
    let source = if let Some(source) = file.inner(package, "source", reading) {
        read_source(file, source, line, reading)
    } else {
        reading.remark(line, format!("{project} does not say where it comes from: taken as from an index"));
        Source::Index { address: None }
    };
    let mut files = Vec::new();
    if let Some(sdist) = file.inner(package, "sdist", reading) {
        let sdist = file.file(sdist, "filename", line, reading);
        reading.file_of(&mut files, sdist, line)?;
    }
    if let Some(wheels) = package.get("wheels") {
        file.files("wheels", wheels, "filename", &mut files, reading)?;
    }
    let marker = read_forks(file, package, line, reading);
    reading.entry(Entry { project, version, specifier: None, files, source, line, marker, package: None })
}

/// `source = { registry = "..." }`, with one of the keys below.
fn read_source(file: &TomlFile<'_>, source: &Table<'_>, line: usize, reading: &mut Reading) -> Source {
    if let Some(registry) = file.text(source, "registry", reading) {
        return Source::Index { address: address::kept(registry) };
    }
    let places = [
        ("git", Place::Repository),
        ("url", Place::Url),
        ("path", Place::File),
        ("directory", Place::Folder),
        ("editable", Place::Folder),
        ("virtual", Place::Folder),
    ];
    for (key, place) in places {
        if let Some(raw) = file.text(source, key, reading) {
            let address = address::kept(raw).unwrap_or_else(|| "(not printable)".to_owned());
            return Source::Elsewhere { place, address };
        }
    }
    reading.remark(line, "this source is not known here: taken as from an index");
    Source::Index { address: None }
}

/// The forks of the resolution that a package is for; any of them will do.
fn read_forks(file: &TomlFile<'_>, package: &Table<'_>, line: usize, reading: &mut Reading) -> Option<String> {
    let forks = file.list(package, "resolution-markers", reading)?;
    let mut markers = Vec::new();
    for fork in forks {
        let Some(marker) = fork.get_ref().as_str() else {
            // The others alone would say less than the file does.
            file.wrong_type("resolution-markers", fork, "a text", reading);
            return None;
        };
        markers.push(marker);
    }
    let joined = match markers.as_slice() {
        [one] => (*one).to_owned(),
        several => several.iter().map(|marker| format!("({marker})")).collect::<Vec<_>>().join(" or "),
    };
    reading.marker(&joined, line)
}
