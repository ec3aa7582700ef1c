//! The best plan of all that is bought and granted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollgate_events::SubscriptionId;

use super::desired::Warning;
use super::facts::Facts;
use super::given::UnknownPrices;
use super::grace::{Graces, Most};
use super::standing::{Offer, Standing};
use crate::account::{Access, Given, Reason};
use crate::catalog::Catalog;
use crate::policy::{PlanThen, Policy};
use crate::stripe::{InvoiceId, Subscription, SubscriptionStatus};

pub(super) fn best_plan<'a>(
    facts: &Facts,
    catalog: &'a Catalog,
    (policy, refunded): (&Policy, &BTreeMap<SubscriptionId, InvoiceId>),
    graces: &Graces,
    now: Timestamp,
) -> Standing<'a> {
    let mut standing = Standing {
        plan: None,
        reason: Reason::NoPlan,
        given: None,
        until: None,
        review_at: None,
        warnings: Vec::new(),
    };
    if let Some(plan) = catalog.default_plan() {
        let reason = Reason::DefaultPlan;
        standing.offer(plan, Offer { reason, given: None, until: None });
    }
    let counts = |it: &&Subscription| !refunded.contains_key(&it.id);
    let mut subscriptions: Vec<_> = facts.subscriptions.iter().filter(counts).collect();
    subscriptions.sort_by(|a, b| a.id.cmp(&b.id));
    let mut unknown = Vec::new();
    for subscription in subscriptions {
        let Some((until, reason)) = live(subscription, graces, policy, now) else { continue };
        standing.review(until, now);
        let most = graces.most(subscription, catalog);
        if !offer_items(&mut standing, subscription, (catalog, most), &reason, until) {
            unknown.push((subscription, until));
        }
    }
    offer_grants(&mut standing, &facts.access, catalog, now);
    let of_unknown = UnknownPrices { facts, catalog, policy, now };
    for (subscription, until) in unknown {
        of_unknown.offer(&mut standing, subscription, until);
    }
    standing
}

/// Until when a subscription counts and what the reason then is; `None` when it does not.
fn live(
    subscription: &Subscription,
    graces: &Graces,
    policy: &Policy,
    now: Timestamp,
) -> Option<(Option<Timestamp>, Reason)> {
    if is_ended_by_policy(subscription, policy) {
        return None;
    }
    let id = || subscription.id.clone();
    let ends = subscription.ends_at();
    let (until, reason) = match subscription.status {
        SubscriptionStatus::Trialing | SubscriptionStatus::Active => match ends {
            None => (None, Reason::Subscription { subscription: id() }),
            Some(at) => (Some(at), Reason::Ending { subscription: id(), at }),
        },
        SubscriptionStatus::PastDue => {
            let graced = graces.end_of(subscription, policy)?;
            let until = ends.map_or(graced, |at| at.min(graced));
            (Some(until), Reason::Grace { subscription: id(), until })
        }
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Canceled
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Other(_)
        | SubscriptionStatus::Unreadable => return None,
    };
    until.is_none_or(|until| until > now).then_some((until, reason))
}

/// Whether a subscription that is live by its status does not count by the seller's choice.
pub(super) fn is_ended_by_policy(subscription: &Subscription, policy: &Policy) -> bool {
    subscription.voids_invoices && policy.pause_collection_void == PlanThen::End
}

/// Offers what a live subscription's items sell; whether that is all that it may sell. An
/// unknown add-on beside a known plan changes nothing; one that cannot be read may be the plan.
fn offer_items<'a>(
    standing: &mut Standing<'a>,
    subscription: &Subscription,
    (catalog, most): (&'a Catalog, Most<'a>),
    reason: &Reason,
    until: Option<Timestamp>,
) -> bool {
    let sold: Vec<_> = subscription.sold().filter_map(|p| catalog.plan_of(p)).collect();
    for plan in sold.iter().filter_map(|plan| most.of(plan)) {
        let given = Given {
            by: subscription.id.clone(),
            plan: plan.id.clone(),
            prices: subscription.price_ids(),
            unknown_since: None,
        };
        standing.offer(plan, Offer { reason: reason.clone(), given: Some(given), until });
    }
    !sold.is_empty() && !subscription.has_unreadable_price()
}

fn offer_grants<'a>(
    standing: &mut Standing<'a>,
    access: &Access,
    catalog: &'a Catalog,
    now: Timestamp,
) {
    for grant in access.grants.iter().filter(|grant| !grant.is_over(now)) {
        standing.review(grant.until, now);
        match catalog.plan(&grant.plan) {
            Some(plan) => {
                let reason = Reason::Grant { until: grant.until };
                standing.offer(plan, Offer { reason, given: None, until: grant.until });
            }
            None => standing.warnings.push(Warning::UnknownGrant(grant.plan.clone())),
        }
    }
}
