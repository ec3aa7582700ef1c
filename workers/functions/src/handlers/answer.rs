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
use tollgate_events::digest;
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
    /// Of a payment under way, or one that failed: the page on which it can be paid.
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
        let url = refusal.url().map(str::to_owned);
        let retry_after = refusal.retry_after();
        Self { url, retry_after, ..Self::new(refusal.code(), refusal.to_string()) }
    }
}

/// A body with its entity tag: whoever has it already need not have it again.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    body: String,
    kind: &'static str,
    etag: String,
}

impl Tagged {
    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::text(text(value), "application/json")
    }

    /// A body of some type.
    pub(super) fn text(body: String, kind: &'static str) -> Self {
        let etag = format!("\"{}\"", digest(&body));
        Self { body, kind, etag }
    }

    /// The body, or 304 to whoever says that they have it. Nobody on the way may keep it.
    pub(super) fn answer(&self, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let mut response = ApiGatewayV2httpResponse::default();
        let asked = request.headers.get("if-none-match");
        let is_had = asked.is_some_and(|it| names(it, &self.etag));
        response.status_code = if is_had { 304 } else { 200 };
        let etag = HeaderValue::from_str(&self.etag).expect("it is a digest in quotes");
        response.headers.insert("etag", etag);
        response.headers.insert("cache-control", HeaderValue::from_static("no-store"));
        if !is_had {
            response.headers.insert("content-type", HeaderValue::from_static(self.kind));
            response.body = Some(Body::Text(self.body.clone()));
        }
        response
    }
}

/// Whether a list of entity tags names one, weak or not.
/// <https://www.rfc-editor.org/rfc/rfc9110#field.if-none-match>
fn names(value: &HeaderValue, etag: &str) -> bool {
    let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|it| it.trim_start_matches("W/")).any(|it| it == "*" || it == etag)
}

/// A JSON answer that nobody on the way may keep: it can hold a key.
pub(super) fn json(status: i64, body: &impl Serialize) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
        response.headers.insert(name, HeaderValue::from_static(value));
    }
    response.body = Some(Body::Text(text(body)));
    response
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it has only string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_body_is_not_sent_it_again() {
        let tagged = Tagged::json(&["free", "pro"]);
        let status = |asked: Option<&str>| {
            let mut request = ApiGatewayV2httpRequest::default();
            if let Some(asked) = asked {
                request.headers.insert("if-none-match", asked.parse().unwrap());
            }
            let answer = tagged.answer(&request);
            assert_eq!(answer.headers["etag"], tagged.etag.as_str());
            assert_eq!(answer.status_code == 304, answer.body.is_none());
            answer.status_code
        };
        let etag = &tagged.etag;
        for (asked, told) in [
            (None, 200),
            (Some(etag.clone()), 304),
            (Some(format!("\"other\", W/{etag}")), 304),
            (Some("*".to_owned()), 304),
            (Some(etag.trim_matches('"').to_owned()), 200),
            (Some(String::new()), 200),
        ] {
            assert_eq!(status(asked.as_deref()), told, "{asked:?}");
        }
        assert_ne!(Tagged::json(&["free"]).etag, tagged.etag);
    }
}
