//! One account, from what the other three systems have of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{
    Access, Account, DisputeMark, Grant, KeyRecord, Known, PlanId, Reason, RetiringKey, Slot,
    Status, User,
};
use tollgate_core::catalog::{Catalog, Plan};
use tollgate_core::decide::{Desired, Facts, UserFact, decide};
use tollgate_core::policy::Policy;
use tollgate_core::ports::UserRecord;
use tollgate_core::stripe::Subscription;
use tollgate_events::CustomerId;

use super::super::acts::GRANTED;
use super::keys::{FoundKey, FoundKeys};

/// What a rebuilt account is held for whose key was found disabled.
pub const REBUILT_HOLD: &str = "rebuilt: its key was disabled";

/// What a rebuilt account is closed for whose user is told so.
pub const REBUILT_CLOSED: &str = "rebuilt: its user's attributes say that it is closed";

/// What a rebuilt account has a grant for whose plan nothing explains.
pub const REBUILT_GRANT: &str = "rebuilt: its key was on this plan, and nothing said why";

/// How long after its successor was made a replaced key is taken to be accepted: for how long it
/// was to be stood in the ledger alone.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Nobody's replaced key ends as soon as it is found again.
const OVERLAP_AT_LEAST: SignedDuration = SignedDuration::from_hours(24);

/// The revision of what no worker has decided yet: each of them may.
const ANY_WORKERS: u64 = 1;

/// With what a purchase begins.
const BEGINS: [&str; 2] = ["checkout.session.completed", "customer.subscription.created"];

/// What is left of an account.
#[derive(Debug)]
pub(super) struct Remains<'a> {
    /// The ledger's account: undecided, with guesses of an earlier rebuild, or stale.
    pub(super) before: &'a Account,
    /// The ledger is older than what is left.
    pub(super) stale: bool,
    pub(super) user: &'a UserRecord,
    pub(super) keys: Option<&'a FoundKeys>,
    pub(super) subscriptions: &'a [Subscription],
}

impl Remains<'_> {
    fn newest(&self) -> Option<&FoundKey> {
        self.keys.map(|keys| &keys.newest)
    }

    /// Whether the ledger does not tell what was last decided.
    fn is_forgotten(&self) -> bool {
        self.stale || self.before.known() < Known::Decided
    }
}

/// The account again, and what a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restored {
    pub(super) account: Account,
    /// Its key was disabled and nothing says why: it is held.
    pub(super) held: bool,
    /// Its plan is explained by nothing that is left: it is granted.
    pub(super) granted: Option<PlanId>,
    /// Customers who name it, and pay for more than it has: they are released.
    pub(super) disowned: BTreeSet<CustomerId>,
}

/// Whether a rebuild has held or granted something for want of a reason, and nobody has ended that.
pub(super) fn has_guesses(account: &Account) -> bool {
    let Access { hold, grants, .. } = &account.access;
    hold.as_deref() == Some(REBUILT_HOLD) || grants.iter().any(is_guess)
}

fn is_guess(grant: &Grant) -> bool {
    grant.why == REBUILT_GRANT
}

/// Writes down what is, not what should be: where the two differ, the comparison will find it.
pub(super) fn restore(
    remains: &Remains<'_>,
    catalog: &Catalog,
    policy: &Policy,
    now: Timestamp,
) -> Restored {
    let disowned = disowned(remains, catalog, policy, now);
    let kept = remains.subscriptions.iter().cloned();
    let kept: Vec<_> = kept.filter(|it| !disowned.contains(&it.customer)).collect();
    let remains = &Remains { subscriptions: &kept, ..*remains };
    let mut access = as_found(remains, catalog, now);
    access.customers.retain(|customer| !disowned.contains(customer));
    let plan = access.plan.as_ref().and_then(|id| catalog.plan(id));
    let first = decision(remains, &access, catalog, policy, now);
    let open = access.closed.is_none();
    let held = open && access.hold.is_none() && was_held(remains, &first);
    if held {
        access.hold = Some(REBUILT_HOLD.to_owned());
    }
    let granted = plan.filter(|plan| open && is_unexplained(plan, remains, &first, catalog));
    let granted = granted.map(|plan| plan.id.clone());
    access.grants.extend(granted.iter().map(|plan| Grant {
        plan: plan.clone(),
        until: None,
        why: REBUILT_GRANT.to_owned(),
    }));
    let desired = decision(remains, &access, catalog, policy, now);
    let account = account(remains, access, &desired, catalog, now);
    Restored { account, held, granted, disowned }
}

/// What API Gateway, Cognito and Stripe show.
fn as_found(remains: &Remains<'_>, catalog: &Catalog, now: Timestamp) -> Access {
    let mut access = remains.before.access.clone();
    access.grants.retain(|grant| !is_guess(grant));
    access.hold.take_if(|why| why == REBUILT_HOLD);
    if remains.stale {
        forget_what_is_contradicted(&mut access, remains, catalog);
    }
    access.customers.extend(remains.subscriptions.iter().map(|it| it.customer.clone()));
    access.attributes = remains.user.attributes.clone();
    if access.closed.is_none() && remains.user.attributes.say_closed() {
        access.closed = Some(REBUILT_CLOSED.to_owned());
    }
    let Some(FoundKeys { newest: key, older }) = remains.keys else { return access };
    let minted_at = key.created_at.unwrap_or(now);
    let record = KeyRecord { id: key.id.clone(), generation: key.generation, minted_at };
    access.keys.insert(Slot::Primary, record);
    let on = catalog.plans().iter().filter(|plan| key.plans.contains(&plan.usage_plan));
    let best = on.max_by_key(|plan| plan.rank);
    // On a usage plan that was replaced, its owner has the plan that they are told.
    let plan = best.or_else(|| told(remains, catalog).filter(|_| !key.plans.is_empty()));
    access.usage_plan = match best {
        Some(plan) => Some(plan.usage_plan.clone()),
        None => key.plans.first().cloned(),
    };
    access.plan = plan.map(|plan| plan.id.clone());
    if remains.is_forgotten() {
        access.retiring = still_working(key, older, now);
        for old in &mut access.retiring {
            let known = remains.before.access.retiring.iter().find(|known| known.id == old.id);
            old.until = known.map_or(old.until, |known| known.until);
        }
    }
    access
}

/// Of whom key and word show that they have a plan, nobody holds, and nobody has closed them, who had
/// been held or closed by what the ledger remembers; and a grant of more was revoked. What operators
/// have done since stands in the ledger without having come to anything yet, and stays.
fn forget_what_is_contradicted(access: &mut Access, remains: &Remains<'_>, catalog: &Catalog) {
    access.keys.clear();
    access.retiring.clear();
    (access.plan, access.usage_plan) = (None, None);
    let Some(shown) = shown(remains, catalog) else { return };
    match access.status {
        Status::Held => {
            access.hold = None;
            let holding = access.disputes.values_mut().filter(|it| **it == DisputeMark::Holding);
            holding.for_each(|mark| *mark = DisputeMark::Lifted);
        }
        Status::Closed => access.closed = None,
        Status::New | Status::Active | Status::Disabled | Status::WaitingForKey => {}
    }
    // One of them waits to come to something: which, nothing says.
    if !remains.before.deferred.iter().any(|event| event.kind == GRANTED) {
        let is_had = |plan: &Plan| plan.rank <= shown.rank;
        access.grants.retain(|grant| catalog.plan(&grant.plan).is_some_and(is_had));
    }
}

/// The plan that key and word agree on.
fn shown<'a>(remains: &Remains<'_>, catalog: &'a Catalog) -> Option<&'a Plan> {
    let key = remains.newest().filter(|key| key.enabled)?;
    told(remains, catalog).filter(|plan| key.plans.contains(&plan.usage_plan))
}

/// The plan that the user is told.
fn told<'a>(remains: &Remains<'_>, catalog: &'a Catalog) -> Option<&'a Plan> {
    catalog.told(remains.user.attributes.plan.as_deref()?)
}

/// The replaced keys that work: whether their time is over stood in the ledger alone.
fn still_working(newest: &FoundKey, older: &[FoundKey], now: Timestamp) -> Vec<RetiringKey> {
    let after = |at: Timestamp, time| at.saturating_add(time).expect("a duration has no calendar");
    let replaced_at = newest.created_at.unwrap_or(now);
    let until = after(replaced_at, OVERLAP).max(after(now, OVERLAP_AT_LEAST));
    let working = |key: &&FoundKey| newest.enabled && key.enabled && !key.plans.is_empty();
    let mut working: Vec<_> = older.iter().filter(working).collect();
    working.sort_by_key(|key| (key.generation, &key.id));
    let retiring = working.into_iter().map(|key| RetiringKey {
        id: key.id.clone(),
        generation: key.generation,
        minted_at: key.created_at,
        usage_plan: key.plans.first().cloned(),
        until,
    });
    retiring.collect()
}

/// Customers who name the account with our proof and pay for more than it has, by its key and by
/// what its user is told, while it needs none of them for that. An operator may have taken them
/// from it and given them to another: the proof in Stripe does not say so. What was bought since the
/// ledger was lost is no such contradiction: the events of it wait.
fn disowned(
    remains: &Remains<'_>,
    catalog: &Catalog,
    policy: &Policy,
    now: Timestamp,
) -> BTreeSet<CustomerId> {
    let (Some(found), Some(told)) = (remains.keys, told(remains, catalog)) else {
        return BTreeSet::new();
    };
    let on = |plan: &&Plan| found.newest.plans.contains(&plan.usage_plan);
    let on = catalog.plans().iter().filter(on).map(|plan| plan.rank);
    let has = on.chain([told.rank]).max().expect("there is one");
    let gives = |it: &Subscription| {
        let plans = it.sold().filter_map(|price| catalog.plan_of(price));
        plans.map(|plan| plan.rank).max().filter(|_| it.is_live())
    };
    let begins = |customer: &CustomerId| {
        let mut events = remains.before.deferred.iter();
        events.any(|event| {
            event.subject.customer.as_ref() == Some(customer)
                && BEGINS.contains(&event.kind.as_str())
        })
    };
    let more = remains.subscriptions.iter().filter(|it| gives(it) > Some(has));
    let more = more.map(|it| it.customer.clone()).filter(|customer| !begins(customer));
    // Whom a worker has linked may not be doubted any more.
    let more =
        more.filter(|it| remains.is_forgotten() || !remains.before.access.customers.contains(it));
    let mut more: BTreeSet<_> = more.collect();
    if more.is_empty() {
        return more;
    }
    let rest = remains.subscriptions.iter().cloned();
    let rest: Vec<_> = rest.filter(|it| !more.contains(&it.customer)).collect();
    let rest = Remains { subscriptions: &rest, ..*remains };
    let without = decision(&rest, &as_found(&rest, catalog, now), catalog, policy, now);
    let rank = |id| catalog.plan(id).map(|plan| plan.rank);
    // Its plan came of one of them.
    if without.plan.as_ref().and_then(rank) < Some(has) {
        more.clear();
    }
    more
}

fn decision(
    remains: &Remains<'_>,
    access: &Access,
    catalog: &Catalog,
    policy: &Policy,
    now: Timestamp,
) -> Desired {
    let (username, enabled) = (remains.user.admin_name().to_owned(), remains.user.enabled);
    let facts = Facts {
        access: access.clone(),
        last_seen: User::Unseen,
        subscriptions: remains.subscriptions.to_vec(),
        proven: BTreeSet::new(),
        paid_for: BTreeMap::new(),
        refunds: BTreeMap::new(),
        disputes: Vec::new(),
        user: UserFact::Found { username, enabled },
        room_for_free_key: true,
    };
    decide(&facts, catalog, policy, now)
}

/// Whether somebody had the key refused, by a dispute or by hand: the word in the user's
/// attributes says so, or nothing says why it is disabled.
fn was_held(remains: &Remains<'_>, decided: &Desired) -> bool {
    let told = remains.user.attributes.plan.as_deref() == Some("held");
    match remains.newest() {
        Some(key) => !key.enabled && (told || decided.status == Status::Active),
        None => told,
    }
}

/// Whether the key's plan is more than what is left gives, and no subscription that is left
/// ever gave it: then it came of a grant, or of a link without our proof. Nobody loses it
/// for that.
fn is_unexplained(
    plan: &Plan,
    remains: &Remains<'_>,
    decided: &Desired,
    catalog: &Catalog,
) -> bool {
    let rank = |id| catalog.plan(id).map(|plan| plan.rank);
    let less = decided.plan.as_ref().and_then(rank) < Some(plan.rank);
    let mut prices = remains.subscriptions.iter().flat_map(|it| &it.prices);
    less && !prices.any(|price| catalog.plan_of(price).is_some_and(|sold| sold.rank >= plan.rank))
}

/// The account as it is written.
fn account(
    remains: &Remains<'_>,
    mut access: Access,
    desired: &Desired,
    catalog: &Catalog,
    now: Timestamp,
) -> Account {
    let enabled = remains.newest().map(|key| key.enabled);
    access.status = match (desired.status, enabled) {
        (Status::Held, _) => Status::Held,
        (_, Some(true)) => Status::Active,
        (_, Some(false)) => Status::Disabled,
        (Status::Active, None) => Status::WaitingForKey,
        (other, None) => other,
    };
    if enabled.is_none() {
        access.plan.clone_from(&desired.plan);
    }
    let as_decided = access.plan == desired.plan && access.status == desired.status;
    access.reason = match access.status {
        Status::WaitingForKey => Reason::KeysRunOut,
        _ if as_decided => {
            access.given.clone_from(&desired.given);
            desired.reason.clone()
        }
        // The comparison will find it.
        _ => Reason::New,
    };
    access.grace.clone_from(&desired.grace);
    let before = remains.before;
    // What was paid for before a payment failed is the worker's to ask.
    let waits = before.open || !before.deferred.is_empty() || !desired.grace.is_empty();
    let mut account = Account {
        // What a worker has begun it goes on with.
        open: before.open && !remains.is_forgotten(),
        intent: before.intent.clone().filter(|intent| {
            remains.newest().is_none_or(|newest| newest.generation < intent.generation)
        }),
        lease_until: None,
        catalog_revision: before.catalog_revision.max(catalog.revision.min(ANY_WORKERS)),
        review_at: if waits { Some(now) } else { desired.review_at },
        user: desired.user.clone(),
        // What was refunded stood in the ledger alone.
        refund_told: before.refund_told || !access.customers.is_empty(),
        access,
        ..before.clone()
    };
    account.count_generations();
    account
}
