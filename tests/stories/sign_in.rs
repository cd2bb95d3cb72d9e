//! Private indexes that want to know who asks: names and passwords from wherever they are kept, and never for anybody else.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use http::{StatusCode, header};
use lazaret::config::{Password, PrivateIndex, Secret};
use url::Url;

use crate::common::authority::Authority;
use crate::common::clock::HOUR;
use crate::common::loopback::{Loopback, Port};
use crate::common::program::ANY_PORTS;
use crate::common::test_house::{TestHouse, lazaret};
use crate::common::{FakePypi, Fault, HandClock, Manner};

fn private(index: Url, username: &str, password: Option<Password>) -> PrivateIndex {
    PrivateIndex {
        name: "corp".to_owned(),
        index,
        names: Vec::new(),
        hold: Duration::ZERO,
        username: username.to_owned(),
        password,
        client_certificate: None,
        client_key: None,
        volatile: Vec::new(),
    }
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")))
}

/// An index of one page that answers only who sends this `Authorization`, which may change.
async fn guarded(clock: &Arc<HandClock>, wanted: &Arc<Mutex<String>>) -> Loopback {
    let wanted = wanted.clone();
    Port::open().await.serve(clock, move |request| {
        let sent = request.headers().get(header::AUTHORIZATION).and_then(|sent| sent.to_str().ok());
        let wanted = wanted.lock().expect("not poisoned").clone();
        if sent != Some(wanted.as_str()) {
            return http::Response::builder().status(StatusCode::UNAUTHORIZED).body("who?".into()).expect("an answer");
        }
        let (number, digest) = (wanted.len(), "0".repeat(64));
        let page = format!("<!DOCTYPE html><a href=\"quaymaster-1.{number}.tar.gz#sha256={digest}\">quaymaster</a>");
        let answer = http::Response::builder().header(header::CONTENT_TYPE, "text/html");
        answer.body(page.into()).expect("an answer")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_a_command_says_is_used_until_the_index_refuses_it() {
    let clock = HandClock::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (token, runs) = (folder.path().join("token"), folder.path().join("runs"));
    std::fs::write(&token, "first\n").expect("written");
    let wanted = Arc::new(Mutex::new("Bearer first".to_owned()));
    let corp = guarded(&clock, &wanted).await;
    let script = format!("echo x >> {}; cat {}", runs.display(), token.display());
    let command = Password::Command(vec!["sh".to_owned(), "-c".to_owned(), script]);
    let index = Url::parse(&format!("{}/simple/", corp.base())).expect("a URL");
    let furnishing = TestHouse::furnish().clock(&clock);
    let house =
        furnishing.config(move |config| config.pypi.private.push(private(index, "", Some(command)))).start().await;
    for _ in 0..3 {
        assert_eq!(house.page_json("quaymaster").await["files"].as_array().map(Vec::len), Some(1));
        house.pages_expire().await;
    }
    let ran = || std::fs::read_to_string(&runs).expect("it ran").lines().count();
    assert_eq!(ran(), 1, "not for every page");

    // Another one from now on. What was fetched just now is not fetched again; the last good page is served.
    std::fs::write(&token, "other-one\n").expect("written");
    *wanted.lock().expect("not poisoned") = "Bearer other-one".to_owned();
    tokio::time::sleep(Duration::from_secs(11)).await;
    house.clock.advance(HOUR);
    let page = house.page_json("quaymaster").await;
    assert!(page.to_string().contains(&format!("quaymaster-1.{}.tar.gz", "Bearer other-one".len())), "{page}");
    assert_eq!(ran(), 2);
    assert!(house.pypi.asked().is_empty(), "a private name stays inside");
    let log = format!("{:?}", house.house);
    assert!(!log.contains("other-one"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_gets_no_password_is_not_asked_and_the_refusal_says_why() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let folder = tempfile::tempdir().expect("a folder");
    let netrc = folder.path().join("netrc");
    std::fs::write(&netrc, "machine evil.test login ada password hunter2\n").expect("written");
    let failing = vec!["sh".to_owned(), "-c".to_owned(), "echo hunter2 >&2; exit 1".to_owned()];
    for password in [Password::Command(failing), Password::Netrc(netrc.clone())] {
        let index = corp.simple();
        let furnishing = TestHouse::furnish().clock(&clock);
        let house =
            furnishing.config(move |config| config.pypi.private.push(private(index, "", Some(password)))).start().await;
        let answer = house.get("/pypi/simple/quaymaster/").await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.reason.contains("gets no password from here"), "{}", answer.reason);
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        assert!(corp.asked().is_empty() && house.pypi.asked().is_empty(), "neither is asked");
    }
    // The right line, and it works; other hosts' lines stay where they are.
    std::fs::write(&netrc, "machine evil.test password no\nmachine 127.0.0.1 login ada password hunter2\n")
        .expect("written");
    corp.publish("quaymaster", "1.0").wheel();
    let (index, password) = (corp.simple(), Password::Netrc(netrc));
    let furnishing = TestHouse::furnish().clock(&clock);
    let house =
        furnishing.config(move |config| config.pypi.private.push(private(index, "", Some(password)))).start().await;
    assert_eq!(house.page("quaymaster").await.len(), 1);
    assert!(corp.asked().iter().all(|asked| asked.header("authorization") == basic("ada", "hunter2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_follows_a_file_or_a_redirect_to_another_host() {
    let clock = HandClock::new();
    let files = FakePypi::start(&clock, Manner::Poor).await;
    let host = files.base().trim_start_matches("http://").to_owned();
    let furnishing = TestHouse::furnish().clock(&clock).config(move |config| {
        config.pypi.username = "ada".to_owned();
        config.pypi.password = Some(Password::Known(Secret::new("hunter2")));
        config.pypi.file_hosts = vec![host];
    });
    let house = furnishing.start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30));
    let there = files.publish("quaymaster", "1.0").wheel();
    let wheel = wheel.stored_at(&format!("{}/files/quaymaster/{}", files.base(), there.filename)).file(there);
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    // It may lead us there, and is not believed to speak for its password.
    house.pypi.fault("/simple/chandlery/", Fault::Redirect(format!("{}/simple/quaymaster/", files.base())));
    house.get("/pypi/simple/chandlery/").await;
    assert!(files.asked().len() >= 2, "{:?}", files.asked());
    assert!(files.asked().iter().all(|asked| asked.header("authorization").is_empty()), "{:?}", files.asked());
    let at_home = house.pypi.asked();
    assert!(!at_home.is_empty());
    assert!(at_home.iter().all(|asked| asked.header("authorization") == basic("ada", "hunter2")), "{at_home:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_to_its_own_index_only() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    authority.signs("lazaret").write(folder.path());
    let ours = authority.signs("harbour-proxy");
    std::fs::write(folder.path().join("client.pem"), format!("{}{}", ours.certificate, ours.key)).expect("written");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    // Two houses are the indexes; only one of them is to see who we are.
    let upstream = || async {
        let path = folder.path().to_path_buf();
        let furnishing = TestHouse::furnish().config(move |config| {
            config.tls.certificate = Some(path.join("certificate.pem"));
            config.tls.key = Some(path.join("key.pem"));
            config.tls.client_ca = Some(path.join("ca.pem"));
        });
        furnishing.start().await
    };
    let (known, unknown) = (upstream().await, upstream().await);
    let index = |house: &TestHouse| {
        let address = house.house.addresses().packages.replace("127.0.0.1", "localhost");
        Url::parse(&format!("{address}/pypi/simple/")).expect("a URL")
    };
    let (first, second, path) = (index(&known), index(&unknown), folder.path().to_path_buf());
    let furnishing = TestHouse::furnish().config(move |config| {
        config.upstream.ca_file = Some(path.join("ca.pem"));
        let with_certificate = private(first, "", None);
        let client_certificate: Option<PathBuf> = Some(path.join("client.pem"));
        config.pypi.private.push(PrivateIndex { client_certificate, ..with_certificate });
        config.pypi.private.push(PrivateIndex { name: "other".to_owned(), ..private(second, "", None) });
    });
    let house = furnishing.start().await;
    for (upstream, project, seen_as) in [(&known, "quaymaster", "harbour-proxy"), (&unknown, "chandlery", "127.0.0.1")]
    {
        let file = upstream.pypi.publish(project, "1.0").at(upstream.days_ago(30)).wheel();
        let answer = house.get_file(project, &file).await;
        assert_eq!(answer.status, 200, "{project}: {}", answer.text());
        upstream.house.quarantine().write_downloads().await.expect("written down");
        let artifact = upstream.house.quarantine().artifact(&file.sha256()).await.expect("an artifact");
        let seen: Vec<&str> = artifact.downloads.iter().map(|download| download.actor.as_str()).collect();
        assert_eq!(seen, [seen_as], "{project}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_in_what_check_config_prints_or_complains_of() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("password"), "hunter2\n").expect("written");
    let index = "name = \"N\"\nindex = \"https://corp.example.test/N/simple/\"\n";
    let top = format!("{ANY_PORTS}[pypi]\nupstream = \"https://index.example.test/simple/\"\n");
    let section = |name: &str, more: &str| format!("[[pypi.private]]\n{}{more}\n", index.replace('N', name));
    let all = [
        top.clone(),
        section("a", "username = \"ada\"\npassword = { file = \"password\" }"),
        section("b", "password = { command = [\"corp-token\", \"--secret\", \"hunter2\"] }"),
        section("c", "password = { netrc = \"/etc/lazaret/netrc\" }"),
        section("d", "username = \"ada\"\nclient_certificate = \"client.pem\""),
    ];
    let check = async |text: String, password: Option<&str>| {
        std::fs::write(folder.path().join("lazaret.toml"), text).expect("written");
        let mut command = lazaret(folder.path());
        command.arg("check-config");
        if let Some(password) = password {
            command.env("LAZARET__PYPI__PRIVATE__3__PASSWORD", password);
        }
        let output = command.output().await.expect("it runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!printed.contains("hunter2"), "{printed}");
        (output.status.success(), printed)
    };
    let (good, printed) = check(all.concat(), Some("hunter2")).await;
    assert!(good, "{printed}");
    for line in ["*** (what corp-token says)", "*** (from /etc/lazaret/netrc)", "LAZARET__PYPI__PRIVATE__3__PASSWORD"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    for (wrong, said) in [
        ("password = \"hunter2\"", "not written into this file"),
        ("password = { command = [] }", "write { file"),
        ("password = { command = \"corp-token hunter2\" }", "list"),
        ("password = { netrc = \"\" }", "write { file"),
        ("password = { netrc = \"x\", command = [\"y\"] }", "write { file"),
        ("password = { vault = \"hunter2\" }", "write { file"),
        ("username = \"ada\"\npassword = { netrc = \"x\" }", "names the user"),
        ("password = { file = \"password\" }", "needs a user"),
        ("client_key = \"k.pem\"", "needs its certificate"),
    ] {
        let (good, printed) = check(format!("{top}{}", section("x", wrong)), None).await;
        assert!(!good && printed.contains(said) && printed.contains("lazaret.toml:"), "{wrong}: {printed}");
    }
    let plain = section("x", "client_certificate = \"c.pem\"").replace("https://", "http://");
    let (good, printed) = check(format!("{top}{plain}"), None).await;
    assert!(!good && printed.contains("over TLS only"), "{printed}");
}
