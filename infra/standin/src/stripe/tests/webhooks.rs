//! Deliveries: signatures, retries on the virtual clock, shapes.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;

use super::*;

/// An endpoint that keeps what it gets and answers what it is told.
#[derive(Clone)]
struct Receiver {
    answer: Arc<Mutex<u16>>,
    got: Arc<Mutex<Vec<(String, String)>>>,
}

async fn receive(
    State(me): State<Receiver>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    me.got.lock().unwrap().push((signature, body));
    let status = StatusCode::from_u16(*me.answer.lock().unwrap()).unwrap();
    (status, [("location", "/elsewhere")])
}

async fn receiver() -> (Receiver, String) {
    let me = Receiver { answer: Arc::new(Mutex::new(200)), got: Arc::default() };
    let app = Router::new()
        .route("/hook", post(receive))
        .route("/elsewhere", post(async || StatusCode::OK))
        .with_state(me.clone());
    (me, format!("{}/hook", serve(app).await))
}

/// Serves on a port of its own; returns the base URL.
pub(super) async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn signature(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn next_delivery(standin: &StripeStandin) -> Option<Timestamp> {
    standin.account().next_delivery()
}

#[tokio::test]
async fn a_failed_delivery_comes_again_signed_afresh_for_three_days() {
    let (hook, url) = receiver().await;
    let standin = standin();
    standin.account().settings.livemode = true;
    let (_, secret) = standin.account().create_endpoint(NewEndpoint::for_all(&url));
    standin.account().create_customer(NewCustomer::default());
    let http = webhook_client().unwrap();

    *hook.answer.lock().unwrap() = 307;
    let report = standin.deliver_due(&http).await;
    assert_eq!(report, DeliveryReport { succeeded: 0, failed: 1 }, "a redirect is a failure");
    assert_eq!(standin.deliver_due(&http).await, DeliveryReport::default(), "not due yet");

    *hook.answer.lock().unwrap() = 500;
    let mut waits = Vec::new();
    while let Some(next) = next_delivery(&standin) {
        waits.push((next - start()).total(jiff::Unit::Minute).unwrap());
        standin.advance_to(next);
        standin.deliver_due(&http).await;
    }
    assert_eq!(waits, [5.0, 35.0, 155.0, 395.0, 875.0, 1835.0, 3275.0]);

    let got = hook.got.lock().unwrap().clone();
    assert_eq!(got.len(), 8);
    let times: Vec<i64> =
        got.iter().map(|(s, _)| s[2..].split(',').next().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "each attempt has its own time");
    for ((header, body), time) in got.iter().zip(times) {
        assert_eq!(*header, format!("t={time},v1={}", signature(&secret, time, body)));
    }
    let account = standin.account();
    let event = account.events().next().unwrap();
    assert!(!event.delivered());
    assert_eq!(event.render()["pending_webhooks"], 1);
}

/// <https://docs.stripe.com/webhooks#retries>
#[test]
fn in_a_sandbox_a_failed_delivery_comes_three_times_within_some_hours() {
    let mut stripe = Stripe::new(start(), Settings::default());
    stripe.create_endpoint(NewEndpoint::for_all("https://a.invalid"));
    stripe.create_customer(NewCustomer::default());
    let mut tries = Vec::new();
    while let Some(next) = stripe.next_delivery() {
        tries.push((next - start()).total(jiff::Unit::Minute).unwrap());
        stripe.advance(next);
        for delivery in stripe.due_deliveries() {
            stripe.settle(&delivery, DeliveryAnswer::Status(500));
        }
    }
    assert_eq!(tries, [0.0, 5.0, 65.0, 245.0]);
}

#[tokio::test]
async fn a_retry_that_succeeds_is_the_last() {
    let (hook, url) = receiver().await;
    let standin = standin();
    standin.account().create_endpoint(NewEndpoint::for_all(&url));
    standin.account().create_customer(NewCustomer::default());
    let http = webhook_client().unwrap();
    *hook.answer.lock().unwrap() = 503;
    standin.deliver_due(&http).await;
    *hook.answer.lock().unwrap() = 200;
    let next = standin.account().next_delivery().unwrap();
    standin.advance_to(next);
    assert_eq!(standin.deliver_due(&http).await.succeeded, 1);
    assert_eq!(standin.account().next_delivery(), None);
    assert!(standin.account().events().next().unwrap().delivered());
}

#[test]
fn both_secrets_sign_while_one_is_rolled() {
    let mut stripe = Stripe::new(start(), Settings::default());
    let (endpoint, old) = stripe.create_endpoint(NewEndpoint::for_all("https://a.invalid"));
    stripe.create_customer(NewCustomer::default());
    let new = stripe.roll_secret(&endpoint, SignedDuration::from_hours(24)).unwrap();
    let delivery = stripe.due_deliveries().remove(0);
    let header = stripe.sign(&delivery);
    for secret in [&old, &new] {
        assert!(header.contains(&signature(secret, START, &delivery.body)));
    }
    stripe.advance(start() + SignedDuration::from_hours(24));
    let header = stripe.sign(&delivery);
    let now = stripe.now().as_second();
    assert_eq!(header, format!("t={now},v1={}", signature(&new, now, &delivery.body)));
}

#[test]
fn an_endpoint_gets_the_types_that_it_wants_from_its_beginning_on() {
    let mut stripe = Stripe::new(start(), Settings::default());
    stripe.create_customer(NewCustomer::default());
    let wanted = vec!["customer.deleted".into()];
    let new = NewEndpoint { enabled_events: wanted, ..NewEndpoint::for_all("https://a.invalid") };
    stripe.create_endpoint(new);
    let customer = stripe.create_customer(NewCustomer::default());
    stripe.delete_customer(&customer).unwrap();
    let taken = stripe.take_pending();
    assert_eq!(taken.iter().map(|d| d.kind).collect::<Vec<_>>(), ["customer.deleted"]);
    assert!(stripe.take_pending().is_empty());
    assert!(stripe.redeliver(&taken[0].event, &taken[0].endpoint).is_some(), "resend");
}

#[test]
fn an_old_endpoint_gets_the_old_shape() {
    let mut world = world();
    for version in ["2024-06-20", "2026-09-30.endive"] {
        let new = NewEndpoint {
            api_version: Some(version.into()),
            ..NewEndpoint::for_all("https://a.invalid")
        };
        world.stripe.create_endpoint(new);
    }
    let id = world.buy();
    let pending = world.stripe.take_pending();
    let bodies = |kind: &str| -> Vec<Value> {
        let of_kind = pending.iter().filter(|d| d.kind == kind);
        of_kind.map(|d| serde_json::from_str(&d.body).unwrap()).collect()
    };
    let shapes = bodies("customer.subscription.created");
    let [old, new] = &shapes[..] else { panic!("two endpoints") };
    assert_eq!(old["api_version"], "2024-06-20");
    let end = &new["data"]["object"]["items"]["data"][0]["current_period_end"];
    assert_eq!(&old["data"]["object"]["current_period_end"], end);
    assert!(end.is_i64());
    assert!(old.pointer("/data/object/items/data/0/current_period_end").is_none());
    assert!(new.pointer("/data/object/current_period_end").is_none());
    let invoices = bodies("invoice.paid");
    assert_eq!(invoices[0]["data"]["object"]["subscription"], id.as_str());
    assert!(invoices[0]["data"]["object"].get("parent").is_none());
    let parent = &invoices[1]["data"]["object"]["parent"]["subscription_details"];
    assert_eq!(parent["subscription"], id.as_str());
    assert!(invoices[1]["data"]["object"].get("subscription").is_none());
}

#[tokio::test]
async fn an_endpoint_is_changed_and_removed_but_keeps_its_version() {
    let standin = standin();
    let base = serve(router(standin.clone())).await;
    let http = reqwest::Client::new();
    let send = |method: reqwest::Method, path: String, form: &[(&str, &str)]| {
        let request = http.request(method, format!("{base}{path}")).bearer_auth("rk_test_1");
        let form: Vec<_> = form.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        async move {
            let answer = request.form(&form).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        }
    };
    let form = [
        ("url", "https://a.invalid"),
        ("enabled_events[]", "customer.created"),
        ("metadata[tollgate_stack]", "shop"),
        ("api_version", "2024-06-20"),
    ];
    let (_, made) = send(reqwest::Method::POST, "/v1/webhook_endpoints".into(), &form).await;
    let path = format!("/v1/webhook_endpoints/{}", made["id"].as_str().unwrap());
    standin.account().create_customer(NewCustomer::default());
    assert_eq!(standin.account().due_deliveries().len(), 1);

    let form = [("enabled_events[0]", "invoice.paid"), ("disabled", "true")];
    let (_, changed) = send(reqwest::Method::POST, path.clone(), &form).await;
    assert_eq!(changed["enabled_events"], serde_json::json!(["invoice.paid"]));
    assert_eq!((&changed["status"], &changed["secret"]), (&"disabled".into(), &Value::Null));
    assert_eq!(changed["metadata"]["tollgate_stack"], "shop");
    let version = [("api_version", "2026-09-30.endive")];
    assert_eq!(send(reqwest::Method::POST, path.clone(), &version).await.0, 400);

    assert_eq!(send(reqwest::Method::DELETE, path.clone(), &[]).await.1["deleted"], true);
    assert_eq!(send(reqwest::Method::DELETE, path, &[]).await.0, 404);
    assert!(standin.account().due_deliveries().is_empty());
}
