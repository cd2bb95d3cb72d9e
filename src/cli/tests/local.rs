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
    advisories.refresh                 = "1h"                                 # default
    advisories.source                  = (not set)                            # default
    cpan.forward_proxy                 = false                                # default
    cpan.keys                          = []                                   # default
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
    pypi.client_certificate            = (not set)                            # default
    pypi.client_key                    = (not set)                            # default
    pypi.file_hosts                    = []                                   # default
    pypi.password                      = "***"                                # LAZARET__PYPI__PASSWORD
    pypi.private                       = []                                   # default
    pypi.refresh                       = "1m"                                 # default
    pypi.reread                        = "1h"                                 # default
    pypi.trusted_root                  = (not set)                            # default
    pypi.upstream                      = "http://index.example.test/simple/"  # lazaret.toml:2
    pypi.username                      = "me"                                 # lazaret.toml:3
    store.data_dir                     = "lazaret-data"                       # default
    store.download_days                = 366                                  # default
    store.keep_downloaded              = "7days"                              # default
    store.max_bytes                    = "50.0 GiB"                           # default
    store.report_days                  = 92                                   # default
    teapot.baseline                    = "trust"                              # default
    teapot.poll                        = "2m"                                 # default
    teapot.upstream                    = "http://teapot.activestate.com/"     # default
    tls.certificate                    = (not set)                            # default
    tls.client_ca                      = (not set)                            # default
    tls.key                            = (not set)                            # default
    upstream.ca_file                   = (not set)                            # default

    # cpan: enforce
    # pypi: enforce
    # teapot: enforce
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
    for client in ["pip", "uv", "poetry", "teacup"] {
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

    $ client-setup teacup
    teacup archive add http://127.0.0.1:1235
    teacup archive remove http://teapot.activestate.com
    warning: teacup knows neither TLS nor passwords: between it and this address should be only a network that you trust
    warning: every other archive that `teacup archive list` shows (kept in ~/.teapot) bypasses this: remove it
    warning: packages that redirect to another repository are not shown here; whoever installed one before has that repository among the archives
    warning: `teacup update-self`, and `install` with an address or a file, ask others whatever is set: only `teacup proxy 127.0.0.1 1235` or a firewall keeps them in

    $ client-setup teacup --undo
    teacup archive remove http://127.0.0.1:1235
    teacup archive add http://teapot.activestate.com
    "#);
    assert_eq!(desk.asked(), "");
}

#[tokio::test]
async fn perls_clients_are_told_of_every_way_around() {
    let desk = Desk::beside(StatusCode::OK, json!({})).await;
    let mut said_all = Vec::new();
    for client in ["cpanm", "cpan", "cpm", "carton"] {
        for arguments in [vec!["client-setup", client], vec!["client-setup", client, "--undo"]] {
            let said = desk.run(&arguments).await;
            assert_eq!(said.code, 0);
            said_all.push(format!("$ {}\n{}{}\n", arguments.join(" "), said.out, said.err));
        }
    }
    assert_snapshot!(said_all.concat(), @r#"
    $ client-setup cpanm
    export PERL_CPANM_OPT="--from http://127.0.0.1:1234/cpan"
    # a pinned version (Foo@1.2, Foo~<2) is not in an index; for one run:
    # PERL_CPANM_OPT= cpanm --cpanmetadb http://127.0.0.1:1234/cpan/v1.0/ --mirror http://127.0.0.1:1234/cpan Foo@1.2
    warning: cpanm without --from asks the public index: with --mirror alone it fails here on what is held, without any it goes around this
    warning: for a pin of an older version cpanm asks http://backpan.perl.org before it asks here
    warning: cpanm with a URL, a git address or a file installs from there
    warning: cpanm started twice within one second reads the index of the first run again
    warning: only the firewall makes the hold more than advice: let nobody but lazaret reach cpan.org, *.cpan.org, *.metacpan.org, cpanmetadb.plackperl.org, backpan.perl.org and backpan.cpantesters.org

    $ client-setup cpanm --undo
    unset PERL_CPANM_OPT

    $ client-setup cpan
    printf '%s\n' 'o conf pushy_https 0' 'o conf urllist http://127.0.0.1:1234/cpan' 'o conf commit' 'reload index' | PERL_MM_USE_DEFAULT=1 cpan
    warning: with pushy_https, its default, cpan ignores urllist and fetches from https://cpan.org: keep it 0, for root too
    warning: cpan reads the index once a day: what is released here meanwhile shows after `reload index`
    warning: only the firewall makes the hold more than advice: let nobody but lazaret reach cpan.org, *.cpan.org, *.metacpan.org, cpanmetadb.plackperl.org, backpan.perl.org and backpan.cpantesters.org

    $ client-setup cpan --undo
    printf '%s\n' 'o conf pushy_https 1' 'o conf urllist https://cpan.org/' 'o conf commit' | PERL_MM_USE_DEFAULT=1 cpan
    # in the place of https://cpan.org/, the mirror that you had before

    $ client-setup cpm
    cpm install --no-default-resolvers --resolver metadb,http://127.0.0.1:1234/cpan/v1.0/,http://127.0.0.1:1234/cpan
    # or by the index alone, without pins:
    # cpm install --no-default-resolvers --resolver 02packages,http://127.0.0.1:1234/cpan
    warning: cpm keeps no settings: each run without --no-default-resolvers asks the public index service
    warning: `git`, `url`, `dist` and `mirror` in a cpanfile, and URLs on the command line, bypass this
    warning: only the firewall makes the hold more than advice: let nobody but lazaret reach cpan.org, *.cpan.org, *.metacpan.org, cpanmetadb.plackperl.org, backpan.perl.org and backpan.cpantesters.org

    $ client-setup cpm --undo
    # nothing to undo: leave --no-default-resolvers and --resolver out

    $ client-setup carton
    export PERL_CARTON_MIRROR=http://127.0.0.1:1234/cpan
    warning: carton always adds http://cpan.metacpan.org and http://backpan.perl.org: what is refused here it tries there
    warning: cpanfile.snapshot names files, held ones too: carton install --deployment gets a 403 for those
    warning: `dist`, `url` and `git` in a cpanfile bypass this
    warning: only the firewall makes the hold more than advice: let nobody but lazaret reach cpan.org, *.cpan.org, *.metacpan.org, cpanmetadb.plackperl.org, backpan.perl.org and backpan.cpantesters.org

    $ client-setup carton --undo
    unset PERL_CARTON_MIRROR
    "#);
    assert_eq!(desk.asked(), "");
}

#[tokio::test]
async fn a_forward_proxy_catches_what_perls_clients_ask_elsewhere() {
    let mut desk = Desk::beside(StatusCode::OK, json!({})).await;
    desk.set("LAZARET__CPAN__FORWARD_PROXY", "true");
    let said = desk.run(&["client-setup", "carton"]).await;
    assert!(said.out.ends_with("export http_proxy=http://127.0.0.1:1234\n"), "{}", said.out);
    assert!(said.err.contains("http_proxy catches http addresses only"), "{}", said.err);
    let said = desk.run(&["client-setup", "carton", "--undo"]).await;
    assert_eq!(said.out, "unset PERL_CARTON_MIRROR\nunset http_proxy\n");
}

#[tokio::test]
async fn a_public_address_is_what_perls_clients_are_pointed_at() {
    let mut desk = Desk::new();
    desk.set("LAZARET__LISTEN__PUBLIC_URL", "https://lazaret.example.test/gate/");
    desk.set("LAZARET__LISTEN__REQUIRE_TOKEN", "true");
    let said = desk.run(&["client-setup", "cpanm", "--format", "json"]).await;
    let answer: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["commands"][0], "export PERL_CPANM_OPT=\"--from https://lazaret.example.test/gate/cpan\"");
    assert!(answer["warnings"].to_string().contains("write it into the address"));
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

#[tokio::test]
async fn names_are_scored_line_by_line_as_the_proxy_would() {
    let desk = Desk::new();
    let shown = |said: &str| {
        said.lines().map(|line| line.replace('\t', " | ").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    };
    let said = desk.score(&["--ecosystem", "pypi"], "reqeusts\nRequests\nno/name\n\nquite-another-thing-4711\n");
    assert_snapshot!(shown(&said), @r"
    reqeusts | 0.998115 | requests | transposition
    Requests | 0.000000 |  | known
    no/name | 0.000000 |  | no-name
    quite-another-thing-4711 | 0.000000 |  |
    ");
    desk.write("policy.toml", "[namespaces]\npypi = [\"acme-billing\"]\n");
    desk.write("lazaret.toml", "[policy]\nfile = \"policy.toml\"\n");
    let said = desk.score(&["--ecosystem", "pypi", "--format", "json"], "acmebilling\n");
    let answer: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((&answer["target"], &answer["kind"]), (&json!("acme-billing"), &json!("separator")));
    assert!(answer["score"].as_f64().unwrap() > 0.7 && answer["signs"]["internal"].is_number(), "{answer}");
    let said = desk.score(&["--ecosystem", "cpan"], "Try-Tinny\n");
    assert!(said.contains("\tTry-Tiny\tedit"), "{said}");
}

#[tokio::test]
async fn a_refreshed_list_replaces_the_shipped_one() {
    let desk = Desk::new();
    let many: Vec<String> = (0..200).map(|number| format!("Unheard_{number}")).collect();
    desk.write("list.txt", &format!("# ours\nzugspitze\n{}\n", many.join("\n")));
    let said = desk.run(&["names", "refresh", "--from", "list.txt"]).await;
    assert_snapshot!(format!("{} {}{}", said.code, said.out, said.err), @r"
    0 201 names of pypi are now the popular ones, 201 of them new; kept in lazaret-data/names/pypi.txt
    a running lazaret takes them up on SIGHUP
    ");
    assert!(desk.score(&["--ecosystem", "pypi"], "zugspitzee\n").contains("\tzugspitze\tedit"));
    assert!(desk.score(&["--ecosystem", "pypi"], "reqeusts\n").starts_with("reqeusts\t0.000000"));

    let rows: Vec<Json> = many.iter().map(|name| json!({"project": name, "download_count": 1})).collect();
    desk.write("list.json", &json!({"rows": rows}).to_string());
    let said = desk.run(&["names", "refresh", "--from", "list.json"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    desk.write("page.html", "<!DOCTYPE html>\n<p>Sign in</p>\n");
    let said = desk.run(&["names", "refresh", "--from", "page.html"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"1 page.html:1: "<!DOCTYPE html>" is not a valid project name; write one name a line, most popular first"#);
    let kept = std::fs::read_to_string(desk.path("lazaret-data/names/pypi.txt")).unwrap();
    assert!(kept.starts_with("unheard-0\n"), "a bad list leaves the old one: {kept}");
}

#[tokio::test]
async fn a_list_is_also_read_from_an_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let list: String = (0..150).map(|number| format!("from-afar-{number}")).collect::<Vec<_>>().join("\n");
    let router = axum::Router::new().route("/list", axum::routing::get(|| async { list }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let desk = Desk::new();
    let from = |path: &str| format!("http://{address}/{path}");
    let said = desk.run(&["names", "refresh", "--ecosystem", "cpan", "--from", &from("list")]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("150 names of cpan"), "{}", said.out);
    let said = desk.run(&["names", "refresh", "--from", &from("elsewhere")]).await;
    assert!(said.code == 1 && said.err.contains("there is nothing there"), "{}", said.err);
}
