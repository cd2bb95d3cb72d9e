//! Decisions that come while something is under way.

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::common::clock::HandClock;
use crate::common::test_house::TestHouse;
use crate::common::{FakePypi, Manner, Wheel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recall_ends_answers_that_are_under_way() {
    let house = TestHouse::start().await;
    let large = Wheel::new("quaymaster", "1.0").padded(40_000_000).build();
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).file(large);
    let path = TestHouse::file_path("quaymaster", &file);
    let warm = house.get(&path).await;
    assert_eq!(warm.status, 200);

    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = http::Request::get(format!("{}{path}", house.packages()))
        .body(http_body_util::Full::<bytes::Bytes>::default())
        .unwrap();
    let mut body = client.request(request).await.unwrap().into_body();
    let mut received = body.frame().await.unwrap().unwrap().into_data().map_or(0, |data| data.len());
    assert_eq!(house.decide("recall", &file.filename).await.status, 200);
    while let Some(Ok(frame)) = body.frame().await {
        received += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
    assert!(received < file.bytes.len(), "all {received} bytes came out after the recall");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_after_a_recall_never_sees_a_page_that_was_being_read_before_it() {
    let house = TestHouse::start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    house.pages_expire().await;
    let gate = house.pypi.hold_back("/simple/quaymaster");
    let slow = {
        let (browser, url) = (house.browser.clone(), format!("{}quaymaster/", house.index_url()));
        tokio::spawn(async move { browser.send(Method::GET, &url, &[], None).await })
    };
    while house.pypi.asked_for("/simple/quaymaster").len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let recalled = house.decide("recall", &file.filename).await;
    assert_eq!(recalled.status, 200, "{}", recalled.text());
    gate.open();
    slow.await.unwrap();
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403);
    assert!(house.page("quaymaster").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recalling_a_project_recalls_what_nobody_has_asked_for_yet() {
    let house = TestHouse::start().await;
    let files: Vec<_> = ["1.0", "2.0", "3.0"]
        .map(|version| house.pypi.publish("quaymaster", version).at(house.days_ago(30)).wheel())
        .into();
    assert_eq!(house.page("quaymaster").await.len(), 3);
    let body = json!({"reason": "the maintainer's account was stolen", "scope": "project"});
    let answer = house.api(Method::POST, "/uploads/pypi%3Aquaymaster/recall", Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for file in &files {
        assert_eq!(house.get_file("quaymaster", file).await.status, 403, "{}", file.filename);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_of_a_file_that_would_never_end_says_so() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    let body = json!({"reason": "for a week", "expires": "2100-01-01T00:00:00Z"});
    let answer = house.api(Method::POST, &format!("/uploads/{}/approve", held.filename), Some(body)).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("expires"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_read_a_moment_ago_does_not_make_an_approval_come_second() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    // Reads what the version requires, which writes its rows.
    house.house.run_due_jobs().await;
    house.approve("pypi:quaymaster==2.0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_18_an_admin_unpins_a_wrong_first_digest_and_the_new_bytes_wait_like_new_ones() {
    let house = TestHouse::start().await;
    let first = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    assert_eq!(house.get_file("quaymaster", &first).await.status, 200);
    let untouched = house.decide("unpin", &first.filename).await;
    assert_eq!(untouched.status, 400, "{}", untouched.text());

    let second = Wheel::new("quaymaster", "1.0").padded(500).build();
    house.pypi.upload_again(&first.filename, &second.bytes);
    house.pages_expire().await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &second).await.status, 403, "one name has one digest");

    let unpinned = house.decide("unpin", &first.filename).await;
    assert_eq!(unpinned.status, 200, "{}", unpinned.text());
    assert_eq!(house.get_file("quaymaster", &first).await.status, 403, "the wrong bytes are gone");
    assert_eq!(house.get_file("quaymaster", &second).await.status, 403, "the right ones have just been seen");
    assert!(house.events().await.iter().any(|event| event["kind"] == "unpinned"));
    house.pass(std::time::Duration::from_hours(73)).await;
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &second).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_an_admin_gives_a_private_name_back() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    let ours = corp.publish("quaymaster", "1.0").wheel();
    let theirs = house.pypi.publish("quaymaster", "2.0").at(house.days_ago(30)).wheel();
    assert_eq!(house.get_file("quaymaster", &ours).await.status, 200);
    corp.remove_project("quaymaster");
    house.pages_expire().await;
    assert!(house.page("quaymaster").await.iter().all(|line| !line.contains("2.0")), "once private, always private");

    let body = json!({"target": "pypi:quaymaster", "reason": "the project moved to the public index"});
    let answer = house.api(Method::DELETE, "/private-names", Some(body.clone())).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(house.page("quaymaster").await, [theirs.filename.as_str()]);
    assert_eq!(house.get_file("quaymaster", &theirs).await.status, 200);
    assert_eq!(house.api(Method::DELETE, "/private-names", Some(body)).await.status, 400, "it is public already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_cache_closes_no_file_for_ever_and_fills_no_ledger() {
    let house = TestHouse::start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let wrong = Wheel::new("quaymaster", "1.0").build().bytes.iter().map(|byte| byte ^ 1).collect();
    house.pypi.serve_other_bytes(&file.filename, &wrong);
    for _ in 0..5 {
        assert_ne!(house.get_file("quaymaster", &file).await.status, 200);
    }
    let alarms = house.events().await.iter().filter(|event| event["kind"] == "alarm").count();
    assert_eq!(alarms, 1);
    house.pypi.serve_other_bytes(&file.filename, &file.bytes);
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
}
