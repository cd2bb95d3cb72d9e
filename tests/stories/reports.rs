//! What whoever begins with `observe` reads each day: what was served that would be refused, and what was refused all the same.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::common::clock::DAY;
use crate::common::test_house::TestHouse;

async fn report(house: &TestHouse, days: u16) -> Value {
    let answer = house.api(Method::GET, &format!("/report?days={days}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// `kind project version count actors`, each line.
fn lines(report: &Value) -> Vec<String> {
    let items = report["items"].as_array().expect("items");
    let line = |item: &Value| {
        let text = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {} {}", text("kind"), text("project"), text("version"), item["count"], item["actors"])
    };
    items.iter().map(line).collect()
}

async fn token(house: &TestHouse, name: &str) -> String {
    let made = house.api(Method::POST, "/tokens", Some(json!({"name": name, "role": "viewer"}))).await.json();
    format!("Bearer {}", made["token"].as_str().expect("a token"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_while_observing_and_would_be_refused_is_reported_with_why_and_to_how_many() {
    let house = TestHouse::furnish().policy("mode = \"observe\"\n[namespaces]\npypi = [\"acme-*\"]\n").start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let new = house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(1)).wheel();
    let path = TestHouse::file_path("quaymaster", &new);
    let builds = token(&house, "builds").await;
    for _ in 0..2 {
        assert_eq!(house.get(&path).await.status, 200);
    }
    assert_eq!(house.send(Method::GET, &path, &[("authorization", &builds)]).await.status, 200);
    // What is released, a look at the size, and what has not changed are no lines.
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);
    assert_eq!(house.send(Method::HEAD, &path, &[]).await.status, 200);
    let etag = format!("\"{}\"", new.sha256());
    assert_eq!(house.send(Method::GET, &path, &[("if-none-match", &etag)]).await.status, 304);
    // The hard rules refuse while observing too.
    let internal = format!("/pypi/files/acme-tide/{}/{}", new.sha256(), "acme_tide-1.0-py3-none-any.whl");
    assert_eq!(house.get(&internal).await.status, 403);

    let said = report(&house, 1).await;
    assert_eq!(lines(&said), ["would-refuse quaymaster 2.0 3 2", "refused acme-tide - 1 1"], "{said:#}");
    let first = &said["items"][0];
    assert_eq!(
        (&said["modes"]["pypi"], &first["outcome"], &first["day"]),
        (&json!("observe"), &json!("hold"), &json!("2026-11-22"))
    );
    assert_eq!(first["who"], json!(["127.0.0.1", "builds"]));
    assert!(first["reason"].as_str().is_some_and(|why| why.contains("held until")), "{first:#}");
    assert!(first["hold_until"].is_string() && first["upload_id"].is_string(), "{first:#}");
    let text = String::from_utf8_lossy(&house.cli(&["report"]).await.stdout).into_owned();
    for part in [
        "2026-11-22  3         2   pypi:quaymaster==2.0  quaymaster-2.0-py3-none-any.whl  served, would be refused  ",
        "served, and would be refused if the policy enforced: 3 requests for 1 file\n",
        "refused: 1 request for 1 file\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let (address, bearer) =
        (format!("{}/metrics", house.house.addresses().admin), format!("Bearer {}", house.house.admin_token()));
    let metrics = house.browser.send(Method::GET, &address, &[("authorization", &bearer)], None).await.text();
    assert!(metrics.contains("lazaret_would_refuse_total{ecosystem=\"pypi\",outcome=\"hold\"}"), "{metrics}");

    // From now on it is refused, and the report tells both apart.
    house.set_policy("mode = \"enforce\"");
    assert_eq!(house.get(&path).await.status, 403);
    let said = report(&house, 1).await;
    assert!(lines(&said).contains(&"refused quaymaster 2.0 1 1".to_owned()), "{said:#}");
    assert_eq!(said["modes"]["pypi"], "enforce");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_survives_a_restart_and_is_forgotten_in_time() {
    let house =
        TestHouse::furnish().policy("mode = \"observe\"\n").config(|config| config.store.report_days = 3).start().await;
    let new = house.pypi.publish("quaymaster", "2.0").wheel();
    assert_eq!(house.get_file("quaymaster", &new).await.status, 200);
    assert_eq!(lines(&report(&house, 1).await), ["would-refuse quaymaster 2.0 1 1"]);
    let house = house.restart().await;
    assert_eq!(house.get_file("quaymaster", &new).await.status, 200);
    assert_eq!(lines(&report(&house, 1).await), ["would-refuse quaymaster 2.0 2 1"], "the day goes on");

    house.pass(DAY).await;
    assert_eq!(lines(&report(&house, 1).await), [""; 0], "another day");
    assert_eq!(lines(&report(&house, 2).await), ["would-refuse quaymaster 2.0 2 1"]);
    house.pass(DAY * 2).await;
    assert_eq!(lines(&report(&house, 366).await), [""; 0], "kept for three days");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_for_viewers_and_bounded() {
    let house = TestHouse::furnish().policy("[namespaces]\npypi = [\"acme-*\"]\n").start().await;
    assert_eq!(house.api_with("", Method::GET, "/report", None).await.status, 401);
    let viewer = token(&house, "looker").await;
    assert_eq!(house.api_with(&viewer, Method::GET, "/report?days=30", None).await.status, 200);
    for wrong in ["0", "367", "-1", "x"] {
        let answer = house.api(Method::GET, &format!("/report?days={wrong}"), None).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    let digest = "0".repeat(64);
    let asked = futures_util::future::join_all((0..600).map(|number| {
        let path = format!("/pypi/files/acme-{number}/{digest}/acme_{number}-1.0-py3-none-any.whl");
        let house = &house;
        async move { house.get(&path).await.status }
    }));
    let refused = tokio::time::timeout(Duration::from_mins(1), asked).await.expect("answers");
    assert!(refused.iter().all(|status| *status == 403));
    let said = report(&house, 1).await;
    assert_eq!(said["items"].as_array().map(Vec::len), Some(600), "{}", said["left_out"]);
}
