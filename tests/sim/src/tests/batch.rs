//! One message of a batch goes wrong: whatever that is, the others are done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;
use tollgate_billing::account::Status;
use tollgate_billing::batch::{Message, park_dead_letters};
use tollgate_billing::ledger::Outcome;
use tollgate_billing::ops::Act;
use tollgate_billing::ports::{Ledger, PortResult};
use tollgate_events::Envelope;
use tollgate_standin::gate::{Call, Weather};

use super::scene::Scene;
use crate::executor::block_on;
use crate::lives::address;

/// A mistake in the code that shows once, with a first key.
#[derive(Default)]
struct Panics(AtomicBool);

impl Weather for Panics {
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
    scene.act(&ann, Act::Hold).expect("the weather is fair");
    let events = [scene.events().swap_remove(0), scene.wakes().swap_remove(0)];
    let batch: Vec<_> = events
        .iter()
        .map(|event| Message { id: "m".into(), group: "g".into(), body: event.encode() })
        .collect();
    let (ledger, clock) = (&scene.world.ledger, &scene.world.clock);
    let report = block_on(park_dead_letters(ledger, clock, &batch));
    assert_eq!((report.failed.len(), report.outcomes), (0, [(Outcome::Parked, 2)].into()));
    let detail = |event: &Envelope| {
        let stored = block_on(ledger.event(&event.event_ref())).expect("the weather is fair");
        let record = stored.expect("it is on record").record;
        assert_eq!((record.outcome, record.envelope()), (Outcome::Parked, Some(event)));
        record.detail.unwrap_or_default()
    };
    assert!(detail(&events[0]).contains("replay it"), "{}", detail(&events[0]));
    assert_eq!(detail(&events[1]), "otto: a story");
}
