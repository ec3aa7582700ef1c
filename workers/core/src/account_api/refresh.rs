//! `POST /account/refresh`: the owner asks for a look at their account.

use tollgate_events::AccountId;
use tollgate_events::wakes::REFRESH;

use super::{AccountApi, Refusal};
use crate::ports::{Clock, Ledger, Ports, Queue, QueueName, Request};
use crate::sweep::{wake, wake_customer};

impl<P: Ports> AccountApi<P> {
    /// Wakes the account, so that what was paid for a moment ago is seen although no webhook comes. It
    /// changes nothing by itself: the worker looks, and decides as ever. Whose the customer is who was
    /// to pay, and whom no event has linked yet, the worker asks Stripe.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn refresh<Q: Queue>(&self, id: &AccountId, queue: &Q) -> Result<(), Refusal> {
        self.admit(id, Request::Refresh).await?;
        let account = self.account_or_new(id).await?;
        let purchase = self.worker.ports.ledger().purchase(id).await?.unwrap_or_default();
        let linked = &account.access.customers;
        let buyer = purchase.customer.filter(|customer| !linked.contains(customer));
        let now = self.worker.ports.clock().now();
        // Two clicks within a second are one.
        let run = now.as_second().to_string();
        let envelope = match buyer {
            Some(customer) => wake_customer(REFRESH, customer, run, now),
            None => wake(REFRESH, id.clone(), Some(run), now),
        };
        Ok(queue.send(QueueName::Events, &envelope).await?)
    }
}
