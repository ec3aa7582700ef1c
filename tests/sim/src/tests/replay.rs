//! Events from the ledger's records and from Stripe's list, on the queue once more.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::ledger::MemoryLedger;
use crate::ports::Gated;
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::PlanId;
use tollgate_core::converge::Preview;
use tollgate_core::ledger::{Outcome, StoredEvent};
use tollgate_core::ports::PortResult;
use tollgate_events::stripe::ACTED_ON;
use tollgate_events::{AccountId, CustomerId, Envelope, EventId, EventRef, Source, Via};
use tollgate_operator::{
    AboutWhom, Act, Cursor, EventSource, LISTED_FOR, Rehearsal, RehearsalStep, Rehearsed, Replay,
    ReplayProgress, Selection, Sent, count,
};
use tollgate_standin::stripe::{DeliveryAnswer, StripeStandin};
use tollgate_standin::world::BULK_QUEUE;

use crate::executor::block_on;
use crate::scene::{Fault, Scene};

type Events<'a> = EventSource<'a, MemoryLedger, Gated<StripeStandin>>;

/// Where the events are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Ledger,
    Stripe,
    Undelivered,
}

fn source<'a>(scene: &'a Scene, from: From, selection: &Selection) -> Events<'a> {
    let World { ledger, stripe, clock, .. } = &scene.world;
    let (selection, now) = (selection.clone(), clock.time());
    match from {
        From::Ledger => EventSource::recorded(ledger, selection, now),
        From::Stripe => EventSource::listed(ledger, stripe, selection, false, now).unwrap(),
        From::Undelivered => EventSource::listed(ledger, stripe, selection, true, now).unwrap(),
    }
}

/// Replays into the queue; `stop_after` calls, if that is given. What was sent is noted.
fn replay_from(
    scene: &Scene,
    run: &str,
    source: Events<'_>,
    stop_after: Option<usize>,
) -> (ReplayProgress, Sent, usize) {
    let cursor = Cursor::begin(run.to_owned(), Timestamp::MIN);
    let (done, progress, sent, calls) = replay_by(scene, &cursor, source, stop_after);
    done.unwrap();
    (progress, sent, calls)
}

fn replay_by(
    scene: &Scene,
    cursor: &Cursor,
    mut source: Events<'_>,
    stop_after: Option<usize>,
) -> (PortResult<()>, ReplayProgress, Sent, usize) {
    let (ledger, clock, queue) = (&scene.world.ledger, &scene.world.clock, scene.world.queue());
    let replay = Replay { ledger, queue: &queue, clock, per_second: 10, cursor: cursor.clone() };
    let (mut calls, mut sent) = (0, Sent::default());
    let told = |_: &ReplayProgress, some: &[_]| {
        calls += 1;
        sent.add(some);
        if stop_after.is_some_and(|most| calls >= most) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut progress = ReplayProgress::default();
    let done = block_on(replay.run(&mut source, &mut progress, told));
    (done, progress, sent, calls)
}

/// Replays from the ledger into the queue.
fn replay(scene: &Scene, run: &str, selection: &Selection) -> ReplayProgress {
    replay_from(scene, run, source(scene, From::Ledger, selection), None).0
}

fn everything(scene: &Scene) -> Selection {
    Selection::between(Timestamp::UNIX_EPOCH, scene.world.clock.time())
}

/// As much of it as Stripe lists, and still does in an hour.
fn listed(scene: &Scene) -> Selection {
    let now = scene.world.clock.time();
    Selection::between(now - LISTED_FOR + SignedDuration::from_hours(1), now)
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
        let progress = replay(&scene, run, &everything(&scene));
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
    replay(&scene, "r1", &parked);
    let sent = queued(&scene);
    assert!(!sent.is_empty() && sent.iter().all(|it| it.via == Via::Replay));
    let run = Some("r1".to_owned());
    assert!(sent.iter().all(|it| it.run == run && it.source == Source::Stripe));
    for (from, run, all) in [(From::Ledger, "r2", &all), (From::Stripe, "r3", &listed(&scene))] {
        let invoices = Selection { kinds: vec!["invoice.*".into()], ..all.clone() };
        replay_from(&scene, run, source(&scene, from, &invoices), None);
        let kinds: BTreeSet<String> = queued(&scene).into_iter().map(|it| it.kind).collect();
        assert_eq!(kinds, ["invoice.paid".to_owned()].into());
    }
    let nobody = AccountId::parse("nobody").unwrap();
    let nobody = block_on(AboutWhom::account(&scene.world.ledger, nobody)).unwrap();
    assert_eq!(replay(&scene, "r4", &Selection { about: Some(nobody), ..all }).sent, 0);
}

/// The events of an account are those that name it, and its customers' too: also those that
/// came before anybody knew whose the customer is.
#[test]
fn an_accounts_events_are_its_customers_events() {
    let scene = Scene::default();
    let bought = scene.paying("basic");
    let stranger = scene.stranger("pro");
    scene.pass(SignedDuration::from_hours(1));
    scene.world.stripe.account().open_dispute(&bought.customer).unwrap();
    scene.come_to_rest();
    let ann = scene.world.ledger.accounts()[0].id.clone();
    let about = block_on(AboutWhom::account(&scene.world.ledger, ann)).unwrap();
    let of = |from, about: &AboutWhom| {
        let selection = Selection { about: Some(about.clone()), ..listed(&scene) };
        replay_from(&scene, "r", source(&scene, from, &selection), None);
        let sent = queued(&scene);
        scene.pass(SignedDuration::from_mins(6));
        sent
    };
    for from in [From::Ledger, From::Stripe] {
        let anns = of(from, &about);
        let customers: BTreeSet<_> = anns
            .iter()
            .filter_map(|it| it.subject.customer.as_ref())
            .map(CustomerId::as_str)
            .collect();
        assert_eq!(customers, [bought.customer.as_str()].into(), "{from:?}");
        assert!(anns.iter().any(|it| it.kind == "charge.dispute.created"), "{from:?}");
        let strangers = AboutWhom::customer(CustomerId::parse(stranger.customer.as_str()).unwrap());
        assert!(of(from, &strangers).len() >= 2, "{from:?}");
    }
}

/// Stopped after any call, a replay that goes on from its cursor under its name sends all that
/// is left, and SQS drops what it has had.
#[test]
fn a_replay_that_was_stopped_goes_on_where_it_stopped() {
    let scene = a_life();
    let ids = |envelopes: Vec<Envelope>| -> Vec<_> {
        envelopes.into_iter().map(|it| it.event_ref()).collect()
    };
    for (from, all) in [(From::Ledger, everything(&scene)), (From::Stripe, listed(&scene))] {
        let (_, _, calls) = replay_from(&scene, "whole", source(&scene, from, &all), None);
        let mut whole = ids(queued(&scene));
        whole.sort();
        assert!(calls >= 4 && whole.len() > 20, "{from:?}: {calls}");
        for stop in 1..calls {
            let begun = Cursor::begin(format!("begun{stop}"), all.from);
            let (_, done, ..) = replay_by(&scene, &begun, source(&scene, from, &all), Some(stop));
            let cursor: Cursor = begun.after(&done).to_string().parse().unwrap();
            assert_eq!(cursor, begun.after(&done));
            let rest = Selection { from: cursor.from, ..all.clone() };
            replay_by(&scene, &cursor, source(&scene, from, &rest), None).0.unwrap();
            let mut sent = ids(queued(&scene));
            sent.sort();
            assert_eq!(sent, whole, "{from:?} stopped after {stop}");
        }
        scene.pass(SignedDuration::from_mins(10));
    }
}

/// What is sent again within five minutes is dropped by SQS, though the worker may have handled the
/// first copy by then: that counts, wherever the replay was stopped, and once more on the way.
#[test]
fn what_was_handled_before_a_replay_goes_on_is_not_waited_for() {
    let mut lost = 0;
    for from in [From::Ledger, From::Stripe] {
        let scene = a_life();
        let all = if from == From::Ledger { everything(&scene) } else { listed(&scene) };
        let mut cursor = Cursor::begin("r1".to_owned(), all.from);
        let mut parts = 0;
        loop {
            let rest = Selection { from: cursor.from, ..all.clone() };
            let events = source(&scene, from, &rest);
            // Every second part is stopped, and of the others an answer is lost.
            let stop_after = if parts % 2 == 0 { 1 } else { usize::MAX };
            scene.world.gate.take_calls();
            if parts % 2 == 1 {
                scene.arm(2 + parts / 2, Fault::AnswerLost);
            }
            let (done, progress, mut sent, calls) =
                replay_by(&scene, &cursor, events, Some(stop_after));
            if done.is_err() {
                let last = scene.world.gate.take_calls().pop().expect("it was lost");
                lost += usize::from(last.operation == "SendMessageBatch");
            }
            scene.arm(usize::MAX, Fault::AnswerLost);
            while scene.deliver(BULK_QUEUE, &mut || ()) {}
            block_on(sent.look(&scene.world.ledger)).unwrap();
            assert_eq!(sent.left(), 0, "{from:?}: part {parts} of {cursor}");
            if done.is_ok() && calls < stop_after {
                break;
            }
            cursor = cursor.after(&progress);
            parts += 1;
        }
        assert!(parts > 2, "{from:?}: {parts} parts");
        let took = scene.world.clock.time().duration_since(all.to);
        assert!(took < SignedDuration::from_mins(5), "{took}");
    }
    assert!(lost > 0, "no answer of a send was lost");
}

/// Far more in an hour than is held at once, and then nothing for days.
#[test]
fn stripes_list_is_read_oldest_first_and_whole() {
    let scene = Scene::default();
    for _ in 0..340 {
        scene.stranger("basic");
        scene.pass(SignedDuration::from_secs(1));
    }
    scene.pass(SignedDuration::from_hours(5 * 24));
    scene.stranger("basic");
    let all = listed(&scene);
    let (progress, ..) = replay_from(&scene, "r", source(&scene, From::Stripe, &all), None);
    let sent = queued(&scene);
    assert!(sent.is_sorted_by_key(|it| it.occurred_at), "in the order of time");
    let sent: BTreeSet<_> = sent.into_iter().map(|it| it.id.to_string()).collect();
    let stripe = scene.world.stripe.account();
    let made = stripe.events().filter(|event| ACTED_ON.contains(&event.kind));
    let made: BTreeSet<_> = made.map(|event| event.id.clone()).collect();
    assert!(made.len() > 1000, "{}", made.len());
    assert_eq!((sent.len(), &sent), (progress.sent, &made));
}

#[test]
fn stripes_list_goes_back_thirty_days() {
    let scene = Scene::default();
    let World { ledger, stripe, clock, .. } = &scene.world;
    let now = clock.time();
    let from = now - LISTED_FOR - SignedDuration::from_secs(1);
    let selection = Selection::between(from, now);
    let refused = EventSource::listed(ledger, stripe, selection, false, now).map(drop).unwrap_err();
    assert_eq!((refused.from, refused.oldest), (from, now - LISTED_FOR));
}

/// The endpoint is down: what is due to it does not arrive for now.
fn miss(scene: &Scene) -> BTreeSet<String> {
    let mut stripe = scene.world.stripe.account();
    let due = stripe.due_deliveries();
    due.iter().for_each(|delivery| stripe.settle(delivery, DeliveryAnswer::None));
    due.into_iter().map(|delivery| delivery.event).collect()
}

/// The endpoint was down while Ann bought: Stripe still has it all.
#[test]
fn what_the_endpoint_missed_is_replayed_from_stripe() {
    let scene = Scene::default();
    let bought = scene.paying("basic");
    scene.change(&bought, "pro");
    let missed = miss(&scene);
    let selection = listed(&scene);
    let (progress, mut sent, _) =
        replay_from(&scene, "r", source(&scene, From::Undelivered, &selection), None);
    assert_eq!((progress.sent, progress.known), (missed.len(), [(None, missed.len())].into()));
    while scene.deliver(BULK_QUEUE, &mut || ()) {}
    let account = scene.world.ledger.accounts().remove(0);
    assert_eq!(account.access.plan, PlanId::parse("pro").ok());
    block_on(sent.look(&scene.world.ledger)).unwrap();
    assert_eq!((sent.left(), sent.done()), (0, missed.len()));
    assert_eq!(sent.handled.keys().flatten().next(), Some(&Outcome::Applied));
}

fn name(event: &str) -> EventRef {
    EventRef { source: Source::Stripe, id: EventId::parse(event).unwrap() }
}

/// Which calls of the ledger and of Stripe list events.
fn lists(scene: &Scene) -> Vec<String> {
    let calls = scene.world.gate.take_calls().into_iter();
    let lists = calls.filter(|call| ["Query", "Scan", "GET /v1/events"].contains(&call.operation));
    lists.map(|call| call.subject).collect()
}

#[test]
fn events_are_replayed_by_name_without_reading_others() {
    let scene = a_life();
    let events = scene.world.ledger.events();
    let stripes = events.iter().filter(|event| event.record.event.source == Source::Stripe);
    let some: Vec<_> = stripes.map(|event| event.record.event.clone()).step_by(7).collect();
    let mut ids: BTreeSet<_> = some.iter().cloned().collect();
    ids.insert(name("evt_unknown"));
    for from in [From::Ledger, From::Stripe] {
        scene.world.gate.take_calls();
        let selection = Selection { ids: ids.clone(), ..everything(&scene) };
        let mut source = source(&scene, from, &selection);
        let counted = block_on(count(&mut source, |_| ControlFlow::Continue(()))).unwrap();
        assert_eq!(counted.sent, some.len(), "{from:?}");
        assert_eq!(source.missing(), [name("evt_unknown")]);
        assert_eq!(lists(&scene), Vec::<String>::new(), "{from:?}");
    }
}

/// What is parked is found at any age, oldest first, in the index of what is unsettled.
#[test]
fn what_is_unsettled_is_found_in_its_index() {
    let scene = Scene::default();
    for _ in 0..8 {
        scene.stranger("basic");
        scene.come_to_rest();
        scene.pass(SignedDuration::from_hours(24));
    }
    scene.world.gate.take_calls();
    let all = Selection::between(Timestamp::MIN, Timestamp::MAX);
    let parked = Selection { outcomes: [Outcome::Parked].into(), ..all };
    let progress = replay(&scene, "r", &parked);
    assert!(lists(&scene).iter().all(|what| what == "stuck"));
    let parked = |event: &StoredEvent| event.record.outcome == Outcome::Parked;
    let unsettled = scene.world.ledger.events().iter().filter(|it| parked(it)).count();
    assert_eq!(
        (progress.sent, progress.known),
        (unsettled, [(Some(Outcome::Parked), unsettled)].into())
    );
    assert!(queued(&scene).is_sorted_by_key(|it| it.occurred_at));
}

fn rehearse(scene: &Scene, from: From) -> (Rehearsed, Vec<Preview>) {
    let mut source = source(scene, from, &listed(scene));
    let rehearsal = Rehearsal { worker: &scene.worker, per_second: 5 };
    let mut previews = Vec::new();
    let told = |step: RehearsalStep<'_>| {
        if let RehearsalStep::Previewed(_, preview) = step {
            previews.push(preview.clone());
        }
        ControlFlow::Continue(())
    };
    let rehearsed = block_on(rehearsal.run(&mut source, told)).unwrap();
    (rehearsed, previews)
}

/// Nobody knows the customer yet, or an operator knows better.
#[test]
fn a_first_purchase_is_foreseen_and_a_released_customer_stays_released() {
    let scene = Scene::default();
    let ann = scene.free();
    let bought = scene.buy(&ann, "basic");
    miss(&scene);
    let (rehearsed, previews) = rehearse(&scene, From::Undelivered);
    assert_eq!((rehearsed.accounts, rehearsed.moved), (1, 1), "{previews:?}");
    assert_eq!(previews[0].after.0, PlanId::parse("basic").ok());
    scene.pass(SignedDuration::from_mins(6));
    scene.come_to_rest();
    assert_eq!(scene.world.ledger.accounts()[0].access.plan, previews[0].after.0);

    let customer = CustomerId::parse(bought.customer).unwrap();
    scene.operate(&Act::Unlink { customer });
    assert_eq!(scene.world.ledger.accounts()[0].access.plan, PlanId::parse("free").ok());
    let (rehearsed, previews) = rehearse(&scene, From::Stripe);
    assert!(!rehearsed.changes(), "{previews:?}");
}

/// A rehearsal writes nothing, and tells what the replay then does.
#[test]
fn a_replay_does_what_its_rehearsal_told() {
    let scene = Scene::default();
    let bought = scene.paying("basic");
    scene.stranger("basic");
    scene.change(&bought, "pro");
    let before = standing(&scene.world);
    scene.world.gate.take_calls();
    let (rehearsed, previews) = rehearse(&scene, From::Stripe);
    let counts = (rehearsed.accounts, rehearsed.moved, rehearsed.minted, rehearsed.disabled);
    assert_eq!((counts, rehearsed.previewed), ((1, 1, 0, 0), 1), "{rehearsed:?}");
    assert!(rehearsed.waiting >= 2 && rehearsed.changes(), "{rehearsed:?}");
    let reads = ["Get", "List", "Query", "Scan", "AdminGet", "BatchGet", "GET "];
    for call in scene.world.gate.take_calls() {
        let reads = reads.iter().any(|read| call.operation.starts_with(read));
        assert!(reads, "a rehearsal calls {}", call.operation);
    }
    assert_eq!(standing(&scene.world), before);
    replay_from(&scene, "r", source(&scene, From::Stripe, &listed(&scene)), None);
    while scene.deliver(BULK_QUEUE, &mut || ()) {}
    let account = scene.world.ledger.accounts().remove(0);
    assert_eq!((account.access.plan.clone(), account.access.status), previews[0].after);
}

/// A call takes what goes in a second and no more: whoever stops it need not wait longer.
#[test]
fn a_replay_sends_a_second_of_its_rate_at_once() {
    let scene = a_life();
    let (ledger, clock, queue) = (&scene.world.ledger, &scene.world.clock, scene.world.queue());
    let cursor = Cursor::begin("r1".to_owned(), Timestamp::MIN);
    let replay = Replay { ledger, queue: &queue, clock, per_second: 4, cursor };
    let begun = clock.time();
    let mut most = 0;
    let told = |_: &ReplayProgress, some: &[_]| {
        most = most.max(some.len());
        ControlFlow::Continue(())
    };
    let mut source = source(&scene, From::Ledger, &everything(&scene));
    let mut progress = ReplayProgress::default();
    block_on(replay.run(&mut source, &mut progress, told)).unwrap();
    let sent = progress.sent;
    assert_eq!(most, 4);
    let took = clock.time().duration_since(begun).as_millis();
    assert!(took >= sent as i128 * 250, "{sent} events in {took} ms");
}
