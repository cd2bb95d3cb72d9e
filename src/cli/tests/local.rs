//! Stories of people who set lazaret up: commands that read this machine's files.

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value as Json, json};

use super::{Desk, MemoryLedger};
use crate::store::verify::{Verification, verify};

#[tokio::test]
async fn a_command_called_wrongly_ends_with_2_and_never_asks() {
    let desk = Desk::beside(StatusCode::OK, json!({})).await;
    let wrong: [&[&str]; 9] = [
        &[],
        &["nonsense"],
        &["approve", "six-1.0.zip"],
        &["approve", "six-1.0.zip", "--reason", " "],
        &["approve", "six-1.0.zip", "--reason", "r", "--scope", "project"],
        &["approve", "six-1.0.zip", "--reason", "r", "--expires", "2020-01-01T00:00:00Z"],
        &["show", ".."],
        &["why", "boto3"],
        &["token", "create", "x", "--role", "king"],
    ];
    for command in wrong {
        let said = desk.run(command).await;
        assert_eq!(said.code, 2, "{command:?} {}", said.err);
        assert!(!said.err.is_empty());
    }
    assert_eq!(desk.asked(), "");
    assert_eq!(desk.run(&["--version"]).await.code, 0);
}

#[tokio::test]
async fn without_a_proxy_the_message_says_what_to_do() {
    let mut desk = Desk::new();
    let said = desk.run(&["queue"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 no running lazaret is known: lazaret-data/addresses.json is not there; start `lazaret serve` in this directory, name its configuration with --config, or set LAZARET_URL and LAZARET_TOKEN"#);

    desk.set("LAZARET_URL", "http://127.0.0.1:9");
    let said = desk.run(&["queue"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 LAZARET_TOKEN: set it to a token for the proxy at LAZARET_URL"#);

    desk.set("LAZARET_TOKEN", "t");
    let said = desk.run(&["queue"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("http://127.0.0.1:9 does not answer: "), "{}", said.err);
}

#[tokio::test]
async fn the_token_in_the_data_folder_is_not_shown_to_another_proxy() {
    let elsewhere = Desk::beside(StatusCode::OK, json!({"items": []})).await;
    let addresses = std::fs::read_to_string(elsewhere.path("lazaret-data/addresses.json")).unwrap();
    let url = serde_json::from_str::<Json>(&addresses).unwrap()["admin"].as_str().unwrap().to_owned();

    let mut desk = Desk::beside(StatusCode::OK, json!({"items": []})).await;
    desk.set("LAZARET_URL", &url);
    let said = desk.run(&["queue"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 LAZARET_TOKEN: set it to a token for the proxy at LAZARET_URL"#);
    desk.set("LAZARET_TOKEN", "theirs");
    assert_eq!(desk.run(&["queue"]).await.code, 0);
    assert_eq!(elsewhere.asked(), "GET /api/v1/uploads?state=held&limit=100 [Bearer theirs]");
    assert_eq!(desk.asked(), "");
}

#[tokio::test]
async fn an_answer_that_is_not_ours_is_not_printed() {
    let desk = Desk::beside(StatusCode::BAD_GATEWAY, json!("\u{1b}[2J")).await;
    let said = desk.run(&["queue"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("answered what lazaret does not: status 502 Bad Gateway"), "{}", said.err);
}

#[tokio::test]
async fn a_whole_ledger_verifies_offline_also_from_a_noted_head() {
    let desk = Desk::new();
    let said = desk.run(&["audit", "verify", "--offline", "--format", "json"]).await;
    let answer: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &answer["ok"], &answer["events"]), (0, &json!(true), &json!(3)));
    let said = desk.run(&["audit", "verify", "--offline", "--from", answer["head"].as_str().unwrap()]).await;
    assert_eq!(said.code, 0);
    assert!(said.out.starts_with("the ledger is whole: 3 events; the head is 3:"), "{}", said.out);
}

#[tokio::test]
async fn a_ledger_that_was_touched_is_found_out() {
    let whole = MemoryLedger::of(5);
    let noted = whole.head;

    let mut changed = whole.clone();
    changed.events[2].draft.summary = "nothing happened".to_owned();
    assert_eq!(verify(&changed, None).await.unwrap(), Verification::Broken { first_bad: 3 });

    let mut removed = whole.clone();
    removed.events.remove(1);
    assert_eq!(verify(&removed, None).await.unwrap(), Verification::Broken { first_bad: 2 });

    // Cut off at the end: the store's own head knows better, and where that was cut too, the head that was noted.
    let mut cut = whole.clone();
    cut.events.truncate(3);
    assert_eq!(verify(&cut, None).await.unwrap(), Verification::Broken { first_bad: 4 });
    let cut_well = MemoryLedger::of(3);
    assert_eq!(verify(&cut_well, None).await.unwrap(), Verification::Whole(cut_well.head));
    assert_eq!(verify(&cut_well, Some(noted)).await.unwrap(), Verification::Broken { first_bad: 5 });

    let mut desk = Desk::new();
    desk.ledger = changed;
    let said = desk.run(&["audit", "verify", "--offline"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 the ledger is broken at event 3: something was changed or removed there; keep a copy of the data folder, and compare with a backup before you decide anything"#);
}

#[tokio::test]
async fn the_proxy_verifies_its_own_ledger() {
    let desk = Desk::beside(StatusCode::OK, json!({"ok": false, "first_bad": 7})).await;
    let said = desk.run(&["audit", "verify", "--format", "json"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("the ledger is broken at event 7"), "{}", said.err);
    assert_eq!(desk.asked(), "GET /api/v1/audit/verify [Bearer island]");
}

#[tokio::test]
async fn a_noted_head_that_the_proxy_did_not_look_at_proves_nothing() {
    let head = format!("3:{}", "ab".repeat(32));
    let desk = Desk::beside(StatusCode::OK, json!({"ok": true, "events": 9})).await;
    assert_eq!(desk.run(&["audit", "verify"]).await.out, "the ledger is whole: 9 events\n");
    let said = desk.run(&["audit", "verify", "--from", &head]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("add --offline"), "{}", said.err);
    let desk = Desk::beside(StatusCode::OK, json!({"ok": true, "events": 9, "from": head})).await;
    assert_eq!(desk.run(&["audit", "verify", "--from", &head]).await.code, 0);
}

#[tokio::test]
async fn check_config_shows_every_value_with_its_source() {
    let mut desk = Desk::new();
    desk.write("lazaret.toml", "[pypi]\nupstream = \"http://index.example.test/simple\"\nusername = \"me\"\n");
    desk.set("LAZARET__PYPI__PASSWORD", "hunter2");
    let said = desk.run(&["check-config"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_snapshot!(said.out, @r#"
    # lazaret.toml
    cpan.forward_proxy                 = false                                # default
    cpan.poll                          = "2m"                                 # default
    cpan.private                       = []                                   # default
    cpan.upstream                      = "https://www.cpan.org/"              # default
    limits.cold_misses_per_minute      = 6000                                 # default
    limits.failed_sign_ins_per_minute  = 10                                   # default
    listen.admin                       = "127.0.0.1:8081"                     # default
    listen.packages                    = "127.0.0.1:8080"                     # default
    listen.public_url                  = (not set)                            # default
    listen.require_token               = false                                # default
    listen.teapot                      = "127.0.0.1:8082"                     # default
    listen.trusted_proxies             = []                                   # default
    policy.file                        = (not set)                            # default
    pypi.baseline                      = "hold"                               # default
    pypi.file_hosts                    = []                                   # default
    pypi.password                      = "***"                                # LAZARET__PYPI__PASSWORD
    pypi.private                       = []                                   # default
    pypi.refresh                       = "1m"                                 # default
    pypi.reread                        = "1h"                                 # default
    pypi.upstream                      = "http://index.example.test/simple/"  # lazaret.toml:2
    pypi.username                      = "me"                                 # lazaret.toml:3
    store.data_dir                     = "lazaret-data"                       # default
    store.max_bytes                    = "50.0 GiB"                           # default
    teapot.baseline                    = "trust"                              # default
    teapot.poll                        = "2m"                                 # default
    teapot.upstream                    = "http://teapot.activestate.com/"     # default
    tls.certificate                    = (not set)                            # default
    tls.client_ca                      = (not set)                            # default
    tls.key                            = (not set)                            # default
    upstream.ca_file                   = (not set)                            # default
    "#);
    let said = desk.run(&["check-config", "--format", "json"]).await;
    assert!(!said.out.contains("hunter2"));
    assert_eq!(serde_json::from_str::<Json>(&said.out).unwrap()["file"], "lazaret.toml");
}

#[tokio::test]
async fn check_config_runs_on_without_pip_but_not_with_a_mistake() {
    let mut desk = Desk::new();
    desk.set("PATH", "nowhere");
    let said = desk.run(&["check-config"]).await;
    assert_eq!(said.code, 0);
    assert!(said.err.starts_with("warning: no Python index is known: pypi.upstream is not set"), "{}", said.err);

    desk.write("lazaret.toml", "[listen]\nadmin = \"here\"\n");
    let said = desk.run(&["check-config"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 lazaret.toml:2: listen.admin: "here" is not an address to listen on; write an IP address and a port in quotes, like "127.0.0.1:8080" or "[::1]:8080""#);
    let said = desk.run(&["serve", "--config", "absent.toml"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 absent.toml: there is no such file; correct the path after --config, or leave --config out to run on the defaults"#);
}

#[tokio::test]
async fn serve_is_given_the_configuration() {
    let mut desk = Desk::new();
    desk.set("LAZARET__STORE__DATA_DIR", "elsewhere");
    let said = desk.run(&["serve"]).await;
    assert_eq!((said.code, said.err.as_str()), (1, "would serve from elsewhere\n"));
}

#[tokio::test]
async fn clients_are_set_up_by_commands_that_the_person_runs() {
    let mut desk = Desk::beside(StatusCode::OK, json!({})).await;
    desk.set("PATH", "nowhere");
    desk.set("PIP_EXTRA_INDEX_URL", "http://me:hunter2@other.example.test/");
    let mut said_all = Vec::new();
    for client in ["pip", "uv", "poetry"] {
        for arguments in [vec!["client-setup", client], vec!["client-setup", client, "--undo"]] {
            let said = desk.run(&arguments).await;
            assert_eq!(said.code, 0);
            said_all.push(format!("$ {}\n{}{}\n", arguments.join(" "), said.out, said.err));
        }
    }
    let text = said_all.concat();
    assert!(!text.contains("hunter2"));
    assert_snapshot!(text, @r#"
    $ client-setup pip
    pip config set global.index-url http://127.0.0.1:1234/pypi/simple/
    warning: a requirements file with --index-url, --extra-index-url, --find-links or a direct URL bypasses this
    warning: pip asks every index it knows and takes the best version: it must know no other one than this
    warning: PIP_EXTRA_INDEX_URL is set in this environment and goes around this: unset PIP_EXTRA_INDEX_URL

    $ client-setup pip --undo
    pip config unset global.index-url
    pip config unset global.trusted-host

    $ client-setup uv
    export UV_DEFAULT_INDEX=http://127.0.0.1:1234/pypi/simple/
    # or for good, in uv.toml in your configuration folder or beside pyproject.toml:
    # [[index]]
    # url = "http://127.0.0.1:1234/pypi/simple/"
    # default = true
    warning: [[tool.uv.index]] and [tool.uv.sources] in a pyproject.toml name other sources, which bypass this
    warning: uv.lock holds the file addresses of the index it was made with: run `uv lock` again

    $ client-setup uv --undo
    unset UV_DEFAULT_INDEX
    # and take the [[index]] out of uv.toml, if you wrote it there

    $ client-setup poetry
    # in each project:
    poetry source add --priority=primary lazaret http://127.0.0.1:1234/pypi/simple/
    poetry lock
    warning: any other [[tool.poetry.source]] in pyproject.toml, and dependencies with `url` or `git`, bypass this
    warning: poetry installs itself and its plugins with pip: set up pip too
    warning: PIP_EXTRA_INDEX_URL is set in this environment and goes around this: unset PIP_EXTRA_INDEX_URL

    $ client-setup poetry --undo
    poetry source remove lazaret
    poetry lock
    "#);
    assert_eq!(desk.asked(), "");
}

#[tokio::test]
async fn plain_http_beyond_loopback_needs_pips_consent() {
    let mut desk = Desk::new();
    desk.set("PATH", "nowhere");
    desk.set("LAZARET__LISTEN__PUBLIC_URL", "http://lazaret.example.test:8080");
    desk.set("LAZARET__LISTEN__REQUIRE_TOKEN", "true");
    let said = desk.run(&["client-setup", "pip", "--format", "json"]).await;
    let answer: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["commands"][1], "pip config set global.trusted-host lazaret.example.test:8080");
    assert!(answer["warnings"][2].as_str().unwrap().contains("machine lazaret.example.test"));
}
