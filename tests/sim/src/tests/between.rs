//! A key between two plans: nothing comes before it, and nothing that passes stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gate::{Call, Faults, failure};
use jiff::SignedDuration;
use tollgate_core::account::{KeyId, Status};
use tollgate_core::converge::{BETWEEN_PLANS, DUE, OLD_KEY_BETWEEN_PLANS};
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::{Class, PortResult, Service};
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, Envelope};
use tollgate_operator::Act;
use tollgate_standin::api_gateway::Key;

use super::scene::{Refuses, Scene};

const ATTACH: &str = "CreateUsagePlanKey";

/// Refuses so many calls of an operation, once it is switched on.
fn refuses(class: Class, operation: &'static str, times: usize) -> Arc<Refuses> {
    let count = AtomicUsize::new(0);
    Refuses::new(class, move |call| {
        call.operation == operation && count.fetch_add(1, Ordering::Relaxed) < times
    })
}

/// Somebody on basic, and their subscription.
fn on_basic(scene: &Scene) -> (AccountId, String) {
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "basic_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    // Nothing is due, nothing is fresh.
    scene.later(SignedDuration::from_hours(1));
    (ann, bought)
}

fn change_to_pro(scene: &Scene, bought: &str) {
    let mut stripe = scene.world.stripe.account();
    let pro = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
    stripe.change_price(bought, &pro).expect("it is live");
}

/// Somebody on basic who changes to pro, and nobody has looked yet.
fn upgrading(scene: &Scene) -> AccountId {
    let (ann, bought) = on_basic(scene);
    change_to_pro(scene, &bought);
    ann
}

fn on_pro() -> (String, Status, String) {
    ("pro".into(), Status::Active, "pro".into())
}

fn of_the_control_plane(scene: &Scene) -> Vec<&'static str> {
    let calls = scene.world.gate.take_calls().into_iter();
    calls.filter(|it: &Call| it.service == Service::ApiGateway).map(|it| it.operation).collect()
}

/// Whatever refuses the key its new plan for a while, the invocation that took it off the old one
/// goes on until it has it.
#[test]
fn what_passes_is_waited_for_where_the_key_is() {
    let throttled = Class::Throttled { after: Some(SignedDuration::from_secs(90)) };
    for (class, looks) in [
        (throttled, 0),
        (Class::Conflict, 7),
        (Class::Unavailable, 7),
        (Class::NotFound, 7),
        (Class::LimitExceeded, 7),
    ] {
        let faults = refuses(class, ATTACH, 7);
        let scene = Scene::under(faults.clone());
        let ann = upgrading(&scene);
        faults.switch(true);
        scene.world.gate.take_calls();
        let began = scene.world.clock.time();
        assert_eq!(scene.handle(&scene.events()).failed, [""; 0], "{class:?}");
        assert_eq!(scene.seen(&ann), on_pro(), "{class:?}");
        let took = scene.world.clock.time().duration_since(began);
        assert!(took <= SignedDuration::from_secs(7), "{class:?}: {took:#}");
        let calls = of_the_control_plane(&scene);
        let count = |operation| calls.iter().filter(|it| **it == operation).count();
        assert_eq!((count("DeleteUsagePlanKey"), count(ATTACH)), (1, 8), "{class:?}");
        assert_eq!(count("GetUsagePlans"), looks, "{class:?}");
    }
}

/// What does not pass by itself is not tried again.
#[test]
fn what_does_not_pass_is_told_at_once() {
    for (class, outcome) in [(Class::Denied, Outcome::Deferred), (Class::Invalid, Outcome::Parked)]
    {
        let faults = refuses(class, ATTACH, usize::MAX);
        let scene = Scene::under(faults.clone());
        upgrading(&scene);
        faults.switch(true);
        scene.world.gate.take_calls();
        let report = scene.handle(&scene.events());
        assert_eq!(report.outcomes.keys().collect::<Vec<_>>(), [&outcome], "{class:?}");
        assert_eq!(of_the_control_plane(&scene), ["DeleteUsagePlanKey", ATTACH], "{class:?}");
    }
}

/// At the lease's end the account is written as it is, and woken before everything else; who
/// resumes it tries what is missing, and looks at nothing.
#[test]
fn what_the_lease_is_too_short_for_goes_on_at_once() {
    let faults = refuses(Class::Throttled { after: None }, ATTACH, usize::MAX);
    let scene = Scene::under(faults.clone());
    let ann = upgrading(&scene);
    faults.switch(true);
    let events = scene.events();
    let began = scene.world.clock.time();
    let report = scene.handle(&events);
    assert_eq!(report.failed, [""; 0]);
    assert_eq!(report.outcomes.get(&Outcome::Deferred), Some(&events.len()));
    let took = scene.world.clock.time().duration_since(began);
    assert!(took > SignedDuration::from_secs(25), "it tries to the end: {took:#}");
    let left = scene.account(&ann);
    assert!(left.open && left.lease_until.is_none() && left.access.usage_plan.is_none());
    assert_eq!(left.deferred.len(), events.len());

    let wakes = scene.wakes();
    assert_eq!(wakes.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), [BETWEEN_PLANS]);
    faults.switch(false);
    scene.world.gate.take_calls();
    assert_eq!(scene.handle(&wakes).failed, [""; 0]);
    assert_eq!(of_the_control_plane(&scene), [ATTACH]);
    assert_eq!(scene.seen(&ann), on_pro());
    assert!(!scene.account(&ann).open);
    assert_eq!(scene.wakes(), []);
}

/// Whoever sleeps through the lease between two plans is woken at once, too; elsewhere the messages
/// come again.
#[test]
fn a_lease_that_is_slept_through_between_two_plans_ends_between_them() {
    for (asleep_after, is_between) in
        [("DeleteUsagePlanKey", true), ("GET /v1/subscriptions", false)]
    {
        let scene = Scene::new();
        let ann = upgrading(&scene);
        let events = scene.events();
        let sleeps = || scene.world.clock.advance(SignedDuration::from_secs(30));
        let report = scene.handle_after(asleep_after, &events, sleeps);
        assert_eq!(report.failed.is_empty(), is_between, "{asleep_after}");
        let wakes = scene.wakes();
        assert_eq!(wakes.len(), usize::from(is_between), "{asleep_after}");
        let next = if is_between { wakes } else { events };
        assert_eq!(scene.handle(&next).failed, [""; 0]);
        assert_eq!(scene.seen(&ann), on_pro(), "{asleep_after}");
    }
}

/// In a batch, too, whoever was left between two plans comes first, whatever their name.
#[test]
fn whoever_is_between_two_plans_comes_first() {
    for place in [0, 1] {
        let scene = Scene::new();
        let ids = ["ann", "ben"].map(|name| scene.sign_up(name));
        let now = scene.world.clock.time();
        let between = wake(BETWEEN_PLANS, ids[place].clone(), None, now);
        let due = wake(DUE, ids[1 - place].clone(), None, now);
        scene.world.gate.take_calls();
        assert_eq!(scene.handle(&[due, between]).failed, [""; 0]);
        let mut calls = scene.world.gate.take_calls().into_iter();
        let first = calls.find(|call| call.operation == "UpdateItem").expect("a claim");
        assert!(first.subject.contains(ids[place].as_str()), "{first:?}");
    }
}

/// The wake itself cannot be sent: the messages come again.
#[test]
fn a_wake_that_the_queue_refuses_leaves_the_messages() {
    let faults = refuses(Class::Throttled { after: None }, ATTACH, usize::MAX);
    let scene = Scene::under(faults.clone());
    let ann = upgrading(&scene);
    faults.switch(true);
    let events = scene.events();
    scene.world.sqs.set_down(true);
    assert_eq!(scene.handle(&events).failed.len(), events.len());
    scene.world.sqs.set_down(false);
    faults.switch(false);
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), on_pro());
}

/// Refuses every call on one key, once it is switched on.
fn refuses_the_key(class: Class, operation: &'static str, key: &KeyId) -> Arc<Refuses> {
    let key = key.to_string();
    Refuses::new(class, move |call| call.operation == operation && call.subject.ends_with(&key))
}

/// The old key of somebody who upgrades while it still works is switched like their own, after it.
#[test]
fn a_replaced_key_between_two_plans_is_not_left_either() {
    // Ids are given in order: the first key is the same in every world.
    let first = {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        scene.account(&ann).key().expect("it has one").id.clone()
    };
    let faults = refuses_the_key(Class::Throttled { after: None }, ATTACH, &first);
    let scene = Scene::under(faults.clone());
    let (ann, bought) = on_basic(&scene);
    scene.operate(&ann, Act::RotateKey { overlap: SignedDuration::from_hours(24) });
    assert_eq!(scene.account(&ann).access.retiring[0].id, first);
    change_to_pro(&scene, &bought);
    faults.switch(true);
    let events = scene.events();
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    let left = scene.account(&ann);
    assert!(left.open && left.access.retiring[0].usage_plan.is_none(), "{left:?}");
    assert!(left.access.usage_plan.is_some(), "its successor works");

    let wakes = scene.wakes();
    assert_eq!(
        wakes.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(),
        [OLD_KEY_BETWEEN_PLANS]
    );
    faults.switch(false);
    scene.world.gate.take_calls();
    assert_eq!(scene.handle(&wakes).failed, [""; 0]);
    assert_eq!(of_the_control_plane(&scene), [ATTACH]);
    let account = scene.account(&ann);
    assert!(!account.open && account.access.retiring[0].usage_plan == account.access.usage_plan);
}

/// A worker took the key off its plan and died before it wrote that down.
fn left_in_between(scene: &Scene, faults: &Refuses) -> (AccountId, Vec<Envelope>) {
    let ann = upgrading(scene);
    faults.switch(true);
    let events = scene.events();
    assert_eq!(scene.handle(&events).failed.len(), events.len());
    faults.switch(false);
    let left = scene.account(&ann);
    assert!(left.open && left.access.usage_plan.is_some(), "the ledger does not know of it");
    // Its lease is over.
    scene.later(SignedDuration::from_secs(30));
    (ann, events)
}

/// Refuses the commit, and each try to put the key on a plan, as long as it is switched on; and so
/// many calls of an operation afterwards.
fn dies_in_between(
    class: Class,
    operation: &'static str,
    times: usize,
) -> (Arc<Refuses>, Arc<Refuses>) {
    let kill = Refuses::new(Class::Unavailable, |call| {
        call.operation == ATTACH || call.subject.ends_with(" commit")
    });
    (kill, refuses(class, operation, times))
}

/// Whoever takes over from one who died looks first: what is refused for its rate is tried until
/// it is known, and nobody waits for the sweep.
#[test]
fn who_takes_over_looks_until_it_is_known() {
    let throttled = Class::Throttled { after: Some(SignedDuration::from_secs(90)) };
    for operation in ["GetApiKey", "GetUsagePlans", "GET /v1/subscriptions", "AdminGetUser"] {
        let (kill, faults) = dies_in_between(throttled, operation, 7);
        let scene = Scene::under(Arc::new(Both(kill.clone(), faults.clone())));
        let (ann, events) = left_in_between(&scene, &kill);
        faults.switch(true);
        let began = scene.world.clock.time();
        assert_eq!(scene.handle(&events).failed, [""; 0], "{operation}");
        assert_eq!(scene.seen(&ann), on_pro(), "{operation}");
        let took = scene.world.clock.time().duration_since(began);
        assert!(took <= SignedDuration::from_secs(8), "{operation}: {took:#}");
        assert!(!scene.account(&ann).open);
    }
}

/// At the lease's end it is woken at once, as one of which it is known.
#[test]
fn who_is_not_known_by_the_leases_end_is_woken_at_once() {
    let throttled = Class::Throttled { after: None };
    let (kill, faults) = dies_in_between(throttled, "GetApiKey", usize::MAX);
    let scene = Scene::under(Arc::new(Both(kill.clone(), faults.clone())));
    let (ann, events) = left_in_between(&scene, &kill);
    faults.switch(true);
    let report = scene.handle(&events);
    assert_eq!(report.outcomes.get(&Outcome::Deferred), Some(&events.len()));
    faults.switch(false);
    let wakes = scene.wakes();
    assert_eq!(wakes.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), [BETWEEN_PLANS]);
    assert_eq!(scene.handle(&wakes).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), on_pro());
}

/// Its user was disabled together with the switch, and enabled while the key was on no plan: nobody
/// had written down that the key is refused, and whoever goes on does not take the ledger's word.
#[test]
fn a_key_that_was_refused_in_between_is_accepted_again() {
    let throttled = Class::Throttled { after: None };
    let faults = refuses(throttled, ATTACH, usize::MAX);
    let scene = Scene::under(faults.clone());
    let ann = upgrading(&scene);
    let disabled = |scene: &Scene| {
        let key = scene.account(&ann).key().expect("it has one").id.clone();
        let refused = |it: &Key| it.id == key.as_str() && !it.enabled;
        scene.world.api_gateway.scene(|model, _| model.keys().any(refused))
    };
    scene.world.cognito.disable_user("ann").expect("there is one");
    faults.switch(true);
    let events = [scene.told_of_the_pool(), scene.events()].concat();
    let report = scene.handle(&events);
    assert_eq!(report.outcomes.get(&Outcome::Deferred), Some(&events.len()));
    assert!(disabled(&scene) && scene.account(&ann).access.status == Status::Active);
    faults.switch(false);
    scene.world.cognito.enable_user("ann").expect("there is one");
    scene.wakes();
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), on_pro());
    assert!(!disabled(&scene));
}

/// A successor was made and put on its plan, and the worker could not tell its user: what the switch
/// leaves in between is known all the same, and tried until it is done.
#[test]
fn a_successor_that_was_placed_is_not_left_either() {
    let throttled = Class::Throttled { after: Some(SignedDuration::from_secs(90)) };
    let untold = Refuses::new(throttled, |call| call.operation == "AdminUpdateUserAttributes");
    let faults = refuses(throttled, ATTACH, 7);
    let scene = Scene::under(Arc::new(Both(untold.clone(), faults.clone())));
    let (ann, bought) = on_basic(&scene);
    untold.switch(true);
    scene.operate(&ann, Act::RotateKey { overlap: SignedDuration::ZERO });
    let placed = scene.account(&ann);
    assert!(placed.key().is_some_and(|key| key.generation == 2) && placed.intent.is_none());
    assert!(placed.open && placed.access.usage_plan.is_some());
    untold.switch(false);
    change_to_pro(&scene, &bought);
    faults.switch(true);
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), on_pro());
}

/// Two kinds of faults at once.
struct Both(Arc<Refuses>, Arc<Refuses>);

impl Faults for Both {
    fn before(&self, call: &Call) -> PortResult<()> {
        self.0.before(call)?;
        self.1.before(call)
    }
}

/// Takes the key off its plan and does not say so, once; and refuses what `Refuses` does.
struct Unanswered(Arc<Refuses>, AtomicUsize);

impl Faults for Unanswered {
    fn before(&self, call: &Call) -> PortResult<()> {
        self.0.before(call)
    }

    fn after(&self, call: &Call) -> PortResult<()> {
        let is_first =
            call.operation == "DeleteUsagePlanKey" && self.1.fetch_add(1, Ordering::Relaxed) == 0;
        match is_first {
            true => Err(failure(call.service, call.operation, Class::Unavailable, "lost")),
            false => Ok(()),
        }
    }
}

/// Whether the key is on its plan still is not known: a look that is refused for its rate is tried
/// until it is.
#[test]
fn an_answer_that_was_lost_is_looked_for_until_it_is_known() {
    let throttled = Class::Throttled { after: Some(SignedDuration::from_secs(90)) };
    let faults = refuses(throttled, "GetApiKey", 7);
    let scene = Scene::under(Arc::new(Unanswered(faults.clone(), AtomicUsize::new(0))));
    let ann = upgrading(&scene);
    faults.switch(true);
    let began = scene.world.clock.time();
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), on_pro());
    let took = scene.world.clock.time().duration_since(began);
    assert!(took <= SignedDuration::from_secs(8), "{took:#}");
}
