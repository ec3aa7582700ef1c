//! Grace: for how long a subscription counts that is past due, and for what.
//!
//! It keeps what was last paid for. Whoever had a trial and has never paid has none; whoever
//! has upgraded and not paid for that keeps what they had before; and nobody gets more by not
//! paying than what they have subscribed to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollgate_events::SubscriptionId;

use super::facts::Facts;
use crate::catalog::{Catalog, Plan};
use crate::policy::Policy;
use crate::stripe::{LatestInvoice, Price, Subscription, SubscriptionStatus};

/// The subscriptions that are past due. Only what is seen past due now stays recorded.
pub(super) struct Graces {
    /// Since when: as recorded, else since its latest invoice was to be paid, else since now.
    /// Later invoices never move it.
    pub(super) since: BTreeMap<SubscriptionId, Timestamp>,
    /// What was last paid for: as recorded, else as read now. Of one that is not in it that is
    /// not known.
    pub(super) paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
}

impl Graces {
    pub(super) fn of(facts: &Facts, now: Timestamp) -> Self {
        let access = &facts.access;
        let (mut since, mut paid_for) = (BTreeMap::new(), BTreeMap::new());
        let is_past_due = |it: &&Subscription| it.status == SubscriptionStatus::PastDue;
        for late in facts.subscriptions.iter().filter(is_past_due) {
            let recorded = access.grace.get(&late.id).copied();
            let read = late.latest_invoice.as_ref().and_then(LatestInvoice::late_since);
            let begins = recorded.unwrap_or_else(|| read.map_or(now, |at| at.min(now)));
            since.insert(late.id.clone(), begins);
            let known = access.paid_for.get(&late.id).or_else(|| facts.paid_for.get(&late.id));
            paid_for.extend(known.map(|prices| (late.id.clone(), prices.clone())));
        }
        Self { since, paid_for }
    }

    /// When the grace of a past-due subscription ends; `None` where it has none, because
    /// nothing was ever paid after its trial.
    pub(super) fn end_of(&self, late: &Subscription, policy: &Policy) -> Option<Timestamp> {
        let paid_for = self.paid_for.get(&late.id);
        if never_paid(late, paid_for) && !policy.grace_after_trial {
            return None;
        }
        self.since.get(&late.id).map(|since| ends_grace(*since, policy))
    }

    /// The most that a subscription gives.
    pub(super) fn most<'a>(&self, subscription: &Subscription, catalog: &'a Catalog) -> Most<'a> {
        let paid_for = self.paid_for.get(&subscription.id);
        // Of what cannot be read it may be anything; and where nothing was paid yet and there
        // was no trial, the first invoice is still to come.
        let is_known = |prices: &&Vec<Price>| {
            !prices.is_empty() && prices.iter().all(|price| price.id.is_some())
        };
        let Some(prices) = paid_for.filter(is_known) else { return Most::Anything };
        let plans = prices.iter().filter_map(|price| catalog.plan_of(price));
        Most::Plan(plans.max_by_key(|plan| plan.rank))
    }
}

/// The most that a subscription gives, whatever it sells.
#[derive(Clone, Copy)]
pub(super) enum Most<'a> {
    /// What it sells.
    Anything,
    /// This plan, which was paid for; nothing where the catalog does not know what was.
    Plan(Option<&'a Plan>),
}

impl<'a> Most<'a> {
    /// What is given of a plan that is sold.
    pub(super) fn of(self, sold: &'a Plan) -> Option<&'a Plan> {
        match self {
            Self::Anything => Some(sold),
            Self::Plan(paid) => paid.map(|paid| if paid.rank < sold.rank { paid } else { sold }),
        }
    }
}

/// Whether nothing was ever paid for a subscription that began with a trial.
pub(super) fn never_paid(late: &Subscription, paid_for: Option<&Vec<Price>>) -> bool {
    late.had_trial && paid_for.is_some_and(Vec::is_empty)
}

/// When the grace of a subscription ends that has been past due since then.
pub(super) fn ends_grace(since: Timestamp, policy: &Policy) -> Timestamp {
    since.saturating_add(policy.grace()).expect("a duration has no calendar")
}

#[cfg(test)]
mod tests;
