//! One message of a batch goes wrong: whatever that is, the others are done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::gate::{Call, Faults};
use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::batch::{Message, park_dead_letters};
use tollgate_core::ledger::{EventRecord, Outcome};
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::{CustomerId, Envelope};
use tollgate_operator::Act;
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData};

use super::scene::Scene;
use crate::actors::address;
use crate::executor::block_on;

/// A mistake in the code that shows once, with a first key.
#[derive(Default)]
struct Panics(AtomicBool);

impl Faults for Panics {
    fn before(&self, call: &Call) -> PortResult<()> {
        let first = call.operation == "CreateApiKey" && !self.0.swap(true, Ordering::Relaxed);
        assert!(!first, "a mistake");
        Ok(())
    }
}

#[test]
fn a_panic_stays_with_its_account_and_calls_a_person() {
    let scene = Scene::under(Arc::new(Panics::default()));
    let ids = ["ann", "ben"].map(|name| {
        let id = scene.world.cognito.sign_up_confirmed(name, &address(name));
        id.expect("the name is free")
    });
    let events = scene.events();
    let report = scene.handle(&events);
    let told = (report.failed.len(), report.systemic, report.converged);
    assert_eq!(told, (1, 1, 1), "{report:?}");
    let served = || ids.iter().filter(|id| scene.seen(id).1 == Status::Active).count();
    assert_eq!(served(), 1);
    scene.world.clock.advance(SignedDuration::from_mins(3));
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(served(), 2);
}

/// It is on record under the event that it names, as far as it can be read, else under the
/// message's own id.
#[test]
fn what_is_no_envelope_is_on_record_as_what_it_names() {
    let scene = Scene::new();
    let bodies = [r#"{"v":99,"source":"stripe","id":"evt_9","new":{}}"#, r#"{"v":99}"#, "junk"];
    let batch: Vec<_> = (1..)
        .zip(bodies)
        .map(|(place, body)| Message {
            id: format!("message-{place}"),
            group: "g".into(),
            body: body.into(),
            again: false,
        })
        .collect();
    let deadline = scene.world.clock.time() + SignedDuration::from_secs(27);
    let report = block_on(scene.worker.handle(&scene.world.queue(), &batch, deadline));
    assert_eq!((report.failed.len(), report.outcomes), (0, [(Outcome::Parked, 3)].into()));
    let records = scene.world.ledger.events().into_iter().map(|it| it.record);
    let mut names: Vec<_> = records.map(|it| it.event.to_string()).collect();
    names.sort();
    assert_eq!(names, ["queue/message-2", "queue/message-3", "stripe/evt_9"]);
}

/// A dead letter is on record with what is to be done; what an operator did keeps who and why.
#[test]
fn dead_letters_are_parked_and_lose_nothing() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    scene.act(&ann, Act::Hold).expect("nothing fails");
    let events = [scene.events().swap_remove(0), scene.wakes().swap_remove(0)];
    let batch: Vec<_> = events
        .iter()
        .map(|event| Message {
            id: "m".into(),
            group: "g".into(),
            body: event.encode(),
            again: false,
        })
        .collect();
    let (ledger, clock) = (&scene.world.ledger, &scene.world.clock);
    let report = block_on(park_dead_letters(ledger, clock, &batch));
    assert_eq!((report.failed.len(), report.outcomes), (0, [(Outcome::Parked, 2)].into()));
    let detail = |event: &Envelope| {
        let stored = block_on(ledger.event(&event.event_ref())).expect("nothing fails");
        let record = stored.expect("it is on record").record;
        assert_eq!((record.outcome, record.envelope()), (Outcome::Parked, Some(event)));
        record.detail.unwrap_or_default()
    };
    assert!(detail(&events[0]).contains("replay it"), "{}", detail(&events[0]));
    assert_eq!(detail(&events[1]), "otto: a story");
}

fn message(body: String) -> Message {
    Message { id: "m".into(), group: "g".into(), body, again: false }
}

/// What a copy of an event came to that was handled after this one was sent: that stays, and calls
/// nobody. A later copy that died is a person's business, whatever an earlier one came to.
#[test]
fn a_dead_letter_of_what_was_handled_since_is_none() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    let events = scene.events();
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    let (ledger, clock) = (&scene.world.ledger, &scene.world.clock);
    let dies = |event: &Envelope| {
        let report = block_on(park_dead_letters(ledger, clock, &[message(event.encode())]));
        assert_eq!(report.failed, [""; 0]);
        let stored = block_on(ledger.event(&event.event_ref())).expect("nothing fails");
        let stored = stored.expect("it is on record");
        (stored.record.outcome, stored.record.detail, report.outcomes)
    };
    let event = &events[0];
    assert_eq!(dies(event), (Outcome::Applied, None, [].into()));
    clock.advance(SignedDuration::from_mins(1));
    let later = Envelope { received_at: clock.time(), ..event.clone() };
    let (outcome, detail, told) = dies(&later);
    assert_eq!((outcome, told), (Outcome::Parked, [(Outcome::Parked, 1)].into()));
    assert!(detail.is_some_and(|it| it.contains("replay it")));
    assert_eq!(scene.handle(&[later]).failed, [""; 0]);
    let (outcome, ..) = dies(event);
    assert_eq!(outcome, Outcome::Unchanged);
}

/// A newer version's envelope of an event that this one can read: what it could read is still
/// there, is found by its customer and is replayed. What only the newer one can read is kept too.
#[test]
fn a_newer_envelope_takes_nothing_from_the_record() {
    let scene = Scene::new();
    let stranger = {
        let mut stripe = scene.world.stripe.account();
        let stranger = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&stranger, Card::Pays).expect("they are there");
        let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
        stripe.subscribe(&stranger, &[&price], SubscriptionData::default()).expect("they pay");
        CustomerId::parse(stranger).expect("it is one")
    };
    let event = scene.events().swap_remove(0);
    assert_eq!(scene.handle(std::slice::from_ref(&event)).outcomes, [(Outcome::Waiting, 1)].into());
    let newer =
        format!(r#"{{"v":99,"source":"stripe","id":"{}","newer":"than this"}}"#, event.id.as_str());
    let deadline = scene.world.clock.time() + SignedDuration::from_secs(27);
    let batch = [message(newer)];
    let report = block_on(scene.worker.handle(&scene.world.queue(), &batch, deadline));
    assert_eq!(report.outcomes, [(Outcome::Parked, 1)].into());
    let ledger = &scene.world.ledger;
    let [unsettled] = &block_on(ledger.unsettled_on(&stranger)).unwrap()[..] else { panic!("one") };
    assert_eq!(unsettled.record.envelope(), Some(&event));
    assert!(unsettled.record.detail.as_deref().is_some_and(|it| it.contains("version 99")));
}

/// A worker could not read it, and this one can.
#[test]
fn what_an_older_worker_could_not_read_is_read_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    let event = scene.events().swap_remove(0);
    let (name, text, now) = (event.event_ref(), event.encode(), scene.world.clock.time());
    let record = EventRecord::unreadable(name.clone(), text, "version 2".into(), now);
    let ledger = &scene.world.ledger;
    block_on(ledger.record(&[record])).unwrap();
    let stored = block_on(ledger.event(&name)).unwrap().expect("it is on record");
    assert_eq!((stored.record.outcome, stored.record.envelope()), (Outcome::Parked, Some(&event)));
}
