//! Subscriptions whose money was given back, where the seller lets the plan end with it.

use std::collections::BTreeMap;

use tollgate_events::SubscriptionId;

use super::facts::Facts;
use crate::policy::{PlanThen, Policy};
use crate::stripe::{InvoiceId, Subscription};

/// The subscriptions that do not count, each with its newest paid invoice: all that was charged
/// for that was refunded. What was found stands until something newer is paid.
pub(super) fn refunded(facts: &Facts, policy: &Policy) -> BTreeMap<SubscriptionId, InvoiceId> {
    if policy.on_full_refund == PlanThen::Keep {
        return BTreeMap::new();
    }
    let known = |it: &Subscription| {
        let recorded = facts.access.refunded.get(&it.id);
        recorded.filter(|invoice| is_newest_paid(it, invoice).unwrap_or(true)).cloned()
    };
    let of = |it: &Subscription| facts.refunds.get(&it.id).cloned().unwrap_or_else(|| known(it));
    let live = facts.subscriptions.iter().filter(|it| it.is_live());
    live.filter_map(|it| Some((it.id.clone(), of(it)?))).collect()
}

/// Whether an invoice that was the newest paid one still is, as far as the subscription tells: its
/// latest invoice may be a draft, or open.
pub(crate) fn is_newest_paid(subscription: &Subscription, invoice: &InvoiceId) -> Option<bool> {
    let latest = subscription.latest_invoice.as_ref()?;
    let is_it = latest.id.as_ref() == Some(invoice);
    (is_it || latest.is_paid_for).then_some(is_it)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{catalog, facts, given, now, subscription};
    use super::super::{Desired, decide};
    use super::*;
    use crate::stripe::LatestInvoice;

    fn invoice(id: &str) -> InvoiceId {
        InvoiceId::parse(id).unwrap()
    }

    fn with_latest(id: &str, is_paid_for: bool) -> Subscription {
        let latest =
            LatestInvoice { id: Some(invoice(id)), is_paid_for, ..LatestInvoice::default() };
        Subscription {
            latest_invoice: Some(latest),
            ..subscription("sub_1", "active", "price_pro")
        }
    }

    fn decided(read: Subscription, asked: Option<Option<&str>>, policy: &Policy) -> Desired {
        let id = read.id.clone();
        let mut facts = facts(vec![read]);
        facts.access.given = Some(given("sub_1", "pro", "price_pro"));
        facts.access.refunded = [(id.clone(), invoice("in_1"))].into();
        facts.refunds = asked.map(|it| (id, it.map(invoice))).into_iter().collect();
        decide(&facts, &catalog(), policy, now())
    }

    fn plan(read: Subscription, asked: Option<Option<&str>>) -> String {
        let policy = Policy { on_full_refund: PlanThen::End, ..Policy::default() };
        let desired = decided(read, asked, &policy);
        assert_eq!(desired.refunded.is_empty(), desired.given.is_some());
        desired.plan.unwrap().to_string()
    }

    #[test]
    fn a_refund_ends_the_plan_until_something_newer_is_paid() {
        assert_eq!(plan(with_latest("in_1", true), None), "free");
        assert_eq!(plan(with_latest("in_2", false), None), "free", "it is a draft, or open");
        assert_eq!(plan(with_latest("in_2", true), None), "pro");
        let unread = Subscription { latest_invoice: None, ..with_latest("in_1", true) };
        assert_eq!(plan(unread, None), "free", "what was found stands");
    }

    #[test]
    fn what_was_asked_now_decides() {
        assert_eq!(plan(with_latest("in_1", true), Some(None)), "pro");
        assert_eq!(plan(with_latest("in_2", true), Some(Some("in_2"))), "free");
    }

    #[test]
    fn a_seller_who_keeps_plans_knows_of_no_refund() {
        let kept = decided(with_latest("in_1", true), Some(Some("in_1")), &Policy::default());
        assert_eq!((kept.plan.unwrap().as_str(), kept.refunded.len()), ("pro", 0));
    }
}
