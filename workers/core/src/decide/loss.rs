//! Who pays, who loses by a decision, and what explains it.
//!
//! A wrong Stripe key, user pool or catalog decides for everybody alike. What tells it apart
//! from customers who leave is evidence: each loss is explained by something that was read and
//! says so itself, or it counts. The worker's blast limit, the sweep and the reports all ask
//! here. Pure.

use jiff::Timestamp;
use tollgate_events::kind::About;
use tollgate_events::{Envelope, SubscriptionId};

use super::best::is_ended_by_policy;
use super::desired::{Desired, KeyState};
use super::facts::Facts;
use super::given::giver;
use super::grace::{ends_grace, never_paid};
use crate::account::{Access, Given, Grant, Reason, Status};
use crate::catalog::Catalog;
use crate::policy::Policy;
use crate::stripe::{Price, Subscription, SubscriptionStatus};

/// What is taken from an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It pays, and has a lower plan or none.
    Less,
    /// It is closed, whether it pays or not.
    Closed,
}

/// What speaks for a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The account's own doing, or a time that was known before.
    Explained,
    /// Nothing: it may be everybody's.
    Counted,
    /// The subscription that gave the plan is not among those read, and nothing tells what
    /// became of it: it must be read by itself.
    Unread(SubscriptionId),
}

/// Whether an account has its plan because somebody pays for it, or because an operator gave it.
pub fn pays(access: &Access, catalog: &Catalog) -> bool {
    let default = catalog.default_plan().map(|plan| &plan.id);
    match (&access.plan, &access.reason) {
        (None, _) | (_, Reason::DefaultPlan | Reason::NoPlan) => false,
        (_, reason) if reason.is_paid() => true,
        (plan, _) => plan.as_ref() != default,
    }
}

/// What a decision takes from an account.
pub fn loss(before: &Access, desired: &Desired, catalog: &Catalog) -> Option<Loss> {
    let has_something = before.plan.is_some() || !before.keys.is_empty();
    if desired.key == KeyState::Closed {
        return Some(Loss::Closed).filter(|_| before.status != Status::Closed && has_something);
    }
    // A plan that the catalog does not have any more was worth more than any other.
    let rank = |id| catalog.plan(id).map_or(u32::MAX, |plan| plan.rank);
    let less = desired.plan.as_ref().map(rank) < before.plan.as_ref().map(rank);
    Some(Loss::Less).filter(|_| pays(before, catalog) && less)
}

/// What a loss rests on, and what speaks for it.
#[derive(Debug)]
pub struct Case<'a> {
    /// The access as history last told it.
    pub before: &'a Access,
    /// The revision of the catalog that decided it.
    pub decided_by: u64,
    /// What was decided now.
    pub desired: &'a Desired,
    /// On what.
    pub facts: &'a Facts,
    /// The events that are in hand.
    pub events: &'a [Envelope],
    /// The plans.
    pub catalog: &'a Catalog,
    /// The seller's choices.
    pub policy: &'a Policy,
    /// When.
    pub now: Timestamp,
}

impl Case<'_> {
    /// What speaks for a loss.
    pub fn evidence(&self, loss: Loss) -> Evidence {
        match loss {
            Loss::Closed if self.facts.want_closing() => Evidence::Explained,
            Loss::Closed => Evidence::Counted,
            Loss::Less if self.time_has_come() || self.grant_has_ended() => Evidence::Explained,
            Loss::Less => self.of_the_giver(),
        }
    }

    /// Whether a time has come that was known before. The end of the days for which an unknown
    /// price keeps a plan is none: it comes for all alike who bought at a price that somebody
    /// took out of the catalog.
    fn time_has_come(&self) -> bool {
        match self.before.reason {
            Reason::Ending { at, .. } => at <= self.now,
            Reason::Grace { until, .. } => until <= self.now,
            _ => false,
        }
    }

    /// Whether the grant that gave the plan counts no more: its time has come, or an operator has
    /// revoked it. Where a hold or a dispute hides what gave the plan, the grant itself must be there
    /// and over: what ended before the last decision is not in the ledger any more, and explains
    /// nothing.
    fn grant_has_ended(&self) -> bool {
        let gave = |grant: &&Grant| Some(&grant.plan) == self.before.plan.as_ref();
        let mut gave = self.before.grants.iter().filter(gave).peekable();
        let is_over = |grant: &Grant| grant.is_over(self.now);
        match self.before.reason {
            Reason::Grant { .. } => gave.all(is_over),
            Reason::OperatorHold { .. }
            | Reason::Dispute { .. }
            | Reason::UserDisabled
            | Reason::UserMissing => {
                giver(self.before).is_none() && gave.peek().is_some() && gave.all(is_over)
            }
            _ => false,
        }
    }

    /// An end that was told is one, whatever a list shows that lags.
    fn of_the_giver(&self) -> Evidence {
        let Some(given) = giver(self.before) else { return Evidence::Counted };
        if self.events.iter().any(|event| shows_end(event, &given.by)) {
            return Evidence::Explained;
        }
        match self.facts.subscriptions.iter().find(|read| read.id == given.by) {
            Some(read) if self.says_so(read, &given) => Evidence::Explained,
            Some(_) => Evidence::Counted,
            None => Evidence::Unread(given.by),
        }
    }

    /// Whether a subscription that was read itself says why it gives less.
    fn says_so(&self, read: &Subscription, given: &Given) -> bool {
        let over = |at: Option<Timestamp>| at.is_some_and(|at| at <= self.now);
        let refunded = self.desired.refunded.contains_key(&read.id);
        if refunded || read.sells_nothing() || is_ended_by_policy(read, self.policy) {
            return true;
        }
        match &read.status {
            SubscriptionStatus::Canceled
            | SubscriptionStatus::IncompleteExpired
            | SubscriptionStatus::Incomplete
            | SubscriptionStatus::Unpaid
            | SubscriptionStatus::Paused => true,
            SubscriptionStatus::PastDue if self.is_not_paid(read, given) => true,
            SubscriptionStatus::PastDue
            | SubscriptionStatus::Active
            | SubscriptionStatus::Trialing => over(read.ends_at()) || self.sells_else(read, given),
            // What Stripe means by it is not known to this build.
            SubscriptionStatus::Other(_) | SubscriptionStatus::Unreadable => false,
        }
    }

    /// Whether a past-due subscription has no grace any more, or none for what gave the plan.
    fn is_not_paid(&self, read: &Subscription, given: &Given) -> bool {
        let paid_for = self.desired.paid_for.get(&read.id);
        self.grace_is_over(read)
            || never_paid(read, paid_for)
            || paid_for.is_some_and(|prices| self.was_not_paid(read, given, prices))
    }

    /// Whether what gave the plan, by this catalog too, is none of what was last paid for.
    fn was_not_paid(&self, read: &Subscription, given: &Given, paid_for: &[Price]) -> bool {
        let gives =
            |price: &&Price| self.catalog.plan_of(price).is_some_and(|plan| plan.id == given.plan);
        let mut giving = read.sold().filter(gives).peekable();
        !paid_for.is_empty()
            && giving.peek().is_some()
            && giving.all(|price| paid_for.iter().all(|paid| paid.id != price.id))
    }

    fn grace_is_over(&self, read: &Subscription) -> bool {
        let since = self.desired.grace.get(&read.id);
        since.is_some_and(|since| ends_grace(*since, self.policy) <= self.now)
    }

    /// Whether it has other prices than those that gave the plan, and the catalog knows them:
    /// its customer has changed it. A price that the catalog does not know, or that it maps to a
    /// lower plan than before, is the catalog's doing; one that cannot be read may be the same.
    fn sells_else(&self, read: &Subscription, given: &Given) -> bool {
        let known = read.sold().any(|price| self.catalog.plan_of(price).is_some());
        if !known || read.has_unreadable_price() {
            return false;
        }
        // What was written before prices were recorded: the same catalog maps the same prices to
        // the same plan.
        if given.prices.is_empty() {
            return self.decided_by == self.catalog.revision;
        }
        read.price_ids() != given.prices
    }
}

/// Whether a subscription that was not listed and was read by itself is still one of the
/// account's: then the listing lagged. Only an operator releases the customer who pays for it.
pub fn is_still(read: &Subscription, access: &Access) -> bool {
    read.status != SubscriptionStatus::Canceled && access.customers.contains(&read.customer)
}

/// Whether an event shows that a subscription has ended: it stays so, whenever that was.
/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>
fn shows_end(event: &Envelope, id: &SubscriptionId) -> bool {
    let ended = |status: &str| matches!(status, "canceled" | "incomplete_expired");
    event.object.as_deref() == Some(id.as_str())
        && event.about() == About::Subscription
        && event.hint.as_ref().is_some_and(|hint| ended(&hint.status))
}

#[cfg(test)]
mod tests;
