//! What must hold whatever comes: no panic, memory bounded by the input's length,
//! envelopes within their limit, and nothing personal in what gets out.
//!
//! Every property counts what was accepted and what was refused, so that a
//! generator whose input all ends the same way fails.

mod input;
mod signature;

use std::cell::Cell;

use allocation_counter::measure;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::fixtures::{FOLDERS, PERSONAL, an_event, events, outcome, pointers, received_at};
use crate::versions::golden;
use crate::{Envelope, MAX_ENVELOPE_BYTES, check_word, cloudtrail, cognito, stripe};

/// The queue's messages, beside the folders of what comes from outside.
const ENVELOPES: &str = "envelope";

/// The size cap of a webhook's body, and of an SQS message.
const CAP: usize = 1024 * 1024;

/// What became of an input.
struct Seen {
    /// The envelope, where the input is one or wakes an account.
    envelope: Option<Envelope>,
    /// What else gets out, into logs and answers: types, and why it was refused.
    said: String,
    refused: bool,
    /// The most bytes that were held at once while it was read.
    peak: usize,
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// Reads an input as what a folder holds; `None` when it is not even the JSON that
/// the function is called with.
fn take(folder: &str, bytes: &[u8]) -> Option<Seen> {
    type Taken = Result<(Option<Envelope>, String), String>;
    let measured = |read: &dyn Fn() -> Taken| {
        let mut result = None;
        let info = measure(|| result = Some(read()));
        let (refused, (envelope, said)) = match result? {
            Ok(taken) => (false, taken),
            Err(said) => (true, (None, said)),
        };
        Some(Seen { envelope, said, refused, peak: usize::try_from(info.bytes_max).unwrap() })
    };
    match folder {
        "stripe" => measured(&|| match stripe::read(bytes, received_at()) {
            Ok(stripe::Reading::Envelope(envelope)) => Ok((Some(*envelope), String::new())),
            Ok(stripe::Reading::NotNeeded { kind } | stripe::Reading::NamesNobody { kind, .. }) => {
                Ok((None, kind))
            }
            Err(error) => Err(chain(&error)),
        }),
        "cognito" => {
            let event: Value = serde_json::from_slice(bytes).ok()?;
            measured(&|| {
                let trigger = cognito::read(&event, received_at());
                match trigger.map_err(|error| chain(&error))?.reading {
                    cognito::Reading::Wake(envelope) => Ok((Some(*envelope), String::new())),
                    cognito::Reading::Nothing => Ok((None, String::new())),
                }
            })
        }
        "cloudtrail" => {
            let event: Value = serde_json::from_slice(bytes).ok()?;
            measured(&|| {
                let record = cloudtrail::read(&event, received_at());
                match record.map_err(|error| chain(&error))?.reading {
                    cloudtrail::Reading::Wake(envelope) => Ok((Some(*envelope), String::new())),
                    cloudtrail::Reading::Nothing => Ok((None, String::new())),
                }
            })
        }
        _ => {
            let text = String::from_utf8_lossy(bytes);
            // A cause may repeat a message, which has nothing personal; only the error is kept.
            measured(&|| match Envelope::decode(&text) {
                Ok(envelope) => Ok((Some(envelope), String::new())),
                Err(error) => Err(error.to_string()),
            })
        }
    }
}

/// What holds of every input, whatever became of it.
fn judge(folder: &str, bytes: &[u8], seen: &Seen) -> Result<(), TestCaseError> {
    let allowed = allowed(folder, bytes.len());
    prop_assert!(seen.peak <= allowed, "{} bytes held for {}", seen.peak, bytes.len());
    prop_assert!(seen.said.len() <= 256, "says {} bytes", seen.said.len());
    let Some(envelope) = &seen.envelope else { return Ok(()) };
    let text = envelope.encode();
    prop_assert!(text.len() <= MAX_ENVELOPE_BYTES, "an envelope of {} bytes", text.len());
    prop_assert_eq!(&Envelope::decode(&text).unwrap(), envelope);
    prop_assert_eq!(check_word(&envelope.group()), Ok(()));
    prop_assert_eq!(check_word(&envelope.deduplication_id()), Ok(()));
    Ok(())
}

/// How many bytes may be held at once for an input of a length.
fn allowed(folder: &str, length: usize) -> usize {
    const ALWAYS: usize = 16 * 1024;
    match folder {
        // The JSON is parsed before; of it, at most the pool's name is copied.
        "cognito" | "cloudtrail" => ALWAYS + 2 * length,
        ENVELOPES => ALWAYS + 20 * length.min(MAX_ENVELOPE_BYTES),
        // The most is held where a text stands for something else: serde's error, which
        // nobody sees, quotes it with up to six bytes for one, in a buffer that doubles.
        _ => ALWAYS + 20 * length,
    }
}

fn an_input(folder: &'static str) -> BoxedStrategy<String> {
    if folder == ENVELOPES { select(golden(1)).boxed() } else { an_event(folder).boxed() }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

/// Runs a property over many inputs, and demands that a good share of them ends in an
/// envelope and another is refused.
fn run<S: Strategy>(
    folder: &str,
    inputs: &S,
    check: impl Fn(&[u8], &Seen) -> Result<(), TestCaseError>,
) where
    S::Value: AsRef<[u8]>,
{
    const CASES: u32 = 448;
    let [envelopes, refused] = [Cell::new(0), Cell::new(0)];
    let count = |cell: &Cell<u32>, it: bool| cell.set(cell.get() + u32::from(it));
    let result = runner(CASES).run(inputs, |input| {
        let input = input.as_ref();
        let Some(seen) = take(folder, input) else {
            count(&refused, true);
            return Ok(());
        };
        count(&envelopes, seen.envelope.is_some());
        count(&refused, seen.refused);
        judge(folder, input, &seen)?;
        check(input, &seen)
    });
    if let Err(error) = result {
        let error = error.to_string();
        panic!("{folder}: {}", error.chars().take(4_000).collect::<String>());
    }
    let (envelopes, refused) = (envelopes.get(), refused.get());
    let enough = CASES / 32;
    assert!(envelopes > enough && refused > enough, "{folder}: {envelopes}, {refused} of {CASES}");
}

#[test]
fn mutated_documents_are_harmless_and_nothing_personal_gets_out() {
    for folder in [FOLDERS[0], FOLDERS[1], FOLDERS[2], ENVELOPES] {
        run(folder, &input::mutated(an_input(folder)), |_, seen| {
            let out = seen.envelope.as_ref().map(Envelope::encode).unwrap_or_default();
            let out = format!("{out} {}", seen.said).to_lowercase();
            let leaked = PERSONAL.iter().find(|word| out.contains(&word.to_lowercase()));
            prop_assert_eq!(leaked, None, "in {}", out);
            Ok(())
        });
    }
}

#[test]
fn damaged_bytes_are_harmless() {
    for folder in [FOLDERS[0], FOLDERS[1], FOLDERS[2], ENVELOPES] {
        run(folder, &input::damaged(an_input(folder)), |_, _| Ok(()));
    }
}

/// Every other value may be anything at all, and be personal: nothing changes.
#[test]
fn nothing_but_what_is_listed_is_read() {
    for folder in FOLDERS {
        for (name, text) in events(folder) {
            let mut event: Value = serde_json::from_str(&text).unwrap();
            let mut found = Vec::new();
            pointers(&event, "", &mut found);
            for pointer in found.iter().filter(|pointer| !input::is_read(pointer)) {
                let value = event.pointer_mut(pointer).unwrap();
                if !matches!(value, Value::Object(fields) if !fields.is_empty())
                    && !matches!(value, Value::Array(values) if !values.is_empty())
                {
                    *value = "jenny.rosen@example.com".into();
                }
            }
            assert_eq!(outcome(folder, &event.to_string()), outcome(folder, &text), "{name}");
        }
    }
}

/// A value of about this many bytes, of each kind that costs a parser most.
fn large_values(bytes: usize) -> Vec<String> {
    let texts = input::PIECES.iter().map(|piece| input::text_of(piece, bytes / piece.len()));
    let arrays = input::ITEMS.iter().map(|item| input::array_of(item, bytes / (item.len() + 1)));
    let nests = input::NESTS.iter();
    let nests = nests.map(|nest| input::nest_of(*nest, bytes / (nest.0.len() + nest.1.len())));
    let numbers = ["9".repeat(bytes), format!("1e{}", "9".repeat(bytes))];
    texts.chain(arrays).chain(nests).chain(numbers).collect()
}

/// One event of each folder with everything that is read of any.
fn fullest(folder: &str) -> String {
    let name = match folder {
        "stripe" => "customer.subscription.updated.connect-live.json",
        "cognito" => "PostAuthentication_Authentication.federated.json",
        _ => "AdminDeleteUser.json",
    };
    events(folder).remove(name).unwrap()
}

fn check_large(folder: &str, text: &str, at: &str) {
    let Some(seen) = take(folder, text.as_bytes()) else { return };
    let start: String = text.chars().take(200).collect();
    judge(folder, text.as_bytes(), &seen).unwrap_or_else(|error| panic!("{at}: {error}: {start}…"));
}

#[test]
fn a_large_value_anywhere_costs_no_more_than_its_length() {
    for folder in FOLDERS {
        let text = fullest(folder);
        let mut found = Vec::new();
        pointers(&serde_json::from_str(&text).unwrap(), "", &mut found);
        for pointer in found {
            // What is not read is passed over alike, wherever it stands.
            if input::is_read(&pointer) || pointer.ends_with("/data") || pointer.ends_with("/items")
            {
                for value in large_values(8 * 1024) {
                    check_large(folder, &input::with(&text, &pointer, &value), &pointer);
                }
            }
        }
    }
}

#[test]
fn a_body_of_the_largest_size_costs_no_more_than_its_length() {
    let text = fullest("stripe");
    let room = CAP - text.len();
    for (pointer, value) in [
        ("/data/object/items/data", input::array_of("0", room / 2)),
        // One more than a power of two: a list that grows is then at its largest.
        ("/data/object/items/data", input::array_of("{}", (1 << 18) + 1)),
        ("/data/object/cancel_at_period_end", input::text_of("\u{7f}", room)),
        ("/data/object/items/data/0/price/id", input::nest_of(("[", "]"), room / 2)),
        ("/livemode", input::text_of("\u{300}", room / 2)),
        ("/data/object/customer", input::text_of("\\u0000", room / 6)),
        ("/created", "9".repeat(room)),
    ] {
        let body = input::with(&text, pointer, &value);
        assert!(body.len() <= CAP && body.len() > CAP / 4 * 3, "{}", body.len());
        check_large("stripe", &body, pointer);
    }
}

/// Identifiers of the greatest length, of the characters that JSON spells longest: with the most
/// items, as far as the envelope has room for what they sell.
#[test]
fn the_longest_envelope_is_within_its_limit() {
    let fill = |prefix: &str, most: usize, with: &str| {
        format!("{prefix}{}", with.repeat((most - prefix.len()) / with.len()))
    };
    for with in ["\"", "\\", "\u{ffff}", "ü", "x"] {
        let opaque = |prefix: &str| fill(prefix, 255, with);
        let word = |prefix: &str| fill(prefix, 128, "\"");
        let price = |n: usize| {
            let key = fill("", 200, "\u{0}");
            json!({"id": opaque(&n.to_string()), "product": opaque("prod_"), "lookup_key": key})
        };
        let items: Vec<_> = (0..1_000).map(|n| json!({"price": price(n)})).collect();
        let event = json!({
            "id": word("evt_"), "type": "customer.subscription.pending_update_applied",
            "created": 253_402_207_200_i64, "livemode": false, "account": opaque("acct_"),
            "data": {"object": {
                "id": opaque("sub_"), "customer": opaque("cus_"), "status": word(""),
                "cancel_at": 253_402_207_200_i64, "cancel_at_period_end": true,
                "items": {"data": items},
                "metadata": {"tollgate_account": word(""), "tollgate_proof": word("1:"),
                             "tollgate_stack": word("")},
            }},
        });
        let body = event.to_string();
        let seen = take("stripe", body.as_bytes()).unwrap();
        judge("stripe", body.as_bytes(), &seen).unwrap();
        let envelope = seen.envelope.unwrap();
        let hint = envelope.hint.as_ref().unwrap();
        assert!(!hint.whole && !hint.prices.is_empty(), "{with:?}: {} prices", hint.prices.len());
        let length = envelope.encode().len();
        // Room is left for what a replay adds.
        assert!(length < MAX_ENVELOPE_BYTES - 512, "{with:?}: {length} bytes");
        let most = with == "\"";
        assert!(
            !most || length > MAX_ENVELOPE_BYTES / 4 * 3,
            "{length} are not the most there can be"
        );
    }
}

/// What a subscription of as many items as Stripe allows sells, by ids of a usual length.
#[test]
fn the_usual_ids_of_twenty_items_are_all_told() {
    let price = |n: usize| {
        json!({"id": format!("price_1PgafmB7WZ01zgkW6dKueIc{n}"), "lookup_key": format!("key_{n}"),
               "product": format!("prod_QXg1hqf4jFNsq{n}")})
    };
    let items: Vec<_> = (0..20).map(|n| json!({"price": price(n)})).collect();
    let body = json!({
        "id": "evt_1", "type": "customer.subscription.updated",
        "data": {"object": {"id": "sub_1", "customer": "cus_1", "status": "active",
                            "items": {"data": items, "has_more": false}}},
    });
    let hint = take("stripe", body.to_string().as_bytes()).unwrap().envelope.unwrap().hint.unwrap();
    assert_eq!((hint.whole, hint.prices.len(), hint.products.len()), (true, 20, 20));
}
