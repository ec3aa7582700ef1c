//! A world with one worker, for tests that tell a story step by step.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use crate::gate::{Call, Calm, Faults, failure};
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, Status};
use tollgate_core::batch::{BatchReport, Message};
use tollgate_core::converge::Worker;
use tollgate_core::ledger::{Claim, Commit};
use tollgate_core::ports::{Class, Ledger as _, PortResult};
use tollgate_core::sweep::sweep;
use tollgate_events::stripe::{Reading, read};
use tollgate_events::{AccountId, Envelope, cloudtrail, cognito};
use tollgate_operator::{Act, ActError, ActReceipt, OperatorAct};
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::stripe::NewEndpoint;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use crate::actors::address;
use crate::executor::block_on;
use crate::market::buy;
use crate::operator;
use crate::workers::{bind, worker_on};
use crate::world::dawn;

/// Refuses some calls while it is told to.
pub(super) struct Refuses {
    class: Class,
    which: Box<dyn Fn(&Call) -> bool + Send + Sync>,
    on: AtomicBool,
}

impl Refuses {
    pub(super) fn new(
        class: Class,
        which: impl Fn(&Call) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { class, which: Box::new(which), on: AtomicBool::new(false) })
    }

    pub(super) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }
}

impl Faults for Refuses {
    fn before(&self, call: &Call) -> PortResult<()> {
        if self.on.load(Ordering::Relaxed) && (self.which)(call) {
            return Err(failure(call.service, call.operation, self.class, "refused"));
        }
        Ok(())
    }
}

/// A batch of SQS's.
fn messages(events: &[Envelope]) -> Vec<Message> {
    let message = |(place, event): (usize, &Envelope)| Message {
        id: place.to_string(),
        group: event.group().into_owned(),
        body: event.encode(),
        again: false,
    };
    events.iter().enumerate().map(message).collect()
}

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) worker: Worker<World>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::under(Arc::new(Calm))
    }

    pub(super) fn under(faults: Arc<dyn Faults>) -> Self {
        Self::on(VirtualClock::starting_at(dawn()), faults)
    }

    pub(super) fn on(clock: VirtualClock, faults: Arc<dyn Faults>) -> Self {
        let world = World::on(clock, 1, "https://stripe.invalid", faults);
        let endpoint = NewEndpoint::for_all("https://tollgate.invalid/webhook");
        world.stripe.account().create_endpoint(endpoint);
        bind(&world);
        Self { worker: worker_on(&world), world }
    }

    /// The same world, with a worker that has just been started.
    pub(super) fn with_a_new_worker(self) -> Self {
        Self { worker: worker_on(&self.world), ..self }
    }

    pub(super) fn handle(&self, events: &[Envelope]) -> BatchReport {
        block_on(self.handled(events))
    }

    pub(super) async fn handled(&self, events: &[Envelope]) -> BatchReport {
        let queue = self.world.queue();
        self.worker.handle(&queue, &messages(events), self.deadline()).await
    }

    /// As [`handle`](Self::handle); something happens when the worker has read a first item, whose
    /// a customer is, and before it claims an account.
    pub(super) fn handle_while(&self, events: &[Envelope], happens: impl FnOnce()) -> BatchReport {
        self.handle_after("GetItem", events, happens)
    }

    /// As [`handle`](Self::handle); something happens when the worker has made this call.
    pub(super) fn handle_after(
        &self,
        operation: &str,
        events: &[Envelope],
        happens: impl FnOnce(),
    ) -> BatchReport {
        let batch = messages(events);
        let queue = self.world.queue();
        let mut handled = pin!(self.worker.handle(&queue, &batch, self.deadline()));
        let mut context = Context::from_waker(Waker::noop());
        self.world.gate.take_calls();
        while !self.world.gate.calls().iter().any(|call| call.operation == operation) {
            assert!(handled.as_mut().poll(&mut context).is_pending(), "it makes this call");
        }
        happens();
        block_on(handled)
    }

    fn deadline(&self) -> Timestamp {
        self.world.clock.time() + SignedDuration::from_secs(27)
    }

    /// The events that wait to be delivered.
    pub(super) fn events(&self) -> Vec<Envelope> {
        let now = self.world.clock.time();
        let mut events = Vec::new();
        for event in self.world.cognito.take_triggers() {
            if let Ok(cognito::Trigger { reading: cognito::Reading::Wake(envelope), .. }) =
                cognito::read(&event, now)
            {
                events.push(*envelope);
            }
        }
        for delivery in self.world.stripe.account().take_pending() {
            if let Ok(Reading::Envelope(envelope)) = read(delivery.body.as_bytes(), now) {
                events.push(*envelope);
            }
        }
        events
    }

    /// What CloudTrail tells of the user pool and is still to be delivered.
    pub(super) fn told_of_the_pool(&self) -> Vec<Envelope> {
        let now = self.world.clock.time();
        let wake = |record: &serde_json::Value| match cloudtrail::read(record, now).ok()?.reading {
            cloudtrail::Reading::Wake(envelope) => Some(*envelope),
            cloudtrail::Reading::Nothing => None,
        };
        self.world.cognito.take_cloudtrail().iter().filter_map(wake).collect()
    }

    pub(super) fn sign_up(&self, name: &str) -> AccountId {
        let id = self.world.cognito.sign_up_confirmed(name, &address(name)).expect("free");
        assert_eq!(self.handle(&self.events()).failed, [""; 0]);
        id
    }

    /// Buys a plan; returns the subscription. The events wait to be delivered.
    pub(super) fn buy(&self, account: &AccountId, lookup_key: &str) -> String {
        buy(&self.world, &self.worker.deriver, account, lookup_key)
    }

    /// The plan that a user of the pool is told of.
    pub(super) fn told_plan(&self, id: &AccountId) -> Option<String> {
        let user = self.world.cognito.user_by_id(id).expect("they are there");
        user.attribute("custom:plan").map(str::to_owned)
    }

    /// An operator acts; the wake is on its way.
    pub(super) fn act(&self, account: &AccountId, act: Act) -> Result<ActReceipt, ActError> {
        let act = OperatorAct { act, by: "otto".into(), why: "a story".into() };
        block_on(operator::act(&self.world, account, &act))
    }

    /// The wakes of operators' acts that wait to be delivered.
    pub(super) fn wakes(&self) -> Vec<Envelope> {
        let received = self.world.sqs.receive(EVENTS_QUEUE, 10).expect("it is there");
        let wake = |message: &tollgate_standin::sqs::Message| {
            self.world.sqs.delete(EVENTS_QUEUE, &message.receipt).expect("it is in flight");
            Envelope::decode(&message.body).expect("it is ours")
        };
        received.iter().map(wake).collect()
    }

    /// An operator acts, and the worker does what follows.
    pub(super) fn operate(&self, account: &AccountId, act: Act) -> ActReceipt {
        let acted = self.act(account, act).expect("nothing fails");
        assert_eq!(self.handle(&self.wakes()).failed, [""; 0]);
        acted
    }

    /// Time passes, the sweep runs, and what it wakes is handled; how many accounts were due.
    pub(super) fn later(&self, by: SignedDuration) -> usize {
        self.world.clock.advance(by);
        let (world, policy) = (&self.world, &self.worker.policy);
        let report = block_on(sweep(&world.ledger, &world.queue(), &world.clock, policy));
        loop {
            let received = self.world.sqs.receive(BULK_QUEUE, 10).expect("it is there");
            if received.is_empty() {
                return report.expect("nothing fails").due;
            }
            let events = received.iter().map(|m| Envelope::decode(&m.body).expect("it is ours"));
            let report = self.handle(&events.collect::<Vec<_>>());
            assert_eq!(report.failed, [""; 0]);
            for message in received {
                self.world.sqs.delete(BULK_QUEUE, &message.receipt).expect("it is in flight");
            }
        }
    }

    /// A worker claims the account for so long, begins steps towards a word, and dies.
    pub(super) fn left_begun(&self, id: &AccountId, word: &str, lease: SignedDuration) {
        let (ledger, now) = (&self.world.ledger, self.world.clock.time());
        let claim = block_on(ledger.claim(id, now, now + lease)).expect("nothing fails");
        let Claim::Taken { account: mut begun } = claim else { panic!("{id} is leased") };
        begun.begin(word);
        begun.commit_id = Some(format!("begun-{}", begun.epoch));
        block_on(ledger.commit(&Commit::of(*begun))).expect("nothing fails");
    }

    pub(super) fn account(&self, id: &AccountId) -> Account {
        let accounts = self.world.ledger.accounts();
        accounts.into_iter().find(|account| account.id == *id).expect("it is there")
    }

    /// The account's plan, status and `custom:plan`.
    pub(super) fn seen(&self, id: &AccountId) -> (String, Status, String) {
        let access = self.account(id).access;
        let user = self.world.cognito.user_by_id(id);
        let word = user.as_ref().and_then(|user| user.attribute("custom:plan")).unwrap_or("-");
        let plan = access.plan.map_or("-".to_owned(), |plan| plan.to_string());
        (plan, access.status, word.to_owned())
    }
}
