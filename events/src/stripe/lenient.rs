//! Reading JSON so that one unexpected field does not cost the whole event.
//!
//! Stripe changes shapes with API versions, expands ids into objects, and sends
//! null for what is not set. Each field is therefore taken as borrowed raw JSON
//! and read on its own; what cannot be read counts as absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A field's value, or nothing when it is absent, null or of another type.
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // serde would take an array for an object, its values in the fields' order.
        let value = if raw.starts_with('[') { None } else { serde_json::from_str(raw).ok() };
        Ok(Self(value))
    }
}

/// The first values of an array that can be read, up to `MOST`; none when it is absent
/// or something else. The others are passed over and cost no memory.
pub(super) struct List<T, const MOST: usize> {
    pub(super) values: Vec<T>,
    /// Whether it is an array, and none was passed over.
    pub(super) whole: bool,
}

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self { values: Vec::new(), whole: false }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let list = serde_json::Deserializer::from_str(raw).deserialize_seq(First(PhantomData));
        Ok(list.unwrap_or_default())
    }
}

/// Reads a [`List`].
struct First<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for First<T, MOST> {
    type Value = List<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut list = List { whole: true, ..List::default() };
        while let Some(Lenient(value)) = array.next_element()? {
            let value = value.filter(|_| list.values.len() < MOST);
            list.whole &= value.is_some();
            list.values.extend(value);
        }
        Ok(list)
    }
}

/// A text, borrowed unless it has escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// An id, or the object that it was expanded into: then, the object's `id`.
/// <https://docs.stripe.com/api/expanding_objects>
pub(super) struct Expandable<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Expandable<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Expanded<'e> {
            #[serde(borrow)]
            id: Text<'e>,
        }
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        serde_json::from_str::<Text<'de>>(raw)
            .or_else(|_| serde_json::from_str::<Expanded<'de>>(raw).map(|object| object.id))
            .map(|text| Self(text.0))
            .map_err(serde::de::Error::custom)
    }
}
