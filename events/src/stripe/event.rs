//! From a Stripe event to an envelope: whom it is about, and what it showed.
//!
//! Snapshot events of every API version are read, with periods and parents where
//! either the newest or the versions before Basil have them; only what names the
//! account and what a second look compares is read at all. It decides nothing:
//! events of another mode or of a connected account become envelopes too, and say
//! so. A body must have been [verified](super::verify) before it comes here.

use jiff::Timestamp;

use super::about::sells_subscription;
use super::lenient::{Lenient, Text};
use super::view::{EventView, ObjectView};
use super::whole::Whole;
use crate::kind::{About, CHARGE_REFUNDED, about};
use crate::{
    ChargeId, CustomerId, Envelope, EventId, Source, Subject, Via, check_opaque, check_word,
};

/// The event types that Tollgate acts on: as many as a list of events can be asked for.
/// <https://docs.stripe.com/api/events/types>, <https://docs.stripe.com/api/events/list>
pub const ACTED_ON: &[&str] = &[
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    CHARGE_REFUNDED,
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "radar.early_fraud_warning.created",
];

/// What a verified body turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// An event to act on.
    Envelope(Box<Envelope>),
    /// An event that nothing needs: of another type, thin, about an object without
    /// an id, or a Checkout session that sells no subscription.
    NotNeeded {
        /// Its type.
        kind: String,
    },
    /// An event of a type that is acted on, and about nobody who could ever be found: its object
    /// names no customer, no charge and no account of ours by an id that can be one.
    NamesNobody {
        /// The event.
        event: EventId,
        /// Its type.
        kind: String,
    },
}

/// Why a verified body is not an event that can be acted on. None of them repeats
/// what the body says, except ids and types.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON.
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON that ends too early.
    #[error("the body is cut off")]
    Truncated(#[source] serde_json::Error),
    /// JSON, but no object, or one that has a field twice.
    #[error("the body is JSON, but not one object with each field once")]
    NotAnObject,
    /// No `id`.
    #[error("the event has no id")]
    NoEventId,
    /// An `id` that is not `evt_…`.
    #[error("the event's id is not an evt_ id")]
    BadEventId,
    /// No `type`, or one that is no word.
    #[error("event {event} has no type")]
    NoType {
        /// The event.
        event: EventId,
    },
    /// No `data.object`, or one that is no object or has a field twice.
    #[error("event {event} ({kind}) shows no object")]
    NoObject {
        /// The event.
        event: EventId,
        /// Its type.
        kind: &'static str,
    },
}

/// Reads a verified body.
///
/// An event without a readable `created` happened when it was received. An account
/// is taken only from metadata with a proof, which is not checked here; never from
/// `client_reference_id`, which a payment link's customer can set. What cannot be an
/// identifier is not there.
///
/// # Errors
/// [`ReadError`] when the body is not an event.
pub fn read(body: &[u8], received_at: Timestamp) -> Result<Reading, ReadError> {
    // serde would take an array for an object, its values in the fields' order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ReadError::NotAnObject);
    }
    let view: EventView<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let id = event_id(&view.id)?;
    let Some(Text(kind)) = view.kind.0.as_ref().filter(|kind| check_word(&kind.0).is_ok()) else {
        return Err(ReadError::NoType { event: id });
    };
    let thin = matches!(&view.object.0, Some(Text(object)) if object == "v2.core.event");
    let acted_on = ACTED_ON.iter().find(|known| **known == kind).filter(|_| !thin);
    let Some(&kind) = acted_on else {
        return Ok(not_needed(kind));
    };
    let Some(object) = view.data.0.and_then(|data| data.object.0) else {
        return Err(ReadError::NoObject { event: id, kind });
    };
    let Some(Text(object_id)) = &object.id.0 else {
        return Ok(not_needed(kind));
    };
    let about = about(kind);
    if about == About::Session && !sells_subscription(&object) {
        return Ok(not_needed(kind));
    }
    let connect_account = view.account.0.map(|Text(account)| account.into_owned());
    let subject = subject(about, &object).filter(|_| can_be_told(connect_account.as_deref()));
    let Some(subject) = subject else {
        return Ok(Reading::NamesNobody { event: id, kind: kind.to_owned() });
    };
    let mut envelope =
        Envelope::received(Source::Stripe, Via::Webhook, id, kind, subject, received_at);
    let created = view.created.0.and_then(|Whole(second)| Timestamp::from_second(second).ok());
    envelope.occurred_at = created.unwrap_or(envelope.received_at);
    envelope.object = Some(object_id.as_ref().to_owned()).filter(|id| check_opaque(id).is_ok());
    envelope.livemode = view.livemode.0;
    envelope.connect_account = connect_account;
    envelope.hint = about.hint(&object);
    Ok(Reading::Envelope(Box::new(envelope)))
}

/// Reads an event of Stripe's own list as [`read`] would have read its delivery: for a
/// replay. Nobody has received it yet: that it was received is as long ago as it happened.
///
/// # Errors
/// As for [`read`].
pub fn read_listed(event: &[u8]) -> Result<Reading, ReadError> {
    let mut reading = read(event, Timestamp::UNIX_EPOCH)?;
    if let Reading::Envelope(envelope) = &mut reading {
        envelope.via = Via::Replay;
        envelope.received_at = envelope.occurred_at;
    }
    Ok(reading)
}

fn not_needed(kind: &str) -> Reading {
    Reading::NotNeeded { kind: kind.to_owned() }
}

fn unreadable(error: serde_json::Error) -> ReadError {
    match error.classify() {
        serde_json::error::Category::Eof => ReadError::Truncated(error),
        // Its text would repeat what the body says.
        serde_json::error::Category::Data => ReadError::NotAnObject,
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            ReadError::NotJson(error)
        }
    }
}

fn event_id(id: &Lenient<Text<'_>>) -> Result<EventId, ReadError> {
    let Some(Text(id)) = &id.0 else {
        return Err(ReadError::NoEventId);
    };
    if !id.starts_with("evt_") {
        return Err(ReadError::BadEventId);
    }
    EventId::parse(id.as_ref()).map_err(|_| ReadError::BadEventId)
}

/// Whom an object is about, if it says so.
fn subject(about: About, object: &ObjectView<'_>) -> Option<Subject> {
    let mut subject = Subject { account: about.account(object), ..Subject::default() };
    match about {
        About::Session | About::Subscription | About::Invoice => {
            let id = object.customer.0.as_ref();
            subject.customer = id.and_then(|id| CustomerId::parse(id.0.as_ref()).ok());
        }
        About::Customer => {
            let id = object.id.0.as_ref();
            subject.customer = id.and_then(|id| CustomerId::parse(id.0.as_ref()).ok());
        }
        About::Dispute | About::FraudWarning => {
            let id = object.charge.0.as_ref();
            subject.charge = id.and_then(|id| ChargeId::parse(id.0.as_ref()).ok());
        }
        About::Refund => {
            let (id, customer) = (object.id.0.as_ref(), object.customer.0.as_ref());
            subject.charge = id.and_then(|id| ChargeId::parse(id.0.as_ref()).ok());
            subject.customer = customer.and_then(|id| CustomerId::parse(id.0.as_ref()).ok());
        }
    }
    Some(subject).filter(|subject| *subject != Subject::default())
}

/// Whether a connected account can be told on: what is somebody else's must not pass for ours.
fn can_be_told(connect_account: Option<&str>) -> bool {
    connect_account.is_none_or(|account| check_opaque(account).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::metadata::{METADATA_ACCOUNT, METADATA_PROOF};
    use super::*;
    use crate::{Hint, PriceId};

    fn received_at() -> Timestamp {
        Timestamp::from_second(1_700_000_005).unwrap()
    }

    fn event(kind: &str, object: &Value) -> Value {
        json!({"id": "evt_1", "object": "event", "type": kind, "created": 1_700_000_000,
               "livemode": false, "data": {"object": object}})
    }

    fn read_value(event: &Value) -> Result<Reading, ReadError> {
        read(event.to_string().as_bytes(), received_at())
    }

    fn envelope(kind: &str, object: &Value) -> Envelope {
        match read_value(&event(kind, object)) {
            Ok(Reading::Envelope(envelope)) => *envelope,
            other => panic!("{other:?}"),
        }
    }

    const UPDATED: &str = "customer.subscription.updated";

    #[test]
    fn each_unusable_body_says_why() {
        let nested = |open: &str, close: &str| {
            let data = format!("{}{}", open.repeat(9_999), close.repeat(9_999));
            format!(r#"{{"id":"evt_1","type":"{UPDATED}","data":{data}}}"#)
        };
        let about = |object: &str| {
            format!(r#"{{"id":"evt_1","type":"{UPDATED}","data":{{"object":{object}}}}}"#)
        };
        let not_one_object = "the body is JSON, but not one object with each field once";
        let no_object = "event evt_1 (customer.subscription.updated) shows no object";
        for (body, expected) in [
            ("", "the body is cut off"),
            ("not json", "the body is not JSON"),
            ("{} {}", "the body is not JSON"),
            ("\u{feff}{}", "the body is not JSON"),
            (r#"{"id":"evt_1""#, "the body is cut off"),
            (r#" ["evt_1","event"]"#, not_one_object),
            (r#""jenny@example.com""#, not_one_object),
            (r#"{"id":"evt_1","id":"evt_2"}"#, not_one_object),
            ("{}", "the event has no id"),
            (r#"{"id":1}"#, "the event has no id"),
            (r#"{"id":"sub_1"}"#, "the event's id is not an evt_ id"),
            (r#"{"id":"evt_ 1"}"#, "the event's id is not an evt_ id"),
            (r#"{"id":"evt_1"}"#, "event evt_1 has no type"),
            (&nested("[", "]"), no_object),
            (&nested(r#"{"a":"#, "}").replace(":}", ":1}"), no_object),
            (&about("null"), no_object),
            (&about(r#"["sub_1","cus_1"]"#), no_object),
            (r#"{"id":"evt_1","type":"a b"}"#, "event evt_1 has no type"),
        ] {
            let error = read(body.as_bytes(), received_at()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{}", &body[..body.len().min(80)]);
        }
    }

    #[test]
    fn what_names_nobody_is_told_by_event_and_type() {
        let session = json!({"id": "cs_1", "mode": "subscription", "customer": null});
        let mut connected = event(UPDATED, &json!({"id": "sub_1", "customer": "cus_1"}));
        connected["account"] = "a\nb".into();
        let mut events = vec![connected, event("checkout.session.completed", &session)];
        for customer in [
            json!(null),
            json!(7),
            json!({}),
            json!(["cus_1"]),
            json!(""),
            json!("a\u{85}b"),
            json!("ü".repeat(128)),
            json!({"id": "a\nb"}),
        ] {
            events.push(event(UPDATED, &json!({"id": "sub_1", "customer": customer})));
            events.push(event("invoice.paid", &json!({"id": "in_1", "customer": customer})));
            events
                .push(event("charge.dispute.created", &json!({"id": "dp_1", "charge": customer})));
        }
        events.push(event("customer.deleted", &json!({"id": "a\nb"})));
        events.push(event("radar.early_fraud_warning.created", &json!({"id": "issfr_1"})));
        for event in events {
            let kind = event["type"].as_str().unwrap().into();
            let expected = Reading::NamesNobody { event: EventId::parse("evt_1").unwrap(), kind };
            assert_eq!(read_value(&event).unwrap(), expected, "{event}");
        }
    }

    #[test]
    fn an_odd_identifier_is_as_good_as_any() {
        for id in ["John Doe", "Zoë Ü", "Pro plan $699/month", "a\"b\\c#d", "\u{202e}x"] {
            let price = json!({"id": id, "product": id, "lookup_key": id});
            let object = json!({"id": id, "customer": id, "status": "active",
                "items": {"data": [{"price": price}], "has_more": false}});
            let envelope = envelope(UPDATED, &object);
            assert_eq!(envelope.subject.customer.unwrap().as_str(), id);
            assert_eq!(envelope.object.as_deref(), Some(id));
            let hint = envelope.hint.unwrap();
            assert_eq!(
                (hint.whole, hint.prices[0].as_str(), hint.products[0].as_str()),
                (true, id, id)
            );
        }
    }

    /// With `customer` null, and so an account of Accounts v2, what Tollgate made still names one.
    #[test]
    fn an_account_of_ours_is_enough_and_so_is_a_customer_with_an_object_without_a_usable_id() {
        let ours = json!({METADATA_ACCOUNT: "sub-1", METADATA_PROOF: "1:00"});
        let named = envelope(UPDATED, &json!({"id": "sub_1", "customer": null, "metadata": ours}));
        assert_eq!(named.subject.account.unwrap().id.as_str(), "sub-1");
        let unnamed = envelope(UPDATED, &json!({"id": "a\nb", "customer": "cus_1"}));
        assert_eq!(unnamed.object, None);
    }

    #[test]
    fn what_nothing_needs_is_told_by_type() {
        let session =
            |mode: &str| event("checkout.session.completed", &json!({"id": "cs_1", "mode": mode}));
        let mut thin = event(UPDATED, &Value::Null);
        thin["object"] = "v2.core.event".into();
        for event in [
            event("product.created", &json!({"id": "prod_1"})),
            event("v2.core.account.closed", &Value::Null),
            event("v1.customer.subscription.updated", &Value::Null),
            event(UPDATED, &json!({"customer": "cus_1"})),
            session("payment"),
            session("setup"),
            thin,
        ] {
            let expected = Reading::NotNeeded { kind: event["type"].as_str().unwrap().into() };
            assert_eq!(read_value(&event).unwrap(), expected);
        }
    }

    #[test]
    fn an_expanded_object_is_as_good_as_its_id() {
        let subscription = envelope(
            UPDATED,
            &json!({"id": "sub_1", "status": "active", "customer": {"id": "cus_\u{31}", "email": "x"},
                    "items": {"data": [{"price": "price_1"}, {"price": {"id": "price_2"}}]}}),
        );
        assert_eq!(subscription.subject.customer.unwrap().as_str(), "cus_1");
        let prices = subscription.hint.unwrap().prices;
        assert_eq!(prices.iter().map(PriceId::as_str).collect::<Vec<_>>(), ["price_1", "price_2"]);
        let dispute =
            envelope("charge.dispute.created", &json!({"id": "dp_1", "charge": {"id": "ch_1"}}));
        assert_eq!(dispute.subject.charge.unwrap().as_str(), "ch_1");
    }

    #[test]
    fn strange_optional_fields_count_as_absent_and_unknown_values_are_kept() {
        let object = json!({"id": "sub_1", "customer": "cus_1", "status": "on_holiday",
            "metadata": [], "cancel_at": "soon", "cancel_at_period_end": 1,
            "items": {"data": [null, 7, {"price": null}, {"price": "price_1"}, {"price": "p\n2"}, {"price": {"product": "prod_1"}}]}});
        let mut event = event(UPDATED, &object);
        event["created"] = "yesterday".into();
        event["livemode"] = "no".into();
        event["account"] = json!({});
        let Reading::Envelope(envelope) = read_value(&event).unwrap() else { panic!() };
        assert_eq!(envelope.occurred_at, received_at());
        assert_eq!((envelope.livemode, envelope.connect_account), (None, None));
        let prices = vec![PriceId::parse("price_1").unwrap()];
        let hint = Hint { status: "on_holiday".into(), prices, ..Hint::default() };
        assert!(!hint.whole, "of all others nothing is known");
        assert_eq!(envelope.hint, Some(hint));
    }

    #[test]
    fn an_account_is_read_from_our_metadata_alone_and_only_with_a_proof() {
        let account = |kind: &str, object: Value| {
            let mut whole = json!({"id": "x_1", "customer": "cus_1", "mode": "subscription",
                                   "client_reference_id": "someone-else"});
            whole.as_object_mut().unwrap().append(&mut object.as_object().unwrap().clone());
            envelope(kind, &whole).subject.account.map(|named| (named.id.to_string(), named.proof))
        };
        let ours = json!({METADATA_ACCOUNT: "sub-1", METADATA_PROOF: "1:00"});
        let named = Some(("sub-1".to_owned(), Some("1:00".to_owned())));
        let (session, invoice) = ("checkout.session.completed", "invoice.paid");
        let details = json!({"subscription_details": {"metadata": ours}});

        assert_eq!(account(session, json!({"metadata": ours})), named);
        assert_eq!(account(UPDATED, json!({"metadata": ours})), named);
        assert_eq!(account(invoice, json!({"parent": details})), named);
        assert_eq!(account(invoice, details.clone()), named);

        assert_eq!(account(invoice, json!({"metadata": ours})), None);
        assert_eq!(account("customer.deleted", json!({"metadata": ours})), None);
        for metadata in [
            json!({}),
            json!({METADATA_ACCOUNT: "sub-1"}),
            json!({METADATA_ACCOUNT: "sub-1", METADATA_PROOF: ""}),
            json!({METADATA_ACCOUNT: "sub-1", METADATA_PROOF: "f".repeat(129)}),
            json!({METADATA_ACCOUNT: "sub 1", METADATA_PROOF: "1:00"}),
            json!({METADATA_PROOF: "1:00"}),
        ] {
            assert_eq!(account(session, json!({"metadata": metadata})), None, "{metadata}");
        }
    }
}
