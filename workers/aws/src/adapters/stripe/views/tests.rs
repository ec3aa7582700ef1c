use serde_json::json;

use tollgate_events::AccountId;

use super::*;

fn view<T: Deserialize>(json: &serde_json::Value) -> T {
    miniserde::json::from_str(&json.to_string()).expect("readable")
}

fn asked() -> CustomerId {
    CustomerId::parse("cus_asked").unwrap()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Basil and later: periods on the items. After Stripe's published fixture.
fn newer() -> serde_json::Value {
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
fn older() -> serde_json::Value {
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
    let read = view::<SubscriptionView>(&newer()).read(Some(&asked())).unwrap();
    assert_eq!(read.id.as_str(), "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw");
    assert_eq!(read.customer.as_str(), "cus_QXg1o8vcGmoR32");
    assert_eq!(read.status, SubscriptionStatus::Active);
    assert_eq!(read.cancel_at, at(1_234_567_890));
    assert!(!read.cancel_at_period_end);
    assert_eq!(read.current_period_end, at(976_287_999), "the latest of the items");
    assert_eq!(read.latest_invoice_finalized_at, at(976_000_000));
    let sold: Vec<_> = read
        .prices
        .iter()
        .map(|p| (p.id.as_str(), p.lookup_key.as_deref(), p.product.as_ref().unwrap().as_str()))
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
    let read = view::<SubscriptionView>(&older()).read(Some(&asked())).unwrap();
    assert_eq!(read.customer.as_str(), "cus_expanded");
    assert_eq!(read.status, SubscriptionStatus::PastDue);
    assert!(read.cancel_at_period_end);
    assert_eq!(read.current_period_end, at(976_287_773));
    assert_eq!(read.ends_at(), at(976_287_773));
    assert_eq!(read.latest_invoice_finalized_at, None, "not expanded");
    assert_eq!(read.prices[0].product, None);
}

#[test]
fn what_is_missing_or_new_is_no_error() {
    let bare = json!({ "id": "sub_1", "status": "on_holiday", "customer": null });
    let read = view::<SubscriptionView>(&bare).read(Some(&asked())).unwrap();
    assert_eq!(read.status, SubscriptionStatus::Other("on_holiday".into()));
    assert_eq!(read.customer, asked());
    assert_eq!((read.prices.len(), read.current_period_end), (0, None));
    for invoice in [json!(null), json!({}), json!({ "status_transitions": null })] {
        let mut json = newer();
        json["latest_invoice"] = invoice;
        let read = view::<SubscriptionView>(&json).read(Some(&asked())).unwrap();
        assert_eq!(read.latest_invoice_finalized_at, None);
    }
}

fn there(customer: &serde_json::Value) -> CustomerRecord {
    match view::<CustomerView>(customer).read().unwrap() {
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
    assert_eq!(view::<CustomerView>(&deleted).read().unwrap(), CustomerSeen::Deleted);
}

#[test]
fn a_dispute_has_the_customer_of_its_expanded_charge() {
    let cases = [
        (json!("ch_1"), None),
        (json!({ "id": "ch_1", "customer": null }), None),
        (json!({ "id": "ch_1", "customer": "cus_1" }), Some("cus_1")),
        (json!({ "id": "ch_1", "customer": { "id": "cus_1" } }), Some("cus_1")),
    ];
    for (charge, customer) in cases {
        let dispute = json!({ "id": "dp_1", "status": "warning_needs_response", "charge": charge });
        let read = view::<DisputeView>(&dispute).read().unwrap();
        assert_eq!(read.status, DisputeStatus::Inquiry);
        assert_eq!(read.charge.as_str(), "ch_1");
        assert_eq!(read.customer.as_ref().map(CustomerId::as_str), customer);
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
    let view: CheckoutView = view(&session);
    assert!(view.is_open());
    let read = view.read();
    assert_eq!(read.named.unwrap().id.as_str(), "sub-1");
    assert_eq!(read.client_reference_id.as_deref(), Some("sub-2"));
    assert_eq!(read.price, PriceId::parse("price_1").ok());
    assert_eq!(read.url.as_deref(), Some("https://checkout.stripe.com/pay/c/cs_test_1"));
}
