//! What the readers read: small files of each kind, and hostile ones.

mod hostile;
mod python_locks;
mod requirements;
mod snapshots;

use super::*;

/// A digest of 64 digits.
pub(super) fn sha256(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

pub(super) fn read_ok(name: &str, text: &str) -> LockFile {
    read(name, text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// An entry with all that is known of it, its files on lines of their own.
pub(super) fn told(entry: &Entry) -> String {
    let mut told = vec![format!("{}: {}", entry.line, entry.project)];
    told.extend(entry.version.as_ref().map(|version| format!(" {version}")));
    told.extend(entry.specifier.as_ref().map(|specifier| format!(" any of {specifier}")));
    match &entry.source {
        Source::Index { address } => told.extend(address.as_ref().map(|address| format!(", of {address}"))),
        Source::Elsewhere { place, address } => told.push(format!(", from {} {address}", place.as_str())),
    }
    told.extend(entry.marker.as_ref().map(|marker| format!(", if {marker}")));
    told.extend(entry.package.as_ref().map(|package| format!(", as {package}")));
    for file in &entry.files {
        let name = file.filename.as_ref().map_or("?", |name| name.as_str());
        let digest = file.digest.as_ref().map_or("?".to_owned(), |digest| digest.to_string().chars().take(9).collect());
        told.push(format!("\n   {name} {digest}"));
        told.extend(file.url.as_ref().map(|url| format!(" {url}")));
    }
    told.concat()
}

pub(super) fn all_told(file: &LockFile) -> String {
    let mut lines: Vec<String> = file.entries.iter().map(told).collect();
    lines.extend(file.options.iter().map(|option| format!("{}: option {}", option.line, option.text)));
    lines.extend(file.remarks.iter().map(|remark| format!("{}: ! {}", remark.line, remark.text)));
    lines.join("\n")
}
