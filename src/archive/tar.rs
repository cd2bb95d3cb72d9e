//! tar: entry by entry in the order of the stream, with the headers that readers disagree about refused.
//!
//! The `tar` crate parses; it reads long names and pax records into memory whole and believes them, so the meter bounds
//! what it may read between two entries, and each header is looked at again here.

use std::io::{BufReader, Read, Seek};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;

use super::members::{Decoder, Members};
use super::meter::{Gauge, Halt, Source};
use super::survey::{Claim, Survey};
use super::{Objection, names, zip};

const BLOCK: usize = 512;

/// Walks through a `.tar.gz`.
pub(super) fn survey_gz<R: Read + Seek>(source: &mut Source<'_, R>, survey: &mut Survey<'_>) -> Result<(), Halt> {
    survey_members::<R, GzDecoder<_>>(source, "tar.gz", survey)
}

/// Walks through a `.tar.bz2`.
pub(super) fn survey_bz2<R: Read + Seek>(source: &mut Source<'_, R>, survey: &mut Survey<'_>) -> Result<(), Halt> {
    survey_members::<R, BzDecoder<_>>(source, "tar.bz2", survey)
}

fn survey_members<'s, 'a, R: Read + Seek, D: Decoder<BufReader<&'s mut Source<'a, R>>>>(
    source: &'s mut Source<'a, R>,
    expected: &str,
    survey: &mut Survey<'_>,
) -> Result<(), Halt> {
    object_to_polyglot(source, survey)?;
    let members = Members::<_, D>::new(BufReader::with_capacity(64 << 10, source), survey.limits().members);
    let members = survey_stream(members, expected, survey)?;
    // Python's tarfile never looks behind the end: not a reason to refuse the file.
    if let Some(mut rest) = members.into_rest() {
        let bytes = count_nonzero(&mut rest, survey)?;
        if bytes > 0 {
            survey.object(Objection::TrailingData { bytes });
        }
    }
    Ok(())
}

/// Walks through a `.tar`.
pub(super) fn survey<R: Read + Seek>(source: &mut Source<'_, R>, survey: &mut Survey<'_>) -> Result<(), Halt> {
    object_to_polyglot(source, survey)?;
    survey_stream(BufReader::with_capacity(64 << 10, source), "tar", survey).map(drop)
}

/// Older pips (23.2 for one) ask whether a file *is* a zip archive before they believe its name: a tar archive with a zip
/// directory at its end is unpacked as zip by them and as tar by everything else.
fn object_to_polyglot<R: Read + Seek>(source: &mut Source<'_, R>, survey: &mut Survey<'_>) -> Result<(), Halt> {
    let explain = |error| survey.meter.explain(error, |error| Objection::Unreadable { why: error.to_string() });
    let also_zip = zip::ends_like_zip(source).and_then(|found| source.rewind().map(|()| found)).map_err(explain)?;
    if also_zip {
        survey.object(Objection::Polyglot);
    }
    Ok(())
}

fn survey_stream<R: Read>(stream: R, expected: &str, survey: &mut Survey<'_>) -> Result<R, Halt> {
    let mut archive = ::tar::Archive::new(Gauge::new(stream, survey.meter.clone()));
    let header_bytes = survey.limits().header_bytes;
    let meter = survey.meter.clone();
    let blame = |path: &str, error: &std::io::Error, first: bool| {
        let words = error.to_string();
        let compressed = words.contains("gzip header") || words.contains("bz2 header");
        if first && (compressed || words.contains("archive header") || words.contains("numeric field")) {
            Objection::NotAnArchive { expected: expected.to_owned() }
        } else if words.contains("checksum") {
            Objection::BadChecksum { path: path.to_owned() }
        } else {
            Objection::Unreadable { why: names::shown(words.as_bytes()) }
        }
    };
    let mut first = true;
    let mut entries =
        archive.entries().map_err(|error| meter.explain(error, |error| blame("the archive", &error, true)))?;
    loop {
        meter.allow(header_bytes);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| meter.explain(error, |error| blame("the archive", &error, first)))?;
        first = false;
        meter.allow(u64::MAX);
        survey_entry(&mut entry, survey, |path, error| blame(path, error, false))?;
    }
    if first {
        return Err(Objection::NotAnArchive { expected: expected.to_owned() }.into());
    }
    meter.allow(u64::MAX);
    let mut stream = archive.into_inner();
    look_behind_the_end(&mut stream, survey, |error| blame("the archive", error, false))?;
    Ok(stream.into_inner())
}

fn survey_entry<R: Read>(
    entry: &mut ::tar::Entry<'_, R>,
    survey: &mut Survey<'_>,
    blame: impl Fn(&str, &std::io::Error) -> Objection,
) -> Result<(), Halt> {
    let header = entry.header().clone();
    let kind = header.entry_type();
    let size = entry.size();
    let path = entry.path_bytes().into_owned();
    let shown = names::shown(&path);
    let ambiguous = |why: &str| Objection::AmbiguousHeader { path: shown.clone(), why: why.to_owned() };

    if kind.is_pax_global_extensions() {
        return survey_global_header(entry, survey, &blame);
    }
    if kind.is_gnu_sparse() {
        // Its holes can unpack to any size, and the libraries that read it differ.
        return Err(ambiguous("sparse files are read differently by different readers").into());
    }
    if let Some(why) =
        object_to_pax(entry, &path).map_err(|error| survey.meter.explain(error, |error| blame(&shown, &error)))?
    {
        survey.object(ambiguous(why));
    }
    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
    let is_file = kind.is_file() || kind.is_contiguous();
    let claim = match kind {
        // As old archives write folders.
        _ if is_file && path.ends_with(b"/") => Claim::Folder,
        _ if is_file => Claim::File,
        ::tar::EntryType::Directory => Claim::Folder,
        ::tar::EntryType::Symlink => Claim::SymbolicLink(&target),
        ::tar::EntryType::Link => Claim::HardLink(&target),
        ::tar::EntryType::Char | ::tar::EntryType::Block => Claim::Special("a device"),
        ::tar::EntryType::Fifo => Claim::Special("a pipe"),
        _ => Claim::Special("of an unknown type"),
    };
    if size > 0 && !matches!(claim, Claim::File) {
        // Some readers skip these bytes, others take them for the next headers.
        return Err(ambiguous("only files have contents").into());
    }
    let met = survey.meet(&path, claim, size)?;
    let content = survey.read(entry, met.as_ref(), true, |error| blame(&shown, &error))?;
    if content.size != size {
        survey.object(Objection::SizeDiffers { path: shown });
        return Ok(());
    }
    match (claim, met, content.digest) {
        (Claim::File, Some(met), Some(digest)) => survey.compare(&met, digest),
        (_, Some(met), _) if met.repeated => {
            survey.object(Objection::DuplicateEntry { path: met.shown, identical: false });
        }
        _ => {}
    }
    Ok(())
}

/// pax records that contradict the header, or that some readers do not know: the file would have another name or another
/// length there, and with another length, other entries after it.
fn object_to_pax<R: Read>(entry: &mut ::tar::Entry<'_, R>, path: &[u8]) -> std::io::Result<Option<&'static str>> {
    let header_size = entry.header().entry_size()?;
    let Some(records) = entry.pax_extensions()? else { return Ok(None) };
    for record in records {
        let record = record?;
        match record.key_bytes() {
            b"size" if record.value().ok().and_then(|value| value.parse().ok()) != Some(header_size) => {
                return Ok(Some("its pax record gives another size"));
            }
            b"path" if record.value_bytes() != path => return Ok(Some("it has two different names")),
            key if key.starts_with(b"GNU.sparse.") => return Ok(Some("it is a sparse file in pax form")),
            _ => {}
        }
    }
    Ok(None)
}

/// A global header holds for all entries after it in some readers and for none in others; git's, with a comment, is fine.
fn survey_global_header<R: Read>(
    entry: &mut ::tar::Entry<'_, R>,
    survey: &mut Survey<'_>,
    blame: &impl Fn(&str, &std::io::Error) -> Objection,
) -> Result<(), Halt> {
    const NAME: &str = "global pax header";
    let limit = survey.limits().header_bytes;
    if entry.size() > limit {
        return Err(Objection::TooLarge { what: format!("the {NAME}"), limit }.into());
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| survey.meter.explain(error, |error| blame(NAME, &error)))?;
    let decisive = |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
    // A record that cannot be read decides nothing well.
    if ::tar::PaxExtensions::new(&bytes).any(|record| record.map_or(true, |record| decisive(record.key_bytes()))) {
        let why = "it names or measures entries".to_owned();
        survey.object(Objection::AmbiguousHeader { path: NAME.to_owned(), why });
    }
    Ok(())
}

/// Reads on after the end marker. The `tar` crate and Python end at one block of zeros, GNU tar at two, some never: another
/// header there is an entry that only some installers see.
fn look_behind_the_end(
    stream: &mut impl Read,
    survey: &mut Survey<'_>,
    blame: impl Fn(&std::io::Error) -> Objection,
) -> Result<(), Halt> {
    let mut block = [0_u8; BLOCK];
    let mut trailing = 0;
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match stream.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(survey.meter.explain(error, |error| blame(&error))),
            }
        }
        if block[..filled].iter().any(|byte| *byte != 0) {
            trailing += filled as u64;
            if filled == BLOCK && is_header(&block) {
                let why = "there are more entries behind its end".to_owned();
                return Err(Objection::AmbiguousHeader { path: "the archive".to_owned(), why }.into());
            }
        }
        if filled < BLOCK {
            break;
        }
    }
    if trailing > 0 {
        survey.object(Objection::TrailingData { bytes: trailing });
    }
    Ok(())
}

fn is_header(block: &[u8; BLOCK]) -> bool {
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte })).sum();
    ::tar::Header::from_byte_slice(block).cksum().is_ok_and(|checksum| checksum == sum)
}

/// How many bytes a reader still has, if one of them is not zero.
fn count_nonzero(reader: &mut impl Read, survey: &Survey<'_>) -> Result<u64, Halt> {
    let mut buffer = [0_u8; 8 << 10];
    let (mut bytes, mut zeros_only) = (0, true);
    loop {
        survey.meter.check_time()?;
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(if zeros_only { 0 } else { bytes }),
            Ok(read) => {
                bytes += read as u64;
                zeros_only &= buffer[..read].iter().all(|byte| *byte == 0);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(survey.meter.explain(error, |error| Objection::Unreadable { why: error.to_string() }));
            }
        }
    }
}
