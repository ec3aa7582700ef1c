use super::*;
use crate::check_word;

fn envelope() -> Envelope {
    Envelope {
        v: ENVELOPE_VERSION,
        source: Source::Stripe,
        id: EventId::parse("evt_1").unwrap(),
        kind: "customer.subscription.updated".into(),
        subject: Subject::customer(CustomerId::parse("cus_1").unwrap()),
        object: Some("sub_1".into()),
        occurred_at: Timestamp::from_second(1_700_000_000).unwrap(),
        received_at: Timestamp::from_second(1_700_000_005).unwrap(),
        livemode: Some(false),
        connect_account: None,
        via: Via::Webhook,
        run: None,
        hint: Some(Hint {
            status: "active".into(),
            prices: vec![PriceId::parse("price_pro").unwrap()],
            cancel_at_period_end: true,
            ..Hint::default()
        }),
    }
}

#[test]
fn reads_back_what_it_wrote() {
    let envelope = envelope();
    assert_eq!(Envelope::decode(&envelope.encode()).unwrap(), envelope);
}

/// The stored format: a change here breaks messages in flight and records at rest.
#[test]
fn version_1_is_spelled_like_this() {
    assert_eq!(
        envelope().encode(),
        r#"{"v":1,"source":"stripe","id":"evt_1","type":"customer.subscription.updated","subject":{"customer":"cus_1"},"object":"sub_1","occurred_at":1700000000,"received_at":1700000005,"livemode":false,"via":"webhook","hint":{"status":"active","prices":["price_pro"],"cancel_at_period_end":true}}"#
    );
}

#[test]
fn skips_fields_that_it_does_not_know() {
    let text = envelope().encode().replacen('{', r#"{"new_field":[1],"#, 1);
    assert_eq!(Envelope::decode(&text).unwrap(), envelope());
}

#[test]
fn says_so_when_the_version_is_newer() {
    let text = r#"{"v":2,"source":"stripe","id":"evt_9","whatever":{}}"#;
    let error = Envelope::decode(text).unwrap_err();
    let EnvelopeError::FutureVersion { version: 2, event: Some(event) } = error else {
        panic!("{error:?}");
    };
    assert_eq!(event.to_string(), "stripe/evt_9");
}

#[test]
fn the_group_is_the_account_when_named() {
    let mut envelope = envelope();
    assert_eq!(envelope.group(), "cus_1");
    envelope.subject.account = Some(NamedAccount::trusted(AccountId::parse("sub-1").unwrap()));
    assert_eq!(envelope.group(), "sub-1");
    envelope.id = EventId::of_wake(BETWEEN_PLANS, "sub-1");
    envelope.kind = BETWEEN_PLANS.into();
    assert_eq!(envelope.group(), "between-plans:sub-1", "it waits behind nothing");
}

#[test]
fn group_and_deduplication_id_are_words_whatever_the_customer_is() {
    let mut envelope = envelope();
    envelope.subject.customer = Some(CustomerId::parse("John Doe").unwrap());
    let of_john = "sha256:6cea57c2fb6cbc2a40411135005760f241fffc3e5e67ab99882726431037f908";
    assert_eq!(envelope.group(), of_john);
    envelope.run = Some("r1".into());
    assert_eq!(envelope.deduplication_id(), "r1@stripe/evt_1");
    let long = |id: char| EventId::parse(id.to_string().repeat(128)).unwrap();
    let of = |id| Envelope { id, ..envelope.clone() }.deduplication_id();
    assert_ne!(of(long('a')), of(long('b')));
    assert_eq!(check_word(&of(long('a'))), Ok(()));
}

#[test]
fn what_sqs_does_not_take_is_escaped() {
    let mut envelope = envelope();
    envelope.subject.customer = Some(CustomerId::parse("a\u{ffff}\u{fffe}b").unwrap());
    let text = envelope.encode();
    assert!(text.contains(r#""customer":"a\uffff\ufffeb""#), "{text}");
    assert_eq!(Envelope::decode(&text).unwrap(), envelope);
}

#[test]
fn stays_under_a_kilobyte_with_every_field_at_a_usual_length() {
    let mut envelope = envelope();
    envelope.subject.account = Some(NamedAccount {
        id: AccountId::parse("2f0c1a2e-7d0c-4c1e-9f5e-0123456789ab").unwrap(),
        proof: Some(format!("1:{}", "f".repeat(64))),
        stack: Some("production".into()),
    });
    let hint = envelope.hint.as_mut().unwrap();
    hint.prices = vec![PriceId::parse("price_1PgafmB7WZ01zgkW6dKueIc5").unwrap(); 4];
    hint.products = vec![ProductId::parse("prod_QXg1hqf4jFNsqG").unwrap(); 4];
    hint.lookup_keys = vec!["basic_monthly".into(); 4];
    assert!(envelope.encode().len() < 1024, "{}", envelope.encode().len());
}
