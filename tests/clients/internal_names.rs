//! Internal names: nothing of them is taken from anywhere else, by any client.

use super::{Client, Workshop};
use crate::common::test_house::{JSON, TestHouse};
use crate::common::{FakePypi, Fault, HandClock, Manner};

const INTERNAL: &str = "[namespaces]\npypi = [\"acme-*\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_project_with_an_internal_name_is_never_installed() {
    let house = TestHouse::furnish().policy(INTERNAL).start().await;
    house.pypi.publish("acme-billing", "99.0").at(house.days_ago(300)).wheel();
    for client in Client::ALL {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["acme-billing"]).await.expect_failure(client);
        assert!(workshop.installed(client, "acme-billing").is_none(), "{client:?}");
    }
    assert!(house.pypi.asked().is_empty(), "{:?}", house.pypi.asked_for("/"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uv_takes_nothing_of_an_internal_name_from_an_attackers_second_index() {
    let house = TestHouse::furnish().policy(INTERNAL).start().await;
    let attacker = FakePypi::start(&house.clock, Manner::Rich).await;
    attacker.publish("acme-billing", "99.0").wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    // With uv, an extra index is asked before the default one: ours must come first, as client-setup says.
    let second = attacker.simple().to_string();
    let python = workshop.path("venv/bin/python").display().to_string();
    let index = house.index_url();
    let arguments =
        ["pip", "install", "--python", &python, "--default-index", &second, "--index", &index, "acme-billing"];
    let said = workshop.uv(&arguments).await.expect_failure("uv");
    insta::assert_snapshot!(said, @r"
    error: No solution found when resolving dependencies
      cause: Because there are no versions of acme-billing and you require acme-billing, we can conclude that your requirements are unsatisfiable.
    ");
    assert!(attacker.asked_for("/files/").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_project_installs_at_once_though_a_public_one_says_99() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    corp.publish("dockyard", "1.0").wheel();
    house.pypi.publish("dockyard", "99.0").at(house.days_ago(300)).wheel();
    for client in Client::ALL {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["dockyard"]).await.expect_success(client);
        assert_eq!(workshop.installed(client, "dockyard").as_deref(), Some("1.0"), "{client:?}");
    }
    assert!(house.pypi.asked().is_empty(), "{:?}", house.pypi.asked_for("/"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_private_index_down_nothing_is_installed_and_nobody_else_is_asked() {
    let clock = HandClock::new();
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish().clock(&clock).private("corp", &corp).start().await;
    house.pypi.publish("dockyard", "99.0").at(house.days_ago(300)).wheel();
    corp.fault("/", Fault::Status(502));
    let answer = house.send(http::Method::GET, "/pypi/simple/dockyard/", &[JSON]).await;
    assert_eq!(answer.status, 503);
    insta::assert_snapshot!(house.quiet(&answer.reason), @"the private index corp did not answer for dockyard: 127.0.0.1:PORT answered 502");
    let workshop = Workshop::new(&house.index_url()).await.with("UV_HTTP_RETRIES", "0");
    workshop.install(Client::PipNew, &["--retries", "0", "dockyard"]).await.expect_failure("pip");
    workshop.install(Client::Uv, &["dockyard"]).await.expect_failure("uv");
    assert!(house.pypi.asked().is_empty(), "{:?}", house.pypi.asked_for("/"));
}
