//! What a request is answered, and what one that is refused: problem details, as RFC 9457 has them.
//!
//! Refusals of the gateway itself, before any function runs, have another form, which cannot be
//! changed: `{"message": …}`.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-jwt.html>

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderValue;
use serde::Serialize;
use tollgate_core::account_api::{ProblemCode, Refusal};
use utoipa::ToSchema;

/// The body of a refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// What it is called; stable.
    code: ProblemCode,
    /// What it is, whatever the request was.
    title: &'static str,
    /// What it is of this request, and what heals it: for the customer.
    pub(super) detail: String,
    /// The answer's status.
    status: u16,
    /// The request, for whoever asks the seller about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// Of a payment under way: the page on which it can be paid in another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    url: Option<String>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            title: code.title(),
            detail: detail.into(),
            status: code.status(),
            request_id: None,
            url: None,
            retry_after: None,
        }
    }

    /// The answer to a request.
    pub(super) fn answer(mut self, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        self.request_id.clone_from(&request.request_context.request_id);
        let mut answer = json(i64::from(self.status), &self);
        let headers = &mut answer.headers;
        headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert("retry-after", HeaderValue::from(seconds));
        }
        answer
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let url = match refusal {
            Refusal::PaymentProcessing { invoice } => invoice.clone(),
            _ => None,
        };
        let retry_after = refusal.retry_after();
        Self { url, retry_after, ..Self::new(refusal.code(), refusal.to_string()) }
    }
}

/// A JSON answer that nobody on the way may keep: it can hold a key.
pub(super) fn json(status: i64, body: &impl Serialize) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
        response.headers.insert(name, HeaderValue::from_static(value));
    }
    let body = serde_json::to_string(body).expect("it has only string keys and finite numbers");
    response.body = Some(Body::Text(body));
    response
}
