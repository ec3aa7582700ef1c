//! What each call of a run is, as a step of the design.
//!
//! Not a [step of a plan](tollgate_core::plan::Step) alone: reads, claims and commits are among them.

use tollgate_core::ports::Service;

use crate::gate::Call;

/// What a call is, in the words of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names of the design's steps")]
pub enum CallStep {
    Resolve,
    Claim,
    Link,
    Facts,
    Observe,
    Intent,
    Begin,
    MintKey,
    DetachPlan,
    AttachPlan,
    EnableKey,
    DisableKey,
    DeleteKey,
    WriteAttributes,
    CancelSubscription,
    Commit,
    Act,
    Record,
    Enqueue,
}

impl CallStep {
    /// Every step.
    pub const ALL: [Self; 19] = [
        Self::Resolve,
        Self::Claim,
        Self::Link,
        Self::Facts,
        Self::Observe,
        Self::Intent,
        Self::Begin,
        Self::MintKey,
        Self::DetachPlan,
        Self::AttachPlan,
        Self::EnableKey,
        Self::DisableKey,
        Self::DeleteKey,
        Self::WriteAttributes,
        Self::CancelSubscription,
        Self::Commit,
        Self::Act,
        Self::Record,
        Self::Enqueue,
    ];

    /// What a call is.
    pub fn of(call: &Call) -> Self {
        match call.operation {
            "UpdateItem" if call.subject.contains(' ') => Self::Record,
            "UpdateItem" => Self::Claim,
            "TransactWriteItems" if call.subject.ends_with(" link") => Self::Link,
            "TransactWriteItems" if call.subject.ends_with(" intent") => Self::Intent,
            "TransactWriteItems" if call.subject.ends_with(" begin") => Self::Begin,
            "TransactWriteItems" if call.subject.ends_with(" commit") => Self::Commit,
            "TransactWriteItems" if call.subject.ends_with(" act") => Self::Act,
            "TransactWriteItems" => Self::Record,
            "CreateApiKey" => Self::MintKey,
            "DeleteUsagePlanKey" => Self::DetachPlan,
            "CreateUsagePlanKey" => Self::AttachPlan,
            "UpdateApiKey" if call.subject.ends_with("enabled=true") => Self::EnableKey,
            "UpdateApiKey" => Self::DisableKey,
            "DeleteApiKey" => Self::DeleteKey,
            "AdminUpdateUserAttributes" => Self::WriteAttributes,
            "DELETE /v1/subscriptions/{id}" => Self::CancelSubscription,
            "SendMessage" => Self::Enqueue,
            "GET /v1/subscriptions"
            | "GET /v1/disputes/{id}"
            | "GET /v1/invoices"
            | "GET /v1/invoice_payments" => Self::Facts,
            _ => match call.service {
                Service::Cognito => Self::Facts,
                Service::ApiGateway => Self::Observe,
                Service::Stripe
                | Service::Ledger
                | Service::Queue
                | Service::SecretsManager
                | Service::CloudFormation => Self::Resolve,
            },
        }
    }

    /// Whether it is a step of a plan, which changes a system that has no conditional
    /// writes: it must not start, and cannot be taken back, after the lease.
    pub fn changes_the_world(self) -> bool {
        (Self::MintKey..=Self::CancelSubscription).contains(&self)
    }

    /// Whether it writes an account, under the claim or to take it: a claim, an act, and every
    /// commit of a convergence.
    pub fn writes_the_account(self) -> bool {
        matches!(
            self,
            Self::Claim | Self::Link | Self::Intent | Self::Begin | Self::Commit | Self::Act
        )
    }

    /// Whether it writes the ledger: an account, or what is recorded of an event.
    pub fn writes_the_ledger(self) -> bool {
        self.writes_the_account() || self == Self::Record
    }
}
