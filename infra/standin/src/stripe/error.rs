//! Stripe's errors, as its API spells them.
//! <https://docs.stripe.com/api/errors>, <https://docs.stripe.com/error-codes>

use serde_json::{Value, json};

/// The `type` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be carried out as it is.
    InvalidRequest,
    /// The card cannot be charged.
    Card,
    /// An idempotency key was used again with other parameters.
    Idempotency,
    /// Stripe's own failure; here also: not modelled.
    Api,
}

impl ErrorKind {
    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Card => "card_error",
            Self::Idempotency => "idempotency_error",
            Self::Api => "api_error",
        }
    }
}

/// An error that Stripe answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StripeError {
    /// The HTTP status.
    pub status: u16,
    /// The `type`.
    pub kind: ErrorKind,
    /// The `code`, where Stripe gives one.
    pub code: Option<&'static str>,
    /// For people.
    pub message: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// Found while the parameters were checked: such an error is not kept under an
    /// idempotency key. <https://docs.stripe.com/api/idempotent_requests>
    pub before_execution: bool,
}

/// What a model operation answers.
pub type StripeResult<T> = Result<T, StripeError>;

impl StripeError {
    /// An object of the id is there already: 400.
    pub fn exists(object: &str, id: &str) -> Self {
        let message = format!("{object} already exists: {id}");
        let (code, param) = (Some("resource_already_exists"), Some("id".to_owned()));
        Self { code, param, ..Self::invalid(message) }
    }

    /// The request cannot be carried out: 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: ErrorKind::InvalidRequest,
            code: None,
            message: message.into(),
            param: None,
            before_execution: false,
        }
    }

    /// The object in the path does not exist: 404.
    pub fn missing(object: &str, id: &str) -> Self {
        Self { status: 404, ..Self::no_such(object, id, "id") }
    }

    /// An object that a parameter names does not exist: 400.
    pub fn no_such(object: &str, id: &str, param: &str) -> Self {
        Self {
            code: Some("resource_missing"),
            param: Some(param.to_owned()),
            ..Self::invalid(format!("No such {object}: '{id}'"))
        }
    }

    /// A parameter that the operation does not take: 400.
    pub fn unknown_parameter(name: &str) -> Self {
        Self {
            code: Some("parameter_unknown"),
            param: Some(name.to_owned()),
            before_execution: true,
            ..Self::invalid(format!("Received unknown parameter: {name}"))
        }
    }

    /// A parameter that Stripe takes, and the stand-in does not model: 501.
    pub fn unmodelled_parameter(name: &str) -> Self {
        let what = format!("the parameter {name}");
        Self { param: Some(name.to_owned()), ..Self::not_implemented(&what) }
    }

    /// A parameter that the operation needs: 400.
    pub fn missing_parameter(name: &str) -> Self {
        Self {
            code: Some("parameter_missing"),
            param: Some(name.to_owned()),
            before_execution: true,
            ..Self::invalid(format!("Missing required param: {name}."))
        }
    }

    /// A parameter with a value that the operation does not take: 400.
    pub fn bad_parameter(name: &str, message: impl Into<String>) -> Self {
        Self { param: Some(name.to_owned()), before_execution: true, ..Self::invalid(message) }
    }

    /// The endpoint takes no more in this second: 429.
    pub fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. You can learn more about rate limits here \
                       https://docs.stripe.com/rate-limits.";
        let before_execution = true;
        let (status, code) = (429, Some("rate_limit"));
        Self { status, code, before_execution, ..Self::invalid(message) }
    }

    /// The card was refused: 402.
    pub fn card(code: &'static str, message: &str) -> Self {
        Self { status: 402, kind: ErrorKind::Card, code: Some(code), ..Self::invalid(message) }
    }

    /// No, or no usable, API key: 401.
    pub fn unauthorized(message: &str) -> Self {
        Self { status: 401, before_execution: true, ..Self::invalid(message) }
    }

    /// A restricted key that may not do this: 403.
    /// <https://docs.stripe.com/keys/restricted-api-keys>
    pub fn forbidden(account: &str) -> Self {
        Self {
            status: 403,
            before_execution: true,
            ..Self::invalid(format!(
                "The provided key 'rk_****' does not have the required permissions for this \
                 endpoint on account '{account}'."
            ))
        }
    }

    /// The key was used with other parameters: 400.
    pub fn idempotency(key: &str) -> Self {
        Self {
            kind: ErrorKind::Idempotency,
            before_execution: true,
            ..Self::invalid(format!(
                "Keys for idempotent requests can only be used with the same parameters they \
                 were first used with. Try using a key other than '{key}' if you meant to \
                 execute a different request."
            ))
        }
    }

    /// Another request with the key is not answered yet: 409.
    pub fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotent Key \
                       (that probably means you submitted twice, and the other request is still \
                       going through). Please try again later.";
        Self {
            status: 409,
            code: Some("idempotency_key_in_use"),
            kind: ErrorKind::Idempotency,
            before_execution: true,
            ..Self::invalid(message)
        }
    }

    /// Real Stripe may do this; the stand-in does not: 501.
    pub fn not_implemented(what: &str) -> Self {
        Self {
            status: 501,
            kind: ErrorKind::Api,
            code: Some("not_implemented"),
            before_execution: true,
            ..Self::invalid(format!("{what} is not implemented by the stand-in"))
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut error = json!({ "type": self.kind.as_str(), "message": self.message });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] =
                json!(format!("https://docs.stripe.com/error-codes#{}", code.replace('_', "-")));
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}
