//! A read that does not show yet what a fresh event tells is looked at again: a minute
//! later, three times, and no more.

use crate::gate::Calm;
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::batch::Message;
use tollgate_core::converge::Worker;
use tollgate_core::ports::Ports;
use tollgate_core::sweep::sweep;
use tollgate_events::{
    AccountId, CustomerId, Envelope, EventId, Hint, PriceId, Source, Subject, Via, cognito,
};
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData};
use tollgate_standin::world::BULK_QUEUE;

use crate::executor::block_on;
use crate::workers::worker_on;
use crate::world::dawn;

fn handle(worker: &Worker<World>, bodies: Vec<String>) {
    let message = |(place, body): (usize, String)| Message {
        id: place.to_string(),
        group: "g".into(),
        body,
        again: false,
    };
    let batch: Vec<_> = bodies.into_iter().enumerate().map(message).collect();
    let deadline = worker.ports.clock.time() + SignedDuration::from_secs(30);
    let report = block_on(worker.handle(&worker.ports.queue(), &batch, deadline));
    assert_eq!(report.failed, [""; 0]);
}

/// An account that has signed up and is at rest.
fn at_rest() -> (World, Worker<World>, AccountId) {
    let world = World::new(dawn(), 1, "https://stripe.invalid", std::sync::Arc::new(Calm));
    let worker = worker_on(&world);
    let account = world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    let triggers = world.cognito.take_triggers();
    let cognito::Reading::Wake(wake) =
        cognito::read(&triggers[0], world.clock.time()).unwrap().reading
    else {
        panic!("a sign-up wakes");
    };
    handle(&worker, vec![wake.encode()]);
    (world, worker, account)
}

/// An event that tells of a subscription which Stripe does not list.
fn ahead_of_stripe(
    worker: &Worker<World>,
    account: &AccountId,
    occurred_at: Timestamp,
) -> Envelope {
    let subject = Subject { account: Some(worker.deriver.name(account)), ..Subject::default() };
    Envelope {
        object: Some("sub_unlisted".into()),
        occurred_at,
        livemode: Some(false),
        hint: Some(Hint { status: "active".into(), ..Hint::default() }),
        ..Envelope::received(
            Source::Stripe,
            Via::Webhook,
            EventId::parse("evt_1").unwrap(),
            "customer.subscription.updated",
            subject,
            worker.ports.clock.time(),
        )
    }
}

fn review_in(world: &World, account: &AccountId) -> Option<SignedDuration> {
    let accounts = world.ledger.accounts();
    let account = accounts.iter().find(|other| other.id == *account).unwrap();
    account.review_at.map(|at| at.duration_since(world.clock.time()))
}

/// Moves the clock to the review and lets the sweep wake the account.
fn look_again(world: &World, worker: &Worker<World>) -> usize {
    world.clock.advance(SignedDuration::from_secs(60));
    let report =
        block_on(sweep(world.ledger(), &world.queue(), &world.clock, &worker.policy)).unwrap();
    for message in world.sqs.receive(BULK_QUEUE, 10).unwrap() {
        handle(worker, vec![message.body.clone()]);
        world.sqs.delete(BULK_QUEUE, &message.receipt).unwrap();
    }
    report.due
}

#[test]
fn a_lagging_read_gets_three_more_looks_a_minute_apart() {
    let (world, worker, account) = at_rest();
    assert_eq!(review_in(&world, &account), None);
    let event = ahead_of_stripe(&worker, &account, world.clock.time());
    handle(&worker, vec![event.encode()]);
    for look in 1..=3 {
        assert_eq!(review_in(&world, &account), Some(SignedDuration::from_secs(60)), "{look}");
        assert_eq!(look_again(&world, &worker), 1);
    }
    assert_eq!(review_in(&world, &account), None, "three looks are enough");
}

/// What else happens to the account in that minute takes none of its looks away.
#[test]
fn other_events_use_up_no_look() {
    let (world, worker, account) = at_rest();
    let event = ahead_of_stripe(&worker, &account, world.clock.time());
    handle(&worker, vec![event.encode()]);
    for n in 0..5 {
        world.clock.advance(SignedDuration::from_secs(1));
        let id = EventId::parse(format!("evt_other_{n}")).unwrap();
        let other = Envelope { id, kind: "invoice.paid".into(), hint: None, ..event.clone() };
        handle(&worker, vec![other.encode()]);
        assert_eq!(review_in(&world, &account), Some(SignedDuration::from_secs(59 - n)));
    }
    for _ in 1..=3 {
        assert_eq!(look_again(&world, &worker), 1);
    }
    assert_eq!(review_in(&world, &account), None, "three looks are enough");
}

#[test]
fn an_old_event_and_a_replay_say_nothing_about_lag() {
    let (world, worker, account) = at_rest();
    let now = world.clock.time();
    let old = ahead_of_stripe(&worker, &account, now - SignedDuration::from_mins(11));
    let fresh = ahead_of_stripe(&worker, &account, now);
    let replay = Envelope { via: Via::Replay, run: Some("r1".into()), ..fresh };
    handle(&worker, vec![old.encode(), replay.encode()]);
    assert_eq!(review_in(&world, &account), None);
}

/// A purchase tells of `incomplete` and of `active` within a second; Stripe lists what is.
#[test]
fn what_an_older_event_told_is_no_lag() {
    let (world, worker, account) = at_rest();
    let now = world.clock.time();
    let told = |id: &str, status: &str, occurred_at| Envelope {
        id: EventId::parse(id).unwrap(),
        hint: Some(Hint { status: status.into(), ..Hint::default() }),
        ..ahead_of_stripe(&worker, &account, occurred_at)
    };
    // The subscription is not listed: of all that is told, only `canceled` agrees with that.
    let earlier = told("evt_1", "active", now - SignedDuration::from_secs(5));
    let (one, other) = (told("evt_2", "active", now), told("evt_3", "canceled", now));
    handle(&worker, vec![other.encode(), earlier.encode(), one.encode()]);
    assert_eq!(review_in(&world, &account), None);
}

/// Somebody buys pro, of which nobody has heard: what tells of it as Stripe lists it.
fn bought(world: &World, worker: &Worker<World>, account: &AccountId) -> Envelope {
    let named = worker.deriver.name(account);
    let metadata = named.to_metadata();
    let mut stripe = world.stripe.account();
    let customer = stripe.create_customer(NewCustomer::default());
    stripe.set_card(&customer, Card::Pays).unwrap();
    let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
    let data = SubscriptionData { metadata, ..SubscriptionData::default() };
    let subscription = stripe.subscribe(&customer, &[&price], data).unwrap();
    let customer = Some(CustomerId::parse(customer).unwrap());
    Envelope {
        object: Some(subscription),
        subject: Subject { account: Some(named), customer, charge: None },
        hint: Some(Hint {
            status: "active".into(),
            prices: vec![PriceId::parse(price).unwrap()],
            whole: true,
            ..Hint::default()
        }),
        ..ahead_of_stripe(worker, account, world.clock.time())
    }
}

/// A cancellation tells of what was changed and of the end in one second: the end is the last.
#[test]
fn of_one_second_the_end_is_the_last() {
    let (world, worker, account) = at_rest();
    // Stripe still lists it as active, as the first of the two tells.
    let changed = bought(&world, &worker, &account);
    let status = "canceled".into();
    let ended = Envelope {
        id: EventId::parse("evt_2").unwrap(),
        kind: "customer.subscription.deleted".into(),
        hint: changed.hint.clone().map(|hint| Hint { status, ..hint }),
        ..changed.clone()
    };
    handle(&worker, vec![ended.encode(), changed.encode()]);
    assert_eq!(review_in(&world, &account), Some(SignedDuration::from_secs(60)));
}

/// The hint of an envelope that had room for these prices alone.
fn in_part(prices: &[&str], hint: &mut Hint) {
    hint.whole = false;
    hint.prices = prices.iter().map(|id| PriceId::parse(*id).unwrap()).collect();
}

#[test]
fn whatever_reads_otherwise_than_it_was_told_may_lag() {
    let soon = Some(SignedDuration::from_secs(60));
    let changes: [(fn(&mut Hint), _); 7] = [
        (|_| (), None),
        (|hint| hint.status = "past_due".into(), soon),
        (|hint| hint.prices.clear(), soon),
        (|hint| hint.cancel_at = Some(Timestamp::MAX), soon),
        (|hint| hint.cancel_at_period_end = true, soon),
        // Not all of it found room in the envelope: what did must be there.
        (|hint| in_part(&[], hint), None),
        (|hint| in_part(&["price_other"], hint), soon),
    ];
    for (change, review) in changes {
        let (world, worker, account) = at_rest();
        let mut event = bought(&world, &worker, &account);
        let hint = event.hint.as_mut().unwrap();
        change(hint);
        let told = format!("{hint:?}");
        handle(&worker, vec![event.encode()]);
        assert_eq!(review_in(&world, &account), review, "{told}");
    }
}
