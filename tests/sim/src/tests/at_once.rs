//! Several accounts of a batch are seen to at once: one that is slow is in nobody's way, and none
//! costs a call more.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::gate::{Call, Faults};
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Status;
use tollgate_core::batch::BatchReport;
use tollgate_events::{AccountId, Envelope};
use tollgate_standin::clock::VirtualClock;

use super::scene::Scene;
use crate::world::dawn;

/// How long a step of a call takes: a call takes two.
const STEP: SignedDuration = SignedDuration::from_millis(8);

/// Answers nothing about one subject until then.
struct Slow {
    clock: VirtualClock,
    until: Mutex<Option<(String, Timestamp)>>,
}

impl Faults for Slow {
    fn delays(&self, call: &Call) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .as_ref()
            .is_some_and(|(subject, at)| call.subject == *subject && self.clock.time() < *at)
    }
}

/// A scene in which calls take time, and whoever sleeps waits for it.
struct Timed {
    scene: Scene,
    slow: Arc<Slow>,
}

impl Timed {
    fn new() -> Self {
        let clock = VirtualClock::starting_at(dawn()).with_sleepers();
        let slow = Arc::new(Slow { clock: clock.clone(), until: Mutex::default() });
        Self { scene: Scene::on(clock, slow.clone()), slow }
    }

    /// Lets a batch be handled; what it came to, and how long it took.
    fn handle(&self, events: &[Envelope]) -> (BatchReport, SignedDuration) {
        let clock = &self.scene.world.clock;
        let began = clock.time();
        let mut handled = pin!(self.scene.handled(events));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(report) = handled.as_mut().poll(&mut context) {
                return (report, clock.time().duration_since(began));
            }
            clock.advance(STEP);
        }
    }

    /// Ten people on basic, with whom nothing is due; each with their subscription.
    fn ten_on_basic(&self) -> Vec<(AccountId, String)> {
        let world = &self.scene.world;
        let subscribes = |n: usize| {
            let name = format!("u{n}");
            let id = world.cognito.sign_up_confirmed(&name, &crate::actors::address(&name));
            let id = id.expect("free");
            let bought = self.scene.buy(&id, "basic_monthly");
            assert_eq!(self.handle(&self.scene.events()).0.failed, [""; 0]);
            (id, bought)
        };
        let ten = (0..10).map(subscribes).collect();
        world.clock.advance(SignedDuration::from_hours(1));
        ten
    }

    /// What Stripe tells of each subscription when it changes to another price.
    fn upgrades(&self, ten: &[(AccountId, String)]) -> Vec<Envelope> {
        for (_, bought) in ten {
            let mut stripe = self.scene.world.stripe.account();
            let pro = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
            stripe.change_price(bought, &pro).expect("it is live");
        }
        let told = |event: &Envelope| event.kind == "customer.subscription.updated";
        let events: Vec<_> = self.scene.events().into_iter().filter(told).collect();
        assert_eq!(events.len(), ten.len());
        events
    }

    /// The calls since the last time, by operation.
    fn calls(&self) -> BTreeMap<&'static str, usize> {
        let mut calls = BTreeMap::new();
        for call in self.scene.world.gate.take_calls() {
            *calls.entry(call.operation).or_default() += 1;
        }
        calls
    }
}

#[test]
fn one_slow_account_of_ten_loses_its_own_receive_alone() {
    let timed = Timed::new();
    let ten = timed.ten_on_basic();
    let events = timed.upgrades(&ten);
    let [slow, others @ ..] = ten.as_slice() else { panic!() };
    let customer = timed.scene.account(&slow.0).access.customers.first().unwrap().to_string();
    let place = events.iter().position(|event| {
        event.subject.customer.as_ref().is_some_and(|it| it.as_str() == customer)
    });
    let until = timed.scene.world.clock.time() + SignedDuration::from_mins(5);
    *timed.slow.until.lock().unwrap() = Some((customer, until));
    let (report, took) = timed.handle(&events);
    let place = place.expect("it changes too").to_string();
    assert_eq!(report.failed, std::slice::from_ref(&place));
    assert_eq!(report.again.get(&place), Some(&SignedDuration::from_secs(2)));
    assert!(took < SignedDuration::from_secs(28), "the function has its time to answer: {took:#}");
    for (id, _) in others {
        assert_eq!(timed.scene.seen(id), ("pro".into(), Status::Active, "pro".into()));
    }
    assert_eq!(timed.scene.seen(&slow.0).0, "basic");
    *timed.slow.until.lock().unwrap() = None;
    assert_eq!(timed.handle(&events).0.failed, [""; 0]);
    assert_eq!(timed.scene.seen(&slow.0).0, "pro");
}

/// As many calls as one after another, and in less than half the time.
#[test]
fn ten_at_once_cost_the_same_calls_and_less_time() {
    let played = |at_once: usize| {
        let timed = Timed::new();
        let ten = timed.ten_on_basic();
        // A worker that has just been started has everything to ask.
        let timed = Timed { scene: timed.scene.with_a_new_worker(), ..timed };
        let copies = timed.upgrades(&ten);
        assert_eq!(timed.handle(&copies).0.failed, [""; 0]);
        timed.scene.world.clock.advance(SignedDuration::from_hours(2));
        timed.calls();
        let took = copies.chunks(at_once).map(|some| timed.handle(some).1);
        let took = took.reduce(|all, one| all + one).expect("there are ten");
        (timed.calls(), took)
    };
    let ((apart, took_apart), (together, took_together)) = (played(1), played(10));
    println!("ten looks: {took_apart:#} one after another, {took_together:#} in one batch");
    assert_eq!(apart, together);
    assert!(took_together * 2 < took_apart, "{took_together:#} {took_apart:#}");
}
