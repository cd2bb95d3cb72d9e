//! What is in a file: its own words about itself, read as words and never evaluated, and what it does when it is loaded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::envelope::decoded;
use super::load_time::{LoadFact, load_time_facts};
use super::tcl_script::{Command, commands};
use super::{Instance, Kind, Signature, TeapotError, zip_member};

/// Longest header; more than that is not words about a package.
const LONGEST_HEADER: usize = 1 << 20;

/// Longest script that is looked at.
const LONGEST_SCRIPT: usize = 8 << 20;

/// Keys, words and remarks that are kept.
const MOST_WORDS: usize = 10_000;
const MOST_REMARKS: usize = 20;
const MOST_FACTS: usize = 50;

/// How a file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A Tcl module: one script.
    Module,
    /// A zip archive.
    Zip,
    /// A starkit or a program: a file system of its own, which we do not read.
    Other,
}

/// What a file says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A part of the header that would have to be evaluated, or is no word of the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// On which line of the header, from 1.
    pub line: u32,
    /// Printable, on one line, at most 120 characters.
    pub excerpt: String,
    /// What is the matter.
    pub why: String,
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Teabag {
    /// How it is made.
    pub form: Form,
    /// What it says it is; `None` without a header.
    pub declared: Option<Declared>,
    /// Its metadata: the words of each key, in lower case, in the order they were given.
    pub meta: BTreeMap<String, Vec<String>>,
    /// What could not be understood.
    pub remarks: Vec<Remark>,
    /// What it does when it is loaded.
    pub load_facts: Vec<LoadFact>,
}

impl Teabag {
    /// Reads a file. It is not checked here: [`Signature::check`] does that.
    pub fn read(payload: &[u8]) -> Result<Self, TeapotError> {
        let mut teabag = Self {
            form: Form::Module,
            declared: None,
            meta: BTreeMap::new(),
            remarks: Vec::new(),
            load_facts: Vec::new(),
        };
        if payload.starts_with(b"PK") {
            teabag.form = Form::Zip;
            teabag.read_zip(payload)?;
            return Ok(teabag);
        }
        // Tcl stops at this byte: what follows is the file system of a starkit.
        let end = payload.iter().position(|byte| *byte == 0x1a).unwrap_or(payload.len());
        let script = &payload[..end.min(LONGEST_SCRIPT)];
        if end < payload.len() || script.contains(&0) {
            teabag.form = Form::Other;
        }
        if !script.contains(&0) {
            let script = decoded(script);
            teabag.read_header(&header_of(&script));
            teabag.load_facts = load_time_facts(&script);
        }
        Ok(teabag)
    }

    fn read_zip(&mut self, payload: &[u8]) -> Result<(), TeapotError> {
        let is_script =
            |name: &str| [".tcl", ".tm", ".tk"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        for member in zip_member::members(payload, |name| name == "teapot.txt")? {
            self.read_header(&decoded(&member.bytes));
        }
        for member in zip_member::members(payload, is_script)? {
            let text = decoded(&member.bytes);
            let file: String = member.name.chars().filter(|symbol| !symbol.is_control()).take(300).collect();
            for fact in load_time_facts(&text) {
                if self.load_facts.len() < MOST_FACTS {
                    self.load_facts.push(LoadFact { file: Some(file.clone()), ..fact });
                }
            }
        }
        Ok(())
    }

    fn read_header(&mut self, header: &str) {
        if header.len() > LONGEST_HEADER {
            self.remark(1, String::new(), "the header is too long to be read");
            return;
        }
        let mut words_left = MOST_WORDS;
        for command in commands(header, 1) {
            let Some(words) = command.words.iter().map(|word| word.value.clone()).collect::<Option<Vec<_>>>() else {
                self.remark_on(&command, "it would have to be evaluated");
                continue;
            };
            match &*words {
                [keyword, name, version] if Kind::from_word(&keyword.to_lowercase()).is_some() => {
                    let Some(kind) = Kind::from_word(&keyword.to_lowercase()) else { continue };
                    let declared = Declared { kind, name: name.clone(), version: version.clone() };
                    if self.declared.replace(declared).is_some() {
                        self.remark_on(&command, "one file declares one instance, this is another");
                    }
                }
                [keyword, key, values @ ..] if keyword == "Meta" => {
                    if values.len() > words_left {
                        self.remark_on(&command, "there are too many words");
                        return;
                    }
                    words_left -= values.len();
                    self.meta.entry(key.to_lowercase()).or_default().extend(values.iter().cloned());
                }
                _ => self.remark_on(&command, "it is no word of the format"),
            }
        }
    }

    fn remark_on(&mut self, command: &Command<'_>, why: &str) {
        self.remark(command.line, command.excerpt(), why);
    }

    fn remark(&mut self, line: u32, excerpt: String, why: &str) {
        if self.remarks.len() < MOST_REMARKS {
            self.remarks.push(Remark { line, excerpt, why: why.to_owned() });
        }
    }

    /// The words of a key as a Tcl list, as the index holds them.
    pub fn value(&self, key: &str) -> Option<String> {
        self.meta.get(key).map(super::tcl_list::write)
    }

    /// The one platform that a file must name.
    pub fn platform(&self) -> Option<&str> {
        match self.meta.get("platform").map(Vec::as_slice) {
            Some([platform]) => Some(platform),
            _ => None,
        }
    }

    /// Who wrote it, by its own account; more exact than the index, where text of archives may be damaged.
    pub fn authors(&self) -> Option<std::collections::BTreeSet<String>> {
        super::authors(self.value("as::author").as_deref(), self.value("author").as_deref())
    }

    /// In what the file contradicts the instance that it is listed as; `None` if in nothing, or if it says nothing.
    pub fn contradicts(&self, instance: &Instance) -> Option<String> {
        let declared = self.declared.as_ref()?;
        let says = Instance::new(
            // Old profiles were packages with a key.
            if self.meta.contains_key("profile") { Kind::Profile } else { declared.kind },
            &declared.name,
            &declared.version,
            self.platform().unwrap_or(&instance.platform),
        );
        match says {
            Ok(says) if says == *instance => None,
            Ok(says) => Some(format!("it is listed as {instance}, the file says {says}")),
            Err(why) => Some(format!("it is listed as {instance}, the file names {why}")),
        }
    }
}

/// The first block between the marks, without the comment signs.
fn header_of(script: &str) -> String {
    let mut lines = script.lines().skip_while(|line| !line.starts_with("# @@ Meta Begin"));
    lines.next();
    let mut header = String::new();
    for line in lines.take_while(|line| !line.starts_with("# @@ Meta End")) {
        if header.len() > LONGEST_HEADER {
            break;
        }
        header.push_str(line.trim_start_matches('#').trim_start());
        header.push('\n');
    }
    header
}

/// Checks the bytes of a file against the index, and then reads it.
pub fn examine(payload: &[u8], listed: &Signature) -> Result<Teabag, TeapotError> {
    listed.check(payload)?;
    Teabag::read(payload)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::super::LoadKind;
    use super::*;

    const GREET: &str = "# OPEN TEAPOT-PKG BEGIN TM -*- tcl -*-\n# -- Tcl Module\n\n# @@ Meta Begin\n# Package acme::greet 1.0\n\
        # Meta as::author  {Alice Example}\n# Meta author      {Alice Example <alice@example.test>}\n\
        # Meta description Says hello to a name, version 1.0 of the demonstration\n# Meta description package.\n\
        # Meta platform    tcl\n# Meta require     {Tcl 8.5}\n# Meta require     {acme::util 1.0}\n# @@ Meta End\n\n\
        package require Tcl 8.5\npackage provide acme::greet 1.0\n";

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_recorded_module_is_read_as_words() {
        let teabag = Teabag::read(GREET.as_bytes()).unwrap();
        assert_eq!(teabag.form, Form::Module);
        let declared = teabag.declared.as_ref().unwrap();
        assert_eq!((declared.kind, &*declared.name, &*declared.version), (Kind::Package, "acme::greet", "1.0"));
        assert_eq!(teabag.platform(), Some("tcl"));
        assert_eq!(teabag.value("require").unwrap(), "{Tcl 8.5} {acme::util 1.0}");
        assert!(teabag.value("description").unwrap().ends_with("of the demonstration package."));
        assert_eq!(teabag.authors().unwrap().len(), 2);
        assert_eq!((teabag.remarks.len(), teabag.load_facts.len()), (0, 0));
        let listed = Instance::new(Kind::Package, "acme::greet", "1.0", "tcl").unwrap();
        assert_eq!(teabag.contradicts(&listed), None);
        let other = Instance::new(Kind::Package, "acme::great", "1.0", "tcl").unwrap();
        assert!(teabag.contradicts(&other).unwrap().contains("the file says package acme::greet 1.0 tcl"));
        assert!(examine(GREET.as_bytes(), &Signature::of(GREET.as_bytes()).unwrap()).is_ok());
        assert!(examine(GREET.as_bytes(), &Signature::of(b"other").unwrap()).is_err());
    }

    #[test]
    fn an_archive_is_read_by_its_teapot_txt() {
        let header = "Package acme::zipzoe 1.0\nMeta as::author Zoë\nMeta platform linux-glibc2.3-x86_64\n";
        let archive = zip(&[
            ("teapot.txt", header.as_bytes()),
            ("pkgIndex.tcl", b"package ifneeded a 1 {\nexec id\n}"),
            ("doc/exec.txt", b"exec id"),
        ]);
        let teabag = Teabag::read(&archive).unwrap();
        assert_eq!((teabag.form, teabag.platform()), (Form::Zip, Some("linux-glibc2.3-x86_64")));
        assert_eq!(teabag.authors().unwrap().into_iter().next().unwrap(), "zoë");
        let [fact] = &*teabag.load_facts else { panic!("{:?}", teabag.load_facts) };
        assert_eq!((fact.file.as_deref(), fact.line, fact.kind), (Some("pkgIndex.tcl"), 2, LoadKind::Exec));
        assert!(Teabag::read(b"PK and nothing more").is_err());
        assert!(Teabag::read(&archive[..archive.len() - 30]).is_err());
        // A member that is larger than all that is read of an archive is left out.
        let bomb = zip(&[("a.tcl", &vec![b' '; 20 << 20]), ("teapot.txt", header.as_bytes())]);
        assert!(Teabag::read(&bomb).unwrap().declared.is_some());
    }

    #[test]
    fn nothing_of_a_header_is_evaluated() {
        let header = "# @@ Meta Begin\n# Package acme 1.0\n# Meta platform [exec uname]\n# Meta author $env(USER)\n\
            # Meta summary one; exec two\n# Meta description {a; [b] $c}\n# Meta license a\\ b\n# @@ Meta End\n";
        let teabag = Teabag::read(header.as_bytes()).unwrap();
        assert_eq!(teabag.platform(), None);
        assert_eq!(teabag.value("author"), None);
        assert_eq!(teabag.meta["summary"], ["one"]);
        assert_eq!(teabag.meta["description"], ["a; [b] $c"]);
        assert_eq!(teabag.meta["license"], ["a b"]);
        let lines: Vec<_> = teabag.remarks.iter().map(|remark| (remark.line, &*remark.excerpt)).collect();
        assert_eq!(lines, [(2, "Meta platform [exec uname]"), (3, "Meta author $env(USER)"), (4, "exec two")]);
    }

    #[test]
    fn a_starkit_is_read_up_to_its_file_system() {
        let teabag = Teabag::read(&[GREET.as_bytes(), b"\x1aJL\0\0binary exec"].concat()).unwrap();
        assert_eq!(teabag.form, Form::Other);
        assert!(teabag.declared.is_some());
        assert_eq!(Teabag::read(b"\x7fELF\0\0\0").unwrap().form, Form::Other);
        assert_eq!(Teabag::read(b"").unwrap().declared, None);
    }

    #[test]
    fn an_old_profile_is_a_profile() {
        let header = "# @@ Meta Begin\n# Package all 1.0\n# Meta platform tcl\n# Meta profile\n# @@ Meta End\n";
        let listed = Instance::new(Kind::Profile, "all", "1.0", "tcl").unwrap();
        assert_eq!(Teabag::read(header.as_bytes()).unwrap().contradicts(&listed), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..400) {
            let _ = Teabag::read(&bytes);
            let _ = Teabag::read(&[b"PK".as_slice(), &bytes].concat());
            let archive = zip(&[("teapot.txt", b"Package a 1"), ("b.tcl", &bytes)]);
            let mut broken = archive.clone();
            for (at, byte) in bytes.iter().enumerate() {
                let place = (at * 7 + cut) % broken.len();
                broken[place] ^= byte & 1;
            }
            let _ = Teabag::read(&broken);
            let _ = Teabag::read(&archive[..cut.min(archive.len())]);
        }
    }
}
