//! The account API, behind an HTTP API with a Cognito (JWT) authorizer.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_billing::account_api::{AccountApi, Refusal};
use tollgate_billing::ports::Ports;
use tollgate_events::AccountId;

/// Answers one request of an account's owner.
pub async fn handle<P: Ports>(
    api: &AccountApi<P>,
    request: &ApiGatewayV2httpRequest,
) -> ApiGatewayV2httpResponse {
    let method = request.request_context.http.method.as_str();
    let path = request.raw_path.as_deref().unwrap_or_default().trim_end_matches('/');
    let Some(account) = owner(request) else {
        return answer(401, &json!({"error": "sign in, and send the ID token"}));
    };
    let result = match (method, path) {
        ("GET", "/account") => api.overview(&account).await.map(|view| json!(view)),
        ("GET", "/account/key") => {
            api.key(&account).await.map(|value| json!({"key": value.expose()}))
        }
        ("POST", "/account/checkout") => match wanted_plan(request) {
            Some(plan) => api.checkout(&account, &plan).await.map(|url| json!({"url": url})),
            None => return answer(400, &json!({"error": "send {\"plan\": \"<plan id>\"}"})),
        },
        ("POST", "/account/portal") => api.portal(&account).await.map(|url| json!({"url": url})),
        _ => return answer(404, &json!({"error": "there is nothing here"})),
    };
    match result {
        Ok(body) => answer(200, &body),
        Err(refusal) => {
            if let Refusal::Unavailable(error) = &refusal {
                tracing::error!(%account, %error, path, "account request failed");
            }
            answer(status(&refusal), &json!({"error": refusal.to_string()}))
        }
    }
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

fn wanted_plan(request: &ApiGatewayV2httpRequest) -> Option<String> {
    #[derive(Deserialize)]
    struct Wanted {
        plan: String,
    }
    let body = request.body.as_deref()?;
    // API Gateway encodes what does not say that it is text or JSON.
    let decoded = request.is_base64_encoded.then(|| STANDARD.decode(body).ok());
    let body = decoded.map_or(Some(body.as_bytes().to_vec()), |decoded| decoded)?;
    serde_json::from_slice::<Wanted>(&body).ok().map(|wanted| wanted.plan)
}

fn status(refusal: &Refusal) -> i64 {
    match refusal {
        Refusal::UnknownPlan(_) | Refusal::NothingBought => 404,
        Refusal::NotAllowed => 403,
        Refusal::NotForSale(_) | Refusal::AlreadySubscribed => 409,
        // A browser may ask again; 503 is what tells it so.
        _ => 503,
    }
}

/// A JSON answer that nobody on the way may keep: it can hold a key.
fn answer(status: i64, body: &Value) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
        response.headers.insert(name, aws_lambda_events::http::HeaderValue::from_static(value));
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
        assert_eq!(wanted(r#"{"plan":"pro"}"#, false).as_deref(), Some("pro"));
        assert_eq!(wanted("eyJwbGFuIjoicHJvIn0=", true).as_deref(), Some("pro"));
        assert_eq!(wanted("plan=pro", false), None);
        assert_eq!(wanted("no base64", true), None);
    }
}
