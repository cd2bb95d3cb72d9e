//! A JSON object opened one level deep: what we do not look at is passed on as it came.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::registry::ReadError;

use super::MOST_FILES;
use super::render::quote;
use super::value::Value;

/// The members of an object, in their order, with their values unread. A key that stands twice is refused: readers would
/// disagree about which one counts.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    pub(super) fn value(&self, name: &str) -> Value<'a> {
        self.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        while let Some((key, raw)) = map.next_entry::<Value<'de>, &'de RawValue>()? {
            let key = key.text().unwrap_or_default();
            if members.len() == MOST_FILES {
                return Err(A::Error::custom(format_args!("more than {MOST_FILES} members in an object")));
            }
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom("a key stands twice in an object"));
            }
            members.push((key, raw));
        }
        Ok(Members(members))
    }
}

/// Writes an object with the same keys; `push_value` writes the values.
pub(super) fn push_object<'a>(
    out: &mut Vec<u8>,
    members: &Members<'a>,
    mut push_value: impl FnMut(&mut Vec<u8>, &str, &'a RawValue) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    out.push(b'{');
    for (index, (key, raw)) in members.0.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quote(out, key);
        out.push(b':');
        push_value(out, key, raw)?;
    }
    out.push(b'}');
    Ok(())
}
