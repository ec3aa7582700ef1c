//! `POST /oauth2/token`: a code, or a refresh token, becomes tokens.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html>

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::authorize::parameter;
use crate::calls::Service;
use crate::cognito::CognitoStandin;
use crate::cognito::model::{Grant, Session};
use crate::cognito::tokens::Tokens;
use crate::cognito::triggers::{Occasion, Token};

/// How long a code is good.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// Any origin may ask: the app is a page of the browser's.
pub(super) async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type,authorization"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

pub(super) async fn token(State(pool): State<CognitoStandin>, form: String) -> Response {
    let given = |name: &str| parameter(&form, name);
    pool.calls.log(Service::Cognito, "POST /oauth2/token", "");
    let made = match given("grant_type").as_deref() {
        Some("authorization_code") => from_code(&pool, &given).await,
        Some("refresh_token") => {
            let (client, token) = (given("client_id"), given("refresh_token"));
            let (client, token) = (client.unwrap_or_default(), token.unwrap_or_default());
            let tokens = pool.sign_in_with_refresh_token(&client, &token).await;
            tokens.map_err(|_| "invalid_grant")
        }
        _ => Err("unsupported_grant_type"),
    };
    let (status, body) = match made {
        Ok(tokens) => (StatusCode::OK, shown(&tokens)),
        Err(error) => (StatusCode::BAD_REQUEST, json!({ "error": error })),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json;charset=UTF-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (status, headers, body.to_string()).into_response()
}

fn shown(tokens: &Tokens) -> Value {
    let mut body = json!({
        "id_token": tokens.id_token,
        "access_token": tokens.access_token,
        "expires_in": tokens.expires_in.as_secs(),
        "token_type": "Bearer",
    });
    if let Some(refresh) = &tokens.refresh_token {
        body["refresh_token"] = json!(refresh);
    }
    body
}

/// A code is gone with its first use, whatever comes of it.
async fn from_code(
    pool: &CognitoStandin,
    given: &impl Fn(&str) -> Option<String>,
) -> Result<Tokens, &'static str> {
    let client = given("client_id").unwrap_or_default();
    pool.config().client(&client).map_err(|_| "invalid_client")?;
    let code = given("code").ok_or("invalid_request")?;
    let grant = pool.lock().grants.remove(&code).ok_or("invalid_grant")?;
    let fresh = pool.clock.time().duration_since(grant.at) < CODE_LIFE;
    let same =
        grant.client == client && Some(&grant.redirect_uri) == given("redirect_uri").as_ref();
    if !fresh || !same || !proves(&grant, given("code_verifier")) {
        return Err("invalid_grant");
    }
    let user = pool.may_sign_in(&grant.browser.username).map_err(|_| "invalid_grant")?;
    let occasion = [Occasion::Token(Token::HostedAuth)];
    pool.fire(&user, &client, &occasion).await.map_err(|_| "invalid_request")?;
    let session = Session {
        username: user.username,
        sub: grant.browser.sub,
        client,
        signed_in: grant.browser.signed_in,
        origin: pool.lock().uuid(),
        scope: grant.scope,
        nonce: grant.nonce,
    };
    pool.begin_session(session).map_err(|_| "invalid_grant")
}

/// Whether it is the one who has asked: by the digest that was sent ahead.
/// <https://www.rfc-editor.org/rfc/rfc7636#section-4.6>
fn proves(grant: &Grant, verifier: Option<String>) -> bool {
    let digested = |it: String| URL_SAFE_NO_PAD.encode(digest(&SHA256, it.as_bytes()));
    grant.challenge == verifier.map(digested)
}
