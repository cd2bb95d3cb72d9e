//! A configuration before it has types: a tree of values, each of which knows where it was written.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{ConfigError, DEFAULT_FILE, Mistake, Source};

/// A configuration file may have this many bytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) source: Source,
    pub(super) value: Value,
}

/// What TOML or an environment variable can say.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    /// A table without entries, from nowhere.
    pub(super) fn empty() -> Self {
        Self { source: Source::Default, value: Value::Table(BTreeMap::new()) }
    }

    /// The value under a table's key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.get(key),
            _ => None,
        }
    }

    /// The value at a list's place.
    pub(super) fn at(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::List(items) => items.get(index),
            _ => None,
        }
    }

    /// Where the value as a whole comes from: a list with one item from the environment comes from there.
    pub(super) fn origin(&self) -> &Source {
        let from_environment = |node: &&Self| matches!(node.source, Source::Environment { .. });
        match &self.value {
            Value::List(items) => items.iter().find(from_environment).map_or(&self.source, |item| &item.source),
            Value::Table(entries) => entries.values().find(from_environment).map_or(&self.source, |item| &item.source),
            _ => &self.source,
        }
    }
}

/// Reads the named file, or the default one if it is there.
pub(super) fn read(named: Option<&Path>, directory: &Path) -> Result<Option<(PathBuf, Node)>, ConfigError> {
    let path = named.map_or_else(|| directory.join(DEFAULT_FILE), Path::to_path_buf);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return if named.is_some() { Err(ConfigError::Missing(path)) } else { Ok(None) };
        }
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let mut text = String::new();
    if let Err(source) = file.take(LARGEST_FILE + 1).read_to_string(&mut text) {
        return Err(ConfigError::Unreadable { path, source });
    }
    if text.len() as u64 > LARGEST_FILE {
        return Err(ConfigError::TooLarge { path, limit: LARGEST_FILE });
    }
    let node = parse(&text, &path)?;
    Ok(Some((path, node)))
}

/// Reads TOML text.
pub(super) fn parse(text: &str, path: &Path) -> Result<Node, Mistake> {
    let lines = Lines { text, path };
    let table = DeTable::parse(text).map_err(|error| Mistake {
        key: String::new(),
        source: lines.at(error.span().map_or(0, |span| span.start)),
        message: format!("this is not TOML: {}", error.message().replace('\n', ", ")),
    })?;
    Ok(Node { source: lines.at(0), value: Value::Table(lines.entries(table.into_inner())?) })
}

/// Finds the line of a place in the file.
struct Lines<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Lines<'_> {
    fn at(&self, offset: usize) -> Source {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|&&byte| byte == b'\n').count();
        Source::File { path: self.path.to_path_buf(), line }
    }

    fn entries(&self, table: DeTable<'_>) -> Result<BTreeMap<String, Node>, Mistake> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            // The key's line is where a person looks, also for a table that begins with its header.
            let source = self.at(key.span().start);
            let key = key.into_inner().into_owned();
            let node = self.node(value.into_inner(), source).map_err(|mut mistake| {
                mistake.key = join(&key, &mistake.key);
                mistake
            })?;
            entries.insert(key, node);
        }
        Ok(entries)
    }

    fn node(&self, value: DeValue<'_>, source: Source) -> Result<Node, Mistake> {
        let mistake =
            |message: &str| Mistake { key: String::new(), source: source.clone(), message: message.to_owned() };
        let value = match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Integer(digits) => Value::Integer(
                i64::from_str_radix(digits.as_str(), digits.radix())
                    .map_err(|_| mistake("this number is too large"))?,
            ),
            DeValue::Float(digits) => {
                Value::Float(digits.as_str().parse().map_err(|_| mistake("this is not a number"))?)
            }
            DeValue::Datetime(_) => return Err(mistake("no setting is a date; write a text in quotes")),
            DeValue::Array(items) => {
                let mut nodes = Vec::with_capacity(items.len());
                for item in items {
                    let place = self.at(item.span().start);
                    nodes.push(self.node(item.into_inner(), place)?);
                }
                Value::List(nodes)
            }
            DeValue::Table(table) => Value::Table(self.entries(table)?),
        };
        Ok(Node { source, value })
    }
}

/// `pypi` and `private[0].name` are `pypi.private[0].name`; `private` and `[0]` are `private[0]`.
pub(super) fn join(parent: &str, child: &str) -> String {
    match (parent.is_empty(), child.is_empty()) {
        (true, _) => child.to_owned(),
        (_, true) => parent.to_owned(),
        _ if child.starts_with('[') => format!("{parent}{child}"),
        _ => format!("{parent}.{child}"),
    }
}
