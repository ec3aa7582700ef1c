use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::json;
use tollgate_standin::stub::{Stub, StubAnswer};

use super::*;
use crate::adapters::clients::stubbed;

fn plane(stub: &Stub) -> ControlPlane {
    ControlPlane::new(Client::new(&stubbed(&stub.url)))
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn key() -> KeyId {
    KeyId::parse("k1").unwrap()
}

fn plan() -> UsagePlanId {
    UsagePlanId::parse("p1").unwrap()
}

fn refused(status: u16, code: &'static str) -> StubAnswer {
    StubAnswer::new(status, json!({ "message": "no" })).header("x-amzn-errortype", code)
}

#[tokio::test]
async fn keys_of_an_account_are_read_to_the_end_and_compared_again() {
    let key = |id: &str, customer: &str| json!({ "id": id, "customerId": customer, "value": "v", "enabled": true });
    let stub = Stub::answering([
        StubAnswer::new(
            200,
            json!({ "item": [key("k1", "a"), key("k2", "b")], "position": "next" }),
        ),
        StubAnswer::new(
            200,
            json!({ "item": [key("k3", "a"), { "id": "k4", "name": "by hand" }] }),
        ),
    ])
    .await;
    let keys = plane(&stub).keys_of(&account("a")).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["k1", "k3"]);
    assert_eq!(keys[0].value.as_ref().unwrap().expose(), "v");
    let lines = stub.lines();
    assert!(lines[0].contains("customerId=a") && lines[0].contains("includeValues=true"));
    assert!(lines[1].contains("position=next"), "{lines:?}");
}

#[tokio::test]
async fn a_key_goes_out_enabled_and_its_value_into_no_error() {
    let stub = Stub::answering([
        StubAnswer::new(201, json!({ "id": "k1" })),
        StubAnswer::new(409, json!({ "message": "the value minted-value exists" }))
            .header("x-amzn-errortype", "ConflictException"),
    ])
    .await;
    let new = NewKey {
        name: "tollgate/stack/a/primary/1".into(),
        value: KeyValue::new("minted-value"),
        customer_id: account("a"),
        description: "primary 1".into(),
    };
    assert_eq!(plane(&stub).create_key(&new).await.unwrap(), key());
    let body: serde_json::Value = serde_json::from_str(&stub.asked()[0].body).unwrap();
    assert_eq!(body["enabled"], true);
    assert_eq!(body["customerId"], "a");
    assert_eq!(body["value"], "minted-value");
    let failed = plane(&stub).create_key(&new).await.unwrap_err();
    assert_eq!(failed.class, Class::Conflict);
    assert!(!failed.to_string().contains("minted-value"), "{failed}");
}

#[tokio::test]
async fn refusals_keep_their_meaning() {
    let after = Some(SignedDuration::from_secs(3));
    let cases = [
        (refused(409, "ConflictException"), Class::Conflict),
        (refused(404, "NotFoundException"), Class::NotFound),
        (
            refused(429, "TooManyRequestsException").header("retry-after", "3"),
            Class::Throttled { after },
        ),
        (refused(429, "LimitExceededException"), Class::LimitExceeded),
        (refused(400, "BadRequestException"), Class::Invalid),
        (refused(401, "UnauthorizedException"), Class::Denied),
        (refused(403, "AccessDeniedException"), Class::Denied),
        (refused(503, "ServiceUnavailableException"), Class::Unavailable),
        (StubAnswer::new(500, "oops"), Class::Unavailable),
    ];
    for (answer, class) in cases {
        let stub = Stub::answering([answer]).await;
        assert_eq!(plane(&stub).attach(&plan(), &key()).await.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn an_unknown_key_is_none() {
    let missing = || refused(404, "NotFoundException");
    let stub = Stub::answering([missing(), missing()]).await;
    assert!(plane(&stub).key(&key()).await.unwrap().is_none());
    assert!(plane(&stub).key_value(&key()).await.unwrap().is_none());
}

#[tokio::test]
async fn usage_is_all_days_used_and_the_last_one_left() {
    let days = json!({ "values": { "k1": [[10, 90], [0, 90], [5, 85]] } });
    let stub = Stub::answering([StubAnswer::new(200, days), StubAnswer::new(200, json!({}))]).await;
    let plane = plane(&stub);
    let usage = plane.usage(&plan(), &key(), "2026-11-01", "2026-11-30").await.unwrap();
    assert_eq!(usage, Some(Usage { used: 15, remaining: 85 }));
    let none = plane.usage(&plan(), &key(), "2026-11-01", "2026-11-30").await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn plans_of_a_key_are_read_to_the_end() {
    let stub = Stub::answering([
        StubAnswer::new(200, json!({ "item": [{ "id": "p1" }], "position": "next" })),
        StubAnswer::new(
            200,
            json!({ "item": [{ "id": "p2", "apiStages": [{ "apiId": "a1", "stage": "prod" }] }] }),
        ),
    ])
    .await;
    let plans = plane(&stub).plans_of(&key()).await.unwrap();
    let plans: Vec<_> = plans.iter().map(|plan| (plan.id.as_str(), &plan.stages)).collect();
    let stages = ["a1:prod".to_owned()].into();
    assert_eq!(plans, [("p1", &BTreeSet::new()), ("p2", &stages)]);
}

#[tokio::test]
async fn a_key_without_a_usable_id_is_left_out_of_listings_and_missed_by_its_account() {
    let keys = || {
        let odd = json!({ "id": "", "customerId": "a", "enabled": true });
        StubAnswer::new(200, json!({ "item": [{ "id": "k1", "customerId": "b" }, odd] }))
    };
    let stub = Stub::answering([keys(), keys(), keys(), keys()]).await;
    let plane = plane(&stub);
    let page = plane.all_keys(None).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable[0].owner.as_deref()), (1, Some("a")));
    let page = plane.keys_on(&plan(), None).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable.len()), (1, 1));
    assert_eq!(plane.keys_of(&account("b")).await.unwrap().len(), 1);
    assert_eq!(plane.keys_of(&account("a")).await.unwrap_err().class, Class::Invalid);
}
