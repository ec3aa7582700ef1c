//! A Region with Tollgate in it, in real time: batch sizes, concurrency, visibility and receive
//! counts are those of the template, every call takes a while, sleepers wait.
//!
//! Where [`run`](crate::run) lets a seed decide who has the next turn, here everybody goes on as
//! soon as their call is answered: what is measured is time.

use std::sync::Arc;

use crate::gate::{Calm, Faults};
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Access;
use tollgate_core::batch::{BatchReport, Message, park_dead_letters};
use tollgate_core::converge::Worker;
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::{Ledger, Queue, QueueName};
use tollgate_core::share::Share;
use tollgate_core::sweep::sweep;
use tollgate_events::stripe::{Reading, read};
use tollgate_events::{AccountId, cognito};
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::stripe::NewEndpoint;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE};

use crate::actors::address;
use crate::executor::{Executor, block_on};
use crate::market::buy;
use crate::receipt::Receipt;
use crate::workers::worker_on;
use crate::world::dawn;

/// `MaximumConcurrency` of each event source mapping: its least.
const CONCURRENCY: usize = 2;
/// What the queues' event source mappings deliver at once.
const BATCH: usize = 10;
/// The worker's timeout, less what it keeps back.
const LEASE: SignedDuration = SignedDuration::from_secs(27);
/// How often the sweep and the dead letters' function run.
pub(crate) const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// How long a step of a task takes: a call takes two.
const STEP: SignedDuration = SignedDuration::from_millis(8);

/// Which event source mapping an invocation is of; each slot is an instance.
#[derive(Clone, Copy)]
struct Slot {
    queue: &'static str,
    worker: usize,
}

/// Something that watches the world, or acts in it, as time passes.
pub(crate) trait Neighbour {
    /// Told at every step; when it wants to be told next at the latest.
    fn turn(&mut self, world: &World) -> Option<Timestamp>;
}

/// Nobody else is there.
pub(crate) struct Nobody;

impl Neighbour for Nobody {
    fn turn(&mut self, _: &World) -> Option<Timestamp> {
        None
    }
}

/// The Region.
pub(crate) struct Region {
    pub(crate) world: World,
    workers: Vec<&'static Worker<World>>,
    tasks: Executor<Slot, (BatchReport, Vec<Receipt>)>,
    idle: Vec<Slot>,
    minute_next: Timestamp,
    /// Messages that became dead letters.
    pub(crate) dead_letters: usize,
    /// Events that were put off.
    pub(crate) deferred: usize,
}

impl Region {
    /// A Region in which nobody has signed up yet.
    pub(crate) fn new(seed: u64) -> Self {
        let clock = VirtualClock::starting_at(dawn()).with_sleepers();
        let faults: Arc<dyn Faults> = Arc::new(Calm);
        let world = World::on(clock, seed, "https://stripe.invalid", faults);
        let endpoint = NewEndpoint::for_all("https://tollgate.invalid/webhook");
        world.stripe.account().create_endpoint(endpoint);
        let slots = [EVENTS_QUEUE, BULK_QUEUE].into_iter().flat_map(|q| [q; CONCURRENCY]);
        let idle: Vec<_> =
            slots.enumerate().map(|(worker, queue)| Slot { queue, worker }).collect();
        let share = u32::try_from(idle.len()).expect("it is four");
        let worker = || {
            let worker = worker_on(&world);
            let share = Share::of(&worker.policy, share);
            // Actors as long as the process, as in Lambda.
            &*Box::leak(Box::new(Worker { share, ..worker }))
        };
        Self {
            workers: idle.iter().map(|_| worker()).collect(),
            tasks: Executor::default(),
            idle,
            minute_next: world.clock.time() + MINUTE,
            dead_letters: 0,
            deferred: 0,
            world,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.time()
    }

    /// Somebody signs up; the event is on the queue.
    pub(crate) fn signs_up(&self, name: &str) -> AccountId {
        let user = self.world.cognito.sign_up_confirmed(name, &address(name)).expect("free");
        self.carry_triggers();
        user
    }

    /// Somebody signs up, and subscribes to what a lookup key names; the account and the
    /// subscription. The events are on the queues.
    pub(crate) fn subscribes(&self, name: &str, lookup_key: &str) -> (AccountId, String) {
        let payer = self.signs_up(name);
        let subscription = buy(&self.world, &self.workers[0].deriver, &payer, lookup_key);
        self.carry_webhooks();
        (payer, subscription)
    }

    /// A subscription changes to another price; its events are on the queue.
    pub(crate) fn changes(&self, subscription: &str, lookup_key: &str) {
        {
            let mut stripe = self.world.stripe.account();
            let price = stripe.price_by_lookup_key(lookup_key).expect("sold").id.clone();
            stripe.change_price(subscription, &price).expect("it is live");
        }
        self.carry_webhooks();
    }

    pub(crate) fn carry_triggers(&self) {
        for event in self.world.cognito.take_triggers() {
            let read = cognito::read(&event, self.now());
            if let Ok(cognito::Trigger { reading: cognito::Reading::Wake(envelope), .. }) = read {
                block_on(self.world.queue().send(QueueName::Bulk, &envelope)).expect("it is up");
            }
        }
    }

    fn carry_webhooks(&self) {
        let pending = self.world.stripe.account().take_pending();
        for delivery in pending {
            let read = read(delivery.body.as_bytes(), self.now());
            if let Ok(Reading::Envelope(envelope)) = read {
                block_on(self.world.queue().send(QueueName::Events, &envelope)).expect("it is up");
            }
        }
    }

    pub(crate) fn access(&self, account: &AccountId) -> Option<Access> {
        let found = block_on(self.world.ledger.account(account)).expect("nothing fails");
        found.map(|account| account.access)
    }

    /// Nothing on the queues, nobody at work, nothing due.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.tasks.is_empty()
            && [EVENTS_QUEUE, BULK_QUEUE].iter().all(|queue| self.world.sqs.is_empty(queue))
            && self.world.ledger.accounts().iter().all(|account| account.review_at.is_none())
    }

    /// Runs the world until that is so, or that time has come.
    pub(crate) fn until(
        &mut self,
        latest: Timestamp,
        neighbour: &mut dyn Neighbour,
        enough: impl Fn(&Self) -> bool,
    ) {
        while self.now() < latest && !enough(self) {
            self.step(neighbour);
        }
    }

    fn step(&mut self, neighbour: &mut dyn Neighbour) {
        self.on_the_minute();
        let neighbours = neighbour.turn(&self.world);
        self.invoke();
        let mut place = 0;
        let mut busy = false;
        while place < self.tasks.len() {
            match self.tasks.poll(place) {
                Some((slot, (report, receipts))) => {
                    busy = true;
                    self.done(slot, &report, receipts);
                }
                None => place += 1,
            }
        }
        if self.tasks.take_ready() || busy {
            return self.world.clock.advance(STEP);
        }
        // Everybody waits: for the control plane, or for something to do.
        let queues = [EVENTS_QUEUE, BULK_QUEUE].into_iter();
        let messages = queues.filter_map(|queue| self.world.sqs.next_visible_at(queue));
        let messages = messages.filter(|at| *at > self.now());
        let known = [self.minute_next].into_iter().chain(neighbours).chain(messages);
        let next = known.chain(self.world.clock.next_wake()).min();
        self.world.clock.advance_to(next.expect("the minute comes"));
    }

    fn on_the_minute(&mut self) {
        if self.now() < self.minute_next {
            return;
        }
        self.minute_next = self.now() + MINUTE;
        let (world, policy) = (&self.world, &self.workers[0].policy);
        block_on(sweep(&world.ledger, &world.queue(), &world.clock, policy)).expect("it is up");
        for queue in DEAD_LETTER_QUEUES {
            let received = world.sqs.receive(queue, BATCH).expect("the queue is there");
            self.dead_letters += received.len();
            let messages: Vec<_> = received
                .iter()
                .map(|m| Message {
                    id: m.id.clone(),
                    group: m.group.clone(),
                    body: m.body.clone(),
                    again: m.receive_count > 1,
                })
                .collect();
            block_on(park_dead_letters(&world.ledger, &world.clock, &messages));
            for message in received {
                let _ = world.sqs.delete(queue, &message.receipt);
            }
        }
    }

    /// Every idle instance takes what its queue has.
    fn invoke(&mut self) {
        let idle = std::mem::take(&mut self.idle);
        for slot in idle {
            let received = self.world.sqs.receive(slot.queue, BATCH).expect("the queue is there");
            if received.is_empty() {
                self.idle.push(slot);
                continue;
            }
            let receipts = received.iter().map(Receipt::of).collect();
            let messages: Vec<_> = received
                .into_iter()
                .map(|m| Message {
                    id: m.id,
                    group: m.group,
                    body: m.body,
                    again: m.receive_count > 1,
                })
                .collect();
            let worker = self.workers[slot.worker];
            let deadline = self.now() + LEASE;
            let queue = self.world.queue();
            self.tasks.spawn(slot, async move {
                (worker.handle(&queue, &messages, deadline).await, receipts)
            });
        }
    }

    fn done(&mut self, slot: Slot, report: &BatchReport, receipts: Vec<Receipt>) {
        self.idle.push(slot);
        self.deferred += report.outcomes.get(&Outcome::Deferred).copied().unwrap_or(0);
        for receipt in receipts {
            receipt.settle(&self.world, slot.queue, report);
        }
    }
}
