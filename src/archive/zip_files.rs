//! A zip archive as a box of small files: each is unpacked into memory and handed over, none is written anywhere.
//!
//! For data that lazaret reads for itself. What installers unpack is looked at by [`walk`](super::walk), which compares
//! more; here the directory decides, and every file has the size and the checksum that it says.

use std::io::{self, Read, Seek};
use std::rc::Rc;

use flate2::bufread::DeflateDecoder;

use super::meter::{Gauge, Halt, Meter, Source};
use super::zip::{DEFLATED, ENCRYPTED, LocalHeader, STORED, Window};
use super::zip_directory::{self, Record};
use super::{ArchiveError, Limits, Objection, names};

/// Why not all files could be handed over.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The archive as a whole is damaged, or costs more than its limits allow.
    #[error(transparent)]
    Refused(Objection),
    /// The file that holds it cannot be read.
    #[error(transparent)]
    Failed(ArchiveError),
}

/// Hands over each file whose path is `wanted`, in the order in which they lie in the archive: its path, fit for display,
/// and its bytes, or what is wrong with it alone (a path that climbs, too large, damaged, encrypted).
///
/// # Errors
/// [`FilesError`] for an archive that is no zip or cut short, whose entries overlap, or that exceeds the limits of all
/// entries together. Files may have been handed over before.
pub fn for_each_file<R: Read + Seek>(
    file: R,
    limits: &Limits,
    wanted: impl Fn(&str) -> bool,
    each: impl FnMut(&str, Result<&[u8], Objection>),
) -> Result<(), FilesError> {
    read_all(file, limits, wanted, each).map_err(|halt| match halt {
        Halt::Objection(objection) => FilesError::Refused(objection),
        Halt::Failed(error) => FilesError::Failed(error),
    })
}

fn read_all<R: Read + Seek>(
    file: R,
    limits: &Limits,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(&str, Result<&[u8], Objection>),
) -> Result<(), Halt> {
    let in_time = || false;
    let meter = Meter::new(limits, &in_time);
    let mut source = Source::new(file, meter.clone());
    let directory = zip_directory::find(&mut source, &meter)?;
    let mut first_objection = None;
    let mut records = zip_directory::read(directory, &mut source, &meter, |objection| {
        first_objection.get_or_insert(objection);
    })?;
    if let Some(objection) = first_objection {
        return Err(objection.into());
    }
    records.sort_by_key(|record| record.offset);
    let mut window = Window::new(&mut source)?;
    let mut contents = Vec::new();
    let ends: Vec<u64> = records.iter().skip(1).map(|record| record.offset).chain([directory.start]).collect();
    for (record, end) in records.iter().zip(ends) {
        let shown = names::shown(&record.name);
        if record.name.ends_with(b"/") || !wanted(&shown) {
            continue;
        }
        match read_file(record, end, &mut window, &meter, &mut contents) {
            Ok(()) => each(&shown, Ok(&contents)),
            Err(Trouble::Here(objection)) => each(&shown, Err(objection)),
            Err(Trouble::Everywhere(halt)) => return Err(halt),
        }
    }
    Ok(())
}

/// Whom a problem concerns.
enum Trouble {
    /// This file.
    Here(Objection),
    /// The whole archive.
    Everywhere(Halt),
}

fn read_file<R: Read + Seek>(
    record: &Record,
    end: u64,
    window: &mut Window<'_, '_, R>,
    meter: &Rc<Meter<'_>>,
    contents: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let limits = meter.limits;
    let shown = || names::shown(&record.name);
    names::parts(&record.name, limits).map_err(Trouble::Here)?;
    if record.unpacked > limits.entry_bytes {
        return Err(Trouble::Here(Objection::TooLarge { what: format!("{:?}", shown()), limit: limits.entry_bytes }));
    }
    if record.flags & ENCRYPTED != 0 {
        return Err(Trouble::Here(Objection::Encrypted { path: shown() }));
    }
    if !matches!(record.method, STORED | DEFLATED) {
        let why = format!("{:?} is packed with method {}, which is not read", shown(), record.method);
        return Err(Trouble::Here(Objection::Unreadable { why }));
    }
    // The disk and the limits of all entries end the reading, what is wrong with these bytes does not.
    let blame = |error: io::Error| Objection::Unreadable { why: format!("{:?}: {error}", shown()) };
    let explain = |error: io::Error| match meter.explain(error, blame) {
        Halt::Objection(objection @ Objection::Unreadable { .. }) => Trouble::Here(objection),
        halt => Trouble::Everywhere(halt),
    };
    window.go_to(record.offset).map_err(explain)?;
    LocalHeader::read(window).map_err(explain)?;
    let overlaps = window.position.checked_add(record.packed).is_none_or(|data_end| data_end > end);
    if overlaps {
        return Err(Trouble::Everywhere(Objection::OverlappingEntries { path: shown() }.into()));
    }
    contents.clear();
    let at_most = record.unpacked.saturating_add(1);
    let packed = window.take(record.packed);
    let read = if record.method == STORED {
        Gauge::new(packed, meter.clone()).take(at_most).read_to_end(contents)
    } else {
        Gauge::new(DeflateDecoder::new(packed), meter.clone()).take(at_most).read_to_end(contents)
    };
    read.map_err(explain)?;
    if contents.len() as u64 != record.unpacked {
        return Err(Trouble::Here(Objection::SizeDiffers { path: shown() }));
    }
    let mut crc = flate2::Crc::new();
    crc.update(contents);
    if crc.sum() == record.crc { Ok(()) } else { Err(Trouble::Here(Objection::BadChecksum { path: shown() })) }
}
