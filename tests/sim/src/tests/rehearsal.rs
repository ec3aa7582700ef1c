//! What a dry run of a replay tells is what the replay does: of each account by itself, with the
//! worker's own assignment and within its limits.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Status;
use tollgate_core::converge::Preview;
use tollgate_core::ledger::{EventRecord, Outcome};
use tollgate_core::ports::{Class, Ledger, Service};
use tollgate_events::{Envelope, EventId, Via};
use tollgate_operator::{
    EventSource, PutOff, Rehearsal, RehearsalStep, Rehearsed, Selection, What,
};
use tollgate_standin::stripe::When;

use super::blast::{demoting, fourteen, handle_all, look_at_all, on_pro};
use super::scene::{Refuses, Scene};
use crate::executor::block_on;

/// Of the ledger's records, or of Stripe's list, as far as they are of these kinds.
fn rehearse(
    scene: &Scene,
    from_stripe: bool,
    kind: &str,
) -> (Rehearsed, Vec<Preview>, Vec<PutOff>) {
    let (ledger, stripe) = (&scene.world.ledger, &scene.world.stripe);
    let now = scene.world.clock.time();
    let from = if from_stripe { now - SignedDuration::from_hours(48) } else { Timestamp::MIN };
    let kinds = vec![kind.to_owned()];
    let selection = Selection { kinds, ..Selection::between(from, now) };
    let mut source = match from_stripe {
        true => EventSource::listed(ledger, stripe, selection, false, now).unwrap(),
        false => EventSource::recorded(ledger, selection, now),
    };
    let (mut previews, mut held) = (Vec::new(), Vec::new());
    let told = |step: RehearsalStep<'_>| {
        match step {
            RehearsalStep::Previewed(_, preview) => previews.push(preview.clone()),
            RehearsalStep::PutOff(_, one) => held.push(one.clone()),
            RehearsalStep::Assigned(_) => {}
        }
        ControlFlow::Continue(())
    };
    let rehearsal = Rehearsal { worker: &scene.worker, per_second: 10 };
    (block_on(rehearsal.run(&mut source, told)).unwrap(), previews, held)
}

/// They are on record, and wait.
fn wait(scene: &Scene, events: &[Envelope]) {
    let now = scene.world.clock.time();
    let waiting = |event: &Envelope| EventRecord::of(event.clone(), Outcome::Waiting, now);
    let records: Vec<_> = events.iter().map(waiting).collect();
    block_on(scene.world.ledger.record(&records)).unwrap();
}

fn replayed(scene: &Scene, events: &[Envelope]) {
    for event in events {
        let run = Some("r1".to_owned());
        let event = Envelope { via: Via::Replay, run, ..event.clone() };
        assert_eq!(scene.handle(&[event]).failed, [""; 0]);
    }
}

/// Stripe does not answer for one customer: that account would wait, or be parked where it would
/// never succeed, and the others are told of.
#[test]
fn who_cannot_be_previewed_is_told_and_costs_no_other() {
    for (class, counts) in [(Class::Denied, (1, 0)), (Class::Invalid, (0, 1))] {
        let theirs = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let of_them = theirs.clone();
        let refuses = Refuses::new(class, move |call| {
            let theirs = of_them.lock().unwrap();
            call.service == Service::Stripe
                && !theirs.is_empty()
                && call.subject.contains(theirs.as_str())
        });
        let scene = Scene::under(refuses.clone());
        let ids = ["ann", "bob", "eve"].map(|name| scene.sign_up(name));
        let events: Vec<_> = ids
            .iter()
            .map(|id| {
                scene.buy(id, "pro_monthly");
                scene.events().swap_remove(0)
            })
            .collect();
        wait(&scene, &events);
        let customer = events[1].subject.customer.clone().unwrap();
        customer.as_str().clone_into(&mut theirs.lock().unwrap());
        refuses.switch(true);
        let (rehearsed, previews, held) = rehearse(&scene, false, "customer.subscription.*");
        assert_eq!((rehearsed.previewed, rehearsed.moved, previews.len()), (3, 2, 2), "{class:?}");
        assert_eq!((rehearsed.put_off, rehearsed.held_back), counts, "{class:?}");
        let [held] = &held[..] else { panic!("{class:?}: {held:?}") };
        assert_eq!(held.what, What::Account(ids[1].clone()));
        assert!(held.why.contains("refused"), "{held:?}");
    }
}

/// Whose an event is cannot be asked for.
#[test]
fn an_event_of_whom_nobody_can_tell_costs_no_other() {
    let refuses = Refuses::new(Class::Denied, |call| call.operation == "GET /v1/charges/{id}");
    let scene = Scene::under(refuses.clone());
    let (ann, bob) = (scene.sign_up("ann"), scene.sign_up("bob"));
    scene.buy(&ann, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let customer = scene.account(&ann).access.customers.first().unwrap().clone();
    scene.world.stripe.account().open_dispute(customer.as_str()).unwrap();
    let dispute = scene.events().swap_remove(0);
    scene.buy(&bob, "pro_monthly");
    wait(&scene, &[dispute.clone(), scene.events().swap_remove(0)]);
    refuses.switch(true);
    let (rehearsed, _, held) = rehearse(&scene, false, "c*");
    assert_eq!((rehearsed.moved, rehearsed.untold), (1, 1), "{rehearsed:?}");
    assert_eq!(held[0].what, What::Event(dispute.event_ref()));
}

/// A dispute waits for its customer's link, which an event of another type brings.
#[test]
fn a_dispute_that_waits_for_the_link_is_foretold() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    let bought = scene.events();
    let customer = bought[0].subject.customer.clone().unwrap();
    scene.world.stripe.account().open_dispute(customer.as_str()).unwrap();
    let mut dispute = scene.events().swap_remove(0);
    assert_eq!(dispute.kind, "charge.dispute.created");
    dispute.subject.customer = Some(customer);
    wait(&scene, &[dispute]);
    scene.world.clock.advance(SignedDuration::from_secs(60));
    let (_, previews, _) = rehearse(&scene, true, "customer.subscription.*");
    let foretold = previews[0].after.clone();
    replayed(&scene, &bought[..1]);
    let access = scene.account(&ann).access;
    assert_eq!((access.plan, access.status), foretold);
    assert_eq!(foretold.1, Status::Held);
}

/// Two events name two accounts for one customer, each with our proof: the first has them.
#[test]
fn a_customer_who_is_claimed_by_two_moves_one() {
    for bob_first in [false, true] {
        let scene = Scene::new();
        let ids = ["ann", "bob"].map(|name| scene.sign_up(name));
        let mut events = ids.clone().map(|id| {
            scene.buy(&id, "pro_monthly");
            scene.events().swap_remove(0)
        });
        if bob_first {
            events.reverse();
        }
        events[1].id = EventId::parse("evt_claims").unwrap();
        events[1].subject.customer = events[0].subject.customer.clone();
        for event in &events {
            scene.world.clock.advance(SignedDuration::from_secs(1));
            wait(&scene, std::slice::from_ref(event));
        }
        let (rehearsed, previews, _) = rehearse(&scene, false, "customer.subscription.*");
        assert_eq!((rehearsed.accounts, rehearsed.moved), (1, 1), "{previews:?}");
        replayed(&scene, &events);
        let moved: Vec<_> = ids.iter().filter(|id| scene.seen(id).0 == "pro").collect();
        assert_eq!(moved, [&previews[0].account]);
    }
}

/// Nothing explains what a wrong catalog takes: the limit holds in the dry run as in the replay, and
/// once it has stopped.
#[test]
fn what_the_limit_would_hold_back_is_foretold() {
    let mut scene = Scene::new();
    let (ids, _) = fourteen(&scene);
    let events: Vec<_> = scene.world.ledger.events().into_iter().collect();
    let events = events.iter().filter_map(|event| event.record.envelope().cloned());
    let events: Vec<_> =
        events.filter(|event| event.kind.ends_with("subscription.created")).collect();
    scene.worker.catalog = demoting(&scene.world);
    for left in [14, 4] {
        let (rehearsed, _, held) = rehearse(&scene, false, "customer.subscription.*");
        let held_back = rehearsed.over_the_limit;
        assert_eq!((rehearsed.moved, held_back), (left - 4, 4), "{rehearsed:?}");
        assert_eq!((held.len(), held.iter().all(|held| held.parked)), (4, true));
        let again = events.iter().map(|it| Envelope { via: Via::Replay, ..it.clone() });
        assert_eq!(look_at_all(&scene, &again.collect::<Vec<_>>()), held_back);
        assert_eq!(on_pro(&scene, &ids), 4);
    }
}

/// Fourteen have cancelled while the endpoint was down for four days: Stripe says so itself, and
/// each is foretold.
#[test]
fn what_is_explained_is_foretold_beyond_the_limit() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    for id in &bought {
        scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
    }
    scene.world.clock.advance(SignedDuration::from_hours(24));
    let (rehearsed, ..) = rehearse(&scene, true, "customer.subscription.*");
    assert_eq!((rehearsed.moved, rehearsed.held_back, rehearsed.put_off), (14, 0, 0));
    handle_all(&scene);
    assert_eq!(on_pro(&scene, &ids), 0);
}
