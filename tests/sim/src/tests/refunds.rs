//! What was paid is given back: the plan stays, or ends where the seller says so.

use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::policy::PlanThen;
use tollgate_core::timing::LAG_AT_MOST;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::Act;
use tollgate_standin::stripe::{Card, DRAFT_TIME, NewRefund};

use super::scene::Scene;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn deliver(scene: &Scene) {
    for events in scene.events().chunks(10) {
        assert_eq!(scene.handle(events).failed, [""; 0]);
    }
    scene.later(SignedDuration::ZERO);
}

/// Hour by hour.
fn pass(scene: &Scene, time: SignedDuration) {
    let end = scene.world.clock.time() + time;
    while scene.world.clock.time() < end {
        let next = (scene.world.clock.time() + SignedDuration::from_hours(1)).min(end);
        scene.world.stripe.advance_to(next);
        deliver(scene);
    }
}

fn plan_of(scene: &Scene, id: &AccountId) -> String {
    scene.seen(id).0
}

/// Ann has paid for pro; her subscription.
fn paying(then: PlanThen) -> (Scene, AccountId, String) {
    let mut scene = Scene::new();
    scene.worker.policy.on_full_refund = then;
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "pro_monthly");
    pass(&scene, DAY);
    assert_eq!(plan_of(&scene, &ann), "pro");
    scene.world.gate.take_calls();
    (scene, ann, id)
}

/// How often Stripe was asked what has paid an invoice.
fn asked(scene: &Scene) -> usize {
    let calls = scene.world.gate.take_calls().into_iter();
    calls.filter(|call| call.operation == "GET /v1/invoice_payments").count()
}

fn refund(scene: &Scene, id: &str) {
    scene.world.stripe.account().refund_latest(id).expect("it was paid by card");
}

#[test]
fn a_refund_keeps_the_plan_unless_the_seller_says_otherwise() {
    for (then, plan, calls) in [(PlanThen::Keep, "pro", 0), (PlanThen::End, "free", 1)] {
        let (scene, ann, id) = paying(then);
        refund(&scene, &id);
        deliver(&scene);
        assert_eq!((plan_of(&scene, &ann).as_str(), asked(&scene)), (plan, calls), "{then:?}");
        assert_eq!(scene.seen(&ann).1, Status::Active);
        // Whatever wakes the account again: it is known.
        pass(&scene, DAY * 2);
        scene.operate(&ann, Act::Hold);
        scene.operate(&ann, Act::Release);
        assert_eq!((plan_of(&scene, &ann).as_str(), asked(&scene)), (plan, 0), "{then:?}");
        assert_eq!(scene.world.ledger.stored_stack().blast.count, 0, "it explains itself");
    }
}

#[test]
fn a_part_ends_nothing_and_costs_no_call() {
    let (scene, ann, id) = paying(PlanThen::End);
    let charge = {
        let stripe = scene.world.stripe.account();
        let latest = stripe.subscription(&id).expect("it is there").latest_invoice.clone();
        let invoice = stripe.invoice(&latest.expect("there is one")).expect("it is there");
        invoice.charge.clone().expect("it was paid")
    };
    let part = NewRefund { amount: Some(100), ..NewRefund::default() };
    scene.world.stripe.account().refund(&charge, part).expect("it was paid");
    deliver(&scene);
    assert_eq!((plan_of(&scene, &ann).as_str(), asked(&scene)), ("pro", 0));
    refund(&scene, &id);
    deliver(&scene);
    assert_eq!((plan_of(&scene, &ann).as_str(), asked(&scene)), ("free", 1));
}

/// Until the next period is paid, and not while its invoice is a draft, or late.
#[test]
fn the_next_payment_gives_the_plan_again() {
    let (scene, ann, id) = paying(PlanThen::End);
    refund(&scene, &id);
    deliver(&scene);
    let customer = {
        let mut stripe = scene.world.stripe.account();
        let customer = stripe.subscription(&id).expect("it is there").customer.clone();
        stripe.set_card(&customer, Card::Declines).expect("they are there");
        customer
    };
    let renews = scene.world.stripe.account().subscription(&id).expect("it is there").period.end;
    scene.world.stripe.advance_to(renews);
    deliver(&scene);
    assert_eq!(plan_of(&scene, &ann), "free", "a draft is no payment");
    pass(&scene, DRAFT_TIME + DAY);
    assert_eq!(plan_of(&scene, &ann), "free", "there is no grace for what was given back");
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(&customer, Card::Pays).expect("they are there");
    stripe.pay_latest_invoice(&id).expect("it pays");
    drop(stripe);
    deliver(&scene);
    assert_eq!(plan_of(&scene, &ann), "pro");
    assert!(scene.account(&ann).access.refunded.is_empty());
}

/// While the next invoice is a draft, what was paid last is another.
#[test]
fn a_refund_after_the_period_has_ended_is_of_what_was_paid_last() {
    let (scene, ann, id) = paying(PlanThen::End);
    let renews = scene.world.stripe.account().subscription(&id).expect("it is there").period.end;
    scene.world.stripe.advance_to(renews);
    deliver(&scene);
    refund(&scene, &id);
    deliver(&scene);
    assert_eq!(plan_of(&scene, &ann), "free");
    pass(&scene, DRAFT_TIME);
    assert_eq!(plan_of(&scene, &ann), "pro", "and the next is paid");
}

/// The list does not show the subscription yet when its refund is told of.
#[test]
fn a_refund_is_found_by_a_second_look() {
    let mut scene = Scene::new();
    scene.worker.policy.on_full_refund = PlanThen::End;
    scene.world.stripe.set_read_lag(SignedDuration::from_secs(30));
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "pro_monthly");
    refund(&scene, &id);
    deliver(&scene);
    assert!(scene.account(&ann).refund_told);
    scene.later(SignedDuration::from_secs(61));
    assert_eq!(plan_of(&scene, &ann), "free");
    assert_eq!(scene.account(&ann).access.refunded.len(), 1);
    scene.later(SignedDuration::from_secs(300));
    assert!(!scene.account(&ann).refund_told);
}

/// What was refunded on another account is asked about when the customer comes.
#[test]
fn a_refund_goes_with_its_customer() {
    let (scene, ann, id) = paying(PlanThen::End);
    refund(&scene, &id);
    deliver(&scene);
    let customer = scene.world.stripe.account().subscription(&id).expect("there").customer.clone();
    let customer = CustomerId::parse(customer).expect("it is an id");
    let ben = scene.sign_up("ben");
    scene.operate(&ann, Act::Unlink { customer: customer.clone() });
    scene.operate(&ben, Act::Link { customer });
    assert_eq!(plan_of(&scene, &ben), "free");
    assert_eq!(scene.account(&ben).access.refunded.len(), 1);
}

/// Told of before anybody knew whose customer it is: the link asks.
#[test]
fn a_refund_that_was_nobodys_is_found_with_the_purchase() {
    let mut scene = Scene::new();
    scene.worker.policy.on_full_refund = PlanThen::End;
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "pro_monthly");
    refund(&scene, &id);
    let (refunds, purchase): (Vec<_>, Vec<_>) =
        scene.events().into_iter().partition(|event| event.kind == "charge.refunded");
    scene.later(LAG_AT_MOST);
    assert_eq!(scene.handle(&refunds).failed, [""; 0]);
    assert_eq!(scene.handle(&purchase).failed, [""; 0]);
    scene.later(SignedDuration::ZERO);
    assert_eq!((plan_of(&scene, &ann).as_str(), asked(&scene)), ("free", 1));
}
