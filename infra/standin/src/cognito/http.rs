//! The HTTP face: awsJson 1.1 at `/`, and the pool's public keys.
//!
//! Like Cognito it may be called by a browser from any origin; unlike it no
//! signature is asked of admin calls.

use std::sync::Arc;

use crate::calls::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::CognitoStandin;
use super::error::{Code, CognitoError};
use super::login;
use super::operations::OPERATIONS;

const TARGET: &str = "AWSCognitoIdentityProviderService.";

/// The routes of an account with these pools. Serve them at the root, and tell
/// [`CognitoStandin::set_endpoint`] where that is. What names no pool, or one that there is
/// not, is the first one's to answer.
///
/// # Panics
/// Without a pool.
pub fn router(pools: impl Into<Arc<[CognitoStandin]>>) -> Router {
    let pools = pools.into();
    assert!(!pools.is_empty(), "somebody must answer");
    Router::new()
        .route("/", post(call).options(preflight))
        .route("/{pool}/.well-known/jwks.json", get(jwks))
        .route("/{pool}/.well-known/openid-configuration", get(discovery))
        .with_state(pools.clone())
        // A login is at a domain of its pool's own: here, the first one's.
        .merge(login::router(pools[0].clone()))
}

type Pools = Arc<[CognitoStandin]>;

fn pool<'a>(pools: &'a Pools, id: Option<&str>) -> &'a CognitoStandin {
    let named = pools.iter().find(|pool| Some(pool.config().pool_id.as_str()) == id);
    named.unwrap_or(&pools[0])
}

async fn call(State(pools): State<Pools>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let name = target.and_then(|target| target.strip_prefix(TARGET)).unwrap_or_default();
    let operation = OPERATIONS.iter().find(|it| **it == name).copied();
    let reply = match serde_json::from_slice::<Value>(&body) {
        Ok(body) => {
            let standin = pool(&pools, body["UserPoolId"].as_str());
            let subject = standin.subject(named(&body));
            standin.calls.log(Service::Cognito, operation.unwrap_or("not modelled"), subject);
            standin.perform(name, body).await
        }
        Err(_) => Err(CognitoError::new(Code::Serialization, "the body is not JSON")),
    };
    match reply {
        Ok(reply) => respond(StatusCode::OK, &reply),
        Err(error) => refuse(&error),
    }
}

/// Whom a request names.
fn named(body: &Value) -> &str {
    let name = body["Username"].as_str();
    name.or_else(|| body["AuthParameters"]["USERNAME"].as_str()).unwrap_or_default()
}

fn refuse(error: &CognitoError) -> Response {
    let status = match error.code {
        Code::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::BAD_REQUEST,
    };
    let name = error.code.name();
    let mut response = respond(status, &json!({ "__type": name, "message": error.message }));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(name));
    response
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-amz-json-1.1"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "x-amzn-ErrorType"),
    ];
    (status, headers, body.to_string()).into_response()
}

async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type,x-amz-target,x-amz-user-agent"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html>
async fn discovery(State(pools): State<Pools>, Path(id): Path<String>) -> Response {
    match pools.iter().find(|pool| pool.config().pool_id == id) {
        Some(pool) => respond(StatusCode::OK, &login::discovery(pool)),
        None => {
            let message = "The user pool does not exist.";
            respond(StatusCode::BAD_REQUEST, &json!({ "message": message }))
        }
    }
}

async fn jwks(State(pools): State<Pools>, Path(id): Path<String>) -> Response {
    if let Some(pool) = pools.iter().find(|pool| pool.config().pool_id == id) {
        return respond(StatusCode::OK, &pool.jwks());
    }
    respond(StatusCode::BAD_REQUEST, &json!({ "message": "The user pool does not exist." }))
}
