//! Secrets: they come from a file or an environment variable, and are never shown.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Source;
use super::tree::{Node, Value};

/// How the reader knows that a secret is wanted.
pub(super) const MARKER: &str = "lazaret secret";

/// No password is longer.
const LONGEST: u64 = 64 * 1024;

/// A text that `Debug` and `Serialize` do not show.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself: for the request that needs it, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ file = \"...\" }")
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }
        }
        deserializer.deserialize_newtype_struct(MARKER, Text)
    }
}

/// The secret that a value of the tree stands for: the text of an environment variable, or what is in the file that
/// `{ file = "..." }` names, without the line end.
pub(super) fn reveal(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Text(text) if matches!(node.source, Source::Environment { .. }) => Ok(text.clone()),
        Value::Text(_) => Err("a secret is not written into this file; put it into a file of its own, readable by \
                               lazaret only, and write { file = \"path\" } here, or set the environment variable"
            .to_owned()),
        Value::Table(entries) => match (entries.len(), entries.get("file").map(|node| &node.value)) {
            (1, Some(Value::Text(path))) if !path.is_empty() => from_file(Path::new(path)),
            _ => Err("write { file = \"path\" }".to_owned()),
        },
        _ => Err("write { file = \"path\" }".to_owned()),
    }
}

fn from_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the secret's file {} cannot be read: {error}", path.display());
    let mut text = String::new();
    std::fs::File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text)).map_err(unreadable)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("the secret's file {} is larger than {LONGEST} bytes", path.display()));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("the secret's file {} is empty", path.display()));
    }
    Ok(secret.to_owned())
}
