//! Gives the tree its types, and says of what does not fit where it stands and what belongs there.

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::secret;
use super::tree::{Node, Value, join};
use super::{Mistake, Source};

/// A value that does not fit, while its way up through the tree spells its key.
#[derive(Debug)]
pub(super) struct Misfit {
    key: String,
    source: Option<Source>,
    message: String,
}

impl Misfit {
    fn new(message: impl Into<String>) -> Self {
        Self { key: String::new(), source: None, message: message.into() }
    }

    fn inside(mut self, parent: &str, source: &Source) -> Self {
        self.key = join(parent, &self.key);
        self.source.get_or_insert_with(|| source.clone());
        self
    }

    /// The finished message; `root` is where the whole tree comes from.
    pub(super) fn into_mistake(self, root: &Source) -> Mistake {
        Mistake { key: self.key, source: self.source.unwrap_or_else(|| root.clone()), message: self.message }
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("this is {unexpected}; write {expected}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("{unexpected} does not fit here; write {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let choices = expected.iter().map(|choice| format!("{choice:?}")).collect::<Vec<_>>().join(" or ");
        Self::new(format!("{variant:?} is not a choice here; write {choices}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let near = expected.iter().find(|known| strsim::damerau_levenshtein(known, field) <= 2);
        let hint = near.map_or_else(String::new, |known| format!(" did you mean {known}?"));
        Self::new(format!("there is no such setting;{hint} known here: {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("{field} is missing; add it here"))
    }
}

/// A number or yes-or-no as written in TOML, or as text in an environment variable.
macro_rules! scalar {
    ($method:ident, $visit:ident, $value:ty, $($variant:ident)|+, $write:literal) => {
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.value {
                $(Value::$variant(value) => match <$value>::try_from(value) {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(Misfit::new(concat!("write ", $write))),
                },)+
                Value::Text(text) if matches!(self.source, Source::Environment { .. }) => {
                    let value: $value = text.trim().parse().map_err(|_| Misfit::new(concat!("write ", $write)))?;
                    visitor.$visit(value)
                }
                _ => Err(Misfit::new(concat!("write ", $write, ", without quotes"))),
            }
        }
    };
}

impl<'de> Deserializer<'de> for Node {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Text(text) => visitor.visit_string(text),
            Value::Integer(value) => visitor.visit_i64(value),
            Value::Float(value) => visitor.visit_f64(value),
            Value::Boolean(value) => visitor.visit_bool(value),
            Value::List(items) => visitor.visit_seq(Items { items: items.into_iter().enumerate() }),
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.into_iter(), pending: None }),
        }
    }

    scalar!(deserialize_bool, visit_bool, bool, Boolean, "true or false");
    scalar!(deserialize_u32, visit_u32, u32, Integer, "a whole number, 0 or more");

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Text(text) => visitor.visit_string(text),
            _ => Err(Misfit::new("write a text in quotes")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_string(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::List(_) => self.deserialize_any(visitor),
            Value::Text(text) if matches!(self.source, Source::Environment { .. }) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let node = |part: &str| Self { source: self.source.clone(), value: Value::Text(part.to_owned()) };
                let items: Vec<Self> = parts.map(node).collect();
                visitor.visit_seq(Items { items: items.into_iter().enumerate() })
            }
            _ => Err(Misfit::new("write a list, like [\"one\", \"two\"]")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Table(_) => self.deserialize_any(visitor),
            _ => Err(Misfit::new("write a table here: a [section] with a line for each key")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        if name == secret::PLACE_MARKER && secret::is_elsewhere(&self) {
            return self.deserialize_any(visitor);
        }
        if name == secret::MARKER || name == secret::PLACE_MARKER {
            let text = secret::reveal(&self).map_err(Misfit::new)?;
            return visitor.visit_string(text);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Text(text) => visitor.visit_enum(de::value::StringDeserializer::new(text)),
            _ => Err(Misfit::new("write a text in quotes")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier
        ignored_any
    }
}

struct Items {
    items: std::iter::Enumerate<std::vec::IntoIter<Node>>,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let source = node.source.clone();
        seed.deserialize(node).map(Some).map_err(|misfit| misfit.inside(&format!("[{index}]"), &source))
    }
}

struct Entries {
    entries: std::collections::btree_map::IntoIter<String, Node>,
    pending: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        let name = de::value::StrDeserializer::<Misfit>::new(&key);
        let found = seed.deserialize(name).map_err(|misfit| misfit.inside(&key, node.origin()))?;
        self.pending = Some((key, node));
        Ok(Some(found))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((key, node)) = self.pending.take() else { return Err(Misfit::new("a key without a value")) };
        let source = node.source.clone();
        seed.deserialize(node).map_err(|misfit| misfit.inside(&key, &source))
    }
}
