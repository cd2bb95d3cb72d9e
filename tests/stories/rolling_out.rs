//! The first day of a house: what the clients of a machine were set to use becomes its configuration.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use crate::common::old_machine::OldMachine;
use crate::common::{FakePypi, Fault, HandClock, Manner};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// An address with a user and a password.
fn signed(index: &FakePypi, user: &str) -> String {
    index.simple().as_str().replace("http://", &format!("http://{user}@"))
}

/// Three indexes: the public one, one of a vendor, who lists some of its names too, and the company's own.
async fn harbour() -> (FakePypi, FakePypi, FakePypi) {
    let clock = HandClock::of_this_machine();
    let public = FakePypi::start(&clock, Manner::Poor).await;
    let vendor = FakePypi::start(&clock, Manner::HtmlOnly).await;
    let corp = FakePypi::start(&clock, Manner::Poor).await;
    let old = clock.true_time() - time::Duration::days(400);
    for name in ["quaymaster", "mooring-line", "bollard"] {
        public.publish(name, "1.0").at(old).wheel();
    }
    for name in ["Quay_Lamp", "bollard"] {
        vendor.publish(name, "1.0").at(old).wheel();
    }
    corp.publish("acme-tide", "1.0").at(old).wheel();
    (public, vendor, corp)
}

fn machine_before(public: &FakePypi, vendor: &FakePypi, corp: &FakePypi) -> OldMachine {
    let machine = OldMachine::with_pip(&[
        format!("global.index-url='{}'", public.simple()),
        format!("global.extra-index-url='\\n{}\\n{}'", vendor.simple(), signed(corp, "reader:oyster%40shell")),
        "install.find-links='/srv/wheels'".to_owned(),
    ]);
    machine.write(
        "home/.cpan/CPAN/MyConfig.pm",
        "$CPAN::Config = {\n  'urllist' => [q[http://mirror.example.test/CPAN/], q[http://me:limpet@dark.example.test/]],\n};\n",
    );
    machine.program("teacup", "echo 'http://teapot.example.test'");
    machine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_takes_over_what_the_clients_of_this_machine_use_and_the_house_opens() {
    let (public, vendor, corp) = harbour().await;
    let machine = machine_before(&public, &vendor, &corp);
    let done = machine.run(&["init"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let from = (time::OffsetDateTime::now_utc() + time::Duration::days(14)).date();
    insta::assert_snapshot!("init_says", machine.quiet(&text(&done)).replace(&from.to_string(), "[in 14 days]"));
    let quiet = |name: &str| {
        let today = time::OffsetDateTime::now_utc().date();
        machine.quiet(&machine.read(name)).replace(&today.to_string(), "[today]")
    };
    insta::assert_snapshot!("init_configuration", quiet("lazaret.toml"));
    let policy = machine.read("lazaret-policy.toml");
    assert!(policy.contains("mode = \"observe\"\n"), "{policy}");
    assert!(policy.contains(&format!("enforce_from = {from}T00:00:00Z\n")), "{policy}");

    // The password is in a file of its own and nowhere else, and all of it is for the owner's eyes.
    let passwords = ["lazaret-127.0.0.1-2.password"];
    assert_eq!(machine.read(passwords[0]), "oyster@shell\n");
    for name in ["lazaret.toml", "lazaret-policy.toml", passwords[0]] {
        let mode = std::fs::metadata(machine.path(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    for said in [text(&done), machine.read("lazaret.toml"), machine.read("lazaret-policy.toml")] {
        assert!(!said.contains("oyster") && !said.contains("limpet"), "{said}");
    }
    // Lists were asked for, no name was, and nobody got a password that is not his.
    for index in [&public, &vendor, &corp] {
        let asked: Vec<String> = index.asked().iter().map(|asked| asked.path.clone()).collect();
        assert_eq!(asked, ["/simple/"]);
    }
    let signed_in = |index: &FakePypi| index.asked().iter().any(|asked| !asked.header("authorization").is_empty());
    assert!(signed_in(&corp) && !signed_in(&public) && !signed_in(&vendor));

    let checked = machine.run(&["check-config"]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));
    let _running = machine.serve().await;
    let setup = machine.run(&["client-setup", "pip"]).await;
    assert!(text(&setup).starts_with("pip config set global.index-url http://127.0.0.1:"), "{}", text(&setup));
    // Whose is each name? The vendor's and the company's are theirs, the rest is public.
    for (name, whose) in [("quaymaster", "public"), ("quay-lamp", "127.0.0.1"), ("acme-tide", "127.0.0.1-2")] {
        let why = machine.run(&["why", &format!("pypi:{name}"), "--format", "json"]).await;
        let why: serde_json::Value = serde_json::from_slice(&why.stdout).unwrap_or_else(|_| panic!("{}", text(&why)));
        let index = why["origin"].as_str().or_else(|| why["index"].as_str()).unwrap_or_default();
        assert!(index.contains(whose), "{name}: {why:#}");
    }
    assert!(public.asked_for("quay-lamp").is_empty() && public.asked_for("acme-tide").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_overwrites_nothing_and_leaves_nothing_half() {
    let (public, vendor, corp) = harbour().await;
    for there in ["lazaret.toml", "lazaret-policy.toml", "lazaret-127.0.0.1-2.password"] {
        let machine = machine_before(&public, &vendor, &corp);
        machine.write(there, "mine");
        let refused = machine.run(&["init"]).await;
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
        assert!(text(&refused).contains("is there already, and nothing was written"), "{}", text(&refused));
        assert_eq!(machine.read(there), "mine");
        let written = std::fs::read_dir(machine.folder.path()).expect("a folder").flatten();
        let written: Vec<_> =
            written.map(|entry| entry.file_name()).filter(|name| *name != "bin" && *name != "home").collect();
        assert_eq!(written, [there]);
    }
    // A link that leads nowhere is not written through either.
    let machine = machine_before(&public, &vendor, &corp);
    std::os::unix::fs::symlink(machine.path("elsewhere"), machine.path("lazaret.toml")).expect("a link");
    assert_eq!(machine.run(&["init"]).await.status.code(), Some(1));
    assert!(!machine.path("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_says_whose_list_it_could_not_compare_and_keeps_names_private() {
    let (public, vendor, corp) = harbour().await;
    public.fault("/simple/", Fault::Status(503));
    corp.fault("/simple/", Fault::Garbage);
    let machine = machine_before(&public, &vendor, &corp);
    let file = machine.path("home/gate.toml");
    let done = machine.run(&["init", "--enforce", "--config", file.to_str().expect("a path")]).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let written = machine.read("home/gate.toml");
    assert!(written.contains("has too is not known: the public index:"), "{written}");
    assert!(written.contains("is not known: it could not be read:"), "{written}");
    assert!(written.contains("# names = [\"acme-*\"]"), "{written}");
    assert!(!written.contains("\nnames = "), "{written}");
    // Where it is started from somewhere else, what is beside it is found by its whole path.
    let folder = machine.path("home").canonicalize().expect("a folder");
    assert!(written.contains(&format!("file = \"{}/gate-policy.toml\"", folder.display())), "{written}");
    assert_eq!(machine.read("home/gate-policy.toml").matches("mode = \"enforce\"").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_on_a_machine_without_any_settings_takes_the_defaults() {
    let machine = OldMachine::with_pip(&[]);
    let done = machine.run(&["init", "--format", "json"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let said: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(said["mode"], "observe");
    assert_eq!(said["sources"][0]["from"], "pip's built-in default");
    assert!(machine.read("lazaret.toml").contains("upstream = \"https://built-in.example.test/simple/\""));
    let bare = OldMachine::with_pip(&[]);
    std::fs::remove_file(bare.path("bin/pip")).expect("removed");
    let done = bare.run(&["init"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    assert!(bare.read("lazaret.toml").contains("# no Python index is known: pypi.upstream is not set"));
}
