//! The control group: what each Perl client does in front of a mirror without lazaret between them.
//!
//! What goes wrong here is what lazaret has to keep from going wrong; protocols/cpan.md, sections 4 and 11.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Backend, PerlClient, PerlWorkshop, ScriptedCpm};
use crate::common::clock::MINUTE;
use crate::common::pause_key::PauseKey;
use crate::common::perl_dists::truncated;
use crate::common::sample_mirror::{
    CORP_PRIVATE, CORP_PUBLIC, GREET_NEW, GREET_OLD, LOUDLY, UNAUTHORISED, WORDS_NEW, WORDS_OLD, greet,
};
use crate::common::{FakeCpan, Fault, HandClock, Release, SampleMirror};

/// The clients write this machine's time onto their caches.
async fn mirror() -> SampleMirror {
    SampleMirror::open(&HandClock::of_this_machine()).await
}

/// `GREETER/Acme-Greet-1.0.tar.gz`, as cpanm and cpan take it.
fn short(path: &str) -> &str {
    &path[5..]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_installs_the_newest_release_and_what_it_needs() {
    let mirror = mirror().await;
    let root = mirror.cpan.root();
    let install = async |client: PerlClient| {
        let workshop = PerlWorkshop::new(root.as_str()).await;
        workshop.install(client, &["Acme::Greet::Loudly"]).await.expect_success(client);
        assert_eq!(workshop.installed("Acme::Greet").as_deref(), Some("1.1"), "{client:?}");
        assert_eq!(workshop.installed("Acme::Words").as_deref(), Some("0.5"), "{client:?}");
        assert_eq!(workshop.installed("Acme::Greet::Loudly").as_deref(), Some("2.0"), "{client:?}");
        assert_eq!(workshop.strayed(), Vec::<String>::new(), "{client:?}");
        let mut marks = workshop.marks();
        marks.sort();
        assert_eq!(marks, ["Acme-Greet-1.1", "Acme-Greet-Loudly-2.0", "Acme-Words-0.5"], "{client:?}");
    };
    join_all(PerlClient::ALL.map(install)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpm_s_requests_find_the_same_releases() {
    let mirror = mirror().await;
    let root = mirror.cpan.root();
    for mut cpm in [ScriptedCpm::with_packages(root.as_str()), ScriptedCpm::with_metadb(root.as_str())] {
        let mut fetched = cpm.install("Acme::Greet::Loudly").await.expect("installed");
        assert_eq!(fetched.pop().as_deref(), Some(LOUDLY));
        fetched.sort();
        assert_eq!(fetched, [GREET_NEW, WORDS_OLD]);
        assert_eq!(cpm.installed("Acme::Greet"), Some("1.1"));
        assert_eq!(cpm.install("Acme::Greet").await.expect("nothing to do"), Vec::<String>::new());
        cpm.forget_installed();
        assert_eq!(cpm.install("Acme::Greet").await.expect("installed again"), [GREET_NEW]);
    }
    let index: Vec<_> = mirror.cpan.asked().into_iter().filter(|asked| asked.path.contains("02packages")).collect();
    let since: Vec<bool> = index.iter().map(|asked| !asked.header("if-modified-since").is_empty()).collect();
    assert_eq!(since, [false, true, true], "only the first run asks without a date");
    assert!(index.iter().all(|asked| asked.header("user-agent") == "App::cpm/1.1.5"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_upload_arrives_in_spite_of_every_cache() {
    let clock = HandClock::of_this_machine();
    let mirror = SampleMirror::open(&clock).await;
    let root = mirror.cpan.root();
    let clients = [PerlClient::Cpanm(Backend::Wget), PerlClient::Cpan, PerlClient::Carton];
    let mut workshops = Vec::new();
    for client in clients {
        let workshop = PerlWorkshop::new(root.as_str()).await;
        workshop.install(client, &["Acme::Words"]).await.expect_success(client);
        assert_eq!(workshop.installed("Acme::Words").as_deref(), Some("0.5"), "{client:?}");
        workshop.forget_installed();
        workshops.push(workshop);
    }
    let mut cpm = ScriptedCpm::with_packages(root.as_str());
    assert_eq!(cpm.install("Acme::Words").await.expect("installed"), [WORDS_OLD]);

    clock.advance(MINUTE);
    assert_eq!(mirror.later(), WORDS_NEW);

    for (client, workshop) in clients.into_iter().zip(&workshops) {
        match client {
            // Its index is good for a day; only this makes it look.
            PerlClient::Cpan => workshop.cpan_shell(&["reload index", "install Acme::Words"]).await,
            _ => workshop.install(client, &["Acme::Words"]).await,
        }
        .expect_success(client);
        assert_eq!(workshop.installed("Acme::Words").as_deref(), Some("0.6"), "{client:?}");
    }
    cpm.forget_installed();
    assert_eq!(cpm.install("Acme::Words").await.expect("installed"), [WORDS_NEW]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_version_is_had_by_path_or_by_cpanmetadb_but_not_from_the_index() {
    let mirror = mirror().await;
    let root = mirror.cpan.root();
    let workshop = PerlWorkshop::new(root.as_str()).await;
    let said = workshop.cpanm(Backend::Wget, &["Acme::Greet@1.0"]).await.expect_failure("a pin without history");
    assert!(said.contains("Found Acme::Greet 1.1 which doesn't satisfy == 1.0."), "{said}");

    let by_path = workshop.cpanm(Backend::Wget, &["--notest", short(GREET_OLD)]).await;
    by_path.expect_success("a path");
    assert_eq!(workshop.installed("Acme::Greet").as_deref(), Some("1.0"));

    workshop.forget_installed();
    let metadb = format!("{root}v1.0/");
    let pinned = ["--notest", "--cpanmetadb", &metadb, "--mirror", root.as_str(), "Acme::Greet@1.0"];
    workshop.cpanm_as_is(Backend::Curl, &pinned).await.expect_success("a pin with history");
    assert_eq!(workshop.installed("Acme::Greet").as_deref(), Some("1.0"));
    let strayed = workshop.strayed();
    assert!(strayed.iter().any(|asked| asked.contains(GREET_OLD)), "it looks elsewhere first: {strayed:?}");

    let mut cpm = ScriptedCpm::with_metadb(root.as_str());
    assert_eq!(cpm.install("Acme::Greet@1.0").await.expect("a pin"), [GREET_OLD]);
    let mut cpm = ScriptedCpm::with_packages(root.as_str());
    assert_eq!(
        cpm.install("Acme::Greet@1.0").await.expect_err("no history"),
        "FAIL resolve Acme::Greet: 02Packages, found version 1.1, but it does not satisfy == 1.0"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unauthorised_upload_is_in_no_index_but_a_path_installs_it() {
    let mirror = mirror().await;
    let workshop = PerlWorkshop::new(mirror.cpan.root().as_str()).await;
    let by_path = workshop.cpanm(Backend::HttpTiny, &["--notest", short(UNAUTHORISED)]).await;
    by_path.expect_success("a path");
    assert_eq!(workshop.installed("Acme::Greet").as_deref(), Some("9.9"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_distribution_comes_from_where_the_client_is_pointed() {
    let mirror = mirror().await;
    for (cpan, version, path) in [(&mirror.dark, "1.0", CORP_PRIVATE), (&mirror.cpan, "99.0", CORP_PUBLIC)] {
        let workshop = PerlWorkshop::new(cpan.root().as_str()).await;
        let installed = workshop.cpanm(Backend::Wget, &["--notest", "Acme::Corp::Ledger"]).await;
        installed.expect_success(version);
        assert_eq!(workshop.installed("Acme::Corp::Ledger").as_deref(), Some(version));
        assert_eq!(cpan.asked_for(path).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_error_for_the_index_poisons_cpanm_with_wget_and_carton_for_good() {
    let mirror = mirror().await;
    let root = mirror.cpan.root();
    let clients = [Backend::ALL.map(PerlClient::Cpanm).as_slice(), &[PerlClient::Carton]].concat();
    let workshops = join_all(clients.iter().map(|_| PerlWorkshop::new(root.as_str()))).await;
    let install = async || {
        let runs = clients.iter().zip(&workshops);
        let runs = runs.map(async |(client, workshop)| workshop.install(*client, &["Acme::Words"]).await.success);
        join_all(runs).await
    };
    mirror.cpan.fault("02packages", Fault::Status(503));
    assert_eq!(install().await, [false; 4]);
    mirror.cpan.heal();
    // Files are dated by the second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let installed = install().await;
    let poisoned: Vec<_> =
        clients.iter().zip(installed).filter(|(_, installed)| !installed).map(|(client, _)| *client).collect();
    assert_eq!(poisoned, [PerlClient::Cpanm(Backend::Wget), PerlClient::Carton]);

    mirror.cpan.fault("02packages", Fault::Status(503));
    let mut cpm = ScriptedCpm::with_packages(root.as_str());
    let failed = cpm.install("Acme::Words").await.expect_err("no index");
    assert!(failed.starts_with("503 Service Unavailable, http"), "{failed}");
    mirror.cpan.heal();
    assert_eq!(cpm.install("Acme::Words").await.expect("healed"), [WORDS_OLD]);
}

/// A distribution in whose padding the tarball breaks off.
async fn heavy() -> (FakeCpan, String) {
    let cpan = FakeCpan::start(&HandClock::of_this_machine()).await;
    let path = cpan.upload(Release::of("GREETER", &greet("1.0").padded(400_000)));
    (cpan, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tarball_that_breaks_off_is_installed_by_all_but_http_tiny() {
    let (cpan, path) = heavy().await;
    cpan.fault(&path, Fault::CutAfter(200_000));
    for client in [PerlClient::Cpanm(Backend::Curl), PerlClient::Carton] {
        let workshop = PerlWorkshop::new(cpan.root().as_str()).await;
        workshop.install(client, &["Acme::Greet"]).await.expect_success(client);
        assert_eq!(workshop.marks(), ["Acme-Greet-1.0"], "{client:?} ran a part of a tarball");
    }
    let workshop = PerlWorkshop::new(cpan.root().as_str()).await;
    let outcome = workshop.install(PerlClient::Cpanm(Backend::HttpTiny), &["Acme::Greet"]).await;
    outcome.expect_failure("HTTP::Tiny counts");
    assert_eq!(workshop.marks(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpan_checks_a_signed_checksums_and_refuses_what_it_does_not_promise() {
    let (cpan, path) = heavy().await;
    cpan.sign_with(PauseKey::new());
    let workshop = PerlWorkshop::new(cpan.root().as_str()).await;
    workshop.cpan(&["-T", "Acme::Greet"]).await.expect_success("a signed CHECKSUMS is still Perl");
    assert_eq!(workshop.installed("Acme::Greet").as_deref(), Some("1.0"));

    cpan.tamper(&path, &truncated(&greet("1.0").padded(400_000).build()));
    let workshop = PerlWorkshop::new(cpan.root().as_str()).await;
    let said = workshop.cpan(&["-T", "Acme::Greet"]).await.said;
    assert!(said.contains("Checksum mismatch for distribution file"), "{said}");
    assert_eq!(workshop.marks(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carton_turns_to_the_public_mirrors_when_its_own_refuses() {
    let mirror = mirror().await;
    let workshop = PerlWorkshop::new(mirror.cpan.root().as_str()).await;
    workshop.install(PerlClient::Carton, &["Acme::Greet"]).await.expect_success("carton");
    workshop.forget_installed();
    mirror.cpan.fault(GREET_NEW, Fault::Status(403));
    let said = workshop.carton(&["install", "--deployment"]).await.expect_failure("a refused tarball");
    let strayed = workshop.strayed();
    assert!(strayed.iter().any(|asked| asked.contains(GREET_NEW)), "{strayed:?}\n{said}");
    assert_eq!(workshop.marks(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_proxy_alone_brings_every_request_of_cpanm_here() {
    let mirror = mirror().await;
    let workshop = PerlWorkshop::new("http://cpan.example.test").await.with("http_proxy", &mirror.cpan.base());
    workshop.cpanm(Backend::Wget, &["--notest", "Acme::Greet"]).await.expect_success("through a proxy");
    assert_eq!(
        mirror.cpan.asked_for(""),
        [
            "GET http://cpan.example.test/modules/02packages.details.txt.gz".to_owned(),
            format!("GET http://cpan.example.test/authors/id/{GREET_NEW}"),
        ]
    );
}
