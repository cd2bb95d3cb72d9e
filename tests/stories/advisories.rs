//! Advisories: malware is refused and taken back, weaknesses are told, fixes of what is in use come sooner.

use std::path::Path;

use lazaret::config::AdvisorySource;
use lazaret::domain::{FileName, Project};
use serde_json::{Value, json};

use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::sample_mirror::{GREET_OLD, WORDS_OLD};
use crate::common::test_house::{Furnishing, TestHouse};
use crate::common::{Fault, HandClock, Manner, SampleMirror};

/// An OSV record about a project of PyPI.
fn record(id: &str, name: &str, aliases: &[&str], events: &Value) -> Value {
    json!({
        "schema_version": "1.7.0", "id": id, "aliases": aliases, "modified": "2026-11-01T00:00:00Z",
        "published": "2026-11-01T00:00:00Z", "summary": "It hails the wrong ship.",
        "affected": [{"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
    })
}

fn write(folder: &Path, record: &Value) {
    std::fs::create_dir_all(folder).expect("a folder");
    let id = record["id"].as_str().expect("an id");
    std::fs::write(folder.join(format!("{id}.json")), record.to_string()).expect("a record");
}

/// A house that reads advisories from this folder.
fn reading(folder: &Path) -> Furnishing {
    let source = AdvisorySource::Path(folder.to_owned());
    TestHouse::furnish().index(Manner::Rich).config(move |config| config.advisories.source = Some(source))
}

/// A folder with a record of something that nobody here has heard of.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("MAL-2026-1", "unheard-of", &[], &json!([{"introduced": "0"}])));
    folder
}

fn finding<'a>(upload: &'a Value, signal: &str) -> Option<&'a Value> {
    upload["findings"].as_array()?.iter().find(|finding| finding["signal"] == signal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_malware_is_rejected_at_first_sight_and_nobody_can_approve_it() {
    let folder = folder();
    write(
        folder.path(),
        &record("MAL-2026-7", "quaymaster", &[], &json!([{"introduced": "2.0"}, {"last_affected": "2.0"}])),
    );
    let house = reading(folder.path()).policy("mode = \"observe\"\n").start().await;
    let good = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(90)).wheel();
    let evil = house.pypi.publish("quaymaster", "2.0").at(house.days_ago(40)).wheel();
    assert_eq!(house.page("quaymaster").await, ["quaymaster-1.0-py3-none-any.whl"]);
    assert_eq!(house.get_file("quaymaster", &good).await.status, 200);
    let refused = house.get_file("quaymaster", &evil).await;
    assert_eq!(refused.status, 403, "refused while the policy only observes too");
    assert!(refused.reason.contains("MAL-2026-7 says that it is malware"), "{}", refused.reason);
    let upload = house.upload("quaymaster", &evil.filename).await;
    assert_eq!((&upload["state"], &upload["verdict"]), (&json!("rejected"), &json!("reject")), "{upload:#}");
    assert_eq!(house.decide("approve", "pypi:quaymaster==2.0").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_let_in_before_is_recalled_as_soon_as_it_is_known() {
    let folder = folder();
    let house = reading(folder.path()).start().await;
    let fetched = house.pypi.publish("quaymaster", "2.0").at(house.days_ago(40)).wheel();
    let never_fetched = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(40)).wheel();
    let other = house.pypi.publish("quaycrane", "1.0").at(house.days_ago(40)).wheel();
    for (name, file) in [("quaymaster", &fetched), ("quaycrane", &other)] {
        assert_eq!(house.get_file(name, file).await.status, 200);
    }
    house.page("quaylamp").await;

    write(folder.path(), &record("MAL-2026-8", "quaymaster", &[], &json!([{"introduced": "0"}])));
    write(folder.path(), &record("MAL-2026-9", "quaylamp", &[], &json!([{"introduced": "0"}])));
    house.pass(HOUR + MINUTE).await;
    assert_eq!(house.upload("quaymaster", &fetched.filename).await["state"], "recalled", "nobody had to ask");
    assert_eq!(house.get_file("quaymaster", &fetched).await.status, 403);
    assert_eq!(house.get_file("quaylamp", &never_fetched).await.status, 403);
    assert_eq!(house.get_file("quaycrane", &other).await.status, 200);
    let recalled = house.events().await.into_iter().find(|event| event["kind"] == "recalled").expect("an event");
    assert_eq!(recalled["details"]["downloads"], 1, "and says whom it reached: {recalled:#}");
    // Promise 9: the verdict that took it back stands on the facts that are stored with it. Under a longer hold the other one would
    // wait; this one stays what it is, which without the record among its facts it would not.
    let slower = folder.path().join("slower.toml");
    std::fs::write(&slower, "[hold]\ndefault = \"60d\"\nmedium = \"60d\"\n").expect("a file");
    let tried = house.cli(&["policy", "try", slower.to_str().expect("a path"), "--format", "json"]).await;
    let trial: Value = serde_json::from_slice(&tried.stdout).expect("JSON");
    let changes = trial["changes"].as_array().expect("changes");
    let would_change = |file: &str| changes.iter().any(|change| change["filename"] == file);
    assert!(would_change(&other.filename) && !would_change(&fetched.filename), "{trial:#}");

    // It was an error: the record is gone, and an admin lets it in again.
    std::fs::remove_file(folder.path().join("MAL-2026-8.json")).expect("a file");
    house.pass(HOUR + MINUTE).await;
    assert_eq!(house.get_file("quaymaster", &fetched).await.status, 403, "what was taken back stays so");
    assert_eq!(house.decide("reopen", &fetched.filename).await.status, 200, "judged anew, and old enough");
    assert_eq!(house.get_file("quaymaster", &fetched).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weakness_is_told_with_the_version_that_mends_it_and_keeps_nobody_waiting() {
    let folder = folder();
    write(
        folder.path(),
        &record("GHSA-aaaa", "quaymaster", &["CVE-2026-1"], &json!([{"introduced": "0"}, {"fixed": "2.1"}])),
    );
    let house = reading(folder.path()).start().await;
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.page("quaymaster").await;
    let upload = house.upload("quaymaster", &held.filename).await;
    assert_eq!(
        (&upload["verdict"], &upload["hold_until"]),
        (&json!("hold"), &json!("2026-11-25T12:00:00Z")),
        "{upload:#}"
    );
    let weak = finding(&upload, "vulnerability").expect("a finding");
    assert_eq!(weak["summary"], "It has a known weakness, GHSA-aaaa; fixed in 2.1.");
    assert_eq!(weak["evidence"]["advisories"][0]["aliases"], json!(["CVE-2026-1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_index_itself_says_to_be_wrong_with_a_release_is_told_without_any_list() {
    let house = TestHouse::furnish().index(Manner::Rich).start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(90)).wheel();
    let held = house.pypi.publish("quaymaster", "2.0").wheel();
    house.pypi.set_vulnerabilities(
        "quaymaster",
        &[
            json!({"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "summary": "It leaks.", "fixed_in": ["2.1"], "withdrawn": null}),
            json!({"id": "PYSEC-2026-2", "summary": "An error.", "fixed_in": [], "withdrawn": "2026-11-01T00:00:00Z"}),
        ],
    );
    house.page("quaymaster").await;
    house.house.run_due_jobs().await;
    let upload = house.upload("quaymaster", &held.filename).await;
    let weak = finding(&upload, "vulnerability").unwrap_or_else(|| panic!("{upload:#}"));
    assert_eq!(weak["summary"], "It has a known weakness, PYSEC-2026-1; fixed in 2.1.");
    assert_eq!(weak["evidence"]["advisories"][0]["sources"], json!(["the index"]));
}

/// Who fetched the weak version.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Client,
    TheHouse,
}

/// A house that has version 1.0 with a weakness, and 1.1 comes out that mends it.
async fn with_a_fix(others: &[&str], fetched: By) -> (tempfile::TempDir, TestHouse, crate::common::wheels::Built) {
    let folder = folder();
    let fixed = json!([{"introduced": "0"}, {"fixed": "1.1"}]);
    // The number that it names is no source of its own; another database's record under the same number is.
    for id in others.iter().chain(&["GHSA-bbbb"]) {
        write(folder.path(), &record(id, "quaymaster", &["CVE-2026-3"], &fixed));
    }
    let house = reading(folder.path()).start().await;
    let says = "Author-email: Ada <ada@figlief.example>";
    let used = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(200)).says(says).wheel();
    house.page("quaymaster").await;
    match fetched {
        By::Client => assert_eq!(house.get_file("quaymaster", &used).await.status, 200),
        By::TheHouse => {
            let project: Project = "pypi:quaymaster".parse().expect("a project");
            let filename = FileName::parse(&used.filename).expect("a file name");
            house.house.quarantine().fetch_file(&project, &filename).await.expect("fetched ahead");
        }
    }
    house.house.run_due_jobs().await;
    let fix = house.pypi.publish("quaymaster", "1.1").says(says).wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    house.house.run_due_jobs().await;
    (folder, house, fix)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_of_what_is_in_use_that_two_sources_know_waits_four_hours() {
    let (_folder, house, fix) = with_a_fix(&["PYSEC-2026-3"], By::Client).await;
    let upload = house.upload("quaymaster", &fix.filename).await;
    assert_eq!((&upload["verdict"], &upload["state"]), (&json!("hold"), &json!("held")), "{upload:#}");
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-22T16:0"), "four hours: {upload:#}");
    assert!(upload["reason"].to_string().contains("fixes GHSA-bbbb of 1.0, which is in use here"), "{upload:#}");
    house.pass(HOUR * 3).await;
    assert_eq!(house.get_file("quaymaster", &fix).await.status, 403);
    house.pass(HOUR + MINUTE * 5).await;
    assert_eq!(house.get_file("quaymaster", &fix).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_that_only_one_source_knows_asks_a_person_and_waits_as_usual_all_the_same() {
    let (_folder, house, fix) = with_a_fix(&[], By::Client).await;
    let upload = house.upload("quaymaster", &fix.filename).await;
    assert_eq!(upload["verdict"], "review", "{upload:#}");
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-25T12:0"), "{upload:#}");
    house.pass(HOUR * 5).await;
    assert_eq!(house.get_file("quaymaster", &fix).await.status, 403);
    house.pass(DAY * 3).await;
    assert_eq!(house.get_file("quaymaster", &fix).await.status, 200, "a fix is not kept longer than anything else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_of_what_only_the_house_itself_has_fetched_waits_as_usual() {
    let (_folder, house, fix) = with_a_fix(&["PYSEC-2026-3"], By::TheHouse).await;
    let upload = house.upload("quaymaster", &fix.filename).await;
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-25T12:0"), "three days: {upload:#}");
    assert_eq!(finding(&upload, "security-fix"), None, "{upload:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_release_mends_already_is_no_reason_to_let_in_the_newest_sooner() {
    let folder = folder();
    let fixed = json!([{"introduced": "0"}, {"fixed": "1.1"}]);
    write(folder.path(), &record("GHSA-bbbb", "quaymaster", &["PYSEC-2026-3"], &fixed));
    let house = reading(folder.path()).start().await;
    let says = "Author-email: Ada <ada@figlief.example>";
    let used = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(400)).says(says).wheel();
    house.pypi.publish("quaymaster", "1.1").at(house.days_ago(200)).says(says).wheel();
    assert_eq!(house.get_file("quaymaster", &used).await.status, 200, "somebody's old lock file");
    house.house.run_due_jobs().await;
    let newest = house.pypi.publish("quaymaster", "1.2").says(says).wheel();
    house.pages_expire().await;
    house.page("quaymaster").await;
    house.house.run_due_jobs().await;
    let upload = house.upload("quaymaster", &newest.filename).await;
    assert_eq!(upload["verdict"], "hold", "{upload:#}");
    assert!(upload["hold_until"].to_string().starts_with("\"2026-11-25T12:0"), "three days: {upload:#}");
    assert_eq!(finding(&upload, "security-fix"), None, "{upload:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_cannot_be_read_is_said_and_the_last_good_one_stays() {
    let folder = folder();
    write(folder.path(), &record("MAL-2026-7", "quaymaster", &[], &json!([{"introduced": "0"}])));
    let house = reading(folder.path()).start().await;
    std::fs::remove_dir_all(folder.path()).expect("a folder");
    std::fs::create_dir(folder.path()).expect("a folder");
    house.pass(HOUR + MINUTE).await;
    let evil = house.pypi.publish("quaymaster", "2.0").at(house.days_ago(40)).wheel();
    assert_eq!(house.get_file("quaymaster", &evil).await.status, 403, "an empty folder takes nothing back");

    // Without any good one the policy says what that means: by default nothing, for the strict ones everything.
    let empty = tempfile::tempdir().expect("a folder");
    let open = reading(empty.path()).start().await;
    let held = open.pypi.publish("quaymaster", "2.0").wheel();
    open.page("quaymaster").await;
    let upload = open.upload("quaymaster", &held.filename).await;
    assert_eq!(upload["verdict"], "hold");
    assert_eq!(finding(&upload, "malware").map(|it| &it["evidence"]["unavailable"]), Some(&json!(true)), "{upload:#}");
    let strict = reading(empty.path()).policy("[signals.malware]\nmissing = \"deny\"\n").start().await;
    let held = strict.pypi.publish("quaymaster", "2.0").wheel();
    strict.page("quaymaster").await;
    assert_eq!(strict.upload("quaymaster", &held.filename).await["verdict"], "review", "no list, no release");
    for house in [open, strict] {
        assert_eq!(house.decide("approve", "pypi:quaymaster==2.0").await.status, 200, "a person may all the same");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_squat_of_our_name_that_was_found_out_does_not_close_our_own_project() {
    let folder = folder();
    write(folder.path(), &record("MAL-2026-7", "quaymaster", &[], &json!([{"introduced": "0"}])));
    let clock = crate::common::clock::HandClock::new();
    let ours = crate::common::FakePypi::start(&clock, Manner::Rich).await;
    let house = reading(folder.path()).clock(&clock).private("ours", &ours).start().await;
    let file = ours.publish("quaymaster", "1.0").wheel();
    assert_eq!(house.page("quaymaster").await, std::slice::from_ref(&file.filename));
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    house.pass(HOUR + MINUTE).await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_fetched_from_an_address_and_a_broken_one_changes_nothing() {
    let evil = record("MAL-2026-7", "quaymaster", &[], &json!([{"introduced": "0"}]));
    let publisher = TestHouse::furnish().start().await;
    let address = publisher.pypi.lay("/advisories/all.jsonl", format!("{evil}\n"));
    let source = AdvisorySource::Url(address.parse().expect("a URL"));
    let house = TestHouse::furnish().config(move |config| config.advisories.source = Some(source)).start().await;
    house.house.run_due_jobs().await;
    let file = house.pypi.publish("quaymaster", "2.0").at(house.days_ago(40)).wheel();
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403);
    for broken in ["", "<html>Sign in</html>", "{\"id\": "] {
        publisher.pypi.lay("/advisories/all.jsonl", broken.to_owned());
        house.pass(HOUR + MINUTE).await;
        assert_eq!(house.get_file("quaymaster", &file).await.status, 403, "{broken:?}");
    }
    // Nor does one that was cut off where it still can be read: what it does not say any more was not taken back.
    let many: String = (0..300)
        .map(|number| {
            format!(
                "{}\n",
                record(&format!("GHSA-{number}"), &format!("ship-{number}"), &[], &json!([{"introduced": "0"}]))
            )
        })
        .collect();
    publisher.pypi.lay("/advisories/all.jsonl", format!("{many}{evil}\n"));
    house.pass(HOUR + MINUTE).await;
    publisher.pypi.lay("/advisories/all.jsonl", many.lines().take(20).collect::<Vec<_>>().join("\n"));
    house.pass(HOUR + MINUTE).await;
    assert_eq!(house.house.quarantine().advisories().advisories.count(), 301);
    publisher.pypi.fault("/advisories", Fault::HangUp);
    house.pass(HOUR + MINUTE).await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remedy_turns_a_lock_file_into_the_constraints_that_mend_it() {
    let folder = folder();
    write(folder.path(), &record("GHSA-cccc", "quaymaster", &[], &json!([{"introduced": "0"}, {"fixed": "1.2"}])));
    write(folder.path(), &record("GHSA-dddd", "quaylamp", &[], &json!([{"introduced": "0"}, {"fixed": "9.0"}])));
    let house = reading(folder.path()).start().await;
    for (version, days) in [("1.0", 200), ("1.1", 150), ("1.2", 100), ("1.3", 50)] {
        house.pypi.publish("quaymaster", version).at(house.days_ago(days)).wheel();
    }
    house.pypi.publish("quaymaster", "1.4").wheel();
    house.pypi.publish("quaylamp", "1.0").at(house.days_ago(100)).wheel();
    house.pypi.publish("quaylamp", "9.0").wheel();
    house.pypi.publish("quaycrane", "1.0").at(house.days_ago(100)).wheel();
    let lock = house.folder.path().join("requirements.txt");
    std::fs::write(&lock, "quaymaster==1.0\nquaylamp==1.0\nquaycrane==1.0\n").expect("a file");
    let output = house.cli(&["remedy", "requirements.txt"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().any(|line| line == "quaymaster>=1.2"), "the lowest that is fixed and released: {text}");
    assert!(text.contains("GHSA-cccc") && text.contains("GHSA-dddd"), "{text}");
    assert!(!text.contains("quaycrane") && !text.lines().any(|line| line.starts_with("quaylamp")), "{text}");
    assert_eq!(output.status.code(), Some(1), "one pin is left: {}", String::from_utf8_lossy(&output.stderr));

    std::fs::write(&lock, "quaycrane==1.0\n").expect("a file");
    assert!(house.cli(&["remedy", "requirements.txt"]).await.status.success());
    std::fs::write(&lock, "{ what is this").expect("a file");
    let bad = house.cli(&["remedy", "requirements.txt"]).await;
    assert!(bad.status.code().is_some_and(|code| code < 3), "{bad:?}");
    assert_eq!(house.cli(&["remedy", "nowhere.txt"]).await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malware_on_cpan_is_taken_back_and_leaves_the_index_too() {
    let folder = folder();
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let source = AdvisorySource::Path(folder.path().to_owned());
    let furnishing = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan);
    let house = furnishing.config(move |config| config.advisories.source = Some(source)).start().await;
    house.polls().await;
    assert_eq!(house.release(WORDS_OLD).await.status, 200);
    let mut evil = record("MAL-2026-20", "Acme-Words", &[], &json!([{"introduced": "0"}, {"last_affected": "0.5"}]));
    evil["affected"][0]["package"]["ecosystem"] = json!("CPAN");
    write(folder.path(), &evil);
    house.pass(HOUR + MINUTE).await;
    house.polls().await;
    let refused = house.refusal(WORDS_OLD).await;
    assert!(refused.contains("MAL-2026-20 says that it is malware"), "{refused}");
    assert_eq!(house.listed("Acme::Words").await, None);
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(GREET_OLD), "nothing else");
}
