//! Stripe's answers, read as leniently as its events: each field of an object for itself.
//!
//! A field that is missing, null or of another type counts as not said, whatever else is odd
//! about it: another field's value, a number that no number holds, half of a surrogate pair.
//! Of a field that comes twice the last counts, as for most readers of JSON. What an object
//! must say is for its reader to ask for ([`Object::need`]); an object that does not is [`Odd`],
//! and costs itself and nothing beside it.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::ports::{Class, PortResult};
use tollgate_events::IdError;
use tollgate_events::stripe::Whole;

use crate::adapters::error::Operation;

/// Why an object cannot be read: a field that it must have, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Odd {
    field: &'static str,
    why: String,
}

impl Odd {
    /// Of this field.
    pub fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }
}

/// An answer to be read.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) body: Bytes,
    /// It is what an earlier request with the same idempotency key was answered.
    pub(super) replayed: bool,
}

/// The body of an answer.
#[derive(Debug)]
pub struct StripeAnswer {
    operation: Operation,
    body: String,
    replayed: bool,
}

impl StripeAnswer {
    pub(super) fn new(operation: Operation, reply: &Reply) -> Self {
        Self { operation, body: text(&reply.body), replayed: reply.replayed }
    }

    /// Whether it is what an earlier request with the same idempotency key was answered.
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// The object that was answered. What is no object is none of Stripe's: it may have been
    /// cut off, or be of a machine before Stripe's.
    ///
    /// # Errors
    /// It is none.
    pub fn object(&self) -> PortResult<Object<'_>> {
        let lost = || self.operation.error(Class::Unavailable, "the answer is no object");
        Object::read(&self.body).ok_or_else(lost)
    }

    /// The object that was answered, read.
    ///
    /// # Errors
    /// It is none, or lacks what it must say.
    pub fn read<T>(&self, read: impl FnOnce(&Object<'_>) -> Result<T, Odd>) -> PortResult<T> {
        let object = self.object()?;
        let invalid =
            |odd: Odd| self.operation.error(Class::Invalid, format!("in the answer: {odd}"));
        read(&object).map_err(invalid)
    }

    /// The rows of the list that was answered, and whether it goes on.
    /// <https://docs.stripe.com/api/pagination>
    ///
    /// # Errors
    /// It is none.
    pub fn list(&self) -> PortResult<(Vec<&str>, bool)> {
        let list = self.object()?;
        let lost = || self.operation.error(Class::Unavailable, "the answer is no list");
        let rows = list.rows("data").ok_or_else(lost)?;
        Ok((rows, list.flag("has_more") == Some(true)))
    }
}

/// A JSON object, its fields not looked into yet.
#[derive(Debug)]
pub struct Object<'a> {
    raw: &'a str,
    fields: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Reads an object; `None` when it is something else.
    pub fn read(raw: &'a str) -> Option<Self> {
        Some(Self { raw, fields: serde_json::from_str(raw).ok()? })
    }

    /// The object as it was sent.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    fn field<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.fields.get(name)?.get()).ok()
    }

    /// Whether a field says anything at all.
    pub fn says(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name)
    }

    /// A boolean.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.field(name)
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<i64> {
        self.field(name).map(|Whole(number)| number)
    }

    /// A time, given in seconds.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::from_second(self.whole(name)?).ok()
    }

    /// An object in this one.
    pub fn object(&self, name: &str) -> Option<Self> {
        Self::read(self.fields.get(name)?.get())
    }

    /// An id, or that of the object that it was expanded into.
    /// <https://docs.stripe.com/expand>
    pub fn id_in(&self, name: &str) -> Option<String> {
        self.text(name).or_else(|| self.object(name)?.text("id"))
    }

    /// The values of an array.
    pub fn rows(&self, name: &str) -> Option<Vec<&'a str>> {
        let rows: Vec<&RawValue> = self.field(name)?;
        Some(rows.into_iter().map(RawValue::get).collect())
    }

    /// The texts of an array.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let rows = self.rows(name).unwrap_or_default();
        rows.into_iter().filter_map(|raw| serde_json::from_str(raw).ok()).collect()
    }

    /// All fields that are texts.
    pub fn all_texts(&self) -> BTreeMap<String, String> {
        let text = |name: &String| Some((name.clone(), self.text(name)?));
        self.fields.keys().filter_map(text).collect()
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn need(&self, name: &'static str) -> Result<String, Odd> {
        self.text(name).ok_or_else(|| Odd::new(name, "missing, or no text"))
    }

    /// An id that must be there: the field itself, or the object that it was expanded into.
    ///
    /// # Errors
    /// It is not, or is no id.
    pub fn need_id<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(String) -> Result<T, IdError>,
    ) -> Result<T, Odd> {
        let id = self.id_in(name).ok_or_else(|| Odd::new(name, "missing, or no id"))?;
        parse(id).map_err(|error| Odd::new(name, error.to_string()))
    }

    /// An id, if there is one.
    pub fn id<T>(&self, name: &str, parse: impl FnOnce(String) -> Result<T, IdError>) -> Option<T> {
        parse(self.id_in(name)?).ok()
    }
}

/// A body as text. What stands for no character, bytes or half of an escaped surrogate pair,
/// becomes U+FFFD: serde would refuse the whole text for it.
/// <https://datatracker.ietf.org/doc/html/rfc8259#section-8.2>
pub(super) fn text(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        at += match (unit(&text, at), unit(&text, at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                text.replace_range(at..at + ESCAPE, "\\ufffd");
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
            // Of any other escape, one character follows.
            (None, _) => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    text
}

/// How long `\uXXXX` is.
const ESCAPE: usize = 6;

/// The UTF-16 unit that is escaped at a place, if one is.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(raw: &str) -> Object<'_> {
        Object::read(raw).unwrap()
    }

    /// Each is odd in a way that is another's business.
    const ODD: [&str; 9] = [
        "null",
        "1.5",
        "1e999",
        "-1e999",
        "99999999999999999999999999",
        r#""half: \ufffd""#,
        r#"{"id": {"id": [[[]]]}}"#,
        r#"[[], {"id": 7}, null]"#,
        r#""""#,
    ];

    #[test]
    fn an_odd_field_is_not_said_and_costs_no_other() {
        for odd in ODD {
            let raw = format!(r#"{{"odd": {odd}, "id": "sub_1", "on": true, "at": 17.0}}"#);
            let object = object(&raw);
            assert_eq!(object.text("id").as_deref(), Some("sub_1"), "{odd}");
            assert_eq!((object.flag("on"), object.whole("at")), (Some(true), Some(17)));
            assert_eq!((object.flag("odd"), object.whole("odd")), (None, None), "{odd}");
            assert_eq!(object.time("odd"), None);
        }
    }

    #[test]
    fn of_a_field_that_comes_twice_the_last_counts() {
        assert_eq!(object(r#"{"id": "a", "id": "b"}"#).text("id").as_deref(), Some("b"));
    }

    #[test]
    fn an_id_is_read_also_where_it_was_expanded() {
        for (raw, id) in [
            (r#"{"customer": "cus_1"}"#, Some("cus_1")),
            (r#"{"customer": {"id": "cus_1", "deleted": true}}"#, Some("cus_1")),
            (r#"{"customer": null}"#, None),
            (r#"{"customer": {"id": {"id": "cus_1"}}}"#, None),
            (r#"{"customer": ["cus_1"]}"#, None),
            ("{}", None),
        ] {
            assert_eq!(object(raw).id_in("customer").as_deref(), id, "{raw}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_a_character_of_its_own_wherever_it_is() {
        let cases = [
            (r#"{"a": "\ud83d"}"#, "\u{fffd}"),
            (r#"{"a": "\ud83dx"}"#, "\u{fffd}x"),
            (r#"{"a": "\ud83d\u0041"}"#, "\u{fffd}A"),
            (r#"{"a": "\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (r#"{"a": "\ude00\ud83d"}"#, "\u{fffd}\u{fffd}"),
            (r#"{"a": "\ud83d\ude00"}"#, "\u{1f600}"),
            (r#"{"a": "\\ud83d"}"#, "\\ud83d"),
            (r#"{"a": "\\\ud83d\n"}"#, "\\\u{fffd}\n"),
            (r#"{"\ud83d": 1, "a": "b"}"#, "b"),
        ];
        for (raw, read) in cases {
            let body = text(raw.as_bytes());
            assert_eq!(object(&body).text("a").as_deref(), Some(read), "{raw}");
        }
        let body = text(b"{\"a\": \"\xff\"}");
        assert_eq!(object(&body).text("a").as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn no_body_is_too_odd_to_be_read_as_something() {
        for raw in ["", "\\", "\\u", "\\u12", "\\ud83", "\\\u{1f600}", "null", "[1]", "{", "\"\\"] {
            assert!(Object::read(&text(raw.as_bytes())).is_none(), "{raw}");
        }
    }
}
