//! The decision: from facts to desired access. Pure, total, deterministic.
//!
//! Nothing here remembers an event. The same facts at the same time give the same
//! answer, whichever events came, in whatever order, however often.
//!
//! Precedence, strongest first: an operator has closed the account; the user is deleted; an
//! operator holds it; a dispute holds it; the user is disabled; the best plan of all live
//! subscription items and grants in force; the default plan.

mod given;
mod grace;
pub mod loss;
mod refund;
pub mod stale;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tollgate_events::{DisputeId, PriceId, SubscriptionId};

pub(crate) use self::given::is_ours;
use self::given::{UnknownPrices, giver};
use self::grace::{Graces, Most};
pub(crate) use self::refund::is_newest_paid;
use self::refund::refunded;
use crate::account::{
    Access, DisputeMark, Given, Grant, PlanId, Reason, RetiringKey, Status, UsagePlanId, User,
};
use crate::catalog::{Catalog, Plan};
use crate::policy::{MISSING_USER_CONFIRMED_AFTER, PlanThen, Policy, ROOM_REVIEW_AFTER};
use crate::stripe::{Dispute, DisputeStatus, InvoiceId, Price, Subscription, SubscriptionStatus};

/// What is known of the Cognito user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserFact {
    /// Not read this time: as last seen.
    AsLastSeen,
    /// Read, and there.
    Found {
        /// The user name.
        username: String,
        /// Whether they may sign in.
        enabled: bool,
    },
    /// Read, and not there.
    NotFound {
        /// Whether an event says that they were deleted.
        delete_seen: bool,
    },
}

/// All that a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The access that the ledger has.
    pub access: Access,
    /// The Cognito user as last seen.
    pub last_seen: User,
    /// The subscriptions of all linked customers, as they are now; not those that another
    /// deployment made.
    pub subscriptions: Vec<Subscription>,
    /// Those of them that this deployment's own checkouts made.
    pub proven: BTreeSet<SubscriptionId>,
    /// What was last paid for of those that are past due, where the ledger does not know it yet.
    pub paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
    /// Of the subscriptions that were asked about: the newest paid invoice, where all that was
    /// charged for it was refunded.
    pub refunds: BTreeMap<SubscriptionId, Option<InvoiceId>>,
    /// The disputes that the ledger or an event names, as they are now.
    pub disputes: Vec<Dispute>,
    /// The Cognito user.
    pub user: UserFact,
    /// Whether a key may be made for nothing, or those that are left are kept for those who pay.
    pub room_for_free_key: bool,
}

/// What the key should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// There, and accepted.
    Enabled,
    /// Refused, if there is one; none is made.
    Disabled,
    /// Deleted.
    Closed,
}

/// Something that a person should look at, though the account is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A live subscription of ours to a price that the catalog does not know.
    UnknownPrice {
        /// The price to add to the catalog.
        price: PriceId,
        /// Until when the account keeps the plan that the subscription gave; `None` when it gives
        /// none.
        until: Option<Timestamp>,
    },
    /// Several live subscriptions of ours: the best plan wins, and all are paid.
    SeveralSubscriptions(BTreeSet<SubscriptionId>),
    /// A grant names a plan that the catalog does not have.
    UnknownGrant(PlanId),
    /// A closed account has a live subscription: somebody pays for nothing.
    PaymentOnClosedAccount(SubscriptionId),
    /// As above, and it is cancelled: what was paid for it is not given back by itself.
    CancelledOnClosedAccount(SubscriptionId),
    /// An account was closed because its user is not in the pool, and it pays: nothing tells that
    /// somebody wanted that to end.
    PaymentOfAbsentUser(SubscriptionId),
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownPrice { price, until: Some(until) } => write!(
                f,
                "price {price} is not in the catalog, so the account keeps its last plan until \
                 {until}; add the price to plans.toml"
            ),
            Self::UnknownPrice { price, until: None } => write!(
                f,
                "price {price} is not in the catalog, so it gives no plan; add the price to \
                 plans.toml"
            ),
            Self::SeveralSubscriptions(all) => {
                let all: Vec<_> = all.iter().map(SubscriptionId::as_str).collect();
                write!(
                    f,
                    "the account pays for {} subscriptions at once: {}; where that is not meant, \
                     cancel and refund one in Stripe",
                    all.len(),
                    all.join(", ")
                )
            }
            Self::UnknownGrant(plan) => {
                write!(f, "a grant names plan `{plan}`, which is not in the catalog")
            }
            Self::PaymentOnClosedAccount(subscription) => write!(
                f,
                "{subscription} is live, but the account is closed; cancel and refund it in Stripe"
            ),
            Self::CancelledOnClosedAccount(subscription) => write!(
                f,
                "{subscription} began when the account was closed, and is cancelled; refund in \
                 Stripe what was paid for it"
            ),
            Self::PaymentOfAbsentUser(subscription) => write!(
                f,
                "{subscription} is live, and its user is not in the pool, though nothing told of a \
                 deletion; `tollgate account close WHO --why TEXT` cancels it, and `tollgate account \
                 release WHO --why TEXT` opens the account where the user is there"
            ),
        }
    }
}

/// The access that an account should have, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The plan.
    pub plan: Option<PlanId>,
    /// The plan's usage plan.
    pub usage_plan: Option<UsagePlanId>,
    /// The key.
    pub key: KeyState,
    /// Replaced keys that still work: on the desired usage plan, and not for ever.
    pub retiring: Vec<RetiringKey>,
    /// Where the account stands.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What gives the plan, where a subscription does.
    pub given: Option<Given>,
    /// `custom:plan`; `None` when there is no user to write to.
    pub plan_attribute: Option<String>,
    /// When to look again; always later than now.
    pub review_at: Option<Timestamp>,
    /// Checkout sessions to expire. Which are open is the worker's to ask, when it is decided that
    /// nobody may pay there.
    pub expire: Vec<String>,
    /// Subscriptions to cancel.
    pub cancel: Vec<SubscriptionId>,
    /// Subscriptions of a closed account that are to be cancelled, and not now: nobody told of the
    /// user's deletion, or the cancellation limit holds them back.
    pub to_cancel: BTreeSet<SubscriptionId>,
    /// The user as now known.
    pub user: User,
    /// The disputes that still count.
    pub disputes: BTreeMap<DisputeId, DisputeMark>,
    /// Since when each past-due subscription is so.
    pub grace: BTreeMap<SubscriptionId, Timestamp>,
    /// What was last paid for of each of them.
    pub paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
    /// The newest paid invoice of each subscription that does not count for its refund.
    pub refunded: BTreeMap<SubscriptionId, InvoiceId>,
    /// The grants that are in force, or were when the account was closed; those that are over are
    /// history's to tell.
    pub grants: Vec<Grant>,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
}

impl Desired {
    /// When the subscription that gives the plan is paid for again; nothing, where it ends then.
    pub fn renews_at(&self, facts: &Facts) -> Option<Timestamp> {
        let by = &self.given.as_ref()?.by;
        let subscription = facts.subscriptions.iter().find(|it| it.id == *by)?;
        subscription.current_period_end.filter(|_| subscription.ends_at().is_none())
    }

    /// The word for the user's attributes. Whoever has no user is closed.
    pub fn word(&self) -> &str {
        self.plan_attribute.as_deref().unwrap_or("closed")
    }

    /// The live subscriptions of ours, where there are several.
    pub fn several(&self) -> Option<&BTreeSet<SubscriptionId>> {
        self.warnings.iter().find_map(|warning| match warning {
            Warning::SeveralSubscriptions(all) => Some(all),
            _ => None,
        })
    }
}

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

/// Whether somebody wants the account to be closed: it was told that the user was deleted, or an
/// operator has closed it. A user who is only missing may be in another pool.
fn closing_is_wanted(facts: &Facts) -> bool {
    facts.user == UserFact::NotFound { delete_seen: true } || facts.access.closed.is_some()
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
        } else if closing_is_wanted(facts) {
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

/// The best plan so far, and when something about it ends.
struct Standing<'a> {
    plan: Option<&'a Plan>,
    reason: Reason,
    given: Option<Given>,
    until: Option<Timestamp>,
    review_at: Option<Timestamp>,
    warnings: Vec<Warning>,
}

/// What offers a plan.
struct Offer {
    reason: Reason,
    given: Option<Given>,
    until: Option<Timestamp>,
}

impl<'a> Standing<'a> {
    /// Takes a plan if it is better; of two claims to the same plan, the one that lasts
    /// longer; of two that last alike, the first.
    fn offer(&mut self, plan: &'a Plan, offer: Offer) {
        let lasts = |until: Option<Timestamp>| until.unwrap_or(Timestamp::MAX);
        let better = self
            .plan
            .is_none_or(|best| (plan.rank, lasts(offer.until)) > (best.rank, lasts(self.until)));
        if better {
            let Offer { reason, given, until } = offer;
            (self.plan, self.reason, self.given, self.until) = (Some(plan), reason, given, until);
        }
    }

    fn review(&mut self, at: Option<Timestamp>, now: Timestamp) {
        if let Some(at) = at.filter(|at| *at > now) {
            self.review_at = Some(self.review_at.map_or(at, |sooner| sooner.min(at)));
        }
    }
}

fn best_plan<'a>(
    facts: &Facts,
    catalog: &'a Catalog,
    (policy, refunded): (&Policy, &BTreeMap<SubscriptionId, InvoiceId>),
    graces: &Graces,
    now: Timestamp,
) -> Standing<'a> {
    let mut standing = Standing {
        plan: None,
        reason: Reason::NoPlan,
        given: None,
        until: None,
        review_at: None,
        warnings: Vec::new(),
    };
    if let Some(plan) = catalog.default_plan() {
        let reason = Reason::DefaultPlan;
        standing.offer(plan, Offer { reason, given: None, until: None });
    }
    let counts = |it: &&Subscription| !refunded.contains_key(&it.id);
    let mut subscriptions: Vec<_> = facts.subscriptions.iter().filter(counts).collect();
    subscriptions.sort_by(|a, b| a.id.cmp(&b.id));
    let mut unknown = Vec::new();
    for subscription in subscriptions {
        let Some((until, reason)) = live(subscription, graces, policy, now) else { continue };
        standing.review(until, now);
        let most = graces.most(subscription, catalog);
        if !offer_items(&mut standing, subscription, (catalog, most), &reason, until) {
            unknown.push((subscription, until));
        }
    }
    offer_grants(&mut standing, &facts.access, catalog, now);
    let of_unknown = UnknownPrices { facts, catalog, policy, now };
    for (subscription, until) in unknown {
        of_unknown.offer(&mut standing, subscription, until);
    }
    standing
}

/// Until when a subscription counts and what the reason then is; `None` when it does not.
fn live(
    subscription: &Subscription,
    graces: &Graces,
    policy: &Policy,
    now: Timestamp,
) -> Option<(Option<Timestamp>, Reason)> {
    if is_ended_by_policy(subscription, policy) {
        return None;
    }
    let id = || subscription.id.clone();
    let ends = subscription.ends_at();
    let (until, reason) = match subscription.status {
        SubscriptionStatus::Trialing | SubscriptionStatus::Active => match ends {
            None => (None, Reason::Subscription { subscription: id() }),
            Some(at) => (Some(at), Reason::Ending { subscription: id(), at }),
        },
        SubscriptionStatus::PastDue => {
            let graced = graces.end_of(subscription, policy)?;
            let until = ends.map_or(graced, |at| at.min(graced));
            (Some(until), Reason::Grace { subscription: id(), until })
        }
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Canceled
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Other(_)
        | SubscriptionStatus::Unreadable => return None,
    };
    until.is_none_or(|until| until > now).then_some((until, reason))
}

/// Whether a subscription that is live by its status does not count by the seller's choice.
fn is_ended_by_policy(subscription: &Subscription, policy: &Policy) -> bool {
    subscription.voids_invoices && policy.pause_collection_void == PlanThen::End
}

/// Offers what a live subscription's items sell; whether that is all that it may sell. An
/// unknown add-on beside a known plan changes nothing; one that cannot be read may be the plan.
fn offer_items<'a>(
    standing: &mut Standing<'a>,
    subscription: &Subscription,
    (catalog, most): (&'a Catalog, Most<'a>),
    reason: &Reason,
    until: Option<Timestamp>,
) -> bool {
    let sold: Vec<_> = subscription.sold().filter_map(|p| catalog.plan_of(p)).collect();
    for plan in sold.iter().filter_map(|plan| most.of(plan)) {
        let given = Given {
            by: subscription.id.clone(),
            plan: plan.id.clone(),
            prices: subscription.price_ids(),
            unknown_since: None,
        };
        standing.offer(plan, Offer { reason: reason.clone(), given: Some(given), until });
    }
    !sold.is_empty() && !subscription.has_unreadable_price()
}

/// The grants that count.
fn in_force(access: &Access, now: Timestamp) -> Vec<Grant> {
    access.grants.iter().filter(|grant| !grant.is_over(now)).cloned().collect()
}

fn offer_grants<'a>(
    standing: &mut Standing<'a>,
    access: &Access,
    catalog: &'a Catalog,
    now: Timestamp,
) {
    for grant in access.grants.iter().filter(|grant| !grant.is_over(now)) {
        standing.review(grant.until, now);
        match catalog.plan(&grant.plan) {
            Some(plan) => {
                let reason = Reason::Grant { until: grant.until };
                standing.offer(plan, Offer { reason, given: None, until: grant.until });
            }
            None => standing.warnings.push(Warning::UnknownGrant(grant.plan.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
