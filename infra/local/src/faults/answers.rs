//! How each service refuses and fails, in its own protocol.
//!
//! Where a service has two forms of the same thing, they take turns.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::ready;
use futures_util::stream;
use serde_json::{Value, json};
use tollgate_standin::calls::Service;

/// How long API Gateway and Stripe ask to be left alone, in seconds.
pub(super) const RETRY_AFTER: &str = "2";

/// Too many requests.
///
/// Sources: API Gateway, each operation's errors (`TooManyRequestsException`, 429, with
/// `Retry-After`); DynamoDB, <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>;
/// Cognito, <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html>;
/// SQS, <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>;
/// Stripe, <https://docs.stripe.com/rate-limits>.
pub(super) fn throttled(service: Service, turn: usize) -> Response {
    let (status, code) = match (service, turn % 2) {
        (Service::Stripe, turn) => return stripe_throttled(turn),
        (Service::ApiGateway, _) => (429, "TooManyRequestsException"),
        (Service::Cognito, _) => (400, "TooManyRequestsException"),
        (Service::DynamoDb, 0) => {
            (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
        }
        (Service::DynamoDb, _) => (400, "com.amazon.coral.availability#ThrottlingException"),
        (Service::Sqs, 0) => (400, "com.amazonaws.sqs#RequestThrottled"),
        (Service::Sqs, _) => (403, "com.amazon.coral.availability#ThrottlingException"),
        (Service::SecretsManager | Service::CloudFormation, _) => (400, "ThrottlingException"),
    };
    refusal(service, status, code, "Rate exceeded")
}

/// The service's own failure.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>,
/// <https://docs.stripe.com/api/errors>
pub(super) fn failed(service: Service, turn: usize) -> Response {
    let (status, code) = match (service, turn % 2) {
        (Service::Stripe, 0) => return stripe_failed(),
        // Not Stripe itself, but a machine before it: no JSON.
        (Service::Stripe, _) => return gateway_page(),
        (Service::ApiGateway, 0) => (503, "ServiceUnavailableException"),
        (Service::ApiGateway, _) => (500, "InternalFailure"),
        (Service::Cognito, 0) => (500, "InternalErrorException"),
        (Service::DynamoDb, 0) => (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
        (Service::Sqs, 0) => (500, "com.amazonaws.sqs#InternalFailure"),
        (Service::SecretsManager | Service::CloudFormation, 0) => (500, "InternalServiceError"),
        (_, _) => (503, "ServiceUnavailable"),
    };
    refusal(service, status, code, "We encountered an internal error. Please try again.")
}

/// Another transaction is on an item. The reasons stand in the order of the writes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors>
pub(super) fn conflict(operation: &str, request: &[u8]) -> Response {
    const SPACE: &str = "com.amazonaws.dynamodb.v20120810";
    let message = "Transaction is ongoing for the item";
    if operation != "TransactWriteItems" {
        let code = format!("{SPACE}#TransactionConflictException");
        return refusal(Service::DynamoDb, 400, &code, message);
    }
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let items = request["TransactItems"].as_array().map_or(0, Vec::len);
    let mut reasons = vec![json!({ "Code": "None" }); items];
    if let Some(first) = reasons.first_mut() {
        *first = json!({ "Code": "TransactionConflict", "Message": message });
    }
    let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let codes = codes.join(", ");
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    );
    let body = json!({
        "__type": format!("{SPACE}#TransactionCanceledException"),
        "Message": message,
        "CancellationReasons": reasons,
    });
    respond(400, "application/x-amz-json-1.0", &body)
}

/// No answer: a body that fails at its first byte, at which the server closes the
/// connection, before it has sent the head.
pub(super) fn cut_off() -> Response {
    let failure = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    Response::new(Body::from_stream(stream::once(ready(Err::<Bytes, _>(failure)))))
}

/// An AWS service's refusal: REST names the code in a header, JSON in the body.
fn refusal(service: Service, status: u16, code: &str, message: &str) -> Response {
    let name = code.rsplit('#').next().unwrap_or(code);
    let kind = match service {
        Service::ApiGateway => "application/json",
        Service::Cognito | Service::SecretsManager => "application/x-amz-json-1.1",
        Service::Stripe | Service::DynamoDb | Service::Sqs | Service::CloudFormation => {
            "application/x-amz-json-1.0"
        }
    };
    let body = match service {
        Service::ApiGateway => json!({ "message": message }),
        _ => json!({ "__type": code, "message": message }),
    };
    let mut response = respond(status, kind, &body);
    match service {
        Service::ApiGateway => {
            set(&mut response, "x-amzn-errortype", name);
            // Throttles and outages tell for how long; an unforeseen failure does not.
            if status != 500 {
                set(&mut response, "retry-after", RETRY_AFTER);
            }
        }
        Service::Cognito => set(&mut response, "x-amzn-errortype", name),
        Service::Sqs => {
            let blame = if status < 500 { "Sender" } else { "Receiver" };
            set(&mut response, "x-amzn-query-error", &format!("{name};{blame}"));
        }
        Service::Stripe | Service::DynamoDb | Service::SecretsManager | Service::CloudFormation => {
        }
    }
    response
}

fn stripe_throttled(turn: usize) -> Response {
    let error = json!({
        "type": "invalid_request_error",
        "code": "rate_limit",
        "doc_url": "https://docs.stripe.com/error-codes#rate-limit",
        "message": "Request rate limit exceeded.",
    });
    let mut response = respond(429, "application/json", &json!({ "error": error }));
    let reason = ["global-rate", "endpoint-rate"][turn % 2];
    set(&mut response, "stripe-rate-limited-reason", reason);
    set(&mut response, "retry-after", RETRY_AFTER);
    response
}

fn stripe_failed() -> Response {
    let message = "Sorry! There was an error while talking to one of our backends.";
    let error = json!({ "type": "api_error", "message": message });
    respond(500, "application/json", &json!({ "error": error }))
}

fn gateway_page() -> Response {
    let page = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>";
    let kind = [(header::CONTENT_TYPE, "text/html")];
    (StatusCode::SERVICE_UNAVAILABLE, kind, page).into_response()
}

fn respond(status: u16, kind: &'static str, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("the statuses here are real");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("the values here are visible ASCII");
    response.headers_mut().insert(HeaderName::from_static(name), value);
}
