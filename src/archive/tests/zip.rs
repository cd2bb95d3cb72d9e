//! Zip archives, entry by entry.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::{WHEEL, kinds, walk_wheel, walk_with};
use crate::archive::{EntryKind, Limits, Objection};
use crate::domain::FileKind;

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip entry of which every value can be wrong.
#[derive(Clone)]
pub(super) struct Piece {
    name: Vec<u8>,
    local_name: Vec<u8>,
    pub(super) flags: u16,
    method: u16,
    pub(super) crc: u32,
    pub(super) packed: Vec<u8>,
    pub(super) size: u32,
    local_size: u32,
    attributes: u32,
    extra: Vec<u8>,
    /// Bytes behind the entry: a descriptor or something hidden.
    behind: Vec<u8>,
    pub(super) offset: Option<u32>,
    listed: bool,
}

impl Piece {
    pub(super) fn new(name: &str, bytes: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let size = u32::try_from(bytes.len()).unwrap();
        Self {
            name: name.into(),
            local_name: name.into(),
            flags: 0,
            method: 8,
            crc: crc.sum(),
            packed: deflated(bytes),
            size,
            local_size: size,
            attributes: 0o100_644 << 16,
            extra: Vec::new(),
            behind: Vec::new(),
            offset: None,
            listed: true,
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn le(values: &[(u64, usize)]) -> Vec<u8> {
    values.iter().flat_map(|(value, width)| value.to_le_bytes()[..*width].to_vec()).collect()
}

pub(super) fn zip_of(pieces: &[Piece]) -> Vec<u8> {
    let (mut archive, mut directory, mut count) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        let packed = piece.packed.len() as u64;
        let own = archive.len() as u64;
        let numbers = |size: u32, name: &[u8]| {
            let mut bytes = le(&[(0, 4), (piece.crc.into(), 4), (packed, 4), (size.into(), 4), (name.len() as u64, 2)]);
            bytes.extend(le(&[(piece.extra.len() as u64, 2)]));
            bytes
        };
        archive.extend(b"PK\x03\x04");
        archive.extend(le(&[(20, 2), (piece.flags.into(), 2), (piece.method.into(), 2)]));
        archive.extend(numbers(piece.local_size, &piece.local_name));
        archive.extend(&piece.local_name);
        archive.extend(&piece.extra);
        archive.extend(&piece.packed);
        archive.extend(&piece.behind);
        if piece.listed {
            count += 1;
            directory.extend(b"PK\x01\x02");
            directory.extend(le(&[(0x0314, 2), (20, 2), (piece.flags.into(), 2), (piece.method.into(), 2)]));
            directory.extend(numbers(piece.size, &piece.name));
            let offset = piece.offset.map_or(own, u64::from);
            directory.extend(le(&[(0, 2), (0, 2), (0, 2), (piece.attributes.into(), 4), (offset, 4)]));
            directory.extend(&piece.name);
            directory.extend(&piece.extra);
        }
    }
    let (start, length) = (archive.len() as u64, directory.len() as u64);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06");
    archive.extend(le(&[(0, 4), (count, 2), (count, 2), (length, 4), (start, 4), (0, 2)]));
    archive
}

/// A usual wheel, written by the `zip` crate and so also a test of the reader against another writer.
pub(super) fn usual_wheel() -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default();
    let record = "six.py,sha256=x,3\nsix-1.0.dist-info/METADATA,,\nsix-1.0.dist-info/RECORD,,\n";
    for (path, bytes) in [
        ("six.py", "import this\n".repeat(10_000).as_str()),
        ("six-1.0.dist-info/METADATA", "Name: six\n"),
        ("six-1.0.dist-info/RECORD", record),
    ] {
        writer.start_file(path, options).unwrap();
        writer.write_all(bytes.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_usual_wheel_gives_its_metadata_and_no_objection() {
    let walk = walk_wheel(&usual_wheel());
    assert_eq!(walk.objections, []);
    assert_eq!((walk.entries, walk.unpacked_bytes > 120_000), (3, true));
    assert_eq!(walk.metadata.as_deref(), Some(&b"Name: six\n"[..]));
    assert_eq!(walk_wheel(&zip_of(&[Piece::new("a.py", b"a"), Piece::new("b/", b"")])).objections, []);
}

#[test]
fn large_archives_in_zip64_form_are_read() {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default().large_file(true);
    writer.start_file("six.py", options).unwrap();
    writer.write_all(b"import this").unwrap();
    // More entries than the small end record can count.
    for number in 0..66_000 {
        writer.start_file(format!("six/{number}.py"), ::zip::write::SimpleFileOptions::default()).unwrap();
    }
    let walk = walk_wheel(&writer.finish().unwrap().into_inner());
    assert_eq!(walk.objections, []);
    assert_eq!(walk.entries, 66_001);
}

#[test]
fn streamed_archives_with_descriptors_are_read() {
    let mut writer = ::zip::ZipWriter::new_stream(Vec::new());
    for name in ["a.py", "b.py"] {
        writer.start_file(name, ::zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(b"import this").unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(walk_wheel(&bytes).objections, []);
}

#[test]
fn paths_out_of_the_archive_are_fatal() {
    for (name, kind) in [
        ("../evil.py", "path-traversal"),
        ("a\\..\\..\\evil.py", "path-traversal"),
        ("/etc/cron.d/evil", "absolute-path"),
        ("C:\\evil.dll", "absolute-path"),
        ("a.py\0.txt", "bad-name"),
    ] {
        let walk = walk_wheel(&zip_of(&[Piece::new(name, b"x")]));
        assert_eq!(kinds(&walk), [kind], "{name}");
        assert!(walk.fatal().is_some());
    }
    let long = "a/".repeat(80) + "b.py";
    assert_eq!(kinds(&walk_wheel(&zip_of(&[Piece::new(&long, b"x")]))), ["path-too-long"]);
    let loud = walk_wheel(&zip_of(&[Piece::new("a\x1b[2J.py", b"x")]));
    assert_eq!((kinds(&loud), loud.fatal()), (vec!["control-characters".to_owned()], None));
}

#[test]
fn a_name_used_twice_is_fatal_only_with_other_contents() {
    let different = walk_wheel(&zip_of(&[Piece::new("six.py", b"good"), Piece::new("./six.py", b"evil")]));
    assert_eq!(different.objections, [Objection::DuplicateEntry { path: "six.py".into(), identical: false }]);
    assert!(different.fatal().is_some());
    let same = walk_wheel(&zip_of(&[Piece::new("six.py", b"good"), Piece::new("six.py", b"good")]));
    assert_eq!(same.objections, [Objection::DuplicateEntry { path: "six.py".into(), identical: true }]);
    assert!(same.fatal().is_none());
    let folder_too = walk_wheel(&zip_of(&[Piece::new("six", b"good"), Piece::new("six/a.py", b"evil")]));
    assert_eq!(kinds(&folder_too), ["duplicate-entry"]);
}

#[test]
fn the_local_header_must_say_what_the_directory_says() {
    let changes: [fn(&mut Piece); 3] = [
        |piece| piece.local_name = b"evil.py".to_vec(),
        |piece| piece.local_size = 3,
        |piece| piece.local_name = b"six/../six.py".to_vec(),
    ];
    for change in changes {
        let walk = walk_wheel(&zip_of(&[Piece::new("six.py", b"import this").with(change)]));
        assert!(kinds(&walk).contains(&"local-header-differs".to_owned()), "{:?}", walk.objections);
        assert!(walk.fatal().is_some());
    }
}

#[test]
fn entries_that_overlap_are_found_before_they_are_unpacked() {
    let bomb = zip_of(&[
        Piece::new("a", &vec![0; 100_000]),
        Piece::new("b", &vec![0; 100_000]).with(|piece| piece.offset = Some(0)),
    ]);
    assert_eq!(kinds(&walk_wheel(&bomb)), ["overlapping-entries"]);
}

#[test]
fn encrypted_and_exotic_entries_are_not_guessed_at() {
    let walk = walk_wheel(&zip_of(&[Piece::new("six.py", b"x").with(|piece| piece.flags = 1)]));
    assert_eq!(kinds(&walk), ["encrypted"]);
    let walk = walk_wheel(&zip_of(&[Piece::new("six.py", b"x").with(|piece| piece.method = 14)]));
    assert_eq!(kinds(&walk), ["unreadable"]);
}

#[test]
fn sizes_and_checksums_are_counted_not_believed() {
    let wrong_crc = Piece::new("six.py", b"import this").with(|piece| piece.crc ^= 1);
    assert_eq!(kinds(&walk_wheel(&zip_of(&[wrong_crc]))), ["bad-checksum"]);
    for size in [5, 500] {
        let lies = Piece::new("six.py", b"import this").with(|piece| (piece.size, piece.local_size) = (size, size));
        assert_eq!(kinds(&walk_wheel(&zip_of(&[lies]))), ["size-differs"], "{size}");
    }
    let hidden = Piece::new("six.py", b"import this").with(|piece| piece.packed.extend(b"and more"));
    assert_eq!(kinds(&walk_wheel(&zip_of(&[hidden]))), ["size-differs"]);
}

#[test]
fn bytes_that_belong_to_no_entry_are_told() {
    let unlisted = Piece::new("evil.py", b"x").with(|piece| piece.listed = false);
    let walk = walk_wheel(&zip_of(&[Piece::new("six.py", b"good"), unlisted.clone()]));
    assert_eq!(kinds(&walk), ["unlisted-data"]);
    let walk = walk_wheel(&zip_of(&[unlisted, Piece::new("six.py", b"good")]));
    assert_eq!(kinds(&walk), ["prepended-data"]);
    let bad_descriptor = Piece::new("six.py", b"good").with(|piece| (piece.flags, piece.behind) = (8, vec![7; 12]));
    assert_eq!(kinds(&walk_wheel(&zip_of(&[bad_descriptor]))), ["unlisted-data"]);

    let wheel = usual_wheel();
    assert_eq!(walk_wheel(&[b"#!/bin/sh\n", &wheel[..]].concat()).objections, [Objection::PrependedData { bytes: 10 }]);
    let trailed = walk_wheel(&[&wheel[..], b"tail"].concat());
    assert_eq!((&trailed.objections[..], trailed.fatal()), (&[Objection::TrailingData { bytes: 4 }][..], None));
}

#[test]
fn a_second_directory_at_the_end_is_never_just_a_comment() {
    let good = zip_of(&[Piece::new("six.py", b"good")]);
    let evil = zip_of(&[Piece::new("evil.py", b"evil")]);
    let both = [&good[..], &evil[..]].concat();
    assert!(walk_wheel(&both).fatal().is_some());
    // The same with the second archive as the comment of the first.
    let mut commented = both.clone();
    let length = u16::try_from(evil.len()).unwrap().to_le_bytes();
    commented[good.len() - 2..good.len()].copy_from_slice(&length);
    assert!(walk_wheel(&commented).fatal().is_some());
}

#[test]
fn another_name_in_an_extra_field_is_another_file() {
    let unicode_path = [&le(&[(0x7075, 2), (12, 2), (1, 1), (0, 4)])[..], b"evil.py"].concat();
    let walk = walk_wheel(&zip_of(&[Piece::new("six.py", b"x").with(|piece| piece.extra = unicode_path)]));
    assert_eq!(kinds(&walk), ["ambiguous-header"]);
}

#[test]
fn links_in_a_wheel_are_checked_like_others() {
    let link = |target: &[u8]| Piece::new("six/link", target).with(|piece| piece.attributes = 0o120_777 << 16);
    assert_eq!(kinds(&walk_wheel(&zip_of(&[link(b"../../etc/passwd")]))), ["link-outside"]);
    let inside = walk_wheel(&zip_of(&[link(b"../six.py")]));
    assert_eq!(inside.objections, []);
    assert_eq!(inside.noted[0].kind, EntryKind::Link { target: "../six.py".into() });
    let through = walk_wheel(&zip_of(&[link(b"../lib"), Piece::new("six/link/evil.py", b"x")]));
    assert_eq!(kinds(&through), ["through-link"]);
    let device = Piece::new("dev", b"").with(|piece| piece.attributes = 0o020_666 << 16);
    assert_eq!(kinds(&walk_wheel(&zip_of(&[device]))), ["special-file"]);
}

#[test]
fn files_that_record_does_not_list_and_second_metadata_are_told() {
    let walk = walk_wheel(&zip_of(&[
        Piece::new("six.py", b"x"),
        Piece::new("evil.pth", b"import evil"),
        Piece::new("six-1.0.dist-info/RECORD", b"six.py,,\nsix-1.0.dist-info/RECORD,,\n"),
    ]));
    assert_eq!(walk.objections, [Objection::NotInRecord { first: "evil.pth".into(), count: 1 }]);
    assert_eq!(walk.noted[0].path, "evil.pth");
    let walk = walk_wheel(&zip_of(&[
        Piece::new("six-1.0.dist-info/METADATA", b"Name: six"),
        Piece::new("evil-1.0.dist-info/METADATA", b"Name: evil"),
    ]));
    assert_eq!(kinds(&walk), ["several-metadata"]);
    assert_eq!(walk.metadata.as_deref(), Some(&b"Name: six"[..]));
}

#[test]
fn each_limit_of_a_zip_holds() {
    let many = zip_of(&(0..30).map(|number| Piece::new(&format!("{number}.py"), b"x")).collect::<Vec<_>>());
    let limited = |bytes: &[u8], limits: Limits| kinds(&walk_with(bytes, WHEEL, FileKind::Wheel, &limits));
    assert_eq!(limited(&many, Limits { entries: 29, ..Limits::default() }), ["too-many-entries"]);
    assert_eq!(limited(&many, Limits { directory_bytes: 100, ..Limits::default() }), ["too-large"]);
    assert_eq!(limited(&many, Limits { total_bytes: 29, ..Limits::default() }), ["too-large"]);
    let zeros = zip_of(&[Piece::new("six-1.0.dist-info/METADATA", &vec![0; 100_000])]);
    assert_eq!(limited(&zeros, Limits { entry_bytes: 99_999, ..Limits::default() }), ["too-large"]);
    assert_eq!(limited(&zeros, Limits { metadata_bytes: 1000, ..Limits::default() }), ["too-large"]);
    assert_eq!(limited(&zeros, Limits { ratio_free_bytes: 1000, ..Limits::default() }), ["ratio-too-high"]);
    assert_eq!(limited(&many, Limits { entries: 30, total_bytes: 30, ..Limits::default() }), Vec::<String>::new());
}

#[test]
fn a_zip_bomb_is_not_unpacked_whatever_it_declares() {
    let honest = zip_of(&[Piece::new("zeros", &vec![0; 80 << 20])]);
    assert_eq!(kinds(&walk_wheel(&honest)), ["ratio-too-high"]);
    let lies = zip_of(&[Piece::new("zeros", &vec![0; 80 << 20]).with(|piece| (piece.size, piece.local_size) = (9, 9))]);
    let walk = walk_wheel(&lies);
    assert_eq!(kinds(&walk), ["size-differs"]);
    assert!(walk.unpacked_bytes < 100);
}
