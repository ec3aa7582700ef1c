//! One endpoint for all of AWS: what `AWS_ENDPOINT_URL` points at locally.
//!
//! The JSON protocols name their operation in `X-Amz-Target`; a form without a target is
//! CloudFormation's query protocol, and the rest API Gateway's REST protocol. DynamoDB is the
//! embedded dynoxide, behind a proxy that only logs the call. What each call needs of IAM is
//! noted ([`Access`]).

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;
use tollgate_standin::calls::Calls;
use tollgate_standin::calls::Service;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::secrets_manager::{self, SecretsManagerStandin};
use tower::ServiceExt;

use crate::access::{self, Access};
use crate::secrets;

/// What stands behind the endpoint.
#[derive(Clone)]
pub struct Front {
    /// SQS.
    pub sqs: Router,
    /// Cognito, with its key set.
    pub cognito: Router,
    /// API Gateway's control plane.
    pub api_gateway: Router,
    /// Secrets Manager.
    pub secrets: SecretsManagerStandin,
    /// CloudFormation.
    pub cloudformation: Router,
    /// Where dynoxide listens.
    pub dynamodb: String,
    /// For the proxy.
    pub http: reqwest::Client,
    /// Where calls are logged.
    pub calls: Calls,
    /// Where it is noted who asks what.
    pub access: Access,
    /// What time it is in the `Date` of every answer.
    pub clock: VirtualClock,
}

/// The endpoint.
pub fn router(front: Front) -> Router {
    let clock = front.clock.clone();
    let dated = axum::middleware::map_response(move |response| dated(clock.clone(), response));
    Router::new().fallback(dispatch).with_state(front).layer(dated)
}

/// AWS dates its answers; who compares clocks meets the stack's own, not the machine's.
async fn dated(clock: VirtualClock, mut response: Response) -> Response {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&clock.time());
    if let Some(date) = date.ok().and_then(|date| date.parse().ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// The largest request of any of the services (SQS: 1 MiB of messages, and its frame).
pub(crate) const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

async fn dispatch(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    front.access.note_aws(&parts, &body);
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let router = match service_of(&request) {
        Some(Service::Sqs) => front.sqs,
        Some(Service::Cognito) => front.cognito,
        Some(Service::ApiGateway) => front.api_gateway,
        Some(Service::DynamoDb) => {
            let operation = known(operation_of(&request));
            front.calls.log(Service::DynamoDb, operation, "");
            if operation == "DescribeContinuousBackups" {
                return backups();
            }
            return forward(&front, request.into_parts().0.headers, body).await;
        }
        Some(Service::SecretsManager) => {
            let caller = access::caller(request.headers()).unwrap_or_default();
            if let Some(key) = secrets::own_stripe_key(&front.secrets, caller, &body) {
                return key;
            }
            secrets_manager::router(front.secrets)
        }
        Some(Service::CloudFormation) => front.cloudformation,
        Some(Service::Stripe) | None => return not_implemented(target(&request)),
    };
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The paths of Cognito's managed login, which is at a domain of its own.
const LOGIN: [&str; 9] = [
    "/oauth2/authorize",
    "/oauth2/token",
    "/login",
    "/logout",
    "/signup",
    "/confirmUser",
    "/resendcode",
    "/forgotPassword",
    "/confirmForgotPassword",
];

/// The service that a request is for; `None` when it is not here.
pub(crate) fn service_of(request: &Request) -> Option<Service> {
    match target(request).split_once('.') {
        Some(("AmazonSQS", _)) => Some(Service::Sqs),
        Some(("AWSCognitoIdentityProviderService", _)) => Some(Service::Cognito),
        Some(("secretsmanager", _)) => Some(Service::SecretsManager),
        Some((service, _)) if service.starts_with("DynamoDB_") => Some(Service::DynamoDb),
        Some(_) => None,
        None if request.uri().path().contains("/.well-known/") => Some(Service::Cognito),
        None if LOGIN.contains(&request.uri().path()) => Some(Service::Cognito),
        // The query protocol; API Gateway's bodies are JSON.
        None if has_form(request) => Some(Service::CloudFormation),
        None => Some(Service::ApiGateway),
    }
}

fn has_form(request: &Request) -> bool {
    let kind = request.headers().get("content-type").and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// The operation that a request of the JSON protocols names; else nothing.
pub(crate) fn operation_of(request: &Request) -> &str {
    target(request).split_once('.').map_or("", |(_, operation)| operation)
}

fn target(request: &Request) -> &str {
    let target = request.headers().get("x-amz-target");
    target.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The operations that Tollgate calls, by the name under which they are logged.
fn known(operation: &str) -> &'static str {
    const KNOWN: [&str; 12] = [
        "GetItem",
        "BatchGetItem",
        "PutItem",
        "UpdateItem",
        "Query",
        "Scan",
        "TransactWriteItems",
        "CreateTable",
        "UpdateTable",
        "DescribeTable",
        "DescribeTimeToLive",
        "DescribeContinuousBackups",
    ];
    KNOWN.into_iter().find(|known| *known == operation).unwrap_or("another operation")
}

/// dynoxide has no backups: here the table has them, as the template asks for.
fn backups() -> Response {
    let on = json!({ "PointInTimeRecoveryStatus": "ENABLED" });
    let body = json!({ "ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": on,
    } });
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}

/// Passes a request on to dynoxide, and its answer back.
async fn forward(front: &Front, mut headers: HeaderMap, body: Bytes) -> Response {
    headers.remove("host");
    let sent = front.http.post(&front.dynamodb).headers(headers).body(body).send().await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let Ok(bytes) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn not_implemented(target: &str) -> Response {
    let message = format!("{target}: not implemented by the local stack");
    (StatusCode::NOT_IMPLEMENTED, message).into_response()
}
