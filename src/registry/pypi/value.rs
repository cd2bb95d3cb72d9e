//! A loosely typed JSON value: indexes differ in how they write a flag, a serial or a status, and a wrong type in one field
//! must not cost the whole page.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::MOST_FILES;

/// Entries kept of a list or table; what is beyond is read and dropped.
const MOST_ENTRIES: usize = 10_000;

/// What a field holds, as far as any field of the protocol needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Value<'a> {
    /// Absent, null, or of a type that no field has.
    #[default]
    Nothing,
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
    /// The texts of a list.
    List(Vec<Cow<'a, str>>),
    /// The members of an object that are texts.
    Table(Vec<(Cow<'a, str>, Cow<'a, str>)>),
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }

    pub(super) fn list(self) -> Vec<Cow<'a, str>> {
        if let Self::List(list) = self { list } else { Vec::new() }
    }

    pub(super) fn table(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        if let Self::Table(table) = self { table } else { &[] }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = sequence.next_element::<Value<'de>>()? {
            if list.len() < MOST_ENTRIES {
                list.extend(value.text());
            }
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut table = Vec::new();
        while let Some((key, value)) = map.next_entry::<Value<'de>, Value<'de>>()? {
            if table.len() < MOST_ENTRIES {
                table.extend(key.text().zip(value.text()));
            }
        }
        Ok(Value::Table(table))
    }
}

/// A list that is refused while being read once it has more than [`MOST_FILES`] items: a byte of a page can cost a hundred
/// in memory. `null` is an empty list.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = sequence.next_element()? {
            if list.len() == MOST_FILES {
                return Err(A::Error::custom(format_args!("more than {MOST_FILES} items in a list")));
            }
            list.push(item);
        }
        Ok(List(list))
    }
}
