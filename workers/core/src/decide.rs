//! The decision: from facts to desired access. Pure, total, deterministic.
//!
//! Nothing here remembers an event. The same facts at the same time give the same
//! answer, whichever events came, in whatever order, however often.
//!
//! Precedence, strongest first: an operator has closed the account; the user is deleted; an
//! operator holds it; a dispute holds it; the user is disabled; the best plan of all live
//! subscription items and grants in force; the default plan.

mod best;
mod desired;
mod facts;
mod given;
mod grace;
pub mod loss;
mod refund;
mod shown;
pub mod stale;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use crate::timing::{MISSING_USER_CONFIRMED_AFTER, ROOM_REVIEW_AFTER};
use jiff::Timestamp;
use tollgate_events::{DisputeId, SubscriptionId};

use self::best::best_plan;
pub use self::desired::{Desired, KeyState, Warning};
pub use self::facts::{Facts, UserFact};
pub(crate) use self::given::is_ours;
use self::grace::Graces;
pub(crate) use self::refund::is_newest_paid;
use self::refund::refunded;
pub use self::shown::processing;
use self::standing::Standing;
use crate::account::{Access, DisputeMark, Grant, Reason, RetiringKey, Status, UsagePlanId, User};
use crate::catalog::Catalog;
use crate::policy::Policy;
use crate::stripe::{DisputeStatus, Subscription, SubscriptionStatus};

/// Decides the access of an account. `review_at` is later than `now`, or none.
pub fn decide(facts: &Facts, catalog: &Catalog, policy: &Policy, now: Timestamp) -> Desired {
    let user = user_now(facts, now);
    if let Some(reason) = why_closed(facts, &user) {
        return closed(facts, (catalog, policy), user, reason, now);
    }
    let (graces, refunded) = (Graces::of(facts, now), refunded(facts, policy));
    let disputes = disputes_now(facts, policy);
    let mut standing = best_plan(facts, catalog, (policy, &refunded), &graces, now);
    standing.review(user_confirmed_at(&user), now);
    let disabled_by = disabled_by(facts, &disputes, &user);
    let several = several(facts, catalog);
    standing.warnings.extend((several.len() > 1).then_some(Warning::SeveralSubscriptions(several)));

    let plan = standing.plan.map(|plan| plan.id.clone());
    let (key, status, reason, word) = match (disabled_by, &plan) {
        (Some((status, reason, word)), _) => (KeyState::Disabled, status, reason, word.to_owned()),
        (None, Some(_)) if waits_for_key(facts, &standing) => {
            standing.review(now.checked_add(ROOM_REVIEW_AFTER).ok(), now);
            (KeyState::Disabled, Status::WaitingForKey, Reason::KeysRunOut, "waiting".to_owned())
        }
        (None, Some(plan)) => {
            (KeyState::Enabled, Status::Active, standing.reason.clone(), plan.to_string())
        }
        (None, None) => (KeyState::Disabled, Status::Disabled, Reason::NoPlan, "none".to_owned()),
    };
    let usage_plan = standing.plan.map(|plan| plan.usage_plan.clone());
    let retiring = retiring(facts, key, usage_plan.as_ref(), now);
    standing.review(retiring.iter().map(|key| key.until).min(), now);
    Desired {
        usage_plan,
        plan,
        key,
        retiring,
        status,
        reason,
        given: standing.given,
        plan_attribute: matches!(user, User::Present { .. }).then_some(word),
        review_at: standing.review_at,
        expire: Vec::new(),
        cancel: Vec::new(),
        to_cancel: BTreeSet::new(),
        user,
        disputes,
        grace: graces.since,
        paid_for: graces.paid_for,
        refunded,
        grants: in_force(&facts.access, now),
        warnings: standing.warnings,
    }
}

/// The live subscriptions of ours. Who upgrades by a new subscription before the old one is cancelled has two for a while; who
/// bought twice goes on paying twice. Nothing is cancelled by itself.
fn several(facts: &Facts, catalog: &Catalog) -> BTreeSet<SubscriptionId> {
    let ours =
        |it: &&Subscription| it.is_live() && is_ours(it, &facts.proven, &facts.access, catalog);
    facts.subscriptions.iter().filter(ours).map(|it| it.id.clone()).collect()
}

/// Why an account is closed, if it is: an operator has closed it, or its user is gone. Whom a
/// wrong pool hides stays closed by the operator, and is not taken for one whom the pool has closed.
fn why_closed(facts: &Facts, user: &User) -> Option<Reason> {
    let by_operator = facts.access.closed.clone().map(|why| Reason::ClosedByOperator { why });
    by_operator.or_else(|| (*user == User::Deleted).then_some(Reason::UserDeleted))
}

/// What follows from the last sight of the user and this one. Deleted is final.
fn user_now(facts: &Facts, now: Timestamp) -> User {
    let last = &facts.last_seen;
    match (&facts.user, last) {
        (_, User::Deleted) => User::Deleted,
        (UserFact::AsLastSeen, _) => last.clone(),
        (UserFact::Found { username, enabled }, _) => {
            User::Present { username: username.clone(), enabled: *enabled }
        }
        (UserFact::NotFound { delete_seen: true }, _) => User::Deleted,
        (UserFact::NotFound { .. }, User::Missing { since, .. })
            if now.duration_since(*since) >= MISSING_USER_CONFIRMED_AFTER =>
        {
            User::Deleted
        }
        (UserFact::NotFound { .. }, User::Missing { .. }) => last.clone(),
        (UserFact::NotFound { .. }, User::Present { username, enabled }) => {
            User::Missing { since: now, username: Some(username.clone()), disabled: !enabled }
        }
        (UserFact::NotFound { .. }, User::Unseen) => {
            User::Missing { since: now, username: None, disabled: false }
        }
    }
}

/// When a missing user is looked for again.
fn user_confirmed_at(user: &User) -> Option<Timestamp> {
    match user {
        User::Missing { since, .. } => since.checked_add(MISSING_USER_CONFIRMED_AFTER).ok(),
        User::Unseen | User::Present { .. } | User::Deleted => None,
    }
}

/// The replaced keys that stay, each until its time: as long as the account's key is accepted, and
/// on the same usage plan.
fn retiring(
    facts: &Facts,
    key: KeyState,
    usage_plan: Option<&UsagePlanId>,
    now: Timestamp,
) -> Vec<RetiringKey> {
    let stays = |old: &&RetiringKey| key == KeyState::Enabled && old.until > now;
    let on_plan =
        |old: &RetiringKey| RetiringKey { usage_plan: usage_plan.cloned(), ..old.clone() };
    facts.access.retiring.iter().filter(stays).map(on_plan).collect()
}

/// No key and no plan; the customers stay, so that a late payment is recognised. A user who is there
/// is told. One who is not may be in another pool, and is to find grants and a hold as they were: they
/// stay, whether the deletion was told or not. They are an operator's words, which history keeps
/// anyway; only an operator's closing takes them.
fn closed(
    facts: &Facts,
    (catalog, policy): (&Catalog, &Policy),
    user: User,
    reason: Reason,
    now: Timestamp,
) -> Desired {
    let (cancel, to_cancel, warnings) = ended(facts, catalog, policy);
    Desired {
        plan: None,
        usage_plan: None,
        key: KeyState::Closed,
        retiring: Vec::new(),
        status: Status::Closed,
        reason,
        given: None,
        plan_attribute: matches!(user, User::Present { .. }).then(|| "closed".to_owned()),
        review_at: user_confirmed_at(&user).filter(|at| *at > now),
        expire: Vec::new(),
        cancel,
        to_cancel,
        user,
        // They go with their customer, should an operator link them to another account.
        disputes: disputes_now(facts, policy),
        grace: BTreeMap::new(),
        paid_for: BTreeMap::new(),
        // A user who was only missing may be back, and no event tells of it again.
        refunded: refunded(facts, policy),
        // Nothing is due in a tombstone: what ends there goes when it is released.
        grants: match facts.access.status {
            Status::Closed => facts.access.grants.clone(),
            _ => in_force(&facts.access, now),
        },
        warnings,
    }
}

/// What a closed account's subscriptions come to: those to cancel now, those to cancel when
/// somebody tells of the deletion, and what to tell: somebody has paid for what begins after the
/// closing. What else its customers have bought of the seller goes on.
fn ended(
    facts: &Facts,
    catalog: &Catalog,
    policy: &Policy,
) -> (Vec<SubscriptionId>, BTreeSet<SubscriptionId>, Vec<Warning>) {
    let access = &facts.access;
    let already = access.status == Status::Closed;
    let (mut cancel, mut to_cancel, mut warnings) = (Vec::new(), BTreeSet::new(), Vec::new());
    let ours =
        |it: &&Subscription| is_ongoing(it) && is_ours(it, &facts.proven, &facts.access, catalog);
    for id in facts.subscriptions.iter().filter(ours).map(|it| it.id.clone()) {
        let is_new = already && !access.to_cancel.contains(&id);
        if !policy.cancel_when_user_deleted {
            warnings.push(Warning::PaymentOnClosedAccount(id));
        } else if facts.want_closing() {
            warnings.extend(is_new.then(|| Warning::CancelledOnClosedAccount(id.clone())));
            cancel.push(id);
        } else {
            warnings.push(Warning::PaymentOfAbsentUser(id.clone()));
            to_cancel.insert(id);
        }
    }
    (cancel, to_cancel, warnings)
}

/// Whether Stripe may still ask money for it.
fn is_ongoing(subscription: &Subscription) -> bool {
    match subscription.status {
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => false,
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::PastDue
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Other(_)
        | SubscriptionStatus::Unreadable => true,
    }
}

/// The disputes that still count: those recorded, as they are now. One of a customer who is not
/// linked any more does not hold, and is not forgotten.
fn disputes_now(facts: &Facts, policy: &Policy) -> BTreeMap<DisputeId, DisputeMark> {
    let mut disputes = facts.access.disputes.clone();
    for dispute in &facts.disputes {
        let recorded = disputes.contains_key(&dispute.id);
        let holds = policy.hold_on_dispute
            && match dispute.status {
                DisputeStatus::NeedsResponse | DisputeStatus::UnderReview | DisputeStatus::Lost => {
                    true
                }
                DisputeStatus::Inquiry => policy.hold_on_inquiry,
                DisputeStatus::Won | DisputeStatus::Withdrawn => false,
                // A status newer than this build neither holds an account nor frees it.
                DisputeStatus::Other(_) => recorded,
            };
        // Nobody is held for what somebody else has paid who named them, nor for a guest's dispute,
        // whatever charge an event pairs it with.
        let customers = facts.access.own_customers();
        let ours = dispute.customer.as_ref().is_some_and(|customer| customers.contains(customer));
        let mark = match (ours, holds, disputes.get(&dispute.id)) {
            // What becomes of it is not told here: the mark stays for whoever gets the customer.
            (false, _, Some(DisputeMark::Lifted)) => Some(DisputeMark::Lifted),
            (false, _, Some(_)) => Some(DisputeMark::Elsewhere),
            (false, _, None) | (true, false, _) => None,
            (true, true, Some(DisputeMark::Lifted)) => Some(DisputeMark::Lifted),
            (true, true, _) => Some(DisputeMark::Holding),
        };
        match mark {
            Some(mark) => drop(disputes.insert(dispute.id.clone(), mark)),
            None => drop(disputes.remove(&dispute.id)),
        }
    }
    disputes
}

/// What disables the key, whatever the plan: status, reason, and the word that users see.
fn disabled_by(
    facts: &Facts,
    disputes: &BTreeMap<DisputeId, DisputeMark>,
    user: &User,
) -> Option<(Status, Reason, &'static str)> {
    if let Some(why) = &facts.access.hold {
        return Some((Status::Held, Reason::OperatorHold { why: why.clone() }, "held"));
    }
    let holding = disputes.iter().find(|(_, mark)| **mark == DisputeMark::Holding);
    if let Some((dispute, _)) = holding {
        return Some((Status::Held, Reason::Dispute { dispute: dispute.clone() }, "held"));
    }
    match user {
        // Nothing is made for a user whom nobody has seen; what is there stays as it is.
        User::Unseen | User::Missing { .. } if !has_key(&facts.access) => {
            Some((Status::New, Reason::UserMissing, "none"))
        }
        User::Missing { .. } if facts.access.status == Status::Held => {
            Some((Status::Held, facts.access.reason.clone(), "held"))
        }
        User::Missing { .. } if facts.access.status == Status::Disabled => {
            Some((Status::Disabled, Reason::UserDisabled, "disabled"))
        }
        User::Present { enabled: false, .. } | User::Missing { disabled: true, .. } => {
            Some((Status::Disabled, Reason::UserDisabled, "disabled"))
        }
        User::Unseen | User::Missing { .. } | User::Present { .. } | User::Deleted => None,
    }
}

/// Whether there is a key, or one that is being replaced.
fn has_key(access: &Access) -> bool {
    !access.keys.is_empty() || !access.retiring.is_empty()
}

/// Nobody who pays waits for a key, nor anybody who has one.
fn waits_for_key(facts: &Facts, standing: &Standing<'_>) -> bool {
    !facts.room_for_free_key && !has_key(&facts.access) && standing.reason == Reason::DefaultPlan
}

/// The grants that count.
fn in_force(access: &Access, now: Timestamp) -> Vec<Grant> {
    access.grants.iter().filter(|grant| !grant.is_over(now)).cloned().collect()
}

#[cfg(test)]
mod tests;
