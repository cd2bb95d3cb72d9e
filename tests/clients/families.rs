//! Promise 10: an unpinned install of released packages never fails because something else is held, and `setup.py` never runs
//! where a wheel exists upstream. Both ways of showing held files are tried with every client.

use super::{Client, Workshop};
use crate::common::Manner;
use crate::common::clock::HOUR;
use crate::common::test_house::TestHouse;

const MODES: [&str; 2] = ["held_files = \"yank\"\n", "held_files = \"hide\"\n"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_whose_exact_child_is_held_is_not_offered() {
    for mode in MODES {
        let house = TestHouse::furnish().index(Manner::Rich).policy(mode).start().await;
        for version in ["1.0", "2.0"] {
            let pin = format!("childboat=={version}");
            let hours = if version == "1.0" { 1_000 } else { 71 };
            house.pypi.publish("parentship", version).at(house.hours_ago(hours)).requires(&pin).wheel();
        }
        house.pypi.publish("childboat", "1.0").at(house.hours_ago(1_000)).wheel();
        house.pypi.publish("childboat", "2.0").at(house.hours_ago(20)).wheel();
        house.page("parentship").await;
        house.page("childboat").await;
        // By its own age the parent's second version would be released now.
        house.pass(HOUR * 2).await;
        for client in Client::ALL {
            let workshop = Workshop::new(&house.index_url()).await;
            workshop.install(client, &["parentship"]).await.expect_success((client, mode));
            assert_eq!(workshop.installed(client, "parentship").as_deref(), Some("1.0"), "{client:?} {mode}");
            assert_eq!(workshop.installed(client, "childboat").as_deref(), Some("1.0"), "{client:?} {mode}");
        }
        house.pass(HOUR * 51).await;
        house.release_due("parentship").await;
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(Client::PipNew, &["parentship"]).await.expect_success(mode);
        assert_eq!(workshop.installed(Client::PipNew, "childboat").as_deref(), Some("2.0"), "they leave together");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_first_seen_when_it_is_old_enough_waits_for_its_held_child_too() {
    for mode in MODES {
        let house = TestHouse::furnish().index(Manner::Rich).policy(mode).start().await;
        house.pypi.publish("parentship", "1.0").at(house.days_ago(40)).requires("childboat==1.0").wheel();
        house.pypi.publish("childboat", "1.0").at(house.days_ago(40)).wheel();
        // Nobody here has asked for either before: the parent is four days old, the child was uploaded today.
        house.pypi.publish("parentship", "2.0").at(house.days_ago(4)).requires("childboat==2.0").wheel();
        house.pypi.publish("childboat", "2.0").wheel();
        // What young versions require is read in the background, right after their page was first read.
        house.page("parentship").await;
        house.house.run_due_jobs().await;
        for client in Client::INSTALLERS {
            let workshop = Workshop::new(&house.index_url()).await;
            workshop.install(client, &["parentship"]).await.expect_success((client, mode));
            assert_eq!(workshop.installed(client, "childboat").as_deref(), Some("1.0"), "{client:?} {mode}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setup_py_never_runs_where_a_wheel_is_held() {
    for mode in MODES {
        let house = TestHouse::furnish().policy(mode).start().await;
        house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        // The sdist is old enough by itself, its wheel came more than a day later.
        house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(100)).sdist();
        house.pypi.publish("quaymaster", "2.0").at(house.hours_ago(20)).wheel();
        for client in Client::ALL {
            let workshop = Workshop::new(&house.index_url()).await;
            workshop.install(client, &["quaymaster"]).await.expect_success((client, mode));
            assert_eq!(workshop.installed(client, "quaymaster").as_deref(), Some("1.0"), "{client:?} {mode}");
            workshop.install(client, &["quaymaster==2.0"]).await.expect_failure((client, mode));
            assert!(!workshop.setup_ran(), "{client:?} {mode}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setup_py_of_a_released_sdist_does_run_and_the_tests_would_see_it() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).sdist();
    for client in Client::ALL {
        let workshop = Workshop::new(&house.index_url()).await;
        workshop.install(client, &["quaymaster"]).await.expect_success(client);
        assert!(workshop.setup_ran(), "{client:?}");
        assert_eq!(workshop.installed(client, "quaymaster").as_deref(), Some("1.0"), "{client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_wheel_of_a_released_version_disturbs_nobody() {
    for mode in MODES {
        let house = TestHouse::furnish().policy(mode).start().await;
        house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
        house.page("quaymaster").await;
        let late = crate::common::Wheel::new("quaymaster", "1.0").tagged("cp311-none-any").build();
        house.pypi.publish("quaymaster", "1.0").file(late);
        house.pages_expire().await;
        for client in Client::ALL {
            let workshop = Workshop::new(&house.index_url()).await;
            workshop.install(client, &["quaymaster==1.0"]).await.expect_success((client, mode));
        }
    }
}
