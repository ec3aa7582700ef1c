//! The log of calls: every stand-in of a world writes each call that it answers into the same one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The systems that are stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Stripe.
    Stripe,
    /// API Gateway's control plane.
    ApiGateway,
    /// Cognito user pools.
    Cognito,
    /// DynamoDB; there is no stand-in here, and whoever has one may log its calls.
    DynamoDb,
    /// SQS.
    Sqs,
    /// Secrets Manager.
    SecretsManager,
    /// CloudFormation.
    CloudFormation,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stripe => "Stripe",
            Self::ApiGateway => "API Gateway",
            Self::Cognito => "Cognito",
            Self::DynamoDb => "DynamoDB",
            Self::Sqs => "SQS",
            Self::SecretsManager => "Secrets Manager",
            Self::CloudFormation => "CloudFormation",
        })
    }
}

/// One call, as the stand-in saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which system.
    pub service: Service,
    /// The service's own name of the operation: `CreateUsagePlanKey`, `GET /v1/subscriptions`.
    pub operation: &'static str,
    /// What it was about: ids only, never a key's value or personal data.
    pub subject: String,
}

/// The calls of one world; every clone is the same log.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// Writes one down.
    pub fn log(&self, service: Service, operation: &'static str, subject: impl Into<String>) {
        self.lock().push(Call { service, operation, subject: subject.into() });
    }

    /// How many there have been.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Those after the first `count`, in order.
    pub fn since(&self, count: usize) -> Vec<Call> {
        self.lock().get(count..).unwrap_or_default().to_vec()
    }

    /// Takes those so far out of the log.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
