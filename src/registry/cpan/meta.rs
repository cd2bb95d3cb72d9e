//! `.meta`, `META.json` and `META.yml`: what a distribution says of itself
//! ([CPAN::Meta::Spec](https://perldoc.perl.org/CPAN::Meta::Spec), versions 1.x and 2). All of it is the author's word.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CatalogError, yaml};

const DOCUMENT: &str = "META";

/// Largest file; distributions with ten thousand packages have two megabytes.
const LARGEST_META: usize = 8 * 1024 * 1024;

/// Most values in it.
const MOST_VALUES: usize = 500_000;

/// Most packages, and most requirements, that are kept.
const MOST_ROWS: usize = 50_000;

/// Most authors that are kept.
const MOST_AUTHORS: usize = 200;

/// Characters kept of a text.
const LONGEST_TEXT: usize = 500;

/// Folders whose packages nobody expects in the index.
const USUAL_FOLDERS: [&str; 16] = [
    "t", "xt", "inc", "eg", "ex", "example", "examples", "share", "corpus", "local", "perl5", "fatlib", "author",
    "demo", "bin", "script",
];

/// What a distribution says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DistMeta {
    /// `Foo-Bar`.
    pub name: String,
    /// `1.02`.
    pub version: String,
    /// Packages and their versions; a package without one has `undef`.
    pub provides: Vec<(String, String)>,
    /// Phase (`configure`, `build`, `test`, `runtime`, `develop`), relationship (`requires`, `recommends`, `suggests`, `conflicts`), module
    /// and requirement.
    pub requires: Vec<(String, String, String, String)>,
    /// As written.
    pub authors: Vec<String>,
    /// The repository's address; a page for people only where there is no other.
    pub repository: Option<String>,
    /// Who has authority, `cpan:ETHER`. It does not follow the uploader.
    pub x_authority: Option<String>,
    /// The tool that wrote it.
    pub generated_by: Option<String>,
    /// Whether it hides packages from the index, other than in folders like `t` and `inc`.
    pub no_index: bool,
}

impl DistMeta {
    /// Reads either form.
    pub fn read(bytes: &[u8]) -> Result<Self, CatalogError> {
        if bytes.len() > LARGEST_META {
            return Err(CatalogError::TooLarge { what: "META in bytes", limit: LARGEST_META });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value = if bytes.trim_ascii_start().starts_with(b"{") {
            // No value is without a comma, a colon or a bracket beside it.
            let values = bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
            if values > MOST_VALUES {
                return Err(CatalogError::TooLarge { what: "values in META", limit: MOST_VALUES });
            }
            serde_json::from_slice(bytes).map_err(|source| CatalogError::Json { document: DOCUMENT, source })?
        } else {
            // Some tools of old wrote Latin-1.
            yaml::read(&String::from_utf8_lossy(bytes), DOCUMENT)?
        };
        let Value::Object(meta) = value else {
            return Err(CatalogError::NotThisDocument { document: DOCUMENT, why: "it is no table of keys and values" });
        };
        Self::of(&meta)
    }

    fn of(meta: &Map<String, Value>) -> Result<Self, CatalogError> {
        let text = |key: &str| meta.get(key).and_then(text_of);
        let name = text("name").filter(|name| !name.is_empty());
        Ok(Self {
            name: name.ok_or(CatalogError::NotThisDocument { document: DOCUMENT, why: "it has no name" })?,
            version: text("version").unwrap_or_default(),
            provides: provides_of(meta)?,
            requires: requires_of(meta)?,
            authors: authors_of(meta),
            repository: meta.get("resources").and_then(repository_of),
            x_authority: text("x_authority"),
            generated_by: text("generated_by"),
            no_index: meta.get("no_index").or_else(|| meta.get("private")).is_some_and(hides_packages),
        })
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.chars().take(LONGEST_TEXT).collect()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn provides_of(meta: &Map<String, Value>) -> Result<Vec<(String, String)>, CatalogError> {
    let Some(Value::Object(provides)) = meta.get("provides") else { return Ok(Vec::new()) };
    if provides.len() > MOST_ROWS {
        return Err(CatalogError::TooLarge { what: "packages in META", limit: MOST_ROWS });
    }
    let version = |package: &Value| package.get("version").and_then(text_of).unwrap_or_else(|| "undef".to_owned());
    Ok(provides.iter().map(|(name, package)| (short(name), version(package))).collect())
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

/// Version 2 has `prereqs`; the versions before have a table for each of their few phases.
fn requires_of(meta: &Map<String, Value>) -> Result<Vec<(String, String, String, String)>, CatalogError> {
    const OLD: [(&str, &str, &str); 6] = [
        ("configure_requires", "configure", "requires"),
        ("build_requires", "build", "requires"),
        ("test_requires", "test", "requires"),
        ("requires", "runtime", "requires"),
        ("recommends", "runtime", "recommends"),
        ("conflicts", "runtime", "conflicts"),
    ];
    let mut tables: Vec<(&str, &str, &Map<String, Value>)> = Vec::new();
    if let Some(Value::Object(phases)) = meta.get("prereqs") {
        for (phase, relationships) in phases.iter().take(MOST_AUTHORS) {
            for (relationship, modules) in relationships.as_object().into_iter().flatten().take(MOST_AUTHORS) {
                tables.extend(modules.as_object().map(|modules| (&**phase, &**relationship, modules)));
            }
        }
    } else {
        for (key, phase, relationship) in OLD {
            tables.extend(meta.get(key).and_then(Value::as_object).map(|modules| (phase, relationship, modules)));
        }
    }
    let mut requires = Vec::new();
    for (phase, relationship, modules) in tables {
        for (module, requirement) in modules {
            if requires.len() == MOST_ROWS {
                return Err(CatalogError::TooLarge { what: "requirements in META", limit: MOST_ROWS });
            }
            let requirement = text_of(requirement).unwrap_or_else(|| "0".to_owned());
            requires.push((short(phase), short(relationship), short(module), requirement));
        }
    }
    Ok(requires)
}

fn authors_of(meta: &Map<String, Value>) -> Vec<String> {
    match meta.get("author").or_else(|| meta.get("authors")) {
        Some(Value::Array(authors)) => authors.iter().filter_map(text_of).take(MOST_AUTHORS).collect(),
        Some(author) => text_of(author).into_iter().collect(),
        None => Vec::new(),
    }
}

fn repository_of(resources: &Value) -> Option<String> {
    let repository = resources.get("repository")?;
    text_of(repository).or_else(|| ["url", "web"].iter().find_map(|key| repository.get(key).and_then(text_of)))
}

/// `package`, `namespace` and `file` hide something; `directory` only if the folder is not one of the usual.
fn hides_packages(no_index: &Value) -> bool {
    let names = |key: &str| -> Vec<String> {
        match no_index.get(key) {
            Some(Value::Array(names)) => names.iter().filter_map(text_of).collect(),
            Some(name) => text_of(name).into_iter().collect(),
            None => Vec::new(),
        }
    };
    let is_unusual = |folder: &String| {
        let first = folder.trim_start_matches("./").split('/').next().unwrap_or_default().to_ascii_lowercase();
        !USUAL_FOLDERS.contains(&&*first)
    };
    ["package", "namespace", "file"].iter().any(|key| !names(key).is_empty())
        || ["directory", "dir"].iter().any(|key| names(key).iter().any(is_unusual))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: &str = r#"{"name": "Moo", "version": 2.005, "author": ["mst <mst@example.test>"], "generated_by": "ExtUtils::MakeMaker version 7.6", "x_authority": "cpan:MSTROUT",
        "provides": {"Moo": {"file": "lib/Moo.pm", "version": "2.005005"}, "Moo::Role": {"file": "lib/Moo/Role.pm"}},
        "prereqs": {"runtime": {"requires": {"Role::Tiny": "2.002003", "perl": 5.006}, "recommends": {"Class::XSAccessor": "1.18"}}, "develop": {}},
        "resources": {"repository": {"type": "git", "url": "https://git.example.test/Moo.git", "web": "https://web.example.test/Moo"}},
        "no_index": {"directory": ["t", "xt", "inc"]}}"#;

    const YAML: &str = "--- #YAML:1.0\nname:               Old-Dist\nversion:            0.10\nabstract:           ~\nauthor:             Ada <ada@example.test>\ngenerated_by:       ExtUtils::MakeMaker version 6.42\nrequires:     \n    Foo::Bar:                      1.10\nbuild_requires:\n    Test::More:  0\nprovides:\n    Old::Dist:\n        file: lib/Old/Dist.pm\n        version: 0.10\nresources:\n    repository: git://git.example.test/old\nno_index:\n    directory:\n        - t\n    package: Old::Secret\n";

    fn row(phase: &str, relationship: &str, module: &str, requirement: &str) -> (String, String, String, String) {
        (phase.into(), relationship.into(), module.into(), requirement.into())
    }

    #[test]
    fn version_2_is_read() {
        let meta = DistMeta::read(JSON.as_bytes()).unwrap();
        assert_eq!((&*meta.name, &*meta.version), ("Moo", "2.005"));
        assert_eq!(
            meta.provides,
            [("Moo".into(), "2.005005".into()), ("Moo::Role".into(), "undef".into())] as [(String, String); 2]
        );
        assert_eq!(
            meta.requires,
            [
                row("runtime", "recommends", "Class::XSAccessor", "1.18"),
                row("runtime", "requires", "Role::Tiny", "2.002003"),
                row("runtime", "requires", "perl", "5.006"),
            ]
        );
        assert_eq!(meta.repository.as_deref(), Some("https://git.example.test/Moo.git"));
        assert_eq!((meta.x_authority.as_deref(), meta.no_index), (Some("cpan:MSTROUT"), false));
    }

    #[test]
    fn version_1_is_read() {
        let meta = DistMeta::read(YAML.as_bytes()).unwrap();
        assert_eq!((&*meta.name, &*meta.version), ("Old-Dist", "0.10"), "a version stays as it was written");
        assert_eq!(
            meta.requires,
            [row("build", "requires", "Test::More", "0"), row("runtime", "requires", "Foo::Bar", "1.10")]
        );
        assert_eq!(meta.provides, [("Old::Dist".to_owned(), "0.10".to_owned())]);
        assert_eq!(meta.authors, ["Ada <ada@example.test>"]);
        assert_eq!((meta.repository.as_deref(), meta.no_index), (Some("git://git.example.test/old"), true));
        assert!(DistMeta::read(b"name: Caf\xe9\nversion: 1\n").is_ok(), "Latin-1 of old is not refused");
    }

    #[test]
    fn what_is_no_meta_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"name\": \"\"}",
            "{\"name\": \"a\"",
            "- a",
            "just text",
            "name: &a x",
            "{\"name\": [\"a\"]}",
        ] {
            assert!(DistMeta::read(text.as_bytes()).is_err(), "should be refused: {text}");
        }
        let many = format!("{{\"name\": [{}0]}}", "0,".repeat(MOST_VALUES));
        assert!(matches!(DistMeta::read(many.as_bytes()), Err(CatalogError::TooLarge { .. })));
        let deep = "{\"name\":".repeat(10_000);
        assert!(DistMeta::read(deep.as_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_change_can_be_read(at in 0usize..YAML.len(), bytes in proptest::collection::vec(any::<u8>(), 0..6)) {
            for whole in [JSON, YAML] {
                let mut text = whole.as_bytes().to_vec();
                let at = at.min(text.len());
                text.splice(at..(at + bytes.len()).min(whole.len()), bytes.clone());
                let _ = DistMeta::read(&text);
            }
        }
    }
}
