//! Small files of a zip, handed over one by one.

use std::io::Cursor;

use super::zip::{Piece, zip_of};
use crate::archive::{FilesError, Limits, Objection, for_each_file};

type Handed = (String, Result<Vec<u8>, Objection>);

/// What was handed over, and how it ended.
fn files(bytes: &[u8], limits: &Limits) -> (Vec<Handed>, Result<(), FilesError>) {
    let mut files = Vec::new();
    let end = for_each_file(
        Cursor::new(bytes),
        limits,
        |name| !name.ends_with("skip"),
        |name, contents| {
            files.push((name.to_owned(), contents.map(<[u8]>::to_vec)));
        },
    );
    (files, end)
}

#[test]
fn files_come_in_order_and_only_those_that_are_wanted() {
    let pieces = ["b.json", "folder/", "folder/a.json", "c/skip"].map(|name| Piece::new(name, name.as_bytes()));
    let (files, end) = files(&zip_of(&pieces), &Limits::default());
    assert!(end.is_ok());
    let expected = ["b.json", "folder/a.json"].map(|name| (name.to_owned(), Ok(name.as_bytes().to_vec())));
    assert_eq!(files, expected);
}

type Expected = fn(&Objection) -> bool;

#[test]
fn what_is_wrong_with_one_file_does_not_end_the_reading() {
    let limits = Limits { entry_bytes: 100, ..Limits::default() };
    let good = Piece::new("good", b"good");
    let bad: [(Piece, Expected); 7] = [
        (Piece::new("../x", b"x"), |it| matches!(it, Objection::PathTraversal { .. })),
        (Piece::new("long", &[b' '; 101]), |it| matches!(it, Objection::TooLarge { limit: 100, .. })),
        (good.clone().with(|piece| piece.crc ^= 1), |it| matches!(it, Objection::BadChecksum { .. })),
        (good.clone().with(|piece| piece.size = 3), |it| matches!(it, Objection::SizeDiffers { .. })),
        (good.clone().with(|piece| piece.size = 5), |it| matches!(it, Objection::SizeDiffers { .. })),
        (good.clone().with(|piece| piece.flags = 1), |it| matches!(it, Objection::Encrypted { .. })),
        (good.clone().with(|piece| piece.packed = vec![0xff; 9]), |it| matches!(it, Objection::Unreadable { .. })),
    ];
    for (piece, expected) in bad {
        let (files, end) = files(&zip_of(&[piece, good.clone()]), &limits);
        assert!(end.is_ok(), "{end:?}");
        let [(_, Err(objection)), (_, Ok(after))] = files.as_slice() else { panic!("{files:?}") };
        assert!(expected(objection), "{objection}");
        assert_eq!(after, b"good");
    }
}

#[test]
fn an_archive_that_costs_too_much_or_lies_is_refused_as_a_whole() {
    let refused = |bytes: &[u8], limits: &Limits| match files(bytes, limits).1 {
        Err(FilesError::Refused(objection)) => objection,
        other => panic!("{other:?}"),
    };
    let two = [Piece::new("a", &[b' '; 600]), Piece::new("b", &[b' '; 600])];
    let limits = Limits { total_bytes: 1000, ..Limits::default() };
    assert!(matches!(refused(&zip_of(&two), &limits), Objection::TooLarge { .. }));
    let limits = Limits { entries: 1, ..Limits::default() };
    assert!(matches!(refused(&zip_of(&two), &limits), Objection::TooManyEntries { limit: 1 }));
    let overlapping = [Piece::new("a", b"a"), Piece::new("b", b"b").with(|piece| piece.offset = Some(1))];
    let bytes = zip_of(&overlapping);
    assert!(files(&bytes, &Limits::default()).1.is_err());
    assert!(matches!(refused(b"no zip", &Limits::default()), Objection::NotAnArchive { .. }));
    let whole = zip_of(&two);
    assert!(files(&whole[..whole.len() - 30], &Limits::default()).1.is_err());
}
