//! How a call fails, of whatever system.

use std::fmt;

use jiff::SignedDuration;

/// Which system a call went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Stripe's API.
    Stripe,
    /// API Gateway's control plane.
    ApiGateway,
    /// Cognito user pools.
    Cognito,
    /// DynamoDB, the ledger.
    Ledger,
    /// SQS.
    Queue,
    /// Secrets Manager: at a function's start, and the operator's command.
    SecretsManager,
    /// CloudFormation: the operator's command.
    CloudFormation,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stripe => "Stripe",
            Self::ApiGateway => "API Gateway",
            Self::Cognito => "Cognito",
            Self::Ledger => "DynamoDB",
            Self::Queue => "SQS",
            Self::SecretsManager => "Secrets Manager",
            Self::CloudFormation => "CloudFormation",
        })
    }
}

/// What kind of failure it was; all that the error policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Too many calls.
    Throttled {
        /// How long to wait, where the service says so.
        after: Option<SignedDuration>,
    },
    /// The state of the resource is in the way. Never a verdict: observe.
    Conflict,
    /// No such resource.
    NotFound,
    /// A fixed quota of the service is used up (API Gateway's 10,000 keys).
    LimitExceeded,
    /// Our credentials do not allow it: systemic, alarmed on.
    Denied,
    /// The request can never succeed as it is.
    Invalid,
    /// The service failed, or the answer was lost: it may have taken effect.
    Unavailable,
}

/// A call to a port that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {detail}")]
pub struct PortError {
    /// Which system.
    pub service: Service,
    /// The service's own name of the operation, `CreateUsagePlanKey`.
    pub operation: &'static str,
    /// What kind of failure.
    pub class: Class,
    /// What the service said; never a body, a secret or personal data.
    pub detail: String,
}

/// What a port answers.
pub type PortResult<T> = Result<T, PortError>;
