//! teapot: what is trusted from the first, what is held, and what speaks against an instance.

use std::time::Duration;

use lazaret::config::Baseline;

use crate::common::clock::{DAY, HOUR};
use crate::common::teapot_house::{package, signals};
use crate::common::test_house::TestHouse;
use crate::common::{FakeTeapot, Fault, TeapotHouse};

const HOLD: Duration = Duration::from_hours(73);

const ALICE: (&str, &str) = ("as::author", "{Alice Example}");

async fn repository() -> FakeTeapot {
    let upstream = FakeTeapot::start().await;
    upstream.package("acme::greet", "1.0", &[ALICE]);
    upstream.package("acme::util", "1.0", &[ALICE]);
    upstream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_first_index_lists_is_trusted_and_told_in_one_event() {
    let upstream = repository().await;
    // Old names may look like what they want.
    upstream.package("Plotchrat", "1.0", &[]);
    let house = TeapotHouse::before(upstream).await;
    let index = house.index().await;
    assert_eq!(index.len(), 3);
    let baseline = house.events("baseline").await;
    assert_eq!(baseline.len(), 1, "{baseline:#?}");
    let details = &baseline[0]["details"];
    assert_eq!((&details["instances"], &details["trusted"]), (&3.into(), &true.into()));
    assert_eq!(details["digest"], index.digest().to_string());
    assert!(house.uploads("acme::greet").await.is_empty());
    for name in ["acme::greet", "Plotchrat"] {
        assert!(!house.file(&package(name, "1.0")).await.is_empty());
        assert_eq!(house.upload(name, "1.0").await["state"], "released");
    }
    house.poll().await;
    house.house.set_policy("[hold]\ndefault = \"5d\"\n");
    assert_eq!(house.versions("Plotchrat").await, ["1.0"]);
    let house = Box::pin(house.restart()).await;
    house.poll().await;
    assert_eq!(house.index().await.len(), 3);
    assert_eq!(house.events("baseline").await.len(), 1);
    assert!(house.events("alarm").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_first_index_lists_can_be_held() {
    let furnishing = TestHouse::furnish().config(|config| config.teapot.baseline = Baseline::Hold);
    let house = TeapotHouse::furnished(furnishing, repository().await).await;
    assert!(house.index().await.is_empty());
    let sentence = house.refusal(&package("acme::greet", "1.0")).await;
    assert!(sentence.starts_with("acme::greet 1.0 is held until 2026-11-25 12:00 UTC"), "{sentence}");
    let before = house.imtime().await;
    house.house.approve("teapot:acme::util==1.0").await;
    assert_eq!(house.versions("acme::util").await, ["1.0"]);
    assert!(house.imtime().await > before);
    house.house.pass(HOLD).await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    // What nobody asked for waits as long as anything may, and for a look at the repository after that.
    let furnishing = TestHouse::furnish().config(|config| config.teapot.baseline = Baseline::Hold);
    let house = TeapotHouse::furnished(furnishing, repository().await).await;
    assert!(house.index().await.is_empty());
    house.house.pass(DAY * 6).await;
    assert!(house.index().await.is_empty());
    house.house.pass(DAY * 2).await;
    assert_eq!(house.index().await.len(), 2);
    assert!(!house.file(&package("acme::greet", "1.0")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_bytes_are_another_upload_and_an_alarm() {
    let house = TeapotHouse::before(repository().await).await;
    let greet = package("acme::greet", "1.0");
    let old = house.file(&greet).await;
    house.clock().advance(HOUR);
    let new = house.upstream.package("acme::greet", "1.0", &[ALICE, ("summary", "{Other bytes.}")]);
    assert_ne!(old, new);
    house.poll().await;
    let alarms = house.events("alarm").await;
    assert!(
        alarms.iter().any(|alarm| alarm["summary"].as_str().is_some_and(|text| text.contains("changed its bytes")))
    );
    let told = alarms.iter().find(|alarm| alarm["details"]["instances"].is_array()).expect("the alarm of the poll");
    let [_, before, after] = [0, 1, 2].map(|place| told["details"]["instances"][0][place].as_str().expect("a text"));
    assert_ne!(before, after, "both sides are told");
    // Neither is served: not the old ones, which the repository does not vouch for any more, nor the new ones.
    assert_eq!(house.versions("acme::greet").await, [""; 0]);
    let sentence = house.refusal(&greet).await;
    assert!(sentence.starts_with("acme::greet 1.0 is held until"), "{sentence}");
    let uploads = house.uploads("acme::greet").await;
    let held = uploads.iter().find(|upload| signals(upload).contains(&"replaced-instance")).expect("the new one");
    let finding =
        held["findings"].as_array().expect("findings").iter().find(|one| one["signal"] == "replaced-instance");
    let evidence = &finding.expect("a finding")["evidence"];
    assert_eq!(evidence["old_signature"], before);
    assert!(evidence["promise"].as_str().is_some_and(|text| text.contains("md5")), "{evidence}");
    house.house.pass(DAY * 8).await;
    assert_eq!(house.file(&greet).await, new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_does_not_release_what_vanished_during_its_hold() {
    let house = TeapotHouse::before(repository().await).await;
    house.index().await;
    house.clock().advance(HOUR);
    house.upstream.package("acme::greet", "2.0", &[ALICE]);
    house.poll().await;
    house.upstream.remove(["package", "acme::greet", "2.0", "tcl"]);
    house.poll().await;
    house.house.pass(HOLD).await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    assert_eq!(house.upload("acme::greet", "2.0").await["state"], "held");
    assert_eq!(house.get("/package/name/acme%3a%3agreet/ver/2%2e0/arch/tcl/file").await.status, 404);
    // Nor what could not be looked at again since.
    house.upstream.package("acme::util", "2.0", &[ALICE]);
    house.poll().await;
    house.upstream.fault("/db/", Fault::Status(404));
    house.house.pass(HOLD).await;
    assert_eq!(house.versions("acme::util").await, ["1.0"]);
    house.upstream.heal();
    house.poll().await;
    house.poll().await;
    assert_eq!(house.versions("acme::util").await, ["1.0", "2.0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_ours_never_leave_and_never_come_in() {
    let upstream = repository().await;
    upstream.package("corp::ledger", "1.0", &[]);
    let house = TeapotHouse::with_policy(upstream, "[namespaces]\nteapot = [\"corp::*\"]\n").await;
    assert_eq!(house.index().await.len(), 2);
    house.clock().advance(HOUR);
    house.upstream.package("corp::ledger", "99.0", &[]);
    house.upstream.package("corp::new", "1.0", &[]);
    house.poll().await;
    assert_eq!(house.index().await.len(), 2);
    for name in ["corp::ledger", "corp::new"] {
        assert!(house.refusal(&package(name, "1.0")).await.contains("is an internal name here") || name == "corp::new");
    }
    assert!(house.upstream.asked_for("corp").is_empty());
    // The policy changes: what was there from the first is as trusted as the rest, what came later is not.
    house.house.set_policy("");
    assert_eq!(house.versions("corp::ledger").await, ["1.0"]);
    assert_eq!(house.versions("corp::new").await, [""; 0]);
    assert!(house.refusal(&package("corp::ledger", "99.0")).await.contains("held until"));
    house.house.set_policy("[namespaces]\nteapot = [\"corp::*\"]\n");
    house.house.pass(DAY * 30).await;
    assert_eq!(house.index().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_speaks_against_an_instance_holds_it_longer_or_for_a_person() {
    let upstream = repository().await;
    upstream.package("quartermaster", "1.0", &[ALICE]);
    upstream.package("quartermasters", "1.0", &[ALICE]);
    let house = TeapotHouse::before(upstream).await;
    // A local client uses it, so new versions of it are fetched while they wait.
    house.file(&package("acme::greet", "1.0")).await;
    house.clock().advance(HOUR);
    let upstream = &house.upstream;
    upstream.package("acme::greet", "1.1", &[ALICE]);
    upstream.package("acme::greet", "1.2", &[("author", "{Mallory Example}")]);
    // The second of two strangers is not vouched for by the first.
    upstream.package("acme::greet", "1.3", &[("author", "{Mallory Example}")]);
    upstream.package("acme::greet", "1.4", &[]);
    upstream.package("acme::greet", "99.0", &[ALICE]);
    upstream.package("Plotchrat", "1.0", &[]);
    upstream.package("quartermatser", "1.0", &[]);
    let script = "# @@ Meta Begin\n# Package acme::greet 1.5\n# Meta platform tcl\n# Meta as::author {Alice Example}\n\
        # @@ Meta End\npackage provide acme::greet 1.5\nset code [binary decode base64 cHV0cyBoaQ==]\neval $code\n";
    upstream.file(["package", "acme::greet", "1.5", "tcl"], script.into(), &[ALICE]);
    house.poll().await;
    house.house.pass(Duration::from_mins(1)).await;

    let seen = async |name: &str, version: &str| {
        let upload = house.upload(name, version).await;
        assert_eq!(upload["state"], "held", "{upload:#}");
        let signals: Vec<String> =
            signals(&upload).into_iter().filter(|signal| *signal != "age").map(str::to_owned).collect();
        (
            signals.join(" "),
            upload["verdict"].as_str().map(str::to_owned).unwrap_or_default(),
            upload["hold_until"].clone(),
        )
    };
    let told = |signals: &str, verdict: &str| (signals.to_owned(), verdict.to_owned());
    for (version, expected, days) in [
        ("1.1", told("", "hold"), 3),
        ("1.2", told("author-set", "hold"), 7),
        ("1.3", told("author-set", "hold"), 7),
        ("1.4", told("author-set", "hold"), 3),
        ("99.0", told("version-jump", "hold"), 7),
    ] {
        let (signals, verdict, until) = seen("acme::greet", version).await;
        assert_eq!((signals, verdict), expected, "{version}");
        let day = 22 + days;
        assert!(until.as_str().is_some_and(|until| until.starts_with(&format!("2026-11-{day}"))), "{version} {until}");
    }
    let (signals, verdict, until) = seen("acme::greet", "1.5").await;
    assert_eq!((&*signals, &*verdict, until.is_null()), ("load-time", "review", true));
    for name in ["Plotchrat", "quartermatser"] {
        let (signals, verdict, _) = seen(name, "1.0").await;
        assert_eq!((&*signals, &*verdict), ("typosquat", "review"), "{name}");
    }
    let squat = house.upload("quartermatser", "1.0").await;
    assert_eq!(squat["findings"][0]["evidence"]["target"], "quartermaster", "{squat:#}");
    let notes = house.house.api(http::Method::GET, "/why?target=teapot%3Aquartermaster", None).await.json();
    assert!(notes["notes"].as_array().is_some_and(Vec::is_empty), "the old one imitates nobody: {notes:#}");

    let mut teacup = house.teacup();
    let run = teacup.list(Some("acme::greet")).await;
    assert!(run.out.contains("{99.0 is in quarantine until 2026-11-30}"), "{}", run.out);
    assert!(run.out.contains("{1.5 is in quarantine until somebody has looked at it}"), "{}", run.out);
    house.house.pass(DAY * 9).await;
    assert_eq!(house.versions("acme::greet").await, ["1.0", "1.1", "1.2", "1.3", "1.4", "99.0"]);
    assert_eq!(house.versions("quartermatser").await, [""; 0]);
    let again = house.house.restart().await;
    let held = again.api(http::Method::GET, "/uploads?ecosystem=teapot&state=held", None).await.json();
    assert_eq!(held["items"].as_array().map(Vec::len), Some(3), "{held:#}");
}
