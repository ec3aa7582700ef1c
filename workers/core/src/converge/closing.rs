//! What is still to be paid on an account on which nobody may pay any more.

use std::collections::BTreeSet;

use tollgate_events::{CustomerId, SubscriptionId};

use super::{Run, Stop};
use crate::account::Status;
use crate::decide::{Desired, Facts, Warning};
use crate::ledger::CustomerLink;
use crate::ports::{Class, Ledger, PortResult, Ports, Stripe};
use crate::stripe::Subscription;

impl<P: Ports> Run<'_, P> {
    /// Our Checkout sessions that are open when the account is closed or held: each could be paid
    /// for a day. Who has not clicked since has none, and of them nothing is asked.
    pub(super) async fn open_sessions(&self, desired: &Desired) -> Result<Vec<String>, Stop> {
        let shuts = matches!(desired.status, Status::Closed | Status::Held);
        if !shuts || self.committed().status == desired.status {
            return Ok(Vec::new());
        }
        let row = self.ledger().purchase(&self.account.id).await?.unwrap_or_default();
        let Some(customer) = row.may_pay(self.now) else { return Ok(Vec::new()) };
        self.worker.note_stripe_calls(1);
        let sessions = match self.worker.ports.stripe().recent_checkouts(customer).await {
            // One that cannot be read holds up no closing. What is bought there is cancelled.
            Err(error) if error.class == Class::Invalid => {
                tracing::warn!(account = %self.account.id, %error, "a session cannot be read");
                Vec::new()
            }
            sessions => sessions?.unwrap_or_default(),
        };
        let sessions = sessions.into_iter().map(|it| it.session);
        let is_ours = |it: &_| self.worker.boundary().opened_for(&self.account.id, it);
        let open = sessions.filter(|it| it.status == "open").filter(is_ours);
        Ok(open.map(|it| it.id).collect())
    }

    /// What a run that did not live to tell of it has begun to cancel on a closed account, where that
    /// is still this account's to do: it is cancelled once more, which changes nothing, and told.
    pub(super) fn go_on_cancelling(&self, facts: &Facts, desired: &mut Desired) {
        let before = self.committed();
        if [before.status, desired.status] != [Status::Closed; 2] {
            return;
        }
        let known =
            |id: &&SubscriptionId| desired.cancel.contains(id) || before.to_cancel.contains(*id);
        let is_read = |id: &&SubscriptionId| facts.subscriptions.iter().any(|it| it.id == **id);
        let begun = self.account.may_cancel.iter().filter(is_read).filter(|id| !known(id));
        for id in begun.cloned().collect::<Vec<_>>() {
            desired.warnings.push(Warning::CancelledOnClosedAccount(id.clone()));
            desired.cancel.push(id);
        }
    }

    /// Of a closed account's customers, some are linked to nobody: what names another account with
    /// our proof is that one's.
    pub(super) fn not_for_others(&self, mut subscriptions: Vec<Subscription>) -> Vec<Subscription> {
        let boundary = self.worker.boundary();
        let is_anothers = |it: &Subscription| {
            let named = boundary.made_for(it.named.as_ref());
            !self.account.access.customers.contains(&it.customer)
                && named.is_some_and(|named| *named != self.account.id)
        };
        subscriptions.retain(|it| !is_anothers(it));
        subscriptions
    }

    /// The subscriptions that still are to be cancelled, or that a run which came to no end had
    /// begun to cancel, and that were not listed: of customers whom nobody links to a closed account.
    /// Of a customer whom an operator has released since, or linked to another account, nothing is
    /// this account's to end.
    pub(super) async fn left_to_cancel(
        &self,
        listed: &[Subscription],
    ) -> PortResult<Vec<Subscription>> {
        if !self.account.is_closed() {
            return Ok(Vec::new());
        }
        let listed: BTreeSet<&SubscriptionId> = listed.iter().map(|it| &it.id).collect();
        let left = self.account.access.to_cancel.union(&self.account.may_cancel);
        let mut read = Vec::new();
        for id in left.filter(|id| !listed.contains(id)) {
            self.worker.note_stripe_calls(1);
            if let Some(it) = self.worker.ports.stripe().subscription(id).await?
                && self.may_end_what_is_of(&it.customer).await?
            {
                read.push(it);
            }
        }
        Ok(read)
    }

    /// Whether a customer is this account's, or nobody's whom an operator has taken from it.
    async fn may_end_what_is_of(&self, customer: &CustomerId) -> PortResult<bool> {
        Ok(match self.ledger().link_of(customer).await? {
            CustomerLink::Account(owner) => owner == self.account.id,
            CustomerLink::Released { .. } => false,
            CustomerLink::Unlinked => true,
        })
    }
}
