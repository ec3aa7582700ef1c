//! How plain values are spelled, and read.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::json::Item;

/// A text attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A whole number.
pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time as text of one width, in milliseconds: sorts and compares as time.
pub(crate) fn instant(time: Timestamp) -> AttributeValue {
    text(format!("{time:.3}"))
}

/// Reads a text attribute.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Reads a whole number.
pub(crate) fn number_of(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Reads a time.
pub(crate) fn instant_of(item: &Item, name: &str) -> Option<Timestamp> {
    text_of(item, name)?.parse().ok()
}
