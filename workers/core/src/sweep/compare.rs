//! One account compared: the same decision and the same plan as the worker's, on facts
//! that were read in bulk. Pure.
//!
//! Disputes cannot be listed by customer: those of the account are told by whoever has listed them
//! all. Of one that is not among them the ledger's mark is taken as it stands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tollgate_events::{CustomerId, DisputeId, SubscriptionId};

use super::Drift;
use super::keys::KeySeen;
use crate::account::{Access, Account, KeyId, KeyRecord, Known, Status, User};
use crate::catalog::Catalog;
use crate::decide::loss::{Case, Evidence, loss, pays};
use crate::decide::stale::{Sight, is_forgotten};
use crate::decide::{Desired, Facts, UserFact, decide};
use crate::plan::{Observed, ObservedKey, Step, plan};
use crate::policy::Policy;
use crate::ports::UserRecord;
use crate::stripe::{Dispute, Subscription};

/// An account as all four systems show it.
pub(super) struct SeenAccount {
    /// As the ledger has it, but for the plans that its replaced keys are on.
    pub(super) account: Account,
    /// When the account was read, or before.
    pub(super) read_at: Timestamp,
    pub(super) subscriptions: Vec<Subscription>,
    /// Disputes that the ledger has of it, and new ones of its customers, as they are now.
    pub(super) disputes: Vec<Dispute>,
    /// There are subscriptions of its customers that cannot be read.
    pub(super) has_unreadable: bool,
    pub(super) key: KeySeen,
    /// Which of its replaced keys are accepted.
    pub(super) accepted: BTreeSet<KeyId>,
    /// Its newest key, where the ledger does not know of it.
    pub(super) newer: Option<KeyId>,
}

impl SeenAccount {
    /// Whether the ledger knows of a subscription that is not among those read.
    pub(super) fn lacks_one(&self) -> bool {
        let Account { access, several, .. } = &self.account;
        let given = access.given.iter().map(|given| &given.by).chain(access.reason.subscription());
        let late = access.grace.keys().chain(access.refunded.keys());
        let mut known = given.chain(late).chain(several);
        known.any(|id| self.subscriptions.iter().all(|read| read.id != *id))
    }

    /// What a customer has, read by itself.
    pub(super) fn replace(&mut self, customer: &CustomerId, read: Vec<Subscription>) {
        self.subscriptions.retain(|it| it.customer != *customer);
        self.subscriptions.extend(read);
    }
}

/// What comparing it came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// In what it differs first, if it does.
    pub(super) drift: Option<Drift>,
    /// Whether it is a paying account.
    pub(super) paying: bool,
    /// What speaks for it, where it has less by what was read.
    pub(super) loss: Option<Evidence>,
    /// It was not compared.
    pub(super) left_alone: bool,
    /// A dispute that the ledger does not know, and that holds it.
    pub(super) unknown_dispute: Option<DisputeId>,
    /// The live subscriptions of ours, where there are several.
    pub(super) several: BTreeSet<SubscriptionId>,
}

/// Compares an account; `user` as the pool lists them.
pub(super) fn compare(
    seen: &SeenAccount,
    user: Option<&UserRecord>,
    catalog: &Catalog,
    policy: &Policy,
    now: Timestamp,
) -> Comparison {
    let SeenAccount { account, read_at, subscriptions, disputes, has_unreadable, key, .. } = seen;
    let paying = pays(&account.access, catalog);
    let held = account.lease_until.is_some_and(|until| until > *read_at);
    if held || *has_unreadable || account.catalog_revision > catalog.revision {
        return Comparison { paying, left_alone: true, ..Comparison::default() };
    }
    let facts = Facts {
        access: account.access.clone(),
        last_seen: account.user.clone(),
        subscriptions: subscriptions.clone(),
        // What is told of an unknown price is the worker's to say.
        proven: BTreeSet::new(),
        // What the ledger does not know yet is the worker's to ask.
        paid_for: BTreeMap::new(),
        refunds: BTreeMap::new(),
        disputes: disputes.clone(),
        user: user_fact(&account.user, user),
        // Who waits for a key looks again by themselves.
        room_for_free_key: account.access.status != Status::WaitingForKey,
    };
    let desired = decide(&facts, catalog, policy, now);
    let observed = observed(account, user, key);
    // Whom an operator has closed as well is closed as they wanted it, and nobody's to release.
    let is_back =
        user.is_some() && account.user == User::Deleted && account.access.closed.is_none();
    let drift = if user.is_some_and(|user| is_stale(seen, user, (&desired, &observed), catalog)) {
        Some(Drift::StaleLedger)
    } else if is_back && !account.open {
        Some(Drift::UserIsBack)
    } else {
        drift(account, &desired, &observed, catalog.revision)
    };
    let case = Case {
        before: &account.access,
        decided_by: account.catalog_revision,
        desired: &desired,
        facts: &facts,
        events: &[],
        catalog,
        policy,
        now,
    };
    // A user who is not listed is closed when they are missed a second time.
    let loss = match loss(&account.access, &desired, catalog) {
        None if drift == Some(Drift::UserGone) => Some(Evidence::Counted),
        loss => loss.map(|loss| case.evidence(loss)),
    };
    let several = desired.several().cloned().unwrap_or_default();
    let known = &account.access.disputes;
    let unknown = desired.disputes.keys().find(|id| !known.contains_key(*id)).cloned();
    Comparison { drift, paying, loss, left_alone: false, several, unknown_dispute: unknown }
}

/// Whether the ledger seems to be older than what is there.
fn is_stale(
    seen: &SeenAccount,
    user: &UserRecord,
    (desired, observed): (&Desired, &Observed),
    catalog: &Catalog,
) -> bool {
    let SeenAccount { account, subscriptions, key, accepted, newer, .. } = seen;
    if newer.is_some() && account.known() == Known::Decided {
        return true;
    }
    let word = user.attributes.plan.as_deref().filter(|_| user.is_meant());
    if account.known() < Known::Decided {
        let word = word.filter(|word| !account.may_have_told(word));
        return is_forgotten(&account.access, word);
    }
    let steps = plan(desired, observed);
    let shown = matches!(key, KeySeen::There { .. });
    let sight = Sight {
        account,
        ledger: &account.access,
        desired,
        subscriptions,
        steps: &steps,
        key: observed.key.as_ref().filter(|_| shown),
        retiring: &observed.retiring,
        accepted,
        word,
        ended: None,
        catalog,
    };
    sight.stale().is_some()
}

fn user_fact(last_seen: &User, user: Option<&UserRecord>) -> UserFact {
    match (last_seen, user) {
        (User::Deleted, _) => UserFact::AsLastSeen,
        (_, Some(user)) => {
            // A local user whose sub is another's user name is known by their own.
            let by_name = last_seen.username() == Some(user.username.as_str());
            let username = if by_name { &user.username } else { user.admin_name() };
            UserFact::Found { username: username.to_owned(), enabled: user.enabled }
        }
        (_, None) => UserFact::NotFound { delete_seen: false },
    }
}

fn observed(account: &Account, user: Option<&UserRecord>, key: &KeySeen) -> Observed {
    let access = &account.access;
    let record = account.key();
    let key = match key {
        KeySeen::There { enabled, plans } => record.map(|record: &KeyRecord| ObservedKey {
            id: Some(record.id.clone()),
            enabled: *enabled,
            usage_plans: plans.iter().cloned().collect(),
        }),
        KeySeen::TooNew => record.map(|record| ObservedKey {
            id: Some(record.id.clone()),
            enabled: access.status == Status::Active,
            usage_plans: access.usage_plan.iter().cloned().collect(),
        }),
        KeySeen::Gone => None,
    };
    // To whoever is gone, by the ledger, nobody writes.
    let user = user.filter(|_| account.user != User::Deleted);
    let attributes = user.map_or(&access.attributes, |user| &user.attributes).clone();
    Observed { key, retiring: access.retiring.clone(), attributes, ..Observed::default() }
}

/// In what the account differs first: from what is worst to what is least.
fn drift(
    account: &Account,
    desired: &Desired,
    observed: &Observed,
    revision: u64,
) -> Option<Drift> {
    let closed = account.access.status == Status::Closed;
    if account.open {
        return Some(Drift::Interrupted);
    }
    // A tombstone is the same under every catalog.
    if account.catalog_revision < revision && !closed {
        return Some(Drift::OldCatalog);
    }
    let present = |user: &User| matches!(user, User::Present { .. });
    if present(&account.user) && !present(&desired.user) {
        return Some(Drift::UserGone);
    }
    if decides_otherwise(&account.access, desired) {
        return Some(Drift::Decision);
    }
    let steps = plan(desired, observed);
    if let Some(first) = steps.first() {
        return Some(of_step(first));
    }
    if closed && !desired.warnings.is_empty() {
        return Some(Drift::PaidForNothing);
    }
    ledger_differs(account, desired, observed).then_some(Drift::Ledger)
}

fn decides_otherwise(access: &Access, desired: &Desired) -> bool {
    let Access {
        plan,
        status,
        reason,
        disputes,
        grace,
        paid_for,
        refunded,
        // Seen by the steps, or by what the ledger says of itself.
        usage_plan: _,
        given: _,
        keys: _,
        retiring: _,
        attributes: _,
        to_cancel: _,
        // Nobody decides these.
        customers: _,
        by_reference: _,
        hold: _,
        closed: _,
        // Those that are over go with the next decision.
        grants: _,
    } = access;
    *plan != desired.plan
        || *status != desired.status
        || *reason != desired.reason
        || *disputes != desired.disputes
        || *grace != desired.grace
        || *paid_for != desired.paid_for
        || *refunded != desired.refunded
}

/// What a step from what is there to what the ledger itself decided must mend.
fn of_step(step: &Step) -> Drift {
    match step {
        Step::MintKey => Drift::KeyGone,
        Step::DetachPlan(_)
        | Step::AttachPlan(_)
        | Step::DetachRetiring(..)
        | Step::AttachRetiring(..) => Drift::UsagePlan,
        Step::EnableKey | Step::DisableKey => Drift::KeyState,
        Step::WriteAttributes(_) => Drift::Attributes,
        Step::DeleteKey
        | Step::RetireKey(_)
        | Step::ExpireSession(_)
        | Step::CancelSubscription(_) => Drift::Decision,
    }
}

/// The world is as it should be, but the ledger does not say so.
fn ledger_differs(account: &Account, desired: &Desired, observed: &Observed) -> bool {
    let access = &account.access;
    let on = observed.key.as_ref().map(|key| key.usage_plans.first());
    // Stored times are cut to milliseconds.
    let forgotten = desired.review_at.is_some_and(|at| {
        account.review_at.is_none_or(|stored| stored.as_second() > at.as_second())
    });
    on.is_some_and(|plan| plan != access.usage_plan.as_ref())
        || observed.attributes != access.attributes
        || (access.given.is_some() && access.given != desired.given)
        || desired.user != account.user
        || forgotten
}
