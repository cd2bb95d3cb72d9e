//! Where each value comes from, and the whole configuration as lines for a person.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::Config;
use super::tree::{Node, join};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
    },
    /// What this machine's clients use.
    Discovered {
        /// Whom we asked.
        from: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => f.write_str(name),
            Self::Discovered { from } => f.write_str(from),
        }
    }
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// `pypi.upstream`, `pypi.private[0].index`.
    pub key: String,
    /// As JSON; a secret is `***`, what is not set is null.
    pub value: Json,
    /// Where it comes from.
    pub source: Source,
}

/// The source of every setting.
pub(super) fn sources(config: &Config, tree: &Node) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    for_each_setting(config, Some(tree), &mut |key, _, node| {
        sources.insert(key, node.map_or(Source::Default, |node| node.origin().clone()));
    });
    sources
}

/// Every setting with its value.
pub(super) fn settings(config: &Config, sources: &BTreeMap<String, Source>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for_each_setting(config, None, &mut |key, value, _| {
        let source = sources.get(&key).cloned().unwrap_or(Source::Default);
        settings.push(Setting { key, value: value.clone(), source });
    });
    settings
}

type Visit<'a> = &'a mut dyn FnMut(String, &Json, Option<&Node>);

fn for_each_setting(config: &Config, tree: Option<&Node>, visit: Visit<'_>) {
    // A configuration has text keys and plain values only, so it can be written as JSON.
    let json = serde_json::to_value(config).unwrap_or_default();
    walk("", &json, tree, visit);
}

/// Goes down to what a person would set: texts, numbers and lists of them.
fn walk(key: &str, json: &Json, node: Option<&Node>, visit: Visit<'_>) {
    match json {
        Json::Object(entries) => {
            for (name, value) in entries {
                walk(&join(key, name), value, node.and_then(|node| node.get(name)), visit);
            }
        }
        Json::Array(items) if items.iter().any(Json::is_object) => {
            for (index, item) in items.iter().enumerate() {
                walk(&join(key, &format!("[{index}]")), item, node.and_then(|node| node.at(index)), visit);
            }
        }
        _ => visit(key.to_owned(), json, node),
    }
}
