//! Stories of people who write configurations.

use insta::assert_snapshot;

use super::*;

/// A password that is written somewhere.
fn known(password: Option<&Password>) -> Option<&str> {
    match password {
        Some(Password::Known(secret)) => Some(secret.expose()),
        _ => None,
    }
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Loads this text as `lazaret.toml`; messages do not show the temporary folder.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
    load_with(None, folder.path(), environment(variables)).map_err(|error| shorten(&error, folder.path()))
}

fn shorten(error: &ConfigError, folder: &Path) -> String {
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

fn complaint(text: &str) -> String {
    load_text(text, &[]).unwrap_err()
}

fn json(config: &Config) -> serde_json::Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = load_with(None, folder.path(), []).unwrap();
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.config.listen.packages.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.config.pypi.upstream, None);
    assert_eq!(loaded.config.pypi.refresh, std::time::Duration::from_mins(1));
    assert_eq!(loaded.config.teapot.baseline, Baseline::Trust);
    assert_eq!(loaded.config.store.max_bytes.as_u64(), 50 << 30);
    assert!(loaded.sources.values().all(|source| *source == Source::Default));
}

#[test]
fn the_commented_example_shows_every_key_with_its_default() {
    let example = Path::new("deploy/lazaret.toml");
    let loaded = load_with(Some(example), Path::new("."), []).unwrap();
    assert_eq!(json(&loaded.config), json(&Config::default()));
    assert_eq!(loaded.file.as_deref(), Some(example));

    // With the comments taken off the keys, every key of the program is there.
    let text = std::fs::read_to_string(example).unwrap();
    let key = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        let is_key = rest.starts_with("[[") || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        is_key.then(|| rest.to_owned())
    };
    let whole: String = text.lines().map(|line| key(line).unwrap_or_else(|| line.to_owned()) + "\n").collect();
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "hunter2\n").unwrap();
        path.display().to_string()
    };
    let whole = whole
        .replace("\"pypi-password\"", &format!("{:?}", secret("pypi-password")))
        .replace("\"corp-password\"", &format!("{:?}", secret("corp-password")))
        .replace("\"darkpan-password\"", &format!("{:?}", secret("darkpan-password")))
        .replace("username = \"\"", "username = \"reader\"");
    let loaded = load_text(&whole, &[]).unwrap();
    let unset: Vec<_> =
        loaded.sources.iter().filter(|(_, source)| **source == Source::Default).map(|(key, _)| key).collect();
    assert_eq!(unset, Vec::<&String>::new());
    let missing: Vec<_> = loaded.settings().into_iter().filter(|setting| setting.value.is_null()).collect();
    assert_eq!(missing, []);
    assert_eq!(known(loaded.config.pypi.private[0].password.as_ref()), Some("hunter2"));
}

#[test]
fn the_promised_keys_are_understood() {
    let text = r#"
        [listen]
        packages = "127.0.0.1:0"
        teapot = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        public_url = "http://127.0.0.1:8080"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        require_token = true
        [tls]
        certificate = ""
        key = ""
        client_ca = ""
        [store]
        data_dir = "elsewhere"
        max_bytes = "200MiB"
        [upstream]
        ca_file = ""
        [pypi]
        upstream = "http://index.example.test/simple"
        file_hosts = ["files.example.test", "files.example.test:8443"]
        baseline = "trust"
        [[pypi.private]]
        name = "corp"
        index = "http://corp.example.test/simple/"
        names = ["acme-*"]
        hold = "0s"
        username = ""
        [cpan]
        upstream = "http://cpan.example.test/"
        poll = "2m"
        forward_proxy = false
        [[cpan.private]]
        name = "dark"
        index = "http://dark.example.test/"
        prefixes = ["Acme::Corp::*"]
        [teapot]
        upstream = "http://teapot.example.test/"
        poll = "2m"
        baseline = "trust"
        [advisories]
        source = "osv"
        refresh = "30m"
        [policy]
        file = "policies/default.toml"
        [limits]
    "#;
    let Loaded { config, sources, .. } = load_text(text, &[]).unwrap();
    assert_eq!(config.pypi.upstream.unwrap().as_str(), "http://index.example.test/simple/");
    assert_eq!(config.pypi.private[0].hold, std::time::Duration::ZERO);
    assert_eq!(config.store.max_bytes.as_u64(), 200 << 20);
    assert_eq!(config.tls.certificate, None);
    assert_eq!(config.advisories.source, Some(AdvisorySource::Path("osv".into())));
    assert!(config.listen.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert!(matches!(sources["pypi.private[0].index"], Source::File { line: 24, .. }));
    assert_eq!(sources["pypi.private[0].volatile"], Source::Default);
}

#[test]
fn a_misspelt_key_is_found_with_its_line() {
    assert_snapshot!(complaint("[pypi]\n\nupstraem = \"http://index.example.test/\"\n"), @"lazaret.toml:3: pypi.upstraem: there is no such setting; did you mean upstream? known here: upstream, username, password, client_certificate, client_key, file_hosts, baseline, refresh, reread, trusted_root, private");
    assert_snapshot!(complaint("[listen]\n[nonsense]\nkey = 1\n"), @"lazaret.toml:2: nonsense: there is no such setting; known here: listen, tls, store, upstream, pypi, cpan, teapot, advisories, policy, limits");
    assert_snapshot!(complaint("[[pypi.private]]\nname = \"a\"\nindex = \"http://a.example.test/\"\n[[pypi.private]]\nname = \"b\"\n"), @"lazaret.toml:4: pypi.private[1]: index is missing; add it here");
}

#[test]
fn a_value_that_cannot_be_used_says_what_to_write() {
    let complaints = [
        "[listen]\npackages = \"localhost\"",
        "[listen]\npackages = 8080",
        "[listen]\nrequire_token = \"no\"",
        "[listen]\ntrusted_proxies = [\"10.0.0.0/8\",\n  \"proxy\"]",
        "[listen]\ntrusted_proxies = \"10.0.0.0/8\"",
        "[store]\nmax_bytes = \"much\"",
        "[pypi]\nrefresh = \"soon\"",
        "[pypi]\nrefresh = 60",
        "[pypi]\nbaseline = \"maybe\"",
        "[pypi]\nupstream = \"index.example.test\"",
        "[pypi]\nupstream = \"ftp://index.example.test\"",
        "[pypi]\nupstream = \"http://me:hunter2@index.example.test/\"",
        "[pypi]\npassword = \"hunter2\"",
        "[pypi]\npassword = { file = \"\" }",
        "[pypi]\npassword = { path = \"x\" }",
        "[advisories]\nsource = 3",
        "[advisories]\nsource = \"ftp://advisories.example.test/all.zip\"",
        "[advisories]\nsource = \"https://me:hunter2@advisories.example.test/all.zip\"",
        "[limits]\ncold_misses_per_minute = -5",
        "pypi = 3",
        "[pypi\nupstream = 3",
        "[store]\ndata_dir = 2026-11-22",
    ]
    .map(complaint);
    assert_snapshot!(complaints.join("\n"), @r#"
    lazaret.toml:2: listen.packages: "localhost" is not an address to listen on; write an IP address and a port in quotes, like "127.0.0.1:8080" or "[::1]:8080"
    lazaret.toml:2: listen.packages: write an IP address and a port in quotes, like "127.0.0.1:8080" or "[::1]:8080"
    lazaret.toml:2: listen.require_token: write true or false, without quotes
    lazaret.toml:3: listen.trusted_proxies[1]: "proxy" is not a network; write an address like "10.0.0.7" or a network like "10.0.0.0/8"
    lazaret.toml:2: listen.trusted_proxies: write a list, like ["one", "two"]
    lazaret.toml:2: store.max_bytes: "much" is not a size; write a size in quotes, like "200MiB" or "50GiB"
    lazaret.toml:2: pypi.refresh: "soon" is not a duration; write a duration in quotes, like "90s", "10m", "72h" or "7d"
    lazaret.toml:2: pypi.refresh: write a duration in quotes, like "90s", "10m", "72h" or "7d"
    lazaret.toml:2: pypi.baseline: "maybe" is not a choice here; write "hold" or "trust"
    lazaret.toml:2: pypi.upstream: this is not a URL; write a whole URL in quotes, like "https://packages.example.test/simple/"
    lazaret.toml:2: pypi.upstream: this is not an address on the web; write a whole URL in quotes, like "https://packages.example.test/simple/"
    lazaret.toml:2: pypi.upstream: credentials do not belong into a URL; write the user into `username` and the password into `password = { file = "path" }`, both beside this key
    lazaret.toml:2: pypi.password: a secret is not written into this file; put it into a file of its own, readable by lazaret only, and write { file = "path" } here, or set the environment variable
    lazaret.toml:2: pypi.password: write { file = "path" }
    lazaret.toml:2: pypi.password: write { file = "path" }
    lazaret.toml:2: advisories.source: write a whole URL in quotes, like "https://advisories.example.test/PyPI/all.zip", or the path of a folder or a file
    lazaret.toml:2: advisories.source: this is not an address on the web; write a whole URL in quotes, like "https://advisories.example.test/PyPI/all.zip", or the path of a folder or a file
    lazaret.toml:2: advisories.source: credentials do not belong into a URL; fetch the file yourself and write its path here
    lazaret.toml:2: limits.cold_misses_per_minute: write a whole number, 0 or more
    lazaret.toml:1: pypi: write a table here: a [section] with a line for each key
    lazaret.toml:1: this is not TOML: unclosed table, expected `]`
    lazaret.toml:2: store.data_dir: no setting is a date; write a text in quotes
    "#);
}

#[test]
fn settings_that_do_not_go_together_are_all_named_at_once() {
    let text = r#"
        [listen]
        packages = "0.0.0.0:8080"
        admin = "127.0.0.1:8080"
        [tls]
        certificate = "c.pem"
        [pypi]
        upstream = "http://index.example.test/simple"
        file_hosts = ["https://files.example.test/"]
        reread = "0s"
        [[pypi.private]]
        name = "corp"
        index = "http://index.example.test/simple/"
        names = ["*"]
        [[pypi.private]]
        name = "corp"
        index = "http://127.0.0.1:8080/pypi/simple/"
        [advisories]
        source = "http://127.0.0.1:8080/all.zip"
        refresh = "0s"
    "#;
    assert_snapshot!(complaint(text), @r#"
    lazaret.toml:4: listen.admin: packages and admin would both listen on port 8080; each needs its own
    lazaret.toml:6: tls.certificate: a certificate needs its key; set tls.key too
    lazaret.toml:9: pypi.file_hosts: "https://files.example.test/" is not a host; write only its name, like "files.example.test"
    lazaret.toml:10: pypi.reread: this would ask the upstream without a pause; write at least "1s"
    lazaret.toml:13: pypi.private[0].index: this is the public index (pypi.upstream); a private index is another one, so correct one of them or remove this section
    lazaret.toml:14: pypi.private[0].names: "*": a project name may not be empty; write names like "acme" or "acme-*"
    lazaret.toml:16: pypi.private[1].name: there are two private indexes called "corp"; give each its own name
    lazaret.toml:17: pypi.private[1].index: this is lazaret's own address; write the address of the index behind it
    lazaret.toml:19: advisories.source: this is lazaret's own address; write where the records are published
    lazaret.toml:20: advisories.refresh: this would ask the upstream without a pause; write at least "1s"
    "#);
}

#[test]
fn advisories_come_from_a_path_an_address_or_nowhere() {
    let source =
        |text: &str| load_text(&format!("[advisories]\nsource = {text:?}"), &[]).unwrap().config.advisories.source;
    let address = "https://advisories.example.test/PyPI/all.zip";
    assert_eq!(source(address), Some(AdvisorySource::Url(address.parse().unwrap())), "without a slash at the end");
    assert_eq!(source("records/all.zip"), Some(AdvisorySource::Path("records/all.zip".into())));
    assert_eq!(source(" "), None);
}

#[test]
fn the_environment_wins_also_inside_lists() {
    let text = "[[pypi.private]]\nname = \"corp\"\nindex = \"http://corp.example.test/\"\n";
    let loaded = load_text(
        text,
        &[
            ("LAZARET__STORE__DATA_DIR", "from-environment"),
            ("LAZARET__LISTEN__REQUIRE_TOKEN", "true"),
            ("LAZARET__LIMITS__FAILED_SIGN_INS_PER_MINUTE", "3"),
            ("LAZARET__PYPI__FILE_HOSTS", "a.example.test, b.example.test"),
            ("LAZARET__PYPI__PRIVATE__0__INDEX", "http://other.example.test/simple"),
            ("LAZARET__PYPI__PRIVATE__0__USERNAME", "reader"),
            ("LAZARET__PYPI__PRIVATE__0__PASSWORD", "hunter2"),
            ("LAZARET__PYPI__PRIVATE__1__INDEX", "http://second.example.test/"),
            ("LAZARET__PYPI__PRIVATE__1__NAME", "second"),
            ("LAZARET__PYPI__PRIVATE__1__NAMES__0", "acme-*"),
            ("LAZARET_LOG", "debug"),
            ("PATH", "whatever"),
        ],
    )
    .unwrap();
    let pypi = &loaded.config.pypi;
    assert_eq!(loaded.config.store.data_dir, Path::new("from-environment"));
    assert!(loaded.config.listen.require_token);
    assert_eq!(loaded.config.limits.failed_sign_ins_per_minute, 3);
    assert_eq!(pypi.file_hosts, ["a.example.test", "b.example.test"]);
    assert_eq!(pypi.private[0].name, "corp");
    assert_eq!(pypi.private[0].index.as_str(), "http://other.example.test/simple/");
    assert_eq!(known(pypi.private[0].password.as_ref()), Some("hunter2"));
    assert_eq!(pypi.private[1].names, ["acme-*"]);
    let name = "LAZARET__PYPI__PRIVATE__1__NAMES__0".to_owned();
    assert_eq!(loaded.sources["pypi.private[1].names"], Source::Environment { name });
    assert!(matches!(loaded.sources["pypi.private[0].name"], Source::File { line: 2, .. }));
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let complaints = [
        ("LAZARET__LISTEN__ADMIN", "here"),
        ("LAZARET__LISTEN__REQUIRE_TOKEN", "perhaps"),
        ("LAZARET__PYPI__UPSTRAEM", "http://index.example.test/"),
        ("LAZARET__PYPI__PRIVATE__1__NAME", "second"),
        ("LAZARET__PYPI__PRIVATE__0__NAME", "only a name"),
        ("LAZARET__STORE", "x"),
        ("LAZARET__", "x"),
    ]
    .map(|variable| load_text("", &[variable]).unwrap_err());
    assert_snapshot!(complaints.join("\n"), @r#"
    LAZARET__LISTEN__ADMIN: listen.admin: "here" is not an address to listen on; write an IP address and a port in quotes, like "127.0.0.1:8080" or "[::1]:8080"
    LAZARET__LISTEN__REQUIRE_TOKEN: listen.require_token: write true or false
    LAZARET__PYPI__UPSTRAEM: pypi.upstraem: there is no such setting; did you mean upstream? known here: upstream, username, password, client_certificate, client_key, file_hosts, baseline, refresh, reread, trusted_root, private
    LAZARET__PYPI__PRIVATE__1__NAME: items of a list are numbered 0, 1, 2 without a gap; set the one before this first
    LAZARET__PYPI__PRIVATE__0__NAME: pypi.private[0]: index is missing; add it here
    LAZARET__STORE: store: write a table here: a [section] with a line for each key
    LAZARET__: this does not name a setting; write LAZARET__SECTION__KEY, like LAZARET__STORE__DATA_DIR
    "#);
}

#[test]
fn a_named_file_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = load_with(Some(&folder.path().join("absent.toml")), folder.path(), []).unwrap_err();
    assert_snapshot!(shorten(&error, folder.path()), @"absent.toml: there is no such file; correct the path after --config, or leave --config out to run on the defaults");
}

#[test]
fn secrets_are_never_shown() {
    let loaded = load_text("", &[("LAZARET__PYPI__USERNAME", "me"), ("LAZARET__PYPI__PASSWORD", "hunter2")]).unwrap();
    let shown = format!("{loaded:?} {:?} {}", loaded.settings(), json(&loaded.config));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(loaded.settings().iter().any(|setting| setting.key == "pypi.password" && setting.value == "***"));
}

#[test]
fn what_pip_uses_becomes_the_public_index_unless_it_is_a_private_one() {
    let found = |url: &str| Discovered {
        url: url.parse().unwrap(),
        username: "me".to_owned(),
        password: Some(Secret::new("hunter2")),
        from: "pip's setting global.index-url".to_owned(),
    };
    let private = [
        ("LAZARET__PYPI__PRIVATE__0__NAME", "corp"),
        ("LAZARET__PYPI__PRIVATE__0__INDEX", "http://corp.example.test/simple"),
    ];
    let mut loaded = load_text("", &private).unwrap();
    let refused = loaded.adopt(found("http://corp.example.test/simple/")).unwrap_err();
    assert_snapshot!(refused, @r#"no public Python index is known: pip's setting global.index-url is the private index "corp"; set pypi.upstream (or LAZARET__PYPI__UPSTREAM) to the public index"#);
    loaded.adopt(found("http://index.example.test/simple/")).unwrap();
    assert_eq!(loaded.config.pypi.username, "me");
    assert_eq!(loaded.sources["pypi.upstream"].to_string(), "pip's setting global.index-url");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]a-z_.=\"0-9\n {},]{0,80}", name in "LAZARET__[A-Z_0-9]{0,30}", value in ".{0,20}") {
        let _ = load_text(&text, &[(&name, &value)]);
    }
}
