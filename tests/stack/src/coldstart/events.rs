//! The first event of each function, and the settings with which it is done.
//!
//! The worker has two: one that it puts on record without asking anybody, and one about
//! which it has to ask Stripe.

use anyhow::bail;
use serde_json::{Value, json};
use tollgate_core::ports::Clock;
use tollgate_events::stripe::{SigningSecret, sign};
use tollgate_functions::adapters::system::SystemClock;
use tollgate_local::secrets::arns;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE, POOL_ID};

/// What Secrets Manager has for the webhook.
pub(super) const WEBHOOK_SECRET: &str = "whsec_bench";

/// What is measured of a function: each a name and an event.
pub(super) fn events(function: &str) -> anyhow::Result<Vec<(String, Value)>> {
    let mut events = vec![(function.to_owned(), event(function)?)];
    if function == "worker" {
        events.push((ASKS_STRIPE.to_owned(), message(DISPUTE)));
    }
    Ok(events)
}

/// The event for which Stripe is asked.
pub(super) const ASKS_STRIPE: &str = "worker, Stripe";

/// Whose charge it is, Stripe alone knows.
const DISPUTE: &str = r#"{"v":1,"source":"stripe","id":"evt_1","type":"charge.dispute.created","subject":{"charge":"ch_1"},"object":"dp_1","occurred_at":1772355600,"received_at":1772355600,"livemode":false,"via":"webhook","hint":{"status":"needs_response"}}"#;

/// An event that the function does with one call, or with the few that it always makes.
fn event(function: &str) -> anyhow::Result<Value> {
    Ok(match function {
        "stripe-webhook" => delivery()?,
        "cognito-trigger" => json!({
            "version": "1",
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "userPoolId": POOL_ID,
            "userName": "ann",
            "request": { "userAttributes": { "sub": "sub-1" } },
            "response": {},
        }),
        "eventbridge" => json!({
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.cognito-idp",
            "detail": {
                "eventID": "e-1",
                "eventName": "AdminDeleteUser",
                "eventTime": "2026-03-01T09:00:00Z",
                "requestParameters": { "userPoolId": POOL_ID },
                "additionalEventData": { "sub": "sub-1" },
            },
        }),
        // What cannot be read is put on record.
        "worker" | "deadletter" => message("no envelope"),
        "account" => {
            let mut request = http("GET", "/account", "");
            request["requestContext"]["authorizer"] =
                json!({ "jwt": { "claims": { "sub": "s", "token_use": "id" } } });
            request
        }
        "site" => {
            let mut request = http("GET", "/plans", "");
            request["routeKey"] = json!("GET /plans");
            request
        }
        "sweep" => json!({ "sweep": "due" }),
        other => bail!("there is no event for {other}"),
    })
}

/// A batch of one.
fn message(body: &str) -> Value {
    json!({ "Records": [
        { "messageId": "m1", "body": body, "attributes": { "MessageGroupId": "g" } },
    ] })
}

/// What Stripe sends of a changed subscription, signed.
fn delivery() -> anyhow::Result<Value> {
    let body = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../events/fixtures/stripe/customer.subscription.updated.endive.json"
    ));
    let secret = SigningSecret::new(WEBHOOK_SECRET)?;
    let mut request = http("POST", "/webhook", body);
    request["headers"]["stripe-signature"] =
        sign(&secret, SystemClock.now(), body.as_bytes()).into();
    Ok(request)
}

fn http(method: &str, path: &str, body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "headers": {},
        "requestContext": { "http": { "method": method, "path": path } },
        "body": body,
        "isBase64Encoded": false,
    })
}

const CATALOG: &str = "revision = 1\nstages = [\"api1:prod\"]\n\
    [[plans]]\nid = \"pro\"\nrank = 1\nusage_plan = \"up\"\n";

/// The variables of all functions, as the template sets them.
pub(super) fn settings(aws: &str, stripe: &str) -> Vec<(&'static str, String)> {
    let queue = |name: &str| format!("{aws}/000000000000/{name}");
    vec![
        ("TOLLGATE_STACK", "bench".into()),
        ("TOLLGATE_TABLE", "ledger".into()),
        ("TOLLGATE_EVENTS_QUEUE_URL", queue(EVENTS_QUEUE)),
        ("TOLLGATE_BULK_QUEUE_URL", queue(BULK_QUEUE)),
        ("TOLLGATE_USER_POOL_ID", POOL_ID.into()),
        ("TOLLGATE_LIVEMODE", "false".into()),
        ("TOLLGATE_CATALOG", CATALOG.into()),
        ("TOLLGATE_RETURN_URL", "https://shop.example".into()),
        ("STRIPE_API_BASE", stripe.into()),
        ("STRIPE_SECRET_KEY_ARN", arns::STRIPE_KEY.into()),
        ("STRIPE_WEBHOOK_SECRETS_ARN", arns::WEBHOOK.into()),
        ("TOLLGATE_KEY_SECRETS_ARN", arns::KEYS.into()),
    ]
}
