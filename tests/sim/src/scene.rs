//! A world with one worker, and what carries events to it: at most one call goes wrong.
//!
//! Where [`run`](crate::run) lets a seed decide, a scene is exact: it counts the calls
//! since it was armed, and lets the chosen one fail, or kills or pauses the worker right
//! there. What comes after is calm, with redelivery as SQS does it.
//!
//! Left out on purpose: the doors. What Stripe and Cognito tell is put on the queues by
//! the scene itself, so that every call that counts is the worker's, the sweep's or an
//! operator's.

mod acts;
mod fault;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::batch::Message;
use tollgate_core::converge::Worker;
use tollgate_core::ledger::Outcome;
use tollgate_core::sweep::sweep;
use tollgate_events::stripe::ACTED_ON;
use tollgate_events::{Envelope, EventRef, Source, cloudtrail, cognito, stripe};
use tollgate_operator::{Act, ActError, OperatorAct};
use tollgate_standin::sqs::Outgoing;
use tollgate_standin::stripe::NewEndpoint;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

pub use acts::Bought;
pub use fault::Fault;
use fault::OneFault;

use crate::operator;
use crate::receipt::Receipt;
use crate::workers::{bind, worker_on};
use crate::world::dawn;

/// How long the worker may take: its deadline, and its lease's end.
const WORKER_TIME: SignedDuration = SignedDuration::from_secs(25);
/// How far ahead a known time still belongs to coming to rest.
const SOON: SignedDuration = SignedDuration::from_hours(2);
/// No flow needs as many deliveries, sweeps and waits.
const ROUNDS: usize = 200;

/// A world, a worker, and the one thing that goes wrong.
pub struct Scene {
    /// The world.
    pub world: World,
    /// The worker.
    pub worker: Worker<World>,
    fault: Arc<OneFault>,
    accepted: RefCell<BTreeMap<EventRef, Envelope>>,
    meanwhile: Cell<Option<fn(&Scene)>>,
    /// An invocation sleeps where it waits: others are other instances'.
    paused: Cell<bool>,
}

impl Default for Scene {
    fn default() -> Self {
        let fault = Arc::new(OneFault::default());
        let world = World::new(dawn(), 1, "https://stripe.invalid", fault.clone());
        let endpoint = NewEndpoint {
            enabled_events: ACTED_ON.iter().map(|kind| (*kind).to_owned()).collect(),
            ..NewEndpoint::for_all("https://tollgate.invalid/webhook")
        };
        world.stripe.account().create_endpoint(endpoint);
        bind(&world);
        let worker = worker_on(&world);
        Self {
            world,
            worker,
            fault,
            accepted: RefCell::default(),
            meanwhile: Cell::default(),
            paused: Cell::default(),
        }
    }
}

impl Scene {
    /// Lets the `call`-th call from now on (from 1) go wrong.
    pub fn arm(&self, call: usize, fault: Fault) {
        self.fault.arm(call, fault);
    }

    /// Lets something happen as soon as the call has gone wrong, before any redelivery.
    pub fn meanwhile(&self, act: fn(&Scene)) {
        self.meanwhile.set(Some(act));
    }

    /// Whether what was to go wrong is still to come.
    pub fn is_armed(&self) -> bool {
        self.fault.is_armed()
    }

    /// Lets time pass, in Stripe too.
    pub fn pass(&self, time: SignedDuration) {
        self.world.stripe.advance_to(self.world.clock.time() + time);
    }

    /// Puts what Stripe and Cognito have to tell on the queues.
    pub fn collect(&self) {
        let now = self.world.clock.time();
        for delivery in self.world.stripe.account().take_pending() {
            if let Ok(stripe::Reading::Envelope(it)) = stripe::read(delivery.body.as_bytes(), now) {
                self.enqueue(EVENTS_QUEUE, &it);
            }
        }
        for record in self.world.cognito.take_cloudtrail() {
            if let Ok(cloudtrail::Record { reading: cloudtrail::Reading::Wake(it), .. }) =
                cloudtrail::read(&record, now)
            {
                self.enqueue(EVENTS_QUEUE, &it);
            }
        }
        for event in self.world.cognito.take_triggers() {
            if let Ok(cognito::Trigger { reading: cognito::Reading::Wake(it), .. }) =
                cognito::read(&event, now)
            {
                self.enqueue(BULK_QUEUE, &it);
            }
        }
    }

    /// Every event that was ever put on a queue.
    pub fn accepted(&self) -> BTreeMap<EventRef, Envelope> {
        self.accepted.borrow().clone()
    }

    /// Puts an envelope on a queue: no call that counts.
    pub fn enqueue(&self, queue: &str, envelope: &Envelope) {
        self.accepted.borrow_mut().insert(envelope.event_ref(), envelope.clone());
        let message = Outgoing {
            body: envelope.encode(),
            group: Some(envelope.group().into_owned()),
            dedup: Some(envelope.deduplication_id()),
        };
        let sent = self.world.sqs.scene(|model, now| model.send_message(queue, message, now));
        sent.expect("the queue is there, and an envelope fits it");
    }

    /// Delivers, waits and sweeps until nothing is left to do for the next hours.
    ///
    /// # Panics
    /// When that does not end.
    pub fn come_to_rest(&self) {
        self.come_to_rest_watched(&mut || ());
    }

    /// As [`come_to_rest`](Self::come_to_rest), with a look wherever the worker waits.
    ///
    /// # Panics
    /// As there.
    pub fn come_to_rest_watched(&self, watch: &mut dyn FnMut()) {
        for _ in 0..ROUNDS {
            self.collect();
            if [EVENTS_QUEUE, BULK_QUEUE].iter().any(|queue| self.deliver(queue, watch)) {
                self.turn();
                continue;
            }
            self.sweep(watch);
            let due = self.next_message().is_some_and(|at| at <= self.world.clock.time());
            if self.turn() || due {
                continue;
            }
            let Some(next) = self.next_time() else { return };
            self.world.stripe.advance_to(next);
        }
        panic!("it never comes to rest");
    }

    /// An operator does something to the only account, and everything comes to rest.
    ///
    /// # Panics
    /// When it is refused, or never succeeds.
    pub fn operate(&self, act: &Act) {
        self.operate_watched(act, &mut || ());
        self.come_to_rest();
    }

    /// An operator does something to the only account, and does it again as long as it seems
    /// to fail; with a look wherever the operator waits.
    ///
    /// # Panics
    /// When it is refused, or never succeeds.
    pub fn operate_watched(&self, act: &Act, watch: &mut dyn FnMut()) {
        let account = self.world.ledger.accounts().swap_remove(0).id;
        let act = OperatorAct { act: act.clone(), by: "otto".into(), why: "a story".into() };
        let before = self.operated();
        for round in 0..ROUNDS {
            match self.drive(operator::act(&self.world, &account, &act), watch) {
                Some(Ok(_)) => return,
                // What seemed to fail had been done.
                Some(Err(ActError::Refused(_))) if self.operated() > before => return,
                Some(Err(ActError::Refused(why))) if round == 0 => panic!("{why}"),
                // What was begun and left is seen to, and then it can be done.
                Some(Err(ActError::Refused(_))) => self.come_to_rest_watched(watch),
                None | Some(Err(_)) => self.pass(SignedDuration::from_secs(30)),
            }
        }
        panic!("the act never succeeds");
    }

    /// How many operators' acts are on record.
    fn operated(&self) -> usize {
        let events = self.world.ledger.events().into_iter();
        events.filter(|event| event.record.event.source == Source::Operator).count()
    }

    /// What was to happen in the meantime happens, if the call has gone wrong by now.
    fn turn(&self) -> bool {
        let act = (!self.is_armed()).then(|| self.meanwhile.take()).flatten();
        act.map(|act| act(self)).is_some()
    }

    /// Lambda's poller: a batch for the worker, if there is one. `watch` is called wherever
    /// the worker waits.
    pub fn deliver(&self, queue: &str, watch: &mut dyn FnMut()) -> bool {
        let received = self.world.sqs.receive(queue, 10).expect("the queue is there");
        let message = |m: &tollgate_standin::sqs::Message| Message {
            id: m.id.clone(),
            group: m.group.clone(),
            body: m.body.clone(),
            again: m.receive_count > 1,
        };
        let batch: Vec<_> = received.iter().map(message).collect();
        if batch.is_empty() {
            return false;
        }
        let deadline = self.world.clock.time() + WORKER_TIME;
        let wakes = self.world.queue();
        let another = self.paused.get().then(|| self.another_worker());
        let worker = another.as_ref().unwrap_or(&self.worker);
        let handled = worker.handle(&wakes, &batch, deadline);
        if let Some(report) = self.drive(handled, watch) {
            for message in &received {
                Receipt::of(message).settle(&self.world, queue, &report);
            }
        }
        true
    }

    /// Lambda lets an instance see to one invocation at a time.
    fn another_worker(&self) -> Worker<World> {
        let Worker { catalog, policy, deriver, .. } = &self.worker;
        Worker {
            catalog: catalog.clone(),
            policy: policy.clone(),
            deriver: deriver.clone(),
            ..worker_on(&self.world)
        }
    }

    fn sweep(&self, watch: &mut dyn FnMut()) {
        let (world, policy) = (&self.world, &self.worker.policy);
        let queue = world.queue();
        // One that failed is made up for by the next.
        let _ = self.drive(sweep(&world.ledger, &queue, &world.clock, policy), watch);
    }

    /// Runs a function to its end, unless it is killed.
    fn drive<T>(&self, function: impl Future<Output = T>, watch: &mut dyn FnMut()) -> Option<T> {
        let mut function = pin!(function);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = function.as_mut().poll(&mut context) {
                return Some(output);
            }
            watch();
            match self.fault.at_yield() {
                Some(Fault::KilledBefore | Fault::KilledAfter) => return None,
                Some(Fault::PausedBefore | Fault::PausedAfter) => {
                    self.turn();
                    let was = self.paused.replace(true);
                    self.come_to_rest_watched(watch);
                    self.paused.set(was);
                }
                Some(Fault::Fails(_) | Fault::AnswerLost) | None => {}
            }
        }
    }

    fn next_message(&self) -> Option<Timestamp> {
        let queues = [EVENTS_QUEUE, BULK_QUEUE].iter();
        queues.filter_map(|queue| self.world.sqs.next_visible_at(queue)).min()
    }

    /// When the next thing happens that rest has to wait for.
    fn next_time(&self) -> Option<Timestamp> {
        let now = self.world.clock.time();
        let reviews = self.world.ledger.accounts().into_iter().filter_map(|a| a.review_at);
        let waiting = self.world.ledger.events().into_iter().filter_map(|event| {
            let waits = event.record.outcome == Outcome::Waiting;
            let since = event.record.envelope().filter(|_| waits).map(|_| event.record.at)?;
            Some(since + self.worker.policy.waiting())
        });
        let next = self.next_message().into_iter().chain(reviews).chain(waiting).map(|at| {
            // What is due and was deduplicated comes again in five minutes at the latest.
            if at > now { at } else { now + SignedDuration::from_secs(301) }
        });
        next.filter(|at| *at <= now + SOON).min()
    }
}
