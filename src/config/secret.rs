//! Secrets: they come from a file or an environment variable, and are never shown.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Source;
use super::tree::{Node, Value};

/// How the reader knows that a secret is wanted.
pub(super) const MARKER: &str = "lazaret secret";
/// Likewise one that may also be found elsewhere when it is needed.
pub(super) const PLACE_MARKER: &str = "lazaret secret or where it is";

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

/// A password, or where it is found when it is needed.
#[derive(Debug, Clone)]
pub enum Password {
    /// As it was in its file or in the environment.
    Known(Secret),
    /// What this program says, asked without a shell: `{ command = ["corp-token", "--for", "pypi"] }`.
    Command(Vec<String>),
    /// What this file says of the index's host, with the name: `{ netrc = "/etc/lazaret/netrc" }`.
    Netrc(PathBuf),
}

impl Password {
    /// Whether it is none: an empty environment variable.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Known(secret) if secret.expose().is_empty())
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(secret) => secret.serialize(serializer),
            // Its arguments may be as secret as what it says.
            Self::Command(command) => serializer
                .collect_str(&format_args!("*** (what {} says)", command.first().map_or("nothing", String::as_str))),
            Self::Netrc(file) => serializer.collect_str(&format_args!("*** (from {})", file.display())),
        }
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Found;
        impl<'de> serde::de::Visitor<'de> for Found {
            type Value = Password;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PLACES)
            }

            fn visit_str<E>(self, text: &str) -> Result<Password, E> {
                Ok(Password::Known(Secret::new(text)))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Password, A::Error> {
                let wrong = || serde::de::Error::custom(PLACES);
                let password = match map.next_key::<String>()?.as_deref() {
                    Some("command") => Password::Command(map.next_value()?),
                    Some("netrc") => Password::Netrc(map.next_value()?),
                    _ => return Err(wrong()),
                };
                let is_nothing = match &password {
                    Password::Command(command) => command.first().is_none_or(String::is_empty),
                    Password::Netrc(file) => file.as_os_str().is_empty(),
                    Password::Known(_) => false,
                };
                if is_nothing || map.next_key::<String>()?.is_some() { Err(wrong()) } else { Ok(password) }
            }
        }
        deserializer.deserialize_newtype_struct(PLACE_MARKER, Found)
    }
}

/// How one is written.
const PLACES: &str = "write { file = \"path\" }, { command = [\"program\", \"argument\"] } or { netrc = \"path\" }";

/// Whether a value of the tree says where a password is found when it is needed.
pub(super) fn is_elsewhere(node: &Node) -> bool {
    matches!(&node.value, Value::Table(entries) if entries.contains_key("command") || entries.contains_key("netrc"))
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
