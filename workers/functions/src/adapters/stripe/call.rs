//! One request to Stripe, before it is sent.

use serde_json::Value;
use stripe_client_core::{IdempotencyKey, IdempotentKeyError, RequestBuilder, StripeMethod};
use tollgate_core::ports::{Class, PortResult, Service};

use crate::adapters::error::Operation;

/// One request.
pub struct Call {
    pub(super) operation: Operation,
    method: StripeMethod,
    path: String,
    query: Option<Value>,
    form: Option<Value>,
    key: Option<IdempotencyKey>,
}

impl Call {
    fn new(name: &'static str, method: StripeMethod, path: impl Into<String>) -> Self {
        let operation = operation(name);
        Self { operation, method, path: path.into(), query: None, form: None, key: None }
    }

    /// Reads.
    pub fn get(name: &'static str, path: impl Into<String>) -> Self {
        Self::new(name, StripeMethod::Get, path)
    }

    /// Makes or changes something.
    pub fn post(name: &'static str, path: impl Into<String>) -> Self {
        Self::new(name, StripeMethod::Post, path)
    }

    /// Deletes something.
    pub fn delete(name: &'static str, path: impl Into<String>) -> Self {
        Self::new(name, StripeMethod::Delete, path)
    }

    /// With these parameters in its URL.
    #[must_use]
    pub fn query(self, query: Value) -> Self {
        Self { query: Some(query), ..self }
    }

    /// With this form for a body.
    #[must_use]
    pub fn form(self, form: Value) -> Self {
        Self { form: Some(form), ..self }
    }

    /// As the same request as every other with this key.
    ///
    /// # Errors
    /// Stripe takes no such key.
    pub fn idempotent(self, key: &str) -> PortResult<Self> {
        let invalid =
            |error: IdempotentKeyError| self.operation.error(Class::Invalid, error.to_string());
        Ok(Self { key: Some(IdempotencyKey::new(key).map_err(invalid)?), ..self })
    }

    /// Whether it changes nothing.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, StripeMethod::Get)
    }

    /// The library's request, and the key that makes its repetition the same request.
    pub(super) fn build(&self) -> (RequestBuilder, Option<IdempotencyKey>) {
        let mut request = RequestBuilder::new(self.method, &self.path);
        if let Some(query) = &self.query {
            request = request.query(query);
        }
        if let Some(form) = &self.form {
            request = request.form(form);
        }
        (request, self.key.clone())
    }
}

/// An operation of Stripe's, by the name of its request.
pub fn operation(name: &'static str) -> Operation {
    Operation { service: Service::Stripe, name }
}

/// An id as one segment of a path: whatever an id holds, it stays a segment.
pub fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    id.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
