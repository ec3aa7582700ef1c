//! Each function's binary, as Lambda runs it: a process that asks a Runtime API for
//! events, finds its services through `AWS_ENDPOINT_URL`, and answers.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

/// A stub of Lambda's Runtime API and of the AWS services behind it.
#[derive(Clone)]
struct Lambda {
    events: Arc<Mutex<VecDeque<Value>>>,
    answers: mpsc::UnboundedSender<(String, Value)>,
    calls: Arc<Mutex<Vec<String>>>,
}

async fn next(State(lambda): State<Lambda>) -> Response {
    let event = lambda.events.lock().unwrap().pop_front();
    match event {
        Some(event) => {
            let headers = [
                ("lambda-runtime-aws-request-id", "request-1"),
                ("lambda-runtime-deadline-ms", "4102444800000"),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:0:function:f"),
            ];
            (headers, Json(event)).into_response()
        }
        // No more events: the function waits, until it is stopped.
        None => std::future::pending().await,
    }
}

async fn answer(
    State(lambda): State<Lambda>,
    Path((_request, kind)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    lambda.answers.send((kind, body)).unwrap();
    StatusCode::ACCEPTED
}

/// Takes a message, and has no item, key, user or subscription: all that these events need.
async fn service(
    State(lambda): State<Lambda>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").map_or(uri.path(), |value| value.to_str().unwrap());
    lambda.calls.lock().unwrap().push(target.to_owned());
    let answer = match target {
        "AmazonSQS.SendMessage" => {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let digest = md5(request["MessageBody"].as_str().unwrap());
            json!({ "MessageId": "m1", "MD5OfMessageBody": digest, "SequenceNumber": "1" })
        }
        "DynamoDB_20120810.Query" | "DynamoDB_20120810.Scan" => json!({ "Items": [], "Count": 0 }),
        "/v1/subscriptions" => json!({ "data": [], "has_more": false }),
        _ => json!({}),
    };
    Json(answer).into_response()
}

fn md5(text: &str) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(text))
}

/// Runs a function's binary on one event; returns how it answered, and the AWS calls
/// that it made.
async fn run(binary: &str, event: Value) -> (String, Value, Vec<String>) {
    let (answers, mut answered) = mpsc::unbounded_channel();
    let events = Arc::new(Mutex::new(VecDeque::from([event])));
    let lambda = Lambda { events, answers, calls: Arc::default() };
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request}/{kind}", post(answer))
        .fallback(service)
        .with_state(lambda.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let mut function = command(binary, &address).spawn().unwrap();
    let (kind, body) = tokio::select! {
        answer = answered.recv() => answer.unwrap(),
        ended = function.wait() => panic!("{binary} ended: {ended:?}"),
    };
    function.kill().await.unwrap();
    server.abort();
    let calls = lambda.calls.lock().unwrap().clone();
    (kind, body, calls)
}

const CATALOG: &str = "revision = 1\nstages = [\"api1:prod\"]\n\
    [[plans]]\nid = \"pro\"\nrank = 1\nusage_plan = \"up\"\n";

fn command(binary: &str, address: &str) -> Command {
    let url = format!("http://{address}");
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "f")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("TOLLGATE_STACK", "test")
        .env("TOLLGATE_TABLE", "ledger")
        .env("TOLLGATE_EVENTS_QUEUE_URL", format!("{url}/0/events.fifo"))
        .env("TOLLGATE_BULK_QUEUE_URL", format!("{url}/0/bulk.fifo"))
        .env("TOLLGATE_USER_POOL_ID", "us-east-1_Pool")
        .env("TOLLGATE_LIVEMODE", "false")
        .env("TOLLGATE_CATALOG", CATALOG)
        .env("TOLLGATE_RETURN_URL", "https://shop.example")
        .env("TOLLGATE_KEY_SECRETS", "1=0123456789abcdef0123456789abcdef")
        .env("STRIPE_SECRET_KEY", "sk_test_1")
        .env("STRIPE_API_BASE", &url)
        .env("STRIPE_WEBHOOK_SECRETS", "whsec_1")
        .stdout(Stdio::null())
        .kill_on_drop(true);
    command
}

fn http(path: &str, sub: Option<&str>) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "headers": { "stripe-signature": "t=1,v1=00" },
        "requestContext": { "http": { "method": "GET", "path": path } },
        "body": "{}",
        "isBase64Encoded": false,
    });
    if let Some(sub) = sub {
        event["requestContext"]["authorizer"] = json!({ "jwt": { "claims": { "sub": sub } } });
    }
    event
}

fn batch(body: &str) -> Value {
    json!({ "Records": [
        { "messageId": "m1", "body": body, "attributes": { "MessageGroupId": "g" } },
    ] })
}

#[tokio::test]
async fn the_webhook_refuses_a_bad_signature() {
    let (kind, answer, calls) = run(env!("CARGO_BIN_EXE_stripe-webhook"), http("/", None)).await;
    assert_eq!((kind.as_str(), &answer["statusCode"]), ("response", &json!(400)));
    assert_eq!(calls, [""; 0]);
}

#[tokio::test]
async fn a_trigger_is_echoed_once_the_queue_has_the_wake() {
    let event = json!({
        "version": "1",
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "userPoolId": "us-east-1_Pool",
        "userName": "ann",
        "request": { "userAttributes": { "sub": "sub-1" } },
        "response": {},
        "a field of the future": [1],
    });
    let (kind, answer, calls) = run(env!("CARGO_BIN_EXE_cognito-trigger"), event.clone()).await;
    assert_eq!((kind.as_str(), answer), ("response", event));
    assert_eq!(calls, ["AmazonSQS.SendMessage"]);
}

#[tokio::test]
async fn a_deleted_user_is_put_on_the_queue() {
    let event = json!({
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.cognito-idp",
        "detail": {
            "eventID": "e-1",
            "eventName": "AdminDeleteUser",
            "eventTime": "2026-03-01T09:00:00Z",
            "requestParameters": { "userPoolId": "us-east-1_Pool" },
            "additionalEventData": { "sub": "sub-1" },
        },
    });
    let (kind, _, calls) = run(env!("CARGO_BIN_EXE_eventbridge"), event).await;
    assert_eq!((kind.as_str(), calls), ("response", vec!["AmazonSQS.SendMessage".to_owned()]));
}

#[tokio::test]
async fn the_worker_records_what_it_cannot_read() {
    let (kind, answer, calls) = run(env!("CARGO_BIN_EXE_worker"), batch("no envelope")).await;
    assert_eq!(kind, "response");
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(calls, ["DynamoDB_20120810.UpdateItem"]);
}

#[tokio::test]
async fn a_dead_letter_is_recorded() {
    let (kind, answer, calls) = run(env!("CARGO_BIN_EXE_deadletter"), batch("no envelope")).await;
    assert_eq!(kind, "response");
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(calls, ["DynamoDB_20120810.UpdateItem"]);
}

#[tokio::test]
async fn the_sweep_looks_for_what_is_due() {
    let (kind, _, calls) = run(env!("CARGO_BIN_EXE_sweep"), json!({})).await;
    assert_eq!(kind, "response");
    assert!(calls.contains(&"DynamoDB_20120810.Query".to_owned()), "{calls:?}");
    assert!(calls.iter().all(|call| call.starts_with("DynamoDB")), "no more than that: {calls:?}");
}

#[tokio::test]
async fn the_comparison_reads_all_four_systems() {
    let binary = env!("CARGO_BIN_EXE_sweep");
    let (kind, answer, calls) = run(binary, json!({ "sweep": "drift" })).await;
    assert_eq!(kind, "response", "{answer}");
    let pages = |call: &str| calls.iter().filter(|made| *made == call).count();
    let targets = ["DynamoDB_20120810.Query", "AWSCognitoIdentityProviderService.ListUsers"];
    assert_eq!(targets.map(pages), [16, 1]);
    // What the comparison learnt about the stack: the count of keys, the count of payers.
    let stack = ["DynamoDB_20120810.GetItem", "DynamoDB_20120810.UpdateItem"];
    assert_eq!(stack.map(pages), [2, 2]);
    let paths = ["/apikeys", "/usageplans/up/keys", "/v1/subscriptions"];
    assert_eq!(paths.map(pages), [1, 1, 1]);
    assert_eq!(calls.len(), 24, "and wakes nobody: {calls:?}");
    let (kind, _, calls) = run(binary, json!({ "sweep": "everything" })).await;
    assert_eq!((kind.as_str(), calls), ("error", Vec::<String>::new()));
}

#[tokio::test]
async fn the_account_api_answers_an_owner() {
    let binary = env!("CARGO_BIN_EXE_account");
    let (_, answer, _) = run(binary, http("/account", None)).await;
    assert_eq!(answer["statusCode"], 401);
    let (_, answer, calls) = run(binary, http("/account", Some("sub-1"))).await;
    assert_eq!((&answer["statusCode"], calls.len()), (&json!(503), 1), "not ready yet: {answer}");
}

#[tokio::test]
async fn without_its_settings_a_function_says_what_it_needs() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    let output = command.env_clear().stderr(Stdio::piped()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for variable in ["TOLLGATE_TABLE", "TOLLGATE_CATALOG", "STRIPE_SECRET_KEY"] {
        assert!(text.contains(variable), "{text}");
    }
}
