use super::super::tests::*;
use super::*;
use crate::decide::{Desired, decide};
use crate::stripe::LatestInvoice;

fn late() -> Subscription {
    subscription("sub_1", "past_due", "price_pro")
}

fn prices(ids: &[&str]) -> Vec<Price> {
    ids.iter().map(|id| Price { id: Some(price_id(id)), ..Price::default() }).collect()
}

/// What is decided of a subscription of which this was last paid for.
fn decided(late: Subscription, paid_for: Option<Vec<Price>>, policy: &Policy) -> Desired {
    let id = late.id.clone();
    let mut facts = facts(vec![late]);
    facts.paid_for = paid_for.into_iter().map(|prices| (id.clone(), prices)).collect();
    decide(&facts, &catalog(), policy, now())
}

fn plan(late: Subscription, paid_for: Option<Vec<Price>>) -> String {
    let desired = decided(late, paid_for, &Policy::default());
    desired.plan.expect("there is a default plan").to_string()
}

#[test]
fn after_a_trial_that_nobody_paid_for_there_is_no_grace() {
    let tried = || Subscription { had_trial: true, ..late() };
    assert_eq!(plan(tried(), Some(vec![])), "free");
    assert_eq!(plan(tried(), Some(prices(&["price_pro"]))), "pro");
    assert_eq!(plan(late(), Some(vec![])), "pro", "the first invoice is still to be paid");
    let policy = Policy { grace_after_trial: true, ..Policy::default() };
    let desired = decided(tried(), Some(vec![]), &policy);
    assert_eq!((desired.plan, desired.review_at), (Some(plan_id("pro")), Some(at(6 * DAY))));
}

#[test]
fn grace_keeps_what_was_last_paid_for_and_no_more_than_what_is_sold() {
    assert_eq!(plan(late(), Some(prices(&["price_basic"]))), "basic");
    assert_eq!(plan(late(), Some(prices(&["price_basic", "price_pro"]))), "pro");
    let cheaper = || subscription("sub_1", "past_due", "price_basic");
    assert_eq!(plan(cheaper(), Some(prices(&["price_pro"]))), "basic");
    assert_eq!(plan(late(), Some(prices(&["price_newsletter"]))), "free");
    // Of what cannot be read it may be anything; and so where nobody has asked yet.
    assert_eq!(plan(late(), Some(vec![Price::default()])), "pro");
    assert_eq!(plan(late(), None), "pro");
    let paid = subscription("sub_1", "active", "price_pro");
    assert_eq!(plan(paid, Some(prices(&["price_basic"]))), "pro");
}

#[test]
fn what_is_recorded_stays_until_it_is_seen_paid() {
    let first = decided(late(), Some(prices(&["price_basic"])), &Policy::default());
    assert_eq!(first.paid_for.len(), 1);
    let mut later = facts(vec![late()]);
    later.access.paid_for.clone_from(&first.paid_for);
    later.paid_for = [(late().id, prices(&["price_pro"]))].into();
    let desired = |facts: &Facts| decide(facts, &catalog(), &Policy::default(), now());
    assert_eq!(desired(&later).plan, Some(plan_id("basic")));
    later.subscriptions = vec![subscription("sub_1", "active", "price_pro")];
    assert!(desired(&later).paid_for.is_empty());
}

#[test]
fn who_gets_invoices_has_grace_from_the_day_they_were_due() {
    let invoice = |due_date| {
        Some(LatestInvoice {
            finalized_at: Some(at(-30 * DAY)),
            due_date,
            ..LatestInvoice::default()
        })
    };
    let since = |latest_invoice| {
        let late = Subscription { latest_invoice, ..late() };
        *decided(late, None, &Policy::default()).grace.values().next().expect("it is late")
    };
    assert_eq!(since(invoice(None)), at(-30 * DAY));
    assert_eq!(since(invoice(Some(at(-1)))), at(-1));
    assert_eq!(since(invoice(Some(at(-40 * DAY)))), at(-30 * DAY), "the later of the two");
    assert_eq!(since(invoice(Some(at(DAY)))), now(), "the next invoice is there already");
    assert_eq!(since(None), now());
}
