//! Files that mean harm, or that were cut off.

use proptest::prelude::*;

use super::*;

const SAMPLES: [(&str, &str); 5] = [
    (
        "requirements.txt",
        "-r a.txt\nsix==1.16.0 --hash=sha256:00 \\\n  --hash=md5:d41d8cd98f00b204e9800998ecf8427e\n-e git+https://a.example.test/b#egg=c\nd[e] @ https://a.example.test/d-1.zip ; f == 'g'\n",
    ),
    (
        "uv.lock",
        "version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://a.example.test\" }\nsdist = { url = \"https://a.example.test/a-1.zip\", hash = \"sha256:00\" }\nwheels = [{ url = \"a\" }]\nresolution-markers = [\"a == 'b'\"]\n",
    ),
    (
        "poetry.lock",
        "[[package]]\nname = \"a\"\nversion = \"1\"\nmarkers = {main = \"x\"}\ngroups = [\"main\"]\nfiles = [{file = \"a-1.zip\", hash = \"sha256:00\"}]\n[package.source]\ntype = \"git\"\nurl = \"x\"\n[metadata]\nlock-version = \"2.0\"\n[metadata.files]\na = []\n",
    ),
    (
        "pylock.toml",
        "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\nsdist = { name = \"a-1.zip\", hashes = { sha256 = \"00\" } }\nwheels = [{ url = \"x\" }]\nvcs = { url = \"y\" }\n",
    ),
    (
        "cpanfile.snapshot",
        "# carton snapshot format: version 1.0\nDISTRIBUTIONS\n  A-1.0\n    pathname: A/AC/ACME/A-1.0.tar.gz\n    provides:\n      A 1.0\n    requirements:\n      B 0\n",
    ),
];

/// What must hold of anything that was read.
fn is_sound(file: &LockFile) -> bool {
    let printable = |text: &str| !text.chars().any(super::super::text::is_disturbing);
    file.entries.iter().all(|entry| {
        entry.line > 0
            && (entry.version.is_none() || entry.specifier.is_none())
            && entry.marker.as_deref().is_none_or(printable)
            && entry.specifier.as_deref().is_none_or(printable)
            && entry.package.as_deref().is_none_or(printable)
            && entry.files.iter().all(|file| file.url.as_deref().is_none_or(printable))
            && match &entry.source {
                Source::Elsewhere { address, .. } | Source::Index { address: Some(address) } => printable(address),
                Source::Index { address: None } => true,
            }
    }) && file.remarks.iter().all(|remark| remark.line > 0 && printable(&remark.text))
        && file.options.iter().all(|option| printable(&option.text))
}

#[test]
fn a_file_may_be_cut_off_anywhere() {
    for (name, text) in SAMPLES {
        for end in 0..text.len() {
            match read(name, &text.as_bytes()[..end], None) {
                Ok(file) => assert!(is_sound(&file), "{name} {end}"),
                Err(error) => assert!(error.to_string().starts_with(&format!("{name}:")), "{error}"),
            }
        }
    }
}

#[test]
fn sizes_are_bounded() {
    let refused = |name: &str, text: &[u8]| read(name, text, None).unwrap_err().to_string();
    let long = "a".repeat(10 << 20);
    let many = "a==1\n".repeat(MOST_ENTRIES + 1);
    let hashes = format!(" --hash={}\\\n", sha256('a')).repeat(MOST_FILES + 1);
    let files = format!("files = [{}]", "{file = \"a\"},\n".repeat(MOST_FILES + 1));
    let told = [
        refused("a/requirements.txt", format!("six\n{long}\n").as_bytes()),
        refused("uv.lock", format!("version = 1\na = \"{long}\"\n").as_bytes()),
        refused("cpanfile.snapshot", long.as_bytes()),
        refused("requirements.txt", "a\\\n".repeat(1_100_000).as_bytes()),
        refused("requirements.txt", many.as_bytes()),
        refused("requirements.txt", format!("a==1\\\n{hashes}").as_bytes()),
        refused("poetry.lock", format!("[[package]]\nname = \"a\"\n{files}\n[metadata]\n").as_bytes()),
        refused("uv.lock", format!("version = 1\na = [\n{}]\n", "1,\n".repeat(1_000_001)).as_bytes()),
        refused("requirements.txt", b"a\n\xff"),
        refused("requirements.txt", &vec![b' '; LARGEST_FILE + 1]),
        refused(&"\u{1b}x".repeat(200), b"\xff"),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    a/requirements.txt:2: longer than 1024 KiB with its continuations: break it up, or let the tool write the file again
    uv.lock:2: longer than 1024 KiB with its continuations: break it up, or let the tool write the file again
    cpanfile.snapshot:1: longer than 1024 KiB with its continuations: break it up, or let the tool write the file again
    requirements.txt:1: longer than 1024 KiB with its continuations: break it up, or let the tool write the file again
    requirements.txt:100001: more than 100000 entries: check it in parts, if it is honest
    requirements.txt:1: more than 10000 files of one project: check it in parts, if it is honest
    poetry.lock:10003: more than 10000 files of one project: check it in parts, if it is honest
    uv.lock:1000000: more than 1000000 values: check it in parts, if it is honest
    requirements.txt:2: not text in UTF-8: is it the right file? Else write it again in UTF-8
    requirements.txt: larger than 64 MiB: no installer writes that much, is it the right file?
    \u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x...:1: not text in UTF-8: is it the right file? Else write it again in UTF-8
    ");
    let junk = read_ok("requirements.txt", &"?\n".repeat(5_000));
    assert_eq!(junk.remarks.len(), MOST_REMARKS + 1);
    assert_eq!(junk.remarks[MOST_REMARKS].text, "4000 more remarks are left out");
}

#[test]
fn depth_is_bounded() {
    // A thread with the small stack that workers have.
    let checked = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        let key = |length: usize| vec!["a"; length].join(".");
        let deep = [
            format!("x = {}", "[".repeat(500_000)),
            format!("x = {}{}", "[".repeat(100), "]".repeat(100)),
            format!("x = {}1{}", "{a = ".repeat(100_000), "}".repeat(100_000)),
            format!("{} = 1", key(100_000)),
            format!("[{}]", key(100_000)),
            format!("[[{}]]", key(100_000)),
        ];
        for text in deep {
            let refused = read("uv.lock", format!("version = 1\n{text}\n").as_bytes(), None).unwrap_err();
            assert!(matches!(refused, LockFileError::Syntax { .. } | LockFileError::TooMany { .. }), "{refused}");
        }
        // Keys and brackets each as deep as they may be: within each other, they would be much deeper.
        let nested = |points: usize, depth: usize| {
            let key = key(points + 1);
            let text = format!("[x.{key}]\n{key} = {}1{}", format!("{{{key} = ").repeat(depth), "}".repeat(depth));
            read("uv.lock", format!("version = 1\n{text}\n").as_bytes(), None)
        };
        let refused = nested(78, 79).unwrap_err();
        assert!(matches!(refused, LockFileError::TooMany { .. }), "{refused}");
        nested(7, 79).unwrap();
    });
    checked.unwrap().join().unwrap();
}

#[test]
fn names_cannot_play_tricks() {
    for name in ["../../etc/passwd", "a/b", "a\\u0000", "a\\nb", "..", "-r", "ａ", "a b"] {
        for (file, text) in [
            ("uv.lock", format!("version = 1\n[[package]]\nname = \"{name}\"\nversion = \"1\"\n")),
            ("pylock.toml", format!("lock-version = \"1.0\"\n[[packages]]\nname = \"{name}\"\nversion = \"1\"\n")),
            ("poetry.lock", format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\n[metadata]\n")),
        ] {
            let read = read_ok(file, &text);
            assert!(read.entries.is_empty() && read.remarks.len() == 1, "{file} {name}");
        }
    }
    let files = read_ok(
        "pylock.toml",
        "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nwheels = [{ name = \"../../a.whl\" }, { url = \"https://a.example.test/%2e%2e\" }]\n",
    );
    assert!(files.entries[0].files.iter().all(|file| file.filename.is_none()));
    assert_eq!(files.remarks.len(), 2);
}

#[test]
fn an_entry_cannot_be_something_else_unseen() {
    let uv = |file: &str| {
        let text = format!(
            "version = 1\n[[package]]\nname = \"six\"\nversion = \"1.16\"\nsource = {{ registry = \"x\" }}\nwheels = [{{ url = \"https://a.example.test/{file}\" }}]\n"
        );
        read_ok("uv.lock", &text).remarks.into_iter().map(|remark| remark.text).collect::<Vec<_>>()
    };
    assert_eq!(uv("six-1.16.0-py3-none-any.whl"), Vec::<String>::new());
    for other in ["evil-1.16.0-py3-none-any.whl", "six-6.6-py3-none-any.whl"] {
        assert_eq!(
            uv(other),
            [format!("six 1.16 is to be installed from {other}, which is named like something else")]
        );
    }
    let snapshot =
        "# carton snapshot format: version 1.0\nDISTRIBUTIONS\n  A-1.0\n    pathname: E/EV/EVIL/B-6.6.tar.gz\n";
    let file = read_ok("cpanfile.snapshot", snapshot);
    assert_eq!(told(&file.entries[0]), "3: cpan:B 6.6\n   EVIL/B-6.6.tar.gz ?");
    assert_eq!(file.remarks[0].text, "A-1.0 is installed from B-6.6, another release: that one is read");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for (name, _) in SAMPLES {
            let _ = read(name, &bytes, None);
        }
        let _ = read("", &bytes, None);
    }

    #[test]
    fn a_file_may_be_changed_anywhere(which in 0..SAMPLES.len(), at in any::<proptest::sample::Index>(), put in "[^a]|\\PC{0,3}|[\"'{}\\[\\]=.\\n#:/-]{1,6}", cut in 0..6_usize) {
        let (name, text) = SAMPLES[which];
        let mut letters: Vec<char> = text.chars().collect();
        let start = at.index(letters.len());
        let end = (start + cut).min(letters.len());
        letters.splice(start..end, put.chars());
        if let Ok(file) = read(name, letters.into_iter().collect::<String>().as_bytes(), None) {
            prop_assert!(is_sound(&file), "{file:?}");
        }
    }

    #[test]
    fn pins_that_were_written_are_read(pins in proptest::collection::btree_map("[a-z][a-z0-9]{0,6}", "[1-9][0-9]?\\.[1-9][0-9]?", 0..8)) {
        let lines: Vec<String> = pins.iter().map(|(name, version)| format!("{name}=={version} --hash={}", sha256('a'))).collect();
        let file = read_ok("requirements.txt", &lines.join("\n"));
        let read: Vec<(String, String)> =
            file.entries.iter().map(|entry| (entry.project.name.to_string(), entry.version.as_ref().unwrap().to_string())).collect();
        prop_assert_eq!(read, pins.into_iter().collect::<Vec<_>>());
        prop_assert!(file.remarks.is_empty() && file.entries.iter().all(|entry| entry.files.len() == 1));
    }
}
