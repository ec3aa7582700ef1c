//! A worker that sleeps through its lease begins nothing when it wakes.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::gate::{Call, Calm};
use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::batch::Message;
use tollgate_events::cognito;

use crate::call_step::CallStep;
use crate::workers::worker_on;
use crate::world::dawn;

/// A sign-up whose worker sleeps through its lease after the call that `falls_asleep` tells;
/// what it calls when it wakes.
fn after_sleeping(falls_asleep: impl Fn(&Call) -> bool) -> Vec<Call> {
    let world = World::new(dawn(), 1, "https://stripe.invalid", Arc::new(Calm));
    let worker = worker_on(&world);
    world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    let now = world.clock.time();
    let cognito::Reading::Wake(wake) =
        cognito::read(&world.cognito.take_triggers()[0], now).unwrap().reading
    else {
        panic!("a sign-up wakes");
    };
    let batch = [Message { id: "1".into(), group: "g".into(), body: wake.encode(), again: false }];
    let queue = world.queue();
    let mut task = pin!(worker.handle(&queue, &batch, now + SignedDuration::from_secs(25)));
    let mut context = Context::from_waker(Waker::noop());
    let mut calls = Vec::new();
    while !calls.last().is_some_and(&falls_asleep) {
        assert!(task.as_mut().poll(&mut context).is_pending(), "it never gets there");
        calls.extend(world.gate.take_calls());
    }
    world.clock.advance(SignedDuration::from_secs(30));
    while task.as_mut().poll(&mut context).is_pending() {}
    world.gate.take_calls()
}

#[test]
fn no_step_is_begun_after_the_lease() {
    let sleeps = [CallStep::Facts, CallStep::Intent, CallStep::MintKey, CallStep::AttachPlan];
    for step in sleeps {
        let woken = after_sleeping(|call| CallStep::of(call) == step);
        let changes = woken.iter().filter(|call| CallStep::of(call).changes_the_world());
        assert_eq!(changes.collect::<Vec<_>>(), [] as [&Call; 0], "asleep after {step:?}");
    }
}
