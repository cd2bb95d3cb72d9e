//! Bills of materials in JSON, [CycloneDX](https://cyclonedx.org/docs/1.6/json/) and
//! [SPDX](https://spdx.github.io/spdx-spec/v2.3/), as far as they name files of PyPI by their SHA-256.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::address::decoded;
use super::text::shown;
use crate::domain::{Project, ProjectName, Sha256, Version};

/// Largest bill read, in bytes. Parsed, the worst of this size takes some 500 MB.
pub const LARGEST_BILL: usize = 16 << 20;

/// Most components, and most hashes or references of one.
const MOST: usize = 100_000;

/// Most remarks.
const MOST_REMARKS: usize = 1_000;

/// What a bill says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sbom {
    /// The packages of PyPI with at least one SHA-256, in the order of the bill.
    pub components: Vec<Component>,
    /// What was not understood, each on one printable line.
    pub remarks: Vec<String>,
}

/// A package of PyPI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Which project.
    pub project: Project,
    /// In which version, if it is said.
    pub version: Option<Version>,
    /// What its files' bytes are.
    pub sha256s: Vec<Sha256>,
}

/// Why a bill is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Larger than is read.
    #[error("{0} has more than {limit} MiB: split it", limit = LARGEST_BILL >> 20)]
    TooLarge(String),
    /// Not JSON, or not of this shape.
    #[error("{file} cannot be read as a bill of materials: {why}")]
    Shape {
        /// Which file.
        file: String,
        /// Where, and what is wrong.
        why: String,
    },
    /// JSON of something else.
    #[error("{0} is neither CycloneDX (bomFormat) nor SPDX (spdxVersion) in JSON")]
    Unknown(String),
}

/// Whether a file looks like JSON, as no lock file does.
pub fn is_json(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Reads a bill; `name` is what messages call it.
pub fn read(name: &str, bytes: &[u8]) -> Result<Sbom, SbomError> {
    let file = shown(name);
    if bytes.len() > LARGEST_BILL {
        return Err(SbomError::TooLarge(file));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| SbomError::Shape { file: file.clone(), why: shown(&error.to_string()) })?;
    let mut sbom = Sbom::default();
    match (&document.bom_format, &document.spdx_version) {
        (Some(format), _) if format == "CycloneDX" => of_cyclone_dx(document.components, &mut sbom),
        (_, Some(version)) if version.starts_with("SPDX-2") => of_spdx(document.packages, &mut sbom),
        _ => return Err(SbomError::Unknown(file)),
    }
    Ok(sbom)
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default, rename = "bomFormat")]
    bom_format: Option<String>,
    #[serde(default)]
    components: AtMost<CycloneDx>,
    #[serde(default, rename = "spdxVersion")]
    spdx_version: Option<String>,
    #[serde(default)]
    packages: AtMost<Spdx>,
}

#[derive(Debug, Deserialize)]
struct CycloneDx {
    #[serde(default)]
    purl: Option<Box<str>>,
    #[serde(default)]
    hashes: AtMost<Hash>,
    #[serde(default, rename = "externalReferences")]
    references: AtMost<Reference>,
    #[serde(default)]
    components: AtMost<Self>,
}

/// `CycloneDX` says `alg` and `content`, SPDX says `algorithm` and `checksumValue`.
#[derive(Debug, Deserialize)]
struct Hash {
    #[serde(alias = "algorithm")]
    alg: Box<str>,
    #[serde(alias = "checksumValue")]
    content: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(default, rename = "type")]
    kind: Box<str>,
    #[serde(default)]
    hashes: AtMost<Hash>,
}

#[derive(Debug, Deserialize)]
struct Spdx {
    #[serde(default)]
    checksums: AtMost<Hash>,
    #[serde(default, rename = "externalRefs")]
    references: AtMost<SpdxReference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxReference {
    #[serde(default)]
    reference_type: Box<str>,
    #[serde(default)]
    reference_locator: Box<str>,
}

/// A list with an end.
#[derive(Debug)]
struct AtMost<T>(Vec<T>);

impl<T> Default for AtMost<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtMost<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counting(PhantomData))
    }
}

struct Counting<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Counting<T> {
    type Value = AtMost<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AtMost<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::custom(format_args!("a list has more than {MOST} items")));
            }
            list.push(item);
        }
        Ok(AtMost(list))
    }
}

fn of_cyclone_dx(components: AtMost<CycloneDx>, sbom: &mut Sbom) {
    // Components have components; the parser goes 128 deep.
    let mut rest: Vec<CycloneDx> = components.0;
    rest.reverse();
    while let Some(component) = rest.pop() {
        let files = component.references.0.iter().filter(|reference| &*reference.kind == "distribution");
        let hashes = component.hashes.0.iter().chain(files.flat_map(|reference| &reference.hashes.0));
        take(component.purl.as_deref().into_iter(), hashes, sbom);
        rest.extend(component.components.0.into_iter().rev());
    }
}

fn of_spdx(packages: AtMost<Spdx>, sbom: &mut Sbom) {
    for package in packages.0 {
        let purls = package.references.0.iter().filter(|reference| &*reference.reference_type == "purl");
        take(purls.map(|reference| &*reference.reference_locator), package.checksums.0.iter(), sbom);
    }
}

/// What a package URL says.
enum Named {
    Pypi(ProjectName, Option<Version>),
    /// Of another ecosystem.
    Other,
    Unreadable,
}

fn take<'a>(purls: impl Iterator<Item = &'a str>, hashes: impl Iterator<Item = &'a Hash>, sbom: &mut Sbom) {
    let mut remark = |text: String| {
        if sbom.remarks.len() < MOST_REMARKS {
            sbom.remarks.push(text);
        }
    };
    let mut named = None;
    for purl in purls {
        match read_purl(purl) {
            Named::Pypi(name, version) => named = Some((purl, name, version)),
            Named::Other => {}
            Named::Unreadable => remark(format!("{} names no package: not read", shown(purl))),
        }
    }
    let Some((purl, name, version)) = named else { return };
    let is_sha256 = |hash: &&Hash| hash.alg.eq_ignore_ascii_case("SHA-256") || hash.alg.eq_ignore_ascii_case("SHA256");
    let mut sha256s: Vec<Sha256> = hashes.filter(is_sha256).filter_map(|hash| hash.content.parse().ok()).collect();
    sha256s.sort_unstable();
    sha256s.dedup();
    if sha256s.is_empty() {
        remark(format!("{} has no SHA-256: not read", shown(purl)));
    } else {
        sbom.components.push(Component { project: Project::pypi(name), version, sha256s });
    }
}

/// Reads a [package URL](https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst): `pkg:pypi/six@1.16.0`.
fn read_purl(purl: &str) -> Named {
    let path = purl.split(['?', '#']).next().unwrap_or(purl);
    let rest = match path.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("pkg:") => {
            path.get(4..).unwrap_or_default().trim_start_matches('/')
        }
        _ => return Named::Unreadable,
    };
    let Some((kind, rest)) = rest.split_once('/') else { return Named::Unreadable };
    if !kind.eq_ignore_ascii_case("pypi") {
        return Named::Other;
    }
    let (name, version) = rest.split_once('@').map_or((rest, None), |(name, version)| (name, Some(version)));
    let name = decoded(name.trim_matches('/')).and_then(|name| ProjectName::pypi(&name).ok());
    let version = version.map(|version| decoded(version).and_then(|version| Version::pypi(&version).ok()));
    match (name, version) {
        (Some(name), None) => Named::Pypi(name, None),
        (Some(name), Some(Some(version))) => Named::Pypi(name, Some(version)),
        _ => Named::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn digest(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn told(sbom: &Sbom) -> Vec<String> {
        let one = |component: &Component| {
            let version = component.version.as_ref().map(|version| format!("=={version}")).unwrap_or_default();
            let hashes: String = component.sha256s.iter().filter_map(|hash| hash.to_string().chars().next()).collect();
            format!("{}{version} {hashes}", component.project)
        };
        sbom.components.iter().map(one).collect()
    }

    #[test]
    fn both_formats_name_files_by_their_hashes() {
        let cyclone = json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
                {"type": "library", "name": "six", "purl": "pkg:pypi/Six@1.16.0?file_name=six.whl",
                 "hashes": [{"alg": "SHA-256", "content": digest('a')}, {"alg": "MD5", "content": "00"}],
                 "components": [{"purl": "pkg:pypi/in-it@1", "hashes": [{"alg": "SHA-256", "content": digest('b')}]}]},
                {"purl": "pkg:pypi/torch@2.0%2Bcpu", "externalReferences": [
                    {"type": "distribution", "url": "x", "hashes": [{"alg": "SHA-256", "content": digest('c')}]},
                    {"type": "vcs", "url": "x", "hashes": [{"alg": "SHA-256", "content": digest('d')}]}]},
                {"purl": "pkg:npm/left-pad@1.0.0", "hashes": [{"alg": "SHA-256", "content": digest('e')}]},
                {"purl": "pkg:pypi/bare@1.0"},
                {"name": "no purl"},
            ],
        });
        let sbom = read("bom.json", cyclone.to_string().as_bytes()).unwrap();
        assert_eq!(told(&sbom), ["pypi:six==1.16.0 a", "pypi:in-it==1 b", "pypi:torch==2.0+cpu c"]);
        assert_eq!(sbom.remarks, ["pkg:pypi/bare@1.0 has no SHA-256: not read"]);

        let spdx = json!({
            "spdxVersion": "SPDX-2.3", "packages": [
                {"name": "six", "checksums": [{"algorithm": "SHA256", "checksumValue": digest('A')}],
                 "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                   "referenceLocator": "pkg:pypi/six@1.16.0"}]},
                {"name": "none"},
            ],
        });
        assert_eq!(told(&read("bom.json", spdx.to_string().as_bytes()).unwrap()), ["pypi:six==1.16.0 a"]);
    }

    #[test]
    fn what_is_no_bill_is_refused_in_words() {
        let deep = format!("{{\"bomFormat\":\"CycloneDX\",\"components\":{}", "[{\"components\":".repeat(500));
        let many = format!("{{\"bomFormat\":\"CycloneDX\",\"components\":[{}{{}}]}}", "{},".repeat(MOST));
        for (text, why) in [
            ("{}", "neither CycloneDX"),
            ("{\"bomFormat\":\"CycloneDX\",\"components\":{}}", "expected a list"),
            ("{\"bomFormat\":", "EOF"),
            ("{\"spdxVersion\":\"SPDX-3.0\"}", "neither CycloneDX"),
            (&deep, "recursion limit"),
            (&many, "more than 100000 items"),
        ] {
            let error = read("bom\u{1b}.json", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains('\u{1b}'), "{error}");
        }
        assert!(matches!(read("a", &vec![b' '; LARGEST_BILL + 1]), Err(SbomError::TooLarge(_))));
        assert!(is_json(b"\xef\xbb\xbf \n{") && !is_json(b"six==1.0") && !is_json(b""));
    }

    #[test]
    fn a_package_url_names_a_project_or_nothing() {
        for (purl, name) in [
            ("pkg:pypi/six@1.16.0", Some("six")),
            ("PKG:PyPI/a_b", Some("a-b")),
            ("pkg:pypi/six@1.16.0#sub", Some("six")),
            ("pkg:pypi/a%2Fb@1", None),
            ("pkg:pypi/@1", None),
            ("pkg:pypi/six@one", None),
            ("six", None),
        ] {
            let found = match read_purl(purl) {
                Named::Pypi(name, _) => Some(name.as_str().to_owned()),
                Named::Other | Named::Unreadable => None,
            };
            assert_eq!(found.as_deref(), name, "{purl}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(purl in "(pkg:pypi/)?.{0,30}", bytes in any::<Vec<u8>>()) {
            let _ = (read_purl(&purl), read("a", &bytes), is_json(&bytes));
        }
    }
}
