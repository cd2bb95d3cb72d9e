//! What whoever runs the house relies on: the policy is read again, and it is known whom a file reached.

use http::Method;

use crate::common::test_house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_read_again_and_one_with_an_error_changes_nothing() {
    let house = TestHouse::furnish().policy("[hold]\ndefault = \"1h\"\n").start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(2)).wheel();
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);

    let policy = house.folder.path().join("policy.toml");
    std::fs::write(&policy, "[namespaces]\npypi = [\"quaymaster\"]\nhold = 3\n").expect("written");
    let error = house.house.reload_policy().await.expect_err("an unknown key");
    assert!(format!("{error:#}").contains("policy.toml:3"), "{error:#}");
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200, "the policy in force stays");

    std::fs::write(&policy, "[namespaces]\npypi = [\"quaymaster\"]\n").expect("written");
    house.house.reload_policy().await.expect("read again");
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403, "the name is ours from now on");
    let loaded = house.events().await.iter().filter(|event| event["kind"] == "policy-loaded").count();
    assert_eq!(loaded, 2, "one at the start, one for the file that could be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_says_whom_it_reached() {
    let house = TestHouse::start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(5)).wheel();
    for _ in 0..3 {
        assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    }
    house.pypi.remove(&file.filename);
    house.pages_expire().await;
    house.page("quaymaster").await;

    let events = house.events().await;
    let suspended = events.iter().find(|event| event["kind"] == "suspended").expect("it is suspended");
    assert_eq!(suspended["details"]["downloads"], 3, "{suspended:#}");
    assert_eq!(suspended["details"]["reached"][0]["actor"], "127.0.0.1");

    let artifact = house.api(Method::GET, &format!("/artifacts/{}", file.sha256()), None).await.json();
    assert_eq!(artifact["downloads"][0]["count"], 3, "{artifact:#}");
    assert_eq!(artifact["kept"], true);
    assert_eq!(artifact["platform"], "any");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_is_taken_back_leaves_a_project_as_it_was() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).wheel();
    let withdrawn = house.pypi.publish("quaymaster", "1.1").at(house.days_ago(300)).yanked("broken").wheel();
    let before = house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &old).await.status, 200);

    let block = serde_json::json!({ "target": "pypi:quaymaster", "reason": "a rumour" });
    assert_eq!(house.api(Method::POST, "/blocks", Some(block.clone())).await.status, 200);
    assert!(house.page("quaymaster").await.is_empty());
    assert_eq!(house.get_file("quaymaster", &old).await.status, 403);

    assert_eq!(house.api(Method::DELETE, "/blocks", Some(block)).await.status, 200);
    assert_eq!(house.page("quaymaster").await, before, "at once, and with the upstream's own yank");
    for file in [&old, &withdrawn] {
        assert_eq!(house.get_file("quaymaster", file).await.status, 200, "exact pins still need it");
    }
}
