use secrecy::SecretString;
use serde_json::{Value, json};
use tollgate_functions::config::StripeEndpoint;
use tollgate_standin::stub::{Stub, StubAnswer};

use super::*;

fn stripe(stub: &Stub) -> OperatorStripe {
    let endpoint = StripeEndpoint { base: Some(stub.url.clone()), roots: None };
    OperatorStripe::new(&SecretString::from("sk_test_1"), &endpoint).unwrap()
}

#[tokio::test]
async fn prices_are_asked_for_ten_lookup_keys_at_a_time_and_odd_ones_have_no_terms() {
    let price = |scheme: &str, recurring: Value| {
        json!({
            "id": "price_1", "lookup_key": "k", "product": "prod_1", "active": true,
            "unit_amount": 100, "currency": "usd", "billing_scheme": scheme,
            "recurring": recurring, "metadata": { "tollgate_stack": "shop", "tollgate_plan": "pro" },
        })
    };
    let monthly = json!({ "interval": "month", "interval_count": 1, "usage_type": "licensed" });
    let metered = json!({ "interval": "month", "interval_count": 1, "usage_type": "metered" });
    let prices = [
        price("per_unit", monthly.clone()),
        price("tiered", monthly),
        price("per_unit", metered),
        price("per_unit", Value::Null),
    ];
    let stub = Stub::answering([
        StubAnswer::new(200, json!({ "data": prices, "has_more": false })),
        StubAnswer::new(200, json!({ "data": [], "has_more": false })),
    ])
    .await;
    let keys: Vec<_> = (0..11).map(|n| format!("k{n}")).collect();
    let found = stripe(&stub).prices_of(&keys).await.unwrap();
    let plain: Vec<_> = found.iter().map(|price| price.terms.is_some()).collect();
    assert_eq!(plain, [true, false, false, false]);
    assert!(found.iter().all(|price| price.owner.as_ref().is_some_and(|it| it.plan == "pro")));
    let unescape = |line: &String| line.replace("%5B", "[").replace("%5D", "]");
    let lines: Vec<_> = stub.lines().iter().map(unescape).collect();
    assert!(lines[0].contains("lookup_keys[9]=k9") && !lines[0].contains("k10"), "{lines:?}");
    assert!(lines[1].contains("lookup_keys[0]=k10"), "{lines:?}");
}
