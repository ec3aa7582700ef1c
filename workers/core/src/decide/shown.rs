//! What an owner is shown of the subscriptions that were read. It decides nothing.

use super::desired::Desired;
use super::facts::Facts;
use super::given::is_ours;
use crate::account::{ManagedBy, NextOffer, OfferId, SubscriptionSeen};
use crate::catalog::Catalog;
use crate::stripe::{Price, Scheduled, Subscription, SubscriptionStatus};

impl Desired {
    /// The subscription that gives the plan.
    pub fn subscription(&self, facts: &Facts, catalog: &Catalog) -> Option<SubscriptionSeen> {
        let by = &self.given.as_ref()?.by;
        let subscription = facts.subscriptions.iter().find(|it| it.id == *by)?;
        let gives = |price: &&Price| catalog.plan_of(price).map(|it| &it.id) == self.plan.as_ref();
        let (ends_at, period_end) = (subscription.ends_at(), subscription.current_period_end);
        let in_trial = subscription.status == SubscriptionStatus::Trialing;
        let is_theirs = facts.proven.contains(by) && subscription.can_be_changed().is_some();
        Some(SubscriptionSeen {
            offer: subscription.sold().find(gives).and_then(offer),
            renews_at: period_end.filter(|_| ends_at.is_none()),
            ends_at,
            trial_ends_at: period_end.filter(|_| in_trial),
            next: subscription.next.as_ref().map(|next| coming(next, catalog)),
            managed_by: if is_theirs { ManagedBy::Customer } else { ManagedBy::Seller },
        })
    }
}

fn coming(next: &Scheduled, catalog: &Catalog) -> NextOffer {
    let plan = next.price.as_ref().and_then(|price| catalog.plan_of(price));
    NextOffer {
        offer: next.price.as_ref().filter(|_| plan.is_some()).and_then(offer),
        plan: plan.map(|plan| plan.id.clone()),
        at: next.at,
    }
}

/// What was bought of us, and is not paid yet.
pub fn processing(facts: &Facts, catalog: &Catalog) -> Option<OfferId> {
    let unpaid = |it: &&Subscription| {
        it.status == SubscriptionStatus::Incomplete
            && is_ours(it, &facts.proven, &facts.access, catalog)
    };
    let sold = facts.subscriptions.iter().filter(unpaid).flat_map(Subscription::sold);
    sold.filter(|price| catalog.plan_of(price).is_some()).find_map(offer)
}

/// What a price is offered as.
fn offer(price: &Price) -> Option<OfferId> {
    let id = || price.id.clone().map(String::from);
    price.lookup_key.clone().or_else(id).and_then(|name| OfferId::parse(name).ok())
}
