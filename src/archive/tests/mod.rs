//! Stories of honest and of hostile archives, built here byte by byte.

mod cpan;
mod tar;
mod zip;
mod zip_files;

use std::cell::Cell;
use std::io::{Cursor, Read, Seek, SeekFrom};

use proptest::prelude::*;

use self::tar::{gz, usual_sdist};
use self::zip::usual_wheel;
use super::{ArchiveError, ArchiveKind, Limits, Walk, kind_of, walk};
use crate::domain::{Ecosystem, FileKind, FileName};

const WHEEL: &str = "six-1.0-py3-none-any.whl";
const SDIST: &str = "six-1.0.tar.gz";

fn walk_with(bytes: &[u8], name: &str, kind: FileKind, limits: &Limits) -> Walk {
    walk(Cursor::new(bytes), &FileName::parse(name).unwrap(), kind, Ecosystem::Pypi, limits, || false).unwrap()
}

fn walk_wheel(bytes: &[u8]) -> Walk {
    walk_with(bytes, WHEEL, FileKind::Wheel, &Limits::default())
}

fn walk_sdist(bytes: &[u8]) -> Walk {
    walk_with(bytes, SDIST, FileKind::Source, &Limits::default())
}

/// The kinds of the objections, as they are written.
fn kinds(walk: &Walk) -> Vec<String> {
    let kind = |objection| serde_json::to_value(objection).unwrap()["kind"].as_str().unwrap().to_owned();
    walk.objections.iter().map(kind).collect()
}

#[test]
fn the_ending_tells_the_kind() {
    let kind = |name: &str| kind_of(&FileName::parse(name).unwrap());
    assert_eq!(kind("six-1.16.0-py2.py3-none-any.whl"), ArchiveKind::Zip);
    assert_eq!(kind("six-1.16.0.TAR.GZ"), ArchiveKind::TarGz);
    assert_eq!(kind("six-1.16.0.tar"), ArchiveKind::Tar);
    assert_eq!(kind("six-1.16.0.tar.bz2"), ArchiveKind::TarBz2);
    assert_eq!(kind("six-1.16.0.txz"), ArchiveKind::TarXz);
    assert_eq!(kind("six-1.16.0.exe"), ArchiveKind::Unknown);
}

// === time and the disk ===

#[test]
fn the_walk_ends_when_time_is_over() {
    for (bytes, name) in [(usual_wheel(), WHEEL), (gz(&usual_sdist()), SDIST)] {
        let asked = Cell::new(0);
        let out_of_time = || asked.replace(asked.get() + 1) >= 2;
        let name = FileName::parse(name).unwrap();
        let end = walk(Cursor::new(bytes), &name, FileKind::Wheel, Ecosystem::Pypi, &Limits::default(), out_of_time);
        assert!(matches!(end, Err(ArchiveError::OutOfTime)));
    }
}

/// A disk that fails after some bytes.
struct FailingDisk(Cursor<Vec<u8>>, u32);

impl Read for FailingDisk {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1.checked_sub(1).ok_or_else(|| std::io::Error::other("EIO"))?;
        self.0.read(buffer)
    }
}

impl Seek for FailingDisk {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(position)
    }
}

#[test]
fn a_failing_disk_is_not_the_archives_fault() {
    for (bytes, name) in [(usual_wheel(), WHEEL), (gz(&usual_sdist()), SDIST)] {
        for reads in 0..3 {
            let disk = FailingDisk(Cursor::new(bytes.clone()), reads);
            let name = FileName::parse(name).unwrap();
            let end = walk(disk, &name, FileKind::Wheel, Ecosystem::Pypi, &Limits::default(), || false);
            assert!(matches!(end, Err(ArchiveError::Read(_))), "{name} after {reads} reads: {end:?}");
        }
    }
}

// === anything at all ===

#[test]
fn an_archive_cut_anywhere_is_objected_to() {
    let (wheel, sdist) = (usual_wheel(), gz(&usual_sdist()));
    for end in 0..wheel.len() {
        assert!(walk_wheel(&wheel[..end]).fatal().is_some(), "wheel cut at {end}");
    }
    for end in 0..sdist.len() {
        assert!(walk_sdist(&sdist[..end]).fatal().is_some(), "sdist cut at {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for name in [WHEEL, SDIST, "six-1.0.tar"] {
            for bytes in [&bytes[..], &gz(&bytes)] {
                prop_assert!(!walk_with(bytes, name, FileKind::Source, &Limits::default()).objections.is_empty());
            }
        }
    }

    #[test]
    fn damaged_archives_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        for (mut bytes, name, packed) in [
            (usual_wheel(), WHEEL, false), (usual_sdist(), "six-1.0.tar", false), (usual_sdist(), SDIST, true),
        ] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let bytes = if packed { gz(&bytes) } else { bytes };
            walk_with(&bytes, name, FileKind::Wheel, &Limits::default());
        }
    }
}
