//! What is still to be paid on an account on which nobody may pay any more.

use std::collections::BTreeSet;

use tollgate_events::SubscriptionId;

use super::{Run, Stop};
use crate::account::Status;
use crate::decide::{Desired, Warning};
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

    /// What a run that did not live to tell of it has begun to cancel on a closed account: it is
    /// cancelled once more, which changes nothing, and told.
    pub(super) fn go_on_cancelling(&self, desired: &mut Desired) {
        let before = self.committed();
        if [before.status, desired.status] != [Status::Closed; 2] {
            return;
        }
        let known =
            |id: &&SubscriptionId| desired.cancel.contains(id) || before.to_cancel.contains(*id);
        let begun: Vec<_> = self.account.may_cancel.iter().filter(|id| !known(id)).collect();
        for id in begun {
            desired.cancel.push(id.clone());
            desired.warnings.push(Warning::CancelledOnClosedAccount(id.clone()));
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

    /// The subscriptions that still are to be cancelled and were not listed: of customers whom
    /// nobody links to a closed account.
    pub(super) async fn left_to_cancel(
        &self,
        listed: &[Subscription],
    ) -> PortResult<Vec<Subscription>> {
        if !self.account.is_closed() {
            return Ok(Vec::new());
        }
        let listed: BTreeSet<&SubscriptionId> = listed.iter().map(|it| &it.id).collect();
        let left = self.account.access.to_cancel.iter().filter(|id| !listed.contains(id));
        let mut read = Vec::new();
        for id in left {
            self.worker.note_stripe_calls(1);
            read.extend(self.worker.ports.stripe().subscription(id).await?);
        }
        Ok(read)
    }
}
