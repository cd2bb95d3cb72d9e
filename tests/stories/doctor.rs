//! The doctor: sees what a house lacks and says what to do, and which load balancer changes its answers.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::Value;

use crate::common::authority::Authority;
use crate::common::balancer::{Balancer, Habit};
use crate::common::old_machine::OldMachine;
use crate::common::test_house::TestHouse;
use crate::common::{FakePypi, FakeTeapot, Fault, HandClock, Manner};

fn checks(output: &Output) -> Vec<(String, String, String)> {
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let line = |check: &Value| (text(check, "level"), text(check, "check"), text(check, "what"));
    said["checks"].as_array().expect("checks").iter().map(line).collect()
}

fn failing(output: &Output) -> Vec<String> {
    let failed = checks(output).into_iter().filter(|(level, ..)| level == "fail");
    let mut failed: Vec<String> = failed.map(|(_, check, _)| check).collect();
    failed.sort();
    failed.dedup();
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_balancer_lets_everything_through_and_each_other_one_is_found_out() {
    // Also where packages need a token, and while the index is down: the probe asks nobody.
    let house = TestHouse::furnish().config(|config| config.listen.require_token = true).start().await;
    house.pypi.fault("", Fault::Status(503));
    let direct = house.cli(&["doctor", "--via", house.packages(), "--format", "json"]).await;
    assert_eq!((direct.status.code(), failing(&direct)), (Some(0), Vec::new()), "{:?}", checks(&direct));
    for (habit, expected) in [
        (Habit::Honest, vec![]),
        (Habit::DropsReasons, vec!["reason phrase"]),
        (Habit::IgnoresRanges, vec!["Range"]),
        (Habit::HasNoHead, vec!["HEAD"]),
        (Habit::ReplacesErrors, vec!["body of a 403"]),
        (Habit::RepacksPages, vec!["gzip"]),
        (Habit::PacksFiles, vec!["files"]),
        (Habit::WeakensValidators, vec!["ETag"]),
        (Habit::DropsConditions, vec!["If-None-Match"]),
        (Habit::ReplacesCacheControl, vec!["no-transform"]),
    ] {
        let balancer = Balancer::before(house.packages(), habit).await;
        let said = house.cli(&["doctor", "--via", &balancer.url(), "--format", "json"]).await;
        assert_eq!(failing(&said), expected, "{habit:?}: {:?}", checks(&said));
        assert_eq!(said.status.code(), Some(i32::from(!expected.is_empty())), "{habit:?}");
    }
    let balancer = Balancer::before(house.packages(), Habit::Elsewhere).await;
    let said = house.cli(&["doctor", "--via", &balancer.url(), "--format", "json"]).await;
    assert!(failing(&said).contains(&"refusal".to_owned()), "{:?}", checks(&said));
    let nobody = house.cli(&["doctor", "--via", "http://127.0.0.1:9/"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    for wrong in ["ftp://x/", "http://me:secret@127.0.0.1/", "nonsense"] {
        assert_eq!(house.cli(&["doctor", "--via", wrong]).await.status.code(), Some(2), "{wrong}");
    }
    assert!(house.pypi.asked().is_empty(), "{:?}", house.pypi.asked());
}

/// A machine whose configuration is sound.
fn sound(pypi: &FakePypi, teapot: &FakeTeapot) -> OldMachine {
    let machine = OldMachine::with_pip(&[]);
    machine.write(
        "lazaret.toml",
        &format!(
            "[pypi]\nupstream = \"{}\"\n[cpan]\nupstream = \"\"\n[teapot]\nupstream = \"{}/\"\n[policy]\nfile = \"policy.toml\"\n",
            pypi.simple(),
            teapot.base()
        ),
    );
    machine.write("policy.toml", "mode = \"observe\"\n");
    machine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_a_house_lacks() {
    let clock = HandClock::of_this_machine();
    let pypi = FakePypi::start(&clock, Manner::Rich).await;
    let teapot = FakeTeapot::start().await;
    pypi.publish("quaymaster", "1.0").wheel();
    let machine = sound(&pypi, &teapot);
    let doctor = async || machine.run(&["doctor", "--format", "json"]).await;
    let said = doctor().await;
    assert_eq!((said.status.code(), failing(&said)), (Some(0), Vec::new()), "{:?}", checks(&said));
    let has = |said: &Output, level: &str, check: &str, what: &str| {
        let all = checks(said);
        let found = all.iter().any(|line| line.0 == level && line.1 == check && line.2.contains(what));
        assert!(found, "{level} {check} {what}: {all:#?}");
    };
    has(&said, "ok", "store", "nothing was ever stored here");
    has(&said, "ok", "policy", "pypi observe");
    has(&said, "ok", "upstream pypi", "answers as it should");
    has(&said, "ok", "upstream teapot", "answers as it should");
    has(&said, "ok", "clock", "within");
    has(&said, "ok", "trust roots", "built in");

    // With a proxy that runs, its own health counts; when it is gone, its marker.
    let running = machine.serve().await;
    has(&doctor().await, "ok", "store", "the running proxy can use it");
    drop(running);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let data = |name: &str| machine.path("lazaret-data").join(name);
    std::fs::write(data("instance.json"), "{\"instance\":\"x\",\"events\":7}").expect("a file");
    has(&doctor().await, "ok", "store", "7 events");
    std::fs::write(data("instance.json"), "no").expect("a file");
    has(&doctor().await, "fail", "store", "cannot be read");
    std::fs::remove_dir_all(data("store")).expect("removed");
    has(&doctor().await, "fail", "store", "the store is gone");

    std::fs::set_permissions(data("admin.token"), std::fs::Permissions::from_mode(0o644)).expect("changed");
    std::fs::set_permissions(data(""), std::fs::Permissions::from_mode(0o777)).expect("changed");
    let said = doctor().await;
    has(&said, "fail", "permissions", "admin.token");
    has(&said, "fail", "permissions", "may write");

    let before = machine.read("lazaret.toml");
    machine.write("lazaret.toml", &format!("{before}[advisories]\nsource = \"nowhere.zip\"\n"));
    has(&doctor().await, "fail", "advisories.source", "nowhere.zip cannot be read");
    machine.write("lazaret.toml", &before);

    machine.write("policy.toml", "mode = \"perhaps\"\n");
    has(&doctor().await, "fail", "policy", "policy.toml:1");
    pypi.fault("/simple/", Fault::Garbage);
    let said = doctor().await;
    has(&said, "fail", "upstream pypi", "not as a Python index");
    assert_eq!(said.status.code(), Some(1));
    pypi.heal();
    machine.write("lazaret.toml", "[pypi]\nupstream = 3\n");
    has(&doctor().await, "fail", "configuration", "lazaret.toml:2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_looks_at_clocks_and_certificates() {
    let clock = HandClock::of_this_machine();
    clock.advance(std::time::Duration::from_hours(2));
    let pypi = FakePypi::start(&clock, Manner::Poor).await;
    let machine = OldMachine::with_pip(&[]);
    let authority = Authority::new();
    let (pair, other) = (authority.signs("localhost"), authority.signs("localhost"));
    let write = |key: &str| {
        machine.write("house.pem", &pair.certificate);
        machine.write("house.key", key);
    };
    let settings =
        "[tls]\ncertificate = \"house.pem\"\nkey = \"house.key\"\n[cpan]\nupstream = \"\"\n[teapot]\nupstream = \"\"\n";
    machine.write("lazaret.toml", &format!("{settings}[pypi]\nupstream = \"{}\"\n", pypi.simple()));
    write(&pair.key);
    let said = machine.run(&["doctor", "--format", "json"]).await;
    let all = checks(&said);
    assert!(
        all.iter()
            .any(|(level, check, what)| level != "fail" && check == "certificates" && what.contains("the pair fits")),
        "{all:#?}"
    );
    assert_eq!(failing(&said), ["clock"], "two hours: {all:#?}");
    write(&other.key);
    assert_eq!(failing(&machine.run(&["doctor", "--format", "json"]).await), ["certificates", "clock"]);
}
