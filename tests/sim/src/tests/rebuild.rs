//! The table is lost: what comes before the rebuild moves nothing, and after it everybody
//! has what they had.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use tollgate_core::account::{Access, Account, KeyId, PlanId, Reason, Status};
use tollgate_core::ledger::{Claim, Commit, CommitResult, Outcome};
use tollgate_core::ports::{Ledger, PortResult, Service};
use tollgate_core::scan::Progress;
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, Drift, DriftReport, DriftSweep};
use tollgate_events::{AccountId, CustomerId, Source};
use tollgate_operator::{
    Act, OVERLAP, OperatorAct, REBUILD, REBUILT_CLOSED, REBUILT_GRANT, REBUILT_HOLD, Rebuild,
    RebuildReport, Rebuilt, Reconcile, Repaired, Word, excesses,
};
use tollgate_standin::api_gateway::Key;
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData, When};
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use crate::actors::address;
use crate::executor::block_on;
use crate::operator;
use crate::scene::{Bought, Scene};

impl Scene {
    pub(super) fn person(&self, name: &str) -> AccountId {
        let account = self.world.cognito.sign_up_confirmed(name, &address(name)).unwrap();
        self.come_to_rest();
        account
    }

    pub(super) fn payer(&self, name: &str, plan: &str) -> (AccountId, Bought) {
        let account = self.person(name);
        let bought = self.buy(&account, plan);
        self.come_to_rest();
        (account, bought)
    }

    /// Lets the worker have everything that is on the queues, once.
    pub(super) fn deliver_everything(&self) {
        self.collect();
        while self.deliver(EVENTS_QUEUE, &mut || ()) || self.deliver(BULK_QUEUE, &mut || ()) {}
    }

    pub(super) fn rebuild(&self, at_once: usize, writes: bool) -> (RebuildReport, Vec<Rebuilt>) {
        let stale = self.look().stale;
        let rebuild = Rebuild {
            stale: &stale,
            ports: &self.world,
            catalog: &self.worker.catalog,
            policy: &self.worker.policy,
            deriver: &self.worker.deriver,
            stack: &self.worker.stack,
            by: "olga",
            at_once,
        };
        let mut all = Vec::new();
        let mut heard = |news| {
            if let Progress::Found(rebuilt) = news {
                all.push(rebuilt);
            }
        };
        let report: PortResult<RebuildReport> = if writes {
            block_on(rebuild.run(&mut heard))
        } else {
            block_on(rebuild.look(&mut heard))
        };
        (report.unwrap(), all)
    }

    fn reconcile<T>(
        &self,
        act: impl AsyncFnOnce(&Reconcile<'_, crate::world::World, crate::ports::SqsPort>) -> T,
    ) -> T {
        let queue = self.world.queue();
        let sweep = DriftSweep {
            ports: &self.world,
            queue: &queue,
            catalog: &self.worker.catalog,
            policy: &self.worker.policy,
            stack: &self.worker.stack,
            at_once: ACCOUNTS_AT_ONCE,
        };
        block_on(act(&Reconcile { sweep }))
    }

    pub(super) fn look(&self) -> DriftReport {
        self.reconcile(async |it| it.look(&mut |_| ()).await.unwrap())
    }

    pub(super) fn repair(&self) -> Repaired {
        let mut repaired = Repaired::default();
        let done = async |it: &Reconcile<'_, _, _>| {
            it.repair(&Word::default(), &mut repaired, &mut |_| ()).await.unwrap();
        };
        self.reconcile(done);
        repaired
    }

    /// What the world outside the ledger is like: keys, and what users are told.
    pub(super) fn outside(&self) -> String {
        let key = |key: &Key| format!("{} {:?} {}", key.id, key.plans, key.enabled);
        let keys: Vec<_> = self.world.api_gateway.scene(|model, _| model.keys().map(key).collect());
        let users = self.world.cognito.users();
        let users: Vec<_> = users.iter().map(|user| format!("{:?}", user.attributes)).collect();
        format!("{keys:#?}{users:#?}")
    }

    pub(super) fn accounts(&self) -> BTreeMap<AccountId, Access> {
        let accounts = self.world.ledger.accounts().into_iter();
        accounts.map(|account| (account.id, account.access)).collect()
    }
}

/// An operator does something to an account, and it is not delivered yet.
pub(super) fn operators_act(scene: &Scene, account: &AccountId, act: Act) {
    let act = OperatorAct { act, by: "otto".into(), why: "a story".into() };
    block_on(operator::act(&scene.world, account, &act)).unwrap();
}

fn plan(id: &str) -> Option<PlanId> {
    PlanId::parse(id).ok()
}

/// A town with everybody in it whom a ledger can tell of.
struct Everybody {
    scene: Scene,
    paying: Bought,
    twice: AccountId,
    disputed: AccountId,
    granted: AccountId,
    disabled: AccountId,
    held: AccountId,
}

fn everybody() -> Everybody {
    let scene = Scene::default();
    scene.person("free");
    let (_, paying) = scene.payer("paying", "pro");
    let (twice, _) = scene.payer("twice", "basic");
    scene.buy(&twice, "pro");
    let (_, ending) = scene.payer("ending", "basic");
    scene.world.stripe.account().cancel(&ending.subscription, When::PeriodEnd).unwrap();
    let (disputed, bought) = scene.payer("disputed", "basic");
    scene.world.stripe.account().open_dispute(&bought.customer).unwrap();
    let (disabled, _) = scene.payer("disabled", "basic");
    scene.world.cognito.disable_user("disabled").unwrap();
    scene.come_to_rest();
    // Without our proof: the operator linked the customer by hand, or granted a plan.
    let granted = scene.person("granted");
    let pro = scene.worker.catalog.plan(&plan("pro").unwrap()).unwrap().usage_plan.clone();
    let free = scene.worker.catalog.default_plan().unwrap().usage_plan.clone();
    let key = scene.key_of(&granted);
    scene.world.api_gateway.scene(|model, now| {
        model.delete_usage_plan_key(free.as_str(), key.as_str(), now).unwrap();
        model.create_usage_plan_key(pro.as_str(), key.as_str(), now).unwrap();
    });
    scene.tell("granted", &key, "pro");
    let held = scene.person("held");
    scene.refuse(&scene.key_of(&held));
    scene.tell("held", &scene.key_of(&held), "held");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    Everybody { scene, paying, twice, disputed, granted, disabled, held }
}

impl Scene {
    fn key_of(&self, account: &AccountId) -> KeyId {
        self.world.ledger.stored(account).unwrap().key().unwrap().id.clone()
    }

    fn tell(&self, name: &str, key: &KeyId, word: &str) {
        let attributes = [("custom:apiid", key.as_str()), ("custom:plan", word)];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.world.cognito.write(name, attributes.into()).unwrap();
    }

    fn refuse(&self, key: &KeyId) {
        let patch =
            tollgate_standin::api_gateway::KeyPatch { enabled: Some(false), ..Default::default() };
        self.world.api_gateway.scene(|model, now| {
            model.update_api_key(key.as_str(), patch, now).map(drop).unwrap();
        });
    }
}

#[test]
fn what_comes_before_the_rebuild_moves_nothing_and_waits() {
    let Everybody { scene, paying, twice, .. } = everybody();
    // Whose attributes are gone as well is taken for new by their sign-in.
    let nothing = ["custom:plan", "custom:apiid"].map(|name| (name.to_owned(), String::new()));
    scene.world.cognito.write("free", nothing.into()).unwrap();
    let before = scene.outside();
    scene.world.ledger.lose_everything();
    // A renewal, an upgrade, a comparison that takes everybody for new.
    scene.change(&paying, "basic");
    scene.change(&paying, "pro");
    scene.pass(SignedDuration::from_hours(24 * 31));
    scene.buy(&twice, "basic");
    scene.deliver_everything();
    scene.world.cognito.sign_in("free").unwrap();
    scene.reconcile(async |it| it.sweep.run().await.unwrap());
    scene.deliver_everything();
    assert_eq!(scene.outside(), before);
    let events = scene.world.ledger.events();
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event.record.outcome, Outcome::Deferred, "{event:?}");
        let why = event.record.detail.as_deref().unwrap_or_default();
        assert!(why.contains("tollgate reconcile --rebuild"), "{why}");
    }
    // Rebuilt, they are settled.
    scene.rebuild(ACCOUNTS_AT_ONCE, true);
    scene.repair();
    scene.come_to_rest();
    let events = scene.world.ledger.events();
    let unsettled: Vec<_> =
        events.iter().filter(|event| event.record.outcome == Outcome::Deferred).collect();
    assert!(unsettled.is_empty(), "{unsettled:?}");
    assert_eq!(scene.look().found, BTreeMap::new());
}

/// Everybody has what they had. What nothing tells any more is held, or granted, for a person.
#[test]
fn after_the_rebuild_everybody_has_what_they_had() {
    let Everybody { scene, twice, disputed, granted, disabled, held, .. } = everybody();
    let (before, outside) = (scene.accounts(), scene.outside());
    scene.world.ledger.lose_everything();
    let found = scene.look();
    assert_eq!((found.unknown_owners, found.orphans), (8, 0));
    assert_eq!(scene.world.ledger.accounts(), []);
    let (would, _) = scene.rebuild(ACCOUNTS_AT_ONCE, false);
    assert_eq!(scene.world.ledger.accounts(), [], "a look writes nothing");
    scene.world.gate.take_calls();
    let (report, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!(report, would);
    assert_eq!((report.rebuilt, report.held, report.granted, report.busy), (8, 2, 1, 0));
    assert_eq!((report.customers, report.paying), (6, 3));
    assert_eq!(rebuilt.len(), 8);
    let writes = scene.world.gate.take_calls().into_iter();
    let writes = writes.filter(|call| {
        call.service == Service::Ledger
            && call.operation != "Query"
            && call.operation != "BatchGetItem"
    });
    // Twice the stack's own item is read, and once it is written: what it belongs to. Before that
    // the comparison reads it once, and each owner of a key.
    assert_eq!(writes.count(), 16 + 3 + 1 + 8, "a claim and a commit each, and no reads");
    assert_eq!(scene.outside(), outside, "it moves nothing");

    assert_eq!(excesses(&scene.look()), []);
    let repaired = scene.repair();
    assert_eq!(repaired.deleted, []);
    scene.come_to_rest();
    assert_eq!(scene.outside(), outside);
    let mut after = scene.accounts();
    for (account, access) in &before {
        let after = after.remove(account).unwrap();
        let keys = |access: &Access| -> Vec<_> {
            access.keys.values().map(|key| (key.id.clone(), key.generation)).collect()
        };
        assert_eq!(keys(&after), keys(access));
        assert_eq!(after.customers, access.customers);
        if *account == granted {
            assert_eq!(
                (&after.plan, &after.reason),
                (&plan("pro"), &Reason::Grant { until: None })
            );
            assert_eq!(after.grants[0].why, REBUILT_GRANT);
        } else if *account == disputed || *account == held {
            assert_eq!(after.hold.as_deref(), Some(REBUILT_HOLD));
            assert_eq!((after.status, &after.plan), (Status::Held, &access.plan));
        } else {
            let keys = access.keys.clone();
            assert_eq!(Access { keys, ..after }, *access);
        }
    }
    assert_eq!(before[&disabled].status, Status::Disabled);
    assert_eq!(before[&twice].customers.len(), 2);
    assert_eq!(scene.look().found, BTreeMap::new());

    // On record: by whom, and why.
    let entries = scene.world.ledger.entries(&disputed);
    assert_eq!((entries.len(), entries[0].version), (2, 1), "and the dispute is on record again");
    assert_eq!(before[&disputed].disputes, scene.accounts()[&disputed].disputes);
    let cause = &entries[0].cause[0];
    assert_eq!(cause.source, Source::Operator);
    let record = block_on(scene.world.ledger.event(cause));
    let record = record.unwrap().unwrap().record;
    assert_eq!(record.envelope().unwrap().kind, REBUILD);
    let why = record.detail.unwrap();
    assert!(
        why.starts_with("olga: ") && why.contains("held, because its key was disabled"),
        "{why}"
    );
}

#[test]
fn a_rebuild_goes_on_where_it_stopped_and_in_parts_comes_to_the_same() {
    let Everybody { scene, .. } = everybody();
    scene.world.ledger.lose_everything();
    let (whole, _) = scene.rebuild(ACCOUNTS_AT_ONCE, false);
    let (first, _) = scene.rebuild(3, true);
    assert!(first.parts > 1 && first.held_at_most <= 3, "{first:?}");
    let (parts, held_at_most) = (whole.parts, whole.held_at_most);
    assert_eq!(RebuildReport { parts, held_at_most, ..first }, whole);
    let before = scene.accounts();
    let (again, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((again.known, again.rebuilt, rebuilt), (8, 0, vec![]));
    assert_eq!(scene.accounts(), before);
}

/// The highest generation is the account's key; what else bears its name and works is taken for a
/// key that it has replaced.
#[test]
fn of_several_keys_the_newest_is_taken() {
    let scene = Scene::default();
    let ann = scene.person("ann");
    let second = scene.world.api_gateway.scene(|model, now| {
        let new = tollgate_standin::api_gateway::NewApiKey {
            name: Some(format!("tollgate/sim/{ann}/primary/2")),
            enabled: true,
            customer_id: Some(ann.to_string()),
            ..Default::default()
        };
        model.create_api_key(new, now).unwrap().id
    });
    scene.pass(SignedDuration::from_hours(1));
    scene.world.ledger.lose_everything();
    let (report, _) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((report.rebuilt, report.retiring, report.other_keys), (1, 1, 0));
    assert_eq!(scene.key_of(&ann).as_str(), second);
    assert_eq!(scene.repair().deleted, []);
    scene.come_to_rest();
    assert_eq!(scene.look().found, BTreeMap::new());
    scene.pass(OVERLAP);
    scene.come_to_rest();
    let keys: Vec<_> =
        scene.world.api_gateway.scene(|model, _| model.keys().map(|key| key.id.clone()).collect());
    assert_eq!(keys, [second]);
    assert_eq!(scene.world.ledger.stored(&ann).unwrap().key().unwrap().generation, 2);
}

/// A subscription that names nobody with our proof is nobody's, and its payer keeps the plan.
#[test]
fn a_link_without_our_proof_is_not_made_and_costs_nobody_their_plan() {
    let Everybody { scene, granted, .. } = everybody();
    {
        let mut stripe = scene.world.stripe.account();
        let customer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&customer, Card::Pays).unwrap();
        let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
        let forged = SubscriptionData {
            metadata: [
                ("tollgate_account".to_owned(), granted.to_string()),
                ("tollgate_proof".to_owned(), "1:00".to_owned()),
            ]
            .into(),
            ..SubscriptionData::default()
        };
        stripe.subscribe(&customer, &[&price], forged).unwrap();
    }
    scene.come_to_rest();
    scene.world.ledger.lose_everything();
    let (report, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!(report.unproven, 1);
    let theirs = rebuilt.iter().find(|it| it.account == granted).unwrap();
    assert_eq!((&theirs.plan, &theirs.granted), (&plan("pro"), &plan("pro")));
    assert!(scene.world.ledger.stored(&granted).unwrap().access.customers.is_empty());
}

/// One proof is enough for all that a customer pays: what was sold to them in the dashboard
/// is no grant for ever.
#[test]
fn all_subscriptions_of_a_customer_are_their_accounts() {
    let scene = Scene::default();
    let (ann, bought) = scene.payer("ann", "basic");
    let upgrade = {
        let mut stripe = scene.world.stripe.account();
        let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
        stripe.subscribe(&bought.customer, &[&price], SubscriptionData::default()).unwrap()
    };
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    scene.world.ledger.lose_everything();
    let (report, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((report.unproven, &rebuilt[0].granted), (0, &None));
    scene.world.stripe.account().cancel(&upgrade, When::Now).unwrap();
    scene.come_to_rest();
    let access = scene.world.ledger.stored(&ann).unwrap().access;
    assert_eq!((access.plan, access.grants.len()), (plan("basic"), 0));
}

/// What the user is told is known: who was closed stays closed.
#[test]
fn who_was_closed_is_not_opened() {
    let scene = Scene::default();
    let ann = scene.person("ann");
    scene.operate(&Act::Close);
    scene.pass(SignedDuration::from_hours(1));
    scene.world.ledger.lose_everything();
    let found = scene.look();
    assert_eq!(found.found, BTreeMap::from([(Drift::StaleLedger, 1)]), "they had an account");
    assert_eq!(found.stale, BTreeSet::from([ann.clone()]));
    scene.rebuild(ACCOUNTS_AT_ONCE, true);
    scene.repair();
    scene.come_to_rest();
    let access = scene.world.ledger.stored(&ann).unwrap().access;
    assert_eq!((access.status, access.keys.len()), (Status::Closed, 0));
    assert_eq!(access.closed.as_deref(), Some(REBUILT_CLOSED));
}

/// Between the loss and the rebuild somebody has linked a customer: whom Stripe names with our
/// proof goes without them, and a person is told.
#[test]
fn a_customer_who_is_somebody_elses_by_now_is_told() {
    let Everybody { scene, paying, granted, .. } = everybody();
    let customer = CustomerId::parse(&paying.customer).unwrap();
    let payer = scene.world.ledger.links()[&customer].clone();
    scene.world.ledger.lose_everything();
    let (ledger, now) = (&scene.world.ledger, scene.world.clock.time());
    let until = now + SignedDuration::from_secs(1);
    let Claim::Taken { account } = block_on(ledger.claim(&granted, now, until)).unwrap() else {
        panic!("nobody holds it");
    };
    let mut account = Account { open: false, lease_until: None, ..*account };
    account.commit_id = Some("by-hand".to_owned());
    account.access.customers.insert(customer.clone());
    let commit = Commit { link: vec![customer.clone()], ..Commit::of(account) };
    assert_eq!(block_on(ledger.commit(&commit)).unwrap(), CommitResult::Committed);
    let (report, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!(report.taken, 1);
    let told = rebuilt.iter().find(|it| !it.taken.is_empty()).unwrap();
    assert_eq!((&told.account, &told.taken), (&payer, &vec![customer]));
}
