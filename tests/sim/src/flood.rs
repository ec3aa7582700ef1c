//! A flood of sign-ups against API Gateway's wall, and one customer who pays in the middle.
//!
//! Real batch sizes, concurrency, visibility and receive counts; every call takes a while,
//! sleepers wait, and the stand-in's control plane lets ten calls a second through and no
//! more, of which the seller's own deployments take their part.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tollgate_billing::account::{Access, KeyId, PlanId};
use tollgate_billing::batch::{BatchReport, Message, park_dead_letters};
use tollgate_billing::control_plane::ControlPlane;
use tollgate_billing::converge::Worker;
use tollgate_billing::ledger::Outcome;
use tollgate_billing::ports::{ApiGateway, Class, Ledger, Queue, QueueName, Service};
use tollgate_billing::sweep::sweep;
use tollgate_events::stripe::{Reading, read};
use tollgate_events::{AccountId, cognito};
use tollgate_standin::api_gateway::Wall;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::gate::{Call, Fair, Weather};
use tollgate_standin::stripe::{Card, NewCustomer, NewEndpoint, NewSession, SubscriptionData};
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, World};

use crate::executor::{Executor, block_on};
use crate::lives::address;
use crate::run::{dawn, worker_on};

/// `MaximumConcurrency` of each event source mapping: its least.
const CONCURRENCY: usize = 2;
/// What the queues' event source mappings deliver at once.
const BATCH: usize = 10;
/// The worker's timeout, less what it keeps back.
const LEASE: SignedDuration = SignedDuration::from_secs(27);
/// How often the sweep and the dead letters' function run.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// How long a step of a task takes: a call takes two.
const STEP: SignedDuration = SignedDuration::from_millis(8);
/// How often the seller's own deployments call the control plane.
const OWNERS_PACE: SignedDuration = SignedDuration::from_millis(500);

/// What they ask for.
const OWNERS_KEY: &str = "owners";

/// What a flood came to.
#[derive(Debug)]
pub struct FloodReport {
    /// How many signed up.
    pub sign_ups: usize,
    /// From the payment's event on the queue to the key on its new plan.
    pub upgrade_took: SignedDuration,
    /// From the first sign-up to the last key.
    pub flood_took: SignedDuration,
    /// Keys on the free plan in the end.
    pub served: usize,
    /// Control-plane calls that Tollgate made.
    pub calls: usize,
    /// Those that the wall refused.
    pub throttled: usize,
    /// Of the seller's own calls, those that the wall refused.
    pub owner_throttled: usize,
    /// Messages that became dead letters.
    pub dead_letters: usize,
    /// Events that were put off.
    pub deferred: usize,
}

/// Which event source mapping an invocation is of; each slot is an instance.
#[derive(Clone, Copy)]
struct Slot {
    queue: &'static str,
    worker: usize,
}

struct Flood {
    world: World,
    workers: Vec<&'static Worker<World>>,
    tasks: Executor<Slot, (BatchReport, Vec<(String, String)>)>,
    idle: Vec<Slot>,
    report: FloodReport,
    owner_next: Timestamp,
    minute_next: Timestamp,
}

/// Floods a world with sign-ups, in the middle of which somebody upgrades.
pub fn flood(sign_ups: usize) -> FloodReport {
    let mut flood = Flood::new(sign_ups);
    let (payer, upgrade) = flood.somebody_who_pays();
    let start = flood.world.clock.time();
    for n in 0..sign_ups {
        flood
            .world
            .cognito
            .sign_up_confirmed(&format!("u{n}"), &address(&format!("u{n}")))
            .expect("free");
    }
    flood.carry_triggers();
    // The flood is under way when somebody pays for more.
    flood.until(start + MINUTE, |_| false);
    upgrade(&flood.world);
    flood.carry_webhooks();
    let paid = flood.world.clock.time();
    let pro = |access: &Access| access.plan.as_ref().is_some_and(|plan| plan.as_str() == "pro");
    flood.until(paid + MINUTE * 60, |flood| flood.access(&payer).is_some_and(|it| pro(&it)));
    flood.report.upgrade_took = flood.world.clock.time().duration_since(paid);
    flood.until(start + MINUTE * 60 * 24, Flood::is_calm);
    flood.report.flood_took = flood.world.clock.time().duration_since(start);
    flood.end()
}

impl Flood {
    fn new(sign_ups: usize) -> Self {
        let clock = VirtualClock::starting_at(dawn()).with_sleepers();
        let weather: Arc<dyn Weather> = Arc::new(Fair);
        let world = World::on(clock, 1, "https://stripe.invalid", weather);
        let endpoint = NewEndpoint::for_all("https://tollgate.invalid/webhook");
        world.stripe.account().create_endpoint(endpoint);
        let slots = [EVENTS_QUEUE, BULK_QUEUE].into_iter().flat_map(|q| [q; CONCURRENCY]);
        let idle: Vec<_> =
            slots.enumerate().map(|(worker, queue)| Slot { queue, worker }).collect();
        let share = u32::try_from(idle.len()).expect("it is four");
        let worker = || {
            let worker = worker_on(&world);
            let control_plane = ControlPlane::share(&worker.policy, share);
            // Lives as long as the process, as in Lambda.
            &*Box::leak(Box::new(Worker { control_plane, ..worker }))
        };
        let now = world.clock.time();
        Self {
            workers: idle.iter().map(|_| worker()).collect(),
            tasks: Executor::default(),
            idle,
            report: FloodReport {
                sign_ups,
                upgrade_took: SignedDuration::ZERO,
                flood_took: SignedDuration::ZERO,
                served: 0,
                calls: 0,
                throttled: 0,
                owner_throttled: 0,
                dead_letters: 0,
                deferred: 0,
            },
            owner_next: now,
            minute_next: now + MINUTE,
            world,
        }
    }

    /// A customer on basic, at rest, and what makes them upgrade.
    fn somebody_who_pays(&mut self) -> (AccountId, impl FnOnce(&World) + use<>) {
        let world = self.world.clone();
        let payer = world.cognito.sign_up_confirmed("payer", "p@example.com").expect("free");
        let metadata = self.workers[0].deriver.name(&payer).to_metadata();
        let subscription = {
            let mut stripe = world.stripe.account();
            let customer = stripe.create_customer(NewCustomer::default());
            let price = stripe.price_by_lookup_key("basic_monthly").expect("sold").id.clone();
            let data =
                SubscriptionData { metadata: metadata.clone(), ..SubscriptionData::default() };
            let session = NewSession {
                customer: Some(customer),
                metadata,
                subscription_data: data,
                ..NewSession::for_price(&price)
            };
            let session = stripe.open_checkout(session).expect("the customer is there");
            stripe.complete_checkout(&session, Card::Pays).expect("it is open")
        };
        self.carry_triggers();
        self.carry_webhooks();
        let soon = self.world.clock.time() + MINUTE * 10;
        self.until(soon, Self::is_calm);
        self.world.api_gateway.set_wall(Some(Wall::default()));
        self.world.gate.take_calls();
        let upgrade = move |world: &World| {
            let mut stripe = world.stripe.account();
            let pro = stripe.price_by_lookup_key("pro_monthly").expect("sold").id.clone();
            stripe.change_price(&subscription, &pro).expect("it is live");
        };
        (payer, upgrade)
    }

    fn carry_triggers(&self) {
        for event in self.world.cognito.take_triggers() {
            let read = cognito::read(&event, self.world.clock.time());
            if let Ok(cognito::Trigger { reading: cognito::Reading::Wake(envelope), .. }) = read {
                block_on(self.world.queue().send(QueueName::Bulk, &envelope)).expect("it is up");
            }
        }
    }

    fn carry_webhooks(&self) {
        let pending = self.world.stripe.account().take_pending();
        for delivery in pending {
            let read = read(delivery.body.as_bytes(), self.world.clock.time());
            if let Ok(Reading::Envelope(envelope)) = read {
                block_on(self.world.queue().send(QueueName::Events, &envelope)).expect("it is up");
            }
        }
    }

    fn access(&self, account: &AccountId) -> Option<Access> {
        let found = block_on(self.world.ledger.account(account)).expect("the weather is fair");
        found.map(|account| account.access)
    }

    /// Nothing on the queues, nobody at work, nothing due.
    fn is_calm(&self) -> bool {
        self.tasks.is_empty()
            && [EVENTS_QUEUE, BULK_QUEUE].iter().all(|queue| self.world.sqs.is_empty(queue))
            && self.world.ledger.accounts().iter().all(|account| account.review_at.is_none())
    }

    /// Runs the world until that is so, or that time has come.
    fn until(&mut self, latest: Timestamp, enough: impl Fn(&Self) -> bool) {
        while self.world.clock.time() < latest && !enough(self) {
            self.step();
        }
    }

    fn step(&mut self) {
        self.on_the_minute();
        self.owners_deployments();
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
        let known = [self.owner_next, self.minute_next].into_iter();
        let next = known.chain(self.world.clock.next_wake()).min();
        self.world.clock.advance_to(next.expect("the minute comes"));
    }

    fn on_the_minute(&mut self) {
        if self.world.clock.time() < self.minute_next {
            return;
        }
        self.minute_next = self.world.clock.time() + MINUTE;
        let (world, policy) = (&self.world, &self.workers[0].policy);
        block_on(sweep(&world.ledger, &world.queue(), &world.clock, policy)).expect("it is up");
        for queue in DEAD_LETTER_QUEUES {
            let received = world.sqs.receive(queue, BATCH).expect("the queue is there");
            self.report.dead_letters += received.len();
            let messages: Vec<_> = received
                .iter()
                .map(|m| Message { id: m.id.clone(), group: m.group.clone(), body: m.body.clone() })
                .collect();
            block_on(park_dead_letters(&world.ledger, &world.clock, &messages));
            for message in received {
                let _ = world.sqs.delete(queue, &message.receipt);
            }
        }
    }

    fn owners_deployments(&mut self) {
        if self.world.clock.time() < self.owner_next {
            return;
        }
        self.owner_next = self.world.clock.time() + OWNERS_PACE;
        let key = KeyId::parse(OWNERS_KEY).expect("it is an id");
        if let Err(error) = block_on(self.world.api_gateway.plans_of(&key)) {
            let throttled = matches!(error.class, Class::Throttled { .. });
            self.report.owner_throttled += usize::from(throttled);
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
            let receipts = received.iter().map(|m| (m.id.clone(), m.receipt.clone())).collect();
            let messages: Vec<_> = received
                .into_iter()
                .map(|m| Message { id: m.id, group: m.group, body: m.body })
                .collect();
            let worker = self.workers[slot.worker];
            let deadline = self.world.clock.time() + LEASE;
            self.tasks
                .spawn(slot, async move { (worker.handle(&messages, deadline).await, receipts) });
        }
    }

    fn done(&mut self, slot: Slot, report: &BatchReport, receipts: Vec<(String, String)>) {
        self.idle.push(slot);
        self.report.deferred += report.outcomes.get(&Outcome::Deferred).copied().unwrap_or(0);
        for (id, receipt) in receipts {
            if !report.failed.contains(&id) {
                let _ = self.world.sqs.delete(slot.queue, &receipt);
            }
        }
    }

    fn end(mut self) -> FloodReport {
        let calls = self.world.gate.take_calls();
        let ours = |call: &&Call| call.service == Service::ApiGateway && call.subject != OWNERS_KEY;
        self.report.calls = calls.iter().filter(ours).count();
        self.report.throttled = self.world.api_gateway.throttled() - self.report.owner_throttled;
        let free = PlanId::parse("free").expect("it is an id");
        let accounts = self.world.ledger.accounts();
        let served = accounts.iter().filter(|account| {
            account.key().is_some() && account.access.plan.as_ref() == Some(&free)
        });
        self.report.served = served.count();
        self.report
    }
}
