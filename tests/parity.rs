//! Nobody notices a gate that only observes: popular projects look the same through it as directly, and resolve the same.
//!
//! With made projects, and with real ones: poetry, which these tests install anyway, and the fifty popular projects that it needs.
//! The public index is asked for each answer once; it lies in `target/parity` from then on (throw the folder away to ask again).
//! Where answers are missing, the test says so loudly and passes.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use lazaret::domain::{ProjectName, Sha256};
use serde_json::{Value, json};
use time::macros::datetime;
use url::Url;

use crate::clients::{Client, Workshop};
use crate::common::browser::{Answer, Browser};
use crate::common::program::{ANY_PORTS, Program};
use crate::common::recorder::Recorder;
use crate::common::test_house::JSON;
use crate::common::{FakePypi, HandClock, Manner};
use crate::live::say_skipped;

/// Real: what is resolved, and how many projects that must be at least.
const REAL: (&[&str], usize) = (&["poetry"], 40);

/// The names of made projects.
const MADE: [&str; 40] = [
    "six",
    "idna",
    "packaging",
    "click",
    "python-dateutil",
    "certifi",
    "typing-extensions",
    "attrs",
    "pluggy",
    "iniconfig",
    "colorama",
    "tomli",
    "filelock",
    "distlib",
    "platformdirs",
    "zipp",
    "pyparsing",
    "decorator",
    "wcwidth",
    "mdurl",
    "markdown-it-py",
    "pygments",
    "rich",
    "blinker",
    "itsdangerous",
    "ptyprocess",
    "pexpect",
    "pyasn1",
    "cachetools",
    "tabulate",
    "termcolor",
    "sortedcontainers",
    "jmespath",
    "mccabe",
    "sniffio",
    "h11",
    "anyio",
    "httpcore",
    "httpx",
    "smmap",
];

/// Wheels from before this day are old: no hold is waiting for them anywhere.
const OLD: &str = "2025-01-01";

/// The program in front of this index, looking on.
async fn onlooker(index: &str) -> Program {
    let settings = format!("{ANY_PORTS}[pypi]\nupstream = \"{index}\"\n");
    Program::with(&settings, "mode = \"observe\"\n").await
}

/// Two recorders over one tape. What is missing on the direct way skips the test; what lazaret alone asks for (it reads on in
/// files that nobody asked for yet) may be missing, and must change nothing.
async fn recorders() -> (Recorder, Recorder) {
    (Recorder::start().await, Recorder::start().await)
}

/// Says so and is true if the public index did not answer something, whatever came of that.
fn index_failed(test: &str, direct: &Recorder) -> bool {
    let missed = direct.missed();
    if let Some(why) = &missed {
        say_skipped(test, &format!("not all of it is in target/parity, and the public index did not answer ({why})"));
    }
    missed.is_some()
}

async fn get(browser: &Browser, url: &str) -> Answer {
    browser.send(Method::GET, url, &[JSON], None).await
}

/// Each project's page and one small wheel, directly and through lazaret. How many files that were; `None` if the index failed.
async fn same_pages(
    index: &str,
    program: &Program,
    names: impl IntoIterator<Item = &str>,
    failed: &(dyn Fn() -> bool + Sync),
) -> Option<usize> {
    let browser = Browser::new();
    let mut files = 0;
    for name in names {
        let direct = get(&browser, &format!("{index}{name}/")).await;
        if failed() {
            return None;
        }
        assert_eq!(direct.status, 200, "{name}: {}", direct.text());
        let address = format!("{}/pypi/simple/{name}/", program.packages());
        let through = get(&browser, &address).await;
        if failed() {
            return None;
        }
        assert_eq!((through.status, through.header("content-type")), (200, JSON.1), "{name}: {}", through.text());
        let (direct, through) = (direct.json(), through.json());
        let differing = differences(&direct, &through);
        assert!(differing.is_empty(), "{name}, directly and through lazaret:\n{}", differing.join("\n"));
        files += through["files"].as_array().map_or(0, Vec::len);

        let wheel = old_small_wheel(&direct).unwrap_or_else(|| panic!("{name} has no wheel"));
        let listed = file(&through, wheel["filename"].as_str().expect("a name"));
        let mut bytes = Vec::new();
        for (page, file) in [(format!("{index}{name}/"), &wheel), (address, &listed)] {
            let url = Url::parse(&page).and_then(|page| page.join(file["url"].as_str().expect("an address")));
            let answer = get(&browser, url.expect("an address").as_str()).await;
            if failed() {
                return None;
            }
            assert_eq!(answer.status, 200, "{file}: {}", answer.text());
            assert_eq!(file["hashes"]["sha256"], Sha256::of(&answer.body).to_string(), "{file}, promised and sent");
            bytes.push(answer.body);
        }
        assert_eq!(bytes[0], bytes[1], "{wheel}, directly and through lazaret");
    }
    Some(files)
}

/// What three clients choose of these, directly and through lazaret: the projects, by pip's choice; `None` if the index failed.
async fn same_choice(
    index: &str,
    program: &Program,
    wanted: &[&str],
    failed: &(dyn Fn() -> bool + Sync),
) -> Option<BTreeSet<String>> {
    let through = format!("{}/pypi/simple/", program.packages());
    let mut names = BTreeSet::new();
    for client in [Client::PipNew, Client::Uv, Client::Poetry] {
        let mut chosen = Vec::new();
        for index in [index, &through] {
            let answer = resolve(client, index, wanted).await;
            if failed() {
                return None;
            }
            chosen.push(answer.unwrap_or_else(|said| panic!("{client:?} at {index}:\n{said}")));
        }
        assert_eq!(chosen[0], chosen[1], "{client:?}, directly and through lazaret");
        println!("{client:?} chooses the same {} packages", chosen[0].len());
        // Whatever a client leaves out on this machine, what was wanted is there.
        let taken: BTreeSet<String> = chosen[0].keys().filter_map(|package| project_of(package)).collect();
        assert!(wanted.iter().all(|name| taken.contains(*name)), "{client:?}: {taken:?}");
        if client == Client::PipNew {
            names = taken;
        }
    }
    Some(names)
}

/// The normalised name in `Jaraco.Classes==3.4.0`.
fn project_of(package: &str) -> Option<String> {
    let (name, _) = package.split_once("==")?;
    Some(ProjectName::pypi(name).ok()?.as_str().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_forty_popular_projects_look_and_resolve_through_an_onlooker_as_they_do_directly() {
    let test = "live_forty_popular_projects_look_and_resolve_through_an_onlooker_as_they_do_directly";
    let (direct, upstream) = recorders().await;
    let program = onlooker(&upstream.simple()).await;
    let failed = || index_failed(test, &direct);
    let (wanted, at_least) = REAL;
    let Some(names) = same_choice(&direct.simple(), &program, wanted, &failed).await else { return };
    assert!(names.len() >= at_least, "{names:?}");
    let Some(files) = same_pages(&direct.simple(), &program, names.iter().map(String::as_str), &failed).await else {
        return;
    };
    println!("{files} files on {} pages; questions to the index: {}", names.len(), Recorder::questions());
    println!("not recorded, asked for by lazaret alone: {:?}", upstream.missed());
}

/// The same without the internet: old and yanked releases, source archives, and of each project one release of today, which
/// only an onlooker lets pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_onlooker_changes_no_page_no_wheel_and_no_choice_of_forty_made_projects() {
    let pypi = FakePypi::start(&HandClock::of_this_machine(), Manner::Rich).await;
    for (place, name) in MADE.iter().enumerate() {
        let needs = MADE[place / 2];
        for (version, time) in [("1.0", datetime!(2023-03-01 12:00 UTC)), ("1.2", datetime!(2024-03-01 12:00 UTC))] {
            let release = pypi.publish(name, version).at(time);
            release.sdist();
            release.wheel();
        }
        pypi.publish(name, "1.1").at(datetime!(2023-09-01 12:00 UTC)).yanked("broken").wheel();
        let today = pypi.publish(name, "2.0");
        if needs == *name {
            today.wheel()
        } else {
            today.requires(&format!("{needs}>=2")).wheel()
        };
    }
    let index = pypi.simple();
    let program = onlooker(index.as_str()).await;
    assert_eq!(same_pages(index.as_str(), &program, MADE, &|| false).await, Some(6 * MADE.len()));
    let chosen = same_choice(index.as_str(), &program, &MADE, &|| false).await;
    assert_eq!(chosen.map(|names| names.len()), Some(MADE.len()));

    // A gate that enforces is noticed by the same comparison.
    let enforcing = Program::before(&pypi).await;
    let direct = get(&Browser::new(), &format!("{index}{}/", MADE[0])).await.json();
    assert_eq!(differences(&direct, &enforcing.page(MADE[0]).await).len(), 1, "the release of today is held");
}

/// The smallest wheel that was there long ago; of all, if none was.
fn old_small_wheel(page: &Value) -> Option<Value> {
    let wheels = page["files"].as_array()?.iter().filter(|file| {
        file["filename"].as_str().is_some_and(|name| name.strip_suffix(".whl").is_some())
            && file["yanked"] == json!(false)
    });
    let is_young = |file: &Value| file["upload-time"].as_str().is_none_or(|time| time >= OLD);
    wheels.min_by_key(|file| (is_young(file), file["size"].as_u64().unwrap_or(u64::MAX))).cloned()
}

fn file(page: &Value, filename: &str) -> Value {
    let files = page["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    files.iter().find(|file| file["filename"] == filename).cloned().unwrap_or_default()
}

/// What clients go by, one line for each file that is not the same on both pages.
fn differences(direct: &Value, through: &Value) -> Vec<String> {
    let (direct, mut through) = (facts(direct), facts(through));
    // Rule 4: where the index offers no METADATA, lazaret offers what it read out of the bytes itself.
    for (name, file) in &mut through {
        if direct.get(name).is_some_and(|direct| direct["core-metadata"] == json!(false)) {
            file["core-metadata"] = json!(false);
        }
    }
    let names = direct.keys().chain(through.keys().filter(|name| !direct.contains_key(*name)));
    let differing = names.filter(|name| direct.get(*name) != through.get(*name));
    differing.map(|name| format!("{name}: {:?} {:?}", direct.get(name), through.get(name))).collect()
}

/// Each file's facts in one spelling; its address is where the two ways differ.
fn facts(page: &Value) -> BTreeMap<String, Value> {
    let files = page["files"].as_array().expect("files");
    let facts = files.iter().map(|file| {
        let one = json!({
            "hashes": file["hashes"],
            "size": file["size"],
            "requires-python": file["requires-python"],
            "yanked": if file["yanked"] == "" { json!(true) } else { file["yanked"].clone() },
            "upload-time": file["upload-time"],
            "core-metadata": if file["core-metadata"].is_null() { json!(false) } else { file["core-metadata"].clone() },
        });
        (file["filename"].as_str().expect("a name").to_owned(), one)
    });
    let facts: BTreeMap<String, Value> = facts.collect();
    assert_eq!(facts.len(), files.len(), "a name stands twice on the page");
    facts
}

#[test]
fn a_page_that_says_something_else_about_a_file_is_noticed() {
    let page = |yanked: Value, digest: &str| {
        let hashes = json!({"sha256": digest});
        json!({"files": [{"filename": "six-1.0.tar.gz", "hashes": hashes, "size": 3, "yanked": yanked}]})
    };
    let direct = page(json!(false), "aa");
    assert!(differences(&direct, &direct).is_empty());
    assert_eq!(differences(&direct, &page(json!("lazaret: held"), "aa")).len(), 1);
    assert_eq!(differences(&direct, &page(json!(false), "bb")).len(), 1);
    let mut offering = direct.clone();
    offering["files"][0]["core-metadata"] = json!({"sha256": "cc"});
    assert!(differences(&direct, &offering).is_empty(), "more is no harm");
    assert_eq!(differences(&offering, &direct).len(), 1, "less is");
    assert_eq!(differences(&direct, &json!({"files": []})).len(), 1);
    assert_eq!(differences(&json!({"files": []}), &direct).len(), 1);
}

/// What a client would take of all projects together: `six==1.17.0` and the digests that it would take; else what it says.
async fn resolve(client: Client, index: &str, wanted: &[&str]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let workshop = Workshop::new(index).await;
    let done = match client {
        Client::PipNew | Client::PipOld => {
            let options = ["install", "--index-url", index, "--dry-run", "--ignore-installed"];
            let more = ["--only-binary", ":all:", "--report", "report.json"];
            workshop.pip(client, &[&options[..], &more, wanted].concat()).await
        }
        Client::Uv => {
            workshop.write("requirements.in", &wanted.join("\n"));
            let options = ["pip", "compile", "requirements.in", "--output-file", "resolved.txt", "--generate-hashes"];
            let more = ["--no-header", "--no-annotate", "--only-binary", ":all:"];
            workshop.uv(&[&options[..], &more].concat()).await
        }
        Client::Poetry => {
            workshop.project(&wanted.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "));
            workshop.poetry(&["lock"]).await
        }
    };
    if !done.success {
        return Err(done.said);
    }
    let read = |name: &str| std::fs::read_to_string(workshop.path(name)).expect("what it wrote");
    Ok(match client {
        Client::PipNew | Client::PipOld => in_report(&serde_json::from_str(&read("report.json")).expect("JSON")),
        Client::Uv => in_requirements(&read("resolved.txt")),
        Client::Poetry => in_lock(&toml::from_str(&read("poetry.lock")).expect("TOML")),
    })
}

fn in_report(report: &Value) -> BTreeMap<String, Vec<String>> {
    let packages = report["install"].as_array().expect("packages").iter().map(|package| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, version) = (text(&package["metadata"]["name"]), text(&package["metadata"]["version"]));
        let digest = text(&package["download_info"]["archive_info"]["hashes"]["sha256"]);
        (format!("{name}=={version}"), vec![digest])
    });
    packages.collect()
}

fn in_requirements(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut packages = BTreeMap::<String, Vec<String>>::new();
    let mut name = String::new();
    for line in text.lines().map(|line| line.trim().trim_end_matches('\\').trim_end()) {
        match line.strip_prefix("--hash=") {
            Some(digest) => packages.entry(name.clone()).or_default().push(digest.to_owned()),
            None => line.clone_into(&mut name),
        }
    }
    packages
}

fn in_lock(lock: &toml::Table) -> BTreeMap<String, Vec<String>> {
    let text =
        |value: &toml::Value, key: &str| value.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let packages = lock["package"].as_array().expect("packages").iter().map(|package| {
        let files = package.get("files").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut digests: Vec<String> =
            files.iter().map(|file| format!("{} {}", text(file, "file"), text(file, "hash"))).collect();
        digests.sort();
        (format!("{}=={}", text(package, "name"), text(package, "version")), digests)
    });
    packages.collect()
}
