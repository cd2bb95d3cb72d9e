//! Addresses of a repository: a path, split before it is decoded, because a name may hold a slash.

use super::envelope::decoded;
use super::{Instance, Kind};

/// Longest path; the longest that clients build are queries.
const LONGEST_PATH: usize = 16 << 10;

/// The longest address has 9 segments: `T/name/N/ver/V/arch/P/value/KEY`.
const MOST_SEGMENTS: usize = 9;

/// The endings of `file` that the original server knows, and ignores.
const EXTENSIONS: [&str; 5] = ["zip", "tm", "kit", "exe", "dat"];

/// What somebody asks of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `version`: what the server is.
    Version,
    /// `db/status`.
    Status,
    /// `db/index`.
    Index,
    /// `db/journal`: never served.
    Journal,
    /// `index`: the names of all there is.
    Names,
    /// `list` at any level.
    List(Scope),
    /// `keys` at any level.
    Keys(Scope),
    /// `meta`, below a name.
    Meta(Scope),
    /// `value/KEY`, below a name. The key is lower case.
    Value(Scope, String),
    /// `entity/name/N/index`.
    Versions(String),
    /// `entity/name/N/ver/V/index`.
    Instances(String, String),
    /// `find/all/REF/PLATS`.
    FindAll {
        /// What is looked for: a reference.
        reference: String,
        /// A list of acceptable platforms, best first.
        platforms: String,
    },
    /// `find/max/REF/PLATS`.
    FindMax {
        /// What is looked for: a reference.
        reference: String,
        /// A list of acceptable platforms, best first.
        platforms: String,
    },
    /// `search/QUERY`.
    Search(String),
    /// `…/require`.
    Require(Instance),
    /// `…/recommend`.
    Recommend(Instance),
    /// `…/details`: a page for people.
    Details(Instance),
    /// `…/xfile` and the six forms of `…/file`.
    File {
        /// Whose file.
        instance: Instance,
        /// With or without size and digest before it.
        form: FileForm,
    },
    /// A short form: the address that it stands for, from the root of the repository.
    Short(String),
    /// No address of a repository.
    Unknown,
}

/// How a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// `xfile`: a line with size and MD5, then the bytes.
    Xfile,
    /// `file`, perhaps with an ending, which means nothing.
    File(Option<&'static str>),
}

/// What a list, keys, metadata or a value are asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Of one kind, or of all.
    pub kind: Option<Kind>,
    /// Of how much of it.
    pub within: Within,
}

/// The levels of a [`Scope`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// All of it.
    Everything,
    /// One name.
    Name(String),
    /// One version of a name; every spelling of it.
    Version(String, String),
    /// One platform of a version, spelled exactly.
    Platform(String, String, String),
}

impl Request {
    /// Reads a path as it came, still encoded, without the prefix of the repository. A query string is ignored.
    pub fn read(path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if path.len() > LONGEST_PATH {
            return Self::Unknown;
        }
        // A doubled slash is read as one.
        let segments: Option<Vec<String>> =
            path.split('/').filter(|segment| !segment.is_empty()).take(MOST_SEGMENTS + 1).map(decode_segment).collect();
        let Some(segments) = segments else { return Self::Unknown };
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        match *words {
            [] | ["entity"] | ["entity", "name"] => Self::Short("/index".to_owned()),
            ["version"] => Self::Version,
            ["db", "status"] => Self::Status,
            ["db", "index"] => Self::Index,
            ["db", "journal"] => Self::Journal,
            ["index"] => Self::Names,
            ["list"] => Self::List(Scope { kind: None, within: Within::Everything }),
            ["keys"] => Self::Keys(Scope { kind: None, within: Within::Everything }),
            ["search", query] => Self::Search(query.to_owned()),
            ["find", "all", reference, platforms] => {
                Self::FindAll { reference: reference.to_owned(), platforms: platforms.to_owned() }
            }
            ["find", "max", reference, platforms] => {
                Self::FindMax { reference: reference.to_owned(), platforms: platforms.to_owned() }
            }
            ["entity", "name", name, "index"] => Self::Versions(name.to_owned()),
            ["entity", "name", name, "ver", version, "index"] => Self::Instances(name.to_owned(), version.to_owned()),
            ["entity", "name", name, ref rest @ ..] => below_name(None, name, rest),
            [kind, ref rest @ ..] => Kind::from_word(kind).map_or(Self::Unknown, |kind| below_kind(kind, rest)),
        }
    }
}

fn below_kind(kind: Kind, rest: &[&str]) -> Request {
    let scope = Scope { kind: Some(kind), within: Within::Everything };
    match *rest {
        [] => Request::Short(format!("/{kind}/list")),
        ["name"] => Request::Short(format!("/{kind}")),
        ["list"] => Request::List(scope),
        ["keys"] => Request::Keys(scope),
        ["name", name, ref rest @ ..] => below_name(Some(kind), name, rest),
        _ => Request::Unknown,
    }
}

fn below_name(kind: Option<Kind>, name: &str, rest: &[&str]) -> Request {
    let (within, rest) = match rest {
        ["ver", version, "arch", platform, rest @ ..] => {
            (Within::Platform(name.to_owned(), (*version).to_owned(), (*platform).to_owned()), rest)
        }
        ["ver", version, rest @ ..] => (Within::Version(name.to_owned(), (*version).to_owned()), rest),
        rest => (Within::Name(name.to_owned()), rest),
    };
    let scope = Scope { kind, within };
    match *rest {
        [] => Request::Short(format!("/{}/list", scope.address())),
        ["list"] => Request::List(scope),
        ["keys"] => Request::Keys(scope),
        ["meta"] => Request::Meta(scope),
        ["value", key] => Request::Value(scope, key.to_lowercase()),
        [word] => of_instance(&scope, word).unwrap_or(Request::Unknown),
        _ => Request::Unknown,
    }
}

fn of_instance(scope: &Scope, word: &str) -> Option<Request> {
    let Within::Platform(name, version, platform) = &scope.within else { return None };
    let instance = Instance::new(scope.kind?, name, version, platform).ok()?;
    Some(match word {
        "require" => Request::Require(instance),
        "recommend" => Request::Recommend(instance),
        "details" => Request::Details(instance),
        "xfile" => Request::File { instance, form: FileForm::Xfile },
        "file" => Request::File { instance, form: FileForm::File(None) },
        other => {
            let ending = other.strip_prefix("file.")?;
            let ending = EXTENSIONS.into_iter().find(|known| *known == ending)?;
            Request::File { instance, form: FileForm::File(Some(ending)) }
        }
    })
}

impl Scope {
    /// Its words: none, `N`, `N V` or `N V P`.
    pub(super) fn words(&self) -> Vec<&str> {
        match &self.within {
            Within::Everything => vec![],
            Within::Name(name) => vec![name],
            Within::Version(name, version) => vec![name, version],
            Within::Platform(name, version, platform) => vec![name, version, platform],
        }
    }

    fn address(&self) -> String {
        let mut address = self.kind.map_or("entity", Kind::as_str).to_owned();
        for (label, word) in ["name", "ver", "arch"].into_iter().zip(self.words()) {
            address.extend(["/", label, "/", &encode_segment(word)]);
        }
        address
    }
}

/// Writes a segment as clients do: all but ASCII letters and digits as `%hh`, in lower case.
pub fn encode_segment(text: &str) -> String {
    encode_but(text, |_| false)
}

/// Writes a segment for a link in a page, plainer, because people and small scripts read it.
pub(super) fn encode_for_link(text: &str) -> String {
    encode_but(text, |byte| b":.-_~+".contains(&byte))
}

fn encode_but(text: &str, plain: impl Fn(u8) -> bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain(byte) {
            encoded.push(byte.into());
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
    }
    encoded
}

/// Reads a segment: `%hh` in any case; what is no such thing stays as it is. `None` for a NUL, which nothing honest holds.
///
/// UTF-8, or else one byte per character: the original client knows no characters above U+00FF, and sends those so.
fn decode_segment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [high, low, ..]) => hexadecimal(*high).zip(hexadecimal(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    (!bytes.contains(&0)).then(|| decoded(&bytes).into_owned())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greet() -> Instance {
        Instance::new(Kind::Package, "acme::greet", "1.0", "tcl").unwrap()
    }

    const GREET: &str = "/package/name/acme%3a%3agreet/ver/1%2e0/arch/tcl";

    fn scope(kind: Option<Kind>, words: &[&str]) -> Scope {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let within = match &*words {
            [] => Within::Everything,
            [name] => Within::Name(name.clone()),
            [name, version] => Within::Version(name.clone(), version.clone()),
            [name, version, platform, ..] => Within::Platform(name.clone(), version.clone(), platform.clone()),
        };
        Scope { kind, within }
    }

    #[test]
    fn every_address_of_the_protocol_is_known() {
        use Request as R;
        let package = Some(Kind::Package);
        for (path, request) in [
            ("/version", R::Version),
            ("/db/status", R::Status),
            ("/db/index", R::Index),
            ("/db/journal", R::Journal),
            ("/index", R::Names),
            ("/list", R::List(scope(None, &[]))),
            ("/profile/list", R::List(scope(Some(Kind::Profile), &[]))),
            ("/entity/name/a%20b/list", R::List(scope(None, &["a b"]))),
            ("/package/name/a/list", R::List(scope(package, &["a"]))),
            ("/package/name/a/ver/1%2e0/list", R::List(scope(package, &["a", "1.0"]))),
            ("/package/name/a/ver/1%2E0/arch/tcl/list", R::List(scope(package, &["a", "1.0", "tcl"]))),
            ("/entity/name/a/index", R::Versions("a".into())),
            ("/entity/name/a/ver/1.0/index", R::Instances("a".into(), "1.0".into())),
            (
                "/find/all/a%20%2drequire%201%2e0/linux%20tcl",
                R::FindAll { reference: "a -require 1.0".into(), platforms: "linux tcl".into() },
            ),
            ("/find/max/a/tcl", R::FindMax { reference: "a".into(), platforms: "tcl".into() }),
            ("/search/is%20package", R::Search("is package".into())),
            ("/keys", R::Keys(scope(None, &[]))),
            ("/package/keys", R::Keys(scope(package, &[]))),
            ("/entity/name/a/keys", R::Keys(scope(None, &["a"]))),
            ("/package/name/a/ver/1/arch/tcl/keys", R::Keys(scope(package, &["a", "1", "tcl"]))),
            ("/entity/name/a/meta", R::Meta(scope(None, &["a"]))),
            ("/package/name/a/ver/1/meta", R::Meta(scope(package, &["a", "1"]))),
            ("/package/name/a/ver/1/value/as%3A%3aNote", R::Value(scope(package, &["a", "1"]), "as::note".into())),
            ("/package/name/a/ver/1/arch/tcl/value/key", R::Value(scope(package, &["a", "1", "tcl"]), "key".into())),
            (&format!("{GREET}/require"), R::Require(greet())),
            (&format!("{GREET}/recommend"), R::Recommend(greet())),
            (&format!("{GREET}/details"), R::Details(greet())),
            (&format!("{GREET}/xfile"), R::File { instance: greet(), form: FileForm::Xfile }),
            (&format!("{GREET}/file"), R::File { instance: greet(), form: FileForm::File(None) }),
            (&format!("{GREET}/file.tm?x=y"), R::File { instance: greet(), form: FileForm::File(Some("tm")) }),
            (
                "//package//name/acme::greet/ver/1.0/arch/tcl/file.dat",
                R::File { instance: greet(), form: FileForm::File(Some("dat")) },
            ),
        ] {
            assert_eq!(Request::read(path), request, "{path}");
        }
    }

    #[test]
    fn short_forms_lead_to_long_ones() {
        for (path, target) in [
            ("/", "/index"),
            ("", "/index"),
            ("/entity", "/index"),
            ("/entity/name", "/index"),
            ("/entity/name/acme::util", "/entity/name/acme%3a%3autil/list"),
            ("/entity/name/acme%3A%3Autil/ver/1.0", "/entity/name/acme%3a%3autil/ver/1%2e0/list"),
            ("/package", "/package/list"),
            ("/package/name", "/package"),
            ("/package/name/acme%3a%3autil", "/package/name/acme%3a%3autil/list"),
            (GREET, &format!("{GREET}/list")),
        ] {
            assert_eq!(Request::read(path), Request::Short(target.into()), "{path}");
        }
    }

    #[test]
    fn everything_else_is_unknown() {
        for path in [
            "/Package/list",
            "/entity/list",
            "/archs",
            "/package/name/a/ver/1/require",
            "/package/name/a/index",
            "/entity/name/a/ver/1/arch/tcl/xfile",
            &format!("{GREET}/requirers"),
            &format!("{GREET}/recommenders"),
            &format!("{GREET}/file.sh"),
            "/package/name/a%00b/list",
            "/package/name/%2e%2e/ver/1/arch/tcl/file",
            "/package/name/..%2f..%2fetc/ver/1/arch/tcl/xfile",
            "/find/all/a",
            "/search",
            "/a/b/c/d/e/f/g/h/i/j/k",
        ] {
            assert_eq!(Request::read(path), Request::Unknown, "{path}");
        }
        assert_eq!(Request::read(&"/a".repeat(LONGEST_PATH)), Request::Unknown);
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        assert_eq!(
            Request::read("/package/name/a%2flist/list"),
            Request::List(scope(Some(Kind::Package), &["a/list"]))
        );
        assert_eq!(Request::read("/package/name/Zo%eb/list"), Request::List(scope(Some(Kind::Package), &["Zoë"])));
        assert_eq!(Request::read("/package/name/Zo%c3%ab/list"), Request::List(scope(Some(Kind::Package), &["Zoë"])));
        assert_eq!(Request::read("/package/name/100%/list"), Request::List(scope(Some(Kind::Package), &["100%"])));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC{1,20}") {
            prop_assert_eq!(decode_segment(&encode_segment(&text)), Some(text.clone()));
            prop_assert_eq!(decode_segment(&encode_for_link(&text)), Some(text));
        }

        #[test]
        fn no_path_panics_and_short_forms_lead_somewhere(
            path in "(/(package|entity|name|ver|arch|list|find|all|%[0-9a-f]{0,2}|\\PC{0,3}|)){0,9}"
        ) {
            let mut request = Request::read(&path);
            for _ in 0..3 {
                let Request::Short(target) = &request else { break };
                prop_assert!(target.starts_with('/') && !target.starts_with("//"));
                request = Request::read(target);
            }
            prop_assert!(!matches!(request, Request::Short(_)));
        }
    }
}
