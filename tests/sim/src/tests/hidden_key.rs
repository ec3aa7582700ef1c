//! A key that API Gateway does not show yet, or may yet make, is not forgotten.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use crate::gate::{Call, Calm, Effect, Faults, failure};
use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::batch::{BatchReport, Message};
use tollgate_core::converge::Worker;
use tollgate_core::ports::{Class, PortError};
use tollgate_core::timing::UNFINISHED_REVIEW_AFTER;
use tollgate_events::{Envelope, cloudtrail, cognito};

use super::scene::Scene;
use crate::executor::block_on;
use crate::workers::worker_on;
use crate::world::dawn;

const LEASE: SignedDuration = SignedDuration::from_secs(25);

fn batch(envelope: &Envelope) -> [Message; 1] {
    [Message { id: "1".into(), group: "g".into(), body: envelope.encode(), again: false }]
}

/// A worker takes a sign-up and dies with the answer to `CreateApiKey` on the way.
fn dies_after_minting(world: &World, worker: &Worker<World>) {
    dies_when(world, worker, |world| world.api_gateway.scene(|model, _| model.keys().count()) > 0);
}

/// A worker takes a sign-up and dies as soon as this is so.
fn dies_when(world: &World, worker: &Worker<World>, it_is_so: impl Fn(&World) -> bool) {
    let event = &world.cognito.take_triggers()[0];
    let cognito::Reading::Wake(wake) = cognito::read(event, world.clock.time()).unwrap().reading
    else {
        panic!("a sign-up wakes");
    };
    let messages = batch(&wake);
    let queue = world.queue();
    let mut task = pin!(worker.handle(&queue, &messages, world.clock.time() + LEASE));
    let mut context = Context::from_waker(Waker::noop());
    while !it_is_so(world) {
        assert!(task.as_mut().poll(&mut context).is_pending(), "it gets there before it ends");
    }
}

fn delivers(world: &World, worker: &Worker<World>, event: &Envelope) -> BatchReport {
    block_on(worker.handle(&world.queue(), &batch(event), world.clock.time() + LEASE))
}

#[test]
fn a_user_deleted_while_the_new_key_is_hidden_leaves_none_behind() {
    let world = World::new(dawn(), 1, "https://stripe.invalid", Arc::new(Calm));
    let worker = worker_on(&world);
    world.api_gateway.set_read_lag(SignedDuration::from_secs(58));
    world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    dies_after_minting(&world, &worker);
    world.cognito.delete_user("ann").unwrap();
    let record = &world.cognito.take_cloudtrail()[0];
    let cloudtrail::Reading::Wake(deleted) =
        cloudtrail::read(record, world.clock.time()).unwrap().reading
    else {
        panic!("a deletion wakes");
    };

    world.clock.advance(LEASE);
    let early = delivers(&world, &worker, &deleted);
    assert_eq!(early.failed.len(), 1, "while it cannot be told, the event comes again");
    world.clock.advance(SignedDuration::from_mins(3));
    assert_eq!(delivers(&world, &worker, &deleted).failed, [""; 0]);

    assert_eq!(world.api_gateway.scene(|model, _| model.keys().count()), 0);
    let accounts = world.ledger.accounts();
    assert_eq!((accounts[0].access.status, &accounts[0].intent), (Status::Closed, &None));
}

/// It shows while it is made again: API Gateway refuses, a look finds it, and it is adopted.
#[test]
fn a_key_that_shows_up_when_it_is_made_again_is_adopted() {
    let world = World::new(dawn(), 1, "https://stripe.invalid", Arc::new(Calm));
    let worker = worker_on(&world);
    let deadline = world.clock.time() + LEASE;
    world.api_gateway.set_read_lag(LEASE + SignedDuration::from_secs(1));
    let ann = world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    dies_after_minting(&world, &worker);
    let review_at = world.ledger.accounts()[0].review_at;
    assert_eq!(review_at, Some(deadline + UNFINISHED_REVIEW_AFTER), "should no message come");
    world.cognito.sign_in("ann").unwrap();
    let cognito::Reading::Wake(wake) =
        cognito::read(&world.cognito.take_triggers()[0], world.clock.time()).unwrap().reading
    else {
        panic!("a sign-in wakes");
    };

    world.clock.advance(LEASE);
    world.gate.take_calls();
    assert_eq!(delivers(&world, &worker, &wake).failed, [""; 0]);
    let calls = world.gate.take_calls();
    let made = calls.iter().filter(|call| call.operation == "CreateApiKey").count();
    assert!(made > 0, "it was refused at least once: {calls:?}");
    let shown: Vec<_> =
        world.api_gateway.scene(|model, _| model.keys().map(|key| key.id.clone()).collect());
    let account = world.ledger.accounts().remove(0);
    assert_eq!((account.id.clone(), account.access.status), (ann, Status::Active));
    assert_eq!(shown, [account.key().expect("it was adopted").id.to_string()]);
}

/// What API Gateway hides is looked for again as long as it may hide it.
#[test]
fn a_user_disabled_while_the_new_key_is_hidden_has_none_that_works() {
    let scene = Scene::new();
    scene.world.api_gateway.set_read_lag(SignedDuration::from_secs(58));
    let ann = scene.world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    dies_after_minting(&scene.world, &scene.worker);
    scene.world.cognito.disable_user("ann").unwrap();
    scene.world.clock.advance(LEASE);
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), ("free".into(), Status::Disabled, "disabled".into()));
    assert!(scene.account(&ann).key().is_none(), "it is hidden");
    assert_eq!(enabled(&scene.world), [true], "and it works");
    assert_eq!(scene.later(SignedDuration::from_mins(1)), 1);
    assert_eq!(enabled(&scene.world), [false]);
    assert!(scene.account(&ann).key().is_some(), "it was found");
}

/// Of each key that there is, shown or not: whether it works.
fn enabled(world: &World) -> Vec<bool> {
    world.api_gateway.scene(|model, _| model.keys().map(|key| key.enabled).collect())
}

/// The next call that makes a key is not answered, and takes effect when it is let.
#[derive(Default)]
struct MakesLate {
    next: AtomicBool,
    effect: Mutex<Option<Effect>>,
}

impl MakesLate {
    fn land(&self) {
        let effect = self.effect.lock().unwrap().take();
        effect.expect("a key was to be made")();
    }
}

impl Faults for MakesLate {
    fn late(&self, call: &Call) -> Option<PortError> {
        let strikes = call.operation == "CreateApiKey" && self.next.swap(false, Ordering::Relaxed);
        strikes.then(|| failure(call.service, call.operation, Class::Unavailable, "no answer"))
    }

    fn keep(&self, _call: &Call, effect: Effect) {
        *self.effect.lock().unwrap() = Some(effect);
    }
}

/// An intent is left without a key, and its user is deleted. To be sure, the key is made again: the
/// first call is not answered, the second makes it. Were it deleted then, the first would make it
/// once more, and nobody would look.
#[test]
fn a_key_is_not_deleted_while_it_may_be_made_once_more() {
    let faults = Arc::new(MakesLate::default());
    let scene = Scene::under(faults.clone());
    let ann = scene.world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    dies_when(&scene.world, &scene.worker, |world| {
        world.ledger.accounts().iter().any(|account| account.intent.is_some())
    });
    scene.world.cognito.delete_user("ann").unwrap();
    let deleted = scene.told_of_the_pool();
    scene.world.clock.advance(LEASE);
    faults.next.store(true, Ordering::Relaxed);
    let handled = scene.handle(&deleted);
    faults.land();
    assert_eq!(handled.failed.len(), 1, "it comes again when nothing can land any more");
    assert_eq!(enabled(&scene.world).len(), 1);
    scene.world.clock.advance(LEASE * 2);
    assert_eq!(scene.handle(&deleted).failed, [""; 0]);
    assert_eq!(enabled(&scene.world), [true; 0]);
    let account = scene.account(&ann);
    assert_eq!((account.access.status, account.intent), (Status::Closed, None));
}
