//! The stored format of the envelope, forward and back: every line of
//! `fixtures/envelope/` is read for ever, and the newest version writes its own again
//! byte for byte.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fixtures::{FOLDERS, events, outcome, pointers};
use crate::{ENVELOPE_VERSION, Envelope, EnvelopeError, MAX_ENVELOPE_BYTES};

/// What a version writes, a line each.
pub(crate) fn golden(version: u32) -> Vec<String> {
    lines(&format!("v{version}"))
}

fn lines(name: &str) -> Vec<String> {
    let path = format!("{}/fixtures/envelope/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_any_version_wrote_is_read_for_ever() {
    for version in 1..=ENVELOPE_VERSION {
        // And what it wrote before fields were added to it.
        let older = lines(&format!("v{version}.before-products"));
        for line in golden(version).into_iter().chain(older) {
            let envelope = Envelope::decode(&line).unwrap_or_else(|error| {
                panic!("{error} ({:?}): {line}", std::error::Error::source(&error))
            });
            assert_eq!(envelope.v, version, "{line}");
            if version == ENVELOPE_VERSION {
                assert_eq!(envelope.encode(), line);
            }
        }
    }
}

/// A change here is a new version with a file of its own, beside the old one.
#[test]
fn every_payload_is_written_as_the_newest_version_always_was() {
    let mut lines: BTreeSet<String> = golden(ENVELOPE_VERSION).into_iter().collect();
    let mut written = BTreeSet::new();
    for folder in FOLDERS {
        for (name, text) in events(folder) {
            let Some(envelope) = outcome(folder, &text).get("envelope").cloned() else { continue };
            let line = serde_json::from_value::<Envelope>(envelope).unwrap().encode();
            assert!(lines.contains(&line), "{folder}/{name} is now written as\n{line}");
            written.insert(line);
        }
    }
    lines.retain(|line| !written.contains(line));
    for line in lines {
        let (source, via) = {
            let envelope = Envelope::decode(&line).unwrap();
            (json!(envelope.source), json!(envelope.via))
        };
        let ours = ["sweep", "operator", "queue"].iter().any(|ours| source == *ours);
        assert!(ours || via == "replay", "no payload is written as\n{line}");
    }
}

/// Without this a field, or a source, could change unseen.
#[test]
fn the_lines_have_every_field_source_and_way() {
    let mut seen = BTreeSet::new();
    for line in golden(ENVELOPE_VERSION) {
        let value: Value = serde_json::from_str(&line).unwrap();
        let mut found = Vec::new();
        pointers(&value, "", &mut found);
        seen.extend(found);
        seen.extend(["source", "via"].map(|field| format!("{field} {}", value[field])));
    }
    let sources = ["stripe", "cognito", "cloudtrail", "sweep", "operator", "queue"];
    let ways = ["webhook", "trigger", "eventbridge", "schedule", "replay", "operator"];
    let fields = [
        "/v",
        "/source",
        "/id",
        "/type",
        "/subject/account/id",
        "/subject/account/proof",
        "/subject/customer",
        "/subject/charge",
        "/object",
        "/occurred_at",
        "/received_at",
        "/livemode",
        "/connect_account",
        "/via",
        "/run",
        "/hint/status",
        "/subject/account/stack",
        "/hint/prices/0",
        "/hint/lookup_keys/0",
        "/hint/products/0",
        "/hint/whole",
        "/hint/cancel_at",
        "/hint/cancel_at_period_end",
    ];
    let sources = sources.map(|source| format!("source \"{source}\""));
    let ways = ways.map(|way| format!("via \"{way}\""));
    for expected in sources.into_iter().chain(ways).chain(fields.map(str::to_owned)) {
        assert!(seen.contains(&expected), "no line has {expected}");
    }
}

#[test]
fn fields_added_to_a_version_are_skipped_at_every_level() {
    for line in golden(ENVELOPE_VERSION) {
        let mut value: Value = serde_json::from_str(&line).unwrap();
        let mut found = Vec::new();
        pointers(&value, "", &mut found);
        for pointer in found {
            let Some(Value::Object(fields)) = value.pointer_mut(&pointer) else { continue };
            fields.insert("added".into(), json!({"v": 2, "id": [null, 1e300, "\u{0}"]}));
            fields.insert("".into(), Value::Null);
        }
        let expected = Envelope::decode(&line).unwrap();
        assert_eq!(Envelope::decode(&value.to_string()).unwrap(), expected);
    }
}

/// With another `v`; everything else may be different too in a newer version.
fn with_version(raw: &str, rest: &str) -> Result<Envelope, EnvelopeError> {
    Envelope::decode(&format!("{{{rest},\"v\":{raw}}}"))
}

const REST: &str = r#""source":"stripe","id":"evt_1","type":"t","subject":{},"occurred_at":1,"received_at":1,"via":"webhook""#;

#[test]
fn a_newer_version_is_refused_with_the_event_that_it_names() {
    let newer = |version: &str, rest: &str| match with_version(version, rest) {
        Err(EnvelopeError::FutureVersion { version, event }) => {
            (version, event.map(|event| event.to_string()))
        }
        other => panic!("{other:?}"),
    };
    let named = Some("stripe/evt_1".to_owned());
    for version in [ENVELOPE_VERSION + 1, 1_000, u32::MAX] {
        assert_eq!(newer(&version.to_string(), REST), (version, named.clone()));
    }
    let changed = r#""id":"evt_1","subject":[7],"source":"stripe","type":{},"occurred_at":"noon""#;
    assert_eq!(newer("2", changed), (2, named));
    for unnamed in [
        r#""id":"evt_1""#,
        r#""source":"stripe""#,
        r#""source":"stripe","id":null"#,
        r#""source":"carrier pigeon","id":"evt_1""#,
        r#""source":"stripe","id":"evt 1""#,
        r#""source":["stripe"],"id":{"stripe":"evt_1"}"#,
    ] {
        assert_eq!(newer("2", unnamed), (2, None), "{unnamed}");
    }
}

#[test]
fn what_is_no_version_is_said_to_be_none() {
    assert!(with_version("1", REST).is_ok());
    for raw in [
        "0",
        "-0",
        "-1",
        "1.0",
        "1.5",
        "1e0",
        "4294967296",
        "9223372036854775808",
        "99999999999999999999",
        "1e999",
        "\"1\"",
        "\"\"",
        "null",
        "true",
        "[1]",
        "{\"v\":1}",
    ] {
        let error = with_version(raw, REST).unwrap_err();
        let expected = "the envelope's version is not a whole number from 1 to 4294967295";
        assert_eq!(error.to_string(), expected, "{raw}");
    }
    let twice = format!("{REST},\"v\":1");
    for (text, expected) in [
        (format!("{{{REST}}}"), "the message is not an envelope"),
        (format!("{{{twice},\"v\":2}}"), "the message is not an envelope"),
        (String::new(), "the message is not an envelope"),
        ("null".to_owned(), "the message is not an envelope"),
        (
            format!("{}{}", " ".repeat(MAX_ENVELOPE_BYTES), "{}"),
            "the message has 8194 bytes; an envelope has at most 8192",
        ),
    ] {
        assert_eq!(Envelope::decode(&text).unwrap_err().to_string(), expected, "{text}");
    }
}
