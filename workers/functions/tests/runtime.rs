//! Each function's binary, as Lambda runs it: a process that asks a Runtime API for
//! events, finds its services through `AWS_ENDPOINT_URL`, and answers.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use tollgate_core::ports::Clock;
use tollgate_events::stripe::{self, SigningSecret};
use tollgate_functions::adapters::system::SystemClock;
use tollgate_standin::lambda::{self, Event};

/// What the services behind the function were asked.
#[derive(Clone, Default)]
struct Services {
    calls: Arc<Mutex<Vec<String>>>,
    /// What came as bearer: Stripe's key.
    bearers: Arc<Mutex<BTreeSet<String>>>,
}

/// Takes a message, and has no item, key, user or subscription: all that these events need.
async fn service(
    State(services): State<Services>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").map_or(uri.path(), |value| value.to_str().unwrap());
    services.calls.lock().unwrap().push(target.to_owned());
    let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let bearer = authorization.strip_prefix("Bearer ");
    services.bearers.lock().unwrap().extend(bearer.map(str::to_owned));
    if target == "secretsmanager.GetSecretValue" {
        return secret(&body);
    }
    let answer = match target {
        "AmazonSQS.SendMessage" => {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let digest = md5(request["MessageBody"].as_str().unwrap());
            json!({ "MessageId": "m1", "MD5OfMessageBody": digest, "SequenceNumber": "1" })
        }
        "DynamoDB_20120810.Query" | "DynamoDB_20120810.Scan" => json!({ "Items": [], "Count": 0 }),
        "/v1/account" => json!({ "id": "acct_1", "object": "account" }),
        "/v1/subscriptions" | "/v1/disputes" => json!({ "data": [], "has_more": false }),
        _ => json!({}),
    };
    Json(answer).into_response()
}

/// The secrets' values, by the end of their ARNs.
const SECRETS: [(&str, &str); 3] = [
    ("stripe-key", "rk_test_from_the_secret"),
    ("webhook-secrets", "whsec_from_the_secret"),
    ("key-secrets", "{\"1\": \"0123456789_from_the_secret_9876543210\"}"),
];

/// Secrets Manager, with what it says of a secret that it does not give.
fn secret(request: &Bytes) -> Response {
    let request: Value = serde_json::from_slice(request).unwrap();
    let name = request["SecretId"].as_str().unwrap().rsplit(':').next().unwrap();
    if let Some((_, value)) = SECRETS.iter().find(|(secret, _)| *secret == name) {
        return Json(json!({ "Name": name, "SecretString": value })).into_response();
    }
    let (code, message) = match name {
        "empty" => (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
        ),
        "forbidden" => ("AccessDeniedException", "User: f is not authorized"),
        _ => ("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
    };
    (StatusCode::BAD_REQUEST, Json(json!({ "__type": code, "Message": message }))).into_response()
}

fn md5(text: &str) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(text))
}

/// How a function's binary took one event.
struct Ran {
    kind: String,
    answer: Value,
    calls: Vec<String>,
    bearers: BTreeSet<String>,
    /// All that it wrote to its standard output and error.
    output: String,
}

/// Runs a function's binary on one event; returns how it answered, and the AWS calls
/// that it made.
async fn run(binary: &str, event: Value) -> (String, Value, Vec<String>) {
    let ran = run_with(binary, event, &[]).await;
    (ran.kind, ran.answer, ran.calls)
}

/// The same with other settings. A function that ends before it answers has no answer.
async fn run_with(binary: &str, event: Value, settings: &[(&str, &str)]) -> Ran {
    let (answers, mut answered) = mpsc::unbounded_channel();
    let (offered, services) = (Event::default(), Services::default());
    offered.offer(event);
    let answer = move |kind, body: Bytes| {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        answers.send((kind, body)).unwrap();
    };
    let routes = Router::new().fallback(service).with_state(services.clone());
    let routes = lambda::router(offered, answer).merge(routes);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let written = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(address.port().to_string());
    let (out, err) = (File::create(&written).unwrap(), File::options().append(true).open(&written));
    let mut command = command(binary, &address.to_string());
    command.envs(settings.iter().copied()).stdout(out).stderr(err.unwrap());
    let mut function = command.spawn().unwrap();
    let (kind, answer) = tokio::select! {
        answer = answered.recv() => answer.unwrap(),
        ended = function.wait() => ("ended".to_owned(), json!(ended.unwrap().success())),
    };
    let _ = function.kill().await;
    server.abort();
    let output = std::fs::read_to_string(&written).unwrap();
    std::fs::remove_file(&written).unwrap();
    let calls = services.calls.lock().unwrap().clone();
    let bearers = services.bearers.lock().unwrap().clone();
    Ran { kind, answer, calls, bearers, output }
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
        .kill_on_drop(true);
    command
}

fn http(path: &str, claims: Option<Value>) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "headers": { "stripe-signature": "t=1,v1=00" },
        "requestContext": { "http": { "method": "GET", "path": path } },
        "body": "{}",
        "isBase64Encoded": false,
    });
    if let Some(claims) = claims {
        event["requestContext"]["authorizer"] = json!({ "jwt": { "claims": claims } });
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
    // What the stack belongs to; and what the comparison learnt about it: the count of keys, the
    // count of payers.
    let stack = ["DynamoDB_20120810.GetItem", "DynamoDB_20120810.UpdateItem"];
    assert_eq!(stack.map(pages), [3, 2]);
    let gateway = ["/apikeys", "/usageplans", "/usageplans/up/keys"];
    assert_eq!(gateway.map(pages), [1, 1, 1]);
    assert_eq!(["/v1/subscriptions", "/v1/disputes", "/v1/account"].map(pages), [1, 1, 1]);
    assert_eq!(calls.len(), 28, "and wakes nobody: {calls:?}");
    let (kind, _, calls) = run(binary, json!({ "sweep": "everything" })).await;
    assert_eq!((kind.as_str(), calls), ("error", Vec::<String>::new()));
}

#[tokio::test]
async fn the_account_api_answers_an_owner() {
    let binary = env!("CARGO_BIN_EXE_account");
    let (_, answer, _) = run(binary, http("/account", None)).await;
    assert_eq!(answer["statusCode"], 401);
    assert_eq!(answer["headers"]["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(problem["code"], "id_token_required");
    let access = json!({ "sub": "sub-1", "token_use": "access", "scope": "openid" });
    let (_, answer, calls) = run(binary, http("/account", Some(access))).await;
    assert_eq!((&answer["statusCode"], calls.len()), (&json!(401), 0), "an access token");
    let id = json!({ "sub": "sub-1", "token_use": "id" });
    let (_, answer, calls) = run(binary, http("/account", Some(id))).await;
    // No worker has come to them yet.
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!((&answer["statusCode"], &body["status"]), (&json!(200), &json!("new")));
    // The request is counted first, in a row of its own.
    assert_eq!(calls, ["DynamoDB_20120810.UpdateItem", "DynamoDB_20120810.GetItem"]);
}

/// It calls nobody, whatever is asked, and whoever has an answer already is not sent it again.
#[tokio::test]
async fn the_site_shows_what_is_sold_from_its_catalog_alone() {
    let binary = env!("CARGO_BIN_EXE_site");
    let get = |path: &str| {
        let mut request = http(path, None);
        request["routeKey"] = json!("$default");
        request
    };
    let (_, answer, calls) = run(binary, get("/plans")).await;
    assert_eq!((&answer["statusCode"], calls.len()), (&json!(200), 0), "{answer}");
    assert_eq!(answer["headers"]["cache-control"], "public, max-age=60");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["mode"], "test");
    assert!(body["plans"].as_array().is_some_and(|plans| !plans.is_empty()), "{body}");

    let mut again = get("/plans");
    again["headers"]["if-none-match"] = answer["headers"]["etag"].clone();
    let (_, answer, _) = run(binary, again).await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(304), &Value::Null));

    let (_, answer, _) = run(binary, get("/openapi.json")).await;
    let document: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let (_, answer, calls) = run(binary, get("/account")).await;
    assert_eq!((&answer["statusCode"], calls.len()), (&json!(404), 0));
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

/// What takes the place of the secrets' values on AWS.
const ARNS: [(&str, &str); 6] = [
    ("STRIPE_SECRET_KEY", ""),
    ("STRIPE_SECRET_KEY_ARN", "arn:aws:secretsmanager:us-east-1:0:secret:stripe-key"),
    ("STRIPE_WEBHOOK_SECRETS", ""),
    ("STRIPE_WEBHOOK_SECRETS_ARN", "arn:aws:secretsmanager:us-east-1:0:secret:webhook-secrets"),
    ("TOLLGATE_KEY_SECRETS", ""),
    ("TOLLGATE_KEY_SECRETS_ARN", "arn:aws:secretsmanager:us-east-1:0:secret:key-secrets"),
];

/// All that the SDKs log, which the environment of a function can ask for.
const LOUD: (&str, &str) = ("TOLLGATE_LOG", "trace");

/// The environment of a function that has its secrets in Secrets Manager.
fn secretly(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    ARNS.iter().chain(&[LOUD]).chain(more).copied().collect()
}

fn secrets_read(ran: &Ran) -> usize {
    ran.calls.iter().filter(|call| *call == "secretsmanager.GetSecretValue").count()
}

/// A delivery that Stripe signed with the endpoint's secret.
fn signed(secret: &str) -> Value {
    let body = r#"{"id":"evt_1","object":"event","type":"customer.subscription.updated",
        "livemode":false,"created":1,"data":{"object":{"id":"sub_1","object":"subscription",
        "customer":"cus_1"}}}"#;
    let secret = SigningSecret::new(secret).unwrap();
    let signature = stripe::sign(&secret, SystemClock.now(), body.as_bytes());
    let mut event = http("/webhook", None);
    event["headers"]["stripe-signature"] = json!(signature);
    event["body"] = json!(body);
    event
}

#[tokio::test]
async fn secrets_are_read_at_start_each_once_and_never_shown() {
    let (webhook, worker) = (env!("CARGO_BIN_EXE_stripe-webhook"), env!("CARGO_BIN_EXE_worker"));
    let (sweep, account) = (env!("CARGO_BIN_EXE_sweep"), env!("CARGO_BIN_EXE_account"));
    let delivery = signed("whsec_from_the_secret");
    let ran = [
        run_with(webhook, delivery, &secretly(&[])).await,
        run_with(worker, batch("no envelope"), &secretly(&[])).await,
        run_with(sweep, json!({ "sweep": "drift" }), &secretly(&[])).await,
        run_with(
            account,
            http("/account", Some(json!({ "sub": "sub-1", "token_use": "id" }))),
            &secretly(&[]),
        )
        .await,
        run_with(env!("CARGO_BIN_EXE_eventbridge"), json!({}), &secretly(&[])).await,
        run_with(env!("CARGO_BIN_EXE_cognito-trigger"), json!({}), &secretly(&[])).await,
        run_with(env!("CARGO_BIN_EXE_deadletter"), batch("no envelope"), &secretly(&[])).await,
    ];
    assert_eq!(ran.each_ref().map(secrets_read), [1, 2, 1, 2, 0, 0, 0]);
    assert_eq!(ran[0].answer["statusCode"], 200, "signed with the secret's value");
    assert_eq!(ran[0].calls, ["secretsmanager.GetSecretValue", "AmazonSQS.SendMessage"]);
    assert_eq!(ran[2].bearers, BTreeSet::from(["rk_test_from_the_secret".to_owned()]));
    for ran in &ran {
        assert!(ran.kind == "response" || ran.kind == "error", "{}", ran.output);
        assert!(!ran.output.contains("from_the_secret"), "{}", ran.output);
    }
    assert!(ran[0].output.contains(r#""level":"DEBUG""#), "or there is nothing to search");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_says_what_to_do() {
    const ARN: &str = "STRIPE_SECRET_KEY_ARN";
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[(ARN, "arn:empty")], "no value yet: run `tollgate secrets set stripe-key --stack test`"),
        (&[(ARN, "arn:gone")], "does not exist (arn:gone)"),
        (&[(ARN, "arn:forbidden")], "secretsmanager:GetSecretValue on arn:forbidden"),
        (&[("STRIPE_SECRET_KEY", "rk_test_from_the_secret")], "is set, and STRIPE_SECRET_KEY too"),
        (&[(ARN, "")], "STRIPE_SECRET_KEY is not set"),
    ];
    for (changes, expected) in cases {
        let worker = env!("CARGO_BIN_EXE_worker");
        let ran = run_with(worker, batch("no envelope"), &secretly(changes)).await;
        assert_eq!((ran.kind.as_str(), ran.answer), ("ended", json!(false)), "{}", ran.output);
        assert!(ran.output.contains(expected), "{}", ran.output);
        assert!(!ran.output.contains("from_the_secret"), "{}", ran.output);
        assert_eq!(ran.output.matches("\n- ").count(), 1, "one problem: {}", ran.output);
    }
}
