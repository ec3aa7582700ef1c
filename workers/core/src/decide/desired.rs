//! What a decision comes to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tollgate_events::{DisputeId, PriceId, SubscriptionId};

use crate::account::{
    DisputeMark, Given, Grant, PlanId, Reason, RetiringKey, Status, UsagePlanId, User,
};
use crate::stripe::{InvoiceId, Price};

/// What the key should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// There, and accepted.
    Enabled,
    /// Refused, if there is one; none is made.
    Disabled,
    /// Deleted.
    Closed,
}

/// Something that a person should look at, though the account is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A live subscription of ours to a price that the catalog does not know.
    UnknownPrice {
        /// The price to add to the catalog.
        price: PriceId,
        /// Until when the account keeps the plan that the subscription gave; `None` when it gives
        /// none.
        until: Option<Timestamp>,
    },
    /// Several live subscriptions of ours: the best plan wins, and all are paid.
    SeveralSubscriptions(BTreeSet<SubscriptionId>),
    /// A grant names a plan that the catalog does not have.
    UnknownGrant(PlanId),
    /// A closed account has a live subscription: somebody pays for nothing.
    PaymentOnClosedAccount(SubscriptionId),
    /// As above, and it is cancelled: what was paid for it is not given back by itself.
    CancelledOnClosedAccount(SubscriptionId),
    /// An account was closed because its user is not in the pool, and it pays: nothing tells that
    /// somebody wanted that to end.
    PaymentOfAbsentUser(SubscriptionId),
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownPrice { price, until: Some(until) } => write!(
                f,
                "price {price} is not in the catalog, so the account keeps its last plan until \
                 {until}; add the price to plans.toml"
            ),
            Self::UnknownPrice { price, until: None } => write!(
                f,
                "price {price} is not in the catalog, so it gives no plan; add the price to \
                 plans.toml"
            ),
            Self::SeveralSubscriptions(all) => {
                let all: Vec<_> = all.iter().map(SubscriptionId::as_str).collect();
                write!(
                    f,
                    "the account pays for {} subscriptions at once: {}; where that is not meant, \
                     cancel and refund one in Stripe",
                    all.len(),
                    all.join(", ")
                )
            }
            Self::UnknownGrant(plan) => {
                write!(f, "a grant names plan `{plan}`, which is not in the catalog")
            }
            Self::PaymentOnClosedAccount(subscription) => write!(
                f,
                "{subscription} is live, but the account is closed; cancel and refund it in Stripe"
            ),
            Self::CancelledOnClosedAccount(subscription) => write!(
                f,
                "{subscription} began when the account was closed, and is cancelled; refund in \
                 Stripe what was paid for it"
            ),
            Self::PaymentOfAbsentUser(subscription) => write!(
                f,
                "{subscription} is live, and its user is not in the pool, though nothing told of a \
                 deletion; `tollgate account close WHO --why TEXT` cancels it, and `tollgate account \
                 release WHO --why TEXT` opens the account where the user is there"
            ),
        }
    }
}

/// The access that an account should have, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The plan.
    pub plan: Option<PlanId>,
    /// The plan's usage plan.
    pub usage_plan: Option<UsagePlanId>,
    /// The key.
    pub key: KeyState,
    /// Replaced keys that still work: on the desired usage plan, and not for ever.
    pub retiring: Vec<RetiringKey>,
    /// Where the account stands.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What gives the plan, where a subscription does.
    pub given: Option<Given>,
    /// `custom:plan`; `None` when there is no user to write to.
    pub plan_attribute: Option<String>,
    /// When to look again; always later than now.
    pub review_at: Option<Timestamp>,
    /// Checkout sessions to expire. Which are open is the worker's to ask, when it is decided that
    /// nobody may pay there.
    pub expire: Vec<String>,
    /// Subscriptions to cancel.
    pub cancel: Vec<SubscriptionId>,
    /// Subscriptions of a closed account that are to be cancelled, and not now: nobody told of the
    /// user's deletion, or the cancellation limit holds them back.
    pub to_cancel: BTreeSet<SubscriptionId>,
    /// The user as now known.
    pub user: User,
    /// The disputes that still count.
    pub disputes: BTreeMap<DisputeId, DisputeMark>,
    /// Since when each past-due subscription is so.
    pub grace: BTreeMap<SubscriptionId, Timestamp>,
    /// What was last paid for of each of them.
    pub paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
    /// The newest paid invoice of each subscription that does not count for its refund.
    pub refunded: BTreeMap<SubscriptionId, InvoiceId>,
    /// The grants that are in force, or were when the account was closed; those that are over are
    /// history's to tell.
    pub grants: Vec<Grant>,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
}

impl Desired {
    /// The word for the user's attributes. Whoever has no user is closed.
    pub fn word(&self) -> &str {
        self.plan_attribute.as_deref().unwrap_or("closed")
    }

    /// The live subscriptions of ours, where there are several.
    pub fn several(&self) -> Option<&BTreeSet<SubscriptionId>> {
        self.warnings.iter().find_map(|warning| match warning {
            Warning::SeveralSubscriptions(all) => Some(all),
            _ => None,
        })
    }
}
