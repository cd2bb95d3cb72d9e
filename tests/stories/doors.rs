//! Who comes in: tokens of package clients, whose word counts for an address, and who asks too much.

use http::Method;
use lazaret::domain::{Actor, Role};

use crate::common::browser::Answer;
use crate::common::test_house::{JSON, TestHouse};
use crate::common::wheels::Built;

fn basic(secret: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("token:{secret}").as_bytes()))
}

async fn new_token(house: &TestHouse, name: &str, role: Role) -> String {
    let quarantine = house.house.quarantine();
    let (_, secret) = quarantine.create_token(name, role, None, &Actor::house("test")).await.expect("a token");
    secret
}

/// Under which names a file's downloads were noted, and how often.
async fn fetchers(house: &TestHouse, file: &Built) -> Vec<(String, u64)> {
    let quarantine = house.house.quarantine();
    quarantine.write_downloads().await.expect("written down");
    let artifact = quarantine.artifact(&file.sha256()).await.expect("an artifact");
    let mut names: Vec<_> = artifact.downloads.into_iter().map(|download| (download.actor, download.count)).collect();
    names.sort();
    names
}

async fn get_as(house: &TestHouse, path: &str, authorization: &str) -> Answer {
    house.send(Method::GET, path, &[("authorization", authorization), JSON]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_token_is_required_nothing_leaves_without_one() {
    let house = TestHouse::furnish().config(|config| config.listen.require_token = true).start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    let secret = new_token(&house, "ci", Role::Viewer).await;
    let page = "/pypi/simple/quaymaster/";
    let path = TestHouse::file_path("quaymaster", &file);

    for path in [
        page,
        &path,
        "/pypi/simple/",
        "/pypi/pypi/quaymaster/json",
        "/cpan/modules/02packages.details.txt.gz",
        "/nowhere",
    ] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{path}");
    }
    assert!(house.pypi.asked().is_empty(), "nobody was asked for a stranger");
    for authorization in [basic(&secret), format!("Bearer {secret}"), format!("bearer {secret}")] {
        assert_eq!(get_as(&house, page, &authorization).await.status, 200);
        assert_eq!(get_as(&house, &path, &authorization).await.body, file.bytes);
    }
    let wrong = ["Basic !", "Bearer lzr_wrong", "Digest a=b", "Bearer"];
    for authorization in wrong.map(str::to_owned).into_iter().chain([basic("lzr_wrong"), basic("")]) {
        let answer = get_as(&house, page, &authorization).await;
        assert_eq!((answer.status, answer.header("x-request-id").is_empty()), (401, false), "{authorization}");
        assert!(!answer.text().contains("lzr_wrong") && !answer.reason.contains("lzr_wrong"));
    }
    assert_eq!(fetchers(&house, &file).await, [("ci".to_owned(), 3)]);
    let told = |header: &str| house.pypi.asked().iter().any(|asked| !asked.header(header).is_empty());
    assert!(!house.pypi.asked().is_empty() && !told("authorization") && !told("proxy-authorization"));

    // What a refusal links to, and health, need none; a wrong one does not matter there.
    let refused = get_as(&house, &TestHouse::file_path("quaymaster", &held), &basic(&secret)).await;
    assert_eq!(refused.status, 403);
    let id = refused.json()["upload_id"].as_str().expect("an id").to_owned();
    for path in ["/livez", "/readyz", &format!("/uploads/{id}")] {
        assert_eq!(house.get(path).await.status, 200, "{path}");
        assert_eq!(get_as(&house, path, "Bearer lzr_wrong").await.status, 200, "{path}");
    }

    house.house.quarantine().revoke_token("ci", &Actor::house("test")).await.expect("revoked");
    assert_eq!(get_as(&house, page, &basic(&secret)).await.status, 401, "at once, also for what is ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_nobody_asked_for_names_who_fetches_and_must_be_right() {
    let house = TestHouse::start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let path = TestHouse::file_path("quaymaster", &file);
    let until = house.clock.true_time() + time::Duration::hours(1);
    let quarantine = house.house.quarantine();
    let made = quarantine.create_token("laptop", Role::Viewer, Some(until), &Actor::house("test")).await;
    let (_, secret) = made.expect("a token");
    assert_eq!(house.get(&path).await.status, 200);
    assert_eq!(get_as(&house, &path, &basic(&secret)).await.status, 200);
    assert_eq!(fetchers(&house, &file).await, [("127.0.0.1".to_owned(), 1), ("laptop".to_owned(), 1)]);
    assert_eq!(get_as(&house, &path, "Bearer lzr_wrong").await.status, 401);
    house.clock.advance(std::time::Duration::from_hours(2));
    assert_eq!(get_as(&house, &path, &basic(&secret)).await.status, 401, "it is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_trusted_proxy_says_for_whom_it_asks() {
    for (trusted, sent, noted) in [
        ("10.0.0.0/8", "198.51.100.7", "127.0.0.1"),
        ("127.0.0.0/8", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.0/8", "192.0.2.66, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.0/8", "192.0.2.66, 198.51.100.7, 127.0.0.9", "198.51.100.7"),
        ("127.0.0.0/8", "192.0.2.66, nonsense", "127.0.0.1"),
    ] {
        let network = trusted.parse().expect("a network");
        let house =
            TestHouse::furnish().config(move |config| config.listen.trusted_proxies = vec![network]).start().await;
        let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        let path = TestHouse::file_path("quaymaster", &file);
        assert_eq!(house.send(Method::GET, &path, &[("x-forwarded-for", sent)]).await.status, 200);
        assert_eq!(fetchers(&house, &file).await, [(noted.to_owned(), 1)], "{trusted}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_makes_us_ask_too_often_waits_and_what_is_ready_goes_on() {
    let house = TestHouse::furnish()
        .config(|config| {
            config.limits.cold_misses_per_minute = 4;
            config.listen.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
        })
        .start()
        .await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let path = TestHouse::file_path("quaymaster", &file);
    let get = async |from: &str, path: &str| house.send(Method::GET, path, &[("x-forwarded-for", from), JSON]).await;
    assert_eq!(get("198.51.100.7", "/pypi/simple/quaymaster/").await.status, 200);
    assert_eq!(get("198.51.100.7", &path).await.status, 200);
    for name in ["one", "two"] {
        assert_eq!(get("198.51.100.7", &format!("/pypi/simple/{name}/")).await.status, 404);
    }
    let asked = house.pypi.asked().len();
    let refused = get("198.51.100.7", "/pypi/simple/three/").await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=15).contains(&wait), "{wait}");
    assert!(
        refused.reason.contains("try again in") && refused.json()["detail"] == refused.reason,
        "{}",
        refused.reason
    );
    assert_eq!(house.pypi.asked().len(), asked, "nobody was asked");

    for _ in 0..20 {
        assert_eq!(get("198.51.100.7", "/pypi/simple/quaymaster/").await.status, 200, "ready");
        assert_eq!(get("198.51.100.7", &path).await.status, 200, "in the cellar");
        assert_eq!(get("198.51.100.7", "/pypi/simple/two/").await.status, 404, "known to be nowhere");
    }
    assert_eq!(get("198.51.100.8", "/pypi/simple/three/").await.status, 404, "somebody else");

    // A token has a purse of its own, wherever it is used.
    let secret = basic(&new_token(&house, "ci", Role::Viewer).await);
    let mut statuses = Vec::new();
    for number in 0..6 {
        let (from, path) = (format!("192.0.2.{number}"), format!("/pypi/simple/cold-{number}/"));
        let headers = [("x-forwarded-for", from.as_str()), ("authorization", &secret)];
        statuses.push(house.send(Method::GET, &path, &headers).await.status);
    }
    assert_eq!(statuses, [404, 404, 404, 404, 429, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_too_many_tokens_is_sent_away_and_right_ones_still_count() {
    let house = TestHouse::furnish().config(|config| config.limits.failed_sign_ins_per_minute = 3).start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let page = "/pypi/simple/quaymaster/";
    let secret = new_token(&house, "ci", Role::Viewer).await;
    let mut statuses = Vec::new();
    for number in 0..4 {
        statuses.push(get_as(&house, page, &format!("Bearer lzr_guess{number}")).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    let desk = house.api_with("Bearer lzr_guess", Method::GET, "/uploads", None).await;
    assert_eq!(desk.status, 429, "one count for all doors");
    assert!(desk.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=20).contains(&wait)));
    assert_eq!(house.api(Method::GET, "/uploads", None).await.status, 200);
    assert_eq!(get_as(&house, page, &basic(&secret)).await.status, 200);
    assert_eq!(house.get(page).await.status, 200, "who signs in with nothing is not concerned");
}
