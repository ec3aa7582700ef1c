//! The comparison of all four systems: it finds every kind of drift and changes nothing,
//! what it wakes heals, and its calls and its memory do not grow with the accounts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::gate::{Call, Calm, Faults};
use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account::{
    Access, Account, Attributes, Grant, KeyId, KeyRecord, MintIntent, Reason, Slot, Status, User,
};
use tollgate_core::batch::Message;
use tollgate_core::converge::Worker;
use tollgate_core::key_name::key_name;
use tollgate_core::ledger::{Claim, Commit, CommitResult, StoredEvent};
use tollgate_core::policy::Policy;
use tollgate_core::ports::{Class, Ledger, PortError, PortResult, Service};
use tollgate_core::share::Share;
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, Drift, DriftReport};
use tollgate_events::{AccountId, CustomerId, Envelope, SubscriptionId};
use tollgate_standin::api_gateway::{KeyPatch, NewApiKey, Patch, PatchOp, Quotas, Wall};
use tollgate_standin::stripe::{Card, Interval, NewCustomer, SubscriptionData, When};
use tollgate_standin::world::{API_ID, BULK_QUEUE, STAGE};

use crate::actors::address;
use crate::comparison;
use crate::executor::block_on;
use crate::run::Sim;
use crate::script::Script;
use crate::workers::{bind, worker_on};
use crate::world::dawn;

/// What a comparison may call: reads, and the queue.
const READS: [&str; 13] = [
    "GetApiKeys",
    "GetUsagePlans",
    "GetUsagePlanKeys",
    "GET /v1/subscriptions",
    "GET /v1/subscriptions/{id}",
    "GET /v1/disputes",
    "GET /v1/disputes/{id}",
    "GET /v1/account",
    "ListUsers",
    "Query",
    "BatchGetItem",
    "GetItem",
    "SendMessageBatch",
];

/// What no worker can mend: somebody pays, and it is not known for whom, or for nothing.
const FOR_A_PERSON: [Drift; 2] = [Drift::PaidForNothing, Drift::Unlinked];

/// A world with its worker, whose accounts are made without it, ten thousand at a time.
pub(super) struct Town {
    pub(super) world: World,
    pub(super) worker: Worker<World>,
    pub(super) people: Vec<Person>,
}

/// Somebody with an account.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) account: AccountId,
    pub(super) key: String,
    pub(super) subscription: String,
}

impl Town {
    pub(super) fn new() -> Self {
        Self::under(Arc::new(Calm))
    }

    fn under(faults: Arc<dyn Faults>) -> Self {
        let world = World::new(dawn(), 1, "https://stripe.invalid", faults);
        bind(&world);
        let mut worker = worker_on(&world);
        // Some keys are too new to be missed for a minute, which pacing would use up.
        let policy = Policy { control_plane_calls_per_second: 10, ..Policy::default() };
        worker.share = Share::of(&policy, 1);
        Self { world, worker, people: Vec::new() }
    }

    /// Accounts up to a number, the first of which pay for `pro`.
    pub(super) fn grow(&mut self, accounts: usize, paying: usize) {
        for number in self.people.len()..accounts {
            let person = self.somebody(&format!("user-{number}"), number < paying, 1);
            self.people.push(person);
        }
        self.world.gate.take_calls();
    }

    /// Somebody as the worker would have left them, at rest, under a catalog's revision.
    fn somebody(&self, name: &str, pays: bool, catalog_revision: u64) -> Person {
        let account = self.sign_up(name);
        let (customer, subscription) =
            if pays { self.buy("pro_monthly") } else { Default::default() };
        let id = if pays { "pro" } else { "free" };
        let plans = self.worker.catalog.plans();
        let plan = plans.iter().find(|plan| plan.id.as_str() == id).unwrap();
        let key = self.mint(&account, plan.usage_plan.as_str());
        let reason = match SubscriptionId::parse(subscription.clone()) {
            Ok(subscription) => Reason::Subscription { subscription },
            Err(_) => Reason::DefaultPlan,
        };
        let key_id = KeyId::parse(key.clone()).unwrap();
        let record = KeyRecord {
            id: key_id.clone(),
            generation: 1,
            minted_at: dawn() - SignedDuration::from_hours(1),
        };
        let access = Access {
            plan: Some(plan.id.clone()),
            usage_plan: Some(plan.usage_plan.clone()),
            status: Status::Active,
            reason,
            keys: [(Slot::Primary, record)].into(),
            attributes: Attributes { api_id: Some(key_id), plan: Some(id.to_owned()) },
            customers: CustomerId::parse(customer.clone()).into_iter().collect(),
            ..Access::default()
        };
        let attributes = [("custom:apiid", key.as_str()), ("custom:plan", id)];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.world.cognito.write(name, attributes.into()).unwrap();
        let person = Person { name: name.to_owned(), account, key, subscription };
        self.edit(&person.account, |account| {
            let username = account.id.to_string();
            account.user = User::Present { username, enabled: true };
            account.catalog_revision = catalog_revision;
            account.access = access;
        });
        person
    }

    fn sign_up(&self, name: &str) -> AccountId {
        let account = self.world.cognito.sign_up_confirmed(name, &address(name)).unwrap();
        self.world.cognito.take_triggers();
        account
    }

    /// The tombstone of somebody who still pays.
    fn close(&self, person: &Person) {
        self.world.cognito.delete_user(&person.name).unwrap();
        self.world.api_gateway.scene(|model, now| model.delete_api_key(&person.key, now)).unwrap();
        self.edit(&person.account, |account| {
            account.user = User::Deleted;
            account.access = Access {
                status: Status::Closed,
                reason: Reason::UserDeleted,
                customers: account.access.customers.clone(),
                ..Access::default()
            };
        });
    }

    fn buy(&self, lookup_key: &str) -> (String, String) {
        let mut stripe = self.world.stripe.account();
        let customer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&customer, Card::Pays).unwrap();
        let price = stripe.price_by_lookup_key(lookup_key).unwrap().id.clone();
        let bought = stripe.subscribe(&customer, &[&price], SubscriptionData::default());
        (customer, bought.unwrap())
    }

    fn mint(&self, account: &AccountId, usage_plan: &str) -> String {
        let name = key_name("sim", account, Slot::Primary, 1);
        let new = NewApiKey {
            name: Some(name),
            enabled: true,
            customer_id: Some(account.to_string()),
            ..NewApiKey::default()
        };
        self.world.api_gateway.scene(|model, now| {
            let key = model.create_api_key(new, now).unwrap().id;
            model.create_usage_plan_key(usage_plan, &key, now).unwrap();
            key
        })
    }

    /// Writes an account's state past the worker.
    pub(super) fn edit(&self, account: &AccountId, change: impl FnOnce(&mut Account)) {
        let now = self.world.clock.time();
        let ledger = &self.world.ledger;
        let claim = block_on(ledger.claim(account, now, now)).unwrap();
        let Claim::Taken { account } = claim else { panic!("nobody else claims") };
        let commit_id = Some(format!("edit-{}", account.epoch));
        let mut account = Account { open: false, lease_until: None, commit_id, ..*account };
        change(&mut account);
        let commit = Commit::of(account);
        assert_eq!(block_on(ledger.commit(&commit)).unwrap(), CommitResult::Committed);
    }

    pub(super) fn plan(&self, id: &str) -> String {
        let plans = self.worker.catalog.plans();
        plans.iter().find(|plan| plan.id.as_str() == id).unwrap().usage_plan.to_string()
    }

    /// Compares, and sees to it that nothing but reads and sends was called.
    fn compare(&self, at_once: usize) -> DriftReport {
        self.world.gate.take_calls();
        let report = compare(&self.worker, at_once);
        for call in self.world.gate.calls() {
            let note = (call.operation, call.subject.as_str()) == ("UpdateItem", "stack");
            assert!(note || READS.contains(&call.operation), "{call:?}");
        }
        report
    }

    /// How often each operation was called since the last comparison began.
    pub(super) fn counted(&self) -> BTreeMap<(Service, &'static str), usize> {
        let mut counted = BTreeMap::new();
        for call in self.world.gate.take_calls() {
            *counted.entry((call.service, call.operation)).or_default() += 1;
        }
        counted
    }

    /// The worker handles everything on `bulk`.
    pub(super) fn drain(&self) -> Vec<Envelope> {
        let mut handled = Vec::new();
        loop {
            let messages = self.world.sqs.receive(BULK_QUEUE, 10).unwrap();
            if messages.is_empty() {
                return handled;
            }
            let batch: Vec<_> = messages
                .iter()
                .map(|message| Message {
                    id: message.id.clone(),
                    group: message.group.clone(),
                    body: message.body.clone(),
                    again: false,
                })
                .collect();
            let deadline = self.world.clock.time() + SignedDuration::from_secs(30);
            let report = block_on(self.worker.handle(&self.world.queue(), &batch, deadline));
            assert_eq!(report.failed, [""; 0]);
            for message in messages {
                handled.push(Envelope::decode(&message.body).unwrap());
                self.world.sqs.delete(BULK_QUEUE, &message.receipt).unwrap();
            }
        }
    }

    /// One or more of each kind of drift, and much that is none; returns what must be found.
    pub(super) fn meddle(&self) -> BTreeMap<Drift, usize> {
        let mut payers = self.people.iter().filter(|person| !person.subscription.is_empty());
        let mut free = self.people.iter().filter(|person| person.subscription.is_empty());
        self.meddle_in_the_ledger(&mut free);
        self.meddle_in_the_pool(&mut free);
        self.meddle_with_keys(&mut free);
        self.meddle_in_stripe(&mut payers);
        self.keep_out_of_it(&mut free);
        BTreeMap::from([
            (Drift::Interrupted, 1),
            (Drift::OldCatalog, 1),
            (Drift::UserGone, 1),
            (Drift::Decision, 3),
            (Drift::KeyGone, 1),
            (Drift::UsagePlan, 3),
            (Drift::Attributes, 1),
            (Drift::Ledger, 2),
            (Drift::PaidForNothing, 1),
            (Drift::NoAccount, 1),
            (Drift::Unlinked, 1),
        ])
    }

    fn meddle_in_the_ledger<'a>(&self, people: &mut impl Iterator<Item = &'a Person>) {
        let mut next = || &people.next().unwrap().account;
        self.edit(next(), |account| account.open = true);
        self.edit(next(), |account| account.access.usage_plan = None);
        // A grant ends, and nobody is going to look.
        self.edit(next(), |account| {
            let plan = account.access.plan.clone().unwrap();
            let until = Some(dawn() + SignedDuration::from_hours(99));
            account.access.grants = vec![Grant { plan, until, why: String::new() }];
        });
        self.somebody("of-old", false, 0);
    }

    fn meddle_in_the_pool<'a>(&self, people: &mut impl Iterator<Item = &'a Person>) {
        let pool = &self.world.cognito;
        let mut next = || people.next().unwrap().name.as_str();
        pool.delete_user(next()).unwrap();
        pool.disable_user(next()).unwrap();
        pool.write(next(), [("custom:plan".to_owned(), "pro".to_owned())].into()).unwrap();
        // Of those without an account, only who is confirmed and enabled is woken.
        self.sign_up("late");
        self.sign_up("late-and-disabled");
        pool.disable_user("late-and-disabled").unwrap();
        pool.admin_create_user("never-signed-in", "a@example.com").unwrap();
        pool.sign_up_unconfirmed("never-confirmed", "a@example.com").unwrap();
    }

    fn meddle_with_keys<'a>(&self, people: &mut impl Iterator<Item = &'a Person>) {
        let (free, pro, basic) = (self.plan("free"), self.plan("pro"), self.plan("basic"));
        let mut next = || people.next().unwrap().key.as_str();
        self.world.api_gateway.scene(|model, now| {
            model.delete_api_key(next(), now).unwrap();
            let off = next();
            model.delete_usage_plan_key(&free, off, now).unwrap();
            let wrong = next();
            model.delete_usage_plan_key(&free, wrong, now).unwrap();
            model.create_usage_plan_key(&pro, wrong, now).unwrap();
            // On two: somebody has moved a plan to another stage.
            let stage = || Some(format!("{API_ID}:{STAGE}"));
            let patch = |op, value| Patch { op, path: "/apiStages".into(), value };
            let moved = [
                patch(PatchOp::Remove, stage()),
                patch(PatchOp::Add, Some("api2:prod".to_owned())),
            ];
            model.update_usage_plan(&basic, &moved).unwrap();
            model.create_usage_plan_key(&basic, next(), now).unwrap();
            let patch = KeyPatch { enabled: Some(false), ..KeyPatch::default() };
            model.update_api_key(next(), patch, now).unwrap();
        });
    }

    /// A cancellation and a planned end that nobody was told of, a payment on a tombstone,
    /// and one by a customer whom nobody knows. What else is sold is not looked at.
    fn meddle_in_stripe<'a>(&self, payers: &mut impl Iterator<Item = &'a Person>) {
        {
            let mut stripe = self.world.stripe.account();
            let mut next = || payers.next().unwrap().subscription.as_str();
            stripe.cancel(next(), When::Now).unwrap();
            stripe.cancel(next(), When::PeriodEnd).unwrap();
            stripe.add_product_price("Mugs", Interval::Month, 500, "mugs").unwrap();
        }
        self.close(payers.next().unwrap());
        self.buy("pro_monthly");
        self.buy("mugs");
    }

    /// No drift: an account in a worker's hands with a key that it has just made, a key too
    /// new to be listed, and keys of others. One of ours is nobody's.
    fn keep_out_of_it<'a>(&self, people: &mut impl Iterator<Item = &'a Person>) {
        let now = self.world.clock.time();
        let in_hand = &people.next().unwrap().account;
        self.edit(in_hand, |account| {
            let (slot, secret_version, nonce) = (Slot::Primary, 1, String::new());
            account.intent = Some(MintIntent { slot, generation: 2, secret_version, nonce });
            account.lease_until = Some(now + SignedDuration::from_hours(1));
            account.open = true;
        });
        let brand_new = people.next().unwrap();
        self.edit(&brand_new.account, |account| {
            account.access.keys.get_mut(&Slot::Primary).unwrap().minted_at = now;
        });
        let nobody = AccountId::parse("nobody").unwrap();
        let names = [
            key_name("sim", in_hand, Slot::Primary, 2),
            key_name("sim", &nobody, Slot::Primary, 1),
            key_name("sim2", &nobody, Slot::Primary, 1),
            "by-hand".to_owned(),
        ];
        self.world.api_gateway.scene(|model, now| {
            model.delete_api_key(&brand_new.key, now).unwrap();
            for name in names {
                let new = NewApiKey { name: Some(name), ..NewApiKey::default() };
                model.create_api_key(new, now).unwrap();
            }
        });
    }
}

fn compare(worker: &Worker<World>, at_once: usize) -> DriftReport {
    comparison::compare(worker, at_once).unwrap()
}

/// What is at rest after faults has not drifted: whatever has happened to an account, the
/// comparison decides as the worker did.
#[test]
fn a_world_at_rest_has_not_drifted() {
    // Where events are lost or people edit by hand, something may have.
    let scripts = (0..16).map(Script::of).filter(|script| !script.lossy);
    for script in scripts {
        let seed = script.seed;
        let mut sim = Sim::new(&script);
        sim.run_under_faults();
        sim.settle();
        if sim.actors.takes_subs {
            // Whoever is named as another's sub is a person's to see to.
            continue;
        }
        let mut report = compare(sim.workers.last().unwrap(), 3);
        for drift in FOR_A_PERSON {
            report.woken.remove(&drift);
        }
        // A dispute of which the events were given up: it holds somebody as soon as they are woken.
        let given_up = |event: &StoredEvent| {
            let envelope = event.record.envelope().filter(|_| event.record.outcome.is_unsettled());
            envelope.is_some_and(|it| it.kind.starts_with("charge.dispute."))
        };
        if sim.world.ledger.events().iter().any(given_up) {
            report.woken.remove(&Drift::Decision);
        }
        assert_eq!((report.woken, report.orphans), (BTreeMap::new(), 0), "seed {seed}");
    }
}

/// Calls to each service in one comparison of ten thousand accounts.
#[test]
fn ten_thousand_accounts_cost_hundreds_of_calls() {
    let mut town = Town::new();
    town.world.api_gateway.set_wall(Some(Wall::default()));
    town.grow(10_000, 200);
    let before = town.world.clock.time();
    let report = town.compare(ACCOUNTS_AT_ONCE);
    let seconds = town.world.clock.time().duration_since(before).as_secs();
    assert_eq!(report.woken, BTreeMap::new());
    assert_eq!((report.accounts, report.paying, report.keys), (10_000, 200, 10_000));
    assert_eq!((report.parts, report.users, report.subscriptions), (2, 10_000, 200));
    let calls = BTreeMap::from([
        ((Service::ApiGateway, "GetApiKeys"), 20),
        ((Service::ApiGateway, "GetUsagePlans"), 1),
        ((Service::ApiGateway, "GetUsagePlanKeys"), 20 + 1 + 1),
        // Once for each part.
        ((Service::Stripe, "GET /v1/subscriptions"), 2 * 2),
        ((Service::Cognito, "ListUsers"), 2 * 167),
        ((Service::Ledger, "Query"), 2 * 100),
        ((Service::Ledger, "BatchGetItem"), 2 * 100),
        // What the stack belongs to.
        ((Service::Stripe, "GET /v1/account"), 1),
        ((Service::Stripe, "GET /v1/disputes"), 1),
        // What was counted is noted: the keys at once, who pays in the end.
        ((Service::Ledger, "GetItem"), 1 + 2),
        ((Service::Ledger, "UpdateItem"), 2),
    ]);
    assert_eq!(town.counted(), calls);
    assert!((41..120).contains(&seconds), "one control-plane call a second: {seconds} s");

    town.world.api_gateway.set_quotas(Quotas { keys: 20_000, ..Quotas::default() });
    let expected = town.meddle();
    let report = town.compare(ACCOUNTS_AT_ONCE);
    assert_eq!(report.woken, expected);
    assert_eq!(town.counted()[&(Service::Queue, "SendMessageBatch")], 2);
}

/// After a change of the catalog everybody is due: ten wakes go to a call.
#[test]
fn a_new_catalog_wakes_everybody() {
    let mut town = Town::new();
    town.grow(95, 9);
    town.worker.catalog.revision = 2;
    let report = town.compare(ACCOUNTS_AT_ONCE);
    assert_eq!(report.woken, BTreeMap::from([(Drift::OldCatalog, 95)]));
    assert_eq!(town.counted()[&(Service::Queue, "SendMessageBatch")], 10);
    town.drain();
    assert_eq!(town.compare(ACCOUNTS_AT_ONCE).wakes(), 0);
}

/// In as many parts as it takes, with the same result.
#[test]
fn every_drift_is_found_and_what_is_woken_heals() {
    let mut town = Town::new();
    town.grow(130, 13);
    let expected = town.meddle();
    let whole = town.compare(ACCOUNTS_AT_ONCE);
    assert_eq!(whole.woken, expected);
    assert_eq!((whole.accounts, whole.paying), (131, 12));
    assert_eq!((whole.would_lose, whole.would_end), (0, 1), "one has cancelled");
    assert_eq!((whole.left_alone, whole.users), (1, 133));
    assert_eq!(whole.found[&Drift::StaleLedger], 1, "a disabled key is for a person");
    assert_eq!((whole.orphans, whole.keys - whole.keys_of_ours), (1, 2));
    assert_eq!(whole.orphans_listed[0].name, "tollgate/sim/nobody/primary/1");
    let in_parts = town.compare(20);
    assert!(in_parts.parts >= 7 && in_parts.held_at_most <= 20, "{in_parts:?}");
    let (parts, held_at_most) = (whole.parts, whole.held_at_most);
    assert_eq!(DriftReport { parts, held_at_most, ..in_parts }, whole);

    town.drain();
    let left = town.compare(ACCOUNTS_AT_ONCE);
    assert_eq!(left.woken, FOR_A_PERSON.map(|drift| (drift, 1)).into());
    assert_eq!(left.stale, whole.stale);
    assert_eq!(left.accounts, 132, "who had none has one");
}

/// The next call fails when this reaches zero.
#[derive(Default)]
struct FailsAfter(AtomicI64);

impl Faults for FailsAfter {
    fn before(&self, call: &Call) -> PortResult<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) != 1 {
            return Ok(());
        }
        let detail = "it fails".to_owned();
        let (service, operation) = (call.service, call.operation);
        Err(PortError { service, operation, class: Class::Unavailable, detail })
    }
}

/// Whichever call fails, the next comparison finds everything.
#[test]
fn a_comparison_that_stops_anywhere_loses_nothing() {
    let faults = Arc::new(FailsAfter::default());
    let mut town = Town::under(faults.clone());
    town.grow(40, 13);
    let mut expected = town.meddle();
    assert_eq!(town.compare(20).woken, expected);
    let calls = town.world.gate.take_calls().len();
    for call in 1..=calls {
        faults.0.store(i64::try_from(call).unwrap(), Ordering::SeqCst);
        assert!(comparison::compare(&town.worker, 20).is_err(), "call {call} of {calls}");
        town.world.clock.advance(SignedDuration::from_secs(10));
    }
    // By now a key that was too new to be missed is missed.
    *expected.entry(Drift::KeyGone).or_default() += 1;
    assert_eq!(town.compare(20).woken, expected);
    town.drain();
    assert!(town.compare(20).woken.keys().all(|drift| FOR_A_PERSON.contains(drift)));
}

/// Four times the accounts, no more of them held at once.
#[test]
fn memory_does_not_grow_with_the_accounts() {
    let mut town = Town::new();
    let mut held = |accounts| {
        town.grow(accounts, 10);
        let report = town.compare(250);
        assert_eq!((report.accounts, report.woken.len()), (accounts, 0));
        report.held_at_most
    };
    assert_eq!((held(250), held(1_000)), (250, 250));
}

/// A stage that is deleted is taken from every usage plan, and one of its name that is deployed
/// later is covered by none: every key is refused, and all else agrees.
#[test]
fn a_stage_that_was_made_anew_is_told() {
    let mut town = Town::new();
    town.grow(2, 1);
    let stage = town.world.stage();
    assert_eq!(town.compare(10).stages_lost, []);
    town.world.api_gateway.scene(|model, _| {
        model.remove_stage(&stage);
        model.add_stage(stage.clone());
    });
    let report = town.compare(10);
    let lost: Vec<_> = report.stages_lost.iter().map(ToString::to_string).collect();
    assert_eq!(lost.len(), 3, "one for each plan: {lost:?}");
    assert!(lost.iter().any(|it| it.contains("(`free`) does not cover")), "{lost:?}");
    assert_eq!(report.wakes(), 0, "there is nothing that a worker could do");
}
