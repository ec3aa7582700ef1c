use serde_json::{Value, json};
use tollgate_events::AccountId;

use super::*;
use crate::adapters::stripe::answer;

fn reads<T>(json: &Value, read: impl FnOnce(&Object<'_>) -> Result<T, Odd>) -> Result<T, String> {
    let raw = json.to_string();
    read(&Object::read(&raw).expect("an object")).map_err(|odd| odd.to_string())
}

fn subscription(json: &Value) -> Subscription {
    reads(json, |it| SubscriptionView::of(it, &asked())).unwrap().subscription
}

fn asked() -> CustomerId {
    CustomerId::parse("cus_asked").unwrap()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Basil and later: periods on the items. After Stripe's published fixture.
fn newer() -> Value {
    json!({
        "id": "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw",
        "object": "subscription",
        "application": null,
        "automatic_tax": { "enabled": false, "liability": { "type": "account" } },
        "billing_mode": { "type": "flexible", "flexible": { "proration_discounts": "included" } },
        "cancel_at": 1_234_567_890,
        "cancel_at_period_end": false,
        "customer": "cus_QXg1o8vcGmoR32",
        "discounts": [],
        "items": {
            "object": "list",
            "data": [{
                "id": "si_QXhVnC2h0Jczwc",
                "object": "subscription_item",
                "current_period_end": 976_287_773,
                "current_period_start": 896_570_518,
                "price": {
                    "id": "price_1PgafmB7WZ01zgkW6dKueIc5",
                    "object": "price",
                    "lookup_key": null,
                    "product": "prod_QXg1hqf4jFNsqG",
                    "recurring": { "interval": "month", "meter": null },
                    "unit_amount_decimal": "2000"
                }
            }, {
                "id": "si_2",
                "current_period_end": 976_287_999,
                "price": { "id": "price_2", "lookup_key": "pro", "product": { "id": "prod_2" } }
            }],
            "has_more": false,
            "url": "/v1/subscription_items?subscription=sub_1Pgc6rB7WZ01zgkWNy0Cn5nw"
        },
        "latest_invoice": {
            "id": "in_1",
            "object": "invoice",
            "parent": { "type": "subscription_details" },
            "status_transitions": { "finalized_at": 976_000_000, "paid_at": null }
        },
        "status": "active"
    })
}

/// Before Basil: the period on the subscription.
fn older() -> Value {
    json!({
        "id": "sub_old",
        "object": "subscription",
        "cancel_at": null,
        "cancel_at_period_end": true,
        "current_period_end": 976_287_773,
        "customer": { "id": "cus_expanded", "object": "customer", "deleted": true },
        "items": { "data": [{ "id": "si_1", "price": { "id": "price_1" } }] },
        "latest_invoice": "in_1",
        "plan": { "id": "price_1", "object": "plan" },
        "status": "past_due"
    })
}

#[test]
fn a_subscription_of_today_is_read() {
    let read = subscription(&newer());
    assert_eq!(read.id.as_str(), "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw");
    assert_eq!(read.customer.as_str(), "cus_QXg1o8vcGmoR32");
    assert_eq!(read.status, SubscriptionStatus::Active);
    assert_eq!(read.cancel_at, at(1_234_567_890));
    assert!(!read.cancel_at_period_end);
    assert_eq!(read.current_period_end, at(976_287_999), "the latest of the items");
    assert_eq!(read.latest_invoice.unwrap().finalized_at, at(976_000_000));
    let sold: Vec<_> = read
        .prices
        .iter()
        .map(|p| {
            let (id, product) = (p.id.as_ref().unwrap(), p.product.as_ref().unwrap());
            (id.as_str(), p.lookup_key.as_deref(), product.as_str())
        })
        .collect();
    assert_eq!(
        sold,
        [
            ("price_1PgafmB7WZ01zgkW6dKueIc5", None, "prod_QXg1hqf4jFNsqG"),
            ("price_2", Some("pro"), "prod_2"),
        ]
    );
}

#[test]
fn a_subscription_from_before_basil_is_read() {
    let read = subscription(&older());
    assert_eq!(read.customer.as_str(), "cus_expanded");
    assert_eq!(read.status, SubscriptionStatus::PastDue);
    assert!(read.cancel_at_period_end);
    assert_eq!(read.current_period_end, at(976_287_773));
    assert_eq!(read.ends_at(), at(976_287_773));
    assert_eq!(read.latest_invoice, None, "not expanded");
    assert_eq!(read.prices[0].product, None);
}

#[test]
fn what_is_missing_or_new_is_no_error() {
    let bare = json!({ "id": "sub_1", "status": "on_holiday", "customer": null });
    let read = subscription(&bare);
    assert_eq!(read.status, SubscriptionStatus::Other("on_holiday".into()));
    assert_eq!(read.customer, asked());
    assert_eq!(read.prices, [Price::default()], "what it sells is not known");
    assert_eq!(read.current_period_end, None);
    for invoice in [json!(null), json!({}), json!({ "status_transitions": null })] {
        let mut json = newer();
        json["latest_invoice"] = invoice;
        let read = subscription(&json);
        assert_eq!(read.latest_invoice.and_then(|it| it.late_since()), None);
    }
}

fn there(customer: &Value) -> CustomerRecord {
    match reads(customer, super::customer).unwrap() {
        CustomerSeen::There(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_customer_is_whose_its_metadata_says() {
    let metadata = json!({ "tollgate_account": "sub-1", "tollgate_proof": "1:ff", "other": "x" });
    let customer = json!({ "id": "cus_1", "email": "a@example.com", "metadata": metadata });
    let read = there(&customer);
    let named = NamedAccount {
        id: AccountId::parse("sub-1").unwrap(),
        proof: Some("1:ff".into()),
        stack: None,
    };
    assert_eq!(read.named, Some(named));
    for nobody in [json!({}), json!(null), json!({ "tollgate_account": "not an id" })] {
        let customer = json!({ "id": "cus_1", "metadata": nobody });
        assert_eq!(there(&customer).named, None);
    }
    let deleted = json!({ "deleted": true, "id": "cus_1", "object": "customer" });
    assert_eq!(reads(&deleted, super::customer).unwrap(), CustomerSeen::Deleted);
}

#[test]
fn a_dispute_has_the_customer_of_its_expanded_charge() {
    let dispute_of = |charge: Value| {
        let dispute = json!({ "id": "dp_1", "status": "warning_needs_response", "charge": charge });
        reads(&dispute, super::dispute)
    };
    let cases = [
        (json!({ "id": "ch_1", "customer": null }), None),
        (json!({ "id": "ch_1", "customer": "cus_1" }), Some("cus_1")),
        (json!({ "id": "ch_1", "customer": { "id": "cus_1" } }), Some("cus_1")),
    ];
    for (charge, customer) in cases {
        let read = dispute_of(charge).unwrap();
        assert_eq!(read.status, DisputeStatus::Inquiry);
        assert_eq!(read.charge.as_str(), "ch_1");
        assert_eq!(read.customer.as_ref().map(CustomerId::as_str), customer);
    }
    // A charge that is not there says nothing of whose it is: that is not nobody's.
    assert_eq!(dispute_of(json!("ch_1")).unwrap_err(), "charge: not expanded");
}

#[test]
fn a_payment_is_refunded_only_where_its_charge_says_so() {
    let payment = |charge: Value| {
        let intent = json!({ "id": "pi_1", "latest_charge": charge });
        let payment = json!({ "type": "payment_intent", "payment_intent": intent });
        reads(&json!({ "id": "inpay_1", "payment": payment }), |it| Ok(is_refunded(it)))
    };
    assert_eq!(payment(json!({ "id": "ch_1", "refunded": true })), Ok(true));
    for charge in [json!({ "id": "ch_1", "refunded": false }), json!("ch_1"), json!(null)] {
        assert_eq!(payment(charge.clone()), Ok(false), "{charge}");
    }
}

#[test]
fn a_checkout_session_is_read() {
    let session = json!({
        "id": "cs_test_1",
        "object": "checkout.session",
        "client_reference_id": "sub-2",
        "custom_text": { "submit": { "message": "message" } },
        "customer_details": { "email": "example@example.com" },
        "metadata": { "tollgate_account": "sub-1", "tollgate_price": "price_1" },
        "status": "open",
        "url": "https://checkout.stripe.com/pay/c/cs_test_1",
    });
    let read = reads(&session, checkout).unwrap();
    assert_eq!(read.status, "open");
    assert_eq!(read.named.unwrap().id.as_str(), "sub-1");
    assert_eq!(read.client_reference_id.as_deref(), Some("sub-2"));
    assert_eq!(read.price, PriceId::parse("price_1").ok());
    assert_eq!(read.url.as_deref(), Some("https://checkout.stripe.com/pay/c/cs_test_1"));
}

/// What Stripe, or whoever is between, may make of a field.
const ODD: [&str; 10] = [
    "null",
    "1.5",
    "1e999",
    "99999999999999999999",
    r#""\ud83d""#,
    r#""""#,
    "[]",
    "{}",
    r#"{"id": null}"#,
    "[[{}], 7]",
];

/// The text of an object, with the value at a pointer replaced by whatever text.
fn with(json: &Value, pointer: &str, odd: &str) -> String {
    let mut json = json.clone();
    *json.pointer_mut(pointer).expect(pointer) = "THE ODD ONE".into();
    answer::text(json.to_string().replace("\"THE ODD ONE\"", odd).as_bytes())
}

/// Every pointer into a value.
fn pointers(json: &Value, at: &str, all: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match json {
        Value::Object(fields) => fields.iter().map(|(name, it)| (name.clone(), it)).collect(),
        Value::Array(rows) => (0..).map(|n: usize| n.to_string()).zip(rows).collect(),
        _ => return,
    };
    for (name, value) in below {
        let at = format!("{at}/{name}");
        pointers(value, &at, all);
        all.push(at);
    }
}

/// Whatever is odd about any one field, the others are read; only what must be there is missed.
#[test]
fn an_odd_field_costs_itself() {
    let (newer, mut all) = (newer(), Vec::new());
    pointers(&newer, "", &mut all);
    let whole = subscription(&newer);
    for pointer in &all {
        for odd in ODD {
            let raw = with(&newer, pointer, odd);
            let read = SubscriptionView::of(&Object::read(&raw).unwrap(), &asked());
            if pointer == "/id" {
                assert!(read.is_err() || odd.starts_with('"'), "{pointer} {odd}");
                continue;
            }
            if pointer == "/metadata" {
                let says = odd != "null" && !odd.starts_with('{');
                assert_eq!(read.is_err(), says, "{pointer} {odd}");
                continue;
            }
            if pointer == "/status" {
                let status = read.unwrap().subscription.status;
                let text = odd.starts_with('"');
                assert_eq!(status == SubscriptionStatus::Unreadable, !text, "{pointer} {odd}");
                continue;
            }
            let read = read.unwrap_or_else(|error| panic!("{pointer} {odd}: {error}")).subscription;
            assert_eq!((&read.id, &read.status), (&whole.id, &whole.status), "{pointer} {odd}");
            if !pointer.starts_with("/items") {
                assert_eq!(read.prices, whole.prices, "{pointer} {odd}");
            }
            if !pointer.starts_with("/latest_invoice") {
                let (read, whole) = (read.latest_invoice, whole.latest_invoice.clone());
                assert_eq!(read, whole, "{pointer} {odd}");
            }
        }
    }
}

#[test]
fn a_price_that_cannot_be_read_is_one_that_nobody_knows() {
    for (pointer, odd) in [
        ("/items/data/0/price", "null"),
        ("/items/data/0/price", "\"price_1\""),
        ("/items/data/0", "null"),
        ("/items/data/0", "[]"),
    ] {
        let raw = with(&newer(), pointer, odd);
        let read = SubscriptionView::of_everybody(&Object::read(&raw).unwrap()).unwrap();
        let prices = read.subscription.prices;
        assert_eq!((prices.len(), &prices[0]), (2, &Price::default()), "{pointer} {odd}");
        assert!(prices[1].id.is_some());
    }
    let raw = with(&newer(), "/items/data/0/price/id", "null");
    let read = SubscriptionView::of_everybody(&Object::read(&raw).unwrap()).unwrap();
    let first = &read.subscription.prices[0];
    assert_eq!((&first.id, first.product.is_some()), (&None, true), "its product may tell");
    for items in ["null", "[]", "{}", "7"] {
        let raw = with(&newer(), "/items", items);
        let read = SubscriptionView::of_everybody(&Object::read(&raw).unwrap()).unwrap();
        assert_eq!(read.subscription.prices, [Price::default()], "{items}");
    }
}

#[test]
fn whole_floats_are_the_numbers_that_they_stand_for() {
    let raw = with(&newer(), "/cancel_at", "1234567890.0");
    let read = SubscriptionView::of_everybody(&Object::read(&raw).unwrap()).unwrap();
    assert_eq!(read.subscription.cancel_at, at(1_234_567_890));
}

#[test]
fn a_customer_is_needed_where_none_was_asked_for() {
    let mut orphan = newer();
    orphan["customer"] = Value::Null;
    assert_eq!(subscription(&orphan).customer, asked());
    let odd = reads(&orphan, |it| SubscriptionView::of_everybody(it).map(drop)).unwrap_err();
    assert_eq!(odd, "customer: missing, or no id");
    for missing in ["id", "status"] {
        let mut odd = newer();
        odd[missing] = Value::Null;
        let why = reads(&odd, |it| SubscriptionView::of_everybody(it).map(drop)).unwrap_err();
        assert!(why.starts_with(missing), "{why}");
    }
    let odd = json!({ "id": "ch_1", "customer": 7 });
    assert!(reads(&odd, charge).is_err(), "it has one, and nobody knows which");
    assert_eq!(reads(&json!({ "id": "ch_1", "customer": null }), charge), Ok(None));
}
