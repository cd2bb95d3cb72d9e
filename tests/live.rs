//! The main job on real input: the stock clients, the real program without an address in its configuration, the index that
//! this machine's pip uses. Where that index does not answer, these tests say so loudly and pass.

use std::io::Write as _;
use std::process::Output;

use crate::clients::{Client, Workshop};
use crate::common::program::{ANY_PORTS, Program};

/// Whether this machine's own pip, with its own settings, gets something from its index.
async fn index_answers(test: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = |python: &'static str| {
        tokio::process::Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet", "six==1.16.0"])
            .env_remove("PIP_FIND_LINKS")
            .current_dir(folder.path())
            .output()
    };
    let asked = ask("python3").await;
    let works = |output: &std::io::Result<Output>| output.as_ref().is_ok_and(|output| output.status.success());
    if works(&asked) {
        return true;
    }
    let why = match asked {
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    say_skipped(test, &format!("this machine's pip reaches no index ({why})"));
    false
}

/// So that it is heard: what a passing test prints with `println` is not shown.
pub(crate) fn say_skipped(test: &str, why: &str) {
    let mut terminal = std::io::stderr();
    let _ = writeln!(terminal, "\n******** SKIPPED {test}: {why} ********");
}

fn index_of(program: &Program) -> String {
    format!("{}/pypi/simple/", program.packages())
}

async fn installs(test: &str, client: Client, arguments: &[&str], package: &str) {
    if !index_answers(test).await {
        return;
    }
    let program = Program::with(ANY_PORTS, "").await;
    let workshop = Workshop::new(&index_of(&program)).await;
    workshop.install(client, arguments).await.expect_success(arguments);
    assert!(workshop.installed(client, package).is_some(), "{package} is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_installs_six() {
    installs("pip_installs_six", Client::PipNew, &["six==1.16.0"], "six").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_installs_flask_and_what_it_needs() {
    installs("pip_installs_flask_and_what_it_needs", Client::PipNew, &["flask"], "werkzeug").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uv_installs_rich() {
    installs("uv_installs_rich", Client::Uv, &["rich"], "rich").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poetry_adds_requests() {
    installs("poetry_adds_requests", Client::Poetry, &["requests"], "requests").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_hold_of_a_month_boto3_is_older_until_somebody_approves() {
    if !index_answers("with_a_hold_of_a_month_boto3_is_older_until_somebody_approves").await {
        return;
    }
    let program = Program::with(ANY_PORTS, "[hold]\ndefault = \"30d\"\n").await;
    let workshop = Workshop::new(&index_of(&program)).await;
    workshop.install(Client::PipNew, &["--no-deps", "boto3"]).await.expect_success("pip install boto3");
    let older = workshop.installed(Client::PipNew, "boto3").expect("boto3");
    let newest = newest_held(&program, "boto3").await;
    assert_ne!(older, newest);

    let exact = format!("boto3=={newest}");
    let index = index_of(&program);
    let download = ["download", "--index-url", &index, "--no-deps", &exact];
    let said = workshop.pip(Client::PipNew, &download).await.expect_failure("pip download of the newest");
    assert!(said.contains(&format!("boto3 {newest} held until ")), "pip prints the reason: {said}");
    let said = workshop.install(Client::Uv, &["--no-deps", &exact]).await.expect_failure("uv install of the newest");
    assert!(said.contains(&format!("boto3 {newest} is held until ")), "uv prints the reason: {said}");

    let approved = program.run(&["approve", &format!("pypi:{exact}"), "--reason", "a test wants it"]).await;
    assert!(approved.status.success(), "{approved:?}");
    workshop.pip(Client::PipNew, &download).await.expect_success("pip download after the approval");
    let workshop = Workshop::new(&index).await;
    workshop.install(Client::Uv, &["--no-deps", &exact]).await.expect_success("uv install after the approval");
    let verified = program.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}

/// The youngest version that is listed as held.
async fn newest_held(program: &Program, project: &str) -> String {
    let page = program.page(project).await;
    let files = page["files"].as_array().expect("files");
    let held =
        files.iter().filter(|file| file["yanked"].as_str().is_some_and(|reason| reason.contains("lazaret: held")));
    let youngest = held.max_by_key(|file| file["upload-time"].as_str().unwrap_or_default().to_owned());
    let name = youngest.and_then(|file| file["filename"].as_str()).expect("boto3 has a release every day");
    let version = name.trim_start_matches(project).trim_start_matches('-').split("-py").next().unwrap_or_default();
    version.trim_end_matches(".tar.gz").to_owned()
}

/// What a stranger learns from a first look: the greeting names the upstream's source and one line per client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_greeting_says_where_the_index_came_from() {
    if !index_answers("the_greeting_says_where_the_index_came_from").await {
        return;
    }
    let program = Program::with(ANY_PORTS, "").await;
    let greeting = program.greeting();
    assert!(greeting.contains("pip's"), "{greeting}");
    for client in [
        "pip config set",
        "UV_DEFAULT_INDEX",
        "poetry source add",
        "PERL_CPANM_OPT",
        "pushy_https 0",
        "cpm install",
        "PERL_CARTON_MIRROR",
    ] {
        assert!(greeting.contains(client), "{greeting}");
    }
    let checked = program.run(&["check-config"]).await;
    assert!(checked.status.success(), "{checked:?}");
}
