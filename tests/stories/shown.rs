//! What the project said that it would show: one fetch for many clients, and bad input that is named.

use http::Method;
use lazaret::quarantine::queue::Waiting;
use serde_json::{Value, json};

use crate::common::clock::{DAY, HOUR};
use crate::common::program::Program;
use crate::common::test_house::{JSON, TestHouse, lazaret};
use crate::common::{FakePypi, HandClock, Manner, Wheel};

const MANY: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_for_one_cold_page_cause_one_fetch() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let gate = house.pypi.hold_back("/simple/quaymaster/");
    let clients = (0..MANY).map(|_| house.send(Method::GET, "/pypi/simple/quaymaster/", &[JSON]));
    let all = futures_util::future::join_all(clients);
    let opened = async {
        house.pypi.until_asked_for("/simple/quaymaster/").await;
        gate.open();
    };
    let (answers, ()) = futures_util::join!(all, opened);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(house.pypi.asked_for("/simple/quaymaster/"), ["GET /simple/quaymaster/"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_for_one_cold_file_cause_one_fetch() {
    let house = TestHouse::start().await;
    let wheel = house
        .pypi
        .publish("quaymaster", "1.0")
        .at(house.days_ago(30))
        .file(Wheel::new("quaymaster", "1.0").padded(300_000).build());
    house.page("quaymaster").await;
    let gate = house.pypi.hold_back("/files/");
    let path = TestHouse::file_path("quaymaster", &wheel);
    let all = futures_util::future::join_all((0..MANY).map(|_| house.get(&path)));
    let opened = async {
        house.pypi.until_asked_for("/files/").await;
        gate.open();
    };
    let (answers, ()) = futures_util::join!(all, opened);
    for answer in &answers {
        assert_eq!((answer.status, answer.cut), (200, false));
        assert!(answer.body == wheel.bytes);
    }
    assert_eq!(house.pypi.asked_for("/files/").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_does_not_end_a_fetch_that_others_wait_for() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    let gate = house.pypi.hold_back("/files/");
    let path = TestHouse::file_path("quaymaster", &wheel);
    let url = format!("{}{path}", house.packages());
    let browser = crate::common::browser::Browser::new();
    let first = tokio::spawn(async move { browser.send(Method::GET, &url, &[], None).await });
    house.pypi.until_asked_for("/files/").await;
    first.abort();
    let opened = async { gate.open() };
    let (second, ()) = futures_util::join!(house.get(&path), opened);
    assert_eq!((second.status, second.body), (200, wheel.bytes));
    assert_eq!(house.pypi.asked_for("/files/").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_to_the_api_names_the_field_and_changes_nothing() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    let events = house.events().await.len();
    let id = house.upload("quaymaster", &held.filename).await["id"].as_str().unwrap_or_default().to_owned();

    let approve = format!("/uploads/{id}/approve");
    let bad: [(Method, String, Option<Value>, &str); 12] = [
        (Method::POST, approve.clone(), Some(json!({})), "reason"),
        (Method::POST, approve.clone(), Some(json!({"reason": "   "})), "reason"),
        (Method::POST, approve.clone(), Some(json!({"reason": 7})), "reason"),
        (Method::POST, approve.clone(), Some(json!({"reason": "ok", "scope": "galaxy"})), "scope"),
        (Method::POST, approve.clone(), Some(json!({"reason": "ok", "expires": "soon"})), "expires"),
        (Method::POST, approve.clone(), Some(json!({"reason": "ok", "expire": "2027-01-01T00:00:00Z"})), "expire"),
        (Method::POST, approve, None, "json"),
        (Method::GET, "/uploads?state=lost".to_owned(), None, "state"),
        (Method::GET, "/uploads?ecosystem=npm".to_owned(), None, "ecosystem"),
        (Method::GET, "/uploads?limit=many".to_owned(), None, "limit"),
        (Method::GET, "/uploads?cursor=%00".to_owned(), None, "cursor"),
        (Method::GET, "/artifacts/1234".to_owned(), None, "sha256"),
    ];
    for (method, path, body, field) in bad {
        let answer = house.api(method.clone(), &path, body.clone()).await;
        assert!((400..500).contains(&answer.status), "{method} {path} {body:?}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}: {}", answer.text());
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_lowercase();
        assert!(detail.contains(field), "{method} {path} {body:?}: names {field}? {detail}");
    }
    assert_eq!(house.upload("quaymaster", &held.filename).await["state"], "held");
    assert_eq!(house.events().await.len(), events, "nothing half done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_asks_who_is_there() {
    let house = TestHouse::start().await;
    for authorization in ["", "Bearer wrong", "Basic YTpi", "Bearer"] {
        let answer = house.api_with(authorization, Method::GET, "/uploads", None).await;
        assert_eq!(answer.status, 401, "{authorization:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(
        house.browser.send(Method::POST, &format!("{}/pypi/simple/", house.packages()), &[], None).await.status,
        405
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_on_the_command_line_is_explained() {
    let house = TestHouse::start().await;
    let cases: [(&[&str], i32, &str); 6] = [
        (&["approve", "pypi:quaymaster==2.0"], 2, "--reason"),
        (&["approve", "pypi:quaymaster==2.0", "--reason", " "], 2, "reason"),
        (&["approve", "pypi:quaymaster==2.0", "--reason", "x", "--scope", "galaxy"], 2, "scope"),
        (&["approve", "pypi:nosuchproject==2.0", "--reason", "x"], 1, "nosuchproject"),
        (&["why", "quaymaster"], 2, "pypi:"),
        (&["show", "nosuchfile-1.0.tar.gz"], 1, "nosuchfile"),
    ];
    for (arguments, code, word) in cases {
        let output = house.cli(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(word), "{arguments:?}: says {word}? {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_review_desk_on_the_command_line_decides() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    let queue = house.cli(&["queue"]).await;
    insta::assert_snapshot!(house.quiet(&String::from_utf8_lossy(&queue.stdout)), @r"
    ID                          SCORE  PACKAGE               FILE                             STATE                            WHY
    ID  0.05   pypi:quaymaster==2.0  quaymaster-2.0-py3-none-any.whl  held until 2026-11-25 12:00 UTC  new upload, held until 2026-11-25 12:00 UTC
    ");
    let why = house.cli(&["why", "pypi:quaymaster==2.0"]).await;
    insta::assert_snapshot!(house.quiet(&String::from_utf8_lossy(&why.stdout)), @r"
    pypi:quaymaster from public

    not served: 1 version
      2.0  1 file  held until 2026-11-25 12:00 UTC  held until 2026-11-25 12:00 UTC  ID

    note: The project has one release and was less than a day old when it was first seen here.
    ");
    let approved = house.cli(&["approve", "pypi:quaymaster==2.0", "--reason", "we wrote it"]).await;
    insta::assert_snapshot!(house.quiet(&String::from_utf8_lossy(&approved.stdout)), @r"
    1 file changed
      released  pypi:quaymaster==2.0  quaymaster-2.0-py3-none-any.whl  ID
    ");
    assert_eq!(house.get_file("quaymaster", &held).await.status, 200);
    let twice = house.cli(&["approve", "pypi:quaymaster==2.0", "--reason", "again"]).await;
    assert_eq!(twice.status.code(), Some(1));
    let blocked = house.cli(&["block", "pypi:quaymaster==2.0", "--reason", "it was not ours"]).await;
    assert!(blocked.status.success(), "{blocked:?}");
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
    let verified = house.cli(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_configuration_and_policy_name_file_line_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("lazaret.toml");
    std::fs::write(&config, "[listen]\npackages = \"127.0.0.1:0\"\npakages = 1\n").expect("a file");
    let output = lazaret(folder.path()).arg("check-config").output().await.expect("lazaret runs");
    let folder_text = folder.path().display().to_string();
    let errors = |output: &std::process::Output| {
        crate::common::normal::text(&String::from_utf8_lossy(&output.stderr), &[(&folder_text, "[folder]")])
    };
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(errors(&output), @"lazaret.toml:3: listen.pakages: there is no such setting; did you mean packages? known here: packages, teapot, admin, public_url, trusted_proxies, require_token");

    std::fs::write(folder.path().join("policy.toml"), "mode = \"enforce\"\n\n[hold]\ndefault = \"three days\"\n")
        .expect("a file");
    let clock = HandClock::of_this_machine();
    let pypi = FakePypi::start(&clock, Manner::Poor).await;
    let text = format!("{}\n[policy]\nfile = \"policy.toml\"\n", Program::settings(&pypi));
    std::fs::write(&config, text).expect("a file");
    let output = lazaret(folder.path()).arg("serve").output().await.expect("lazaret runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = errors(&output);
    let last: Vec<&str> = said.lines().filter(|line| line.contains("policy.toml")).collect();
    insta::assert_snapshot!(last.join("\n"), @r#"policy.toml:4: hold.default: expected number at 0; write a duration such as "72h" or "7d""#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn show_and_the_api_say_who_fetched_a_file_until_the_log_is_too_old() {
    let house = TestHouse::furnish().config(|config| config.store.download_days = 30).start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(200)).wheel();
    for _ in 0..2 {
        assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    }
    let shown = async || {
        let done = house.cli(&["show", &file.filename]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let text = shown().await;
    assert!(text.contains("fetched by\n  2026-11-22  127.0.0.1  2 times\n"), "{text}");
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(200)).sdist();
    house.pages_expire().await;
    house.page("quaymaster").await;
    let text = shown().await;
    assert!(text.contains("other files of this version\n  quaymaster-1.0.tar.gz  held  lazaret show "), "{text}");
    let told = house.api(Method::GET, &format!("/uploads/{}", file.filename), None).await.json();
    assert_eq!(told["downloads"], json!([{"actor": "127.0.0.1", "day": "2026-11-22", "count": 2}]));
    house.pass(DAY * 29).await;
    assert!(shown().await.contains("fetched by"));
    house.pass(DAY * 3).await;
    assert!(!shown().await.contains("fetched by"), "{}", shown().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_is_measured_by_whom_it_waits_for_and_how_long() {
    let house = TestHouse::start().await;
    let look_alike = house.pypi.publish("reqeusts", "1.0").wheel();
    house.pypi.publish("quaymaster", "1.0").wheel();
    house.page("reqeusts").await;
    house.pass(HOUR).await;
    house.page("quaymaster").await;
    let queue = async || house.house.quarantine().measure_queue().await.expect("measured");
    let before = queue().await;
    assert_eq!((before.person.count, before.time.count), (1, 1));
    assert!(before.person.since < before.time.since, "{before:?}");
    house.approve(&look_alike.filename).await;
    let after = queue().await;
    assert_eq!((after.person, after.time), (Waiting::default(), before.time));
}
