//! What an operation answers with.

use serde_json::Value;

use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::state::Stripe;

/// The object that an operation has just made or changed.
pub(super) fn shown(stripe: &Stripe, id: &str) -> StripeResult<Value> {
    stripe.object(id).ok_or_else(|| StripeError::missing("object", id))
}
