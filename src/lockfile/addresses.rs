//! Where the addresses of indexes and of their files stand in a lock file, byte for byte, and how others are put in their place.

use std::ops::Range;

use toml::de::DeValue;

use super::reading::Reading;
use super::requirements_file::{physical_lines, without_comment};
use super::text::{self, Lines};
use super::toml_file::{Table, TomlFile, Value};
use super::{Kind, LockFileError, address, read};
use crate::domain::{FileName, ProjectName, Sha256};

/// Options of a requirements file that name an index.
const INDEX_OPTIONS: [&str; 4] = ["-i", "--index-url", "--extra-index-url", "--pypi-url"];

/// Bytes at the start of a file that say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An address and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Which bytes of the file, without quotes and without what follows a `#`.
    pub span: Range<usize>,
    /// In which line, from 1.
    pub line: usize,
    /// What it is.
    pub of: AddressOf,
}

/// What an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressOf {
    /// An index.
    Index,
    /// A file that an index lists.
    File(NamedFile),
    /// A file that may come from anywhere, and perhaps comes from an index.
    Perhaps(NamedFile),
}

/// A file as a lock file knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Of which project.
    pub project: ProjectName,
    /// Its name.
    pub filename: FileName,
    /// What its bytes must be, where the file says so.
    pub sha256: Option<Sha256>,
}

/// Finds the addresses of a file, in their order. A file that [`read`] refuses is refused.
pub fn addresses(name: &str, bytes: &[u8], kind: Option<Kind>) -> Result<(Kind, Vec<Address>), LockFileError> {
    let kind = read(name, bytes, kind)?.kind;
    let file = text::shown(name);
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let utf_8 = bytes.get(start..).and_then(|rest| std::str::from_utf8(rest).ok());
    let Some(text) = utf_8 else { return Err(LockFileError::NotText { file, line: 1 }) };
    let reading = Reading::new(kind, file);
    let mut found = Found { text, lines: Lines::of(text), addresses: Vec::new() };
    match kind {
        Kind::Requirements => found.of_requirements(),
        Kind::Uv | Kind::Poetry | Kind::Pylock => found.of_toml(kind, reading)?,
        // It names paths on a mirror, and no mirror.
        Kind::CpanfileSnapshot => {}
    }
    found.addresses.sort_by_key(|address| address.span.start);
    found.addresses.dedup_by(|next, last| next.span.start < last.span.end);
    for address in &mut found.addresses {
        address.span.start += start;
        address.span.end += start;
    }
    Ok((kind, found.addresses))
}

/// The file with other addresses in these places, which must be in order and apart; all other bytes stay.
pub fn replaced<'a>(bytes: &[u8], others: impl IntoIterator<Item = (&'a Range<usize>, &'a str)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    let mut at = 0;
    for (span, other) in others {
        out.extend_from_slice(bytes.get(at..span.start).unwrap_or_default());
        out.extend_from_slice(other.as_bytes());
        at = span.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

/// Whether an address may stand in any of these files without being read as something else.
pub fn is_plain(address: &str) -> bool {
    address.bytes().all(|byte| byte.is_ascii_graphic() && !br#""'\#<>`;"#.contains(&byte)) && !address.contains("${")
}

/// An address for people: without user and password, and on one line.
pub fn shown(address: &str) -> String {
    text::shown(&address::without_password(address))
}

struct Found<'a> {
    text: &'a str,
    lines: Lines,
    addresses: Vec<Address>,
}

impl<'a> Found<'a> {
    fn push(&mut self, span: Range<usize>, of: AddressOf) {
        let line = self.lines.line_of(span.start);
        self.addresses.push(Address { span, line, of });
    }

    fn of_toml(&mut self, kind: Kind, mut reading: Reading) -> Result<(), LockFileError> {
        let file = TomlFile::parse(self.text, &reading)?;
        let key = if kind == Kind::Pylock { "packages" } else { "package" };
        for (_, package) in file.tables(key, &mut reading)? {
            let name = package.get("name").and_then(|name| name.get_ref().as_str());
            let Some(project) = name.and_then(|name| ProjectName::pypi(name).ok()) else { continue };
            let source = package.get("source").and_then(|source| source.get_ref().as_table());
            match kind {
                Kind::Poetry => self.of_poetry(source),
                Kind::Pylock => self.of_pylock(package, &project),
                _ => self.of_uv(package, source, &project),
            }
        }
        Ok(())
    }

    /// A source names an index only if it is of this type.
    fn of_poetry(&mut self, source: Option<&Table<'_>>) {
        let Some(source) = source else { return };
        if source.get("type").and_then(|kind| kind.get_ref().as_str()) == Some("legacy") {
            self.index(source.get("url"));
        }
    }

    fn of_pylock(&mut self, package: &Table<'_>, project: &ProjectName) {
        self.index(package.get("index"));
        for file in files_of(package) {
            self.file(file, "name", project, AddressOf::File);
        }
        if let Some(archive) = package.get("archive").and_then(|archive| archive.get_ref().as_table()) {
            self.file(archive, "name", project, AddressOf::Perhaps);
        }
    }

    /// uv names the index of a package, and again where something depends on it and several are meant.
    fn of_uv(&mut self, package: &Table<'_>, source: Option<&Table<'_>>, project: &ProjectName) {
        // What the parser takes is at most 80 deep; a list of what is to be looked at needs no stack all the same.
        let mut rest: Vec<&Value<'_>> = package.values().collect();
        let mut tables = vec![package];
        loop {
            for table in tables.drain(..) {
                self.index(table.get("registry"));
                self.index(table.get("index"));
                rest.extend(table.values());
            }
            let Some(next) = rest.pop() else { break };
            match next.get_ref() {
                DeValue::Table(table) => tables.push(table),
                DeValue::Array(values) => rest.extend(values.iter()),
                _ => {}
            }
        }
        if source.is_some_and(|source| source.get("registry").is_some()) {
            for file in files_of(package) {
                self.file(file, "filename", project, AddressOf::File);
            }
        }
    }

    fn index(&mut self, value: Option<&Value<'_>>) {
        if let Some(span) = value.and_then(|value| self.address_in(value)) {
            self.push(span, AddressOf::Index);
        }
    }

    fn file(&mut self, table: &Table<'_>, key: &str, project: &ProjectName, of: fn(NamedFile) -> AddressOf) {
        let Some(span) = table.get("url").and_then(|url| self.address_in(url)) else { return };
        let written = table.get(key).and_then(|name| name.get_ref().as_str());
        let filename = match written {
            Some(written) => FileName::parse(written).ok(),
            None => self.text.get(span.clone()).and_then(address::file_name),
        };
        let Some(filename) = filename else { return };
        let sha256 = match table.get("hash").and_then(|hash| hash.get_ref().as_str()) {
            Some(hash) => hash.strip_prefix("sha256:"),
            None => {
                table.get("hashes").and_then(|hashes| hashes.get_ref().as_table()?.get("sha256")?.get_ref().as_str())
            }
        };
        let sha256 = sha256.and_then(|hex| hex.parse().ok());
        self.push(span, of(NamedFile { project: project.clone(), filename, sha256 }));
    }

    /// The bytes of an address that is written plainly: without escapes, and between single quotation marks.
    fn address_in(&self, value: &Value<'_>) -> Option<Range<usize>> {
        let said = value.get_ref().as_str()?;
        let span = value.span();
        let inner = span.start.checked_add(1)?..span.end.checked_sub(1)?;
        let is_plain = self.text.get(inner.clone()) == Some(said);
        (is_plain && is_address(said)).then(|| without_fragment(inner, said))
    }

    fn of_requirements(&mut self) {
        let mut words: Vec<(usize, &'a str)> = Vec::new();
        let (mut at, mut commented_out) = (0, false);
        for (content, _) in physical_lines(self.text) {
            // Lines are parts of the text.
            at += self.text.get(at..).and_then(|rest| rest.find(content)).unwrap_or_default();
            let is_comment = content.trim_start().starts_with('#');
            let goes_on = content.ends_with('\\') && !is_comment;
            let content_said = content.trim_end_matches('\\');
            let said = without_comment(content_said);
            if !commented_out {
                words.extend(words_of(said).map(|(start, word)| (at + start, word)));
            }
            // A comment goes on over the line's end too, if the line does.
            commented_out = goes_on && (commented_out || said.len() < content_said.len());
            at += content.len();
            if !goes_on {
                self.of_line(&words);
                words.clear();
            }
        }
        self.of_line(&words);
    }

    fn of_line(&mut self, words: &[(usize, &'a str)]) {
        let mut before = String::new();
        let mut is_of_index = false;
        let hash = words.iter().find_map(|(_, word)| word.strip_prefix("--hash=sha256:")?.parse().ok());
        for (start, word) in words {
            let Some(begin) = address_start(word) else {
                is_of_index = INDEX_OPTIONS.contains(word);
                before.push_str(word);
                continue;
            };
            let (head, written) = word.split_at(begin);
            let head = head.trim_end_matches(['"', '\'']);
            let span = without_fragment(start + begin..start + word.len(), written);
            let option = head.strip_suffix('=').or((!head.is_empty()).then_some(head));
            if (head.is_empty() && is_of_index) || option.is_some_and(|option| INDEX_OPTIONS.contains(&option)) {
                self.push(span, AddressOf::Index);
            } else if !before.starts_with('-') && !head.starts_with('-') {
                before.push_str(head);
                let promised = address::from_fragment(written, "sha256").and_then(|hex| hex.parse().ok()).or(hash);
                if let Some(file) = required(&before, written, promised) {
                    self.push(span, AddressOf::Perhaps(file));
                }
            }
            return;
        }
    }
}

/// `NAME @ ADDRESS`, or an address alone whose file says of which project it is.
fn required(before: &str, written: &str, sha256: Option<Sha256>) -> Option<NamedFile> {
    let filename = address::file_name(written)?;
    let project = match before.strip_suffix('@') {
        Some(name) => ProjectName::pypi(name.split('[').next().unwrap_or(name).trim()).ok()?,
        None if before.is_empty() => address::named_by(&filename)?.0,
        None => return None,
    };
    Some(NamedFile { project, filename, sha256 })
}

fn files_of<'t, 'a>(package: &'t Table<'a>) -> impl Iterator<Item = &'t Table<'a>> {
    let sdist = package.get("sdist").and_then(|sdist| sdist.get_ref().as_table());
    let wheels = package.get("wheels").and_then(|wheels| wheels.get_ref().as_array());
    let wheels = wheels.into_iter().flat_map(|wheels| wheels.iter().filter_map(|wheel| wheel.get_ref().as_table()));
    sdist.into_iter().chain(wheels)
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Where in a word an address begins: `name@https://...`, `--index-url=https://...`.
fn address_start(word: &str) -> Option<usize> {
    let begin = ["https://", "http://"].into_iter().filter_map(|scheme| word.find(scheme)).min()?;
    // `git+https://` is no address of a file.
    (!word.get(..begin)?.ends_with('+')).then_some(begin)
}

fn without_fragment(span: Range<usize>, written: &str) -> Range<usize> {
    let length = written.find('#').unwrap_or(written.len());
    span.start..span.start + length
}

/// The words of a line without the quotation marks around them.
fn words_of(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    line.split(char::is_whitespace).filter_map(move |word| {
        let start = at;
        at += word.len() + line.get(at + word.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let bare = word.trim_start_matches(['"', '\'']);
        let start = start + (word.len() - bare.len());
        let bare = bare.trim_end_matches(['"', '\'']);
        (!bare.is_empty()).then_some((start, bare))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UV: &str = r#"version = 1
# a comment with https://index.test/simple
[[package]]
name = "six"
version = "1.0"
source = { registry = "https://index.test/simple" }
dependencies = [
    { name = "torch", source = { registry = "https://other.test/whl" } }, # kept
]
sdist = { url = 'https://files.test/a/six-1.0.tar.gz#x', hash = "sha256:aa" }
wheels = [
    { url = "https://files.test/a/six-1.0-py3-none-any.whl", hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { url = "https://files.test/\u0061/six-1.0-py2-none-any.whl" },
]

[[package]]
name = "ours"
source = { git = "https://code.test/ours" }
wheels = [{ url = "https://files.test/ours-1-py3-none-any.whl" }]
"#;

    fn found(name: &str, text: &str) -> Vec<String> {
        let (_, found) = addresses(name, text.as_bytes(), None).unwrap();
        let one = |address: &Address| {
            let written = &text[address.span.clone()];
            match &address.of {
                AddressOf::Index => format!("{} index {written}", address.line),
                AddressOf::File(file) => format!("{} {} {} {written}", address.line, file.project, file.filename),
                AddressOf::Perhaps(file) => {
                    format!(
                        "{} perhaps {} {}{}",
                        address.line,
                        file.project,
                        written,
                        if file.sha256.is_some() { " hashed" } else { "" }
                    )
                }
            }
        };
        found.iter().map(one).collect()
    }

    #[test]
    fn addresses_of_uv_are_found_where_they_are_written_plainly() {
        assert_eq!(
            found("uv.lock", UV),
            [
                "6 index https://index.test/simple",
                "8 index https://other.test/whl",
                "10 six six-1.0.tar.gz https://files.test/a/six-1.0.tar.gz",
                "12 six six-1.0-py3-none-any.whl https://files.test/a/six-1.0-py3-none-any.whl",
            ]
        );
    }

    #[test]
    fn addresses_of_the_others_are_found() {
        let poetry = "[[package]]\nname = \"a\"\nversion = \"1\"\nfiles = []\n[package.source]\ntype = \"legacy\"\n\
                      url = \"https://index.test/simple\"\n[[package]]\nname = \"b\"\nversion = \"1\"\n[package.source]\n\
                      type = \"git\"\nurl = \"https://code.test/b\"\n[metadata]\nlock-version = \"2.1\"\n";
        assert_eq!(found("poetry.lock", poetry), ["7 index https://index.test/simple"]);
        let pylock = "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"\nindex = \"https://index.test/simple/\"\n\
                      sdist = { name = \"a-1.zip\", url = \"https://files.test/x\", hashes = { sha256 = \"00\" } }\n\
                      [[packages]]\nname = \"b\"\narchive = { url = \"https://files.test/b-1.zip\", hashes = {} }\n";
        assert_eq!(
            found("pylock.toml", pylock),
            [
                "5 index https://index.test/simple/",
                "6 a a-1.zip https://files.test/x",
                "9 perhaps b https://files.test/b-1.zip"
            ]
        );
    }

    #[test]
    fn addresses_of_requirements_are_found_as_pip_reads_them() {
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "# pip-compile --index-url https://index.test/simple\r\n--index-url https://index.test/simple/ # why\r\n\
             --extra-index-url=\"https://two.test/simple\"\n-ihttps://three.test/simple\n-i \\\n  https://four.test/simple\n\
             --find-links https://files.test/\n-r https://x.test/r.txt\nsix==1.0 --hash=sha256:{digest}\n\
             six @ https://files.test/six-1.0.zip#sha256={digest}\nA.b[x]@https://files.test/a_b-1.zip ; os_name == 'x'\n\
             c @ git+https://code.test/c\nhttps://files.test/d-1.zip\nd @ https://files.test/d-1.zip \\\n  --hash=sha256:{digest}\n"
        );
        assert_eq!(
            found("requirements.txt", &text),
            [
                "2 index https://index.test/simple/",
                "3 index https://two.test/simple",
                "4 index https://three.test/simple",
                "6 index https://four.test/simple",
                "10 perhaps six https://files.test/six-1.0.zip hashed",
                "11 perhaps a-b https://files.test/a_b-1.zip",
                "13 perhaps d https://files.test/d-1.zip",
                "14 perhaps d https://files.test/d-1.zip hashed",
            ]
        );
    }

    #[test]
    fn a_mark_at_the_start_moves_all_places_and_two_bytes_a_letter_are_refused() {
        let marked = [BYTE_ORDER_MARK, b"-i https://index.test/simple\n"].concat();
        let (_, found) = addresses("requirements.txt", &marked, None).unwrap();
        assert_eq!(&marked[found[0].span.clone()], b"https://index.test/simple");
        let wide: Vec<u8> =
            std::iter::once(0xfeff).chain("six==1\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert!(addresses("requirements.txt", &wide, None).is_err());
    }

    #[test]
    fn what_could_be_read_as_something_else_is_not_plain() {
        assert!(is_plain("https://files.test/a/six-1.0+cpu.zip"));
        for address in ["a b", "a\"", "a'", "a\\", "a#b", "a\n", "ä", "${HOME}", "a;b"] {
            assert!(!is_plain(address), "{address}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn there_and_back_again_is_where_it_began(
            lines in prop::collection::vec(
                "(-i |--index-url=|six @ |a@|# |)(https?://[a-z.]{1,9}(/[a-z0-9.%-]{0,12}){0,3})(\\.whl|\\.zip)?(#sha256=00| ; x|\\\\|)(\r\n|\n|\u{2028})",
                0..8,
            ),
        ) {
            let text = lines.concat();
            if let Ok((_, found)) = addresses("requirements.txt", text.as_bytes(), None) {
                let there = replaced(text.as_bytes(), found.iter().map(|address| (&address.span, "http://proxy.test/x")));
                let mut moved = 0_isize;
                let spans: Vec<(Range<usize>, &str)> = found.iter().map(|address| {
                    let start = address.span.start.checked_add_signed(moved).unwrap_or_default();
                    moved += 19 - isize::try_from(address.span.len()).unwrap_or_default();
                    (start..start + 19, &text[address.span.clone()])
                }).collect();
                let back = replaced(&there, spans.iter().map(|(span, was)| (span, *was)));
                prop_assert_eq!(back, text.into_bytes());
            }
        }

        #[test]
        fn nothing_panics(name in "(uv.lock|poetry.lock|pylock.toml|requirements.txt|cpanfile.snapshot)", bytes in any::<Vec<u8>>()) {
            let _ = addresses(&name, &bytes, None);
        }
    }
}
