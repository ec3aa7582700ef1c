//! Linking the customers that events name, before any fact is read.

use std::collections::BTreeSet;

use tollgate_events::wakes::LINKED;
use tollgate_events::{AccountId, CustomerId, Envelope, Source};

use super::{Run, Stop};
use crate::account::{Account, User};
use crate::accounts::{Change, CommitAnswer};
use crate::ledger::{CustomerLink, StepTaken};
use crate::ports::{Ledger, PortResult, Ports};

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
        let acts =
            self.inbox.events.iter().filter(by_operator).filter(|event| event.kind == LINKED);
        // Some have been through a checkout of ours since.
        let mut by_reference = std::mem::take(&mut self.account.access.by_reference);
        by_reference.retain(|customer| !self.is_proven(customer));
        self.account.access.by_reference = by_reference;
        let linked = |customer: &CustomerId| self.account.access.customers.contains(customer);
        let joined: BTreeSet<_> = acts.filter_map(customer).filter(linked).collect();
        let named = self.inbox.events.iter().filter(|event| !by_operator(event));
        let named = named.filter_map(customer);
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
        let strays = self.inbox.take(|event| event.subject.customer.as_ref() == Some(customer));
        // What waited in this account has no message any more that could come again.
        let waited = |event: &Envelope| {
            self.account.deferred.iter().any(|other| other.event_ref() == event.event_ref())
        };
        let (waits, strays): (Vec<_>, Vec<_>) = strays.into_iter().partition(waited);
        self.inbox.waits.extend(waits);
        self.inbox.strays.extend(strays.into_iter().map(|event| (owner.clone(), event)));
    }

    /// An operator has released a customer. Events that name this account themselves go on:
    /// whatever else they tell is looked at. The others are here by a link that has been given
    /// up meanwhile, and wait for the next: of a dispute nothing else would tell it.
    fn leave_to_nobody(&mut self, customer: CustomerId) {
        let (worker, id) = (self.worker, self.account.id.clone());
        let waits = self.inbox.take(|event| {
            event.subject.customer.as_ref() == Some(&customer)
                && worker.named(event).as_ref() != Some(&id)
        });
        self.inbox.waits.extend(waits);
        self.inbox.released.insert(customer);
    }

    /// Whether an event of a customer names this account with our proof.
    fn is_proven(&self, customer: &CustomerId) -> bool {
        let named = |event: &Envelope| self.worker.named(event).as_ref() == Some(&self.account.id);
        self.inbox.of_customer(customer).any(named)
    }

    async fn link_one(&mut self, customer: CustomerId) -> Result<(), Stop> {
        let mut access = self.account.access.clone();
        access.customers.insert(customer.clone());
        if !self.is_proven(&customer) && self.worker.comes_by_reference(&customer).await? {
            access.by_reference.insert(customer.clone());
        }
        let account = Account { refund_told: true, ..self.unfinished(access.clone()) };
        let at = self.clock_now();
        let change = Change {
            causes: self.inbox.of_customer(&customer).map(Envelope::event_ref).collect(),
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
        let room = MOST_JOINED.saturating_sub(self.inbox.len());
        let unsettled = unsettled.iter().filter_map(|it| it.record.envelope().cloned()).take(room);
        let unsettled: Vec<_> = unsettled.collect();
        self.inbox.join(&unsettled);
        Ok(())
    }
}
