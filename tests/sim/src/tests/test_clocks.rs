//! Customers on Stripe's test clocks, whose subscriptions are in no list of everybody.

use jiff::SignedDuration;
use tollgate_core::account::{PlanId, Reason};
use tollgate_core::sweep::ACCOUNTS_AT_ONCE;
use tollgate_events::AccountId;
use tollgate_operator::Act;
use tollgate_standin::stripe::NewCustomer;

use crate::scene::{Bought, Scene};

/// Ann pays for pro, on a test clock.
fn on_a_clock(scene: &Scene) -> (AccountId, Bought, String) {
    let ann = scene.person("ann");
    let (clock, customer) = {
        let mut stripe = scene.world.stripe.account();
        let now = stripe.now();
        let clock = stripe.create_test_clock(now, None);
        let new = NewCustomer { test_clock: Some(clock.clone()), ..NewCustomer::default() };
        (clock, stripe.create_customer(new))
    };
    let bought = scene.buy_as(&customer, &ann, "pro");
    scene.come_to_rest();
    (ann, bought, clock)
}

fn pro() -> PlanId {
    PlanId::parse("pro").unwrap()
}

/// How often Stripe was asked for subscriptions: of everybody, of one customer, and by id.
fn asked(scene: &Scene) -> [usize; 3] {
    let calls = scene.world.gate.take_calls();
    let count = |operation: &str, of_all: bool| {
        let calls = calls.iter().filter(|call| call.operation == operation);
        calls.filter(|call| (call.subject == "all") == of_all).count()
    };
    let list = "GET /v1/subscriptions";
    [count(list, true), count(list, false), count("GET /v1/subscriptions/{id}", false)]
}

#[test]
fn they_are_asked_for_by_customer_before_anything_is_said_of_them() {
    let scene = Scene::default();
    let (ann, ..) = on_a_clock(&scene);
    let stored = scene.world.ledger.stored(&ann).unwrap();
    assert_eq!(stored.access.plan, Some(pro()));
    // What she has by a grant is as good, so that nothing would be lost.
    scene.operate(&Act::Grant { plan: pro(), until: None });
    let stored = scene.world.ledger.stored(&ann).unwrap();
    assert!(matches!(stored.access.reason, Reason::Subscription { .. }), "{:?}", stored.access);
    scene.payer("ben", "basic");
    scene.world.gate.take_calls();
    let report = scene.look();
    assert!(report.found.is_empty(), "{report:?}");
    assert_eq!((report.would_lose, report.would_end), (0, 0));
    assert_eq!(asked(&scene), [1, 1, 0], "Ben is in the list");
}

#[test]
fn what_ends_on_the_clock_is_found() {
    let scene = Scene::default();
    let (ann, bought, _) = on_a_clock(&scene);
    // Nobody hears of its end.
    scene.cancel(&bought);
    scene.world.stripe.account().take_pending();
    assert_eq!((scene.look().would_end, scene.look().would_lose), (1, 0));
    scene.repair();
    scene.come_to_rest();
    assert_ne!(scene.world.ledger.stored(&ann).unwrap().access.plan, Some(pro()));
}

/// The ledger is lost, and a renewal tells of the customer.
#[test]
fn a_rebuild_asks_for_them_too() {
    let scene = Scene::default();
    let (ann, _, clock) = on_a_clock(&scene);
    scene.pass(SignedDuration::from_hours(1));
    scene.world.ledger.lose_everything();
    let next = scene.world.clock.time() + SignedDuration::from_hours(40 * 24);
    scene.world.stripe.account().advance_test_clock(&clock, next).unwrap();
    scene.deliver_everything();
    let (report, _) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((report.rebuilt, report.paying, report.granted), (1, 1, 0), "{report:?}");
    let stored = scene.world.ledger.stored(&ann).unwrap();
    assert_eq!((stored.access.plan, stored.access.grants), (Some(pro()), vec![]));
}
