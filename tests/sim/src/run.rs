//! One seed's run: the storm, the fair weather after it, and what carries events.
//!
//! What Lambda, SQS's poller, EventBridge and Stripe's webhook sender do is done here:
//! each invocation is a task that runs from await to await in an order that the seed
//! chooses, and dies at its deadline or wherever the seed kills it. A worker is killed
//! at its deadline at the latest, which is how the real one keeps its promise that no
//! step starts, and no call lands, after its lease.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;
use serde_json::Value;
use tollgate_billing::account_api::AccountApi;
use tollgate_billing::batch::{BatchReport, Message, park_dead_letters};
use tollgate_billing::converge::Worker;
use tollgate_billing::derive::Deriver;
use tollgate_billing::ingress::{self, DEFAULT_TOLERANCE, PoolEvent, PoolIngress, Webhook};
use tollgate_billing::ledger::Outcome;
use tollgate_billing::ports::{PortResult, Queue, QueueName};
use tollgate_billing::sweep::{SweepReport, sweep};
use tollgate_events::stripe::{ACTED_ON, SigningSecret};
use tollgate_events::{AccountId, CustomerId, Envelope, EventRef, Via};
use tollgate_standin::bugs::Bug;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::sqs::SqsPort;
use tollgate_standin::stripe::{Answer, Delivery, NewEndpoint};
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, POOL_ID, World};

use crate::executor::{Executor, block_on};
use crate::faults::Storm;
use crate::lives::{Lives, Stage};
use crate::mistakes::Mistakes;
use crate::oracle::{self, Violation};
use crate::watch::{Polled, Watch};

/// How long a worker may take: its deadline, and its lease's end.
const WORKER_TIME: SignedDuration = SignedDuration::from_secs(25);
/// Both queues, as the worker's event source mappings name them.
const QUEUES: [&str; 2] = [EVENTS_QUEUE, BULK_QUEUE];
/// How far ahead a known time still belongs to coming to rest: second looks, waiting
/// events, users who were not found.
const SOON: SignedDuration = SignedDuration::from_hours(2);

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was found wrong.
    pub violations: Vec<Violation>,
    /// Simulated days.
    pub days: i64,
    /// Events that were accepted.
    pub events: usize,
    /// Calls that failed.
    pub faults: usize,
    /// Tasks that were killed.
    pub kills: usize,
    /// Keys that were made.
    pub mints: usize,
    /// Times that a key was put on a usage plan.
    pub switches: usize,
    /// What happened, line by line.
    pub transcript: Vec<String>,
    /// A digest of the transcript, of every call, and of the ledger in the end.
    pub digest: u64,
}

/// What a task is about: enough to know what its death means.
enum Label {
    Worker,
    Webhook(Box<Delivery>),
    Trigger,
    Cloudtrail(Value),
    Sweep,
    DeadLetters,
}

/// A label with the time at which the task dies.
struct Lease {
    label: Label,
    deadline: Timestamp,
    /// Sets it apart from every other.
    number: usize,
    /// When it was last polled.
    polled: Timestamp,
    /// Its time is over, and it lives on.
    late: bool,
}

/// What a task came to.
enum Done {
    Batch(BatchReport, &'static str, Vec<(String, String)>),
    Webhook(ingress::Delivery),
    Pool(PoolEvent),
    Sweep(PortResult<SweepReport>),
}

/// A run under way.
pub struct Sim {
    /// The seed.
    pub seed: u64,
    /// The world.
    pub world: World,
    /// Who lives in it.
    pub lives: Lives,
    /// Every event that was accepted: by its name, as it was accepted first.
    pub accepted: BTreeMap<EventRef, Envelope>,
    /// Every key's value that was ever there, by the key's id.
    pub values: BTreeMap<String, String>,
    /// Every link as first seen.
    pub links: BTreeMap<CustomerId, AccountId>,
    /// Every message body that was ever received.
    pub bodies: Vec<String>,
    /// Whether what was parked has been replayed in fair weather: from then on a parked
    /// event is no excuse for a live account.
    pub replayed: bool,
    /// What was found wrong on the way.
    pub violations: Vec<Violation>,
    rng: ChaCha8Rng,
    storm: Arc<Storm>,
    api: AccountApi<World>,
    worker: Rc<Worker<World>>,
    webhook: Rc<Webhook<SqsPort, VirtualClock>>,
    pool: Rc<PoolIngress<SqsPort, VirtualClock>>,
    tasks: Executor<Lease, Done>,
    in_hand: BTreeSet<String>,
    sent: Vec<Delivery>,
    cloudtrail: Vec<Value>,
    triggers: Vec<Value>,
    transcript: Vec<String>,
    kills: usize,
    spawned: usize,
    mistakes: Mistakes,
    watch: Watch,
    start: Timestamp,
}

/// When every world begins.
pub fn dawn() -> Timestamp {
    "2026-01-15T09:00:00Z".parse().expect("it is a timestamp")
}

/// A worker on a world, as the sample API's seller would deploy it.
pub fn worker_on(world: &World) -> Worker<World> {
    let secret = SecretString::from("simulated-0123456789abcdef0123456789abcdef");
    let file = world.catalog();
    Worker {
        ports: world.clone(),
        catalog: file.catalog,
        policy: file.policy,
        deriver: Deriver::new(BTreeMap::from([(1, secret)])).expect("it is long enough"),
        stack: "sim".into(),
        livemode: false,
    }
}

/// Runs a seed from its first act to its verdict.
pub fn run(seed: u64) -> Report {
    run_with(seed, None)
}

/// Runs a seed in a world in which a bug may be planted.
pub fn run_with(seed: u64, bug: Option<Bug>) -> Report {
    let mut sim = Sim::new(seed);
    if let Some(bug) = bug {
        sim.plant(bug);
    }
    sim.storm();
    sim.settle();
    sim.judge();
    sim.replay_what_is_stuck();
    sim.judge();
    sim.judge_what_is_stuck();
    sim.replay_everything();
    sim.report()
}

impl Sim {
    /// A world at its beginning.
    pub fn new(seed: u64) -> Self {
        let storm = Arc::new(Storm::new(seed));
        let world = World::new(dawn(), seed, "https://stripe.invalid", storm.clone());
        let enabled_events = ACTED_ON.iter().map(|kind| (*kind).to_owned());
        let endpoint = NewEndpoint {
            enabled_events: enabled_events.chain(["invoice.created".to_owned()]).collect(),
            ..NewEndpoint::for_all("https://tollgate.invalid/webhook")
        };
        let (_, secret) = world.stripe.account().create_endpoint(endpoint);
        let secret = SigningSecret::new(secret).expect("the stand-in's secrets are ASCII");
        let (queue, clock) = (world.queue(), world.clock.clone());
        let webhook = Webhook {
            secrets: vec![secret],
            tolerance: DEFAULT_TOLERANCE,
            queue: queue.clone(),
            clock: clock.clone(),
        };
        let api =
            AccountApi { worker: worker_on(&world), return_url: "https://api.invalid".into() };
        Self {
            seed,
            lives: Lives::default(),
            accepted: BTreeMap::new(),
            values: BTreeMap::new(),
            links: BTreeMap::new(),
            bodies: Vec::new(),
            replayed: false,
            violations: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            storm,
            api,
            worker: Rc::new(worker_on(&world)),
            webhook: Rc::new(webhook),
            pool: Rc::new(PoolIngress { pool_id: POOL_ID.into(), queue, clock }),
            tasks: Executor::default(),
            in_hand: BTreeSet::new(),
            sent: Vec::new(),
            cloudtrail: Vec::new(),
            triggers: Vec::new(),
            transcript: Vec::new(),
            kills: 0,
            spawned: 0,
            mistakes: Mistakes::default(),
            watch: Watch::default(),
            start: world.clock.time(),
            world,
        }
    }

    fn plant(&mut self, bug: Bug) {
        self.world.plant(bug);
        if bug == Bug::StrangerTrusted {
            let mut worker = worker_on(&self.world);
            worker.policy.trust_payment_links = true;
            self.worker = Rc::new(worker);
        }
    }

    // ------------------------------------------------------------ the storm

    /// Lives, failures and deaths, in an order that follows from the seed.
    pub fn storm(&mut self) {
        let mut acts = self.rng.random_range(8..60);
        let kills = self.rng.random_bool(0.7);
        let lag = SignedDuration::from_secs(self.rng.random_range(0..3) * 4);
        self.world.cognito.set_list_lag(lag);
        while acts > 0 {
            self.world.clock.advance(SignedDuration::from_millis(self.rng.random_range(0..300)));
            self.bury();
            match self.rng.random_range(0..1000) {
                0..700 => self.poll(),
                700..708 if kills => self.kill(),
                700..760 => self.receive(),
                760..790 => {
                    acts -= 1;
                    self.act();
                }
                790..890 => self.carry_webhook(),
                890..950 => self.carry_pool(),
                950..956 => self.spawn_sweep(),
                956..962 => {
                    self.drain_dead_letters();
                }
                962..965 => self.resend(),
                _ => self.let_time_pass(),
            }
        }
    }

    fn act(&mut self) {
        let mut stage = Stage { world: &self.world, api: &self.api, rng: &mut self.rng };
        let told = self.lives.act(&mut stage);
        if let Some(told) = told {
            self.tell(&told);
        }
        self.look();
    }

    /// Time passes: seconds and minutes at any time; hours and days only while nothing
    /// is under way, since queues forget after four days and Stripe gives up after three.
    fn let_time_pass(&mut self) {
        let quiet = self.tasks.is_empty()
            && QUEUES.iter().chain(&DEAD_LETTER_QUEUES).all(|queue| self.world.sqs.is_empty(queue))
            && self.pick_delivery().is_none()
            && self.cloudtrail.is_empty();
        let seconds = match self.rng.random_range(0..10) {
            0..8 if !self.tasks.is_empty() => self.rng.random_range(1..6),
            _ if !quiet => self.rng.random_range(1..240),
            0..4 => self.rng.random_range(1..3600),
            4..8 => self.rng.random_range(3600..90_000),
            _ => self.rng.random_range(90_000..900_000),
        };
        let later = self.world.clock.time() + SignedDuration::from_secs(seconds);
        let due = self.world.ledger.accounts().into_iter().filter_map(|account| account.review_at);
        let known = due.min().filter(|at| quiet && *at > self.world.clock.time());
        let later = known.filter(|_| self.rng.random_bool(0.3)).unwrap_or(later);
        // Stripe's own retries are made in time, not when the seed happens to look.
        let retry = self.world.stripe.account().next_delivery();
        let retry = retry.filter(|at| quiet && *at > self.world.clock.time());
        let later = retry.map_or(later, |at| later.min(at));
        self.world.stripe.advance_to(later);
        if seconds > 240 {
            self.tell("time passes");
        }
    }

    /// A poll of one task, chosen by the seed.
    fn poll(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.tasks.len());
        let before = self.world.gate.count();
        let now = self.world.clock.time();
        let lease = self.tasks.label_mut(place);
        let (task, late) = (lease.number, lease.late);
        let polled = Polled { task, late, before: std::mem::replace(&mut lease.polled, now) };
        self.storm.late(late);
        let done = self.tasks.poll(place);
        self.storm.late(false);
        let calls = self.world.gate.calls_since(before);
        for problem in self.watch.look(&self.world, polled, &calls) {
            self.violate(6, problem);
        }
        if let Some((lease, done)) = done {
            self.done(lease.label, done);
        }
    }

    fn kill(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.tasks.len());
        self.kill_at(place);
    }

    /// Kills every task whose time is over.
    fn bury(&mut self) {
        let now = self.world.clock.time();
        while let Some(place) = self.tasks.position(|lease| lease.deadline <= now) {
            let lives_on = self.rng.random_bool(0.3);
            let lease = self.tasks.label_mut(place);
            if lives_on && !lease.late && matches!(lease.label, Label::Worker) {
                lease.late = true;
                lease.deadline = now + WORKER_TIME;
                self.tell("a worker lives on after its time");
            } else {
                self.kill_at(place);
            }
        }
    }

    fn kill_at(&mut self, place: usize) {
        self.kills += 1;
        let label = self.tasks.kill(place).label;
        self.tell(&format!("{} is killed", label.name()));
        match label {
            Label::Webhook(delivery) => self.answer(&delivery, Answer::None),
            // EventBridge tries again; a trigger is called once more at most, and is lost.
            Label::Cloudtrail(record) => self.cloudtrail.push(record),
            Label::Worker | Label::Trigger | Label::Sweep | Label::DeadLetters => {}
        }
    }

    // --------------------------------------------------------- what carries

    fn carry_webhook(&mut self) {
        if let Some(delivery) = self.pick_delivery() {
            self.in_hand.insert(delivery.event.clone());
            self.send(delivery);
        }
    }

    /// A delivery that is due, and not under way: any, but none for ever.
    fn pick_delivery(&mut self) -> Option<Delivery> {
        let due = self.world.stripe.account().due_deliveries();
        let mut due: Vec<_> =
            due.into_iter().filter(|delivery| !self.in_hand.contains(&delivery.event)).collect();
        if due.is_empty() {
            return None;
        }
        let place = self.rng.random_range(0..due.len());
        let place = if due.len() > 40 { 0 } else { place };
        Some(due.swap_remove(place))
    }

    fn send(&mut self, delivery: Delivery) {
        let signature = self.world.stripe.account().sign(&delivery);
        let (webhook, body) = (self.webhook.clone(), delivery.body.clone());
        self.spawn(Label::Webhook(Box::new(delivery)), async move {
            Done::Webhook(webhook.accept(Some(&signature), body.as_bytes()).await)
        });
    }

    /// A delivery that succeeded comes once more.
    fn resend(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.sent.len());
        let delivery = self.sent[place].clone();
        self.send(delivery);
    }

    fn answer(&mut self, delivery: &Delivery, answer: Answer) {
        self.in_hand.remove(&delivery.event);
        let mut stripe = self.world.stripe.account();
        let Some(event) = stripe.event(&delivery.event) else { return };
        // No event is lost for good: the last attempts go on until one succeeds.
        let late = stripe.now().duration_since(event.created) > SignedDuration::from_hours(36);
        if !late || matches!(answer, Answer::Status(200..=299)) {
            stripe.settle(delivery, answer);
        }
    }

    fn collect(&mut self) {
        self.triggers.extend(self.world.cognito.take_triggers());
        self.cloudtrail.extend(self.world.cognito.take_cloudtrail());
    }

    fn carry_pool(&mut self) {
        self.collect();
        let pool = self.pool.clone();
        let count = self.triggers.len() + self.cloudtrail.len();
        if count == 0 {
            return;
        }
        let place = self.rng.random_range(0..count);
        if place < self.triggers.len() {
            let event = self.triggers.swap_remove(place);
            self.spawn(Label::Trigger, async move { Done::Pool(pool.trigger(&event).await) });
        } else {
            let record = self.cloudtrail.swap_remove(place - self.triggers.len());
            // EventBridge delivers at least once.
            if self.rng.random_bool(0.1) {
                self.cloudtrail.push(record.clone());
            }
            let label = Label::Cloudtrail(record.clone());
            self.spawn(label, async move { Done::Pool(pool.cloudtrail(&record).await) });
        }
    }

    fn receive(&mut self) {
        let queue = QUEUES[self.rng.random_range(0..QUEUES.len())];
        let max = self.rng.random_range(1..=10);
        self.receive_from(queue, max);
    }

    /// Lambda's poller: receives a batch and invokes the worker with it.
    fn receive_from(&mut self, queue: &'static str, max: usize) -> bool {
        let received = self.world.sqs.receive(queue, max).expect("the queue is there");
        if received.is_empty() {
            return false;
        }
        let (dropped, received): (Vec<_>, Vec<_>) =
            received.into_iter().partition(|message| self.mistakes.drop(&self.world, message));
        for message in dropped {
            let _ = self.world.sqs.delete(queue, &message.receipt);
        }
        let (messages, receipts) = self.take(received);
        let worker = self.worker.clone();
        let deadline = self.world.clock.time() + WORKER_TIME;
        self.spawn(Label::Worker, async move {
            Done::Batch(worker.handle(&messages, deadline).await, queue, receipts)
        });
        true
    }

    fn take(
        &mut self,
        received: Vec<tollgate_standin::sqs::Message>,
    ) -> (Vec<Message>, Vec<(String, String)>) {
        self.bodies.extend(received.iter().map(|message| message.body.clone()));
        let receipts = received.iter().map(|m| (m.id.clone(), m.receipt.clone())).collect();
        let messages = received
            .into_iter()
            .map(|m| Message { id: m.id, group: m.group, body: m.body })
            .collect();
        (messages, receipts)
    }

    fn spawn_sweep(&mut self) {
        let world = self.world.clone();
        let policy = self.worker.policy.clone();
        self.spawn(Label::Sweep, async move {
            Done::Sweep(sweep(&world.ledger, &world.queue(), &world.clock, &policy).await)
        });
    }

    fn drain_dead_letters(&mut self) -> bool {
        let mut any = false;
        for queue in DEAD_LETTER_QUEUES {
            let received = self.world.sqs.receive(queue, 10).expect("the queue is there");
            if received.is_empty() {
                continue;
            }
            any = true;
            if self.world.gate.has(Bug::DeadLettersDropped) {
                for message in received {
                    let _ = self.world.sqs.delete(queue, &message.receipt);
                }
                continue;
            }
            let (messages, receipts) = self.take(received);
            let world = self.world.clone();
            self.spawn(Label::DeadLetters, async move {
                let report = park_dead_letters(&world.ledger, &world.clock, &messages).await;
                Done::Batch(report, queue, receipts)
            });
        }
        any
    }

    fn spawn(&mut self, label: Label, task: impl Future<Output = Done> + 'static) {
        let deadline = self.world.clock.time() + WORKER_TIME;
        self.spawned += 1;
        let polled = self.world.clock.time();
        let lease = Lease { label, deadline, number: self.spawned, polled, late: false };
        self.tasks.spawn(lease, task);
    }

    /// What follows from a task's end.
    fn done(&mut self, label: Label, done: Done) {
        match (label, done) {
            (_, Done::Batch(report, queue, receipts)) => {
                let line =
                    format!("{queue}: {:?}, failed {}", report.outcomes, report.failed.len());
                self.tell(&line);
                for (id, receipt) in receipts {
                    if !report.failed.contains(&id) || self.world.gate.has(Bug::BatchDeleted) {
                        // Too late is no harm: the message comes again.
                        let _ = self.world.sqs.delete(queue, &receipt);
                    }
                }
                self.look();
            }
            (Label::Webhook(delivery), Done::Webhook(answer)) => {
                self.answer(&delivery, Answer::Status(answer.status()));
                match answer {
                    ingress::Delivery::Queued { envelope } => {
                        self.sent.push(*delivery);
                        self.accept(&envelope);
                    }
                    ingress::Delivery::NotNeeded { .. }
                    | ingress::Delivery::QueueUnavailable(_) => {}
                    refused => self.violate(0, format!("a webhook was refused: {refused:?}")),
                }
            }
            (_, Done::Pool(PoolEvent::Queued { envelope })) => self.accept(&envelope),
            (Label::Cloudtrail(record), Done::Pool(PoolEvent::QueueUnavailable(_))) => {
                self.cloudtrail.push(record);
            }
            (_, Done::Sweep(Ok(report))) if report != SweepReport::default() => {
                self.tell(&format!("{report:?}"));
            }
            _ => {}
        }
    }

    fn accept(&mut self, envelope: &Envelope) {
        self.tell(&format!("accepted {} {}", envelope.event_ref(), envelope.kind));
        self.accepted.entry(envelope.event_ref()).or_insert_with(|| envelope.clone());
    }

    // -------------------------------------------------------- fair weather

    /// Fair weather until everything is at rest.
    pub fn settle(&mut self) {
        self.storm.end();
        self.world.cognito.set_list_lag(SignedDuration::ZERO);
        self.tell("the storm is over");
        self.finish_tasks();
        // A lost sign-up heals with the next sign-in.
        for name in self.lives.users.keys() {
            let _ = self.world.cognito.sign_in(name);
        }
        self.come_to_rest();
    }

    fn come_to_rest(&mut self) {
        for _ in 0..400 {
            if self.round() {
                continue;
            }
            let Some(next) = self.next_time() else { return };
            self.world.stripe.advance_to(next);
        }
        let queued = QUEUES.map(|queue| self.world.sqs.len(queue));
        let retries = self.world.stripe.account().next_delivery();
        let due = self.world.ledger.accounts().into_iter().filter_map(|account| account.review_at);
        let problem = format!(
            "it never comes to rest: queued {queued:?}, next delivery {retries:?}, due {:?}",
            due.min()
        );
        self.violate(1, problem);
    }

    /// Everything that can be done now; whether there was anything.
    fn round(&mut self) -> bool {
        self.collect();
        let mut busy = !self.triggers.is_empty() || !self.cloudtrail.is_empty();
        while !self.triggers.is_empty() || !self.cloudtrail.is_empty() {
            self.carry_pool();
        }
        while let Some(delivery) = self.pick_delivery() {
            busy = true;
            self.in_hand.insert(delivery.event.clone());
            self.send(delivery);
        }
        self.finish_tasks();
        for queue in QUEUES {
            while self.receive_from(queue, 10) {
                busy = true;
            }
        }
        self.finish_tasks();
        busy |= self.drain_dead_letters();
        self.finish_tasks();
        let before = QUEUES.map(|queue| self.world.sqs.len(queue));
        self.spawn_sweep();
        self.finish_tasks();
        busy || before != QUEUES.map(|queue| self.world.sqs.len(queue))
    }

    /// Somebody signs up, and the event is on the queue.
    #[cfg(test)]
    pub(crate) fn sign_up_and_queue(&mut self, name: &str) {
        self.world.cognito.sign_up_confirmed(name, "z@example.com").expect("the name is free");
        self.carry_pool();
        self.finish_tasks();
    }

    fn finish_tasks(&mut self) {
        while !self.tasks.is_empty() {
            self.world.clock.advance(SignedDuration::from_millis(self.rng.random_range(0..2)));
            self.bury();
            self.poll();
        }
    }

    /// When the next thing happens that rest has to wait for.
    fn next_time(&mut self) -> Option<Timestamp> {
        let now = self.world.clock.time();
        let hidden = QUEUES
            .iter()
            .chain(&DEAD_LETTER_QUEUES)
            .filter_map(|queue| self.world.sqs.next_visible_at(queue));
        let retries = self.world.stripe.account().next_delivery();
        let second = SignedDuration::from_secs(1);
        let waiting = self.world.ledger.events().into_iter().filter_map(|event| {
            let waits = event.record.outcome == Outcome::Waiting;
            let since = event.record.envelope().filter(|_| waits)?.received_at;
            Some(since + self.worker.policy.waiting() + second)
        });
        let reviews = self.world.ledger.accounts().into_iter().filter_map(|a| a.review_at);
        let later = hidden.chain(retries).chain(waiting).chain(reviews).map(|at| {
            // What is due and was deduplicated comes again in five minutes at the latest.
            if at > now { at } else { now + SignedDuration::from_secs(301) }
        });
        later.filter(|at| *at <= now + SOON).min()
    }

    // ------------------------------------------------------------- verdicts

    /// Compares the world at rest with what it should be.
    pub fn judge(&mut self) {
        let found = oracle::judge(self);
        self.violations.extend(found);
    }

    /// After a replay in fair weather, only what nobody can act on is still parked.
    pub fn judge_what_is_stuck(&mut self) {
        let found = oracle::stuck(self);
        self.violations.extend(found);
    }

    /// The operator replays what is parked; after that nothing that could be acted on
    /// may be left.
    pub fn replay_what_is_stuck(&mut self) {
        let stuck = self.world.ledger.events().into_iter();
        let stuck = stuck.filter(|event| event.record.outcome.is_stuck());
        let stuck: Vec<_> = stuck.filter_map(|event| event.record.envelope().cloned()).collect();
        self.replay(stuck, "stuck");
        self.replayed = true;
    }

    /// Invariant 5: replay with unchanged facts changes nothing but event records.
    pub fn replay_everything(&mut self) {
        let before = oracle::accounts(self);
        let now = self.world.clock.time();
        let next = self.world.stripe.account().next_due();
        self.replay(self.accepted.values().cloned().collect(), "all");
        if next.is_some_and(|at| at <= self.world.clock.time()) {
            return;
        }
        for (old, new) in before.iter().zip(oracle::accounts(self)) {
            let due = old.review_at.is_some_and(|at| at <= self.world.clock.time() && at >= now);
            if *old != new && !due {
                self.violate(5, format!("replay changed\n  {old:?}\n  into\n  {new:?}"));
            }
        }
    }

    fn replay(&mut self, events: Vec<Envelope>, run: &str) {
        self.tell(&format!("replay {run}: {}", events.len()));
        for envelope in events {
            let copy = Envelope { via: Via::Replay, run: Some(run.to_owned()), ..envelope };
            let sent = block_on(self.world.queue().send(QueueName::Bulk, &copy));
            sent.expect("the weather is fair");
        }
        self.come_to_rest();
    }

    /// What holds at every moment, and what is to be remembered of this one.
    fn look(&mut self) {
        self.world.api_gateway.scene(|model, _| {
            for key in model.keys() {
                self.values.entry(key.id.clone()).or_insert_with(|| key.value.expose().to_owned());
            }
        });
        for (customer, account) in self.world.ledger.links() {
            let first = self.links.entry(customer.clone()).or_insert_with(|| account.clone());
            if *first != account {
                let problem = format!("{customer} moved from {first} to {account}");
                self.violate(8, problem);
            }
        }
    }

    fn violate(&mut self, invariant: u8, problem: String) {
        self.tell(&format!("VIOLATION {invariant}: {problem}"));
        self.violations.push(Violation { seed: self.seed, invariant, problem });
    }

    fn tell(&mut self, what: &str) {
        self.transcript.push(format!("{} {what}", self.world.clock.time()));
    }

    /// Ends the run.
    pub fn report(mut self) -> Report {
        self.look();
        let calls = self.world.gate.calls();
        let count = |operation| calls.iter().filter(|call| call.operation == operation).count();
        let mut digest = DefaultHasher::new();
        self.transcript.hash(&mut digest);
        self.world.ledger.dump().to_string().hash(&mut digest);
        for call in &calls {
            (call.operation, &call.subject).hash(&mut digest);
        }
        Report {
            seed: self.seed,
            days: self.world.clock.time().duration_since(self.start).as_hours() / 24,
            events: self.accepted.len(),
            faults: self.storm.faults(),
            kills: self.kills,
            mints: self.values.len(),
            switches: count("CreateUsagePlanKey"),
            digest: digest.finish(),
            violations: self.violations,
            transcript: self.transcript,
        }
    }
}

impl Label {
    fn name(&self) -> &'static str {
        match self {
            Self::Worker => "a worker",
            Self::Webhook(_) => "a webhook",
            Self::Trigger => "a trigger",
            Self::Cloudtrail(_) => "a CloudTrail record's function",
            Self::Sweep => "a sweep",
            Self::DeadLetters => "the dead letters' function",
        }
    }
}
