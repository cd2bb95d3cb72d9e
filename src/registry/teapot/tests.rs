//! The repository as a whole: what the original server was seen to answer, what hiding does to it, and what strangers put in.

use rusqlite::Connection;

use super::*;

type Meta = &'static [(&'static str, &'static str)];

/// The made-up sample of the recorded exchanges: instance, signature, and some metadata.
const SAMPLE: [(&str, &str, Meta); 12] = [
    (
        "application acme-app 1.0 tcl",
        "vul5ub344c8cc9icq71pc87ens00008r",
        &[("as::note", "{needs no license}"), ("require", "{acme::greet -require {1.0 2}}")],
    ),
    (
        "package acme::greet 1.0 tcl",
        "bt0v0pkvrmi99v0h4qd25rnemk0000tv",
        &[
            ("as::author", "{Alice Example}"),
            ("as::origin", "http://example.test/greet"),
            ("author", "{Alice Example <alice@example.test>}"),
            ("description", "Says hello to a name, version 1.0."),
            ("license", "BSD"),
            ("require", "{Tcl -require 8.5} {acme::util -require 1.0}"),
            ("subject", "greeting demo"),
        ],
    ),
    (
        "package acme::greet 1.1 tcl",
        "f1l13sg2udv2n8f4722g2628v40000tv",
        &[("description", "Says hello to a name, version 1.1."), ("license", "BSD")],
    ),
    (
        "package acme::greet 2.0 tcl",
        "m6utn32j2t4v4sjjfr08p4bplo0000tv",
        &[("description", "Says hello to a name, version 2.0."), ("secret", "only here")],
    ),
    ("package acme::native 0.5b1 linux-glibc2.3-x86_64", "rtutq9bt5no0jep65hb416f0lk000138", &[]),
    ("package acme::native 0.5b1 win32-ix86", "v96eu1p1199m3a1cj7fu89j81g00011k", &[]),
    ("package acme::util 1.0 tcl", "gt5q0nbqp829149bnsl3n3e9e0000189", &[("recommend", "acme::extra")]),
    ("package acme::util 1.2 tcl", "ct0f9hmv346jjrar5mbrehs5vk000189", &[]),
    ("profile acme-all 1.0 tcl", "vf7737gfc9d6iogkm92n4nkgf80000as", &[]),
    (
        "redirect acme::moved 3.0 tcl",
        "2jonbamarobl68ro209qmehhk000006f",
        &[("as::repository", "http://elsewhere.example.test")],
    ),
    ("package acme::zoe 1.0 tcl", "49pafga6im42n6q8ikgodm6m8o000060", &[("as::author", "Zoë {Łucja}")]),
    ("package acme::zipzoe 1.0 tcl", "mppv5uscrfj2auoctq9emkdff40000b3", &[]),
];

fn instance(words: &str) -> Instance {
    let words = tcl_list::read(words).unwrap();
    Instance::new(Kind::from_word(&words[0]).unwrap(), &words[1], &words[2], &words[3]).unwrap()
}

/// The sample, through a SQLite file as an upstream would send it.
fn catalog() -> Catalog {
    let mut database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE teapot (name TEXT NOT NULL, version TEXT NOT NULL, rcsid TEXT NOT NULL);
             INSERT INTO teapot VALUES ('TEAPOT', '0.2', '$Id$');
             CREATE TABLE instances (type TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, platform TEXT NOT NULL,
                isprofile INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (type,name, version, platform), UNIQUE (file));
             CREATE TABLE meta (file TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (file, key));
             CREATE INDEX meta_file ON meta (file);",
        )
        .unwrap();
    for (words, file, meta) in SAMPLE {
        let one = instance(words);
        let words = (one.kind.as_str(), &*one.name, &*one.version, &*one.platform, one.is_profile(), file);
        database.execute("INSERT INTO instances VALUES (?1, ?2, ?3, ?4, ?5, ?6)", words).unwrap();
        for (key, value) in meta {
            database.execute("INSERT INTO meta VALUES (?1, ?2, ?3)", (file, key, value)).unwrap();
        }
    }
    let plain = database.serialize("main").unwrap().to_vec();
    read_index(&plain).unwrap()
}

fn without(hidden: &[&str], notes: &[(Instance, String)]) -> Published {
    let hidden: Vec<Instance> = hidden.iter().map(|words| instance(words)).collect();
    let visible = |one: &Instance| if hidden.contains(one) { Visibility::Hidden } else { Visibility::Shown };
    Published::build(&catalog(), &visible, notes, 1_795_346_510).unwrap()
}

fn all() -> Published {
    without(&[], &[])
}

fn get(published: &Published, path: &str) -> Answer {
    published.answer(&Request::read(path))
}

/// The result in the page that answers the path.
fn result(published: &Published, path: &str) -> String {
    let answer = get(published, path);
    assert_eq!((answer.status, answer.content_type), (200, "text/html; charset=utf-8"), "{path}: {answer:?}");
    envelope::unwrap(&answer.body).unwrap()
}

const GREET_1_0: &str = "/package/name/acme%3a%3agreet/ver/1%2e0/arch/tcl";

#[test]
fn recorded_pages_are_answered_to_the_byte() {
    let published = all();
    let page = |path| String::from_utf8(get(&published, path).body.to_vec()).unwrap();
    assert_eq!(
        page("/application/list"),
        "<html><head>\n</head><body>\n<!-- [[TPM[[{application acme-app 1.0 tcl 0}]]MPT]] -->\n<h1>\n<a href=\"/index\">Index</a>\n | \
         Instances of &quot;applications&quot;</h1>\n<table>\n<tr>\n<th>What</th>\n<th>Name</th>\n<th>Version</th>\n<th>Platform</th>\n</tr>\n\
         <tr>\n<td>\n<a href=\"/application/list\">application</a>\n</td>\n<td>\n<a href=\"/application/name/acme-app/list\">acme-app</a>\n</td>\n\
         <td>\n<a href=\"/application/name/acme-app/ver/1.0/list\">1.0</a>\n</td>\n<td>\n\
         <a href=\"/application/name/acme-app/ver/1.0/arch/tcl/details\">tcl</a>\n</td>\n</tr>\n</table>\n\n</body></html>\n"
    );
    assert_eq!(
        page("/entity/name/no%3a%3asuch/index"),
        "<html><head>\n</head><body>\n<!-- [[TPM[[]]MPT]] -->\n\n</body></html>\n"
    );
    assert_eq!(
        page(&format!("{GREET_1_0}/value/author")),
        "<html><head>\n</head><body>\n<!-- [[TPM[[{Alice Example <alice@example.test>}]]MPT]] -->\n\
         <h1>Meta data value for author {1 package acme::greet 1.0 tcl}</h1>\n<table>\n<tr>\n<th>Value</th>\n</tr>\n<tr>\n\
         <td>{Alice Example &lt;alice@example.test&gt;}</td>\n</tr>\n</table>\n\n</body></html>\n"
    );
}

#[test]
fn lists_and_indexes_at_every_level() {
    let published = all();
    let greet = "{package acme::greet 1.0 tcl 0} {package acme::greet 1.1 tcl 0} {package acme::greet 2.0 tcl 0}";
    let greet_1_0 = "{package acme::greet 1.0 tcl 0}";
    for (path, expected) in [
        ("/index", "acme-app acme::greet acme::native acme::util acme::zipzoe acme::zoe acme-all"),
        (
            "/package/list",
            "{package acme::greet 1.0 tcl 0} {package acme::greet 1.1 tcl 0} {package acme::greet 2.0 tcl 0} \
             {package acme::native 0.5b1 linux-glibc2.3-x86_64 0} {package acme::native 0.5b1 win32-ix86 0} \
             {package acme::util 1.0 tcl 0} {package acme::util 1.2 tcl 0} {package acme::zipzoe 1.0 tcl 0} {package acme::zoe 1.0 tcl 0}",
        ),
        ("/profile/list", "{profile acme-all 1.0 tcl 1}"),
        ("/redirect/list", ""),
        ("/documentation/list", ""),
        ("/entity/name/acme%3a%3agreet/list", greet),
        ("/package/name/acme%3a%3agreet/list", greet),
        ("/application/name/acme%3a%3agreet/list", ""),
        ("/entity/name/acme%3a%3agreet/ver/1%2e0/list", greet_1_0),
        ("/entity/name/acme%3a%3agreet/ver/1%2e00/list", greet_1_0),
        ("/entity/name/acme%3a%3agreet/ver/1%2e0/arch/tcl/list", greet_1_0),
        ("/entity/name/acme%3a%3agreet/ver/1%2e00/arch/tcl/list", ""),
        ("/package/name/acme%3a%3agreet/ver/1%2E0/list", greet_1_0),
        (&format!("{GREET_1_0}/list"), greet_1_0),
        ("/entity/name/acme%3a%3agreet/index", "{acme::greet 1.0} {acme::greet 1.1} {acme::greet 2.0}"),
        ("/entity/name/acme%3a%3agreet/ver/1%2e0/index", "{package acme::greet 1.0 tcl}"),
        (
            "/entity/name/acme%3a%3anative/ver/0%2e5b1/index",
            "{package acme::native 0.5b1 linux-glibc2.3-x86_64} {package acme::native 0.5b1 win32-ix86}",
        ),
        ("/entity/name/no%3a%3asuch/index", ""),
        ("/entity/name/no%3a%3asuch/list", ""),
    ] {
        assert_eq!(result(&published, path), expected, "{path}");
    }
    assert!(
        result(&published, "/list").starts_with("{application acme-app 1.0 tcl 0} {package acme::greet 1.0 tcl 0}")
    );
}

#[test]
fn keys_metadata_and_values_are_merged() {
    let published = all();
    for (path, expected) in [
        (
            "/keys",
            "as::author as::note as::origin author description entity license name platform recommend require secret subject version",
        ),
        ("/profile/keys", "entity name platform version"),
        ("/entity/name/acme%3a%3autil/keys", "entity name platform recommend version"),
        (&format!("{GREET_1_0}/value/AUTHOR"), "{Alice Example <alice@example.test>}"),
        (&format!("{GREET_1_0}/value/nokey"), ""),
        (&format!("{GREET_1_0}/require"), "{Tcl -require 8.5} {acme::util -require 1.0}"),
        ("/package/name/acme%3a%3autil/ver/1%2e0/arch/tcl/recommend", "acme::extra"),
        ("/package/name/acme%3a%3autil/ver/1%2e0/arch/tcl/require", ""),
        ("/package/name/no%3a%3asuch/ver/1%2e0/arch/tcl/meta", ""),
        ("/entity/name/acme%3a%3azoe/value/as%3a%3aauthor", "Zoë Łucja"),
        ("/entity/name/acme%3a%3agreet/value/license", "BSD"),
        ("/entity/name/acme%3a%3agreet/value/version", "1.0 1.1 2.0"),
    ] {
        assert_eq!(result(&published, path), expected, "{path}");
    }
    let meta = tcl_list::read(&result(&published, "/entity/name/acme%3a%3agreet/meta")).unwrap();
    let value = |key: &str| meta.chunks(2).find(|pair| pair[0] == key).map(|pair| pair[1].as_str());
    assert_eq!(value("platform"), Some("tcl"));
    assert_eq!(value("version"), Some("1.0 1.1 2.0"));
    assert_eq!(value("subject"), Some("greeting demo"));
    assert_eq!(value("author"), Some("{Alice Example <alice@example.test>}"));
    assert_eq!(value("require"), Some("{Tcl -require 8.5} {acme::util -require 1.0}"));
    assert!(
        value("description")
            .unwrap()
            .ends_with("1.0. Says hello to a name, version 1.1. Says hello to a name, version 2.0.")
    );
}

#[test]
fn finding_and_searching() {
    let published = all();
    let util = "{package acme::util 1.0 tcl 0} {package acme::util 1.2 tcl 0}";
    let greet = "{package acme::greet 1.0 tcl 0} {package acme::greet 1.1 tcl 0} {package acme::greet 2.0 tcl 0}";
    for (path, expected) in [
        ("/find/all/acme%3a%3autil%20%2dis%20package%20%2drequire%201%2e0/linux%2dunknown%2dx86%5f64%20tcl", util),
        ("/find/max/acme%3a%3agreet/tcl", "{package acme::greet 2.0 tcl 0}"),
        ("/find/max/acme%3a%3agreet%20%2drequire%201%2e0/tcl", "{package acme::greet 1.1 tcl 0}"),
        ("/find/max/acme%3a%3agreet/linux", ""),
        ("/find/max/no%3a%3asuch/tcl", ""),
        ("/find/all/acme%3a%3agreet/linux%2dunknown%2dx86%5f64%20tcl", greet),
        (
            "/find/max/acme%3a%3anative/win32%2dix86%20linux%2dglibc2%2e3%2dx86%5f64",
            "{package acme::native 0.5b1 win32-ix86 0}",
        ),
        ("/search/key%20name%20rex%20%28%3fi%29greet", greet),
        ("/search/is%20application", "{application acme-app 1.0 tcl 0}"),
        ("/search/key%20name%20eq%20%7bx%27%20OR%20%271%27%3d%271%7d", ""),
    ] {
        assert_eq!(result(&published, path), expected, "{path}");
    }
}

#[test]
fn what_is_no_page() {
    let published = all();
    let answer = get(&published, "/search/bogus%20query");
    assert_eq!(answer.status, 500);
    assert_eq!(answer.reason.as_deref(), Some("Bad query \"bogus query\": Unknown operator \"bogus\""));
    assert!(
        String::from_utf8_lossy(&answer.body).contains("Internal Server Error - Bad query &quot;bogus query&quot;")
    );
    assert_eq!(get(&published, "/find/all/%7b/tcl").status, 500);
    let answer = get(&published, "/search/%c5%81%0d%0aSet-Cookie");
    assert!(answer.reason.unwrap().bytes().all(|byte| (b' '..=b'~').contains(&byte)));

    let answer = get(&published, "/package/name/no%3a%3asuch/ver/1%2e0/arch/tcl/require");
    assert_eq!((answer.status, answer.content_type), (404, "text/plain; charset=utf-8"));
    assert_eq!(answer.body, "Instance \"package no::such 1.0 tcl\" does not exist");

    for path in [
        "/db/journal",
        "/archs",
        &format!("{GREET_1_0}/requirers"),
        &format!("{GREET_1_0}/xfile"),
        &format!("{GREET_1_0}/file"),
    ] {
        assert_eq!(get(&published, path).status, 404, "{path}");
    }
    let answer = get(&published, "/entity/name/acme%3A%3Autil");
    assert_eq!((answer.status, answer.location.as_deref()), (301, Some("/entity/name/acme%3a%3autil/list")));
    assert_eq!(answer.body, "Redirecting short url");
    assert_eq!(answer.under("/teapot").location.as_deref(), Some("/teapot/entity/name/acme%3a%3autil/list"));
    let answer = get(&published, "/version");
    assert_eq!((answer.status, answer.content_type), (200, "text/plain; charset=utf-8"));
    assert!(String::from_utf8_lossy(&answer.body).starts_with("\nApplication lazaret "));
}

#[test]
fn the_status_goes_with_the_index_and_a_client_can_read_both() {
    let published = all();
    let status = IndexStatus::read(&get(&published, "/db/status").body).unwrap();
    assert_eq!((&status, status.imtime), (published.status(), 1_795_346_510));
    let index = get(&published, "/db/index");
    assert_eq!((index.content_type, &index.body), ("application/octet-stream", published.index()));
    assert_eq!(index.body[0], 0x78);
    let plain = unpack(&index.body, &status).unwrap();
    let read = read_index(&plain).unwrap();
    assert_eq!((read.len(), read.skipped()), (11, 0));
    assert_eq!(result(&published, "/list").matches("{package ").count(), 9);
}

#[test]
fn a_hidden_instance_is_nowhere() {
    let published = without(&["package acme::greet 2.0 tcl", "application acme-app 1.0 tcl"], &[]);
    for path in [
        "/index",
        "/list",
        "/package/list",
        "/keys",
        "/entity/name/acme%3a%3agreet/list",
        "/entity/name/acme%3a%3agreet/index",
        "/entity/name/acme%3a%3agreet/meta",
        "/entity/name/acme%3a%3agreet/keys",
        "/find/all/acme%3a%3agreet/tcl",
        "/entity/name/acme%3a%3agreet/value/description",
        "/search/haskey%20name",
        "/entity/name/acme%3a%3agreet/ver/2%2e0/index",
        "/package/name/acme%3a%3agreet/ver/2%2e0/arch/tcl/meta",
    ] {
        let body = String::from_utf8(get(&published, path).body.to_vec()).unwrap();
        for trace in ["2.0", "secret", "acme-app", "moved", "elsewhere"] {
            assert!(
                !body.replace("ver/2.0", "").replace("greet 2.0}", "").replace("greet 2.0 tcl}", "").contains(trace),
                "{path} {trace}: {body}"
            );
        }
    }
    assert_eq!(result(&published, "/find/max/acme%3a%3agreet/tcl"), "{package acme::greet 1.1 tcl 0}");
    for word in ["require", "recommend", "details"] {
        assert_eq!(get(&published, &format!("/package/name/acme%3a%3agreet/ver/2%2e0/arch/tcl/{word}")).status, 404);
    }
    let plain = unpack(published.index(), published.status()).unwrap();
    for trace in [&b"m6utn32j2t4v4sjjfr08p4bplo0000tv"[..], b"secret", b"acme-app", b"elsewhere"] {
        assert!(!plain.windows(trace.len()).any(|bytes| bytes == trace), "{}", String::from_utf8_lossy(trace));
    }
    assert!(!published.shows(&instance("package acme::greet 2.0 tcl")));
    assert_eq!(published.signature(&instance("package acme::greet 1.1 tcl")).unwrap().size(), 959);
}

#[test]
fn a_note_stands_before_what_was_noted_already() {
    let sentence = "2.0 is in quarantine until 2026-11-29".to_owned();
    let notes = [
        (instance("package acme::greet 1.1 tcl"), sentence.clone()),
        (instance("application acme-app 1.0 tcl"), sentence),
    ];
    let published = without(&["package acme::greet 2.0 tcl"], &notes);
    let note = |path: &str| result(&published, &format!("{path}/value/as%3a%3anote"));
    assert_eq!(note("/package/name/acme%3a%3agreet/ver/1%2e1/arch/tcl"), "{2.0 is in quarantine until 2026-11-29}");
    assert_eq!(note("/application/name/acme%2dapp"), "{2.0 is in quarantine until 2026-11-29} {needs no license}");
    let read = read_index(&unpack(published.index(), published.status()).unwrap()).unwrap();
    let entry = read.get(&instance("package acme::greet 1.1 tcl")).unwrap();
    assert_eq!(entry.value("as::note"), Some("{2.0 is in quarantine until 2026-11-29}"));
}

#[test]
fn links_move_under_a_prefix_and_results_do_not() {
    let published = all();
    let page = |path: &str| String::from_utf8(get(&published, path).under("/teapot/").body.to_vec()).unwrap();
    let list = page("/application/list");
    assert!(list.contains("<a href=\"/teapot/application/name/acme-app/ver/1.0/arch/tcl/details\">"), "{list}");
    assert!(list.contains("[[TPM[[{application acme-app 1.0 tcl 0}]]MPT]]"));
    let details = page(&format!("{GREET_1_0}/details"));
    assert!(
        details.contains("<a href=\"/teapot/package/name/acme::greet/ver/1.0/arch/tcl/file\">Package archive</a>"),
        "{details}"
    );
    assert!(details.contains("<a href=\"http://example.test/greet\""));
    assert!(details.contains("<a href=\"/teapot/find/all/acme%3a%3autil%20%2drequire%201%2e0/"));
}

#[test]
fn what_strangers_write_cannot_become_markup_or_end_a_result() {
    let evil = "]]MPT]] --><script>alert(1)</script>\" onclick=";
    let file = Some("bt0v0pkvrmi99v0h4qd25rnemk0000tv");
    let mut gathering = catalog::Gathering::default();
    gathering.instance([Some("package"), Some(evil), Some("1.0"), Some("tcl")], false, file);
    gathering.meta(file, Some("description"), Some(&tcl_list::write(["a", evil])));
    gathering.meta(file, Some("as::origin"), Some("javascript:alert(1)"));
    gathering.meta(file, Some("require"), Some("{acme::util -require 1.0 -odd} {{} {}}"));
    gathering.meta(file, Some(evil), Some("x"));
    let catalog = gathering.finish();
    let published = Published::build(&catalog, &|_| Visibility::Shown, &[], 1).unwrap();
    let name = encode_segment(evil);
    let base = format!("/package/name/{name}/ver/1%2e0/arch/tcl");
    for path in [
        "/list".to_owned(),
        "/index".to_owned(),
        "/keys".to_owned(),
        format!("{base}/meta"),
        format!("{base}/value/description"),
        format!("{base}/details"),
        format!("{base}/require"),
        format!("{base}/keys"),
        format!("/entity/name/{name}/index"),
        format!("/entity/name/{name}/ver/1/index"),
        format!("/find/all/{}/tcl", encode_segment(&tcl_list::write([evil]))),
        format!("/search/{name}"),
    ] {
        let answer = get(&published, &path);
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let outside = body.split_once("]]MPT]] -->").map_or(&*body, |(_, outside)| outside);
        assert!(!outside.contains("<script") && !outside.contains("\" onclick"), "{path}: {body}");
        assert!(body.matches("-->").count() <= 1, "{path}: {body}");
        assert!(!outside.contains("href=\"javascript"), "{path}");
    }
    assert_eq!(tcl_list::read(&result(&published, "/index")).unwrap(), [evil]);
    assert_eq!(tcl_list::read(&result(&published, &format!("{base}/value/description"))).unwrap(), ["a", evil]);
}

#[test]
fn files_are_framed_and_typed() {
    let signature = Signature::of(b"abc").unwrap();
    assert_eq!(xfile_head(&signature), "3 900150983cd24fb0d6963f7d28e17f72\n");
    assert_eq!(content_type_of(b"# @@ Meta Begin\n"), "text/plain");
    assert_eq!(content_type_of(b"PK\x03\x04"), "application/x-zip");
    assert_eq!(content_type_of(b"\x7fELF\0"), "application/octet-stream");
}
