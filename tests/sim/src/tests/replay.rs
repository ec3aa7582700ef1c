//! Events from the ledger's records, on the queue once more.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use tollgate_billing::ledger::Outcome;
use tollgate_billing::ops::{Progress, Replay, Selection};
use tollgate_events::{AccountId, Envelope, Source, Via};
use tollgate_standin::world::{BULK_QUEUE, World};

use crate::executor::block_on;
use crate::scene::Scene;

/// Replays into the queue; `stop_after` calls, if that is given.
fn replay(scene: &Scene, run: &str, selection: &Selection, stop_after: Option<usize>) -> Progress {
    let (ports, queue) = (&scene.world, scene.world.queue());
    let replay = Replay { ports, queue: &queue, per_second: 10, run: run.to_owned() };
    let mut calls = 0;
    let told = |_: &Progress| {
        calls += 1;
        if stop_after.is_some_and(|most| calls >= most) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    block_on(replay.run(selection, told)).unwrap()
}

fn everything(scene: &Scene) -> Selection {
    Selection::between(Timestamp::UNIX_EPOCH, scene.world.clock.time())
}

/// All that a replay must leave as it is.
fn standing(world: &World) -> impl PartialEq + std::fmt::Debug + use<> {
    let accounts: Vec<_> = world
        .ledger
        .accounts()
        .into_iter()
        .map(|account| {
            let entries = world.ledger.entries(&account.id);
            (account.access, account.version, account.open, account.review_at, entries)
        })
        .collect();
    (accounts, world.ledger.links(), world.ledger.key_links())
}

/// Ann came, paid, changed plans and left; somebody paid whom nobody knows.
fn a_life() -> Scene {
    let scene = Scene::default();
    let bought = scene.paying("basic");
    for plan in ["pro", "basic"].repeat(10) {
        scene.change(&bought, plan);
        scene.pass(SignedDuration::from_hours(1));
        scene.come_to_rest();
    }
    scene.stranger("basic");
    scene.come_to_rest();
    scene.cancel(&bought);
    scene.come_to_rest();
    scene
}

#[test]
fn everything_replayed_twice_changes_nothing_but_event_records() {
    let scene = a_life();
    let before = standing(&scene.world);
    let events = scene.world.ledger.events();
    for run in ["r1", "r2"] {
        let progress = replay(&scene, run, &everything(&scene), None);
        assert_eq!((progress.sent, progress.unreadable), (events.len(), 0));
        scene.world.gate.take_calls();
        scene.come_to_rest();
        let writes = scene.world.gate.take_calls().into_iter().filter(|call| {
            [
                "CreateApiKey",
                "CreateUsagePlanKey",
                "DeleteUsagePlanKey",
                "AdminUpdateUserAttributes",
            ]
            .contains(&call.operation)
        });
        assert_eq!(writes.count(), 0);
        assert_eq!(standing(&scene.world), before);
    }
    let attempts: u64 = events.iter().map(|event| event.attempts).sum();
    let again: u64 = scene.world.ledger.events().iter().map(|event| event.attempts).sum();
    assert!(again >= attempts + 2 * events.len() as u64);
}

/// What each event that is on the `bulk` queue is, in the queue's order.
fn queued(scene: &Scene) -> Vec<Envelope> {
    let mut found = Vec::new();
    loop {
        let received = scene.world.sqs.receive(BULK_QUEUE, 10).unwrap();
        if received.is_empty() {
            return found;
        }
        for message in received {
            found.push(Envelope::decode(&message.body).unwrap());
            scene.world.sqs.delete(BULK_QUEUE, &message.receipt).unwrap();
        }
    }
}

#[test]
fn a_replay_takes_what_is_asked_for_and_says_what_it_is() {
    let scene = a_life();
    let all = everything(&scene);
    let parked = Selection { outcomes: [Outcome::Parked].into(), ..all.clone() };
    replay(&scene, "r1", &parked, None);
    let sent = queued(&scene);
    assert!(!sent.is_empty() && sent.iter().all(|it| it.via == Via::Replay));
    let run = Some("r1".to_owned());
    assert!(sent.iter().all(|it| it.run == run && it.source == Source::Stripe));
    let invoices = Selection { kinds: vec!["invoice.*".into()], ..all.clone() };
    replay(&scene, "r2", &invoices, None);
    let kinds: BTreeSet<String> = queued(&scene).into_iter().map(|it| it.kind).collect();
    assert_eq!(kinds, ["invoice.paid".to_owned()].into());
    let nobody = Selection { account: Some(AccountId::parse("nobody").unwrap()), ..all };
    assert_eq!(replay(&scene, "r3", &nobody, None).sent, 0);
}

/// Stopped after any call, a replay that goes on from where it got sends all that is left.
#[test]
fn a_replay_that_was_stopped_goes_on_where_it_stopped() {
    let scene = a_life();
    let all = everything(&scene);
    let ids = |envelopes: Vec<Envelope>| -> BTreeSet<_> {
        envelopes.into_iter().map(|it| it.event_ref()).collect()
    };
    replay(&scene, "whole", &all, None);
    let whole = ids(queued(&scene));
    for calls in 1..=2 {
        let begun = replay(&scene, "begun", &all, Some(calls));
        let mut sent = ids(queued(&scene));
        assert!(sent.len() < whole.len(), "stopped after {calls}");
        let rest = Selection { from: begun.until.unwrap(), ..all.clone() };
        replay(&scene, "rest", &rest, None);
        sent.extend(ids(queued(&scene)));
        assert_eq!(sent, whole);
        scene.pass(SignedDuration::from_mins(10));
    }
}
