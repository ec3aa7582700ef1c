//! How the ways in which a call fails are classified.

use tollgate_core::ports::{Class, PortError};

use super::client::CallError;
use super::refusal::Refusal;
use crate::adapters::error::Operation;

pub(super) fn classify(operation: Operation, error: &CallError) -> PortError {
    let class = match error {
        CallError::Refused(refusal) => class(refusal),
        CallError::Unsendable(_) => Class::Invalid,
        // Whatever became of the answer, the call may have taken effect.
        CallError::Unreadable(_) | CallError::Lost(_) | CallError::TimedOut => Class::Unavailable,
    };
    operation.error(class, error.to_string())
}

/// <https://docs.stripe.com/api/errors>
fn class(refusal: &Refusal) -> Class {
    match refusal.status {
        _ if refusal.code == "resource_missing" => Class::NotFound,
        _ if refusal.kind == "idempotency_error" => Class::Conflict,
        429 => Class::Throttled { after: refusal.after },
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        409 => Class::Conflict,
        // A dependency of Stripe's own failed.
        424 => Class::Unavailable,
        400..=499 => Class::Invalid,
        _ => Class::Unavailable,
    }
}
