//! What fails for a moment costs a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gate::Call;
use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::ports::{Class, Ledger, Service};
use tollgate_events::AccountId;
use tollgate_standin::world::{EVENTS_QUEUE, VISIBILITY};

use super::scene::{Refuses, Scene};
use crate::executor::block_on;
use crate::scene::{Fault, Scene as Stage};

/// Refuses an operation so many times, once it is switched on.
fn refuses(class: Class, operation: &'static str, times: usize) -> Arc<Refuses> {
    let count = AtomicUsize::new(0);
    Refuses::new(class, move |call| {
        call.operation == operation && count.fetch_add(1, Ordering::Relaxed) < times
    })
}

/// Somebody signs up: the calls to the control plane, and the account.
fn sign_up(scene: &Scene) -> (AccountId, Vec<&'static str>) {
    let ann = scene.world.cognito.sign_up_confirmed("ann", "a@example.com").expect("free");
    scene.world.gate.take_calls();
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let calls = scene.world.gate.take_calls().into_iter();
    let calls = calls.filter(|it: &Call| it.service == Service::ApiGateway);
    (ann, calls.map(|it| it.operation).collect())
}

/// A step on a key that fails once is tried again in the same invocation, whichever it is.
#[test]
fn a_step_that_fails_once_is_tried_again_at_once() {
    for class in [Class::Unavailable, Class::Conflict, Class::NotFound] {
        let faults = refuses(class, "CreateUsagePlanKey", 1);
        faults.switch(true);
        let scene = Scene::under(faults);
        let began = scene.world.clock.time();
        let (ann, calls) = sign_up(&scene);
        assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()), "{class:?}");
        let looks = ["GetApiKeys", "GetUsagePlans"];
        let expected =
            [&["CreateApiKey", "CreateUsagePlanKey"][..], &looks, &["CreateUsagePlanKey"]];
        assert_eq!(calls, expected.concat(), "{class:?}");
        let took = scene.world.clock.time().duration_since(began);
        assert!(took <= SignedDuration::from_secs(3), "{class:?}: {took:#}");
    }
}

/// What was not answered may still take effect: until the lease ends nobody else claims the
/// account, though it is committed.
#[test]
fn an_unanswered_step_keeps_its_lease() {
    for (class, is_kept) in [(Class::Unavailable, true), (Class::Conflict, false)] {
        let faults = refuses(class, "CreateUsagePlanKey", 1);
        faults.switch(true);
        let scene = Scene::under(faults);
        let (ann, _) = sign_up(&scene);
        let lease = scene.account(&ann).lease_until;
        assert_eq!(lease.is_some(), is_kept, "{class:?}");
        let Some(until) = lease else { continue };
        scene.buy(&ann, "pro_monthly");
        let events = scene.events();
        let report = scene.handle(&events);
        assert_eq!(report.failed.len(), events.len(), "it is leased");
        let wait = until.duration_since(scene.world.clock.time());
        assert!(report.again.values().all(|again| *again == wait), "{:?}", report.again);
        scene.world.clock.advance(wait);
        assert_eq!(scene.handle(&events).failed, [""; 0]);
        assert_eq!(scene.seen(&ann).0, "pro");
    }
}

/// Stripe fails longer than an adapter is patient: the claim is given back as it was, and the
/// messages come again in two seconds.
#[test]
fn a_stop_gives_the_claim_back_and_its_messages_come_soon() {
    let faults = Refuses::new(Class::Unavailable, |call| call.service == Service::Stripe);
    let scene = Scene::under(faults.clone());
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    let events = scene.events();
    faults.switch(true);
    let report = scene.handle(&events);
    assert_eq!(report.failed.len(), events.len());
    let soon = SignedDuration::from_secs(2);
    assert!(report.again.len() == events.len() && report.again.values().all(|it| *it == soon));
    let left = scene.account(&ann);
    assert!(left.lease_until.is_none() && !left.open, "nothing was begun: {left:?}");
    assert!(left.review_at.is_some(), "should the messages be lost, the sweep looks");
    faults.switch(false);
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(scene.seen(&ann).0, "pro");
}

/// A newer catalog has decided the account: its claim is given back, and the messages wait for the
/// deployment.
#[test]
fn an_outdated_worker_keeps_nobody_out() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    scene.worker.catalog.revision -= 1;
    let report = scene.handle(&scene.events());
    assert!(!report.failed.is_empty() && report.again.is_empty());
    assert!(scene.account(&ann).lease_until.is_none());
}

/// As Lambda and SQS do it: the first failure costs seconds, the second a visibility timeout.
#[test]
fn the_first_failure_costs_seconds_and_the_second_what_the_queue_says() {
    let stage = Stage::default();
    let ann = stage.free();
    stage.buy(&ann, "pro");
    stage.collect();
    stage.world.gate.take_calls();
    let fails = |class| {
        stage.arm(1, Fault::Fails(class));
        assert!(stage.deliver(EVENTS_QUEUE, &mut || ()));
        let again = stage.world.sqs.next_visible_at(EVENTS_QUEUE).expect("they come again");
        let wait = again.duration_since(stage.world.clock.time());
        stage.world.stripe.advance_to(again);
        wait
    };
    assert_eq!(fails(Class::Unavailable), SignedDuration::from_secs(2));
    assert_eq!(fails(Class::Unavailable), VISIBILITY);
    stage.come_to_rest();
    let account = block_on(stage.world.ledger.account(&ann)).expect("it is up");
    assert_eq!(account.expect("it is there").access.plan.expect("it has one").as_str(), "pro");
}
