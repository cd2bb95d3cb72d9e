//! The central directory of a zip archive, read strictly and within memory that its limits give.
//!
//! Written here and not taken from the `zip` crate: that one reads the whole directory before a limit could be asked, and
//! what matters here, where readers could disagree, is what a tolerant reader smooths over.
//! Format: [APPNOTE 6.3](https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).

use std::io::{self, Read, Seek, SeekFrom};

use super::meter::{Halt, Meter, Source};
use super::{Objection, names};

const END: [u8; 4] = *b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_LENGTH: u64 = 20;
const END64: [u8; 4] = *b"PK\x06\x06";
const END64_LENGTH: usize = 56;
const RECORD: [u8; 4] = *b"PK\x01\x02";
const RECORD_LENGTH: usize = 46;
/// The end record, its comment and a zip64 locator before it.
const LONGEST_TAIL: u64 = (END_LENGTH + u16::MAX as usize) as u64 + LOCATOR_LENGTH;
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_UNICODE_PATH: u16 = 0x7075;

/// Where the directory is and how many records it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    /// Offset in the file.
    pub(super) start: u64,
    length: u64,
    records: u64,
    /// Bytes before the archive that its offsets do not count.
    pub(super) shift: u64,
    /// Bytes after the archive.
    pub(super) trailing: u64,
}

/// One record: what the directory says of an entry.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Offset of the local header in the file.
    pub(super) offset: u64,
    /// Type bits of a Unix mode; 0 where the archive was not made on Unix.
    pub(super) unix_type: u32,
}

/// Takes little-endian numbers and slices off the front of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

fn ambiguous(why: &str) -> Objection {
    Objection::AmbiguousDirectory { why: why.to_owned() }
}

fn cut_short() -> Objection {
    Objection::Unreadable { why: "its directory is cut short".into() }
}

/// Finds the directory from the end of the file, as all readers do.
pub(super) fn find<R: Read + Seek>(source: &mut Source<'_, R>, meter: &Meter<'_>) -> Result<Directory, Halt> {
    let explain = |error| meter.explain(error, |_| cut_short());
    let (tail, tail_start) = read_tail(source).map_err(explain)?;
    let no_zip = || Objection::NotAnArchive { expected: "zip".into() };
    let at = last_end_record(&tail).ok_or_else(no_zip)?;
    let end_at = tail_start + at as u64;

    let mut fields = Fields(&tail[at + 4..]);
    let mut field = || fields.u16().ok_or_else(cut_short);
    let (disk, directory_disk, records_here, records) = (field()?, field()?, field()?, field()?);
    let length = fields.u32().ok_or_else(cut_short)?;
    let offset = fields.u32().ok_or_else(cut_short)?;
    let comment = fields.u16().ok_or_else(cut_short)?;
    let trailing = (fields.0.len() as u64)
        .checked_sub(u64::from(comment))
        .ok_or_else(|| ambiguous("its comment is longer than the file"))?;

    let mut found = Found { records: records.into(), length: length.into(), offset: offset.into(), end: end_at };
    let locator = at.checked_sub(20).map(|from| &tail[from..at]).filter(|bytes| bytes.starts_with(&LOCATOR));
    if let Some(locator) = locator {
        found = found.widened(source, locator).map_err(explain)??;
    } else if disk != 0 || directory_disk != 0 || records_here != records {
        return Err(Objection::Unreadable { why: "it is one of several volumes".into() }.into());
    }
    let start = found.end.checked_sub(found.length).ok_or_else(cut_short)?;
    let shift = start.checked_sub(found.offset).ok_or_else(|| ambiguous("it is not where the end record says"))?;
    Ok(Directory { start, length: found.length, records: found.records, shift, trailing })
}

/// What the end record says, and where the directory ends.
#[derive(Debug, Clone, Copy)]
struct Found {
    records: u64,
    length: u64,
    offset: u64,
    end: u64,
}

impl Found {
    /// The same from the zip64 end record, which must agree wherever the small one has room for a value.
    fn widened<R: Read + Seek>(self, source: &mut R, locator: &[u8]) -> io::Result<Result<Self, Objection>> {
        let mut fields = Fields(&locator[4..]);
        let (Some(_disk), Some(at), Some(_disks)) = (fields.u32(), fields.u64(), fields.u32()) else {
            return Ok(Err(cut_short()));
        };
        // A record right before the locator is what every reader finds; elsewhere only those that follow the offset do.
        if at.checked_add(END64_LENGTH as u64 + LOCATOR_LENGTH) != Some(self.end) {
            return Ok(Err(ambiguous("its zip64 end record is not where it should be")));
        }
        let mut record = [0; END64_LENGTH];
        source.seek(SeekFrom::Start(at))?;
        source.read_exact(&mut record)?;
        let mut fields = Fields(&record);
        let wide = (|| {
            let signature = fields.array::<4>()?;
            let size = fields.u64()?;
            fields.bytes(12)?;
            let (here, records, length, offset) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
            let whole = signature == END64 && size == END64_LENGTH as u64 - 12 && here == records;
            whole.then_some(Self { records, length, offset, end: at })
        })();
        let Some(wide) = wide else { return Ok(Err(ambiguous("its zip64 end record is unusual"))) };
        let agrees = |small: u64, wide: u64, full: u64| small == full || small == wide;
        if agrees(self.records, wide.records, 0xffff)
            && agrees(self.length, wide.length, 0xffff_ffff)
            && agrees(self.offset, wide.offset, 0xffff_ffff)
        {
            Ok(Ok(wide))
        } else {
            Ok(Err(ambiguous("its two end records disagree")))
        }
    }
}

fn read_tail<R: Read + Seek>(source: &mut R) -> io::Result<(Vec<u8>, u64)> {
    let length = source.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(LONGEST_TAIL);
    source.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    source.take(LONGEST_TAIL).read_to_end(&mut tail)?;
    Ok((tail, start))
}

/// The last end record: what Python, uv and others take.
fn last_end_record(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_LENGTH)?;
    (0..=last).rev().find(|at| tail[*at..].starts_with(&END))
}

/// Whether a reader that asks the end of the file would take it for a zip archive.
pub(super) fn ends_like_zip<R: Read + Seek>(source: &mut R) -> io::Result<bool> {
    let (tail, start) = read_tail(source)?;
    let Some(at) = last_end_record(&tail) else { return Ok(false) };
    let mut fields = Fields(&tail[at + 12..]);
    // In compressed bytes the four letters turn up by chance once in 65,000 files; sizes that fit besides, practically never.
    let fits = match (fields.u32(), fields.u32()) {
        (Some(length), Some(offset)) => u64::from(length) + u64::from(offset) <= start + at as u64,
        _ => false,
    };
    Ok(fits || at.checked_sub(20).is_some_and(|from| tail[from..].starts_with(&LOCATOR)))
}

/// Reads all records; what speaks against one of them goes to `object`.
pub(super) fn read<R: Read + Seek>(
    directory: Directory,
    source: &mut Source<'_, R>,
    meter: &Meter<'_>,
    mut object: impl FnMut(Objection),
) -> Result<Vec<Record>, Halt> {
    let limits = meter.limits;
    if directory.records > limits.entries {
        return Err(Objection::TooManyEntries { limit: limits.entries }.into());
    }
    if directory.length > limits.directory_bytes {
        return Err(Objection::TooLarge { what: "the zip directory".into(), limit: limits.directory_bytes }.into());
    }
    let explain = |error| meter.explain(error, |_| cut_short());
    source.seek(SeekFrom::Start(directory.start)).map_err(explain)?;
    let mut bytes = Vec::new();
    source.take(directory.length).read_to_end(&mut bytes).map_err(explain)?;
    let mut fields = Fields(&bytes);
    let mut records = Vec::new();
    for _ in 0..directory.records {
        meter.check_time()?;
        let (record, objection) = read_record(&mut fields, directory.shift).ok_or_else(cut_short)?;
        if let Some(objection) = objection {
            object(objection);
        }
        records.push(record);
    }
    if fields.0.is_empty() { Ok(records) } else { Err(ambiguous("it has more or fewer records than it says").into()) }
}

fn read_record(fields: &mut Fields<'_>, shift: u64) -> Option<(Record, Option<Objection>)> {
    let mut header = Fields(fields.bytes(RECORD_LENGTH)?);
    if header.array::<4>()? != RECORD {
        return None;
    }
    let made_by = header.u16()?;
    header.u16()?;
    let (flags, method) = (header.u16()?, header.u16()?);
    header.u32()?;
    let (crc, packed, unpacked) = (header.u32()?, header.u32()?, header.u32()?);
    let (name_length, extra_length, comment_length) = (header.u16()?, header.u16()?, header.u16()?);
    header.u32()?;
    let (attributes, offset) = (header.u32()?, header.u32()?);
    let name = fields.bytes(name_length.into())?.to_vec();
    let extra = Extra::read(fields.bytes(extra_length.into())?);
    fields.bytes(comment_length.into())?;

    let mut wide = Fields(extra.zip64);
    let unpacked = widen(unpacked, &mut wide)?;
    let packed = widen(packed, &mut wide)?;
    let offset = widen(offset, &mut wide)?.checked_add(shift)?;
    // Systems 3 and 19 are Unix and macOS; the bits mean something else elsewhere.
    let unix_type = if matches!(made_by >> 8, 3 | 19) { (attributes >> 16) & 0o170_000 } else { 0 };
    let objection = extra.objection(&name);
    Some((Record { name, flags, method, crc, packed, unpacked, offset, unix_type }, objection))
}

/// A 32-bit value, or the 64-bit one from the extra field where the small one is full.
pub(super) fn widen(small: u32, wide: &mut Fields<'_>) -> Option<u64> {
    if small == u32::MAX { wide.u64() } else { Some(small.into()) }
}

/// What matters of a header's extra fields.
#[derive(Debug, Default)]
pub(super) struct Extra<'a> {
    pub(super) zip64: &'a [u8],
    other_name: Option<&'a [u8]>,
    repeated: bool,
}

impl<'a> Extra<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let mut extra = Self::default();
        let mut fields = Fields(bytes);
        while let (Some(tag), Some(length)) = (fields.u16(), fields.u16()) {
            let Some(value) = fields.bytes(length.into()) else { break };
            match tag {
                EXTRA_ZIP64 => {
                    extra.repeated |= !extra.zip64.is_empty();
                    extra.zip64 = value;
                }
                // Version and checksum, then the name.
                EXTRA_UNICODE_PATH => extra.other_name = Some(value.get(5..).unwrap_or_default()),
                _ => {}
            }
        }
        extra
    }

    fn objection(&self, name: &[u8]) -> Option<Objection> {
        let why = if self.repeated {
            "it gives its size twice"
        } else if self.other_name.is_some_and(|other| other != name) {
            "it has two different names"
        } else {
            return None;
        };
        Some(Objection::AmbiguousHeader { path: names::shown(name), why: why.to_owned() })
    }
}
