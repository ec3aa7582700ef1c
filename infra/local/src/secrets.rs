//! The local stack's secrets: what the template would make, with values.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tollgate_standin::secrets_manager::SecretsManagerStandin;

use crate::access::STRIPE_KEY_PREFIX;
use crate::functions::FUNCTIONS;

/// The ARNs of the secrets, which are named after the template's resources.
pub mod arns {
    /// Stripe's key.
    pub const STRIPE_KEY: &str =
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:StripeKeySecret-000000";
    /// The sweep's own.
    pub const SWEEP_STRIPE_KEY: &str =
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:SweepStripeKeySecret-000001";
    /// The webhook's signing secrets.
    pub const WEBHOOK: &str =
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:WebhookSecrets-000002";
    /// The key-derivation secrets.
    pub const KEYS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:KeySecrets-000003";
}

/// In the form in which CloudFormation generates it.
const KEY_SECRETS: &str = r#"{"1":"local-derivation-secret-of-32-characters"}"#;

/// Makes the secrets.
///
/// # Panics
/// When there are others already: the ARNs count.
pub fn create(secrets: &SecretsManagerStandin, webhook: &str) {
    let stripe_key = format!("{STRIPE_KEY_PREFIX}operator");
    let made = [
        ("StripeKeySecret", stripe_key.as_str(), arns::STRIPE_KEY),
        ("SweepStripeKeySecret", &stripe_key, arns::SWEEP_STRIPE_KEY),
        ("WebhookSecrets", webhook, arns::WEBHOOK),
        ("KeySecrets", KEY_SECRETS, arns::KEYS),
    ];
    for (name, value, arn) in made {
        assert_eq!(secrets.create_with(name, value), arn, "made in this order");
    }
}

/// The answer to a function that asks for the local stack's Stripe key: one of its own, by
/// which its calls are told from the others'. Every other question is Secrets Manager's.
pub(crate) fn own_stripe_key(
    secrets: &SecretsManagerStandin,
    caller: &str,
    request: &[u8],
) -> Option<Response> {
    if !FUNCTIONS.contains(&caller) {
        return None;
    }
    let request: Value = serde_json::from_slice(request).ok()?;
    let value = secrets.value(request["SecretId"].as_str()?)?;
    value.starts_with(STRIPE_KEY_PREFIX).then(|| {
        Json(json!({ "SecretString": format!("{STRIPE_KEY_PREFIX}{caller}") })).into_response()
    })
}
