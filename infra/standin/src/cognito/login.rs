//! The managed login: its endpoints, and a plain page for each of its steps.
//!
//! Authorization code with PKCE, sign-up, the code of the mail, another password, sign-out. A code
//! is good once, for five minutes, for the client, the address and the verifier that it was asked
//! with. <https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html>
//!
//! Not modelled: the implicit and client-credentials grants, identity providers, the page for a new
//! password of whom an administrator made, `/oauth2/userInfo`, `/oauth2/revoke`. No mail is sent: the
//! page says what it would say.

mod authorize;
mod html;
mod pages;
mod token;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::CognitoStandin;

/// The login of a pool. Serve it at the root of its domain.
pub(super) fn router(pool: CognitoStandin) -> Router {
    Router::new()
        .route("/oauth2/authorize", get(authorize::authorize))
        .route("/oauth2/token", post(token::token).options(token::preflight))
        .route("/logout", get(authorize::logout))
        .route("/login", get(pages::login).post(pages::log_in))
        .route("/signup", get(pages::sign_up_page).post(pages::sign_up))
        .route("/confirmUser", get(pages::confirm_page).post(pages::confirm))
        .route("/resendcode", post(pages::resend))
        .route("/forgotPassword", get(pages::forgot_page).post(pages::forgot))
        .route("/confirmForgotPassword", get(pages::reset_page).post(pages::reset))
        .with_state(pool)
}

/// What a client library asks first.
/// <https://openid.net/specs/openid-connect-discovery-1_0.html>
pub(super) fn discovery(pool: &CognitoStandin) -> Value {
    let (issuer, domain) = (pool.issuer(), pool.lock().endpoint.clone());
    json!({
        "authorization_endpoint": format!("{domain}/oauth2/authorize"),
        "end_session_endpoint": format!("{domain}/logout"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": format!("{domain}/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    })
}
