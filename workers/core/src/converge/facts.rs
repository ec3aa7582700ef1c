//! Linking and facts: what is read after the claim, and what is believed of it.

use std::collections::BTreeSet;

use tollgate_events::wakes::LINKED;
use tollgate_events::{
    AccountId, CustomerId, DisputeId, Envelope, Hint, Source, Via, cloudtrail, cognito,
};

use super::refunds::tells_of_refund;
use super::{DRIFT, Run, Stop, join};
use crate::account::{Account, User};
use crate::accounts::{Change, CommitAnswer};
use crate::decide::{Facts, UserFact};
use crate::ledger::{CustomerLink, StepTaken};
use crate::policy::LAG_AT_MOST;
use crate::ports::{Ledger, PortResult, Ports};
use crate::stripe::Subscription;

/// How many events one commit settles: DynamoDB takes 100 items in a transaction.
const MOST_JOINED: usize = 80;

impl<P: Ports> Run<'_, P> {
    /// Links the customers that are new to the account, each in a commit of its own. The
    /// events that had waited for the link join this convergence; those whose customer
    /// turns out to be another account's leave it. An account whose user was deleted links
    /// nobody. An operator's link stands already, or not any more: its event links nobody.
    pub(super) async fn link(&mut self) -> Result<(), Stop> {
        let by_operator = |event: &&Envelope| event.source == Source::Operator;
        let customer = |event: &Envelope| event.subject.customer.clone();
        let acts = self.events.iter().filter(by_operator).filter(|event| event.kind == LINKED);
        // Some have been through a checkout of ours since.
        let mut by_reference = std::mem::take(&mut self.account.access.by_reference);
        by_reference.retain(|customer| !self.is_proven(customer));
        self.account.access.by_reference = by_reference;
        let linked = |customer: &CustomerId| self.account.access.customers.contains(customer);
        let joined: BTreeSet<_> = acts.filter_map(customer).filter(linked).collect();
        let named = self.events.iter().filter(|event| !by_operator(event)).filter_map(customer);
        let new: BTreeSet<_> = named.filter(|customer| !linked(customer)).collect();
        for customer in joined {
            self.join_unsettled(&customer).await?;
        }
        for customer in new {
            if self.account.user != User::Deleted {
                self.link_one(customer).await?;
                continue;
            }
            match self.ledger().link_of(&customer).await? {
                CustomerLink::Account(owner) => self.leave_to(&owner, &customer),
                CustomerLink::Released { .. } => self.leave_to_nobody(customer),
                CustomerLink::Unlinked => {}
            }
        }
        Ok(())
    }

    /// A customer's events are its account's to see to, whomever else they name.
    fn leave_to(&mut self, owner: &AccountId, customer: &CustomerId) {
        let strays = self.take_events(|event| event.subject.customer.as_ref() == Some(customer));
        // What waited in this account has no message any more that could come again.
        let waited = |event: &Envelope| {
            self.account.deferred.iter().any(|other| other.event_ref() == event.event_ref())
        };
        let (waits, strays): (Vec<_>, Vec<_>) = strays.into_iter().partition(waited);
        self.waits.extend(waits);
        self.strays.extend(strays.into_iter().map(|event| (owner.clone(), event)));
    }

    /// An operator has released a customer. Events that name this account themselves go on:
    /// whatever else they tell is looked at. The others are here by a link that has been given
    /// up meanwhile, and wait for the next: of a dispute nothing else would tell it.
    fn leave_to_nobody(&mut self, customer: CustomerId) {
        let (worker, id) = (self.worker, self.account.id.clone());
        let waits = self.take_events(|event| {
            event.subject.customer.as_ref() == Some(&customer)
                && worker.named(event).as_ref() != Some(&id)
        });
        self.waits.extend(waits);
        self.released.insert(customer);
    }

    /// Takes events out of this convergence.
    fn take_events(&mut self, which: impl Fn(&Envelope) -> bool) -> Vec<Envelope> {
        let (taken, left) = std::mem::take(&mut self.events).into_iter().partition(which);
        self.events = left;
        taken
    }

    /// Whether an event of a customer names this account with our proof.
    fn is_proven(&self, customer: &CustomerId) -> bool {
        let about = |event: &&Envelope| event.subject.customer.as_ref() == Some(customer);
        let named = |event: &Envelope| self.worker.named(event).as_ref() == Some(&self.account.id);
        self.events.iter().filter(about).any(named)
    }

    async fn link_one(&mut self, customer: CustomerId) -> Result<(), Stop> {
        let mut access = self.account.access.clone();
        access.customers.insert(customer.clone());
        if !self.is_proven(&customer) && self.worker.comes_by_reference(&customer).await? {
            access.by_reference.insert(customer.clone());
        }
        let account = Account { refund_told: true, ..self.unfinished(access.clone()) };
        let at = self.clock_now();
        let about = |event: &&Envelope| event.subject.customer.as_ref() == Some(&customer);
        let change = Change {
            causes: self.events.iter().filter(about).map(Envelope::event_ref).collect(),
            steps: vec![StepTaken { step: format!("link customer {customer}"), at }],
            link: vec![customer.clone()],
            ..Change::to(account, at)
        };
        match self.claimed.commit(change).await? {
            CommitAnswer::Committed { .. } => {
                self.account.access = access;
                self.account.refund_told = true;
                self.join_unsettled(&customer).await?;
            }
            CommitAnswer::LinkTaken { owner, .. } => self.leave_to(&owner, &customer),
            CommitAnswer::LinkReleased { customer } => self.leave_to_nobody(customer),
            CommitAnswer::Lost(lost) => return Err(lost.into()),
        }
        Ok(())
    }

    /// The waiting and parked events of a customer are settled along with this one.
    pub(super) async fn join_unsettled(&mut self, customer: &CustomerId) -> PortResult<()> {
        let unsettled = self.ledger().unsettled_on(customer).await?;
        // As many as one commit takes; the sweep sends the others again, or an operator does.
        let room = MOST_JOINED.saturating_sub(self.events.len() + self.waits.len());
        let unsettled = unsettled.iter().filter_map(|it| it.record.envelope().cloned()).take(room);
        let unsettled: Vec<_> = unsettled.collect();
        join(&mut self.events, &unsettled);
        Ok(())
    }

    /// Reads the facts; every read is made after the claim.
    pub(super) async fn facts(&mut self) -> Result<Facts, Stop> {
        let (customers, named) = (self.customers(), self.dispute_ids());
        // A dispute is read with its charge.
        self.afford_stripe(customers.len() + 2 * named.len()).await?;
        self.must_belong(!customers.is_empty() || !named.is_empty()).await?;
        let subscriptions = self.subscriptions(&customers).await?;
        let subscriptions = self.worker.boundary().own(subscriptions);
        let mut subscriptions = self.not_for_others(subscriptions);
        subscriptions.extend(self.left_to_cancel(&subscriptions).await?);
        let proven = self.worker.boundary().proven(&subscriptions);
        self.must_be_read(&subscriptions, &proven)?;
        let paid_for = self.paid_for(&subscriptions, &proven).await?;
        // Boxed: few have any.
        let refunds = Box::pin(self.refunds(&subscriptions, &proven)).await?;
        let disputes = self.disputes(&named).await?;
        let user = self.user().await?;
        self.met(&user).await?;
        self.recall().await?;
        let room_for_free_key = self.has_room_for_a_free_key().await?;
        let Account { access, user: last_seen, .. } = self.account.clone();
        Ok(Facts {
            access,
            last_seen,
            subscriptions,
            proven,
            paid_for,
            refunds,
            disputes,
            user,
            room_for_free_key,
        })
    }

    /// Who has a key, or has begun to get one, takes no room.
    async fn has_room_for_a_free_key(&mut self) -> PortResult<bool> {
        let access = &self.account.access;
        let has_key = !access.keys.is_empty() || !access.retiring.is_empty();
        if has_key || self.account.intent.is_some() {
            return Ok(true);
        }
        // What was found before the facts were read again is found anew.
        self.room = None;
        self.room = self.worker.control_plane.room(self.worker.ports.ledger(), self.now).await?;
        Ok(self.room.is_some())
    }

    /// The linked customers; for a closed account also whoever an event tells of: one whose
    /// user is gone links nobody, and a payment on it must be seen.
    fn customers(&self) -> BTreeSet<CustomerId> {
        let mut customers = self.account.access.customers.clone();
        if self.account.is_closed() {
            let events = self.events.iter().filter(|event| event.source != Source::Operator);
            customers.extend(events.filter_map(|event| event.subject.customer.clone()));
        }
        customers.retain(|customer| !self.released.contains(customer));
        customers
    }

    /// The disputes that the ledger, an event or the comparison names.
    fn dispute_ids(&self) -> BTreeSet<DisputeId> {
        let names =
            |event: &&Envelope| event.kind.starts_with("charge.dispute.") || event.kind == DRIFT;
        let named = self.events.iter().filter(names);
        let named = named.filter_map(|event| DisputeId::parse(event.object.clone()?).ok());
        self.account.access.disputes.keys().cloned().chain(named).collect()
    }

    pub(super) fn woken_by(&self, kind: &str) -> bool {
        self.events.iter().any(|event| event.kind == kind)
    }

    /// Whether a read does not show yet what a fresh event tells: then it is committed as
    /// it was read, and looked at again soon.
    pub(super) fn read_seems_to_lag(&self, facts: &Facts) -> bool {
        let user_lags = match &facts.user {
            UserFact::NotFound { delete_seen } => !delete_seen && self.woken_by(cognito::SIGN_UP),
            UserFact::Found { .. } => self.woken_by(cloudtrail::USER_DELETED),
            UserFact::AsLastSeen => false,
        };
        let fresh = |event: &&Envelope| {
            event.source == Source::Stripe
                && event.via != Via::Replay
                && self.now.duration_since(event.occurred_at) < LAG_AT_MOST
        };
        let fresh: Vec<_> = self.events.iter().filter(fresh).collect();
        let refund_lags = self.account.refund_told
            && facts.refunds.values().all(Option::is_none)
            && fresh.iter().any(|event| tells_of_refund(event));
        user_lags || refund_lags || is_behind(&facts.subscriptions, &fresh)
    }
}

/// Whether a subscription reads otherwise than its newest event tells. Of the events of one
/// second any may be the last, and Stripe's purchase tells of several states in one; but
/// nothing comes after the end.
fn is_behind(subscriptions: &[Subscription], events: &[&Envelope]) -> bool {
    events.iter().any(|event| {
        let of_it = || events.iter().filter(|other| other.object == event.object);
        let newest = of_it().map(|other| other.occurred_at).max();
        let last = || of_it().filter(|other| Some(other.occurred_at) == newest);
        let ends = |event: &&&Envelope| event.hint.as_ref().is_some_and(|it| is_final(&it.status));
        match last().find(ends) {
            Some(end) => differs(end, subscriptions),
            None => last().all(|last| differs(last, subscriptions)),
        }
    })
}

/// A subscription that is so stays so.
/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>
pub(super) fn is_final(status: &str) -> bool {
    matches!(status, "canceled" | "incomplete_expired")
}

/// Whether a subscription reads otherwise than an event told.
fn differs(event: &Envelope, subscriptions: &[Subscription]) -> bool {
    let (Some(hint), Some(object)) = (&event.hint, &event.object) else { return false };
    if !event.kind.starts_with("customer.subscription.") {
        return false;
    }
    let Some(read) = subscriptions.iter().find(|read| read.id.as_str() == object) else {
        return !is_final(&hint.status);
    };
    read.status.as_str() != hint.status
        || read.cancel_at != hint.cancel_at
        || read.cancel_at_period_end != hint.cancel_at_period_end
        || !has_prices(read, hint)
        || read.voids_invoices != hint.voids_invoices
}

/// Whether a subscription has the prices that an event told of: these alone, if it told of all.
fn has_prices(read: &Subscription, hint: &Hint) -> bool {
    let mut prices = read.sold().filter_map(|price| price.id.as_ref());
    if hint.whole {
        return prices.eq(&hint.prices);
    }
    hint.prices.iter().all(|told| prices.any(|price| price == told))
}
