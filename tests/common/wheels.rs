//! Small real wheels, made to order: pip, uv and poetry install them.

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use lazaret::domain::Sha256;
use sha2::{Digest as _, Sha256 as Hasher};
use zip::write::SimpleFileOptions;

/// A package file and what an index says of it.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// Its name.
    pub(crate) filename: String,
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// The METADATA inside a wheel; sdists have none that counts.
    pub(crate) metadata: Option<Bytes>,
}

impl Built {
    /// The name of its bytes.
    pub(crate) fn sha256(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }
}

/// An order for a wheel.
#[derive(Debug, Clone)]
pub(crate) struct Wheel {
    name: String,
    version: String,
    requires_dist: Vec<String>,
    says: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    metadata: Option<String>,
    tag: &'static str,
}

impl Wheel {
    /// A pure Python wheel with one module, `NAME.py`, which knows its version.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let module = name.replace('-', "_");
        let code = format!("VERSION = {version:?}\n").into_bytes();
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            requires_dist: Vec::new(),
            says: Vec::new(),
            files: vec![(format!("{module}.py"), code)],
            metadata: None,
            tag: "py3-none-any",
        }
    }

    /// Adds a requirement.
    pub(crate) fn requires(mut self, requirement: &str) -> Self {
        self.requires_dist.push(requirement.to_owned());
        self
    }

    /// Adds a line to METADATA.
    pub(crate) fn says(mut self, line: &str) -> Self {
        self.says.push(line.to_owned());
        self
    }

    /// Adds a file.
    pub(crate) fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Adds so many bytes that do not compress, for what happens only to large bodies.
    pub(crate) fn padded(self, bytes: usize) -> Self {
        let module = self.name.replace('-', "_");
        self.file(&format!("{module}_data.bin"), noise(bytes))
    }

    /// Says something else in METADATA than is true.
    pub(crate) fn with_metadata(mut self, text: &str) -> Self {
        self.metadata = Some(text.to_owned());
        self
    }

    /// For another platform: the same version may have several wheels.
    pub(crate) fn tagged(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// Makes it.
    pub(crate) fn build(&self) -> Built {
        let stem = format!("{}-{}", self.name.replace('-', "_"), self.version);
        let info = format!("{stem}.dist-info");
        let metadata = self.metadata.clone().unwrap_or_else(|| self.true_metadata());
        let wheel = format!("Wheel-Version: 1.0\nGenerator: lazaret-tests\nRoot-Is-Purelib: true\nTag: {}\n", self.tag);
        let mut entries = self.files.clone();
        entries.push((format!("{info}/METADATA"), metadata.clone().into_bytes()));
        entries.push((format!("{info}/WHEEL"), wheel.into_bytes()));
        entries.push((format!("{info}/RECORD"), record(&entries, &info).into_bytes()));

        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in &entries {
            zip.start_file(path.as_str(), SimpleFileOptions::default()).expect("a new entry");
            zip.write_all(bytes).expect("writing to memory");
        }
        let bytes = zip.finish().expect("a finished zip").into_inner();
        Built {
            filename: format!("{stem}-{}.whl", self.tag),
            bytes: bytes.into(),
            metadata: Some(metadata.into_bytes().into()),
        }
    }

    fn true_metadata(&self) -> String {
        let mut text = format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", self.name, self.version);
        for requirement in &self.requires_dist {
            text.push_str(&format!("Requires-Dist: {requirement}\n"));
        }
        for line in &self.says {
            text.push_str(&format!("{line}\n"));
        }
        text
    }
}

fn record(entries: &[(String, Vec<u8>)], info: &str) -> String {
    let mut record = String::new();
    for (path, bytes) in entries {
        let digest = BASE64URL_NOPAD.encode(&Hasher::digest(bytes));
        record.push_str(&format!("{path},sha256={digest},{}\n", bytes.len()));
    }
    record.push_str(&format!("{info}/RECORD,,\n"));
    record
}

/// Bytes without a pattern, the same every time.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| step().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

#[test]
fn a_wheel_is_the_same_every_time_and_holds_what_was_ordered() {
    let order = Wheel::new("demo-pkg", "1.0").requires("child==2.0").padded(100_000);
    let wheel = order.build();
    assert_eq!(wheel.bytes, order.build().bytes);
    assert_eq!(wheel.filename, "demo_pkg-1.0-py3-none-any.whl");
    assert!(wheel.bytes.len() > 100_000, "noise does not compress");
    let mut zip = zip::ZipArchive::new(Cursor::new(wheel.bytes)).expect("a zip");
    let mut metadata = String::new();
    let mut entry = zip.by_name("demo_pkg-1.0.dist-info/METADATA").expect("METADATA");
    std::io::Read::read_to_string(&mut entry, &mut metadata).expect("text");
    assert!(metadata.contains("Requires-Dist: child==2.0"));
}
