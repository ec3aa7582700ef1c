//! What the ledger knows and a service denies.
//!
//! A wrong setting looks the same for everybody: to a Stripe key of another account every
//! customer is missing, in another pool every user is. So what is missing is never taken for
//! nothing. Nothing is decided, a person is told, and the accounts wait until it is mended.

use tollgate_events::{AccountId, ChargeId, CustomerId, DisputeId, SubscriptionId};

use crate::ports::{Class, PortError, Service};
use crate::shell::quoted;

/// A contradiction that concerns everybody, not one account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}. {}", self.problem(), self.mend())]
#[non_exhaustive]
pub enum Mismatch {
    /// The Stripe key is one of another account than the stack's.
    StripeAccount {
        /// The account that the stack belongs to.
        expected: String,
        /// The key's.
        found: String,
    },
    /// The user pool is another than the stack's.
    Pool {
        /// The pool that the stack belongs to.
        expected: String,
        /// The configured one.
        found: String,
    },
    /// Stripe has no such customer, and the ledger has linked it to an account.
    Customer(CustomerId),
    /// Stripe has no such subscription, and the ledger has that it gave an account its plan.
    Subscription(SubscriptionId),
    /// Stripe has no such dispute, and the ledger has that it holds an account.
    Dispute {
        /// The dispute.
        dispute: DisputeId,
        /// Whom it holds.
        account: AccountId,
    },
    /// Stripe has no such customer, and has just told of an event of it.
    EventsCustomer(CustomerId),
    /// Stripe has no such charge, and has just told of an event of it.
    EventsCharge(ChargeId),
}

impl Mismatch {
    /// What contradicts what: a sentence, without its full stop.
    pub fn problem(&self) -> String {
        match self {
            Self::StripeAccount { expected, found } => format!(
                "the Stripe key is one of account {found}, and this stack belongs to {expected}"
            ),
            Self::Pool { expected, found } => {
                format!("the user pool is {found}, and this stack belongs to {expected}")
            }
            Self::Customer(customer) => {
                format!("Stripe does not know {customer}, whom the ledger has linked")
            }
            Self::Subscription(subscription) => {
                format!("Stripe does not know {subscription}, which gave an account its plan")
            }
            Self::Dispute { dispute, account } => {
                format!("Stripe does not know {dispute}, which holds account {account}")
            }
            Self::EventsCustomer(customer) => {
                format!("Stripe does not know {customer}, of whom its webhook tells")
            }
            Self::EventsCharge(charge) => {
                format!("Stripe does not know {charge}, of which its webhook tells")
            }
        }
    }

    /// What to look at, and what to do: a sentence.
    pub fn mend(&self) -> String {
        let key = "Look whether the Stripe key is one of another account or mode";
        let moves = "if the stack is to move there, `tollgate stack rebind --why 'it moves'`";
        match self {
            Self::StripeAccount { expected, .. } => format!(
                "Store a key of {expected}: `tollgate secrets set stripe-key`, then \
                 `infra/deploy STACK --restart`; {moves}"
            ),
            Self::Pool { expected, .. } => {
                format!("Deploy with the parameter UserPoolId={expected}; {moves}")
            }
            Self::Customer(customer) => {
                let customer = quoted(customer);
                format!(
                    "{key}; where Stripe's test data was deleted, `tollgate account unlink \
                     {customer} {customer} --why 'test data was deleted'` lets the account go on"
                )
            }
            Self::Dispute { dispute, account } => format!(
                "{key}; where Stripe's test data was deleted, `tollgate account lift-dispute \
                 {account} {} --why 'test data was deleted'` lets the account go on",
                quoted(dispute)
            ),
            Self::Subscription(_) | Self::EventsCustomer(_) | Self::EventsCharge(_) => {
                key.to_owned()
            }
        }
    }
}

/// For whoever speaks of ports only: as a credential that does not fit, which is waited for and
/// alarmed on.
impl From<Mismatch> for PortError {
    fn from(mismatch: Mismatch) -> Self {
        let service = match mismatch {
            Mismatch::Pool { .. } => Service::Cognito,
            _ => Service::Stripe,
        };
        let operation = match mismatch {
            Mismatch::StripeAccount { .. } => "GET /v1/account",
            Mismatch::Pool { .. } => "UserPoolId",
            Mismatch::Customer(_) | Mismatch::EventsCustomer(_) => "GET /v1/customers/:id",
            Mismatch::Subscription(_) => "GET /v1/subscriptions/:id",
            Mismatch::Dispute { .. } => "GET /v1/disputes/:id",
            Mismatch::EventsCharge(_) => "GET /v1/charges/:id",
        };
        let detail = mismatch.to_string();
        Self { service, operation, class: Class::Denied, detail }
    }
}
