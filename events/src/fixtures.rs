//! Whole payloads, as they arrive, against what must be read from them, and what
//! must hold when they are damaged. `fixtures/README.md` says where they are from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Envelope, cloudtrail, cognito, stripe};

pub(crate) const FOLDERS: [&str; 3] = ["stripe", "cognito", "cloudtrail"];

pub(crate) fn received_at() -> Timestamp {
    // The fraction must not get into an envelope.
    Timestamp::from_millisecond(1_793_930_405_678).unwrap()
}

/// What in the payloads is personal, or tells of a person's account elsewhere.
pub(crate) const PERSONAL: [&str; 7] =
    ["jenny", "rosen", "@", "Berlin", "Google_", "HIDDEN", "arn:"];

/// Every file of a folder, by name.
fn files(folder: &str) -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// Every event of a folder, by file name, without `expected.json`.
pub(crate) fn events(folder: &str) -> BTreeMap<String, String> {
    let mut files = files(folder);
    files.remove("expected.json").unwrap();
    files
}

/// What the crate makes of an event, spelled as in `expected.json`.
pub(crate) fn outcome(folder: &str, text: &str) -> Value {
    let spelled = |envelope: &Envelope| -> Value {
        assert_eq!(&Envelope::decode(&envelope.encode()).unwrap(), envelope);
        serde_json::to_value(envelope).unwrap()
    };
    match folder {
        "stripe" => match stripe::read(text.as_bytes(), received_at()).unwrap() {
            stripe::Reading::Envelope(envelope) => json!({ "envelope": spelled(&envelope) }),
            stripe::Reading::NotNeeded { kind } => json!({ "not_needed": kind }),
            stripe::Reading::NamesNobody { kind, .. } => json!({ "names_nobody": kind }),
        },
        "cognito" => {
            let event = serde_json::from_str(text).unwrap();
            let trigger = cognito::read(&event, received_at()).unwrap();
            match trigger.reading {
                cognito::Reading::Wake(envelope) => {
                    json!({ "pool": trigger.pool_id, "envelope": spelled(&envelope) })
                }
                cognito::Reading::Nothing => json!({ "pool": trigger.pool_id, "nothing": true }),
            }
        }
        _ => {
            let event = serde_json::from_str(text).unwrap();
            let record = cloudtrail::read(&event, received_at()).unwrap();
            match record.reading {
                cloudtrail::Reading::Wake(envelope) => {
                    json!({ "pool": record.pool_id, "envelope": spelled(&envelope) })
                }
                cloudtrail::Reading::Nothing => json!({ "pool": record.pool_id, "nothing": true }),
            }
        }
    }
}

#[test]
fn every_payload_reads_as_expected() {
    for folder in FOLDERS {
        let expected = files(folder).remove("expected.json").unwrap();
        let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
        let events = events(folder);
        assert_eq!(
            events.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{folder}: files, and what expected.json tells of"
        );
        for (name, text) in events {
            assert_eq!(outcome(folder, &text), expected[&name], "{folder}/{name}");
        }
    }
}

#[test]
fn every_type_that_is_acted_on_has_a_payload() {
    let seen: BTreeSet<String> = events("stripe")
        .values()
        .filter_map(|text| outcome("stripe", text)["envelope"]["type"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(seen, stripe::ACTED_ON.iter().map(|&kind| kind.to_owned()).collect());
}

#[test]
fn no_personal_data_and_no_payload_gets_into_an_envelope() {
    for folder in FOLDERS {
        for (name, text) in events(folder) {
            let envelope =
                outcome(folder, &text).get("envelope").unwrap_or(&Value::Null).to_string();
            assert!(envelope.len() < 1024, "{folder}/{name} has {} bytes", envelope.len());
            for word in PERSONAL {
                assert!(!envelope.to_lowercase().contains(&word.to_lowercase()), "{name}: {word}");
            }
        }
    }
}

#[test]
fn a_payload_cut_off_anywhere_is_truncated() {
    let text = &events("stripe")["invoice.paid.endive.json"];
    let body = text.trim_end().as_bytes();
    for end in 0..body.len() {
        let error = stripe::read(&body[..end], received_at()).unwrap_err();
        assert!(matches!(error, stripe::ReadError::Truncated(_)), "at {end}: {error}");
    }
}

/// The pointers to every value in a document.
pub(crate) fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// What an event cannot do without.
const REQUIRED: [&str; 6] = ["", "/id", "/type", "/data", "/data/object", "/data/object/id"];

/// What says whom it is about.
const NAMING: [&str; 4] =
    ["/account", "/data/object/id", "/data/object/customer", "/data/object/charge"];

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!([1, {"id": 2}])),
        Just(json!({"id": {"id": []}, "data": 3, "object": "x"})),
    ]
}

pub(crate) fn an_event(folder: &'static str) -> impl Strategy<Value = String> {
    prop::sample::select(events(folder).into_values().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn one_strange_value_does_not_cost_an_event(
        text in an_event("stripe"), index: prop::sample::Index, value in anything(),
    ) {
        let mut event: Value = serde_json::from_str(&text).unwrap();
        let was_needed = outcome("stripe", &text)["not_needed"].is_null();
        let mut found = Vec::new();
        pointers(&event, "", &mut found);
        let at = &found[index.index(found.len())];
        *event.pointer_mut(at).unwrap() = value;
        let result = stripe::read(event.to_string().as_bytes(), received_at());
        let id = event["id"].as_str();
        match result {
            Ok(stripe::Reading::Envelope(envelope)) => prop_assert_eq!(Some(envelope.id.as_str()), id),
            Ok(stripe::Reading::NamesNobody { event, .. }) => {
                prop_assert_eq!(Some(event.as_str()), id);
                prop_assert!(NAMING.contains(&at.as_str()), "at {}", at);
            }
            Ok(stripe::Reading::NotNeeded { .. }) => {
                let told = REQUIRED.contains(&at.as_str()) || at == "/data/object/mode";
                prop_assert!(told || !was_needed, "at {}", at);
            }
            Err(error) => prop_assert!(REQUIRED.contains(&at.as_str()), "{} at {}", error, at),
        }
    }

    #[test]
    fn one_strange_value_never_panics_a_trigger_or_a_record(
        trigger in an_event("cognito"), record in an_event("cloudtrail"),
        index: prop::sample::Index, value in anything(),
    ) {
        for (is_trigger, text) in [(true, trigger), (false, record)] {
            let mut event: Value = serde_json::from_str(&text).unwrap();
            let mut found = Vec::new();
            pointers(&event, "", &mut found);
            *event.pointer_mut(&found[index.index(found.len())]).unwrap() = value.clone();
            if is_trigger {
                let _ = cognito::read(&event, received_at());
            } else {
                let _ = cloudtrail::read(&event, received_at());
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}\":,a-z0-9\\\\ -]{0,60}") {
        let _ = stripe::read(&bytes, received_at());
        let _ = stripe::read(text.as_bytes(), received_at());
        let _ = Envelope::decode(&text);
        let _ = Envelope::decode(&String::from_utf8_lossy(&bytes));
        if let Ok(value) = serde_json::from_str(&text) {
            let _ = cognito::read(&value, received_at());
            let _ = cloudtrail::read(&value, received_at());
        }
    }

    #[test]
    fn no_flipped_bit_panics_and_none_passes_the_signature(
        text in an_event("stripe"), index: prop::sample::Index, bit in 0_u8..8,
    ) {
        let secrets = [stripe::SigningSecret::new("whsec_test").unwrap()];
        let header = stripe::sign(&secrets[0], received_at(), text.as_bytes());
        let verify = |body: &[u8]| {
            stripe::verify(Some(&header), body, &secrets, received_at(), SignedDuration::ZERO)
        };
        prop_assert_eq!(verify(text.as_bytes()), Ok(()));
        let mut body = text.into_bytes();
        let index = index.index(body.len());
        body[index] ^= 1_u8 << bit;
        prop_assert_eq!(verify(&body), Err(stripe::SignatureError::NoMatch));
        let _ = stripe::read(&body, received_at());
    }
}
