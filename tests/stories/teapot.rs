//! teapot: a repository through the same quarantine. What a hold, its end and a decision change, seen with teacup's eyes.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::common::clock::{DAY, HOUR};
use crate::common::teapot_house::package;
use crate::common::{FakeTeapot, Fault, Teacup, TeapotHouse};

const HOLD: Duration = Duration::from_hours(73);

/// A repository with a package and what it needs.
async fn repository() -> FakeTeapot {
    let upstream = FakeTeapot::start().await;
    let meta = [("as::author", "{Alice Example}"), ("require", "{Tcl -require 8.5} {acme::util -require 1.0}")];
    upstream.package("acme::greet", "1.0", &meta);
    upstream.package("acme::util", "1.0", &[("as::author", "{Alice Example}")]);
    upstream
}

const BY_ALICE: [(&str, &str); 2] = [("as::author", "{Alice Example}"), ("require", "{acme::util -require 1.0}")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_of_what_is_shown_reaches_a_client_that_keeps_indexes() {
    let mut house = TeapotHouse::before(repository().await).await;
    let mut teacup = house.teacup();
    let run = teacup.install("acme::greet").await;
    assert_eq!(run.exit, 0, "{}", run.out);
    assert_eq!(run.asked[..2], ["/db/status", "/db/index"]);
    assert_eq!(teacup.installed.len(), 2);
    let mut imtimes = vec![house.imtime().await];

    // Held: a client is told beside the version that it gets.
    house.clock().advance(HOUR);
    house.upstream.package("acme::greet", "2.0", &BY_ALICE);
    house.poll().await;
    imtimes.push(house.imtime().await);
    assert_eq!(house.index().await.len(), 2);
    assert_eq!(house.best("acme::greet").await.as_deref(), Some("package acme::greet 1.0 tcl 0"));
    let run = teacup.list(Some("acme::greet")).await;
    assert_eq!(run.out, "package acme::greet 1.0 tcl {2.0 is in quarantine until 2026-11-26}\n1 entities found\n");
    assert_eq!(run.asked, ["/db/status", "/db/index"]);
    let run = teacup.install("acme::greet -require 2.0").await;
    assert!(run.exit == 1 && run.out.contains("Not found in the archives."), "{}", run.out);
    let sentence = house.refusal(&package("acme::greet", "2.0")).await;
    assert_eq!(sentence, "acme::greet 2.0 is held until 2026-11-25 13:03 UTC; see http://127.0.0.1:PORT/uploads/ID");

    // Let in: by a person, at once.
    house.house.approve("teapot:acme::greet==2.0").await;
    imtimes.push(house.imtime().await);
    assert_eq!(house.index().await.len(), 3);
    assert_eq!(house.best("acme::greet").await.as_deref(), Some("package acme::greet 2.0 tcl 0"));
    let run = teacup.install("acme::greet -require 2.0").await;
    assert!(run.exit == 0 && teacup.installed.contains_key("package acme::greet 2.0 tcl"), "{}", run.out);

    // Taken back. Who looked at the index just before comes for a file that is not open any more.
    let answer = house.house.decide("recall", "teapot:acme::greet==2.0").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sentence = house.refusal(&package("acme::greet", "2.0")).await;
    assert_eq!(sentence, "acme::greet 2.0 is recalled: recall in a test; see http://127.0.0.1:PORT/uploads/ID");
    imtimes.push(house.imtime().await);
    assert_eq!(house.index().await.len(), 2);
    assert_eq!(house.best("acme::greet").await.as_deref(), Some("package acme::greet 1.0 tcl 0"));
    let run = teacup.list(Some("acme::greet")).await;
    assert_eq!(run.out, "package acme::greet 1.0 tcl\n1 entities found\n");

    // A new one, and its time.
    house.upstream.package("acme::greet", "2.1", &BY_ALICE);
    house.poll().await;
    imtimes.push(house.imtime().await);
    house.house.pass(HOLD).await;
    imtimes.push(house.imtime().await);
    assert_eq!(house.best("acme::greet").await.as_deref(), Some("package acme::greet 2.1 tcl 0"));
    let run = teacup.install("acme::greet -require 2.1").await;
    assert!(run.exit == 0, "{}", run.out);

    // Neither a repository that goes back in time nor a clock that does makes it fall.
    house.upstream.set_imtime(7);
    house.clock().step_wall_back(DAY * 3);
    house.upstream.package("acme::greet", "2.2", &BY_ALICE);
    house.poll().await;
    imtimes.push(house.imtime().await);
    assert!(teacup.list(None).await.out.contains("2.2 is in quarantine until"));
    assert!(imtimes.is_sorted_by(|one, two| one < two), "{imtimes:?}");

    // Nor does a restart, after which it is the same to the byte.
    let listed = house.list("/list").await;
    let (status, index) = (house.status().await, house.get("/db/index").await.body);
    house.upstream.fault("/", Fault::HangUp);
    house = Box::pin(house.restart()).await;
    assert_eq!(house.list("/list").await, listed);
    assert_eq!(house.status().await, status);
    assert_eq!(house.get("/db/index").await.body, index);
    assert_eq!(
        house.file(&package("acme::greet", "2.1")).await.len(),
        teacup.installed["package acme::greet 2.1 tcl"].len()
    );
    house.house.decide("recall", "teapot:acme::greet==2.1").await;
    assert!(house.imtime().await > status.imtime, "what is decided shows though the upstream does not answer");
    assert_eq!(house.best("acme::greet").await.as_deref(), Some("package acme::greet 1.0 tcl 0"));
    let answer = house.house.api(Method::GET, "/audit?limit=1000", None).await.json();
    assert!(answer["items"].as_array().is_some_and(|events| events.len() > 8), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_dependency_is_told_in_the_clients_own_words() {
    let house = TeapotHouse::before(repository().await).await;
    assert_eq!(house.index().await.len(), 2);
    house.clock().advance(HOUR);
    house.upstream.package(
        "acme::greet",
        "2.0",
        &[("as::author", "{Alice Example}"), ("require", "{acme::fresh -require 1.0}")],
    );
    house.upstream.package("acme::fresh", "1.0", &[]);
    house.poll().await;
    assert_eq!(house.index().await.len(), 2, "both are held");
    house.house.approve("teapot:acme::greet==2.0").await;
    for mut teacup in [house.teacup(), house.teacup().without_cache()] {
        let run =
            tokio::time::timeout(Duration::from_secs(10), teacup.install("acme::greet")).await.expect("an answer");
        assert_eq!(run.exit, 1);
        assert!(
            run.out.contains(
                "The following references could not be found:\n    acme::fresh -require 1.0 -is package\n        \
                 required by package acme::greet 2.0 tcl"
            ),
            "{}",
            run.out
        );
        assert!(teacup.installed.is_empty());
        let run = teacup.install("acme::greet -require 1.0").await;
        assert_eq!((run.exit, teacup.installed.len()), (0, 2), "{}", run.out);
    }
    let why = house.house.api(Method::GET, "/why?target=teapot%3Aacme%3A%3Afresh", None).await;
    assert_eq!(why.json()["held"][0]["version"], "1.0", "{}", why.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_decided_about_by_its_version_its_id_and_its_file() {
    let house = TeapotHouse::before(repository().await).await;
    house.index().await;
    house.clock().advance(HOUR);
    for version in ["2.0", "2.1", "2.2"] {
        house.upstream.package("acme::greet", version, &BY_ALICE);
    }
    house.poll().await;
    house.house.approve("teapot:acme::greet==2.0").await;
    let by_id = house.upload("acme::greet", "2.1").await;
    house.house.approve(by_id["id"].as_str().expect("an id")).await;
    let by_file = house.upload("acme::greet", "2.2").await;
    assert_eq!(by_file["instance"], "package acme::greet 2.2 tcl");
    let filename = by_file["filename"].as_str().expect("a name");
    house.house.approve(filename).await;
    assert_eq!(house.versions("acme::greet").await, ["1.0", "2.0", "2.1", "2.2"]);

    // One of those that were there from the first has no row before somebody takes it back.
    let old = house.index().await;
    let old = old.get(&package("acme::greet", "1.0")).expect("the old one").signature;
    let answer = house.house.decide("recall", &format!("package/acme_3a_3agreet/1.0/tcl/{old}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(house.versions("acme::greet").await, ["2.0", "2.1", "2.2"]);

    // The command line says the same.
    let shown = house.house.cli(&["show", "teapot:acme::greet==2.2"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.starts_with("teapot:acme::greet==2.2\n") && shown.contains("package acme::greet 2.2 tcl"), "{shown}");
    let why = house.house.cli(&["why", "teapot:acme::greet==1.0"]).await;
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains("recall in a test"), "{why}");

    // Blocked: by version, then the whole name; before anybody sees it, and from those that were always there.
    let block = |target: &str| json!({ "target": target, "reason": "advisory 7" });
    for target in ["teapot:acme::greet==2.1", "teapot:acme::greet==3.0", "teapot:acme::util"] {
        let answer = house.house.api(Method::POST, "/blocks", Some(block(target))).await;
        assert!(answer.status < 300, "{}", answer.text());
    }
    house.upstream.package("acme::greet", "3.0", &BY_ALICE);
    house.poll().await;
    assert_eq!(house.versions("acme::greet").await, ["2.0", "2.2"]);
    assert_eq!(house.versions("acme::util").await, [""; 0]);
    for held in [package("acme::greet", "2.1"), package("acme::greet", "3.0"), package("acme::util", "1.0")] {
        let sentence = house.refusal(&held).await;
        assert!(sentence.contains("advisory 7"), "{sentence}");
    }
    let lifted = house.house.cli(&["unblock", "teapot:acme::greet==3.0", "--reason", "false alarm"]).await;
    assert!(lifted.status.success(), "{}", String::from_utf8_lossy(&lifted.stderr));
    let answer = house.house.api(Method::DELETE, "/blocks", Some(block("teapot:acme::util"))).await;
    assert!(answer.status < 300, "{}", answer.text());
    house.house.pass(HOLD).await;
    house.house.pass(HOUR).await;
    assert_eq!(house.versions("acme::util").await, ["1.0"]);
    assert_eq!(house.versions("acme::greet").await, ["2.0", "2.2", "3.0"]);
    assert_eq!(house.file(&package("acme::greet", "2.2")).await.first(), Some(&b'#'));
    let verified = house.house.api(Method::GET, "/audit/verify", None).await;
    assert!([200, 404].contains(&verified.status), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_merely_observes_sees_everything_but_what_breaks_a_hard_rule() {
    let policy = "mode = \"observe\"\n[namespaces]\nteapot = [\"corp::*\"]\n";
    let house = TeapotHouse::with_policy(repository().await, policy).await;
    assert_eq!(house.index().await.len(), 2);
    house.clock().advance(HOUR);
    house.upstream.package("acme::greet", "2.0", &BY_ALICE);
    house.upstream.package("corp::ledger", "1.0", &[]);
    house.poll().await;
    assert_eq!(house.versions("acme::greet").await, ["1.0", "2.0"]);
    assert_eq!(house.versions("corp::ledger").await, [""; 0]);
    assert!(!house.file(&package("acme::greet", "2.0")).await.is_empty());
    assert!(house.refusal(&package("corp::ledger", "1.0")).await.contains("internal name"));
    let mut teacup = Teacup::new(&house.archive());
    assert_eq!(teacup.update().await.exit, 0);
    assert_eq!(teacup.installed.len(), 3);
}
