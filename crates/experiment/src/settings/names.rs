//! The names of all settings, taken from the structs that hold them, so that no list has to repeat them.
//!
//! A type passes the names of its fields to the deserializer of `serde`, and it calls different methods for a field that is a struct itself
//! (a section) and for a field that is a value. The deserializers here only record these calls: they read nothing and end with an error.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Dotted names of all settings of `T`, in the order of its fields. The settings of one section are adjacent.
pub(crate) fn names_of<T: DeserializeOwned>() -> Vec<String> {
    let mut names = Vec::new();
    for &field in fields_of::<T>() {
        match kind_of::<T>(field) {
            Some(inner) => names.extend(inner.iter().map(|inner| format!("{field}.{inner}"))),
            None => names.push(field.to_owned()),
        }
    }
    names
}

/// Names of a struct's fields.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let heard = RefCell::new(None);
    let _ = T::deserialize(Listener(&heard));
    heard.into_inner().unwrap_or_default()
}

/// Names of the fields of `field`; `None` if `field` is not a struct but a value.
fn kind_of<T: DeserializeOwned>(field: &'static str) -> Option<&'static [&'static str]> {
    let heard = RefCell::new(None);
    let _ = T::deserialize(OneField { field, heard: &heard });
    heard.into_inner()
}

/// Receives the names of a struct's fields.
type Heard = RefCell<Option<&'static [&'static str]>>;

/// The error with which every deserialization here ends.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nothing is read")
    }
}

impl std::error::Error for Ended {}

impl serde::de::Error for Ended {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self
    }
}

/// Records the names of the fields of the struct that is deserialized.
struct Listener<'a>(&'a Heard);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Ended;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Ended> {
        Err(Ended::custom(""))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Ended> {
        *self.0.borrow_mut() = Some(fields);
        Err(Ended::custom(""))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// A struct with a single field, whose value is a [`Listener`].
struct OneField<'a> {
    field: &'static str,
    heard: &'a Heard,
}

impl<'de> Deserializer<'de> for OneField<'_> {
    type Error = Ended;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Ended> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = Ended;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Ended> {
        seed.deserialize(StrDeserializer::new(self.field)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Ended> {
        seed.deserialize(Listener(self.heard))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names matter")]
    struct Outer {
        seed: u64,
        inner: Inner,
        last: Option<String>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names matter")]
    struct Inner {
        list: Vec<f32>,
        #[serde(default)]
        table: std::collections::BTreeMap<String, f32>,
        word: Option<String>,
    }

    #[test]
    fn names_follow_the_fields() {
        assert_eq!(names_of::<Outer>(), ["seed", "inner.list", "inner.table", "inner.word", "last"]);
    }
}
