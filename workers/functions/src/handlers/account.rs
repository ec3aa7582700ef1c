//! The account API, behind an HTTP API with a Cognito (JWT) authorizer.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_core::account_api::{AccountApi, Refusal};
use tollgate_core::ports::Ports;
use tollgate_events::AccountId;

/// Answers one request of an account's owner.
pub async fn handle<P: Ports>(
    api: &AccountApi<P>,
    request: &ApiGatewayV2httpRequest,
) -> ApiGatewayV2httpResponse {
    let Some(account) = owner(request) else {
        let error = "sign in, and send the ID token";
        return answer(401, &json!({"error": error, "code": "id_token_required"}));
    };
    let route = route(request);
    let result = match route.as_str() {
        "GET /account" => api.overview(&account).await.map(|view| json!(view)),
        "GET /account/key" => api.key(&account).await.map(|value| json!({"key": value.expose()})),
        "POST /account/checkout" => match wanted_plan(request) {
            Ok(plan) => api.checkout(&account, &plan).await.map(|url| json!({"url": url})),
            Err(error) => return answer(400, &json!({"error": error, "code": "invalid"})),
        },
        "POST /account/portal" => api.portal(&account).await.map(|url| json!({"url": url})),
        _ => return answer(404, &json!({"error": "there is nothing here", "code": "not_found"})),
    };
    match result {
        Ok(body) => answer(200, &body),
        Err(refusal) => refused(&account, &route, &refusal),
    }
}

/// Which route of the API it is. The API may be behind a named stage, whose name the path then
/// begins with; the route key says neither stage nor host.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn route(request: &ApiGatewayV2httpRequest) -> String {
    let context = &request.request_context;
    let keys = [request.route_key.as_deref(), context.route_key.as_deref()];
    if let Some(key) = keys.into_iter().flatten().find(|key| *key != CATCH_ALL) {
        return key.to_owned();
    }
    let path = request.raw_path.as_deref().unwrap_or_default();
    let stage = context.stage.as_deref().map(|stage| format!("/{stage}"));
    let path = stage.and_then(|stage| path.strip_prefix(&stage)).unwrap_or(path);
    format!("{} {}", context.http.method, path.trim_end_matches('/'))
}

/// The route key of an integration that takes whatever no other route does.
const CATCH_ALL: &str = "$default";

fn refused(account: &AccountId, route: &str, refusal: &Refusal) -> ApiGatewayV2httpResponse {
    match refusal {
        Refusal::Unavailable(error) => {
            tracing::error!(%account, %error, route, "account request failed");
        }
        Refusal::Rejected(error) => {
            let mend = refusal.mend();
            tracing::error!(%account, %error, route, mend, "Stripe will not do this");
        }
        _ => {}
    }
    let mut body = json!({"error": refusal.to_string(), "code": refusal.code()});
    if let Refusal::PaymentProcessing { invoice: Some(url) } = refusal {
        body["url"] = json!(url);
    }
    let mut answer = answer(status(refusal), &body);
    if let Some(seconds) = refusal.retry_after() {
        answer.headers.insert("retry-after", HeaderValue::from(seconds));
    }
    answer
}

/// The `sub` that the authorizer verified, of an ID token. The authorizer lets the access
/// tokens of the same clients through as well, whatever their scopes: they are for other APIs.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html>
fn owner(request: &ApiGatewayV2httpRequest) -> Option<AccountId> {
    let claims = &request.request_context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    if claims.get("token_use").map(String::as_str) != Some("id") {
        return None;
    }
    AccountId::parse(claims.get("sub")?.clone()).ok()
}

fn wanted_plan(request: &ApiGatewayV2httpRequest) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        plan: String,
    }
    let body = request.body.as_deref().unwrap_or_default();
    // API Gateway encodes what does not say that it is text or JSON.
    let body = match request.is_base64_encoded {
        true => STANDARD.decode(body).unwrap_or_default(),
        false => body.as_bytes().to_vec(),
    };
    let wanted: Result<Wanted, _> = serde_json::from_slice(&body);
    wanted.map(|wanted| wanted.plan).map_err(|error| {
        // What is asked for and not understood must not be sold as something else.
        let why = if error.is_data() { error.to_string() } else { "it is no JSON".to_owned() };
        format!("send {{\"plan\": \"<plan id>\"}}: {why}")
    })
}

fn status(refusal: &Refusal) -> i64 {
    match refusal {
        Refusal::UnknownPlan(_) | Refusal::NothingBought => 404,
        Refusal::NotAllowed => 403,
        Refusal::NotForSale(_)
        | Refusal::AlreadySubscribed
        | Refusal::PaymentProcessing { .. }
        | Refusal::OtherWindow
        | Refusal::Rejected(_) => 409,
        Refusal::TooMany { .. } => 429,
        // A browser may ask again; 503 is what tells it so.
        _ => 503,
    }
}

/// A JSON answer that nobody on the way may keep: it can hold a key.
fn answer(status: i64, body: &Value) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
        response.headers.insert(name, HeaderValue::from_static(value));
    }
    response.body = Some(Body::Text(body.to_string()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_from_a_body_of_any_content_type() {
        let wanted = |body: &str, encoded: bool| {
            let mut request = ApiGatewayV2httpRequest::default();
            request.body = Some(body.to_owned());
            request.is_base64_encoded = encoded;
            wanted_plan(&request)
        };
        assert_eq!(wanted(r#"{"plan":"pro"}"#, false).as_deref(), Ok("pro"));
        assert_eq!(wanted("eyJwbGFuIjoicHJvIn0=", true).as_deref(), Ok("pro"));
        for (body, encoded) in [("plan=pro", false), ("no base64", true), ("", false)] {
            let refused = wanted(body, encoded).unwrap_err();
            assert_eq!(refused, "send {\"plan\": \"<plan id>\"}: it is no JSON", "{body}");
        }
    }

    /// A yearly plan is not sold as a monthly one.
    #[test]
    fn what_is_not_understood_is_not_sold_as_something_else() {
        let mut request = ApiGatewayV2httpRequest::default();
        request.body = Some(r#"{"plan":"pro","interval":"year"}"#.to_owned());
        let refused = wanted_plan(&request).unwrap_err();
        assert!(refused.contains("unknown field `interval`"), "{refused}");
    }

    #[test]
    fn the_route_is_told_by_its_key_and_without_one_by_the_path_behind_the_stage() {
        let route = |key: &str, stage: Option<&str>, path: &str| {
            let mut request = ApiGatewayV2httpRequest::default();
            request.route_key = Some(key.to_owned());
            request.raw_path = Some(path.to_owned());
            request.request_context.stage = stage.map(str::to_owned);
            request.request_context.http.method = "GET".parse().unwrap();
            route(&request)
        };
        assert_eq!(route("GET /account", Some("prod"), "/prod/account"), "GET /account");
        assert_eq!(route("$default", Some("prod"), "/prod/account"), "GET /account");
        assert_eq!(route("$default", Some("$default"), "/account/"), "GET /account");
        assert_eq!(route("$default", None, "/elsewhere"), "GET /elsewhere");
    }
}
