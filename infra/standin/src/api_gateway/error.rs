//! The exceptions of API Gateway's control plane.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/api/API_CreateUsagePlanKey.html#API_CreateUsagePlanKey_Errors>

use jiff::SignedDuration;

/// Which exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// 400: the request can never succeed as it is.
    BadRequest,
    /// 404: no such key, plan or plan key.
    NotFound,
    /// 409: the state of the resource is in the way, or another change is in progress.
    Conflict,
    /// 429: a fixed quota of the account is used up.
    LimitExceeded,
    /// 429: too many calls.
    TooManyRequests {
        /// When the next call may pass; `Retry-After`, in whole seconds.
        after: SignedDuration,
    },
    /// 501: not an answer of AWS; the stand-in does not model it.
    NotImplemented,
}

/// An operation that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .exception.name())]
pub struct Refusal {
    /// Which exception.
    pub exception: Exception,
    /// What it says; never a key's value.
    pub message: String,
}

impl Exception {
    /// The exception's name on the wire (`x-amzn-errortype`).
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequestException",
            Self::NotFound => "NotFoundException",
            Self::Conflict => "ConflictException",
            Self::LimitExceeded => "LimitExceededException",
            Self::TooManyRequests { .. } => "TooManyRequestsException",
            Self::NotImplemented => "NotImplemented",
        }
    }

    /// Its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::LimitExceeded | Self::TooManyRequests { .. } => 429,
            Self::NotImplemented => 501,
        }
    }

    /// The refusal with this exception.
    pub fn because(self, message: impl Into<String>) -> Refusal {
        Refusal { exception: self, message: message.into() }
    }
}
