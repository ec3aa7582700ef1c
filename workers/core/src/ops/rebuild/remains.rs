//! One account, from what the other three systems have of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::FoundKey;
use crate::account::{Access, Account, Grant, KeyRecord, PlanId, Reason, Slot, Status, User};
use crate::catalog::{Catalog, Plan};
use crate::decide::{Desired, Facts, UserFact, decide};
use crate::policy::Policy;
use crate::ports::UserRecord;
use crate::stripe::Subscription;

/// What a rebuilt account is held for whose key was found disabled.
pub const REBUILT_HOLD: &str = "rebuilt: its key was disabled";

/// What a rebuilt account is closed for whose user is told so.
pub const REBUILT_CLOSED: &str = "rebuilt: its user's attributes say that it is closed";

/// What a rebuilt account has a grant for whose plan nothing explains.
pub const REBUILT_GRANT: &str = "rebuilt: its key was on this plan, and nothing said why";

/// What is left of an account.
#[derive(Debug)]
pub(super) struct Remains<'a> {
    /// The ledger's account as claimed: undecided.
    pub(super) before: &'a Account,
    pub(super) user: &'a UserRecord,
    pub(super) key: Option<&'a FoundKey>,
    pub(super) subscriptions: &'a [Subscription],
}

/// The account again, and what a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restored {
    pub(super) account: Account,
    /// Its key was disabled and nothing says why: it is held.
    pub(super) held: bool,
    /// Its plan is explained by nothing that is left: it is granted.
    pub(super) granted: Option<PlanId>,
}

/// Writes down what is, not what should be: where the two differ, the comparison will find it.
pub(super) fn restore(
    remains: &Remains<'_>,
    catalog: &Catalog,
    policy: &Policy,
    now: Timestamp,
) -> Restored {
    let mut access = as_found(remains, catalog, now);
    let plan = access.plan.as_ref().and_then(|id| catalog.plan(id));
    let first = decision(remains, &access, catalog, policy, now);
    let held = access.hold.is_none() && was_held(remains, &first);
    if held {
        access.hold = Some(REBUILT_HOLD.to_owned());
    }
    let granted = plan.filter(|plan| is_unexplained(plan, remains, &first, catalog));
    let granted = granted.map(|plan| plan.id.clone());
    access.grants.extend(granted.iter().map(|plan| Grant {
        plan: plan.clone(),
        until: None,
        why: REBUILT_GRANT.to_owned(),
    }));
    let desired = decision(remains, &access, catalog, policy, now);
    Restored { account: account(remains, access, &desired, catalog, now), held, granted }
}

/// What API Gateway, Cognito and Stripe show.
fn as_found(remains: &Remains<'_>, catalog: &Catalog, now: Timestamp) -> Access {
    let mut access = remains.before.access.clone();
    access.customers.extend(remains.subscriptions.iter().map(|it| it.customer.clone()));
    access.attributes = remains.user.attributes.clone();
    let closed = remains.user.attributes.say_closed();
    access.closed = closed.then(|| REBUILT_CLOSED.to_owned());
    let Some(key) = remains.key else { return access };
    let minted_at = key.created_at.unwrap_or(now);
    let record = KeyRecord { id: key.id.clone(), generation: key.generation, minted_at };
    access.keys.insert(Slot::Primary, record);
    let on = catalog.plans().iter().filter(|plan| key.plans.contains(&plan.usage_plan));
    let best = on.max_by_key(|plan| plan.rank);
    access.usage_plan = best.map(|plan| plan.usage_plan.clone());
    access.plan = best.map(|plan| plan.id.clone());
    access
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
    match remains.key {
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
    let enabled = remains.key.map(|key| key.enabled);
    access.status = match (desired.status, enabled) {
        (Status::Held, _) => Status::Held,
        (_, Some(true)) => Status::Active,
        (_, Some(false)) => Status::Disabled,
        (Status::Active, None) => Status::WaitingForKey,
        (other, None) => other,
    };
    if remains.key.is_none() {
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
    let waits = !before.deferred.is_empty() || !desired.grace.is_empty();
    let mut account = Account {
        open: false,
        lease_until: None,
        catalog_revision: catalog.revision,
        review_at: if waits { Some(now) } else { desired.review_at },
        user: desired.user.clone(),
        access,
        ..before.clone()
    };
    account.count_generations();
    account
}
