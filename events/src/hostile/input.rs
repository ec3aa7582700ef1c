//! Hostile input made of real payloads: single values replaced by or doubled with
//! what a parser does not expect, and bytes flipped, cut off, dropped, repeated and
//! put in. Random bytes alone would hardly get past the first brace.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::fixtures::pointers;

/// All that is read of any payload; `*` stands for the place in an array.
const READ: &[&str] = &[
    // Stripe
    "/id",
    "/object",
    "/type",
    "/created",
    "/livemode",
    "/account",
    "/data/object/id",
    "/data/object/customer",
    "/data/object/charge",
    "/data/object/mode",
    "/data/object/status",
    "/data/object/refunded",
    "/data/object/cancel_at",
    "/data/object/cancel_at_period_end",
    "/data/object/items/has_more",
    "/data/object/items/data/*/price/id",
    "/data/object/items/data/*/price/lookup_key",
    "/data/object/items/data/*/price/product",
    "/data/object/metadata/tollgate_account",
    "/data/object/metadata/tollgate_proof",
    "/data/object/metadata/tollgate_stack",
    "/data/object/parent/subscription_details/metadata/tollgate_account",
    "/data/object/parent/subscription_details/metadata/tollgate_proof",
    "/data/object/parent/subscription_details/metadata/tollgate_stack",
    "/data/object/subscription_details/metadata/tollgate_account",
    "/data/object/subscription_details/metadata/tollgate_proof",
    "/data/object/subscription_details/metadata/tollgate_stack",
    // Cognito
    "/userPoolId",
    "/triggerSource",
    "/request/userAttributes/sub",
    "/request/userAttributes/custom:apiid",
    "/request/userAttributes/custom:plan",
    // CloudTrail
    "/source",
    "/detail-type",
    "/detail/errorCode",
    "/detail/eventID",
    "/detail/eventName",
    "/detail/eventTime",
    "/detail/additionalEventData/sub",
    "/detail/additionalEventData/userPoolId",
    "/detail/requestParameters/userPoolId",
];

/// Whether the value at a pointer is read, rather than passed over.
pub(super) fn is_read(pointer: &str) -> bool {
    let steps = pointer.split('/').map(|step| if step.parse::<u32>().is_ok() { "*" } else { step });
    READ.contains(&steps.collect::<Vec<_>>().join("/").as_str())
}

/// JSON, and what is nearly JSON, of every type and at every limit.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "[[]]",
    "[1,{\"id\":2}]",
    "{\"id\":{\"id\":[]}}",
    "{\"id\":\"x_1\"}",
    "{\"id\":\"x_1\",\"id\":\"x_2\"}",
    "{\"data\":{}}",
    "{\"data\":[null,7]}",
    // Numbers
    "0",
    "-0",
    "-1",
    "1.5",
    "1e3",
    "1e308",
    "1e-999",
    "1e999",
    "-1e999",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "253402207200",
    "253402207201",
    "-377705023201",
    "00",
    "+1",
    ".5",
    "1.",
    "0x10",
    "NaN",
    "Infinity",
    // Texts
    "\"\"",
    "\" \"",
    "\"1\"",
    "\"null\"",
    "\"x\"",
    "\"x_1\"",
    "\"ä\"",
    "\"a b\"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "\"\\\"",
    "\"\u{feff}x\"",
    "\"\u{202e}x\"",
    "\"\n\"",
    "\"\\n\"",
    "\"\u{7f}\"",
    "\"evt_1\"",
    "\"evt_\"",
    "\"evt_\\u0031\"",
    "\"2026-11-06T01:59:50Z\"",
    "\"-009999-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:60+25:59\"",
    "\"DeleteUser\"",
    "\"customer.deleted\"",
    "\"invoice.paid\"",
    "\"v2.core.event\"",
    "\"TokenGeneration_x\"",
    // Not values
    "",
    ",",
    ":",
    "}",
    "]",
    "\"",
    "nul",
    "//",
    "'x'",
];

/// What long texts are repeated of.
pub(super) const PIECES: &[&str] = &[
    "x",
    "\"",
    "evt_1",
    "\\\"",
    "\\u0000",
    "\\ud83d\\ude00",
    "ä",
    "\u{300}",
    "\u{7f}",
    "9",
    "TokenGeneration_",
];

/// What wide arrays are filled with.
pub(super) const ITEMS: &[&str] =
    &["0", "{}", "\"\"", "\"\\u0000\"", "[0]", "{\"price\":{\"id\":\"price_1\"}}"];

/// What opens and closes a level of nesting.
pub(super) const NESTS: &[(&str, &str)] =
    &[("[", "]"), ("{\"id\":", "}"), ("{\"data\":[", "]}"), ("[", ""), ("[[],", "]")];

/// A number of repetitions: few, around the longest word or identifier, or many.
fn times() -> impl Strategy<Value = usize> {
    prop_oneof![1..40_usize, 120..132_usize, 250..258_usize, 1_000..4_000_usize]
}

pub(super) fn text_of(piece: &str, times: usize) -> String {
    format!("\"{}\"", piece.repeat(times))
}

pub(super) fn array_of(item: &str, times: usize) -> String {
    format!("[{}]", vec![item; times].join(","))
}

pub(super) fn nest_of((open, close): (&str, &str), times: usize) -> String {
    format!("{}0{}", open.repeat(times), close.repeat(times))
}

fn raw() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(VALUES).prop_map(str::to_owned),
        1 => (select(PIECES), times()).prop_map(|(piece, times)| text_of(piece, times)),
        1 => (select(ITEMS), times()).prop_map(|(item, times)| array_of(item, times)),
        1 => (select(NESTS), times()).prop_map(|(nest, times)| nest_of(nest, times)),
        1 => times().prop_map(|times| "7".repeat(times)),
    ]
}

/// One change to a document: where, and what.
#[derive(Debug, Clone)]
struct Change {
    index: Index,
    /// Among what is read alone: most values of a payload are passed over.
    read_only: bool,
    how: How,
    raw: String,
}

#[derive(Debug, Clone, Copy)]
enum How {
    /// In the old value's place.
    Replace,
    /// After it, under the same name.
    Double,
    /// After it, under a name that nobody knows.
    Add,
}

fn change() -> impl Strategy<Value = Change> {
    let how = select(&[How::Replace, How::Replace, How::Replace, How::Double, How::Add][..]);
    (any::<Index>(), any::<bool>(), how, raw()).prop_map(|(index, read_only, how, raw)| Change {
        index,
        read_only,
        how,
        raw,
    })
}

/// A document with up to three of its values changed.
pub(super) fn mutated(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let changes = prop_oneof![3 => prop::collection::vec(change(), 1), 1 => prop::collection::vec(change(), 2..4)];
    (text, changes).prop_map(|(text, changes)| {
        let mut document = serde_json::from_str(&text).unwrap();
        let places = changes.iter().enumerate();
        let raws: Vec<_> =
            places.map(|(place, change)| put_mark(&mut document, place, change)).collect();
        let mut text = document.to_string();
        for (place, raw) in raws.iter().enumerate().rev() {
            text = text.replacen(&Value::from(mark(place)).to_string(), raw, 1);
        }
        text
    })
}

/// A document with one value changed into this.
pub(super) fn with(text: &str, pointer: &str, raw: &str) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    *document.pointer_mut(pointer).unwrap() = mark(0).into();
    document.to_string().replacen(&Value::from(mark(0)).to_string(), raw, 1)
}

fn mark(place: usize) -> String {
    format!("<change {place}>")
}

/// Marks the place of a change, and gives what is to stand there.
fn put_mark(document: &mut Value, place: usize, change: &Change) -> String {
    let mut found = Vec::new();
    pointers(document, "", &mut found);
    if change.read_only && found.iter().any(|pointer| is_read(pointer)) {
        found.retain(|pointer| is_read(pointer));
    }
    let pointer = change.index.get(&found);
    let was = std::mem::replace(document.pointer_mut(pointer).unwrap(), mark(place).into());
    let (was, raw) = (was.to_string(), &change.raw);
    let Some((parent, name)) = pointer.rsplit_once('/') else { return raw.clone() };
    match (change.how, document.pointer(parent)) {
        (How::Replace, _) => raw.clone(),
        (_, Some(Value::Array(_))) => format!("{was},{raw}"),
        (How::Double, _) => format!("{was},{}:{raw}", Value::from(name.replace("~1", "/"))),
        (How::Add, _) => format!("{was},\"added\":{raw}"),
    }
}

/// One injury to bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Repeat(Index, usize),
    PutIn(Index, &'static [u8]),
    PutBefore(&'static [u8]),
}

/// A byte order mark, NUL, bytes that no UTF-8 has, an overlong slash, a surrogate,
/// and JSON's own signs.
const BYTES: &[&[u8]] = &[
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xe2\x80",
    b"{",
    b"[",
    b"\"",
    b"\\",
    b",",
    b":",
    b"}",
    b"{}",
    b"\r\n",
    b"\\u",
    b"-",
    b"e9",
];

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Damage::Drop(at, length)),
        1 => (any::<Index>(), 1..400_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        2 => (any::<Index>(), select(BYTES)).prop_map(|(at, bytes)| Damage::PutIn(at, bytes)),
        1 => select(BYTES).prop_map(Damage::PutBefore),
    ]
}

fn injure(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let range = |at: &Index, length: usize| {
        let start = at.index(bytes.len());
        start..bytes.len().min(start + length)
    };
    match damage {
        Damage::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Drop(at, length) => drop(bytes.drain(range(at, *length))),
        Damage::Repeat(at, length) => {
            let range = range(at, *length);
            let copy = bytes[range.clone()].to_vec();
            drop(bytes.splice(range.end..range.end, copy));
        }
        Damage::PutIn(at, new) => {
            let at = at.index(bytes.len());
            drop(bytes.splice(at..at, new.iter().copied()));
        }
        Damage::PutBefore(new) => drop(bytes.splice(0..0, new.iter().copied())),
    }
}

/// A text with one or two injuries to its bytes.
pub(super) fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    (text, prop::collection::vec(damage(), 1..3)).prop_map(|(text, all)| {
        let mut bytes = text.into_bytes();
        for damage in &all {
            injure(&mut bytes, damage);
        }
        bytes
    })
}
