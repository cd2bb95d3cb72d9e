//! Lock files: would this proxy serve exactly what they name, led through it and back, and let in because they are in use.

use http::Method;
use serde_json::{Value, json};

use crate::common::clock::HOUR;
use crate::common::sample_mirror::{WORDS_NEW, WORDS_OLD};
use crate::common::test_house::TestHouse;
use crate::common::wheels::Built;
use crate::common::{FakePypi, Fault, HandClock, Manner, SampleMirror, Wheel};

const NOT_THESE: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

/// Writes a lock file into the house's folder.
fn write(house: &TestHouse, name: &str, text: &str) {
    std::fs::write(house.folder.path().join(name), text).expect("a file");
}

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A `uv.lock` of these packages: name, version, file name and digest.
fn uv_lock(packages: &[(&str, &str, &str, &str)]) -> String {
    let package = |(name, version, file, digest): &(&str, &str, &str, &str)| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {{ registry = \"https://index.test/simple\" }}\n\
             wheels = [\n    {{ url = \"https://files.test/{file}\", hash = \"sha256:{digest}\", size = 9 }},\n]\n\n"
        )
    };
    format!("version = 1\nrevision = 3\n\n{}", packages.iter().map(package).collect::<String>())
}

/// A token of this role, as an `Authorization`.
async fn bearer(house: &TestHouse, role: &str) -> String {
    let made = house.api(Method::POST, "/tokens", Some(json!({"name": role, "role": role}))).await;
    assert!(made.status < 300, "{}", made.text());
    format!("Bearer {}", made.json()["token"].as_str().expect("a token"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_says_of_each_entry_whether_it_would_be_served_and_when() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    let young = house.pypi.publish("quaymaster", "2.0").wheel();
    write(
        &house,
        "requirements.txt",
        &format!(
            "quaylamp==1.0 \\\n    --hash=sha256:{}\nquaymaster==2.0 --hash=sha256:{}\n\
             quaylamp==1.0 --hash=sha256:{NOT_THESE}\nquaylamp==7.7\nnosuchthing==1.0\nquaylamp>=1\n\
             crane @ git+https://code.test/crane.git\n",
            old.sha256(),
            young.sha256(),
        ),
    );
    let output = house.cli(&["check", "requirements.txt"]).await;
    insta::assert_snapshot!("check_text", house.quiet(&stdout(&output)));
    insta::assert_snapshot!("check_text_errors", house.quiet(&stderr(&output)));
    assert_eq!(output.status.code(), Some(1));

    // After its time the same file is served, and nobody had to ask for it first.
    write(&house, "requirements.txt", &format!("quaymaster==2.0 --hash=sha256:{}\n", young.sha256()));
    assert_eq!(house.cli(&["check", "requirements.txt"]).await.status.code(), Some(1));
    house.pass(HOUR * 73).await;
    let output = house.cli(&["check", "requirements.txt"]).await;
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_agrees_with_the_file_gate_for_each_file_of_a_lock() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    let young = house.pypi.publish("quaymaster", "2.0").wheel();
    let recalled = house.pypi.publish("quaycrane", "1.0").at(house.days_ago(90)).wheel();
    let rejected = house.pypi.publish("quaybell", "1.0").wheel();
    for name in ["quaycrane", "quaybell"] {
        house.page(name).await;
    }
    assert_eq!(house.decide("recall", &recalled.filename).await.status, 200);
    assert_eq!(house.decide("reject", &rejected.filename).await.status, 200);
    let files = [("quaylamp", &old), ("quaymaster", &young), ("quaycrane", &recalled), ("quaybell", &rejected)];
    for (name, file) in files {
        let entry = json!({
            "project": format!("pypi:{name}"),
            "files": [{ "filename": file.filename, "hash": format!("sha256:{}", file.sha256()) }],
        });
        let answer = house.api(Method::POST, "/check", Some(json!({ "entries": [entry] }))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let verdict = answer.json()["answers"][0]["verdict"].clone();
        let served = house.get_file(name, file).await;
        let gate = if served.status == 200 { "serve" } else { "refuse" };
        assert_eq!(verdict, gate, "{name}: {} {}", served.status, served.reason);
    }
    // The name of a good file does not speak for other bytes, nor do good bytes for another version.
    let shapes = [
        (json!({ "filename": old.filename, "hash": format!("sha256:{NOT_THESE}") }), "1.0", "other bytes than"),
        (json!({ "hash": format!("sha256:{}", old.sha256()) }), "2.0", "is of version 1.0"),
        (json!({ "filename": "quaylamp-9.9.zip", "hash": format!("sha256:{}", old.sha256()) }), "1.0", "no index"),
        (json!({ "filename": old.filename, "hash": "md5:d41d8cd98f00b204e9800998ecf8427e" }), "1.0", "by md5 only"),
        (json!({}), "1.0", "neither a name nor a hash"),
    ];
    for (file, version, why) in shapes {
        let entry = json!({ "project": "pypi:quaylamp", "version": version, "files": [file] });
        let answer = house.api(Method::POST, "/check", Some(json!({ "entries": [entry] }))).await.json();
        assert_eq!(answer["answers"][0]["verdict"], "refuse", "{file}");
        let reason = answer["answers"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "{file}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_files_waits_for_the_last_of_them_and_other_bytes_never_come() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    let young = house.pypi.publish("quaymaster", "2.0").wheel();
    let (good, digest) = (old.sha256().to_string(), young.sha256().to_string());
    let lock = uv_lock(&[
        ("quaylamp", "1.0", &old.filename, &good),
        ("quaymaster", "2.0", &young.filename, &digest),
        ("quaylamp", "1.0", &old.filename, NOT_THESE),
    ]);
    write(&house, "uv.lock", &lock);
    let output = house.cli(&["check", "uv.lock", "--format", "json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let told = |place: usize| {
        let entry = &report["entries"][place];
        (entry["line"].clone(), entry["verdict"].clone(), entry["hold_until"].clone())
    };
    assert_eq!(told(0), (json!(4), json!("served"), Value::Null), "{report:#}");
    assert_eq!(told(1), (json!(12), json!("refused"), json!("2026-11-25T12:00:00Z")));
    assert_eq!(told(2), (json!(20), json!("refused"), Value::Null));
    assert!(report["entries"][2]["reason"].to_string().contains("other bytes than the index promises"), "{report:#}");
    assert_eq!((&report["ok"], &report["served"], &report["refused"]), (&json!(false), &json!(1), &json!(2)));
    assert_eq!(output.status.code(), Some(1));

    let sarif = house.cli(&["check", "uv.lock", "--format", "sarif"]).await;
    let sarif: Value = serde_json::from_slice(&sarif.stdout).expect("SARIF");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    let lines: Vec<&Value> =
        results.iter().map(|it| &it["locations"][0]["physicalLocation"]["region"]["startLine"]).collect();
    assert_eq!(lines, [12, 20]);
    let junit = stdout(&house.cli(&["check", "uv.lock", "--format", "junit"]).await);
    assert!(junit.contains("tests=\"3\" failures=\"2\""), "{junit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_checked_is_told_and_refused_by_the_strict() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    for unclear in ["crane @ git+https://ada:secret@code.test/crane.git", "quaylamp", "-r other.txt", "./local"] {
        write(&house, "requirements.txt", &format!("quaylamp==1.0\n{unclear}\n"));
        let output = house.cli(&["check", "requirements.txt"]).await;
        assert!(output.status.success(), "{unclear}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("requirements.txt:2: "), "{unclear}: {}", stderr(&output));
        assert!(!format!("{output:?}").contains("secret"), "{output:?}");
        let output = house.cli(&["check", "requirements.txt", "--strict"]).await;
        assert_eq!(output.status.code(), Some(1), "{unclear}: {}", stdout(&output));
    }
    // The project that a lock file belongs to is no package of anybody's.
    write(
        &house,
        "uv.lock",
        "version = 1\n\n[[package]]\nname = \"ours\"\nversion = \"0.1\"\nsource = { virtual = \".\" }\n",
    );
    let output = house.cli(&["check", "uv.lock", "--strict"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_asks_no_public_index_for_a_name_kept_inside() {
    let clock = HandClock::new();
    let private = FakePypi::start(&clock, Manner::Poor).await;
    private.publish("corp-lib", "1.0").wheel();
    let house = TestHouse::furnish()
        .clock(&clock)
        .policy("[namespaces]\npypi = [\"acme-*\"]\n")
        .private("corp", &private)
        .start()
        .await;
    house.pypi.publish("acme-tools", "1.0").at(house.days_ago(90)).wheel();
    house.pypi.publish("corp-lib", "1.0").at(house.days_ago(90)).wheel();
    write(&house, "requirements.txt", "acme-tools==1.0\ncorp-lib==1.0\n");
    let output = house.cli(&["check", "requirements.txt"]).await;
    assert!(stdout(&output).contains("is an internal name here"), "{}", stdout(&output));
    assert!(stdout(&output).contains("1 served, 1 refused"), "{}", stdout(&output));
    assert!(
        house.pypi.asked_for("/simple/acme-tools").is_empty() && house.pypi.asked_for("/simple/corp-lib").is_empty()
    );

    // A private index that does not answer lets no name out, and nothing passes for checked.
    private.fault("/simple", Fault::HangUp);
    write(&house, "requirements.txt", "corp-other==1.0\n");
    let output = house.cli(&["check", "requirements.txt"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("did not answer"), "{}", stdout(&output));
    assert!(house.pypi.asked_for("/simple/corp-other").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_carton_is_checked_by_the_releases_that_it_names() {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    house.polls().await;
    house.clock.advance(HOUR);
    mirror.later();
    mirror.fresh_uploads(house.clock.true_time());
    house.polls().await;
    let dist = |name: &str, path: &str| {
        format!(
            "  {name}\n    pathname: {path}\n    provides:\n      Acme::Words 0.5\n    requirements:\n      strict 0\n"
        )
    };
    let head = "# carton snapshot format: version 1.0\nDISTRIBUTIONS\n";
    let nowhere = "W/WO/WORDSMITH/Acme-Words-0.1.tar.gz";
    let all = [dist("Acme-Words-0.5", WORDS_OLD), dist("Acme-Words-0.6", WORDS_NEW), dist("Acme-Words-0.1", nowhere)];
    write(&house, "cpanfile.snapshot", &format!("{head}{}", all.concat()));
    let output = house.cli(&["check", "cpanfile.snapshot"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    insta::assert_snapshot!("check_cpan", house.quiet(&stdout(&output)));
    write(&house, "cpanfile.snapshot", &format!("{head}{}", dist("Acme-Words-0.5", WORDS_OLD)));
    assert!(house.cli(&["check", "cpanfile.snapshot"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_may_check_and_nobody_asks_too_much_at_once() {
    let house = TestHouse::start().await;
    let entry = |project: &str| json!({ "project": project, "version": "1.0" });
    let one = json!({ "entries": [entry("pypi:quaylamp")] });
    assert_eq!(house.api_with("", Method::POST, "/check", Some(one.clone())).await.status, 401);
    let viewer = bearer(&house, "viewer").await;
    assert_eq!(house.api_with(&viewer, Method::POST, "/check", Some(one)).await.status, 200);
    let many: Vec<Value> = (0..501).map(|_| entry("pypi:quaylamp")).collect();
    let files: Vec<Value> = (0..10_001).map(|_| json!({ "filename": "a-1.zip" })).collect();
    let bad = [
        (json!({ "entries": many }), "entries"),
        (json!({ "entries": [{ "project": "pypi:quaylamp", "files": files }] }), "files"),
        (json!({ "entries": [entry("quaylamp")] }), "project"),
        (json!({ "entries": [entry("npm:quaylamp")] }), "project"),
        (json!({ "entries": [{ "project": "pypi:quaylamp", "version": "one" }] }), "version"),
        (json!({ "entries": [{ "project": "pypi:quaylamp", "files": [{ "filename": "../x" }] }] }), "filename"),
        (json!({ "entries": [{ "project": "pypi:quaylamp", "files": [{ "hash": "sha256:00" }] }] }), "hash"),
        (json!({ "entries": [{ "project": "pypi:quaylamp", "shape": 1 }] }), "shape"),
    ];
    for (body, field) in bad {
        let answer = house.api(Method::POST, "/check", Some(body)).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.text());
        assert!(answer.json()["detail"].to_string().contains(field), "{field}: {}", answer.text());
    }
    assert!(house.pypi.asked_for("/simple/").len() <= 1, "nothing was asked for in vain");
}

/// A lock file of each kind that names these two files, and the index, as the public index has them.
fn of_each_kind(house: &TestHouse, lamp: &Built, mast: &Built) -> [(&'static str, String); 5] {
    let index = house.pypi.simple().to_string();
    let bare = index.trim_end_matches('/').to_owned();
    let at = |name: &str, file: &Built| format!("{}/files/{name}/{}", house.pypi.base(), file.filename);
    let (lamp_at, mast_at) = (at("quaylamp", lamp), at("quaymast", mast));
    let (lamp_is, mast_is) = (lamp.sha256(), mast.sha256());
    [
        (
            "uv.lock",
            format!(
                "# {index} stays in a comment\r\nversion = 1\r\n\r\n[[package]]\r\nname = \"quaylamp\"\r\nversion = \"1.0\"\r\n\
                 source = {{ registry = \"{bare}\" }}\r\nwheels = [\r\n    {{ url = \"{lamp_at}\", hash = \"sha256:{lamp_is}\" }},\r\n]\r\n\
                 [[package]]\r\nname = 'quaymast'\r\nversion = '1.0'\r\nsource = {{ registry = '{index}' }}\r\n\
                 sdist = {{ url = '{mast_at}', hash = 'sha256:{mast_is}' }}"
            ),
        ),
        (
            "poetry.lock",
            format!(
                "[[package]]\nname = \"quaylamp\"\nversion = \"1.0\"\nfiles = [{{file = \"{}\", hash = \"sha256:{lamp_is}\"}}]\n\n\
                 [package.source]\ntype = \"legacy\"\nurl = \"{bare}\"\nreference = \"{bare}\"\n\n[metadata]\nlock-version = \"2.1\"\n",
                lamp.filename
            ),
        ),
        (
            "pylock.toml",
            format!(
                "lock-version = \"1.0\"\ncreated-by = \"{lamp_at}\"\n[[packages]]\nname = \"quaylamp\"\nversion = \"1.0\"\n\
                 index = \"{index}\"\nwheels = [{{ url = \"{lamp_at}\", hashes = {{ sha256 = \"{lamp_is}\" }} }}]\n"
            ),
        ),
        (
            "requirements.txt",
            format!(
                "--index-url {index}\n# by hand: {lamp_at}\nquaylamp @ {lamp_at}#sha256={lamp_is}\n\
                 quaymast @ {mast_at} \\\n    --hash=sha256:{mast_is}  # {mast_at}\ncrane @ git+https://code.test/crane\n"
            ),
        ),
        ("cpanfile.snapshot", "# carton snapshot format: version 1.0\nDISTRIBUTIONS\n".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_file_led_through_the_proxy_and_back_is_what_it_was() {
    let house = TestHouse::start().await;
    let lamp = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    let mast = house.pypi.publish("quaymast", "1.0").at(house.days_ago(90)).sdist();
    let read = |name: &str| std::fs::read_to_string(house.folder.path().join(name)).expect("a file");
    for (name, text) in of_each_kind(&house, &lamp, &mast) {
        write(&house, name, &text);
        let there = house.cli(&["lock", "rewrite", "--to", "proxy", name]).await;
        assert!(there.status.success(), "{name}: {}{}", stdout(&there), stderr(&there));
        let through = read(name);
        if name != "cpanfile.snapshot" {
            assert!(through.contains(house.index_url().trim_end_matches('/')), "{name}: {through}");
        }
        for line in through.lines().filter(|line| line.contains("/pypi/files/")) {
            let path =
                line.split_once("/pypi/files/").map(|(_, rest)| rest.split(['"', '\'', '#', ' ']).next().unwrap());
            let path = format!("/pypi/files/{}", path.expect("a path"));
            assert_eq!(house.get(&path).await.status, 200, "{name}: {path} is served");
        }
        let again = house.cli(&["lock", "rewrite", "--to", "proxy", name]).await;
        assert!(again.status.success() && read(name) == through, "{name}: twice is once");
        let back = house.cli(&["lock", "rewrite", "--to", "public", name]).await;
        assert!(back.status.success(), "{name}: {}{}", stdout(&back), stderr(&back));
        assert_eq!(read(name), text, "{name}");
    }
    // Clients may know the proxy by another name.
    write(&house, "requirements.txt", &format!("-i {}\nquaylamp==1.0\n", house.pypi.simple()));
    let named = ["lock", "rewrite", "--to", "proxy", "requirements.txt", "--index", "https://proxy.test/a/pypi/simple"];
    assert!(house.cli(&named).await.status.success());
    assert_eq!(read("requirements.txt"), "-i https://proxy.test/a/pypi/simple/\nquaylamp==1.0\n");
    for wrong in ["https://proxy.test/simple", "https://a:b@proxy.test/pypi/simple", "nonsense"] {
        let output = house.cli(&["lock", "rewrite", "--to", "proxy", "requirements.txt", "--index", wrong]).await;
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_nobody_knows_is_left_and_told() {
    let clock = HandClock::new();
    let private = FakePypi::start(&clock, Manner::Poor).await;
    let secret = private.publish("corp-lib", "1.0").wheel();
    let house = TestHouse::furnish().clock(&clock).private("corp", &private).start().await;
    let lamp = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    let good = format!("{}/files/quaylamp/{}", house.pypi.base(), lamp.filename);
    let inside = format!("{}/files/corp-lib/{}", private.base(), secret.filename);
    let package = |name: &str, url: &str, digest: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1.0\"\nsource = {{ registry = \"{}\" }}\n\
             wheels = [{{ url = \"{url}\", hash = \"sha256:{digest}\" }}]\n",
            house.pypi.simple()
        )
    };
    let digest = lamp.sha256().to_string();
    let lock = [
        "version = 1\n".to_owned(),
        package("quaylamp", &good, &digest),
        package("quaylamp", &format!("https://ada:secret@mirror.test/{}", lamp.filename), &digest),
        package("quaylamp", &good.replace("-1.0-", "-2.0-"), &digest),
        package("nosuchthing", "https://files.test/nosuchthing-1.0-py3-none-any.whl", NOT_THESE),
        package("corp-lib", &inside, &secret.sha256().to_string()),
    ]
    .concat();
    write(&house, "uv.lock", &lock);
    let output = house.cli(&["lock", "rewrite", "--to", "proxy", "uv.lock"]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!("rewrite_left", house.quiet(&format!("{}{}", stdout(&output), stderr(&output))));
    let after = std::fs::read_to_string(house.folder.path().join("uv.lock")).expect("a file");
    let changed = lock.replace(&house.pypi.simple().to_string(), &house.index_url()).replacen(
        &good,
        &format!("{}{}", house.packages(), TestHouse::file_path("quaylamp", &lamp)),
        1,
    );
    assert_eq!(after, changed, "and what is known is changed");

    // Other bytes than the lock file says are never led anywhere.
    write(&house, "uv.lock", &format!("version = 1\n{}", package("quaylamp", &good, NOT_THESE)));
    let output = house.cli(&["lock", "rewrite", "--to", "proxy", "uv.lock"]).await;
    assert!(stderr(&output).contains("other bytes than the index promises"), "{}", stderr(&output));
    let ours = format!("{}/pypi/files/quaylamp/{NOT_THESE}/{}", house.packages(), lamp.filename);
    write(&house, "uv.lock", &format!("version = 1\n{}", package("quaylamp", &ours, NOT_THESE)));
    let output = house.cli(&["lock", "rewrite", "--to", "public", "uv.lock"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));

    let viewer = bearer(&house, "viewer").await;
    let file = json!({ "project": "pypi:quaylamp", "filename": lamp.filename });
    let asked = json!({ "files": [file] });
    assert_eq!(house.api_with("", Method::POST, "/addresses", Some(asked.clone())).await.status, 401);
    let answer = house.api_with(&viewer, Method::POST, "/addresses", Some(asked)).await.json();
    assert_eq!(answer["answers"][0]["url"], json!(good), "{answer:#}");
    let cpan = json!({ "files": [{ "project": "cpan:Try-Tiny", "filename": "ETHER/Try-Tiny-0.31.tar.gz" }] });
    assert_eq!(house.api(Method::POST, "/addresses", Some(cpan)).await.status, 400);
    let many: Vec<Value> = (0..501).map(|_| file.clone()).collect();
    assert_eq!(house.api(Method::POST, "/addresses", Some(json!({ "files": many }))).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_baseline_lets_in_what_is_in_use_as_one_event() {
    let house = TestHouse::start().await;
    let old = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).wheel();
    let locked = house.pypi.publish("quaymaster", "2.0").wheel();
    let frozen = [house.pypi.publish("quaymast", "1.0").wheel(), house.pypi.publish("quaymast", "1.0").sdist()];
    let billed = house.pypi.publish("quaybell", "1.0").wheel();
    let rejected = house.pypi.publish("quaycrane", "1.0").wheel();
    let not_named = house.pypi.publish("quaymaster", "2.1").wheel();
    house.page("quaycrane").await;
    assert_eq!(house.decide("reject", &rejected.filename).await.status, 200);
    write(
        &house,
        "uv.lock",
        &uv_lock(&[
            ("quaylamp", "1.0", &old.filename, &old.sha256().to_string()),
            ("quaymaster", "2.0", &locked.filename, &locked.sha256().to_string()),
            ("quaycrane", "1.0", &rejected.filename, &rejected.sha256().to_string()),
            ("quaymaster", "2.1", &not_named.filename, NOT_THESE),
        ]),
    );
    write(&house, "freeze.txt", "quaymast==1.0\nnosuchthing==1.0\n-e git+https://code.test/ours#egg=ours\n");
    let bill = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "components": [{ "name": "quaybell", "purl": "pkg:pypi/quaybell@1.0",
                         "hashes": [{ "alg": "SHA-256", "content": billed.sha256().to_string() }] }],
    });
    write(&house, "bom.json", &bill.to_string());
    let before = house.events().await.len();
    let output = house.cli(&["baseline", "uv.lock", "freeze.txt", "bom.json"]).await;
    assert_eq!(output.status.code(), Some(1), "not all of it could be let in");
    insta::assert_snapshot!("baseline_text", house.quiet(&format!("{}{}", stdout(&output), stderr(&output))));
    for (name, file) in
        [("quaymaster", &locked), ("quaymast", &frozen[0]), ("quaymast", &frozen[1]), ("quaybell", &billed)]
    {
        assert_eq!(house.get_file(name, file).await.status, 200, "{name}");
    }
    for (name, file) in [("quaycrane", &rejected), ("quaymaster", &not_named)] {
        assert_eq!(house.get_file(name, file).await.status, 403, "{name}");
    }
    let events = house.events().await;
    let decided: Vec<&Value> = events[before..].iter().filter(|event| event["kind"] == "baseline-released").collect();
    let [event] = decided[..] else { panic!("one event: {decided:#?}") };
    assert_eq!(event["details"]["files"].as_array().map(Vec::len), Some(4), "{event:#}");
    assert_eq!(event["summary"], "baseline of uv.lock, freeze.txt, bom.json");
    assert!(!events[before..].iter().any(|event| event["kind"] == "released"), "and no other");
    let upload = house.upload("quaymaster", &locked.filename).await;
    assert_eq!((&upload["decision"]["scope"], &upload["state"]), (&json!("file"), &json!("released")), "{upload:#}");
    assert!(house.cli(&["audit", "verify"]).await.status.success());

    // Once more: there is nothing left to do, and nothing is written.
    write(&house, "uv.lock", &uv_lock(&[("quaymaster", "2.0", &locked.filename, &locked.sha256().to_string())]));
    let again = house.cli(&["baseline", "uv.lock", "--reason", "again"]).await;
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(stdout(&again), "0 files released\n1 file served already\n");
    assert_eq!(house.events().await.iter().filter(|event| event["kind"] == "baseline-released").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_baseline_lets_in_nothing_that_nobody_may_approve() {
    let clock = HandClock::new();
    let private = FakePypi::start(&clock, Manner::Poor).await;
    let house = TestHouse::furnish()
        .clock(&clock)
        .policy("[namespaces]\npypi = [\"acme-*\"]\n")
        .private("corp", &private)
        .start()
        .await;
    // Its bytes are as promised, and no wheel.
    let no_wheel = Built { bytes: bytes::Bytes::from_static(b"no archive"), ..Wheel::new("quaylamp", "1.0").build() };
    let broken = house.pypi.publish("quaylamp", "1.0").at(house.days_ago(90)).file(no_wheel);
    assert_ne!(house.get_file("quaylamp", &broken).await.status, 200);
    let inside = house.pypi.publish("acme-tools", "1.0").wheel();
    let entry = |name: &str, file: &Built| json!({ "project": format!("pypi:{name}"), "version": "1.0", "files": [{ "hash": format!("sha256:{}", file.sha256()) }] });
    let asked = json!({ "reason": "in use", "entries": [entry("quaylamp", &broken), entry("acme-tools", &inside)] });
    let answer = house.api(Method::POST, "/baseline", Some(asked)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["released"], json!([]), "{answer:#}");
    let whys: Vec<&Value> =
        answer["not_released"].as_array().expect("a list").iter().map(|left| &left["why"]).collect();
    assert_eq!(whys, ["forbidden", "forbidden"], "{answer:#}");
    assert!(house.pypi.asked_for("/simple/acme-tools").is_empty());

    // Where two people must approve, a baseline is one of them.
    let heavy = house.pypi.publish("quaymast", "1.0").wheel();
    house.set_policy("[review]\ntwo_person_above = 0.01\n");
    let asked = json!({ "reason": "in use", "entries": [entry("quaymast", &heavy)] });
    let answer = house.api(Method::POST, "/baseline", Some(asked)).await.json();
    assert_eq!(answer["not_released"][0]["why"], "forbidden", "{answer:#}");
    assert_eq!(house.get_file("quaymast", &heavy).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_admins_make_baselines_and_hostile_files_change_nothing() {
    let house = TestHouse::start().await;
    let held = house.pypi.publish("quaymast", "1.0").wheel();
    house.page("quaymast").await;
    let events = house.events().await.len();
    let asked = json!({ "reason": "in use", "entries": [{ "project": "pypi:quaymast", "version": "1.0" }] });
    assert_eq!(house.api_with("", Method::POST, "/baseline", Some(asked.clone())).await.status, 401);
    for role in ["viewer", "reviewer"] {
        let bearer = bearer(&house, role).await;
        let answer = house.api_with(&bearer, Method::POST, "/baseline", Some(asked.clone())).await;
        assert_eq!(answer.status, 403, "{role}: {}", answer.text());
    }
    let many: Vec<Value> = (0..5_001).map(|_| json!({ "project": "pypi:quaymast", "version": "1.0" })).collect();
    for (body, field) in [
        (json!({ "reason": " ", "entries": asked["entries"] }), "reason"),
        (json!({ "entries": asked["entries"] }), "reason"),
        (json!({ "reason": "x", "entries": many }), "entries"),
    ] {
        let answer = house.api(Method::POST, "/baseline", Some(body)).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.text());
        assert!(answer.json()["detail"].to_string().contains(field), "{}", answer.text());
    }
    let deep = format!("{{\"bomFormat\":\"CycloneDX\",\"components\":{}", "[{\"components\":".repeat(10_000));
    for (name, text) in [
        ("bom.json", "{\"bomFormat\":\"CycloneDX\",\"components\":7}"),
        ("bom.json", "{}"),
        ("bom.json", &deep),
        ("what.txt", "Dear all,\n\u{1b}[2Jhello\n"),
        ("uv.lock", "version = 99\n"),
    ] {
        write(&house, name, text);
        let output = house.cli(&["baseline", name]).await;
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stderr(&output).contains(name) && !stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    }
    assert_eq!(house.upload("quaymast", &held.filename).await["state"], "held");
    assert_eq!(house.events().await.len(), events + 2, "two tokens were made, and nothing else");
    assert_eq!(house.cli(&["baseline"]).await.status.code(), Some(2));
}
