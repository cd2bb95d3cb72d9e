//! A teapot repository that is broken, hostile or away.

use std::time::Duration;

use http::Method;
use rusqlite::Connection;

use crate::common::clock::{HOUR, MINUTE};
use crate::common::fake_teapot::zlib;
use crate::common::teacup::fetch;
use crate::common::teapot_house::package;
use crate::common::test_house::TestHouse;
use crate::common::{FakeTeapot, Fault, TeapotHouse};

const ALICE: (&str, &str) = ("as::author", "{Alice Example}");

async fn settled() -> TeapotHouse {
    let upstream = FakeTeapot::start().await;
    upstream.package("acme::greet", "1.0", &[ALICE]);
    upstream.package("acme::util", "1.0", &[ALICE]);
    let house = TeapotHouse::before(upstream).await;
    assert_eq!(house.index().await.len(), 2);
    house.clock().advance(HOUR);
    house
}

/// An index with these rows, however odd.
fn index_with(rows: &str) -> Vec<u8> {
    let mut database = Connection::open_in_memory().expect("memory");
    let tables = "CREATE TABLE teapot (name TEXT NOT NULL, version TEXT NOT NULL, rcsid TEXT NOT NULL);
        INSERT INTO teapot VALUES ('TEAPOT', '0.2', '$Id$');
        CREATE TABLE instances (type TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, platform TEXT NOT NULL,
            isprofile INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (type, name, version, platform), UNIQUE (file));
        CREATE TABLE meta (file TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (file, key));";
    database.execute_batch(tables).expect("tables");
    database.execute_batch(rows).expect("rows");
    database.serialize("main").expect("bytes").to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_cannot_be_right_is_told_once_and_the_last_good_one_stays() {
    let house = settled().await;
    let good = house.status().await;
    let bomb = {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        let zeros = vec![0; 1 << 20];
        for _ in 0..1024 {
            std::io::Write::write_all(&mut zlib, &zeros).expect("memory");
        }
        zlib.finish().expect("a bomb")
    };
    let upstream = &house.upstream;
    let mut alarms = 0;
    let tricks: [(&str, &dyn Fn()); 7] = [
        ("db/status promised", &|| upstream.send_other_packed(zlib(b"another"))),
        ("db/status promised", &|| upstream.send_other_packed(bomb.clone())),
        ("no SQLite file", &|| upstream.send_other_index(b"no database".to_vec())),
        ("a table is missing", &|| {
            upstream.send_other_index(index_with(
                "DROP TABLE meta; CREATE VIEW meta AS SELECT 1 AS file, 2 AS key, 3 AS value",
            ));
        }),
        ("another version", &|| upstream.send_other_index(index_with("UPDATE teapot SET version = '0.3'"))),
        ("exceeds the limit", &|| {
            upstream.tell_no_integrity();
            upstream.send_other_packed(bomb.clone());
        }),
        ("whole zlib stream", &|| upstream.send_other_packed(zlib(&[7; 10_000])[..20].to_vec())),
    ];
    for (words, play) in tricks {
        upstream.heal();
        play();
        house.poll().await;
        house.house.pass(MINUTE).await;
        assert_eq!(house.status().await, good, "{words}");
        let told = house.events("alarm").await;
        alarms += 1;
        assert_eq!(told.len(), alarms, "{words}: {:#?}", told.last());
        let summary = told.last().and_then(|alarm| alarm["summary"].as_str()).unwrap_or_default();
        assert!(summary.contains(words), "{words}: {summary}");
    }
    // What the status says is not believed any more than that.
    for status in ["{1 2", "1 2 {0 0} {0 0} {a b c d", "now now {0 0} {0 0}", "", "1\0 2 {0 0} {0 0}", "\u{fffd}"] {
        upstream.heal();
        upstream.send_other_status(status);
        house.poll().await;
        assert_eq!(house.status().await, good, "{status:?}");
    }
    upstream.fault("/db/status", Fault::Garbage);
    house.poll().await;
    assert_eq!(house.status().await, good);
    upstream.heal();
    house.poll().await;
    assert_eq!(house.index().await.len(), 2);
    assert_eq!(house.imtime().await, good.imtime, "nothing changed in the end");
    assert!(!house.file(&package("acme::greet", "1.0")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_would_harm_a_client_are_left_out() {
    let house = settled().await;
    // A time at the end of time would leave no number to count on with.
    house.upstream.set_imtime(i64::MAX - 5);
    let file = |digit: char| String::from(digit).repeat(32);
    let rows = [
        ("'package', 'acme::odd', '1.0', 'tcl'", '0'),
        ("'package', '..', '1.0', 'tcl'", '1'),
        ("'package', '../../etc/passwd', '1.0', 'tcl'", '2'),
        ("'package', 'nul' || char(0) || 'name', '1.0', 'tcl'", '3'),
        ("'package', CAST(x'ff41' AS TEXT), '1.0', 'tcl'", '4'),
        ("'package', 'line' || char(10) || 'end', '1.0', 'tcl'", '5'),
        ("'package', 'acme::version', 'latest', 'tcl'", '6'),
        ("'pirate', 'acme::pirate', '1.0', 'tcl'", '7'),
        ("'package', 'curly} {brace', '1.0', 'tcl'", '8'),
        ("'package', '<script>alert(1)</script>', '1.0', 'tcl'", '9'),
        ("'package', ']]MPT]] -->', '1.0', 'tcl'", 'a'),
        ("'package', 'acme::file', '1.0', 'tcl'", 'z'),
    ];
    let mut sql: String = rows
        .iter()
        .map(|(words, digit)| format!("INSERT INTO instances VALUES ({words}, 0, '{}');", file(*digit)))
        .collect();
    for (key, value) in [
        ("summary", "'{unbalanced'"),
        ("author", "CAST(x'ff' AS TEXT)"),
        ("description", "'nul' || char(0)"),
        ("license", "'fine'"),
    ] {
        sql.push_str(&format!("INSERT INTO meta VALUES ('{}', '{key}', {value});", file('0')));
    }
    house.upstream.send_other_index(index_with(&sql));
    house.poll().await;
    assert!(house.index().await.is_empty(), "what is new is held, what is gone is not shown");
    for target in ["teapot:acme::odd==1.0", "teapot:curly} {brace==1.0", "teapot:]]MPT]] -->==1.0"] {
        let target = target.replace(' ', "%20").replace(['{', '}'], "%7D").replace("%7D %7D", "%7D%20%7B");
        let target = target.replace("%7D%20%7Dbrace", "%7D%20%7Bbrace").replace('>', "%3E").replace(']', "%5D");
        let answer = house.house.decide("approve", &target).await;
        // Their bytes cannot be had, and nothing is let in without them.
        assert_eq!(answer.status, 502, "{target}: {}", answer.text());
    }
    let list = house.house.api(Method::GET, "/uploads?ecosystem=teapot&limit=100", None).await.json();
    let names: Vec<&str> =
        list["items"].as_array().expect("items").iter().filter_map(|upload| upload["project"].as_str()).collect();
    for bad in ["..", "../../etc/passwd", "acme::version", "acme::pirate", "acme::file"] {
        assert!(!names.contains(&bad), "{bad}");
    }
    assert!(names.iter().all(|name| !name.chars().any(char::is_control)), "{names:?}");
    let before = house.imtime().await;
    house.upstream.heal();
    house.poll().await;
    // What came back was away in its youth: only a person lets it in again.
    house.house.approve("teapot:acme::greet==1.0").await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    assert!(house.imtime().await > before, "there are numbers left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_those_of_the_index_are_not_served() {
    let house = settled().await;
    let greet = ["package", "acme::greet", "1.0", "tcl"];
    let path = "/package/name/acme%3a%3agreet/ver/1%2e0/arch/tcl/file";
    for (bytes, words) in [(b"short".as_slice(), "does not have the MD5"), (&vec![b'#'; 100_000], "")] {
        house.upstream.send_other_bytes(greet, bytes::Bytes::copy_from_slice(bytes));
        assert_eq!(house.get(&path.replace("/file", "/xfile")).await.status, 404);
        let got = house.get(path).await;
        let body = String::from_utf8_lossy(&got.body).into_owned();
        assert!(got.status == 503 && body.contains("try again later") && body.contains(words), "{} {body}", got.status);
        assert!(!body.contains("_3a"), "{body}");
    }
    // Of the right size, and yet others: an alarm.
    let same_size = vec![b'!'; house.index().await.entries()[0].signature.size() as usize];
    house.upstream.send_other_bytes(greet, same_size.into());
    let mut teacup = house.teacup();
    let run = teacup.install("acme::greet").await;
    assert!(run.exit == 1 && teacup.installed.is_empty(), "{}", run.out);
    assert!(run.out.contains("package acme::greet 1.0 tcl does not have the MD5 that the index\nlists"), "{}", run.out);
    let alarms = house.events("alarm").await;
    assert!(
        alarms.iter().any(|alarm| alarm["summary"].as_str().is_some_and(|text| text.contains("MD5"))),
        "{alarms:#?}"
    );
    // Without lengths, cut, or away: in words, and not for ever.
    house.upstream.heal();
    for fault in [Fault::CutAfter(20), Fault::Status(500), Fault::Status(404), Fault::HangUp] {
        house.upstream.fault("acme%3a%3autil", fault.clone());
        let got = house.get("/package/name/acme%3a%3autil/ver/1%2e0/arch/tcl/file").await;
        assert_eq!(got.status, 503, "{fault:?}: {}", String::from_utf8_lossy(&got.body));
    }
    house.upstream.heal();
    house.upstream.say_no_lengths();
    assert!(!house.file(&package("acme::util", "1.0")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_is_away_at_the_start_is_waited_for_and_then_told_of() {
    let upstream = FakeTeapot::start().await;
    upstream.package("acme::greet", "1.0", &[ALICE]);
    let gate = upstream.hold_back("/db/status");
    let house = TeapotHouse::before(upstream).await;
    let host = house.archive().trim_start_matches("http://").to_owned();
    let waiting = tokio::spawn(async move { fetch(&host, "/db/status").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "nobody is sent away while it may still come");
    gate.open();
    assert_eq!(waiting.await.expect("an answer").status, 200);

    for fault in
        [Fault::Status(500), Fault::HangUp, Fault::Status(403), Fault::Garbage, Fault::Redirect("/index".to_owned())]
    {
        let upstream = FakeTeapot::start().await;
        upstream.package("acme::greet", "1.0", &[ALICE]);
        upstream.fault("/db/", fault.clone());
        let house = TeapotHouse::before(upstream).await;
        let got = house.get("/db/status").await;
        // A 401 or a 403 would make the client forget the whole archive, and the reason with it.
        assert_eq!(got.status, 503, "{fault:?}");
        let mut teacup = house.teacup();
        let run = teacup.list(None).await;
        assert!(
            run.exit == 0 && run.out.contains("lazaret has not read the teapot repository yet"),
            "{fault:?}: {}",
            run.out
        );
        house.upstream.heal();
        house.poll().await;
        assert_eq!(teacup.install("acme::greet").await.exit, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_hangs_keeps_nobody_and_delays_no_decision() {
    let house = settled().await;
    house.upstream.package("acme::greet", "2.0", &[ALICE]);
    house.poll().await;
    house.upstream.fault("/db/", Fault::Silence);
    // The house notices on its own that it is time to ask, and waits for an answer in the background.
    house.clock().advance(MINUTE * 3);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let begun = std::time::Instant::now();
    house.house.approve("teapot:acme::greet==2.0").await;
    assert_eq!(house.best("acme::greet").await.as_deref(), Some("package acme::greet 2.0 tcl 0"));
    let mut teacup = house.teacup();
    assert_eq!(teacup.install("acme::greet").await.exit, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_repository_the_door_says_so() {
    let house = TestHouse::furnish().config(|config| config.teapot.upstream = None).start().await;
    let host = house.house.addresses().teapot.trim_start_matches("http://").to_owned();
    for path in ["/db/status", "/list", "/package/name/a/ver/1/arch/tcl/file"] {
        let got = fetch(&host, path).await;
        assert_eq!(got.status, 503, "{path}: {}", String::from_utf8_lossy(&got.body));
    }
}
