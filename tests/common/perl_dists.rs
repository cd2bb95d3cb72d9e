//! Small real CPAN distributions, made to order: cpanm, cpan and carton install them without any other package.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::sdists::MARKER;
use super::wheels::{Built, noise};

/// A perl without it would install nothing at all.
const BUILDER: &str = "ExtUtils::MakeMaker";

/// An order for a distribution.
#[derive(Debug, Clone)]
pub(crate) struct PerlDist {
    name: String,
    version: String,
    packages: Vec<(String, String)>,
    requires: Vec<(&'static str, String, String)>,
    author: String,
    script: String,
    meta: bool,
    files: Vec<(String, Vec<u8>)>,
}

impl PerlDist {
    /// `Acme-Greet` has one module, `Acme::Greet` in `lib/Acme/Greet.pm`, which knows its version.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            packages: vec![(name.replace('-', "::"), version.to_owned())],
            requires: Vec::new(),
            author: "A. Sailor <sailor@example.test>".to_owned(),
            script: String::new(),
            meta: true,
            files: Vec::new(),
        }
    }

    /// Ships another package in a file of its own, whomever it belongs to.
    pub(crate) fn package(mut self, package: &str, version: &str) -> Self {
        self.packages.push((package.to_owned(), version.to_owned()));
        self
    }

    /// Runs only with this.
    pub(crate) fn requires(self, module: &str, version: &str) -> Self {
        self.needs("runtime", module, version)
    }

    /// Its `Makefile.PL` runs only with this.
    pub(crate) fn configure_requires(self, module: &str, version: &str) -> Self {
        self.needs("configure", module, version)
    }

    fn needs(mut self, phase: &'static str, module: &str, version: &str) -> Self {
        self.requires.push((phase, module.to_owned(), version.to_owned()));
        self
    }

    /// What META says of its author; the uploader is another matter.
    pub(crate) fn by(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    /// Perl that `Makefile.PL` runs before anything else.
    pub(crate) fn script(mut self, perl: &str) -> Self {
        self.script.push_str(perl);
        self.script.push('\n');
        self
    }

    /// `Makefile.PL` writes `NAME-VERSION` into the file that [`MARKER`] names, whenever it runs.
    pub(crate) fn leaving_a_mark(self) -> Self {
        let mark = format!(
            "open my $mark, '>>', $ENV{{{MARKER}}} or die \"no mark: $!\";\nprint {{$mark}} \"{}\\n\";\nclose $mark;",
            self.stem()
        );
        self.script(&mark)
    }

    /// Without META.json: PAUSE would not index it.
    pub(crate) fn without_meta(mut self) -> Self {
        self.meta = false;
        self
    }

    /// Adds a file, after all others.
    pub(crate) fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Adds so many bytes that do not compress, after all others: where a tarball breaks off in the middle of them,
    /// everything that installs has arrived (protocols/cpan.md, section 11).
    pub(crate) fn padded(self, bytes: usize) -> Self {
        self.file("share/padding.bin", noise(bytes))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// What it provides: package and version, its main package first.
    pub(crate) fn provides(&self) -> &[(String, String)] {
        &self.packages
    }

    /// `Acme-Greet-1.0`.
    pub(crate) fn stem(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// What it says of itself to people.
    pub(crate) fn readme(&self) -> String {
        format!("{} version {}\n\nA made-up distribution.\n", self.name, self.version)
    }

    /// Its META.json; none if it goes without.
    pub(crate) fn meta(&self) -> Option<Bytes> {
        self.meta.then(|| {
            let mut text = serde_json::to_vec_pretty(&self.meta_json()).expect("JSON");
            text.push(b'\n');
            text.into()
        })
    }

    fn meta_json(&self) -> Value {
        let phase = |phase: &str, always: &str| {
            let needed = self.requires.iter().filter(|(of, _, _)| *of == phase);
            let needed = needed.map(|(_, module, version)| (module.clone(), json!(version)));
            json!({"requires": needed.chain([(always.to_owned(), json!("0"))]).collect::<Map<_, _>>()})
        };
        let provides = self.packages.iter();
        let provides = provides.map(|(name, version)| (name.clone(), json!({"file": path(name), "version": version})));
        json!({
            "abstract": "a made-up distribution",
            "author": [self.author],
            "dynamic_config": 0,
            "generated_by": "lazaret's tests",
            "license": ["perl_5"],
            "meta-spec": {"version": 2},
            "name": self.name,
            "prereqs": {
                "configure": phase("configure", BUILDER),
                "runtime": phase("runtime", "strict"),
                "test": phase("test", "Test::More"),
            },
            "provides": provides.collect::<Map<_, _>>(),
            "release_status": "stable",
            "version": self.version,
        })
    }

    /// Makes it: the same bytes every time.
    pub(crate) fn build(&self) -> Built {
        let main = &self.packages[0].0;
        let mut entries = vec![("Makefile.PL".to_owned(), self.makefile().into_bytes())];
        let modules = self.packages.iter().map(|(name, version)| (path(name), module(name, version).into_bytes()));
        entries.extend(modules);
        let test = format!("use strict;\nuse Test::More tests => 1;\n\nuse_ok('{main}');\n");
        entries.push(("t/basic.t".to_owned(), test.into_bytes()));
        entries.push(("README".to_owned(), self.readme().into_bytes()));
        if let Some(meta) = self.meta() {
            entries.push(("META.json".to_owned(), meta.to_vec()));
        }
        entries.extend(self.files.iter().cloned());
        let manifest: String = entries.iter().map(|(path, _)| format!("{path}\n")).collect();
        entries.insert(1, ("MANIFEST".to_owned(), format!("MANIFEST\n{manifest}").into_bytes()));
        Built {
            filename: format!("{}.tar.gz", self.stem()),
            bytes: tar_gz(&self.stem(), &entries),
            metadata: self.meta(),
        }
    }

    fn makefile(&self) -> String {
        let prereqs: String = self
            .requires
            .iter()
            .filter(|(phase, _, _)| *phase == "runtime")
            .map(|(_, module, version)| format!("        '{module}' => '{version}',\n"))
            .collect();
        format!(
            "use strict;\nuse warnings;\n{script}use {BUILDER};\n\nWriteMakefile(\n    NAME => '{main}',\n    \
             VERSION_FROM => '{file}',\n    PREREQ_PM => {{\n{prereqs}    }},\n);\n",
            script = self.script,
            main = self.packages[0].0,
            file = path(&self.packages[0].0),
        )
    }
}

/// Breaks off in the middle.
pub(crate) fn truncated(built: &Built) -> Bytes {
    built.bytes.slice(..built.bytes.len() / 2)
}

/// `Acme::Greet` lives in `lib/Acme/Greet.pm`.
fn path(package: &str) -> String {
    format!("lib/{}.pm", package.replace("::", "/"))
}

fn module(package: &str, version: &str) -> String {
    format!(
        "package {package};\n\nuse strict;\nuse warnings;\n\nour $VERSION = '{version}';\n\n\
         sub greeting {{ return \"ahoy from {package} {version}\" }}\n\n1;\n\n__END__\n\n\
         =head1 NAME\n\n{package} - a made-up module\n\n=cut\n"
    )
}

fn tar_gz(top: &str, entries: &[(String, Vec<u8>)]) -> Bytes {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_000_000_000);
        tar.append_data(&mut header, format!("{top}/{path}"), bytes.as_slice()).expect("writing to memory");
    }
    let mut gzip = tar.into_inner().expect("a finished tar");
    gzip.flush().expect("writing to memory");
    gzip.finish().expect("a finished gzip").into()
}

#[test]
fn a_distribution_is_the_same_every_time_and_holds_what_was_ordered() {
    let order = PerlDist::new("Acme-Greet", "1.0")
        .package("Acme::Greet::Loudly", "0.5")
        .requires("Acme::Words", "0.5")
        .configure_requires("Acme::Tools", "2")
        .by("Somebody Else <else@example.test>")
        .script("print \"hello\\n\";")
        .leaving_a_mark()
        .file("eg/example.pl", "1;\n")
        .padded(100_000);
    let built = order.build();
    assert_eq!(built.bytes, order.build().bytes);
    assert_eq!(built.filename, "Acme-Greet-1.0.tar.gz");
    assert_eq!(truncated(&built).len(), built.bytes.len() / 2);

    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&built.bytes[..]));
    let paths: Vec<String> = tar
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("an entry").path().expect("a path").display().to_string())
        .collect();
    assert_eq!(paths[0], "Acme-Greet-1.0/Makefile.PL", "what runs comes before what may be cut off");
    assert!(paths.contains(&"Acme-Greet-1.0/lib/Acme/Greet/Loudly.pm".to_owned()), "{paths:?}");
    let meta: Value = serde_json::from_slice(&order.meta().expect("a META.json")).expect("JSON");
    assert_eq!(meta["prereqs"]["runtime"]["requires"]["Acme::Words"], "0.5");
    assert_eq!(meta["prereqs"]["configure"]["requires"]["Acme::Tools"], "2");
    assert_eq!(meta["provides"]["Acme::Greet"]["version"], "1.0");
    assert_eq!(meta["author"][0], "Somebody Else <else@example.test>");
    assert!(order.without_meta().build().metadata.is_none());
}
