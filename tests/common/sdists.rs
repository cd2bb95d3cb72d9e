//! Small real sdists whose `setup.py` tells that it ran: it writes the file that `LAZARET_TEST_MARKER` names.

use std::io::Write as _;

use bytes::Bytes;

use super::wheels::Built;

/// The variable that names the file which a running `setup.py` writes.
pub(crate) const MARKER: &str = "LAZARET_TEST_MARKER";

/// An order for an sdist.
#[derive(Debug, Clone)]
pub(crate) struct Sdist {
    name: String,
    version: String,
    requires_dist: Vec<String>,
}

impl Sdist {
    /// An sdist that builds without any other package: `setup.py` is its own build backend.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self { name: name.to_owned(), version: version.to_owned(), requires_dist: Vec::new() }
    }

    /// Adds a requirement.
    pub(crate) fn requires(mut self, requirement: &str) -> Self {
        self.requires_dist.push(requirement.to_owned());
        self
    }

    /// Makes it.
    pub(crate) fn build(&self) -> Built {
        let module = self.name.replace('-', "_");
        let stem = format!("{module}-{}", self.version);
        let mut metadata = format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", self.name, self.version);
        for requirement in &self.requires_dist {
            metadata.push_str(&format!("Requires-Dist: {requirement}\n"));
        }
        let setup = SETUP
            .replace("@METADATA@", &metadata.replace('\n', "\\n"))
            .replace("@STEM@", &stem)
            .replace("@MODULE@", &module)
            .replace("@VERSION@", &self.version);
        let entries = [
            ("PKG-INFO", metadata.as_str()),
            ("pyproject.toml", "[build-system]\nrequires = []\nbuild-backend = \"setup\"\nbackend-path = [\".\"]\n"),
            ("setup.py", setup.as_str()),
        ];
        Built { filename: format!("{stem}.tar.gz"), bytes: tar_gz(&stem, &entries), metadata: None }
    }
}

fn tar_gz(stem: &str, entries: &[(&str, &str)]) -> Bytes {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_000_000_000);
        tar.append_data(&mut header, format!("{stem}/{path}"), text.as_bytes()).expect("writing to memory");
    }
    let bytes = tar.into_inner().expect("a finished tar");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).expect("writing to memory");
    gzip.finish().expect("a finished gzip").into()
}

/// A build backend in forty lines, which says that it ran before it does anything else.
const SETUP: &str = r#"import base64
import hashlib
import os
import zipfile

if os.environ.get("LAZARET_TEST_MARKER"):
    with open(os.environ["LAZARET_TEST_MARKER"], "a") as marker:
        marker.write("setup.py of @STEM@ ran\n")

METADATA = "@METADATA@"
WHEEL = "Wheel-Version: 1.0\nGenerator: lazaret-tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = os.path.join(metadata_directory, "@STEM@.dist-info")
    os.makedirs(info)
    for name, text in (("METADATA", METADATA), ("WHEEL", WHEEL)):
        with open(os.path.join(info, name), "w") as file:
            file.write(text)
    return "@STEM@.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "@STEM@-py3-none-any.whl"
    entries = {
        "@MODULE@.py": "VERSION = '@VERSION@'\n",
        "@STEM@.dist-info/METADATA": METADATA,
        "@STEM@.dist-info/WHEEL": WHEEL,
    }
    record = ""
    for path, text in entries.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\n" % (path, digest, len(text))
    entries["@STEM@.dist-info/RECORD"] = record + "@STEM@.dist-info/RECORD,,\n"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, text in entries.items():
            wheel.writestr(path, text)
    return name
"#;
