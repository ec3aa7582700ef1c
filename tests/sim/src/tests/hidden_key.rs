//! A key that API Gateway does not show yet is not forgotten.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use jiff::SignedDuration;
use tollgate_billing::account::Status;
use tollgate_billing::batch::{BatchReport, Message};
use tollgate_billing::converge::Worker;
use tollgate_billing::policy::UNFINISHED_REVIEW_AFTER;
use tollgate_events::{Envelope, cloudtrail, cognito};
use tollgate_standin::gate::Fair;
use tollgate_standin::world::World;

use crate::executor::block_on;
use crate::run::{dawn, worker_on};

const LEASE: SignedDuration = SignedDuration::from_secs(25);

fn batch(envelope: &Envelope) -> [Message; 1] {
    [Message { id: "1".into(), group: "g".into(), body: envelope.encode() }]
}

/// A worker takes a sign-up and dies with the answer to `CreateApiKey` on the way.
fn dies_after_minting(world: &World, worker: &Worker<World>) {
    let event = &world.cognito.take_triggers()[0];
    let cognito::Reading::Wake(wake) = cognito::read(event, world.clock.time()).unwrap().reading
    else {
        panic!("a sign-up wakes");
    };
    let messages = batch(&wake);
    let queue = world.queue();
    let mut task = pin!(worker.handle(&queue, &messages, world.clock.time() + LEASE));
    let mut context = Context::from_waker(Waker::noop());
    while world.api_gateway.scene(|model, _| model.keys().count()) == 0 {
        assert!(task.as_mut().poll(&mut context).is_pending(), "it mints before it ends");
    }
}

fn delivers(world: &World, worker: &Worker<World>, event: &Envelope) -> BatchReport {
    block_on(worker.handle(&world.queue(), &batch(event), world.clock.time() + LEASE))
}

#[test]
fn a_user_deleted_while_the_new_key_is_hidden_leaves_none_behind() {
    let world = World::new(dawn(), 1, "https://stripe.invalid", Arc::new(Fair));
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
    let world = World::new(dawn(), 1, "https://stripe.invalid", Arc::new(Fair));
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
