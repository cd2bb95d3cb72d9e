//! Members of a zip archive that are worth reading as text: `teapot.txt` and the scripts that Tcl loads.
//!
//! Whether the archive is sound, and the same to every reader, is another room's question (`archive`).

use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::TeapotError;

/// Members that are looked at.
const MOST_MEMBERS: usize = 20_000;

/// Bytes that are inflated of one archive.
const MOST_BYTES: usize = 8 << 20;

/// A member, inflated.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads the members whose names are wanted, as far as [`MOST_BYTES`] go. One that cannot be read is left out.
pub(super) fn members(archive: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Vec<Member>, TeapotError> {
    let (count, mut directory) = directory(archive).ok_or(TeapotError::Zip("its directory is missing"))?;
    let mut members = Vec::new();
    let mut left = MOST_BYTES;
    for _ in 0..count.min(MOST_MEMBERS) {
        let (listed, rest) = read_listed(directory).ok_or(TeapotError::Zip("its directory is cut off"))?;
        directory = rest;
        if !wanted(&listed.name) {
            continue;
        }
        if let Some(bytes) = inflate(archive, &listed, &mut left) {
            members.push(Member { name: listed.name, bytes });
        }
    }
    Ok(members)
}

/// How many members the archive has, and the bytes that list them.
fn directory(archive: &[u8]) -> Option<(usize, &[u8])> {
    // The end record has 22 bytes and a comment of at most 65,535.
    let from = archive.len().checked_sub(22)?;
    let end = (from.saturating_sub(65_535)..=from).rev().find(|at| archive[*at..].starts_with(b"PK\x05\x06"))?;
    let count = short(archive, end + 10)?;
    let start = long(archive, end + 16)?;
    Some((count, archive.get(start..end)?))
}

struct Listed {
    name: String,
    method: usize,
    packed_size: usize,
    start: usize,
}

fn read_listed(directory: &[u8]) -> Option<(Listed, &[u8])> {
    if !directory.starts_with(b"PK\x01\x02") {
        return None;
    }
    let name_length = short(directory, 28)?;
    let name = directory.get(46..46 + name_length)?;
    let length = 46 + name_length + short(directory, 30)? + short(directory, 32)?;
    let listed = Listed {
        name: String::from_utf8_lossy(name).into_owned(),
        method: short(directory, 10)?,
        packed_size: long(directory, 20)?,
        start: long(directory, 42)?,
    };
    Some((listed, directory.get(length..)?))
}

/// What is inflated in vain counts too: many members may name the same bytes.
fn inflate(archive: &[u8], listed: &Listed, left: &mut usize) -> Option<Vec<u8>> {
    let header = archive.get(listed.start..)?;
    if !header.starts_with(b"PK\x03\x04") {
        return None;
    }
    let start = 30 + short(header, 26)? + short(header, 28)?;
    let packed = header.get(start..)?.get(..listed.packed_size)?;
    let mut bytes = Vec::new();
    let limit = *left as u64 + 1;
    let read = match listed.method {
        0 => packed.take(limit).read_to_end(&mut bytes),
        8 => DeflateDecoder::new(packed).take(limit).read_to_end(&mut bytes),
        _ => return None,
    };
    let fits = bytes.len() <= *left;
    *left = left.saturating_sub(bytes.len());
    (read.is_ok() && fits).then_some(bytes)
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?).try_into().ok()
}
