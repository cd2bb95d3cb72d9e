//! Folders, zips and texts of many records.

use std::io::{Cursor, Write};
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{project, range, record};
use crate::advisory::{Advisories, AdvisoryError, COMPLAINTS_KEPT, Loaded};

fn malware(name: &str) -> Value {
    record(&format!("MAL-{name}"), &format!("pypi:{name}"), json!([]), json!([]))
}

fn zip_of<'a>(members: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn names(loaded: &Loaded) -> Vec<String> {
    let mut names: Vec<String> = loaded.advisories.projects().map(|project| project.name.to_string()).collect();
    names.sort();
    names
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn the_same_records_come_from_a_folder_a_zip_a_list_or_lines() {
    let records = [malware("one"), malware("two"), malware("three")];
    let texts: Vec<String> = records.iter().map(ToString::to_string).collect();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("osv/pypi/one/MAL-1.json"), &texts[0]);
    write(&at("osv/pypi/two/MAL-2.JSON"), serde_json::to_string_pretty(&records[1]).unwrap());
    write(&at("osv/MAL-3.json"), &texts[2]);
    write(&at("osv/README.md"), "not a record");
    write(
        &at("all.zip"),
        zip_of([
            ("a.json", texts[0].clone().into()),
            ("x/b.json", texts[1].clone().into()),
            ("c.json", texts[2].clone().into()),
            ("LICENSE", b"text".to_vec()),
        ]),
    );
    write(&at("list.json"), serde_json::to_string_pretty(&records).unwrap());
    write(&at("lines.jsonl"), format!("{}\r\n\n{}\n{}", texts[0], texts[1], texts[2]));
    write(&at("no-ending"), texts.join("\n"));

    let first = Advisories::load(&at("osv")).unwrap();
    for name in ["osv", "all.zip", "list.json", "lines.jsonl", "no-ending"] {
        let loaded = Advisories::load(&at(name)).unwrap();
        assert_eq!(names(&loaded), ["one", "three", "two"], "{name}");
        assert_eq!((loaded.read, loaded.skipped, loaded.complaints.len()), (3, 0, 0), "{name}");
        assert_eq!(loaded.advisories.digest(), first.advisories.digest());
        if name != "osv" {
            let fetched = Advisories::from_bytes("an address", &std::fs::read(at(name)).unwrap()).unwrap();
            assert_eq!(fetched.advisories.digest(), first.advisories.digest());
        }
    }
    write(&at("one.json"), serde_json::to_string_pretty(&records[0]).unwrap());
    assert_eq!(names(&Advisories::load(&at("one.json")).unwrap()), ["one"]);
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_stands_in_nobodys_way() {
    let good = malware("good").to_string();
    let lines = |bad: usize| format!("{}\n{good}\n", vec!["{\"id\": \"broken"; bad].join("\n"));
    let loaded = Advisories::from_bytes("feed.jsonl", lines(30).as_bytes()).unwrap();
    assert_eq!((loaded.read, loaded.skipped, loaded.complaints.len()), (1, 30, COMPLAINTS_KEPT));
    assert!(loaded.complaints[2].starts_with("feed.jsonl:3: this is no OSV record: EOF"), "{}", loaded.complaints[2]);

    let list = format!("[{good}, 3, {{\"id\": 7}}]");
    let loaded = Advisories::from_bytes("feed", list.as_bytes()).unwrap();
    assert_eq!((loaded.read, loaded.skipped), (1, 2));
    assert_eq!(loaded.complaints[1], "feed, record 3: this is no OSV record: it has no id");

    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("good.json"), &good);
    write(&folder.path().join("broken\u{1b}[1m.json"), &good[..good.len() - 9]);
    write(&folder.path().join("long.json"), vec![b' '; 5 << 20]);
    let loaded = Advisories::load(folder.path()).unwrap();
    assert_eq!((loaded.read, loaded.skipped), (1, 2));
    assert!(loaded.complaints.iter().any(|complaint| complaint.contains("more than 4194304 bytes")));
    assert!(!loaded.complaints.iter().any(|complaint| complaint.contains('\u{1b}')));
}

#[test]
fn links_are_not_followed_and_folders_not_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(&outside.path().join("secret.json"), malware("secret").to_string());
    let root = folder.path().join("osv");
    write(&root.join("good.json"), malware("good").to_string());
    std::os::unix::fs::symlink(outside.path(), root.join("folder")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.json"), root.join("file.json")).unwrap();
    std::os::unix::fs::symlink(&root, root.join("circle")).unwrap();
    write(&root.join("d/".repeat(17)).join("deep.json"), malware("deep").to_string());
    let loaded = Advisories::load(&root).unwrap();
    assert_eq!(names(&loaded), ["good"]);
    assert_eq!((loaded.read, loaded.skipped), (1, 1));
    assert!(loaded.complaints[0].ends_with("this folder is too deep; put its records further up"));
    // What the configuration itself names may be a link.
    std::os::unix::fs::symlink(&root, folder.path().join("current")).unwrap();
    assert_eq!(names(&Advisories::load(&folder.path().join("current")).unwrap()), ["good"]);
}

#[test]
fn of_two_records_with_one_id_the_later_counts() {
    let dated = |day: u8, withdrawn: bool, events: &str| {
        let mut record = record("GHSA-1", "pypi:thing", json!([range("ECOSYSTEM", events)]), json!([]));
        record["modified"] = format!("2026-11-{day:02}T00:00:00Z").into();
        if withdrawn {
            record["withdrawn"] = "2026-11-01T00:00:00Z".into();
        }
        record
    };
    let ranges = |records: [Value; 2]| {
        let loaded = Advisories::from_bytes("feed", json!(records).to_string().as_bytes()).unwrap();
        let known = loaded.advisories.of(&project("pypi:thing"));
        known.iter().flat_map(|advisory| advisory.affected_versions()).collect::<Vec<_>>()
    };
    let (old, new) = (dated(1, false, "introduced 0"), dated(2, false, "introduced 0, fixed 1.0"));
    assert_eq!(ranges([old.clone(), new.clone()]), ["<1.0"]);
    assert_eq!(ranges([new, old.clone()]), ["<1.0"]);
    assert_eq!(ranges([dated(3, true, "introduced 0"), old.clone()]), [""; 0]);
    assert_eq!(ranges([dated(1, true, "introduced 0"), old]), ["every version"], "if in doubt, it still counts");
}

#[test]
fn a_source_without_anything_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let absent = Advisories::load(&folder.path().join("absent")).unwrap_err();
    assert!(absent.to_string().ends_with("correct advisories.source or the permissions"), "{absent}");
    let empty = Advisories::load(folder.path()).unwrap_err();
    assert!(
        empty.to_string().ends_with(
            "has no OSV record that can be read; name a folder or a zip of .json records, a .json or a .jsonl"
        ),
        "{empty}"
    );
    for bytes in [&b""[..], b"<html>", b"\x1f\x8b\x08", b"[]", b"{}", b"\0\0", &zip_of([])] {
        let error = Advisories::from_bytes("feed", bytes).unwrap_err();
        assert!(matches!(error, AdvisoryError::Empty { .. }), "{bytes:?}: {error}");
    }
    let html = Advisories::from_bytes("feed", b"<html>").unwrap_err();
    assert!(
        html.to_string()
            .starts_with("feed has no OSV record that can be read (feed: this is no OSV record: expected value"),
        "{html}"
    );
    let npm = json!({ "id": "MAL-1", "affected": [{ "package": { "ecosystem": "npm", "name": "thing" } }] });
    let foreign = Advisories::from_bytes("feed", npm.to_string().as_bytes()).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "feed has 1 OSV records and none speaks of PyPI or CPAN; name a source for one of these"
    );
    // All that a small source says may have been withdrawn, which is no mistake.
    let mut withdrawn = malware("thing");
    withdrawn["withdrawn"] = "2026-11-20T00:00:00Z".into();
    assert_eq!(Advisories::from_bytes("feed", withdrawn.to_string().as_bytes()).unwrap().advisories.count(), 0);
}

#[test]
fn a_source_that_is_cut_short_is_an_error_as_a_whole() {
    let records: Vec<Value> = (0..20).map(|at| malware(&format!("p{at}"))).collect();
    let list = json!(records).to_string();
    let members: Vec<_> = records.iter().map(|record| (format!("{}.json", record["id"]), record.to_string())).collect();
    let zip = zip_of(members.iter().map(|(name, text)| (name.as_str(), text.clone().into_bytes())));
    assert_eq!(Advisories::from_bytes("feed", &zip).unwrap().advisories.count(), 20);
    for (bytes, end) in [(list.as_bytes(), list.len() / 2), (&zip, zip.len() / 2), (&zip, zip.len() - 1), (&zip, 4)] {
        let error = Advisories::from_bytes("feed", &bytes[..end]).unwrap_err();
        assert!(error.to_string().starts_with("feed is cut short or damaged: "), "{error}");
        assert!(error.to_string().ends_with("; fetch it again"), "{error}");
    }
}

#[test]
fn a_hostile_member_of_a_zip_is_told_and_harms_nobody() {
    let good = malware("good").to_string().into_bytes();
    let bomb = vec![b' '; 64 << 20];
    let zip = zip_of([
        ("../../etc/evil.json", good.clone()),
        ("bomb.json", bomb),
        ("/root.json", good.clone()),
        ("good.json", good),
    ]);
    let loaded = Advisories::from_bytes("feed", &zip).unwrap();
    assert_eq!(names(&loaded), ["good"]);
    assert_eq!((loaded.read, loaded.skipped), (1, 3));
    assert_eq!(loaded.complaints[0], "../../etc/evil.json: the path \"../../etc/evil.json\" climbs out of its folder");
    assert_eq!(loaded.complaints[1], "bomb.json: \"bomb.json\" is larger than 4194304 bytes");
}

#[test]
fn many_small_bombs_are_too_much_together() {
    // Each is within its limit and packs a thousand times.
    let padded = vec![b' '; 4 << 20];
    let names: Vec<String> = (0..40).map(|at| format!("{at}.json")).collect();
    let zip = zip_of(names.iter().map(|name| (name.as_str(), padded.clone())));
    let error = Advisories::from_bytes("feed", &zip).unwrap_err();
    assert!(error.to_string().contains("unpacks to more than 200 times its size"), "{error}");
}

/// `cargo test --release --lib advisory -- --nocapture twenty_thousand` says how long it takes.
#[test]
fn twenty_thousand_records_are_read_at_once() {
    let details =
        "Per source details. Installing the package or importing the module exfiltrates basic data. ".repeat(10);
    let members: Vec<(String, Vec<u8>)> = (0..20_000)
        .map(|at| {
            let project = format!("pypi:project-{}", at % 15_000);
            let events = format!("introduced 0, fixed 1.{}", at % 50);
            let versions: Vec<String> = (0..10).map(|minor| format!("1.{minor}.0")).collect();
            let mut record =
                record(&format!("PYSEC-2026-{at}"), &project, json!([range("ECOSYSTEM", &events)]), json!(versions));
            record["details"] = details.clone().into();
            record["aliases"] = json!([format!("CVE-2026-{at}"), format!("GHSA-{at}")]);
            (format!("PYSEC-2026-{at}.json"), record.to_string().into_bytes())
        })
        .collect();
    let zip = zip_of(members.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let start = std::time::Instant::now();
    let loaded = Advisories::from_bytes("all.zip", &zip).unwrap();
    let took = start.elapsed();
    println!("{} bytes packed, read in {took:?}, {} bytes kept", zip.len(), loaded.advisories.bytes());
    assert!(loaded.advisories.bytes() < 20 << 20);
    assert_eq!((loaded.read, loaded.skipped, loaded.advisories.count()), (20_000, 0, 20_000));
    assert_eq!(loaded.advisories.projects().count(), 15_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60), flip in any::<prop::sample::Index>(), to in any::<u8>()) {
        let _ = Advisories::from_bytes("feed", &bytes);
        let mut zip = zip_of([("a.json", malware("a").to_string().into_bytes())]);
        let at = flip.index(zip.len());
        zip[at] = to;
        if let Ok(loaded) = Advisories::from_bytes("feed", &zip) {
            prop_assert_eq!(loaded.read, 1);
        }
        bytes.splice(0..0, *b"PK\x03\x04");
        prop_assert!(Advisories::from_bytes("feed", &bytes).is_err());
    }
}
