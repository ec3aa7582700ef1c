//! Secrets Manager, as far as the functions ask it: the values of the template's secrets.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::access::STRIPE_KEY_PREFIX;

/// The ARNs of the secrets, which are named after the template's resources.
pub mod arns {
    /// Stripe's key.
    pub const STRIPE_KEY: &str =
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:StripeKeySecret-a";
    /// The sweep's own.
    pub const SWEEP_STRIPE_KEY: &str =
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:SweepStripeKeySecret-a";
    /// The webhook's signing secrets.
    pub const WEBHOOK: &str =
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:WebhookSecrets-a";
    /// The key-derivation secrets.
    pub const KEYS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:KeySecrets-a";
}

/// In the form in which CloudFormation generates it.
const KEY_SECRETS: &str = r#"{"1":"local-derivation-secret-of-32-characters"}"#;

/// Answers a `GetSecretValue`. Every function has a Stripe key of its own, by which its
/// calls are told from the others'.
pub fn answer(caller: &str, webhook: &str, request: &[u8]) -> Response {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let value = match request["SecretId"].as_str().unwrap_or_default() {
        arns::STRIPE_KEY | arns::SWEEP_STRIPE_KEY => format!("{STRIPE_KEY_PREFIX}{caller}"),
        arns::WEBHOOK => webhook.to_owned(),
        arns::KEYS => KEY_SECRETS.to_owned(),
        _ => return missing(),
    };
    Json(json!({ "SecretString": value })).into_response()
}

fn missing() -> Response {
    let message = "Secrets Manager can't find the specified secret.";
    let body = json!({ "__type": "ResourceNotFoundException", "Message": message });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
