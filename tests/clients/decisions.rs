//! Approval, the end of a hold and rejection each change what the same command gets: pages within their age, files at once.

use super::{Client, Workshop};
use crate::common::clock::{DAY, HOUR};
use crate::common::test_house::TestHouse;

const EXACT: &[&str] = &["quaymaster==2.0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_approval_the_same_command_succeeds() {
    for client in Client::ALL {
        let house = TestHouse::start().await;
        let held = house.pypi.publish("quaymaster", "2.0").wheel();
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, EXACT).await.expect_failure(client);
        house.approve("pypi:quaymaster==2.0").await;
        assert_eq!(house.get_file("quaymaster", &held).await.status, 200, "files change at once");
        // uv keeps a page for its max-age; a new folder has no cache.
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, EXACT).await.expect_success(client);
        assert_eq!(workshop.installed(client, "quaymaster").as_deref(), Some("2.0"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_of_the_hold_the_same_command_succeeds_without_anyone_asking() {
    for client in Client::ALL {
        let house = TestHouse::start().await;
        house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        house.pypi.publish("quaymaster", "2.0").wheel();
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, EXACT).await.expect_failure(client);
        house.pass(DAY * 3 + HOUR).await;
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["quaymaster"]).await.expect_success(client);
        assert_eq!(workshop.installed(client, "quaymaster").as_deref(), Some("2.0"), "{client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rejection_the_version_is_refused_with_the_reviewers_reason() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    assert_eq!(house.decide("reject", "pypi:quaymaster==2.0").await.status, 200);
    let workshop = Workshop::new(&house.index_url()).await;
    let said = async |client| workshop.install(client, EXACT).await.expect_failure(client);
    insta::assert_snapshot!(said(Client::PipNew).await, @r"
    ERROR: Could not find a version that satisfies the requirement quaymaster==2.0 (from versions: none)
    ERROR: No matching distribution found for quaymaster==2.0
    ");
    insta::assert_snapshot!(said(Client::Uv).await, @r"
    error: No solution found when resolving dependencies
      cause: Because there is no version of quaymaster==2.0 and you require quaymaster==2.0, we can conclude that your requirements are unsatisfiable.
    ");

    // Who knows the address is told why.
    let url = format!("{}{}", house.packages(), TestHouse::file_path("quaymaster", &held));
    let direct = format!("quaymaster @ {url}");
    let said = async |client| workshop.install(client, &[&direct]).await.expect_failure(client);
    insta::assert_snapshot!(said(Client::PipNew).await, @r"
    ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
    ERROR: Could not install requirement quaymaster @ http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl because of HTTP error 403 Client Error: quaymaster 2.0 rejected: reject in a test, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
    ");
    insta::assert_snapshot!(said(Client::PipOld).await, @r"
    ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
    ERROR: Could not install requirement quaymaster@ http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl because of HTTP error 403 Client Error: quaymaster 2.0 rejected: reject in a test, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
    ");
    insta::assert_snapshot!(said(Client::Uv).await, @r"
    error: Failed to download `quaymaster @ http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl`
      cause: Failed to fetch: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
      cause: Server message: Quarantined, quaymaster 2.0 is rejected: reject in a test; see http://127.0.0.1:PORT/uploads/ID
      cause: HTTP status client error (403 quaymaster 2.0 rejected: reject in a test, see http://127.0.0.1:PORT/uploads/ID) for url (http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl)
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_recall_files_are_refused_at_once() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    for client in Client::INSTALLERS {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["quaymaster==1.0"]).await.expect_success(client);
    }
    assert_eq!(house.decide("recall", "pypi:quaymaster==1.0").await.status, 200);
    for client in Client::INSTALLERS {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["quaymaster==1.0"]).await.expect_failure(client);
    }
}
