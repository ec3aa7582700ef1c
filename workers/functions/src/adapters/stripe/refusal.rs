//! What Stripe says when it refuses: the few fields that are classified or told.

use std::fmt;

use jiff::SignedDuration;

use super::answer::{Object, text};

/// An error of Stripe's, with what its headers add. <https://docs.stripe.com/api/errors>
///
/// Read leniently, unlike the library's own: a payment that the error has within it, in the
/// shape of another version, does not cost the error.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// `type`; empty where Stripe gives none.
    pub(super) kind: String,
    /// `code`; empty where Stripe gives none.
    pub(super) code: String,
    /// Which parameter is wrong.
    pub(super) param: Option<String>,
    /// Stripe's words, which can have personal data in them.
    pub(super) message: Option<String>,
    /// `Retry-After`.
    pub(super) after: Option<SignedDuration>,
    /// `Stripe-Rate-Limited-Reason`: which limit was met.
    /// <https://docs.stripe.com/rate-limits>
    pub(super) limit: Option<String>,
    /// `Idempotent-Replayed`: an earlier request with this key was refused so.
    /// <https://docs.stripe.com/api/idempotent_requests>
    pub(super) replayed: bool,
}

impl Refusal {
    /// The error in a body, without status and headers; `None` where there is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body = text(body);
        let error = Object::read(&body)?.object("error")?;
        Some(Self {
            kind: error.text("type").unwrap_or_default(),
            code: error.text("code").unwrap_or_default(),
            param: error.text("param"),
            message: error.text("message"),
            ..Self::default()
        })
    }
}

/// Stripe's words are kept only where they speak of our own request.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about_us = matches!(self.status, 400 | 404) && self.kind == "invalid_request_error";
        let message = self.message.as_deref().filter(|_| about_us);
        let parts = [Some(self.kind.as_str()), Some(&self.code), self.param.as_deref(), message];
        write!(f, "HTTP {}", self.status)?;
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            write!(f, ": {part}")?;
        }
        if let Some(limit) = &self.limit {
            write!(f, " (Stripe-Rate-Limited-Reason: {limit})")?;
        }
        if self.replayed {
            write!(f, " (Idempotent-Replayed)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
