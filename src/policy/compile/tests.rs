use super::*;

fn refused(text: &str) -> String {
    Policy::parse(text, "policy.toml").unwrap_err().to_string()
}

fn project(text: &str) -> Project {
    text.parse().unwrap()
}

#[test]
fn the_shipped_policies_are_policies() {
    let read = |text| Source { text, name: "shipped" }.read().unwrap();
    let default = read(BUILT_IN);
    assert!(default.hold.default.is_some() && default.thresholds.high.is_some(), "every key is written out");
    let built_in = Policy::built_in();
    assert_eq!(built_in.hold.default, Duration::from_hours(72));
    assert_eq!(built_in.hold.medium, Duration::from_hours(168));
    assert!(built_in.signal("upstream-status").review && !built_in.signal("typosquat").private);
    assert_eq!(built_in.weighing, Weighing::default(), "the file says what the code says");
    assert_eq!(Policy::parse(BUILT_IN, "again").unwrap().digest, built_in.digest);
    let strict = Policy::parse(include_str!("../../../policies/strict.toml"), "strict").unwrap();
    assert_eq!((strict.held_files, strict.signal("malware").missing), (HeldFiles::Hide, Missing::Deny));
    assert!(strict.hold.default > built_in.hold.default && strict.thresholds.high < built_in.thresholds.high);
    let observe = Policy::parse(include_str!("../../../policies/observe.toml"), "observe").unwrap();
    assert_eq!(observe.modes.usual, Mode::Observe);
}

/// The keys that the parser knows in a table, as it says itself.
fn keys(table: &str) -> Vec<String> {
    let error = refused(&format!("{table}\nno-such-key = 1\n"));
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{table}: {error}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_is_explained() {
    let readme = include_str!("../../../policies/README.md");
    let tables = [
        ("", ""),
        ("[hold]", "hold."),
        ("[namespaces]", "namespaces."),
        ("[review]", "review."),
        ("[thresholds]", "thresholds."),
        ("[score]", "score."),
        ("[score.most]", "score.most."),
        ("[security_fix]", "security_fix."),
        ("[modes]", "modes."),
        ("[signals.age]", "signals.ID."),
        ("[[override]]", "override."),
        ("[[override]]\n[override.thresholds]", "override.thresholds."),
        ("[[own]]", "own."),
    ];
    let mut seen = Vec::new();
    for (table, prefix) in tables {
        seen.extend(keys(table).into_iter().map(|key| format!("{prefix}{key}")));
    }
    assert!(seen.len() > 50, "{seen:?}");
    for key in &seen {
        // Tables are explained key by key.
        let is_table = seen.iter().any(|other| other.starts_with(&format!("{key}.")));
        let named = ["override", "own", "override.signals", "signals"].contains(&key.as_str());
        assert!(is_table || named || readme.contains(&format!("| `{key}` |")), "{key} is not explained");
    }
    for key in ["freeze.pypi", "freeze.cpan", "freeze.teapot", "override.signals.ID"] {
        assert!(readme.contains(&format!("| `{key}` |")), "{key}");
    }
    assert!(super::super::HARD.iter().all(|signal| readme.contains(&format!("`{signal}`"))));
}

#[test]
fn a_file_overlays_the_built_in_policy_key_by_key() {
    let text = "[hold]\nmedium = \"30d\"\n[signals.typosquat]\npoints = 5\n[namespaces]\npypi = [\"Acme_*\"]\n";
    let policy = Policy::parse(text, "policy.toml").unwrap();
    assert_eq!(policy.hold.default, Duration::from_hours(72));
    assert_eq!(policy.hold.medium, Duration::from_hours(30 * 24));
    assert_eq!(policy.signal("typosquat").points, Some(5));
    assert!(!policy.signal("typosquat").private, "said by the built-in policy");
    assert!(policy.is_internal(&project("pypi:acme-billing")));
    assert!(!policy.is_internal(&project("pypi:acme")));
    assert!(!policy.is_internal(&project("cpan:acme-billing")));
    assert_eq!(policy.source, "policy.toml");
}

#[test]
fn the_digest_follows_the_values_and_not_the_text() {
    let digest = |text| Policy::parse(text, "x").unwrap().digest;
    assert_eq!(digest("# nothing\n"), Policy::built_in().digest);
    assert_eq!(digest("hold.default = \"3d\""), Policy::built_in().digest);
    assert_ne!(digest("hold.default = \"4d\""), Policy::built_in().digest);
    assert_ne!(digest("namespaces.pypi = [\"acme\"]"), digest("namespaces.cpan = [\"acme\"]"));
}

#[test]
fn errors_name_file_line_and_key() {
    for (text, expected) in [
        ("mode = \"enforce\"\nhodl = 1\n", "policy.toml:2: hodl: unknown field `hodl`"),
        ("[hold]\n\ndefault = \"soon\"\n", "policy.toml:3: hold.default: expected number"),
        ("[hold]\ndefault = 72\n", "policy.toml:2: hold.default: invalid type: integer `72`, expected a string"),
        ("[hold]\ndefault = \"30y\"\n", "policy.toml:2: hold.default: a hold may last ten years at most"),
        (
            "[hold]\ndefault = \"8d\"\nmedium = \"7d\"\n",
            "policy.toml:3: hold.medium: 7days is shorter than hold.default, 8days",
        ),
        ("[thresholds]\nmedium = 0.9\n", "policy.toml:2: thresholds.medium: 0.90 is above thresholds.high, 0.70"),
        ("[thresholds]\nhigh = 70\n", "policy.toml:2: thresholds.high: write a score from 0 to 1"),
        ("[namespaces]\npypi = [\n  \"ok\",\n  \"*\",\n]\n", "policy.toml:4: namespaces.pypi: \"*\": "),
        ("[score]\n\nbase = 0.0\n", "policy.toml:3: score.base: write a chance from 0.01 to 0.5"),
        ("[score]\nbase = nan\n", "policy.toml:2: score.base: write a chance"),
        ("[score.most]\nname = 1.5\n", "policy.toml:2: score.most.name: write a score from 0 to 1"),
        ("[score.most]\nnames = 0.5\n", "policy.toml:2: score.most.names: unknown field `names`"),
        ("[security_fix]\nhold = \"now\"\n", "policy.toml:2: security_fix.hold: "),
        ("[security_fix]\nmost_score = -1.0\n", "policy.toml:2: security_fix.most_score: write a score"),
        ("[signals.typosquat]\npoints = 101\n", "policy.toml:2: signals.typosquat.points: write a number"),
        ("[signals.malware]\nenabled = false\n", "policy.toml:2: signals.malware.enabled: this signal guards"),
        ("[signals.integrity]\nprivate = false\n", "policy.toml:2: signals.integrity.private: this hard rule"),
        ("[signals.Typo]\n", "policy.toml:1: signals.Typo: there is no such signal; known are: age,"),
        (
            "[signals.typosqat]\nenabled = false\n",
            "policy.toml:1: signals.typosqat: there is no such signal; did you mean typosquat?",
        ),
        ("[signals.age]\nmissing = \"maybe\"\n", "policy.toml:2: signals.age.missing: unknown variant `maybe`"),
        ("mode = \n", "policy.toml:1: mode: "),
    ] {
        let error = refused(text);
        assert!(error.starts_with(expected), "{text:?} gave {error:?}, not {expected:?}");
        assert_eq!(error.lines().count(), 1, "{error:?}");
    }
}

#[test]
fn a_file_that_is_no_policy_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Policy::load(&folder.path().join("none.toml")).unwrap_err().to_string();
    assert!(missing.contains("none.toml"), "{missing}");
    let huge = folder.path().join("huge.toml");
    std::fs::write(&huge, "#".repeat(2 << 20)).unwrap();
    assert!(matches!(Policy::load(&huge), Err(PolicyError::TooLong { .. })));
}
