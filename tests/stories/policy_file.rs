//! The policy file: read again when it changes, and what it says otherwise about some projects.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::common::clock::HOUR;
use crate::common::test_house::TestHouse;

/// Waits until something is so; the file is looked at by this machine's clock.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..100 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come about within ten seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_is_put_into_force_and_a_bad_one_is_told_of_and_changes_nothing() {
    let house = TestHouse::furnish().policy("[hold]\ndefault = \"1h\"\n").start().await;
    let file = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(2)).wheel();
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200);
    let told = async || house.get("/readyz").await.json()["policy"].as_str().unwrap_or_default().to_owned();
    assert_eq!(told().await, "ok");

    let policy = house.folder.path().join("policy.toml");
    std::fs::write(&policy, "[namespaces]\npypi = [\"quaymaster\"]\nhold = 3\n").expect("written");
    until(async || told().await != "ok").await;
    assert!(told().await.contains("policy.toml:3: namespaces.hold"), "{}", told().await);
    assert!(house.metrics().await.contains("lazaret_policy_refused "));
    assert_eq!(house.get_file("quaymaster", &file).await.status, 200, "the policy in force stays");

    std::fs::write(&policy, "[namespaces]\npypi = [\"quaymaster\"]\n").expect("written");
    until(async || told().await == "ok").await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403, "the name is ours from now on");

    std::fs::remove_file(&policy).expect("removed");
    until(async || told().await != "ok").await;
    assert_eq!(house.get_file("quaymaster", &file).await.status, 403, "gone is not empty");
}

const OVERRIDES: &str = "
[hold]
default = \"72h\"

[[override]]
ecosystem = \"pypi\"
projects = [\"quaymaster\", \"harbour-*\"]
hold = \"2h\"
reason = \"our own people review these\"

[[override]]
ecosystem = \"pypi\"
projects = [\"*\"]
reason = \"never\"
hold = \"9d\"
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_holds_for_its_projects_and_is_named_where_it_does() {
    let text = OVERRIDES.replace("projects = [\"*\"]\n", "").replace("never", "whatever else there is waits longer");
    let house = TestHouse::furnish().policy(&text).start().await;
    let quick = house.pypi.publish("quaymaster", "1.0").at(house.hours_ago(1)).wheel();
    let family = house.pypi.publish("harbour-crane", "1.0").at(house.hours_ago(3)).wheel();
    let other = house.pypi.publish("mooring-line", "1.0").at(house.days_ago(8)).wheel();
    for (project, file, status) in
        [("quaymaster", &quick, 403), ("harbour-crane", &family, 200), ("mooring-line", &other, 403)]
    {
        assert_eq!(house.get_file(project, file).await.status, status, "{project}");
    }
    let upload = house.upload("quaymaster", &quick.filename).await;
    let told = upload["findings"].as_array().expect("findings").iter().find(|it| it["signal"] == "policy-override");
    let summary = told.and_then(|finding| finding["summary"].as_str()).unwrap_or_default();
    assert_eq!(summary, "An override of the policy holds for it: our own people review these");
    let why = house.api(Method::GET, "/why?target=pypi:quaymaster", None).await.json();
    let notes = why["notes"].to_string();
    assert!(notes.contains("(pypi: quaymaster, harbour-*): our own people review these"), "{notes}");
    house.pass(HOUR * 2).await;
    assert_eq!(house.get_file("quaymaster", &quick).await.status, 200);
    assert_eq!(house.get_file("mooring-line", &other).await.status, 403);

    // Tried before it is put into force, and judged again when it is.
    let body = json!({"policy": "[[override]]\necosystem = \"pypi\"\nprojects = [\"mooring-line\"]\nhold = \"0s\"\nreason = \"x\"", "name": "other.toml"});
    let trial = house.api(Method::POST, "/policy/try", Some(body)).await;
    assert_eq!(trial.status, 200, "{}", trial.text());
    assert!(trial.text().contains("mooring-line"), "{}", trial.text());
    house.set_policy(
        "[[override]]\necosystem = \"pypi\"\nprojects = [\"mooring-line\"]\nmode = \"observe\"\nreason = \"x\"",
    );
    assert_eq!(house.get_file("mooring-line", &other).await.status, 200, "released by the usual hold, or observed");
    let young = house.pypi.publish("mooring-line", "2.0").wheel();
    let held = house.pypi.publish("harbour-crane", "2.0").wheel();
    house.pages_expire().await;
    assert_eq!(house.get_file("mooring-line", &young).await.status, 200, "in the mode of its own");
    assert_eq!(house.get_file("harbour-crane", &held).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_config_tells_the_modes_and_what_is_wrong_with_a_policy() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "[pypi]\nupstream = \"http://127.0.0.1:9/simple/\"\n[policy]\nfile = \"policy.toml\"\n";
    std::fs::write(folder.path().join("lazaret.toml"), settings).expect("written");
    let run = async |policy: &str| {
        std::fs::write(folder.path().join("policy.toml"), policy).expect("written");
        let output = crate::common::test_house::lazaret(folder.path()).arg("check-config").output().await;
        let output = output.expect("lazaret runs");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    };
    let (code, text) = run("mode = \"observe\"\nenforce_from = 2199-01-01T00:00:00Z\nmodes.cpan = \"enforce\"\n").await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("# pypi: observe until 2199-01-01 00:00 UTC, then enforce"), "{text}");
    assert!(text.contains("# cpan: enforce"), "{text}");
    let (code, text) = run(OVERRIDES).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("policy.toml:13: override 2.projects") && text.contains("\"*\""), "{text}");
}
