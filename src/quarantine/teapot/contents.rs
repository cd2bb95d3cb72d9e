//! Reads an instance's bytes: are they the ones that the index lists, and what do they say and do?

use std::io::Read as _;
use std::path::Path;

use md5::Digest as _;

use super::stock::Stock;
use crate::archive::{self, ArchiveError, Limits, LoadTimeFact, LoadTimeKind, TclFacts, Walk};
use crate::domain::{Ecosystem, FileKind, FileName};
use crate::registry::teapot::{Instance, LoadKind, teabag};

/// A larger file is not read as a whole: its header and its scripts are not looked at.
const LARGEST_READ: u64 = 256 << 20;

/// The MD5 of a file, in lower-case hexadecimal digits.
pub(in crate::quarantine) fn md5_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = md5::Md5::new();
    let mut chunk = vec![0; 128 << 10];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(data_encoding::HEXLOWER.encode(&hasher.finalize()));
        }
        hasher.update(&chunk[..read]);
    }
}

/// The instance that a file is of.
pub(in crate::quarantine) fn instance_of(stock: &Stock, file: &FileName) -> Option<Instance> {
    stock.entry(file).map(|entry| entry.instance.clone())
}

/// Reads an instance's file under limits.
pub(in crate::quarantine) fn examine(
    path: &Path,
    instance: Option<&Instance>,
    out_of_time: impl Fn() -> bool,
) -> Result<Walk, ArchiveError> {
    let mut file = std::fs::File::open(path).map_err(ArchiveError::Read)?;
    let size = file.metadata().map_err(ArchiveError::Read)?.len();
    let mut start = [0; 2];
    let is_zip = file.read_exact(&mut start).is_ok() && start == *b"PK";
    let mut walk = match FileName::parse("instance.zip") {
        Ok(name) if is_zip => {
            let file = std::fs::File::open(path).map_err(ArchiveError::Read)?;
            archive::walk(file, &name, FileKind::Source, Ecosystem::Teapot, &Limits::default(), out_of_time)?
        }
        _ => Walk { entries: 1, unpacked_bytes: size, ..Walk::default() },
    };
    if size <= LARGEST_READ {
        let payload = std::fs::read(path).map_err(ArchiveError::Read)?;
        walk.tcl = Some(match teabag::Teabag::read(&payload) {
            Ok(teabag) => TclFacts {
                form: serde_json::to_value(teabag.form)
                    .ok()
                    .and_then(|form| form.as_str().map(str::to_owned))
                    .unwrap_or_default(),
                contradiction: instance.and_then(|instance| teabag.contradicts(instance)),
                authors: teabag.authors().map(|authors| authors.into_iter().collect()),
                remarks: teabag
                    .remarks
                    .iter()
                    .map(|remark| format!("line {}: {} ({})", remark.line, remark.excerpt, remark.why))
                    .collect(),
                load_time: teabag
                    .load_facts
                    .into_iter()
                    .map(|fact| LoadTimeFact {
                        file: fact.file,
                        line: fact.line,
                        kind: match fact.kind {
                            LoadKind::Exec => LoadTimeKind::Exec,
                            LoadKind::Socket => LoadTimeKind::Socket,
                            LoadKind::EvalDecoded => LoadTimeKind::EvalDecoded,
                        },
                        excerpt: fact.excerpt,
                    })
                    .collect(),
            },
            Err(error) => TclFacts { remarks: vec![error.to_string()], ..TclFacts::default() },
        });
    }
    Ok(walk)
}
