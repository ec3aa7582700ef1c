//! Customers whom Stripe does not know: nothing where nobody said that they are there, else a
//! contradiction, and nothing is decided.

use std::collections::BTreeSet;

use tollgate_events::CustomerId;

use super::{Run, Stop};
use crate::mismatch::Mismatch;
use crate::ports::Ports;
use crate::stripe::Subscription;

impl<P: Ports> Run<'_, P> {
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

    /// Stops where the ledger, or an event of these days, has named the customer.
    fn may_be_missing(&self, customer: &CustomerId) -> Result<(), Mismatch> {
        if self.account.access.customers.contains(customer) {
            return Err(Mismatch::Customer(customer.clone()));
        }
        let mut of_it =
            self.events.iter().filter(|event| event.subject.customer.as_ref() == Some(customer));
        if of_it.any(|event| self.worker.vouches(event)) {
            return Err(Mismatch::EventsCustomer(customer.clone()));
        }
        Ok(())
    }
}
