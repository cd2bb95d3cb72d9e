//! Tar archives, plain and packed.

use std::io::{Read, Seek, SeekFrom, Write};

use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::zip::{Piece, zip_of};
use super::{SDIST, kinds, walk_sdist, walk_wheel, walk_with};
use crate::archive::{Limits, Objection, walk};
use crate::domain::{Ecosystem, FileKind, FileName};

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar header with a name that the `tar` crate's builder would refuse.
fn header(name: &str, kind: ::tar::EntryType, size: u64) -> ::tar::Header {
    let mut header = ::tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

pub(super) fn tar_of(entries: &[(::tar::Header, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (header, bytes) in entries {
        builder.append(header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(super) fn file<'b>(name: &str, bytes: &'b [u8]) -> (::tar::Header, &'b [u8]) {
    (header(name, ::tar::EntryType::Regular, bytes.len() as u64), bytes)
}

fn link(name: &str, kind: ::tar::EntryType, target: &str) -> (::tar::Header, &'static [u8]) {
    let mut header = header(name, kind, 0);
    header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    (header, b"")
}

pub(super) fn usual_sdist() -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, bytes) in [
        ("six-1.0/PKG-INFO", "Name: six\n".to_owned()),
        ("six-1.0/setup.py", "import this\n".repeat(1000)),
        (&*format!("six-1.0/{}/long.py", "x".repeat(150)), "x".to_owned()),
    ] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_usual_sdist_gives_its_metadata_and_no_objection() {
    for (bytes, name) in [(gz(&usual_sdist()), SDIST), (usual_sdist(), "six-1.0.tar")] {
        let walk = walk_with(&bytes, name, FileKind::Source, &Limits::default());
        assert_eq!(walk.objections, []);
        assert_eq!((walk.entries, walk.unpacked_bytes), (3, 10 + 12_000 + 1));
        assert_eq!(walk.metadata.as_deref(), Some(&b"Name: six\n"[..]));
        assert_eq!(walk.noted.len(), 1);
        assert_eq!(walk.noted[0].path, "six-1.0/setup.py");
    }
    let sdist = usual_sdist();
    let (one, two) = sdist.split_at(700);
    assert_eq!(walk_sdist(&[gz(one), gz(two)].concat()).objections, [], "two gzip members are one archive");
}

#[test]
fn git_archives_with_their_comment_are_fine_and_global_names_are_not() {
    let global = |records: &[u8]| {
        let entry = (header("pax_global_header", ::tar::EntryType::XGlobalHeader, records.len() as u64), records);
        kinds(&walk_sdist(&gz(&tar_of(&[entry, file("six-1.0/a.py", b"x")]))))
    };
    assert_eq!(global(b"52 comment=0123456789012345678901234567890123456789\n"), Vec::<String>::new());
    assert_eq!(global(b"16 path=evil.py\n"), ["ambiguous-header"]);
}

#[test]
fn links_must_stay_inside_and_nothing_goes_through_them() {
    use ::tar::EntryType::{Link, Symlink};
    let check = |entries: &[(::tar::Header, &[u8])]| kinds(&walk_sdist(&gz(&tar_of(entries))));
    let none = Vec::<String>::new();
    assert_eq!(check(&[file("six/a", b"x"), link("six/b", Symlink, "a"), link("six/c/d", Symlink, "../a")]), none);
    assert_eq!(check(&[file("six/a", b"x"), link("six/b", Link, "six/a")]), none);
    for target in ["../../etc/passwd", "/etc/passwd", "a/../../../x"] {
        assert_eq!(check(&[link("six/b", Symlink, target)]), ["link-outside"], "{target}");
    }
    assert_eq!(check(&[link("six/b", Link, "six/nothing")]), ["link-outside"]);
    assert_eq!(check(&[link("six/b", Link, "/etc/passwd")]), ["link-outside"]);
    assert_eq!(check(&[link("six/b", Symlink, "."), file("six/b/evil.py", b"x")]), ["through-link"]);
    assert_eq!(check(&[file("six/b/evil.py", b"x"), link("six/b", Symlink, ".")]), ["duplicate-entry"]);
    assert_eq!(check(&[link("six/b", Symlink, "a"), file("six/b", b"written through")]), ["duplicate-entry"]);
}

#[test]
fn devices_traversal_and_names_used_twice_are_told_in_tar_too() {
    let check = |entries: &[(::tar::Header, &[u8])]| kinds(&walk_sdist(&gz(&tar_of(entries))));
    assert_eq!(check(&[(header("dev", ::tar::EntryType::Block, 0), b"")]), ["special-file"]);
    assert_eq!(check(&[(header("pipe", ::tar::EntryType::Fifo, 0), b"")]), ["special-file"]);
    assert_eq!(check(&[file("six/../../evil", b"x")]), ["path-traversal"]);
    assert_eq!(check(&[file("/evil", b"x")]), ["absolute-path"]);
    assert_eq!(check(&[file("six/a", b"good"), file("six/a", b"evil")]), ["duplicate-entry"]);
    let same = walk_sdist(&gz(&tar_of(&[file("six/a", b"good"), file("six//a", b"good")])));
    assert!(same.fatal().is_none());
    let two = walk_sdist(&gz(&tar_of(&[file("six/PKG-INFO", b"Name: six"), file("evil/PKG-INFO", b"Name: evil")])));
    assert_eq!(kinds(&two), ["several-metadata"]);
}

#[test]
fn headers_that_readers_disagree_about_are_fatal() {
    // A pax record with another size: the reader that does not know it finds other entries in the contents.
    let records = b"12 size=512\n";
    let pax = (header("pax", ::tar::EntryType::XHeader, records.len() as u64), &records[..]);
    let inner = tar_of(&[file("evil.py", b"")]);
    let smuggled = tar_of(&[pax, file("six/a", b"")]);
    let smuggled = [&smuggled[..smuggled.len() - 1024], &inner[..512], &[0; 1024]].concat();
    let walk = walk_sdist(&gz(&smuggled));
    assert!(walk.fatal().is_some(), "{:?}", walk.objections);
    assert_eq!(kinds(&walk)[0], "ambiguous-header");
    let with_contents = (header("six/folder", ::tar::EntryType::Directory, 512), &[0; 512][..]);
    assert_eq!(kinds(&walk_sdist(&gz(&tar_of(&[with_contents])))), ["ambiguous-header"]);
    let sparse_form = b"28 GNU.sparse.name=evil.py\n\0";
    let pax = (header("pax", ::tar::EntryType::XHeader, 27), &sparse_form[..27]);
    assert!(walk_sdist(&gz(&tar_of(&[pax, file("six/a", b"x")]))).fatal().is_some());
}

#[test]
fn entries_behind_the_end_and_other_bytes_there_are_told() {
    let sdist = usual_sdist();
    let whole = &sdist[..sdist.len() - 1024];
    let lone_zero_block = [whole, &[0; 512], &usual_sdist()[..]].concat();
    assert_eq!(kinds(&walk_sdist(&gz(&lone_zero_block))), ["ambiguous-header"]);
    let junk = walk_sdist(&gz(&[&sdist[..], &[7; 100]].concat()));
    assert_eq!((kinds(&junk), junk.fatal()), (vec!["trailing-data".to_owned()], None));
    let padded = walk_sdist(&[gz(&sdist), vec![0; 100]].concat());
    assert_eq!(padded.objections, []);
    let junk = walk_sdist(&[gz(&sdist), b"signature".to_vec()].concat());
    assert_eq!(junk.objections, [Objection::TrailingData { bytes: 9 }]);
}

#[test]
fn a_tar_that_is_a_zip_as_well_is_fatal() {
    let both = [gz(&usual_sdist()), zip_of(&[Piece::new("setup.py", b"evil")])].concat();
    assert_eq!(kinds(&walk_sdist(&both)), ["polyglot", "trailing-data"]);
}

#[test]
fn a_wrong_checksum_anywhere_in_a_tar_is_found() {
    let mut packed = gz(&usual_sdist());
    let at = packed.len() - 6;
    packed[at] ^= 1;
    assert_eq!(kinds(&walk_sdist(&packed)), ["bad-checksum"]);
    let mut sdist = usual_sdist();
    let second = sdist.windows(16).position(|window| window == b"six-1.0/setup.py").unwrap();
    sdist[second] ^= 1;
    assert_eq!(kinds(&walk_sdist(&gz(&sdist))), ["bad-checksum"]);
}

#[test]
fn what_is_no_archive_or_not_read_says_so() {
    let text = b"<html>not found</html>".repeat(100);
    assert_eq!(walk_wheel(&text).objections, [Objection::NotAnArchive { expected: "zip".into() }]);
    assert_eq!(walk_sdist(&text).objections, [Objection::NotAnArchive { expected: "tar.gz".into() }]);
    assert_eq!(kinds(&walk_sdist(&gz(&text))), ["not-an-archive"]);
    assert_eq!(kinds(&walk_sdist(b"")), ["unreadable"]);
    assert_eq!(kinds(&walk_sdist(&gz(b""))), ["not-an-archive"]);
    assert_eq!(kinds(&walk_wheel(&gz(&usual_sdist()))), ["not-an-archive"]);
    let xz = walk_with(b"\xfd7zXZ", "six-1.0.tar.xz", FileKind::Source, &Limits::default());
    assert_eq!(xz.objections, [Objection::UnreadableKind { archive: "tar.xz".into() }]);
    assert!(xz.fatal().is_some());
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bzip2_is_read_like_gzip() {
    let walk_bz2 = |bytes: &[u8]| walk_with(bytes, "six-1.0.tar.bz2", FileKind::Source, &Limits::default());
    let sdist = bz2(&usual_sdist());
    let walk = walk_bz2(&sdist);
    assert_eq!((walk.objections.as_slice(), walk.entries), (&[][..], 3));
    assert_eq!(walk.metadata.as_deref(), Some(&b"Name: six\n"[..]));
    for end in 0..sdist.len() {
        assert!(walk_bz2(&sdist[..end]).fatal().is_some(), "cut at {end}");
    }
    assert_eq!(kinds(&walk_bz2(b"<html>not found</html>")), ["not-an-archive"]);
    assert_eq!(kinds(&walk_bz2(&[&sdist[..], b"more"].concat())), ["trailing-data"]);
    let mut damaged = sdist.clone();
    damaged[sdist.len() / 2] ^= 1;
    assert!(walk_bz2(&damaged).fatal().is_some());
    let bomb = bz2(&tar_of(&[file("six/zeros", &vec![0; 80 << 20])]));
    assert_eq!(kinds(&walk_bz2(&bomb)), ["ratio-too-high"]);
}

#[test]
fn a_member_that_starts_at_the_end_of_a_buffer_is_seen() {
    let (first, second) = (tar_of(&[file("six/a", b"a")]), tar_of(&[file("six/b", b"b")]));
    let first = &first[..1024];
    let length = |comment: usize| {
        let builder = flate2::GzBuilder::new().comment(vec![b'x'; comment]);
        let mut encoder = builder.write(Vec::new(), Compression::best());
        encoder.write_all(first).unwrap();
        encoder.finish().unwrap()
    };
    // All but one byte of what is read at once.
    let padding = (64 << 10) - 1 - length(0).len();
    let bytes = [length(padding), gz(&second)].concat();
    assert_eq!(walk_sdist(&bytes).entries, 2);
}

#[test]
fn each_limit_of_a_tar_holds() {
    let limited = |bytes: &[u8], limits: Limits| kinds(&walk_with(bytes, SDIST, FileKind::Source, &limits));
    let sdist = gz(&usual_sdist());
    assert_eq!(limited(&sdist, Limits { entries: 2, ..Limits::default() }), ["too-many-entries"]);
    assert_eq!(limited(&sdist, Limits { entry_bytes: 1000, ..Limits::default() }), ["too-large"]);
    assert_eq!(limited(&sdist, Limits { total_bytes: 5000, ..Limits::default() }), ["too-large"]);
    assert_eq!(limited(&sdist, Limits { metadata_bytes: 3, ..Limits::default() }), ["too-large"]);
    let members = gz(b"").repeat(2000);
    assert_eq!(limited(&members, Limits::default()), ["unreadable"]);
    // A long name of a gigabyte would be read into memory whole.
    let long = header("././@LongLink", ::tar::EntryType::GNULongName, 1 << 30);
    let bytes = [long.as_bytes().as_slice(), &vec![b'x'; 1 << 20]].concat();
    assert_eq!(limited(&gz(&bytes), Limits::default()), ["too-large"]);
}

/// Gzip members of a megabyte of zeros each, made as they are read.
struct Bomb {
    member: Vec<u8>,
    head: Vec<u8>,
    position: u64,
    length: u64,
}

impl Read for Bomb {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = usize::try_from(self.length - self.position).unwrap().min(buffer.len());
        for byte in &mut buffer[..count] {
            let at = usize::try_from(self.position).unwrap();
            *byte = match at.checked_sub(self.head.len()) {
                None => self.head[at],
                Some(at) => self.member[at % self.member.len()],
            };
            self.position += 1;
        }
        Ok(count)
    }
}

impl Seek for Bomb {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.position = match position {
            SeekFrom::Start(at) => at,
            SeekFrom::End(back) => self.length.checked_add_signed(back).unwrap(),
            SeekFrom::Current(step) => self.position.checked_add_signed(step).unwrap(),
        };
        Ok(self.position)
    }
}

#[test]
fn a_gzip_bomb_of_ten_gigabytes_stops_at_the_ratio() {
    let head = gz(header("six/zeros", ::tar::EntryType::Regular, 7 << 30).as_bytes());
    let member = gz(&vec![0; 16 << 20]);
    let length = (head.len() + member.len() * 640) as u64;
    let bomb = Bomb { member, head, position: 0, length };
    let name = FileName::parse(SDIST).unwrap();
    let walk = walk(bomb, &name, FileKind::Source, Ecosystem::Pypi, &Limits::default(), || false).unwrap();
    assert_eq!(kinds(&walk), ["ratio-too-high"]);
    assert!(walk.unpacked_bytes <= 65 << 20);
}
