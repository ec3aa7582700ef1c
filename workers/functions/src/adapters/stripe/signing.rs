//! The webhook's signing secrets as they are stored, and what tells one from another.

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};

/// How many bytes of a signing secret's hash tell it from others.
const FINGERPRINT_BYTES: usize = 8;

/// The signing secrets in the stack's secret, read as the functions do.
pub fn signing_secrets(all: &SecretString) -> impl Iterator<Item = &str> {
    all.expose_secret().split(',').map(str::trim).filter(|secret| !secret.is_empty())
}

/// Tells a signing secret from others. It has far more random bits than could be tried, so
/// this gives nothing of it away.
pub fn fingerprint(secret: &str) -> String {
    let hash = digest(&SHA256, secret.as_bytes());
    hash.as_ref().iter().take(FINGERPRINT_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
