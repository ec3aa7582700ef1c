//! What gave an account its plan, and for how long that keeps it when nobody knows any more what
//! it sells.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tollgate_events::{PriceId, SubscriptionId};

use super::desired::Warning;
use super::facts::Facts;
use super::standing::{Offer, Standing};
use crate::account::{Access, Given, Reason};
use crate::catalog::Catalog;
use crate::policy::Policy;
use crate::stripe::{Price, Subscription};

/// The subscription that gave the plan, as far as the ledger tells: of accounts that were
/// written before it was recorded, by the reason.
pub(super) fn giver(access: &Access) -> Option<Given> {
    let by_reason = || {
        let by = access.reason.subscription()?.clone();
        let (plan, prices) = (access.plan.clone()?, BTreeSet::new());
        Some(Given { by, plan, prices, unknown_since: None })
    };
    access.given.clone().or_else(by_reason)
}

/// What a subscription once gave the account, if it was this one that gave the plan.
fn gave(access: &Access, subscription: &Subscription) -> Option<Given> {
    if let Some(given) = giver(access) {
        return Some(given).filter(|given| given.by == subscription.id);
    }
    // Written before it was recorded which subscription it was.
    match &access.reason {
        Reason::UnknownPrice { price, until: None } if subscription.price_ids().contains(price) => {
            let (by, prices) = (subscription.id.clone(), BTreeSet::new());
            Some(Given { by, plan: access.plan.clone()?, prices, unknown_since: None })
        }
        _ => None,
    }
}

/// Whether a customer pays this deployment by a subscription: it sells a plan, our own checkout
/// made it, or it gave the account what it had.
pub(crate) fn is_ours(
    subscription: &Subscription,
    proven: &BTreeSet<SubscriptionId>,
    access: &Access,
    catalog: &Catalog,
) -> bool {
    subscription.prices.iter().any(|price| catalog.plan_of(price).is_some())
        || proven.contains(&subscription.id)
        || access.to_cancel.contains(&subscription.id)
        || gave(access, subscription).is_some()
}

/// Live subscriptions of which the catalog does not know what they sell.
pub(super) struct UnknownPrices<'a, 'f> {
    pub(super) facts: &'f Facts,
    pub(super) catalog: &'a Catalog,
    pub(super) policy: &'f Policy,
    pub(super) now: Timestamp,
}

impl<'a> UnknownPrices<'a, '_> {
    /// One of ours is told of, whatever becomes of it: it gave the plan, or our own checkout made
    /// it. What else a customer has bought is nobody's business.
    pub(super) fn offer(
        &self,
        standing: &mut Standing<'a>,
        subscription: &Subscription,
        until: Option<Timestamp>,
    ) {
        let sells = subscription.sold().any(|price| self.catalog.plan_of(price).is_some());
        let Some(price) = self.first_of(subscription, sells).map(Price::name) else { return };
        let given = gave(&self.facts.access, subscription);
        let ours = given.is_some() || self.facts.proven.contains(&subscription.id);
        let kept = given.and_then(|given| {
            let price = price.clone();
            self.keep(standing, given, (price, until))
        });
        // What it sells besides took nothing away.
        if ours && (kept.is_some() || !sells) {
            standing.warnings.push(Warning::UnknownPrice { price, until: kept });
        }
    }

    /// It keeps the plan that it gave itself, for some days, where nothing that is known gives as
    /// much: else the plan that something else gave now would be the last plan next time, and the
    /// reason would change without anything having happened. Until when it does.
    fn keep(
        &self,
        standing: &mut Standing<'a>,
        given: Given,
        (price, until): (PriceId, Option<Timestamp>),
    ) -> Option<Timestamp> {
        let since = given.unknown_since.unwrap_or(self.now);
        let ends = since.saturating_add(self.policy.unknown_price());
        let ends = ends.expect("a duration has no calendar");
        let ends = until.map_or(ends, |until| until.min(ends));
        let plan = self.catalog.plan(&given.plan).filter(|_| ends > self.now)?;
        if standing.plan.is_some_and(|best| best.rank >= plan.rank) {
            return None;
        }
        standing.review(Some(ends), self.now);
        let given = Some(Given { unknown_since: Some(since), ..given });
        let reason = Reason::UnknownPrice { price, until: Some(ends) };
        standing.offer(plan, Offer { reason, given, until: Some(ends) });
        Some(ends)
    }

    /// The first of its prices that the catalog does not know; beside one that it knows, the
    /// first that cannot be read.
    fn first_of<'s>(&self, subscription: &'s Subscription, sells: bool) -> Option<&'s Price> {
        let unknown = |price: &&Price| match sells {
            true => price.id.is_none(),
            false => self.catalog.plan_of(price).is_none(),
        };
        subscription.sold().find(unknown)
    }
}
