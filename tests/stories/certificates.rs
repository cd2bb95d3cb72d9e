//! TLS at the doors: real handshakes, certificates renewed under a running connection, and clients that are known by theirs.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::common::Manner;
use crate::common::authority::{Authority, Line, Pair};
use crate::common::test_house::{JSON, TestHouse};

const EITHER: [&str; 2] = ["h2", "http/1.1"];

/// A house with a certificate, in a folder of its own, and perhaps an authority for its clients.
async fn house_with(pair: &Pair, clients: Option<&Authority>) -> (TestHouse, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    pair.write(folder.path());
    let path = folder.path().to_path_buf();
    if let Some(clients) = clients {
        std::fs::write(path.join("clients.pem"), clients.pem()).expect("written");
    }
    let client_ca = clients.map(|_| path.join("clients.pem"));
    let furnishing = TestHouse::furnish().index(Manner::Rich).config(move |config| {
        config.tls.certificate = Some(path.join("certificate.pem"));
        config.tls.key = Some(path.join("key.pem"));
        config.tls.client_ca = client_ca;
    });
    (furnishing.start().await, folder)
}

/// Under which names a file's downloads were noted.
async fn fetchers(house: &TestHouse, file: &crate::common::wheels::Built) -> Vec<String> {
    let quarantine = house.house.quarantine();
    quarantine.write_downloads().await.expect("written down");
    let artifact = quarantine.artifact(&file.sha256()).await.expect("an artifact");
    let mut names: Vec<String> = artifact.downloads.into_iter().map(|download| download.actor).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_and_desk_speak_tls_in_both_versions_and_teapot_never_does() {
    let authority = Authority::new();
    let (house, _folder) = house_with(&authority.signs("lazaret"), None).await;
    let attestation = house.pypi.lay("/integrity/quaymaster", "{}");
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).attested(&attestation).wheel();
    let addresses = house.house.addresses().clone();
    assert!(addresses.packages.starts_with("https://") && addresses.admin.starts_with("https://"), "{addresses:?}");
    assert!(addresses.teapot.starts_with("http://"), "{addresses:?}");
    let written = std::fs::read_to_string(house.data_dir().join("addresses.json")).expect("addresses.json");
    assert!(written.contains(&addresses.packages) && written.contains(&addresses.admin), "{written}");

    for (protocols, spoken) in [(&EITHER[..], "h2"), (&["http/1.1"], "http/1.1"), (&[], "")] {
        let mut line = Line::open(&addresses.packages, &authority.client(None, protocols)).await.expect("a line");
        assert_eq!(line.protocol, spoken);
        let page = line.get("/pypi/simple/quaymaster/", &[JSON]).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let offered = page.json()["files"][0]["provenance"].as_str().unwrap_or_default().to_owned();
        assert!(offered.starts_with(&addresses.packages) && offered.ends_with(".provenance"), "PEP 740: {offered:?}");
        let answer = line.get(&TestHouse::file_path("quaymaster", &file), &[]).await;
        assert_eq!((answer.status, answer.cut), (200, false), "{spoken}: {}", answer.reason);
        assert_eq!(answer.body, file.bytes, "{spoken}");
    }
    let mut desk = Line::open(&addresses.admin, &authority.client(None, &EITHER)).await.expect("a line");
    let bearer = format!("Bearer {}", house.house.admin_token());
    assert_eq!(desk.get("/api/v1/uploads", &[("authorization", &bearer)]).await.status, 200);
    let url = format!("{}/livez", addresses.teapot);
    assert_eq!(house.browser.send(http::Method::GET, &url, &[], None).await.status, 200);

    let stranger = Authority::new().client(None, &EITHER);
    let refused = Line::open(&addresses.packages, &stranger).await.err().expect("another authority");
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    let plain = addresses.packages.replace("https://", "http://");
    let answer = house.browser.send(http::Method::GET, &format!("{plain}/livez"), &[], None).await;
    assert_eq!(answer.status, 0, "nothing in the clear: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let authority = Authority::new();
    let (house, folder) = house_with(&authority.signs("before"), None).await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let url = house.house.addresses().packages.clone();
    let client = authority.client(None, &["http/1.1"]);
    let mut old = Line::open(&url, &client).await.expect("a line");
    assert_eq!(old.get("/livez", &[]).await.status, 200);

    // Its key was forgotten.
    let next = authority.signs("after");
    std::fs::write(folder.path().join("certificate.pem"), &next.certificate).expect("written");
    let error = format!("{:#}", house.house.reload_certificates().expect_err("no pair"));
    assert!(error.contains("certificate.pem and its key") && error.contains("cannot be used together"), "{error}");
    let same = Line::open(&url, &client).await.expect("the old one stays");
    assert_eq!(same.shown, old.shown);

    next.write(folder.path());
    house.house.reload_certificates().expect("read again");
    let mut new = Line::open(&url, &client).await.expect("a line");
    assert_ne!(new.shown, old.shown);
    for line in [&mut old, &mut new] {
        assert_eq!(line.get("/pypi/simple/quaymaster/", &[JSON]).await.status, 200, "both go on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_names_who_fetches_and_opens_nothing_at_the_desk() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (house, _folder) = house_with(&authority.signs("lazaret"), Some(&clients)).await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let path = TestHouse::file_path("quaymaster", &file);
    let addresses = house.house.addresses().clone();
    let builder = authority.client(Some(&clients.signs("build-7")), &EITHER);

    let mut line = Line::open(&addresses.packages, &builder).await.expect("a line");
    assert_eq!(line.get(&path, &[]).await.status, 200);
    assert_eq!(fetchers(&house, &file).await, ["build-7"]);
    let mut nameless = Line::open(&addresses.packages, &authority.client(None, &EITHER)).await.expect("a line");
    assert_eq!(nameless.get(&path, &[]).await.status, 200, "none is required");
    assert_eq!(fetchers(&house, &file).await, ["127.0.0.1", "build-7"]);
    // In TLS 1.3 a client hears only after its handshake that it was not believed.
    let forger = authority.client(Some(&Authority::new().signs("build-7")), &["http/1.1"]);
    match Line::open(&addresses.packages, &forger).await {
        Ok(mut line) => assert_eq!(line.get(&path, &[]).await.status, 0),
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    let mut desk = Line::open(&addresses.admin, &builder).await.expect("a line");
    assert_eq!(desk.get("/api/v1/uploads", &[]).await.status, 401, "a certificate is no token");
    let (_, secret) = house
        .house
        .quarantine()
        .create_token("reader", lazaret::domain::Role::Viewer, None, &lazaret::domain::Actor::house("test"))
        .await
        .expect("a token");
    let bearer = format!("Bearer {secret}");
    assert_eq!(desk.get("/api/v1/uploads", &[("authorization", &bearer)]).await.status, 200);
    assert_eq!(desk.get("/api/v1/tokens", &[("authorization", &bearer)]).await.status, 403, "a viewer stays a viewer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_shake_hands_keeps_nobody_waiting() {
    let authority = Authority::new();
    let (house, _folder) = house_with(&authority.signs("lazaret"), None).await;
    let url = house.house.addresses().packages.clone();
    let address = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(tokio::net::TcpStream::connect(&address).await.expect("connected"));
    }
    let client = authority.client(None, &EITHER);
    let opening = Line::open(&url, &client);
    let mut line = tokio::time::timeout(Duration::from_secs(5), opening).await.expect("in time").expect("a line");
    assert_eq!(line.get("/livez", &[]).await.status, 200);

    let mut first = silent.swap_remove(0);
    let ended =
        tokio::time::timeout(Duration::from_secs(15), first.read(&mut [0; 16])).await.expect("cut after ten seconds");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}
