//! What should be: a small model of entitlement of its own.
//!
//! It calls neither `decide` nor `plan`: it reads Stripe's and Cognito's state from
//! the stand-ins, and from the ledger only who is linked to whom and since when a
//! grace period runs, and says on which usage plan each account's key must be.

mod entitlement;
mod neighbours;
mod paid;
mod persons;
mod records;
mod recovery;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tollgate_core::account::{
    Access, Account, KeyId, KeyRecord, Known, PlanId, RetiringKey, Status, UsagePlanId, User,
    is_like_a_sub,
};
use tollgate_core::ledger::{Entry, Outcome, StoredEvent};
use tollgate_events::{AccountId, CustomerId, cloudtrail};
use tollgate_standin::api_gateway::Key;
use tollgate_standin::stripe;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE};

pub(crate) use self::entitlement::{
    GRACE, ends_with_refund, rank, rank_of, rank_of_plan, steady_since,
};
pub(crate) use self::paid::refunded;
pub use self::recovery::judge_recovery;
use crate::operator::{Operated, reopens};
use crate::report::Violation;
use crate::run::Sim;

/// Longer than any convergence takes from its facts to its commit.
const A_CONVERGENCE: SignedDuration = SignedDuration::from_mins(10);

/// An account without what every convergence changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRest {
    /// Whose.
    pub id: AccountId,
    /// The history's length.
    pub version: u64,
    /// When it will be looked at again; not where events are lost for good, one of which may
    /// have told of another time.
    pub review_at: Option<Timestamp>,
    /// Everything that history tells.
    pub access: Access,
}

/// All accounts.
pub fn accounts(sim: &Sim) -> Vec<AtRest> {
    let at_rest = |a: Account| AtRest {
        id: a.id,
        version: a.version,
        review_at: a.review_at.filter(|_| !sim.script.lossy),
        access: a.access,
    };
    sim.world.ledger.accounts().into_iter().map(at_rest).collect()
}

/// Compares a world at rest with what it should be.
pub fn judge(sim: &Sim) -> Vec<Violation> {
    let mut oracle = Oracle::new(sim);
    oracle.rest();
    for account in sim.world.ledger.accounts() {
        oracle.account(&account);
        oracle.history(&account);
    }
    oracle.users_without_account();
    oracle.payers();
    oracle.cancelled();
    oracle.neighbours();
    oracle.keys();
    oracle.owners_keys();
    oracle.events();
    oracle.forgotten();
    oracle.secrets();
    oracle.found
}

/// Events that are parked for no reason: not because their customer is nobody's, and
/// not because they tell of a payment on a closed account.
pub fn unsettled(sim: &Sim) -> Vec<Violation> {
    let mut oracle = Oracle::new(sim);
    let links = sim.world.ledger.links();
    let accounts = sim.world.ledger.accounts();
    let closed =
        |id: &AccountId| accounts.iter().any(|a| a.id == *id && a.access.status == Status::Closed);
    let unsettled = sim.world.ledger.events().into_iter().map(|event| event.record);
    for record in unsettled.filter(|record| record.outcome.is_unsettled()) {
        let subject = record.envelope().map(|envelope| envelope.subject.clone());
        let customer = subject.as_ref().and_then(|subject| subject.customer.as_ref());
        let owner = customer.and_then(|customer| links.get(customer));
        let released = customer.is_some_and(|customer| sim.released.contains(customer));
        let stranger = owner.is_none() && (record.account.is_none() || released);
        let named_as_sub = record.account.as_ref().is_some_and(|id| named_as_sub(sim, id));
        if !stranger && !named_as_sub && !record.account.iter().chain(owner).any(closed) {
            oracle.violate(1, format!("{} stays parked: {:?}", record.event, record.detail));
        }
    }
    oracle.found
}

/// Whether an account's user has chosen another's sub for a name.
pub(crate) fn named_as_sub(sim: &Sim, id: &AccountId) -> bool {
    let user = sim.world.cognito.user_by_id(id);
    user.is_some_and(|user| user.username != id.as_str() && is_like_a_sub(&user.username))
}

/// Whether an account's key is to be accepted: its user is there and may sign in, and nothing holds
/// it.
pub(crate) fn is_to_be_accepted(sim: &Sim, account: &Account) -> bool {
    let Some(user) = sim.world.cognito.user_by_id(&account.id) else { return false };
    let oracle = Oracle::new(sim);
    !oracle.operated(account).closed
        && oracle.entitled(account, user.enabled, &mut Vec::new()).enabled
}

/// Whether somebody wanted an account to be closed: its user's deletion was told, or an
/// operator closed it. `settled`: and that came through, and stands.
pub(crate) fn is_wanted_closed(sim: &Sim, id: &AccountId, settled: bool) -> bool {
    let by_operator = |it: &Operated| if settled { it.standing().closed } else { it.may_be_closed };
    sim.actors.operated.get(id).is_some_and(by_operator) || is_told(sim, id, settled)
}

/// Whether an event tells of the deletion of an account's user.
pub(crate) fn deletion_is_told(sim: &Sim, id: &AccountId) -> bool {
    is_told(sim, id, false)
}

fn is_told(sim: &Sim, id: &AccountId, settled: bool) -> bool {
    let told = |event: &StoredEvent| {
        let about = event.record.envelope().filter(|it| it.kind == cloudtrail::USER_DELETED);
        let named = about.and_then(|it| it.subject.account.as_ref());
        let done = matches!(event.record.outcome, Outcome::Applied | Outcome::Unchanged);
        named.is_some_and(|named| named.id == *id) && (done || !settled)
    };
    sim.world.ledger.events().iter().any(told)
}

/// What an account should have.
#[derive(Debug, PartialEq, Eq)]
struct Entitled {
    plan: &'static str,
    usage_plan: String,
    enabled: bool,
    word: &'static str,
}

struct Oracle<'a> {
    sim: &'a Sim,
    now: Timestamp,
    /// Usage plans by the plan's name.
    usage_plans: BTreeMap<String, String>,
    keys: Vec<Key>,
    /// Accounts of which an event was given up: they say so, and may be behind.
    behind: BTreeSet<AccountId>,
    found: Vec<Violation>,
}

impl<'a> Oracle<'a> {
    fn new(sim: &'a Sim) -> Self {
        let mut usage_plans = BTreeMap::new();
        let mut keys = Vec::new();
        sim.world.api_gateway.scene(|model, _| {
            let all = model.get_usage_plans(None, &Default::default()).expect("a first page");
            usage_plans.extend(all.items.into_iter().map(|plan| (plan.name, plan.id)));
            keys.extend(model.keys().cloned());
        });
        let now = sim.world.clock.time();
        let behind = Self::behind(sim);
        Self { sim, now, usage_plans, keys, behind, found: Vec::new() }
    }

    fn behind(sim: &Sim) -> BTreeSet<AccountId> {
        let links = sim.world.ledger.links();
        let unsettled = sim.world.ledger.events().into_iter().map(|event| event.record);
        let unsettled: Vec<_> = unsettled.filter(|record| record.outcome.is_unsettled()).collect();
        let mut behind = BTreeSet::new();
        for record in unsettled {
            behind.extend(record.account.clone());
            let Some(envelope) = record.envelope() else { continue };
            let subject = &envelope.subject;
            behind.extend(subject.account.as_ref().map(|named| named.id.clone()));
            let stripe = sim.world.stripe.account();
            let charged = subject.charge.as_ref();
            let charged = charged.and_then(|id| stripe.charge(id.as_str()).ok());
            let customers = subject.customer.as_ref().map(|id| id.as_str().to_owned());
            let customers = customers.into_iter().chain(charged.map(|c| c.customer.clone()));
            let customers: Vec<_> = customers.collect();
            for customer in customers {
                behind.extend(
                    links.iter().filter(|(id, _)| id.as_str() == customer).map(|(_, a)| a.clone()),
                );
                behind.extend(sim.actors.pays_for.get(&customer).into_iter().flatten().cloned());
            }
        }
        if sim.replayed {
            let accounts = sim.world.ledger.accounts();
            for account in accounts.iter().filter(|a| a.access.status != Status::Closed) {
                behind.remove(&account.id);
            }
        }
        behind
    }

    fn violate(&mut self, invariant: u8, problem: impl Into<String>) {
        let script = &self.sim.script;
        let (seed, command, problem) = (script.seed, script.command(), problem.into());
        self.found.push(Violation { seed, invariant, problem, command });
    }

    /// Queues empty, nothing due, no lease held.
    fn rest(&mut self) {
        for queue in [EVENTS_QUEUE, BULK_QUEUE].iter().chain(&DEAD_LETTER_QUEUES) {
            if !self.sim.world.sqs.is_empty(queue) {
                self.violate(1, format!("{queue} is not empty"));
            }
        }
        for account in self.sim.world.ledger.accounts() {
            if account.review_at.is_some_and(|at| at <= self.now) {
                self.violate(1, format!("{} is due and stays so", account.id));
            }
            if account.lease_until.is_some_and(|until| until > self.now) {
                self.violate(1, format!("{} is leased", account.id));
            }
            if account.open && !self.behind.contains(&account.id) {
                self.violate(1, format!("{} is open, and nothing says so", account.id));
            }
        }
    }

    /// Invariant 1 for one account.
    fn account(&mut self, account: &Account) {
        if self.behind.contains(&account.id) && account.access.status != Status::Closed {
            return;
        }
        // As good as none; who may use the API must have one.
        if account.known() == Known::Nothing {
            return;
        }
        let problems = match self.sim.world.cognito.user_by_id(&account.id) {
            Some(user) if named_as_sub(self.sim, &account.id) && account.is_unserved() => {
                self.unserved(&user)
            }
            None => self.closed(account),
            Some(_) if self.operated(account).closed => self.closed(account),
            Some(user) => self.served(account, &user),
        };
        for problem in problems {
            let line = format!("{}: {problem}; {:?}", account.id, account.access);
            self.violate(1, line);
        }
    }

    fn closed(&self, account: &Account) -> Vec<String> {
        let mut problems = Vec::new();
        if account.access.status != Status::Closed {
            problems.push(format!("it should be closed, and is {:?}", account.access.status));
        }
        let mut keys = self.keys_of(&account.id);
        if keys.any(|key| !self.landed_late(key) && !self.is_reported(key)) {
            problems.push("it should be closed, and has a key".into());
        }
        // Closed by an operator while a wrong pool was in force, in which there was nobody to tell.
        let untold = self.sim.pool_was_wrong && account.user == User::Deleted;
        if let Some(user) = self.sim.world.cognito.user_by_id(&account.id).filter(|_| !untold) {
            let told = [user.attribute("custom:apiid"), user.attribute("custom:plan")];
            if told != [None, Some("closed")] {
                problems.push(format!("it is closed, and its user is told {told:?}"));
            }
        }
        problems.extend(self.runs_on(account));
        problems
    }

    /// What a closed account's customers still pay: nothing, whenever it began, but what waits for
    /// the cancellation limit, or for somebody to tell of a deletion.
    fn runs_on(&self, account: &Account) -> Vec<String> {
        let stripe = self.sim.world.stripe.account();
        let links = self.sim.world.ledger.links();
        let unsettled = self.sim.world.ledger.events().into_iter().map(|event| event.record);
        let unsettled =
            unsettled.filter(|record| record.outcome.is_unsettled() && record.account.is_none());
        let told: BTreeSet<_> = unsettled
            .filter_map(|record| Some(record.envelope()?.subject.customer.as_ref()?.to_string()))
            .collect();
        // Nobody is linked to an account whose user is gone. A link that an operator took away
        // is theirs to answer for; and where what names the account was lost, or came while a
        // setting was wrong, the customer is told as nobody's.
        let unlinked = |customer: &String| {
            let is_linked = links.keys().any(|id| id.as_str() == customer.as_str());
            !is_linked
                && !told.contains(customer)
                && !self.sim.actors.moves.touched(customer)
                && !self.is_unheard_of(&stripe, customer)
        };
        let pays = |owners: &[AccountId]| owners.iter().all(|owner| *owner == account.id);
        let unlinked = self.sim.actors.pays_for.iter().filter(|(it, to)| unlinked(it) && pays(to));
        let customers = account.access.customers.iter().map(CustomerId::as_str);
        let customers = customers.chain(unlinked.map(|(customer, _)| customer.as_str()));
        let neighbours = &self.sim.actors.neighbours.subscriptions;
        let rows = customers.flat_map(|customer| stripe.subscriptions_of(customer));
        let live = rows.filter(|row| !row.status.is_final() && !neighbours.contains(&row.id));
        let waits = |row: &&stripe::Subscription| {
            account.access.to_cancel.iter().any(|id| id.as_str() == row.id)
        };
        // Nobody is cancelled for being absent.
        let is_told =
            !is_wanted_closed(self.sim, &account.id, true) && self.behind.contains(&account.id);
        let live = live.filter(|row| !is_told && !waits(row) && !self.is_parked(&row.customer));
        live.map(|row| format!("it is closed, and {} of {} runs on", row.id, row.customer))
            .collect()
    }

    /// Whether nothing tells of a customer who is linked to nobody: an event of theirs was lost for
    /// good, and the comparison does not look for what the catalog does not sell.
    fn is_unheard_of(&self, stripe: &stripe::Stripe, customer: &str) -> bool {
        let mut rows = stripe.subscriptions_of(customer).into_iter();
        rows.all(|row| row.status.is_final() || rank(stripe, row, self.sim.edition) == 0)
            && self.sim.lost.iter().any(|body| body.contains(customer))
    }

    /// Whether an event of a customer was given up, and nobody has replayed it yet.
    fn is_parked(&self, customer: &str) -> bool {
        let about = |event: &StoredEvent| {
            let envelope = event.record.envelope().filter(|_| event.record.outcome.is_unsettled());
            let subject = envelope.and_then(|envelope| envelope.subject.customer.as_ref());
            subject.is_some_and(|subject| subject.as_str() == customer)
        };
        !self.sim.replayed && self.sim.world.ledger.events().iter().any(about)
    }

    /// No subscription is cancelled that nobody ended.
    fn cancelled(&mut self) {
        let calls = self.sim.world.gate.calls().into_iter();
        let ours = calls.filter(|call| call.operation == "DELETE /v1/subscriptions/{id}");
        let ours: BTreeSet<_> = ours.map(|call| call.subject).collect();
        let accounts = self.sim.world.ledger.accounts();
        for id in ours {
            let stripe = self.sim.world.stripe.account();
            let customer = stripe.subscription(&id).map(|row| row.customer.clone());
            drop(stripe);
            let customer = customer.unwrap_or_default();
            // Whoever had the customer, at any time; or was closed, which links nobody.
            let had = |account: &&Account| {
                let entries = self.sim.world.ledger.entries(&account.id);
                let mut after = entries.iter().map(|entry| &entry.after);
                after.any(|it| {
                    it.status == Status::Closed
                        || it.customers.iter().any(|other| other.as_str() == customer)
                })
            };
            let wanted =
                accounts.iter().filter(had).any(|it| is_wanted_closed(self.sim, &it.id, false));
            if !wanted {
                self.violate(1, format!("{id} is cancelled, and nobody wanted that"));
            }
        }
    }

    /// Who has chosen another's sub for a name is told nothing of theirs. Whoever was served before
    /// the other had an account is served on.
    fn unserved(&self, user: &crate::ports::PoolUser) -> Vec<String> {
        let told = user.attribute("custom:apiid").or(user.attribute("custom:plan"));
        let told = told.map(|told| format!("it is named as another's sub, and is told {told}"));
        told.into_iter().collect()
    }

    fn served(&self, account: &Account, user: &crate::ports::PoolUser) -> Vec<String> {
        let mut problems = Vec::new();
        let expected = self.entitled(account, user.enabled, &mut problems);
        problems.extend(self.retiring(account, &expected));
        let key = self.key_of(account);
        let recorded = account.key();
        let access = &account.access;
        match key {
            None if expected.enabled => problems.push("there is no key".into()),
            None => {}
            Some(key) => {
                let on = [expected.usage_plan.clone()].into();
                if key.plans != on {
                    problems.push(format!("the key is on {:?}, not on {on:?}", key.plans));
                }
                if key.enabled != expected.enabled {
                    problems.push(format!("the key's enabled is {}", key.enabled));
                }
                let usage_plan = access.usage_plan.as_ref().map(UsagePlanId::as_str);
                if usage_plan != Some(expected.usage_plan.as_str()) {
                    problems.push(format!("the ledger has usage plan {usage_plan:?}"));
                }
            }
        }
        let id = key.map(|key| key.id.as_str());
        let operated = self.sim.actors.operated.get(&account.id);
        // A key that somebody deleted, or a close that a release overtook, stays named, for its
        // generation, until another is due.
        let may_be_deleted = self.sim.script.lossy
            || self.lost_a_key(&account.id)
            || operated.is_some_and(Operated::closed);
        let deleted = may_be_deleted && key.is_none() && !expected.enabled;
        if recorded.map(|record| record.id.as_str()) != id && !deleted {
            problems.push(format!("the ledger has key {recorded:?}, API Gateway has {id:?}"));
        }
        let again = self.sim.script.lossy
            || self.lost_a_key(&account.id)
            || operated.is_some_and(|it| it.rotated || it.closed());
        if recorded.is_some_and(|record| record.generation != 1) && !again {
            problems.push("a second key was made".into());
        }
        if access.plan.as_ref().map(PlanId::as_str) != Some(expected.plan) {
            problems.push(format!("the ledger has plan {:?}, not {}", access.plan, expected.plan));
        }
        if user.attribute("custom:apiid") != id {
            problems.push(format!("custom:apiid is {:?}", user.attribute("custom:apiid")));
        }
        if user.attribute("custom:plan") != Some(expected.word) {
            let word = user.attribute("custom:plan");
            problems.push(format!("custom:plan is {word:?}, not {}", expected.word));
        }
        let seen = access.attributes.plan.as_deref();
        if seen != Some(expected.word) || access.attributes.api_id.as_ref().map(KeyId::as_str) != id
        {
            problems.push("the ledger has other attributes".into());
        }
        problems
    }

    /// Whether a key was made by a call that was under way when its lease ended and landed
    /// after its account was closed, or had the next key: API Gateway has no conditional
    /// writes. It is on no plan and opens nothing, and the comparison of the systems reports it
    /// as an orphan.
    fn landed_late(&self, key: &Key) -> bool {
        let account = key.customer_id.as_ref().and_then(|id| AccountId::parse(id.clone()).ok());
        let Some(account) = account else { return false };
        let generation = key.name.as_ref().and_then(|name| name.rsplit('/').next()?.parse().ok());
        let too_late = |entry: &Entry| {
            let mut keys = entry.after.keys.values();
            let next = |record: &KeyRecord| {
                Some(record.generation) > generation && record.minted_at < key.created
            };
            entry.after.status == Status::Closed && key.created > entry.at || keys.any(next)
        };
        key.plans.is_empty() && self.sim.world.ledger.entries(&account).iter().any(too_late)
    }

    /// Whether a wrong pool has closed the account, or got as far as to its key.
    fn lost_a_key(&self, account: &AccountId) -> bool {
        let entries = self.sim.world.ledger.entries(account);
        if entries.iter().any(reopens) {
            return true;
        }
        let keys = entries.iter().flat_map(|entry| entry.after.keys.values());
        let keys: BTreeSet<_> = keys.map(|key| key.id.as_str()).collect();
        let calls = self.sim.world.gate.calls();
        let mut deleted = calls.iter().filter(|call| call.operation == "DeleteApiKey");
        self.sim.pool_was_wrong && deleted.any(|call| keys.contains(call.subject.as_str()))
    }

    /// Whether a key was made twice, because somebody has deleted it by hand, and the second has
    /// been reported as an orphan.
    fn is_reported(&self, key: &Key) -> bool {
        self.sim.script.lossy && self.sim.reported.contains(&key.id)
    }

    /// The account's key: the one of its keys that is not retiring.
    fn key_of(&self, account: &Account) -> Option<&Key> {
        let retiring =
            |key: &Key| account.access.retiring.iter().any(|it| it.id.as_str() == key.id);
        let is_its =
            |key: &&Key| !retiring(key) && !self.landed_late(key) && !self.is_reported(key);
        self.keys_of(&account.id).find(is_its)
    }

    /// All keys of an account, by their names.
    fn keys_of(&self, account: &AccountId) -> impl Iterator<Item = &Key> {
        let prefix = format!("tollgate/sim/{account}/");
        let named = move |key: &&Key| key.name.as_ref().is_some_and(|n| n.starts_with(&prefix));
        self.keys.iter().filter(named)
    }

    /// Keys that were replaced work on the account's plan until their time has come; while its own
    /// is to be refused, they are gone. What people edit by hand is not looked at.
    /// One that was to go for a while may be gone though it is to stay again: the worker that
    /// deleted it did not live to write that down.
    fn retiring(&self, account: &Account, expected: &Entitled) -> Vec<String> {
        let mut problems = Vec::new();
        let calls = self.sim.world.gate.calls();
        let asked_to_go = |key: &RetiringKey| {
            let deletes = calls.iter().filter(|call| call.operation == "DeleteApiKey");
            deletes.filter(|call| call.subject == key.id.as_str()).count() > 0
        };
        for key in &account.access.retiring {
            let found = self.keys.iter().find(|found| found.id == key.id.as_str());
            let works = found.is_some_and(|found| {
                found.enabled
                    && found.plans == [expected.usage_plan.clone()].into()
                    && self.is_served(found)
            });
            if key.until <= self.now || !expected.enabled {
                problems.push(format!("{key:?} is not deleted"));
                continue;
            }
            let excused = self.sim.script.lossy || found.is_none() && asked_to_go(key);
            if !works && !excused {
                problems.push(format!("{key:?} is {found:?}"));
            }
        }
        problems
    }

    /// Whether the data plane takes a key: it may have used up its quota.
    fn is_served(&self, key: &Key) -> bool {
        let world = &self.sim.world;
        let answer =
            world.api_gateway.call(&world.stage(), "GET /hello", Some(key.value.expose_secret()));
        answer.status != 403
    }

    /// Who may use the API has an account.
    fn users_without_account(&mut self) {
        let accounts = self.sim.world.ledger.accounts().into_iter();
        let known: BTreeSet<_> =
            accounts.filter(|a| a.known() > Known::Nothing).map(|a| a.id).collect();
        for user in self.sim.world.cognito.users() {
            let served = known.contains(&user.id) || self.behind.contains(&user.id);
            // A worker's write can land on whoever has a federated user's name by then (Cognito
            // has no conditional writes), and their next sign-in shows no need to catch up: the
            // comparison of the systems finds them.
            let taken_for_another = user.is_federated() && user.attribute("custom:apiid").is_some();
            let taken_for_another = taken_for_another || named_as_sub(self.sim, &user.id);
            if user.enabled && !served && !taken_for_another {
                self.violate(1, format!("{} has no account", user.id));
            }
        }
    }

    /// Who paid for an account is linked to it, or something says why not.
    fn payers(&mut self) {
        let links = self.sim.world.ledger.links();
        for (customer, owners) in &self.sim.actors.pays_for {
            let link = links.iter().find(|(id, _)| id.as_str() == customer).map(|(_, a)| a);
            match link {
                Some(owner) if self.sim.actors.moves.links(customer, owner) => {}
                None if self.sim.actors.moves.touched(customer) => {}
                Some(owner) if !owners.contains(owner) => {
                    self.violate(8, format!("{customer} is linked to {owner}, not to {owners:?}"));
                }
                None if self.sim.lost.iter().any(|body| body.contains(customer.as_str())) => {}
                // What could not be read when it was told of is found by the hourly comparison, as
                // long as it is paid for.
                None if self.sim.was_wrong && !self.has_live(customer) => {}
                None if !owners.iter().any(|owner| self.behind.contains(owner)) => {
                    let closed = self.sim.world.ledger.accounts().into_iter().any(|account| {
                        owners.contains(&account.id) && account.access.status == Status::Closed
                    });
                    if !closed {
                        self.violate(1, format!("{customer} pays and is linked to nobody"));
                    }
                }
                _ => {}
            }
        }
        for (customer, owner) in &links {
            let by_operator = self.sim.actors.moves.links(customer.as_str(), owner);
            if !by_operator && !self.is_named(customer.as_str(), owner) {
                self.violate(8, format!("{customer} is linked to {owner}, whom it never named"));
            }
        }
    }

    fn has_live(&self, customer: &str) -> bool {
        use stripe::Status::{Active, PastDue, Trialing};
        let stripe = self.sim.world.stripe.account();
        let rows = stripe.subscriptions_of(customer);
        rows.iter().any(|row| matches!(row.status, Trialing | Active | PastDue))
    }

    /// Whether a customer went through a checkout of ours for an account, or was made
    /// for it.
    fn is_named(&self, customer: &str, owner: &AccountId) -> bool {
        let paid = self.sim.actors.pays_for.get(customer);
        let stripe = self.sim.world.stripe.account();
        let made_for = |row: &stripe::Customer| {
            row.metadata.contains_key("tollgate_proof")
                && row.metadata.get("tollgate_account").map(String::as_str) == Some(owner.as_str())
        };
        paid.is_some_and(|owners| owners.contains(owner))
            || stripe.customer(customer).is_ok_and(made_for)
    }
}
