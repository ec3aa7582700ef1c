//! One run: the world, its faults, the calm after them, and what is judged.
//!
//! What Lambda, SQS's poller, EventBridge and Stripe's webhook sender do is done here:
//! each invocation is a task that runs from await to await in an order that the seed
//! chooses, and dies at its deadline or wherever the seed kills it. A worker is killed
//! at its deadline at the latest, which is how the real one keeps its promise that no
//! step starts, and no call lands, after its lease.

mod calm;
mod clicks;
mod deploy;
mod gaps;
mod judge;
mod lease_check;
mod losses;
mod operate;
mod recovery;
mod settings;
mod tasks;
mod transport;
mod under_faults;
mod world_faults;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use crate::ports::{SimClock, SqsPort};
use crate::workers::{API_URL, reads_only};
use crate::world::{World, dawn};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use secrecy::ExposeSecret;
use serde_json::Value;
use tollgate_core::account_api::AccountApi;
use tollgate_core::converge::Worker;
use tollgate_core::ingress::{DEFAULT_TOLERANCE, PoolIngress, Webhook};
use tollgate_events::stripe::{ACTED_ON, SigningSecret};
use tollgate_events::{AccountId, CustomerId, Envelope, EventRef};
use tollgate_operator::OperatorAct;
use tollgate_standin::stripe::{Delivery, NewEndpoint, WhenExhausted};
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE, POOL_ID};

use self::gaps::Gaps;
use self::lease_check::KeyOwners;
use self::losses::Losses;
use self::tasks::Fence;
use crate::actors::Actors;
use crate::executor::Executor;
use crate::faults::seeded::SeededFaults;
use crate::market::{self, Edition};
use crate::planted::transport::TransportBugs;
use crate::recovery::{RECOVERY, Recovery};
use crate::report::{Report, Tally, VIOLATION, Violation};
use crate::script::{Script, Stream, dice};
use crate::settings::Wrong;
use crate::story::Narrator;
use crate::tasks::{Done, Lease};

/// How long a worker may take: its deadline, and its lease's end.
pub(crate) const WORKER_TIME: SignedDuration = SignedDuration::from_secs(25);
/// Both queues, as the worker's event source mappings name them.
pub(crate) const QUEUES: [&str; 2] = [EVENTS_QUEUE, BULK_QUEUE];

/// A run under way.
pub struct Sim {
    /// What it follows from.
    pub script: Script,
    /// The world.
    pub world: World,
    /// Who acts in it.
    pub actors: Actors,
    /// Every event that was accepted: by its name, as it was accepted first.
    pub accepted: BTreeMap<EventRef, Envelope>,
    /// Every key's value that was ever there, by the key's id.
    pub values: BTreeMap<String, String>,
    /// Every link as last seen.
    pub links: BTreeMap<CustomerId, AccountId>,
    /// Customers who were linked once and are not any more.
    pub released: BTreeSet<CustomerId>,
    /// Every message body that was ever received.
    pub bodies: Vec<String>,
    /// Whether what was parked has been replayed in the calm: from then on a parked
    /// event is no excuse for a live account.
    pub replayed: bool,
    /// What was found wrong on the way.
    pub violations: Vec<Violation>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) steps: u64,
    pub(crate) tasks_begun: u64,
    pub(crate) fences: BTreeMap<AccountId, Fence>,
    pub(crate) gaps: Gaps,
    pub(crate) queue_down_until: Option<Timestamp>,
    pub(crate) no_keys_until: Option<Timestamp>,
    /// Operators' acts that failed.
    pub(crate) undone: Vec<(AccountId, OperatorAct)>,
    /// Stripe's events that were lost for good.
    pub(crate) lost: Vec<String>,
    pub(crate) acted: usize,
    pub(crate) acts: Vec<(usize, String)>,
    pub(crate) faults: Arc<SeededFaults>,
    pub(crate) narrator: Arc<Narrator>,
    pub(crate) key_owners: KeyOwners,
    pub(crate) api: AccountApi<World>,
    /// The workers that are deployed; the last are the newest.
    pub(crate) workers: Vec<Rc<Worker<World>>>,
    /// The newest catalog.
    pub edition: Edition,
    /// What is set wrongly now.
    pub wrong: Option<Wrong>,
    /// Since when the workers are all of one version.
    pub(crate) settled_at: Timestamp,
    pub(crate) losses: Losses,
    /// Keys that the comparison has reported as orphans.
    pub(crate) reported: BTreeSet<String>,
    /// Whether anything was ever set wrongly, or shown as it is not.
    pub(crate) was_wrong: bool,
    /// Whether the user pool was.
    pub(crate) pool_was_wrong: bool,
    pub(crate) secret: u32,
    pub(crate) retires_at: Option<Timestamp>,
    pub(crate) webhook: Rc<Webhook<SqsPort, SimClock>>,
    pub(crate) pool: Rc<PoolIngress<SqsPort, SimClock>>,
    pub(crate) tasks: Executor<Lease, Done>,
    pub(crate) in_hand: BTreeSet<String>,
    /// Stripe's events that are on their way, and until when.
    pub(crate) delayed: Vec<(Timestamp, String)>,
    pub(crate) sent: Vec<Delivery>,
    pub(crate) cloudtrail: Vec<Value>,
    pub(crate) triggers: Vec<Value>,
    pub(crate) transport_bugs: TransportBugs,
    /// The ledger was lost: what is known of it.
    pub(crate) recovery: Option<Recovery>,
    transcript: Vec<String>,
    start: Timestamp,
}

/// Runs a seed from its first act until it is judged.
pub fn run(seed: u64) -> Report {
    run_script(&Script::of(seed))
}

/// Runs a script from its first act until it is judged.
pub fn run_script(script: &Script) -> Report {
    let mut sim = Sim::new(script);
    sim.open_shop();
    sim.run_under_faults();
    sim.settle();
    sim.judge();
    sim.replay_what_is_unsettled();
    sim.judge();
    sim.judge_what_is_unsettled();
    sim.replay_everything();
    sim.lose_and_recover();
    sim.report()
}

impl Sim {
    /// A world at its beginning.
    pub fn new(script: &Script) -> Self {
        let faults = Arc::new(SeededFaults::new(script));
        let narrator = Arc::new(Narrator::new(faults.clone()));
        let mut world = World::new(dawn(), script.seed, "https://stripe.invalid", narrator.clone());
        // Small pages, so that there is more than one.
        world.ledger = world.ledger.with_page_size(3);
        if dice(script.seed, Stream::World, 3).random_bool(0.5) {
            world.add_to_plans("\n[policy]\non_full_refund = \"end\"\n");
        }
        if let Some(bug) = script.bug.filter(|bug| bug.invariant() != RECOVERY) {
            world.plant(bug);
        }
        faults.set_clock(world.clock.standin());
        market::sell(&world);
        let when = [WhenExhausted::Cancel, WhenExhausted::MarkUnpaid, WhenExhausted::LeavePastDue];
        let drawn = dice(script.seed, Stream::World, 2).random_range(0..when.len());
        world.stripe.account().settings_mut().when_exhausted = when[drawn];
        let webhook = endpoint(&world);
        let mut actors = Actors::default();
        actors.neighbours.reach_ours = script.misconfigured;
        let (queue, clock) = (world.queue(), world.clock.clone());
        let worker = reads_only(market::worker(&world, Edition::FIRST, 1));
        let api = AccountApi::new(worker, API_URL);
        Self {
            script: script.clone(),
            actors,
            accepted: BTreeMap::new(),
            values: BTreeMap::new(),
            links: BTreeMap::new(),
            released: BTreeSet::new(),
            bodies: Vec::new(),
            replayed: false,
            violations: Vec::new(),
            rng: dice(script.seed, Stream::World, 1),
            steps: 0,
            tasks_begun: 0,
            fences: BTreeMap::new(),
            gaps: Gaps::default(),
            queue_down_until: None,
            no_keys_until: None,
            undone: Vec::new(),
            lost: Vec::new(),
            acted: 0,
            acts: Vec::new(),
            faults,
            narrator,
            key_owners: KeyOwners::new(),
            api,
            workers: vec![Rc::new(market::worker(&world, Edition::FIRST, 1))],
            edition: Edition::FIRST,
            wrong: None,
            settled_at: world.clock.time(),
            losses: Losses::default(),
            reported: BTreeSet::new(),
            was_wrong: false,
            pool_was_wrong: false,
            secret: 1,
            retires_at: None,
            webhook: Rc::new(webhook),
            pool: Rc::new(PoolIngress { pool_id: POOL_ID.into(), queue, clock }),
            tasks: Executor::default(),
            in_hand: BTreeSet::new(),
            delayed: Vec::new(),
            sent: Vec::new(),
            cloudtrail: Vec::new(),
            triggers: Vec::new(),
            transport_bugs: TransportBugs::default(),
            recovery: None,
            transcript: Vec::new(),
            start: world.clock.time(),
            world,
        }
    }

    /// What holds at every moment, and what is to be remembered of this one.
    pub(crate) fn look(&mut self) {
        self.world.api_gateway.scene(|model, _| {
            for key in model.keys() {
                self.values
                    .entry(key.id.clone())
                    .or_insert_with(|| key.value.expose_secret().to_owned());
            }
        });
        if self.recovery.is_some() {
            return;
        }
        let links = self.world.ledger.links();
        for (customer, account) in &links {
            let last = self.links.insert(customer.clone(), account.clone());
            let moved = last.filter(|last| last != account).map(|last| last.to_string());
            let back = self.released.remove(customer).then(|| "nobody".to_owned());
            let by_operator = self.actors.moves.links(customer.as_str(), account);
            if let Some(from) = moved.or(back).filter(|_| !by_operator) {
                self.violate(8, format!("{customer} moved from {from} to {account}"));
            }
        }
        let gone = self.links.keys().filter(|customer| !links.contains_key(*customer));
        let gone: Vec<_> = gone.cloned().collect();
        for customer in gone {
            self.links.remove(&customer);
            if !self.actors.moves.unlinked.contains(&customer) {
                self.violate(8, format!("{customer} was released by nobody"));
            }
            self.released.insert(customer);
        }
    }

    pub(crate) fn violate(&mut self, invariant: u8, problem: String) {
        let command = self.script.command();
        self.found(Violation { seed: self.script.seed, invariant, problem, command });
    }

    /// Keeps what was found wrong, and tells it at its place in the story.
    pub(crate) fn found(&mut self, violation: Violation) {
        self.tell(&format!("{VIOLATION}{}: {}", violation.invariant, violation.problem));
        self.violations.push(violation);
    }

    pub(crate) fn tell(&mut self, what: &str) {
        self.transcript.push(format!("{} {what}", self.world.clock.time()));
    }

    /// Ends the run.
    pub fn report(mut self) -> Report {
        self.look();
        let calls = self.world.gate.calls();
        let count = |operation| calls.iter().filter(|call| call.operation == operation).count();
        let mut digest = DefaultHasher::new();
        self.transcript.hash(&mut digest);
        self.world.ledger.dump().hash(&mut digest);
        for call in &calls {
            (call.operation, &call.subject).hash(&mut digest);
        }
        let hours = self.world.clock.time().duration_since(self.start).as_hours();
        let tally = Tally {
            seeds: 1,
            days: usize::try_from(hours / 24).unwrap_or(0),
            events: self.accepted.len(),
            faults: self.faults.counts(),
            mints: self.values.len(),
            switches: count("CreateUsagePlanKey"),
            violations: self.violations.len(),
        };
        Report {
            script: self.script,
            violations: self.violations,
            names: names(&self.world, &self.actors),
            acts: self.acts,
            tally,
            transcript: self.transcript,
            coverage: self.faults.coverage(),
            digest: digest.finish(),
        }
    }
}

/// What usage plans and users are called, by id.
fn names(world: &World, actors: &Actors) -> Vec<(String, String)> {
    let users = actors.called.iter().map(|(id, name)| (id.to_string(), name.clone()));
    let plans = world.api_gateway.scene(|model, _| {
        let page = model.get_usage_plans(None, &Default::default());
        page.map(|page| page.items).unwrap_or_default()
    });
    users.chain(plans.into_iter().map(|plan| (plan.id, plan.name))).collect()
}

/// The webhook, with a secret of Stripe's for its endpoint.
fn endpoint(world: &World) -> Webhook<SqsPort, SimClock> {
    let enabled_events = ACTED_ON.iter().map(|kind| (*kind).to_owned());
    let endpoint = NewEndpoint {
        enabled_events: enabled_events.chain(["invoice.created".to_owned()]).collect(),
        ..NewEndpoint::for_all("https://tollgate.invalid/webhook")
    };
    let (_, secret) = world.stripe.account().create_endpoint(endpoint);
    let secret = SigningSecret::new(secret).expect("the stand-in's secrets are ASCII");
    Webhook {
        secrets: vec![secret],
        tolerance: DEFAULT_TOLERANCE,
        queue: world.queue(),
        clock: world.clock.clone(),
    }
}
