//! teapot: every address of the protocol, at the root of the listener and under `/teapot`, while something is held.

use std::collections::BTreeSet;
use std::io::Write as _;

use http::Method;
use lazaret::registry::teapot::{Instance, Kind, tcl_list};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::clock::HOUR;
use crate::common::teapot_house::{encoded, package};
use crate::common::{FakeTeapot, Teacup, TeapotHouse};

const GREET: &str = "acme%3a%3agreet";

/// A repository with an instance of each kind, and a redirect.
async fn repository() -> FakeTeapot {
    let upstream = FakeTeapot::start().await;
    for version in ["1.0", "1.1"] {
        let meta = [
            ("as::author", "{Alice Example}"),
            ("description", "{Says hello to Zoë.}"),
            ("recommend", "{acme::native -require 0.5}"),
            ("require", "{Tcl -require 8.5} {acme::util -require 1.0}"),
        ];
        upstream.package("acme::greet", version, &meta);
    }
    upstream.package("acme::util", "1.0", &[("as::note", "{tested well}")]);
    upstream.package("acme::util", "1.2", &[("summary", "{Not the oldest.}")]);
    upstream.module("application", "acme-app", "1.0", "tcl", &[]);
    upstream.module("profile", "acme-all", "1.0", "tcl", &[("require", "{acme::greet -require 1.0}")]);
    upstream.module("documentation", "acme manual", "1.0", "tcl", &[]);
    upstream.module("package", "acme::native", "0.5b1", "linux-glibc2.3-x86_64", &[]);
    upstream.file(["package", "acme::zipped", "1.0", "tcl"], zipped(), &[("summary", "{In a zip.}")]);
    let elsewhere = [("as::repository", "http://elsewhere.example.test/"), ("as::type", "package")];
    upstream.module("redirect", "acme::elsewhere", "1.0", "tcl", &elsewhere);
    upstream
}

fn zipped() -> bytes::Bytes {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    zip.start_file("teapot.txt", plain).expect("an entry");
    zip.write_all(b"Package acme::zipped 1.0\nMeta platform tcl\nMeta summary {In a zip.}\n").expect("a text");
    zip.start_file("zipped.tcl", plain).expect("an entry");
    zip.write_all(b"package provide acme::zipped 1.0\n").expect("a text");
    zip.finish().expect("a zip").into_inner().into()
}

/// Everything is settled but a new version of `acme::greet`, with a key of its own, and a whole new name.
async fn house() -> TeapotHouse {
    let house = TeapotHouse::before(repository().await).await;
    house.index().await;
    house.clock().advance(HOUR);
    let meta = [("as::author", "{Alice Example}"), ("secret", "{of the held}"), ("description", "{Held words.}")];
    house.upstream.package("acme::greet", "2.0", &meta);
    house.upstream.package("acme::fresh", "1.0", &[("secret", "{too}")]);
    house.poll().await;
    house
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

const NOTE: &str = "2.0 is in quarantine until 2026-11-26";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_is_answered_from_what_is_shown() {
    let house = house().await;
    for root in ["", "/teapot"] {
        let list = async |path: &str| sorted(house.list(&format!("{root}{path}")).await);
        let greets = ["package acme::greet 1.0 tcl 0", "package acme::greet 1.1 tcl 0"];
        assert_eq!(
            list("/index").await,
            ["acme manual", "acme-all", "acme-app", "acme::greet", "acme::native", "acme::util", "acme::zipped"]
        );
        let everything = list("/list").await;
        assert_eq!(everything.len(), 9);
        assert!(everything.contains(&"profile acme-all 1.0 tcl 1".to_owned()), "{everything:?}");
        assert!(everything.contains(&"documentation {acme manual} 1.0 tcl 0".to_owned()));
        assert_eq!(list("/package/list").await.len(), 6);
        assert_eq!(list("/application/list").await, ["application acme-app 1.0 tcl 0"]);
        assert_eq!(list("/redirect/list").await, [""; 0], "redirects are nowhere");
        for path in [
            format!("/entity/name/{GREET}/list"),
            format!("/package/name/{GREET}/list"),
            "/package/name/acme::greet/list?a=b".to_owned(),
            format!("/find/all/{GREET}/tcl"),
            format!("/find/all/{}/{}", encoded("acme::greet -is package -require 1.0"), encoded("linux-x86_64 tcl")),
            format!("/search/{}", encoded("key name glob acme::gr*")),
            format!("/search/{}", encoded("and {is package} {haskey as::author}")),
        ] {
            assert_eq!(list(&path).await, greets, "{path}");
        }
        // Versions are compared as numbers, instances as texts.
        assert_eq!(list(&format!("/entity/name/{GREET}/ver/1%2e00/list")).await, greets[..1]);
        assert_eq!(list(&format!("/package/name/{GREET}/ver/1%2e0/arch/tcl/list")).await, greets[..1]);
        assert_eq!(list(&format!("/package/name/{GREET}/ver/1%2e00/arch/tcl/list")).await, [""; 0]);
        assert_eq!(list(&format!("/entity/name/{GREET}/index")).await, ["acme::greet 1.0", "acme::greet 1.1"]);
        assert_eq!(list(&format!("/entity/name/{GREET}/ver/1%2e0/index")).await, ["package acme::greet 1.0 tcl"]);
        // What is best is found anew without what is held.
        assert_eq!(list(&format!("/find/max/{GREET}/tcl")).await, greets[1..]);
        for nothing in [
            format!("/entity/name/{GREET}/ver/2%2e0/list"),
            format!("/entity/name/{GREET}/ver/2%2e0/index"),
            "/entity/name/acme%3a%3afresh/list".to_owned(),
            "/entity/name/acme%3a%3afresh/meta".to_owned(),
            "/entity/name/acme%3a%3aelsewhere/list".to_owned(),
            "/package/name/no%3a%3asuch/list".to_owned(),
            "/package/name/no%3a%3asuch/keys".to_owned(),
            format!("/find/max/{}/tcl", encoded("acme::greet -require 2.0")),
            format!("/find/all/{}/tcl", encoded("acme::native")),
            format!("/search/{}", encoded("haskey secret")),
            format!("/search/{}", encoded("key name eq {x' OR '1'='1}")),
            format!("/search/{}", encoded("key name eq {x\"; DROP TABLE instances; --}")),
            format!("/package/name/{GREET}/ver/2%2e0/arch/tcl/value/secret"),
        ] {
            assert_eq!(list(&nothing).await, [""; 0], "{nothing}");
        }
        // Keys, values and metadata know nothing of what is held, and of all that is not.
        let keys: BTreeSet<String> = list("/keys").await.into_iter().collect();
        assert!(keys.contains("as::note") && keys.contains("summary") && !keys.contains("secret"), "{keys:?}");
        assert!(!list(&format!("/entity/name/{GREET}/keys")).await.contains(&"summary".to_owned()));
        assert!(list("/package/name/acme%3a%3autil/ver/1%2e2/arch/tcl/keys").await.contains(&"summary".to_owned()));
        let meta = house.list(&format!("{root}/entity/name/{GREET}/meta")).await;
        let meta: Vec<(&str, &str)> = meta.chunks(2).map(|pair| (&*pair[0], &*pair[1])).collect();
        let note = format!("{{{NOTE}}}");
        for pair in
            [("platform", "tcl"), ("version", "1.0 1.1"), ("as::note", &note), ("description", "{Says hello to Zoë.}")]
        {
            assert!(meta.contains(&pair), "{pair:?} {meta:?}");
        }
        assert!(meta.iter().all(|(key, _)| *key != "secret"));
        assert_eq!(list(&format!("/entity/name/{GREET}/value/description")).await, ["Says hello to Zoë."]);
        assert_eq!(list(&format!("/package/name/{GREET}/ver/1%2e1/value/as%3A%3Anote")).await, [NOTE]);
        assert_eq!(list(&format!("/package/name/{GREET}/ver/1%2e0/value/as%3a%3anote")).await, [""; 0]);
        let needs = ["Tcl -require 8.5", "acme::util -require 1.0"];
        assert_eq!(list(&format!("/package/name/{GREET}/ver/1%2e0/arch/tcl/require")).await, needs);
        assert_eq!(
            list(&format!("/package/name/{GREET}/ver/1%2e0/arch/tcl/recommend")).await,
            ["acme::native -require 0.5"]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_for_people_and_small_scripts_show_the_same() {
    let house = house().await;
    for root in ["", "/teapot"] {
        let page = async |path: &str| {
            let got = house.get(&format!("{root}{path}")).await;
            (got.status, got.headers, String::from_utf8(got.body).expect("UTF-8"))
        };
        // One such script cuts these addresses out, another fetches `file` from them.
        let (_, _, table) = page("/package/list").await;
        let shown = format!("href=\"{root}/package/name/acme::greet/ver/1.1/arch/tcl/details\"");
        assert!(table.contains(&shown), "{table}");
        assert!(!table.contains("ver/2.0") && !table.contains("fresh"));
        let (status, _, details) = page(&format!("/package/name/{GREET}/ver/1%2e1/arch/tcl/details")).await;
        assert!(status == 200 && details.contains(NOTE) && !details.contains("2.0/arch"), "{details}");
        let (status, _, status_page) = page("/db/status").await;
        let pre = status_page.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next()).expect("a copy");
        assert_eq!(status, 200);
        assert_eq!(tcl_list::read(pre).expect("a list").len(), 5);
        let (status, headers, version) = page("/version").await;
        assert!(status == 200 && headers.contains("content-type: text/plain") && version.contains("lazaret"));

        for (short, long) in [
            ("/", "/index"),
            ("/entity", "/index"),
            ("/entity/name", "/index"),
            ("/package", "/package/list"),
            ("/package/name", "/package"),
            (&format!("/package/name/{GREET}"), &format!("/package/name/{GREET}/list")),
            (&format!("/entity/name/{GREET}/ver/1%2e0"), &format!("/entity/name/{GREET}/ver/1%2e0/list")),
        ] {
            let (status, headers, body) = page(short).await;
            assert_eq!((status, &*body), (301, "Redirecting short url"), "{short}");
            assert!(headers.contains(&format!("location: {root}{long}\r\n")), "{short}: {headers}");
        }
        for (path, status, words) in [
            ("/db/journal".to_owned(), 404, ""),
            ("/no/such".to_owned(), 404, ""),
            ("/Package/list".to_owned(), 404, ""),
            (format!("/package/name/{GREET}/ver/1%2e0/arch/tcl/requirers"), 404, ""),
            (format!("/package/name/{GREET}/ver/1%2e0/arch/tcl/recommenders"), 404, ""),
            (format!("/package/name/{GREET}/ver/2%2e0/arch/tcl/details"), 404, "does not exist"),
            (
                format!("/package/name/{GREET}/ver/2%2e0/arch/tcl/require"),
                404,
                "Instance \"package acme::greet 2.0 tcl\" does not exist",
            ),
            ("/search/bogus%20query".to_owned(), 500, "Unknown operator"),
            ("/find/all/%7b/tcl".to_owned(), 500, ""),
            ("/package/name/a%00b/list".to_owned(), 404, ""),
            ("/package/name/..%2f..%2fetc/ver/1/arch/tcl/file".to_owned(), 404, ""),
        ] {
            let (found, _, body) = page(&path).await;
            assert!(found == status && body.contains(words), "{path}: {found} {body}");
        }
    }
    // The client's message comes from the reason phrase too.
    let answer = house.house.browser.send(Method::GET, &format!("{}/search/bogus", house.archive()), &[], None).await;
    assert!(answer.status == 500 && answer.reason.contains("Unknown operator"), "{} {}", answer.status, answer.reason);
    let answer = house.house.browser.send(Method::HEAD, &format!("{}/db/index", house.archive()), &[], None).await;
    assert!(answer.status == 200 && answer.body.is_empty() && answer.header("content-length").len() > 2);

    // As a client with a proxy set asks, for whichever archive.
    let mut stream =
        tokio::net::TcpStream::connect(house.archive().trim_start_matches("http://")).await.expect("a door");
    let request =
        "GET http://teapot.example.test/db/status HTTP/1.1\r\nHost: teapot.example.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("[[TPM[["), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_that_is_shown_is_served_whole_and_no_other() {
    let house = house().await;
    let index = house.index().await;
    assert_eq!(index.len(), 9);
    for entry in index.entries() {
        house.file(&entry.instance).await;
        assert!(index.get(&entry.instance).is_some_and(|entry| entry.value("platform").is_some()));
    }
    let zipped = house.get("/teapot/package/name/acme%3a%3azipped/ver/1%2e0/arch/tcl/file.zip").await;
    assert!(zipped.headers.contains("content-type: application/x-zip") && zipped.body.starts_with(b"PK"));
    let module = house.get("/package/name/acme%3a%3autil/ver/1%2e0/arch/tcl/file.tm").await;
    assert!(module.headers.contains("content-type: text/plain"), "{}", module.headers);

    // Held: refused in all seven forms, each in the words for its client.
    house.refusal(&package("acme::greet", "2.0")).await;
    for form in ["file.zip", "file.tm", "file.kit", "file.exe", "file.dat"] {
        for root in ["", "/teapot"] {
            let got = house.get(&format!("{root}/package/name/{GREET}/ver/2%2e0/arch/tcl/{form}")).await;
            let body = String::from_utf8_lossy(&got.body).into_owned();
            assert!(got.status == 403 && body.starts_with("acme::greet 2.0 is held until"), "{form}: {body}");
        }
    }
    let redirect = Instance::new(Kind::Redirect, "acme::elsewhere", "1.0", "tcl").expect("an instance");
    assert!(house.refusal(&redirect).await.contains("redirect to another repository"));
    // Unknown: nothing to hold back.
    for (path, status) in [("xfile", 404), ("file", 404), ("file.sh", 404)] {
        let got = house.get(&format!("/package/name/no%3a%3asuch/ver/1%2e0/arch/tcl/{path}")).await;
        assert_eq!(got.status, status, "{path}: {}", String::from_utf8_lossy(&got.body));
    }
    let asked = house.upstream.asked_for("/acme%3a%3aelsewhere").len() + house.upstream.asked_for("no%3a%3asuch").len();
    assert_eq!(asked, 0, "nobody asks the repository on behalf of such a client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_sees_the_same_with_its_cache_on_and_off() {
    let house = house().await;
    for archive in [house.archive(), format!("{}/teapot/", house.archive())] {
        let (mut on, mut off) = (Teacup::new(&archive), Teacup::new(&archive).without_cache());
        for name in [None, Some("acme::greet"), Some("acme::fresh"), Some("no::such")] {
            let (with, without) = (on.list(name).await, off.list(name).await);
            assert_eq!(with.out, without.out);
            assert!(with.exit == 0 && with.asked[0].ends_with("/db/status"));
        }
        assert!(on.list(None).await.out.contains(&format!("package acme::greet 1.1 tcl {{{NOTE}}}\n")));
        assert_eq!(on.keys().await.out, off.keys().await.out);
        for name in ["acme::greet", "acme manual"] {
            assert_eq!(on.describe(name).await.exit, 0);
            assert_eq!(off.describe(name).await.exit, 0, "a description needs its platform");
        }
        for (on_or_off, requests) in [(&mut on, 1), (&mut off, 0)] {
            let run = on_or_off.install("acme::greet").await;
            assert_eq!(run.exit, 0, "{}", run.out);
            let installed: Vec<&str> = on_or_off.installed.keys().map(String::as_str).collect();
            assert_eq!(installed, ["package acme::greet 1.1 tcl", "package acme::util 1.2 tcl"]);
            let status = run.asked.iter().filter(|path| path.contains("/db/")).count();
            assert_eq!(status, requests, "{:?}", run.asked);
            assert!(run.asked.iter().all(|path| !path.ends_with("/file")), "no fallback was needed");
            let run = on_or_off.install("acme::greet -require 2.0").await;
            assert!(run.exit == 1 && run.out.contains("Not found in the archives."), "{}", run.out);
            let run = on_or_off.search("is profile").await;
            assert!(run.out.ends_with("1 entities found\n"), "{}", run.out);
        }
        assert_eq!(on.installed, off.installed);
        let run = on.update().await;
        assert_eq!((run.exit, on.installed.len()), (0, 9), "{}", run.out);
    }
}
