//! What cpanm, cpan, carton and cpm do in front of lazaret: while a release is held, let in, and taken back.

use std::time::Duration;

use futures_util::future::join_all;

use super::workshop::Outcome;
use super::{Backend, PerlClient, PerlWorkshop, ScriptedCpm};
use crate::common::clock::DAY;
use crate::common::sample_mirror::{GREET_OLD, WORDS_NEW, WORDS_OLD, greet};
use crate::common::test_house::TestHouse;
use crate::common::{FakeCpan, Fault, HandClock, Release, SampleMirror};

/// `WORDSMITH/Acme-Words-0.6.tar.gz`, as cpanm and cpan take it.
fn short(path: &str) -> &str {
    &path[5..]
}

/// Every client, each with a library and caches of its own.
struct Crew {
    workshops: Vec<(PerlClient, PerlWorkshop)>,
}

impl Crew {
    async fn of(clients: &[PerlClient], root: &str) -> Self {
        let workshop = async |client: &PerlClient| (*client, PerlWorkshop::new(root).await);
        Self { workshops: join_all(clients.iter().map(workshop)).await }
    }

    /// All install a module into empty libraries, with what they remember of the index.
    async fn install(&self, module: &str) -> Vec<(PerlClient, &PerlWorkshop, Outcome)> {
        // They date their files by the second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let install = async |(client, workshop): &'_ (PerlClient, PerlWorkshop)| {
            workshop.forget_installed();
            match client {
                // Its index is good for a day; only this makes it look.
                PerlClient::Cpan => workshop.cpan_shell(&["reload index", &format!("install {module}")]).await,
                _ => workshop.install(*client, &[module]).await,
            }
        };
        let outcomes = join_all(self.workshops.iter().map(install)).await;
        self.workshops.iter().zip(outcomes).map(|((client, workshop), outcome)| (*client, workshop, outcome)).collect()
    }

    /// All get this version of it, and nothing disturbs them.
    async fn get(&self, module: &str, version: &str) {
        let strayed: Vec<usize> = self.workshops.iter().map(|(_, workshop)| workshop.strayed().len()).collect();
        for ((client, workshop, outcome), strayed) in self.install(module).await.into_iter().zip(strayed) {
            let said = outcome.expect_success(client).said;
            assert_eq!(workshop.installed(module).as_deref(), Some(version), "{client:?}:\n{said}");
            assert_eq!(workshop.marks(), [format!("{}-{version}", module.replace("::", "-"))], "{client:?}");
            for word in ["held", "403", "502", "FAIL", "rror"] {
                assert!(!said.contains(word), "{client:?} says {word}:\n{said}");
            }
            assert_eq!(workshop.strayed().split_off(strayed), Vec::<String>::new(), "{client:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_gets_what_is_released_now_whatever_it_remembers() {
    let clock = HandClock::of_this_machine();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    house.polls().await;
    mirror.later();
    house.polls().await;
    let root = house.cpan_root();
    let crew = Crew::of(&PerlClient::ALL, &root).await;
    let mut cpms = [ScriptedCpm::with_packages(&root), ScriptedCpm::with_metadb(&root)];

    crew.get("Acme::Words", "0.5").await;
    for cpm in &mut cpms {
        assert_eq!(cpm.install("Acme::Words").await.expect("the old one"), [WORDS_OLD]);
        cpm.forget_installed();
    }
    let said: Vec<String> = cpms_say(&mut cpms, "Acme::Words@0.6").await;
    insta::assert_snapshot!(said.join("\n"), @r"
    FAIL resolve Acme::Words: 02Packages, found version 0.5, but it does not satisfy == 0.6
    FAIL resolve Acme::Words: MetaDB, found versions 0.5, but they do not satisfy == 0.6
    ");
    pinned_is_refused(&crew).await;

    house.approve("cpan:Acme-Words@0.6").await;
    crew.get("Acme::Words", "0.6").await;
    for cpm in &mut cpms {
        assert_eq!(cpm.install("Acme::Words@0.6").await.expect("the new one"), [WORDS_NEW]);
        cpm.forget_installed();
    }

    // The index goes back: a client that looked at dates of ours only would go on installing what is recalled.
    assert_eq!(house.decide("recall", "cpan:Acme-Words@0.6").await.status, 200);
    crew.get("Acme::Words", "0.5").await;
    for cpm in &mut cpms {
        assert_eq!(cpm.install("Acme::Words").await.expect("the old one again"), [WORDS_OLD]);
    }
}

async fn cpms_say(cpms: &mut [ScriptedCpm], wanted: &str) -> Vec<String> {
    let mut said = Vec::new();
    for cpm in cpms {
        said.push(cpm.install(wanted).await.expect_err("held"));
    }
    said
}

/// The held release is asked for by name, in each client's way.
async fn pinned_is_refused(crew: &Crew) {
    let path = short(WORDS_NEW);
    let ask = async |(client, workshop): &'_ (PerlClient, PerlWorkshop)| {
        workshop.forget_installed();
        let outcome = match client {
            PerlClient::Cpanm(backend) => workshop.cpanm(*backend, &["-v", path]).await,
            PerlClient::Cpan => workshop.cpan(&[path]).await,
            PerlClient::Carton => workshop.install(*client, &["Acme::Words@0.6"]).await,
        };
        assert_eq!(workshop.installed("Acme::Words"), None, "{client:?}");
        assert_eq!(workshop.marks(), Vec::<String>::new(), "{client:?} ran something");
        outcome.said
    };
    let said = join_all(crew.workshops.iter().map(ask)).await;
    let reason = "Acme-Words 0.6 held until";
    for ((client, _), said) in crew.workshops.iter().zip(said) {
        let expected = match client {
            PerlClient::Cpanm(Backend::Wget) => format!("ERROR 403: {reason}"),
            PerlClient::Cpan => format!("failed with code[403] message[{reason}"),
            // These tell nobody why: protocols/cpan.md, section 4.
            PerlClient::Cpanm(Backend::Curl | Backend::HttpTiny) => "Failed to fetch distribution".to_owned(),
            PerlClient::Carton => "Couldn't find module or a distribution Acme::Words (== 0.6)".to_owned(),
        };
        assert!(said.contains(&expected), "{client:?} does not say {expected:?}:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_error_left_in_a_client_s_cache_is_healed() {
    let clock = HandClock::of_this_machine();
    let mirror = SampleMirror::open(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    // No time passes: the index is older than what lies in the caches.
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(GREET_OLD));
    let clients = [Backend::ALL.map(PerlClient::Cpanm).as_slice(), &[PerlClient::Carton]].concat();
    let crew = Crew::of(&clients, &house.cpan_root()).await;
    let upstream = format!("{}modules/02packages.details.txt", mirror.cpan.root());
    let upstream = house.browser.send(http::Method::GET, &upstream, &[], None).await.text();
    assert!(upstream.contains("Acme-Greet-1.1"));
    // Files are dated by the second, and these are younger.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for (client, workshop) in &crew.workshops {
        let write = |ending: &str, text: &str| workshop.write(&workshop.index_cache(ending), text);
        match client {
            // wget leaves an empty file after a 503, cpanm unpacks it.
            PerlClient::Cpanm(Backend::Wget) => {
                write(".gz", "");
                write("", "");
            }
            // Unpacked later than our index was made, and it lists what is held.
            PerlClient::Cpanm(Backend::HttpTiny) => write("", &upstream),
            PerlClient::Cpanm(Backend::Curl) => write("", ""),
            // The body of an error in the index's place; Carton asks for what is newer, curl refuses what is not.
            PerlClient::Carton | PerlClient::Cpan => write(".gz", "sorry"),
        }
    }
    crew.get("Acme::Greet", "1.0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tarball_that_breaks_off_upstream_is_run_by_nobody() {
    let clock = HandClock::of_this_machine();
    let cpan = FakeCpan::start(&clock).await;
    let heavy = greet("1.0").padded(400_000);
    let path = cpan.upload(Release::of("GREETER", &heavy).at(clock.true_time() - DAY * 30));
    let house = TestHouse::furnish().clock(&clock).cpan(&cpan).start().await;
    assert_eq!(house.listed("Acme::Greet").await.as_deref(), Some(path.as_str()));
    cpan.fault(&path, Fault::CutAfter(200_000));
    let root = house.cpan_root();
    let crew = Crew::of(&PerlClient::ALL, &root).await;
    for (client, workshop, outcome) in crew.install("Acme::Greet").await {
        assert_eq!(workshop.installed("Acme::Greet"), None, "{client:?}:\n{}", outcome.said);
        assert_eq!(workshop.marks(), Vec::<String>::new(), "{client:?} ran a part of a tarball");
    }
    let failed = ScriptedCpm::with_packages(&root).install("Acme::Greet").await.expect_err("no tarball");
    assert!(failed.starts_with("FAIL fetch Acme-Greet-1.0: 502 "), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pins_work_behind_the_hold() {
    let clock = HandClock::of_this_machine();
    let mirror = SampleMirror::open(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    let root = house.cpan_root();
    let metadb = format!("{root}/v1.0/");
    let pinned = async |pin: &'static str| {
        let workshop = PerlWorkshop::new(&root).await;
        let arguments = ["--notest", "--cpanmetadb", &metadb, "--mirror", &root, pin];
        let outcome = workshop.cpanm_as_is(Backend::Wget, &arguments).await;
        (workshop.installed("Acme::Greet"), outcome)
    };
    let mut cpm = ScriptedCpm::with_metadb(&root);
    let ((old, _), (held, said), range) =
        tokio::join!(pinned("Acme::Greet@1.0"), pinned("Acme::Greet@1.1"), cpm.install("Acme::Greet~>= 1.0, < 2"));
    assert_eq!(old.as_deref(), Some("1.0"));
    assert_eq!(range.expect("a range"), [GREET_OLD]);
    assert_eq!((held, said.success), (None, false), "{}", said.said);

    house.approve("cpan:Acme-Greet@1.1").await;
    let ((old, _), (new, said)) = tokio::join!(pinned("Acme::Greet@1.0"), pinned("Acme::Greet@1.1"));
    assert_eq!(old.as_deref(), Some("1.0"), "not the newest any more");
    assert_eq!(new.as_deref(), Some("1.1"), "{}", said.said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_proxy_lazaret_catches_all_that_cpanm_does() {
    let clock = HandClock::of_this_machine();
    let mirror = SampleMirror::open(&clock).await;
    let furnishing = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan);
    let house = furnishing.config(|config| config.cpan.forward_proxy = true).start().await;
    let install = async |what: &'static str| {
        let workshop = PerlWorkshop::new("http://cpan.example.test").await.with("http_proxy", house.packages());
        let outcome = workshop.cpanm_as_is(Backend::Wget, &["--notest", what]).await;
        assert_eq!(workshop.strayed(), Vec::<String>::new(), "{what}");
        (workshop.installed("Acme::Greet"), outcome)
    };
    let ((plain, said), (pinned, _), (held, refused)) =
        tokio::join!(install("Acme::Greet"), install("Acme::Greet@1.0"), install("Acme::Greet@1.1"));
    assert_eq!(plain.as_deref(), Some("1.0"), "{}", said.said);
    assert_eq!(pinned.as_deref(), Some("1.0"));
    assert_eq!((held, refused.success), (None, false), "{}", refused.said);
}
