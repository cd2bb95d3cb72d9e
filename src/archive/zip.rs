//! zip: every entry of the directory compared with its local header, its place and its bytes.
//!
//! Some installers read the directory, others the stream of local headers. Both must see the same, so every byte of the
//! file must belong to exactly one entry or to the directory.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Seek};

use flate2::bufread::DeflateDecoder;

use super::meter::{Gauge, Halt, Source};
use super::survey::{Claim, Content, Met, Survey};
use super::tree::Key;
use super::zip_directory::{self, Extra, Fields, Record, widen};
use super::{Objection, names};

pub(super) use super::zip_directory::ends_like_zip;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_LENGTH: usize = 30;
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

pub(super) const ENCRYPTED: u16 = 1 << 0 | 1 << 6 | 1 << 13;
const HAS_DESCRIPTOR: u16 = 1 << 3;
const PATCHED: u16 = 1 << 5;
const NAME_IS_UTF8: u16 = 1 << 11;

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// Walks through a zip archive.
pub(super) fn survey<R: Read + Seek>(source: &mut Source<'_, R>, survey: &mut Survey<'_>) -> Result<(), Halt> {
    let directory = zip_directory::find(source, &survey.meter)?;
    if directory.trailing > 0 {
        survey.object(Objection::TrailingData { bytes: directory.trailing });
    }
    let meter = survey.meter.clone();
    let mut records = zip_directory::read(directory, source, &meter, |objection| survey.object(objection))?;
    // Bytes of one entry are looked at once: overlaps are found before anything is unpacked twice.
    records.sort_by_key(|record| record.offset);
    let first = records.first().map_or(directory.start, |record| record.offset);
    if first > 0 {
        survey.object(Objection::PrependedData { bytes: first });
    }
    check_declared(&records, survey)?;

    let repeated = repeated_names(&records, survey);
    let mut window = Window::new(source)?;
    let ends = records.iter().skip(1).map(|record| record.offset).chain([directory.start]);
    let mut listed = Vec::with_capacity(records.len());
    for (record, end) in records.iter().zip(ends) {
        if let Some(met) = survey_record(record, end, &mut window, survey, &repeated)? {
            listed.push(met);
        }
    }
    compare_with_record(&listed, survey);
    Ok(())
}

/// What the directory declares may already be too much.
fn check_declared(records: &[Record], survey: &Survey<'_>) -> Result<(), Halt> {
    let limits = survey.limits();
    let sum = |of: fn(&Record) -> u64| records.iter().map(of).fold(0, u64::saturating_add);
    let (packed, unpacked) = (sum(|record| record.packed), sum(|record| record.unpacked));
    if unpacked > limits.total_bytes {
        return Err(Objection::TooLarge { what: "the unpacked archive".into(), limit: limits.total_bytes }.into());
    }
    if unpacked > limits.ratio_free_bytes && unpacked / limits.ratio.max(1) > packed {
        return Err(Objection::RatioTooHigh { limit: limits.ratio }.into());
    }
    Ok(())
}

/// Paths that more than one record has: only their contents need hashing.
fn repeated_names(records: &[Record], survey: &Survey<'_>) -> HashSet<Key> {
    let mut seen = HashSet::new();
    let keys = records.iter().filter_map(|record| names::parts(&record.name, survey.limits()).ok());
    keys.map(|parts| super::tree::key_of(&parts)).filter(|key| !seen.insert(*key)).collect()
}

/// Looks at one entry; `end` is where the next one or the directory starts. Returns files that RECORD should list.
fn survey_record<R: Read + Seek>(
    record: &Record,
    end: u64,
    window: &mut Window<'_, '_, R>,
    survey: &mut Survey<'_>,
    repeated: &HashSet<Key>,
) -> Result<Option<Met>, Halt> {
    let shown = names::shown(&record.name);
    let meter = survey.meter.clone();
    let blame = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Objection::SizeDiffers { path: shown.clone() },
        _ => Objection::Unreadable { why: format!("{shown:?}: {}", names::shown(error.to_string().as_bytes())) },
    };
    let unreadable = |error| meter.explain(error, blame);
    let name_end = record.offset.saturating_add(LOCAL_LENGTH as u64 + record.name.len() as u64);
    if name_end > end {
        return Err(Objection::OverlappingEntries { path: shown }.into());
    }
    window.go_to(record.offset).map_err(unreadable)?;
    let local = LocalHeader::read(window).map_err(unreadable)?;
    for what in local.differences(record) {
        survey.object(Objection::LocalHeaderDiffers { path: shown.clone(), what: what.to_owned() });
    }
    let data_end = window.position.checked_add(record.packed).filter(|data_end| *data_end <= end);
    let Some(data_end) = data_end else { return Err(Objection::OverlappingEntries { path: shown }.into()) };

    if record.flags & ENCRYPTED != 0 {
        survey.object(Objection::Encrypted { path: shown });
        return Ok(None);
    }
    if !matches!(record.method, STORED | DEFLATED) || record.flags & PATCHED != 0 {
        let why = format!("{shown:?} is packed with method {}, which is not read", record.method);
        survey.object(Objection::Unreadable { why });
        return Ok(None);
    }
    let is_utf8 = record.flags & NAME_IS_UTF8 == 0 || std::str::from_utf8(&record.name).is_ok();
    if !is_utf8 {
        survey.object(Objection::BadName { path: shown.clone(), why: "claims to be UTF-8 and is not".into() });
    }

    let target;
    let claim = match record.unix_type {
        _ if record.name.ends_with(b"/") => Claim::Folder,
        0 | 0o100_000 | 0o040_000 => Claim::File,
        0o120_000 => {
            target = read_link(record, window, survey).map_err(unreadable)?;
            window.go_to(data_end - record.packed).map_err(unreadable)?;
            Claim::SymbolicLink(&target)
        }
        0o060_000 | 0o020_000 => Claim::Special("a device"),
        0o010_000 => Claim::Special("a pipe"),
        _ => Claim::Special("of an unknown type"),
    };
    let met = survey.meet(&record.name, claim, record.unpacked)?;
    let hash = met.as_ref().is_some_and(|met| repeated.contains(&met.key));
    let content = read_content(record, window, survey, met.as_ref(), hash, blame)?;
    if content.size != record.unpacked || window.position != data_end {
        survey.object(Objection::SizeDiffers { path: shown.clone() });
    } else if content.crc != record.crc {
        survey.object(Objection::BadChecksum { path: shown.clone() });
    }
    if let (Some(met), Some(digest), Claim::File) = (&met, content.digest, claim) {
        survey.compare(met, digest);
    }
    window.go_to(data_end).map_err(unreadable)?;
    if !is_descriptor(record, local.flags, end - data_end, window).map_err(unreadable)? {
        survey.object(Objection::UnlistedData { offset: data_end, length: end - data_end });
    }
    Ok(met.filter(|_| matches!(claim, Claim::File)))
}

/// Unpacks an entry and leaves the window behind the last packed byte that was needed.
fn read_content<R: Read + Seek>(
    record: &Record,
    window: &mut Window<'_, '_, R>,
    survey: &mut Survey<'_>,
    met: Option<&Met>,
    hash: bool,
    blame: impl FnOnce(io::Error) -> Objection,
) -> Result<Content, Halt> {
    // One byte more than declared is enough to know; a decoder that would give gigabytes is not asked for them.
    let at_most = record.unpacked.saturating_add(1);
    let packed = window.take(record.packed);
    let meter = survey.meter.clone();
    if record.method == STORED {
        survey.read(&mut Gauge::new(packed, meter).take(at_most), met, hash, blame)
    } else {
        survey.read(&mut Gauge::new(DeflateDecoder::new(packed), meter).take(at_most), met, hash, blame)
    }
}

/// The target of a symbolic link is its contents.
fn read_link<R: Read + Seek>(
    record: &Record,
    window: &mut Window<'_, '_, R>,
    survey: &Survey<'_>,
) -> io::Result<Vec<u8>> {
    // One byte over the longest path: enough to be refused as too long.
    let at_most = survey.limits().path_length as u64 + 1;
    let packed = window.take(record.packed);
    let mut target = Vec::new();
    if record.method == STORED {
        packed.take(at_most).read_to_end(&mut target)?;
    } else {
        DeflateDecoder::new(packed).take(at_most).read_to_end(&mut target)?;
    }
    Ok(target)
}

/// Whether the bytes between an entry and the next are what its flags promise: nothing, or a data descriptor (4.3.9), with
/// or without signature, with short or long sizes.
fn is_descriptor(record: &Record, flags: u16, length: u64, reader: &mut impl Read) -> io::Result<bool> {
    if flags & HAS_DESCRIPTOR == 0 {
        return Ok(length == 0);
    }
    if !matches!(length, 12 | 16 | 20 | 24) {
        return Ok(false);
    }
    let mut bytes = Vec::with_capacity(24);
    reader.take(length).read_to_end(&mut bytes)?;
    let mut fields = Fields(&bytes);
    if matches!(length, 16 | 24) && fields.array() != Some(DESCRIPTOR) {
        return Ok(false);
    }
    let crc = fields.u32();
    let (packed, unpacked) = if fields.0.len() == 16 {
        (fields.u64(), fields.u64())
    } else {
        (fields.u32().map(u64::from), fields.u32().map(u64::from))
    };
    Ok(crc == Some(record.crc) && packed == Some(record.packed) && unpacked == Some(record.unpacked))
}

/// Files that RECORD does not list are installed all the same.
fn compare_with_record(listed: &[Met], survey: &mut Survey<'_>) {
    let Some(recorded) = survey.recorded() else { return };
    // RECORD cannot hold its own digest, so signatures of it may be missing too.
    let exempt = |path: &str| path.ends_with(".dist-info/RECORD.jws") || path.ends_with(".dist-info/RECORD.p7s");
    let missing: Vec<_> = listed.iter().filter(|met| !recorded.contains(&met.key) && !exempt(&met.shown)).collect();
    if let Some(first) = missing.first() {
        survey.object(Objection::NotInRecord { first: first.shown.clone(), count: missing.len() as u64 });
    }
}

/// The header right before an entry's bytes.
#[derive(Debug)]
pub(super) struct LocalHeader {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: Option<u64>,
    unpacked: Option<u64>,
}

impl LocalHeader {
    pub(super) fn read(reader: &mut impl Read) -> io::Result<Self> {
        let mut header = [0; LOCAL_LENGTH];
        reader.read_exact(&mut header)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "there is no local header where it should be");
        let mut fields = Fields(&header);
        let mut parse = || {
            let signature: [u8; 4] = fields.array()?;
            fields.u16()?;
            let (flags, method) = (fields.u16()?, fields.u16()?);
            fields.u32()?;
            let numbers = (fields.u32()?, fields.u32()?, fields.u32()?);
            (signature == LOCAL).then_some((flags, method, numbers, fields.u16()?, fields.u16()?))
        };
        let (flags, method, (crc, packed, unpacked), name_length, extra_length) = parse().ok_or_else(damaged)?;
        let mut name = vec![0; name_length.into()];
        reader.read_exact(&mut name)?;
        let mut extra = vec![0; extra_length.into()];
        reader.read_exact(&mut extra)?;
        let mut wide = Fields(Extra::read(&extra).zip64);
        let unpacked = widen(unpacked, &mut wide);
        let packed = widen(packed, &mut wide);
        Ok(Self { name, flags, method, crc, packed, unpacked })
    }

    /// Where a reader of the stream and a reader of the directory would disagree.
    fn differences(&self, record: &Record) -> Vec<&'static str> {
        let mut differences = Vec::new();
        let mut check = |same: bool, what| {
            if !same {
                differences.push(what);
            }
        };
        check(self.name == record.name, "name");
        check(self.method == record.method, "method");
        let decisive = ENCRYPTED | HAS_DESCRIPTOR | if record.name.is_ascii() { 0 } else { NAME_IS_UTF8 };
        check(self.flags & decisive == record.flags & decisive, "flags");
        // With a descriptor behind the bytes, the values here may be zero.
        let later = self.flags & HAS_DESCRIPTOR != 0;
        let same = |local: Option<u64>, listed: u64| local == Some(listed) || later && local == Some(0);
        check(same(Some(self.crc.into()), record.crc.into()), "checksum");
        check(same(self.packed, record.packed) && same(self.unpacked, record.unpacked), "size");
        differences
    }
}

/// A buffered view of the file that knows its position, so that small steps forward keep the buffer.
pub(super) struct Window<'s, 'a, R> {
    inner: BufReader<&'s mut Source<'a, R>>,
    pub(super) position: u64,
}

impl<'s, 'a, R: Read + Seek> Window<'s, 'a, R> {
    pub(super) fn new(source: &'s mut Source<'a, R>) -> Result<Self, Halt> {
        let position = source.stream_position().map_err(|error| Halt::Failed(super::ArchiveError::Read(error)))?;
        Ok(Self { inner: BufReader::with_capacity(64 << 10, source), position })
    }

    pub(super) fn go_to(&mut self, position: u64) -> io::Result<()> {
        let step = i128::from(position) - i128::from(self.position);
        let step = i64::try_from(step).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        self.inner.seek_relative(step)?;
        self.position = position;
        Ok(())
    }

    pub(super) fn take(&mut self, bytes: u64) -> io::Take<&mut Self> {
        Read::take(self, bytes)
    }
}

impl<R: Read> Read for Window<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read> BufRead for Window<'_, '_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
        self.inner.consume(amount);
    }
}
