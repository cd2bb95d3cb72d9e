//! What a developer gets and reads: a version is held, an older one is not.

use super::{Client, Workshop};
use crate::common::test_house::{Furnishing, TestHouse};
use crate::common::wheels::Built;
use crate::common::{FakePypi, Fault, Manner};

/// quaymaster 1.0 is a month old, 2.0 was uploaded today.
async fn harbour(furnishing: Furnishing) -> (TestHouse, Built) {
    let house = furnishing.start().await;
    let (_, new) = ship(&house.pypi, &house);
    (house, new)
}

fn ship(pypi: &FakePypi, house: &TestHouse) -> (Built, Built) {
    let old = pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    (old, pypi.publish("quaymaster", "2.0").wheel())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpinned_install_takes_the_released_version_quietly() {
    for (manner, policy) in [(Manner::Poor, "held_files = \"yank\"\n"), (Manner::Rich, "held_files = \"hide\"\n")] {
        let (house, _) = harbour(TestHouse::furnish().index(manner).policy(policy)).await;
        for client in Client::ALL {
            let workshop = Workshop::new(&house.index_url()).await;
            let outcome = workshop.install(client, &["quaymaster"]).await.expect_success(client);
            assert_eq!(workshop.installed(client, "quaymaster").as_deref(), Some("1.0"), "{client:?} {policy}");
            for word in ["yank", "held", "lazaret:", "WARN", "warn"] {
                assert!(!outcome.said.contains(word), "{client:?} says {word}: {}", outcome.said);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_with_requirements_installs_with_and_without_upstream_metadata() {
    for manner in [Manner::Poor, Manner::Rich, Manner::HtmlOnly] {
        let trust = |config: &mut lazaret::config::Config| config.pypi.baseline = lazaret::config::Baseline::Trust;
        let house = TestHouse::furnish().index(manner).config(trust).start().await;
        let old = house.days_ago(30);
        house.pypi.publish("quaymaster", "1.0").at(old).requires("mooring-line>=1").wheel();
        house.pypi.publish("mooring-line", "1.5").at(old).wheel();
        for client in Client::ALL {
            let workshop = Workshop::new(&house.index_url()).await;
            workshop.install(client, &["quaymaster"]).await.expect_success((client, manner));
            assert_eq!(workshop.installed(client, "mooring-line").as_deref(), Some("1.5"), "{client:?} {manner:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_at_least_the_held_version_names_our_reason() {
    let (house, _) = harbour(TestHouse::furnish()).await;
    let workshop = Workshop::new(&house.index_url()).await;
    let said = async |client| workshop.install(client, &["quaymaster>=2.0"]).await.expect_failure(client);
    insta::assert_snapshot!(said(Client::PipNew).await, @r"
    ERROR: Ignored the following yanked versions: 2.0
    ERROR: Could not find a version that satisfies the requirement quaymaster>=2.0 (from versions: 1.0)
    ERROR: No matching distribution found for quaymaster>=2.0
    ");
    insta::assert_snapshot!(said(Client::PipOld).await, @r"
    ERROR: Could not find a version that satisfies the requirement quaymaster>=2.0 (from versions: 1.0, 2.0)
    ERROR: No matching distribution found for quaymaster>=2.0
    ");
    insta::assert_snapshot!(said(Client::Uv).await, @r"
    error: No solution found when resolving dependencies
      cause: Because quaymaster==2.0 was yanked (reason: lazaret: held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID) and only quaymaster<=2.0 is available, we can conclude that quaymaster>=2.0 cannot be used.
             And because you require quaymaster>=2.0, we can conclude that your requirements are unsatisfiable.
    ");
    insta::assert_snapshot!(said(Client::Poetry).await, @"Could not find a matching version of package quaymaster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_exactly_the_held_version_prints_the_refusal() {
    let (house, _) = harbour(TestHouse::furnish()).await;
    let workshop = Workshop::new(&house.index_url()).await;
    let said = async |client| workshop.install(client, &["quaymaster==2.0"]).await.expect_failure(client);
    insta::assert_snapshot!(said(Client::PipNew).await, @r"
    ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ERROR: Could not install requirement quaymaster==2.0 from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl because of HTTP error 403 Client Error: quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ");
    insta::assert_snapshot!(said(Client::PipOld).await, @r"
    ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ERROR: Could not install requirement quaymaster==2.0 from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl because of HTTP error 403 Client Error: quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ");
    insta::assert_snapshot!(said(Client::Uv).await, @r"
    error: Failed to fetch: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
      cause: Server message: Quarantined, quaymaster 2.0 is held until 2026-11-25 12:00 UTC; see http://127.0.0.1:PORT/uploads/ID
      cause: HTTP status client error (403 quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID) for url (http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl)
    ");
    insta::assert_snapshot!(said(Client::Poetry).await, @r"
    Updating dependencies
    Resolving dependencies...

    403 Client Error: quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_held_versions_are_hidden_clients_only_see_the_others() {
    let (house, _) = harbour(TestHouse::furnish().policy("held_files = \"hide\"\n")).await;
    let workshop = Workshop::new(&house.index_url()).await;
    let said = async |client| workshop.install(client, &["quaymaster==2.0"]).await.expect_failure(client);
    insta::assert_snapshot!(said(Client::PipNew).await, @r"
    ERROR: Could not find a version that satisfies the requirement quaymaster==2.0 (from versions: 1.0)
    ERROR: No matching distribution found for quaymaster==2.0
    ");
    insta::assert_snapshot!(said(Client::PipOld).await, @r"
    ERROR: Could not find a version that satisfies the requirement quaymaster==2.0 (from versions: 1.0)
    ERROR: No matching distribution found for quaymaster==2.0
    ");
    insta::assert_snapshot!(said(Client::Uv).await, @r"
    error: No solution found when resolving dependencies
      cause: Because there is no version of quaymaster==2.0 and you require quaymaster==2.0, we can conclude that your requirements are unsatisfiable.
    ");
    insta::assert_snapshot!(said(Client::Poetry).await, @"Could not find a matching version of package quaymaster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hashed_requirement_of_a_held_file_is_refused_with_the_reason() {
    let (house, held) = harbour(TestHouse::furnish()).await;
    let workshop = Workshop::new(&house.index_url()).await;
    workshop.write("requirements.txt", &format!("quaymaster==2.0 --hash=sha256:{}\n", held.sha256()));
    let arguments = ["--require-hashes", "-r", "requirements.txt"];
    let said = async |client| workshop.install(client, &arguments).await.expect_failure(client);
    insta::assert_snapshot!(said(Client::PipNew).await, @r"
    ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ERROR: Could not install requirement quaymaster==2.0 from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from -r requirements.txt (line 1)) because of HTTP error 403 Client Error: quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ");
    insta::assert_snapshot!(said(Client::PipOld).await, @r"
    ERROR: HTTP error 403 while getting http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ERROR: Could not install requirement quaymaster==2.0 from http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from -r requirements.txt (line 1)) because of HTTP error 403 Client Error: quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID for url: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl for URL http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl (from http://127.0.0.1:PORT/pypi/simple/quaymaster/)
    ");
    insta::assert_snapshot!(said(Client::Uv).await, @r"
    error: Failed to fetch: http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl
      cause: Server message: Quarantined, quaymaster 2.0 is held until 2026-11-25 12:00 UTC; see http://127.0.0.1:PORT/uploads/ID
      cause: HTTP status client error (403 quaymaster 2.0 held until 2026-11-25 12:00 UTC, see http://127.0.0.1:PORT/uploads/ID) for url (http://127.0.0.1:PORT/pypi/files/quaymaster/DIGEST/quaymaster-2.0-py3-none-any.whl)
    ");

    house.approve(&held.filename).await;
    house.pages_expire().await;
    for client in Client::INSTALLERS {
        workshop.fresh_environment().await;
        workshop.install(client, &arguments).await.expect_success(client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstreams_own_yank_reason_stays_in_front_of_ours() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "2.0").yanked("forgot a file").wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    let said = workshop.install(Client::Uv, &["quaymaster>=2.0"]).await.expect_failure("uv");
    insta::assert_snapshot!(said, @r"
    error: No solution found when resolving dependencies
      cause: Because quaymaster==2.0 was yanked (reason: forgot a file; lazaret: held for review: the upstream has yanked this file, waits for a reviewer, see http://127.0.0.1:PORT/uploads/ID) and you require quaymaster==2.0, we can conclude that your requirements are unsatisfiable.
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_choose_by_upload_time_find_it() {
    let (house, _) = harbour(TestHouse::furnish()).await;
    house.pypi.publish("quaymaster", "1.1").at(house.days_ago(10)).wheel();
    let workshop = Workshop::new(&house.index_url()).await;
    let cutoff = ["quaymaster", "--uploaded-prior-to", "2026-11-01T00:00:00Z"];
    workshop.install(Client::PipNew, &cutoff).await.expect_success("pip");
    assert_eq!(workshop.installed(Client::PipNew, "quaymaster").as_deref(), Some("1.0"));
    workshop.fresh_environment().await;
    let cutoff = ["quaymaster", "--exclude-newer", "2026-11-01T00:00:00Z"];
    workshop.install(Client::Uv, &cutoff).await.expect_success("uv");
    assert_eq!(workshop.installed(Client::Uv, "quaymaster").as_deref(), Some("1.0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_upstream_down_installs_go_on() {
    let (house, _) = harbour(TestHouse::furnish()).await;
    for client in Client::ALL {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["quaymaster"]).await.expect_success(client);
    }
    house.pypi.fault("/", Fault::HangUp);
    house.pass(crate::common::clock::HOUR).await;
    for client in Client::ALL {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["quaymaster"]).await.expect_success(client);
    }
}
