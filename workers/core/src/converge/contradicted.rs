//! What contradicts the ledger: another Stripe account or pool than the stack's, or customers
//! whom Stripe does not know. Nothing is decided then.

use std::collections::BTreeSet;

use tollgate_events::{CustomerId, DisputeId, SubscriptionId};

use super::{Run, Stop};
use crate::account::{DisputeMark, Known};
use crate::binding::Met;
use crate::decide::{UserFact, is_ours};
use crate::mismatch::Mismatch;
use crate::ports::{Class, PortError, Ports, Service, Stripe};
use crate::stripe::{Dispute, Subscription, SubscriptionStatus};

impl<P: Ports> Run<'_, P> {
    /// Stops where the stack belongs to another pool, or to another Stripe account. Of Stripe's
    /// nothing is asked for whom nobody has ever paid: they are served when Stripe is down.
    pub(super) async fn must_belong(&self, asks_stripe: bool) -> Result<(), Stop> {
        let (binding, ports) = (&self.worker.binding, &self.worker.ports);
        match asks_stripe {
            true => Ok(binding.check(ports).await?),
            false => Ok(binding.check_pool(ports).await?),
        }
    }

    /// What the ledger knew before was met where this worker looks: there the stack belongs, if
    /// nobody has said so yet. To a wrong key or in a wrong pool nobody is met.
    pub(super) async fn note_where_it_belongs(&self, user: &UserFact) -> Result<(), Stop> {
        let in_pool =
            matches!(user, UserFact::Found { .. }) && self.account.known() == Known::Decided;
        let met = Met { in_stripe: !self.account.access.customers.is_empty(), in_pool };
        Ok(self.worker.binding.met(&self.worker.ports, met).await?)
    }

    /// The subscriptions of all these customers, as they are now.
    pub(super) async fn subscriptions(
        &self,
        customers: &BTreeSet<CustomerId>,
    ) -> Result<Vec<Subscription>, Stop> {
        let mut all = Vec::new();
        for customer in customers {
            match self.worker.subscriptions_of(customer).await? {
                Some(subscriptions) => all.extend(subscriptions),
                None => self.may_be_missing(customer)?,
            }
        }
        Ok(all)
    }

    /// Stops where the status of a subscription cannot be read that may be ours: that is not
    /// none. What else its customer has bought is nobody's business.
    pub(super) fn must_be_read(
        &self,
        subscriptions: &[Subscription],
        proven: &BTreeSet<SubscriptionId>,
    ) -> Result<(), Stop> {
        let (access, catalog) = (&self.account.access, &self.worker.catalog);
        let unreadable = |it: &&Subscription| {
            it.status == SubscriptionStatus::Unreadable && is_ours(it, proven, access, catalog)
        };
        let Some(odd) = subscriptions.iter().find(unreadable) else { return Ok(()) };
        Err(Stop::Port(PortError {
            service: Service::Stripe,
            operation: "GET /v1/subscriptions",
            class: Class::Invalid,
            detail: format!("in the answer: {}: status: missing, or no text", odd.id),
        }))
    }

    /// The disputes of these that Stripe has, as they are now.
    pub(super) async fn disputes(&self, named: &BTreeSet<DisputeId>) -> Result<Vec<Dispute>, Stop> {
        let mut all = Vec::new();
        for dispute in named {
            match self.worker.ports.stripe().dispute(dispute).await? {
                Some(read) => all.push(read),
                None => self.may_not_hold(dispute)?,
            }
        }
        Ok(all)
    }

    /// Stops where the dispute holds the account: Stripe deletes none, so another account is
    /// asked. What an operator has lifted holds nobody.
    fn may_not_hold(&self, dispute: &DisputeId) -> Result<(), Mismatch> {
        if self.account.access.disputes.get(dispute) != Some(&DisputeMark::Holding) {
            return Ok(());
        }
        let (dispute, account) = (dispute.clone(), self.account.id.clone());
        Err(Mismatch::Dispute { dispute, account })
    }

    /// Stops where the ledger, or an event of these days, has named the customer.
    fn may_be_missing(&self, customer: &CustomerId) -> Result<(), Mismatch> {
        if self.account.access.customers.contains(customer) {
            return Err(Mismatch::Customer(customer.clone()));
        }
        if self.inbox.of_customer(customer).any(|event| self.worker.vouches(event)) {
            return Err(Mismatch::EventsCustomer(customer.clone()));
        }
        Ok(())
    }
}
