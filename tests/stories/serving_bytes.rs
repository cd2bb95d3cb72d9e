//! Rules 1 to 7: which bytes leave, and when.

use http::Method;

use crate::common::test_house::TestHouse;
use crate::common::{FakePypi, Fault, Manner, Wheel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_01_only_a_wheels_tail_is_withheld_and_an_archive_wholly() {
    let house = TestHouse::start().await;
    let release = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30));
    let wheel = release.file(Wheel::new("quaymaster", "1.0").padded(300_000).build());
    let sdist = release.sdist();
    house.page("quaymaster").await;

    // What arrives is not what the index promised.
    let mut forged = wheel.bytes.to_vec();
    forged[50] ^= 1;
    house.pypi.serve_other_bytes(&wheel.filename, &forged.into());
    house.pypi.serve_other_bytes(&sdist.filename, &vec![0; sdist.bytes.len()].into());

    let answer = house.get_file("quaymaster", &wheel).await;
    assert!(answer.status != 200 || answer.cut, "a forged wheel was served whole");
    assert!(
        answer.status != 200 || answer.body.len() + (64 << 10) <= wheel.bytes.len(),
        "the tail of a forged wheel left: {} of {} bytes",
        answer.body.len(),
        wheel.bytes.len()
    );

    let answer = house.get_file("quaymaster", &sdist).await;
    assert_ne!(answer.status, 200, "not a byte of a forged sdist may leave: cpanm and pip run what they have");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_01_a_wheel_streams_before_it_is_complete() {
    let house = TestHouse::start().await;
    let wheel = house
        .pypi
        .publish("quaymaster", "1.0")
        .at(house.days_ago(30))
        .file(Wheel::new("quaymaster", "1.0").padded(300_000).build());
    house.page("quaymaster").await;
    let answer = house.get_file("quaymaster", &wheel).await;
    assert_eq!((answer.status, answer.cut), (200, false));
    assert_eq!(answer.body, wheel.bytes);
    assert_eq!(answer.header("content-length"), wheel.bytes.len().to_string(), "pip shows progress by it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_02_a_cut_body_can_be_resumed() {
    let house = TestHouse::start().await;
    let wheel = house
        .pypi
        .publish("quaymaster", "1.0")
        .at(house.days_ago(30))
        .file(Wheel::new("quaymaster", "1.0").padded(100_000).build());
    house.page("quaymaster").await;
    let path = TestHouse::file_path("quaymaster", &wheel);

    house.pypi.fault("/files/", Fault::CutAfter(40_000));
    let first = house.get(&path).await;
    assert!(first.cut || first.status != 200, "half of a wheel is not a wheel");
    house.pypi.heal();

    let whole = house.get(&path).await;
    let etag = whole.header("etag").to_owned();
    assert!(etag.starts_with('"'), "strong, so that If-Range resumes: {etag}");
    let rest = house.send(Method::GET, &path, &[("range", "bytes=40000-"), ("if-range", &etag)]).await;
    assert_eq!(rest.status, 206);
    assert_eq!(rest.body, wheel.bytes.slice(40_000..));
    let changed = house.send(Method::GET, &path, &[("range", "bytes=40000-"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.status, changed.body.len()), (200, wheel.bytes.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_03_head_never_fetches() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    let path = TestHouse::file_path("quaymaster", &wheel);

    let answer = house.send(Method::HEAD, &path, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), wheel.bytes.len().to_string());
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert!(house.pypi.asked_for("/files/").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_03_a_range_of_a_cold_file_waits_for_verification() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    let path = TestHouse::file_path("quaymaster", &wheel);

    // What uv asks first: the directory at the end.
    let from = wheel.bytes.len() - 100;
    let answer = house.send(Method::GET, &path, &[("range", &format!("bytes={from}-"))]).await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.body, wheel.bytes.slice(from..));
    assert_eq!(answer.header("content-range"), format!("bytes {from}-{}/{}", wheel.bytes.len() - 1, wheel.bytes.len()));
    assert_eq!(house.pypi.asked_for("/files/").len(), 1, "one fetch of the whole file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_03_a_range_that_cannot_be_verified_in_time_is_503() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    let gate = house.pypi.hold_back("/files/");
    let path = TestHouse::file_path("quaymaster", &wheel);
    let answer = house.send(Method::GET, &path, &[("range", "bytes=-100")]).await;
    assert!(matches!(answer.status, 502..=504), "{} {}", answer.status, answer.text());
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_04_metadata_is_ours_and_offered_once_we_have_it() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).requires("mooringline>=1").wheel();
    let page = house.page_json("quaymaster").await;
    let offered = &page["files"][0]["core-metadata"];
    assert!(offered.is_null() || offered == false, "never offer what cannot be served: {offered}");

    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    house.pages_expire().await;
    let page = house.page_json("quaymaster").await;
    let metadata = wheel.metadata.clone().expect("METADATA");
    let digest = lazaret::domain::Sha256::of(&metadata).to_string();
    assert_eq!(page["files"][0]["core-metadata"]["sha256"], digest.as_str(), "{page:#}");

    let answer = house.get(&format!("{}.metadata", TestHouse::file_path("quaymaster", &wheel))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, metadata);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_04_metadata_that_is_not_the_wheels_holds_it() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    let wheel = house
        .pypi
        .publish("quaymaster", "1.0")
        .at(house.days_ago(30))
        .offering_metadata("Metadata-Version: 2.1\nName: quaymaster\nVersion: 1.0\nRequires-Dist: evil-friend\n")
        .wheel();
    house.page("quaymaster").await;
    let first = house.get_file("quaymaster", &wheel).await;
    assert!(first.status != 200 || first.cut, "a wheel whose METADATA is not the offered one is not served");
    assert_eq!(house.upload("quaymaster", &wheel.filename).await["state"], "held");
    let again = house.get_file("quaymaster", &wheel).await;
    assert_eq!(again.status, 403, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_04_metadata_that_speaks_of_something_else_holds_the_wheel() {
    let house = TestHouse::start().await;
    let liar = "Metadata-Version: 2.1\nName: someone-else\nVersion: 7.0\n";
    let order = Wheel::new("quaymaster", "1.0").with_metadata(liar);
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).file(order.build());
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 403);
    assert_eq!(house.upload("quaymaster", &wheel.filename).await["state"], "held");
    house.pages_expire().await;
    assert!(house.page("quaymaster").await.is_empty(), "an unpinned install does not run into it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_05_nothing_is_fetched_that_nobody_uses() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let older = house.pypi.publish("quaymaster", "0.9").at(house.days_ago(60)).wheel();
    house.page("quaymaster").await;
    house.pass(crate::common::clock::HOUR * 2).await;
    let fetched = house.pypi.asked_for("/files/");
    for file in [&old, &older] {
        assert!(!fetched.iter().any(|line| line.ends_with(&file.filename)), "{fetched:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_06_no_client_is_redirected_and_no_redirect_leads_us_astray() {
    let house = TestHouse::start().await;
    let elsewhere = FakePypi::start(&house.clock, Manner::Poor).await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    elsewhere.publish("quaymaster", "1.0").wheel();
    house.page("quaymaster").await;

    let target = format!("{}/files/quaymaster/{}", elsewhere.base(), wheel.filename);
    house.pypi.fault("/files/", Fault::Redirect(target));
    let answer = house.get_file("quaymaster", &wheel).await;
    assert!(answer.status != 200 || answer.cut, "followed a redirect to another host");
    assert!(!(300..400).contains(&answer.status), "a client was sent to an upstream");
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_06_files_come_only_from_hosts_that_are_allowed() {
    let house = TestHouse::start().await;
    let elsewhere = FakePypi::start(&house.clock, Manner::Poor).await;
    let file = elsewhere.publish("quaymaster", "1.0").wheel();
    let address = format!("{}/files/quaymaster/{}", elsewhere.base(), file.filename);
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).stored_at(&address).wheel();
    house.page("quaymaster").await;
    let answer = house.get_file("quaymaster", &wheel).await;
    assert!(answer.status != 200 || answer.cut, "fetched from a host that nobody allowed");
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_06_the_file_host_of_pips_own_page_is_allowed() {
    let house = TestHouse::start().await;
    let store = FakePypi::start(&house.clock, Manner::Poor).await;
    let publish = |project: &str, version: &str| {
        let file = store.publish(project, version).wheel();
        let address = format!("{}/files/{project}/{}", store.base(), file.filename);
        house.pypi.publish(project, version).at(house.days_ago(30)).stored_at(&address).wheel()
    };
    publish("pip", "26.0");
    let wheel = publish("quaymaster", "1.0");
    house.page("quaymaster").await;
    let answer = house.get_file("quaymaster", &wheel).await;
    assert_eq!(answer.status, 200, "{} {}", answer.reason, answer.text());
    assert_eq!(answer.body, wheel.bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_06_no_client_header_goes_upstream() {
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let (role, by) = (lazaret::domain::Role::Viewer, lazaret::domain::Actor::house("test"));
    let (_, token) = house.house.quarantine().create_token("ci", role, None, &by).await.expect("a token");
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("secret:{token}").as_bytes()));
    let secrets = [
        ("authorization", basic.as_str()),
        ("cookie", "session=secret"),
        ("x-forwarded-for", "10.0.0.7"),
        ("user-agent", "pip/secret"),
        ("x-secret", "secret"),
    ];
    house.send(Method::GET, "/pypi/simple/quaymaster/", &secrets).await;
    house.send(Method::GET, &TestHouse::file_path("quaymaster", &wheel), &secrets).await;
    let asked = house.pypi.asked();
    assert!(asked.len() >= 2);
    for request in asked {
        let sent = format!("{:?}", request.headers);
        for word in ["secret", "c2VjcmV0", "lzr_", "10.0.0.7"] {
            assert!(!sent.contains(word), "{} carried {sent}", request.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_07_a_refusal_is_short_plain_and_the_same_everywhere() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;

    let answer = house.get_file("quaymaster", &held).await;
    assert_eq!(answer.status, 403);
    assert!(answer.reason.len() <= 100 && answer.reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    insta::assert_snapshot!(house.quiet(&answer.reason), @"quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = serde_json::to_string_pretty(&answer.json()).expect("JSON");
    insta::assert_snapshot!(house.quiet(&body), @r#"
    {
      "detail": "quaymaster 2.0 is held until 2026-11-25 12:00 UTC; see http://127.0.0.1:PORT/uploads/ID",
      "hold_until": "2026-11-25T12:00:00Z",
      "instance": "http://127.0.0.1:PORT/uploads/ID",
      "reasons": [
        "New upload: its age counts from its upload (2026-11-22T12:00:00Z)."
      ],
      "state": "held",
      "status": 403,
      "title": "Quarantined",
      "type": "about:blank",
      "upload_id": "ID"
    }
    "#);

    let link = answer.json()["instance"].as_str().unwrap_or_default().to_owned();
    let path = link.strip_prefix(house.packages()).unwrap_or(&link).to_owned();
    let status = house.send(Method::GET, &path, &[("accept", "text/html")]).await;
    assert_eq!(status.status, 200, "the link in a refusal leads to its status page: {link}");
    assert!(status.text().contains("2026-11-25 12:00 UTC"), "{}", status.text());
    let status = house.send(Method::GET, &path, &[("accept", "application/json")]).await.json();
    assert_eq!(status["state"], "held", "{status:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_07_what_the_upstream_writes_is_escaped_wherever_it_is_shown() {
    let house = TestHouse::start().await;
    let nasty = "broken\" onload=alert(1)> </a><script>alert('x')</script> \u{202e}";
    let wheel = house.pypi.publish("quaymaster", "2.0").yanked(nasty).wheel();
    let page = house.send(Method::GET, "/pypi/simple/quaymaster/", &[("accept", "text/html")]).await.text();
    assert!(!page.contains("<script>"), "{page}");
    let answer = house.get_file("quaymaster", &wheel).await;
    assert_eq!(answer.status, 403);
    assert!(answer.reason.is_ascii());
    let id = answer.json()["upload_id"].as_str().expect("an id").to_owned();
    let status = house.send(Method::GET, &format!("/uploads/{id}"), &[("accept", "text/html")]).await.text();
    assert!(!status.contains("<script>"), "{status}");
}
