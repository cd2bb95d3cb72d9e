//! Perl distributions in archives.

use std::io::Cursor;

use super::kinds;
use super::tar::{file, gz, tar_of};
use super::zip::{Piece, zip_of};
use crate::archive::{Limits, ScriptFactKind, Walk, walk};
use crate::domain::{Ecosystem, FileKind, FileName};

const DIST: &str = "Foo-1.0.tar.gz";

fn walk_dist(bytes: &[u8], name: &str) -> Walk {
    let name = FileName::parse(name).unwrap();
    walk(Cursor::new(bytes), &name, FileKind::Source, Ecosystem::Cpan, &Limits::default(), || false).unwrap()
}

fn dist(files: &[(&str, &str)]) -> Walk {
    let entries: Vec<_> = files.iter().map(|(path, text)| file(path, text.as_bytes())).collect();
    walk_dist(&gz(&tar_of(&entries)), DIST)
}

#[test]
fn a_distribution_tells_its_packages_and_its_metadata() {
    let walk = dist(&[
        ("Foo-1.0/META.yml", "name: Foo"),
        ("Foo-1.0/META.json", "{}"),
        ("Foo-1.0/Makefile.PL", "use LWP::Simple;"),
        ("Foo-1.0/lib/Foo.pm", "package Foo; our $VERSION = '1.0';"),
        ("Foo-1.0/t/META.json", "[]"),
        ("Foo-1.0/PKG-INFO", "Name: six"),
    ]);
    assert_eq!(kinds(&walk), Vec::<String>::new());
    assert_eq!(walk.metadata.as_deref(), Some(&b"{}"[..]));
    let perl = walk.perl.clone().unwrap();
    assert!(perl.meta_json && perl.meta_yml && perl.tops == 1);
    assert_eq!((&*perl.packages[0].package, &*perl.packages[0].file), ("Foo", "lib/Foo.pm"));
    assert_eq!((perl.script_facts[0].kind, &*perl.script_facts[0].file), (ScriptFactKind::Network, "Makefile.PL"));
    // It is stored as part of the evidence.
    let written = serde_json::to_string(&walk).unwrap();
    assert_eq!(serde_json::from_str::<Walk>(&written).unwrap(), Walk { metadata: None, ..walk });
}

#[test]
fn the_newer_metadata_is_taken_wherever_it_stands() {
    let walk = dist(&[("Foo-1.0/META.json", "{}"), ("Foo-1.0/META.yml", "name: Foo")]);
    assert_eq!(walk.metadata.as_deref(), Some(&b"{}"[..]));
    let walk = dist(&[("Foo-1.0/META.yml", "name: Foo")]);
    assert_eq!(walk.metadata.as_deref(), Some(&b"name: Foo"[..]));
}

#[test]
fn two_distributions_in_one_archive_contradict_each_other() {
    let walk = dist(&[("Foo-1.0/META.json", "{}"), ("Bar-1.0/META.json", "{}")]);
    assert_eq!((kinds(&walk), walk.perl.unwrap().tops), (vec!["several-metadata".to_owned()], 2));
}

#[test]
fn a_script_that_is_too_long_to_read_is_said() {
    let long = format!("{}\nsystem('id');\n", "1;\n".repeat(400_000));
    let perl = dist(&[("Foo-1.0/Makefile.PL", &long)]).perl.unwrap();
    assert_eq!((perl.unexamined, perl.script_facts[0].kind), (1, ScriptFactKind::Obfuscated));
}

#[test]
fn zip_archives_are_read_too_and_other_ecosystems_have_no_perl() {
    let zip = zip_of(&[Piece::new("Foo-1.0/Build.PL", b"system('id');")]);
    assert_eq!(walk_dist(&zip, "Foo-1.0.zip").perl.unwrap().script_facts[0].kind, ScriptFactKind::Exec);
    let bytes = gz(&tar_of(&[file("six-1.0/Makefile.PL", b"system('id');")]));
    let walk = super::walk_sdist(&bytes);
    assert_eq!(walk.perl, None);
    assert!(!serde_json::to_string(&walk).unwrap().contains("perl\":"));
}
